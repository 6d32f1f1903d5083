//! What carries events between the stores of a town: a broker in memory with faults, or a real one over which every message
//! comes twice.

use std::{
    collections::BTreeSet,
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use tradewind::{
    brokers,
    config::{BrokerKind, Config},
    peers::Peers,
    services,
    split::{OpenBrokers, Split, consumed},
};
use tradewind_engine::{BrokerParts, Routing};
use tradewind_testkit::{Bindings, BrokerFaults, Deliveries, MemoryBroker, RepeatingBroker};

use super::{Layout, Town};

/// One of them.
#[derive(Clone)]
pub enum Carrier {
    Memory(MemoryBroker),
    Real(RealBroker),
}

/// A real broker, with topics, groups and queues of one town alone.
#[derive(Clone)]
pub struct RealBroker {
    /// As processes are configured with it.
    url: &'static str,
    prefix: String,
    deliveries: Deliveries,
}

/// The real brokers, each with the script that runs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    Kafka,
    RabbitMq,
}

impl Server {
    /// Its URL. The first test that asks starts it, and it stops when this process has ended.
    fn url(self) -> &'static str {
        static KAFKA: OnceLock<String> = OnceLock::new();
        static RABBIT_MQ: OnceLock<String> = OnceLock::new();
        match self {
            Self::Kafka => KAFKA.get_or_init(|| format!("kafka://{}", started("kafka"))),
            Self::RabbitMq => RABBIT_MQ.get_or_init(|| started("rabbitmq")),
        }
    }
}

/// Starts a server, and gives the address that its script prints.
fn started(script: &str) -> String {
    let process = std::process::id().to_string();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("http-{script}-{process}"));
    let mut start = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../servers").join(script));
    start.arg("start").arg(folder).args(["--for", &process]).stdin(Stdio::null()).stderr(Stdio::inherit());
    let run = start.output().expect("the script can be run");
    assert!(run.status.success(), "{script} does not start: `servers/{script} install` installs it");
    let printed = String::from_utf8(run.stdout).unwrap();
    printed.lines().last().expect("it prints its address").trim().to_owned()
}

impl RealBroker {
    pub fn on(server: Server) -> Self {
        static TOWNS: AtomicU64 = AtomicU64::new(0);
        let prefix = format!("town-{}-{}", std::process::id(), TOWNS.fetch_add(1, Ordering::Relaxed));
        Self { url: server.url(), prefix, deliveries: Deliveries::default() }
    }

    /// Opens it as a process does that is configured so, with a wrapper around it.
    fn open(&self, config: &Config, number: usize) -> OpenBrokers {
        let peers = Arc::new(Peers::read(config.peers.clone().expect("a split shop has a peers file")).unwrap());
        let split = Split::new(&peers, config.services.names()).expect("it is listed");
        let open = brokers::configured(config, Some(&split)).unwrap().expect("a broker is configured");
        let (deliveries, bindings) = (self.deliveries.clone(), self.bindings(config));
        Box::new(move |store_name| {
            let repeating = |parts: BrokerParts| {
                let broker = RepeatingBroker::new(parts.broker, &deliveries, &group(number), bindings.clone());
                BrokerParts { broker: Box::new(broker), ..parts }
            };
            Ok(open(store_name)?.into_iter().map(repeating).collect())
        })
    }

    /// What a process receives: on RabbitMQ the events that it consumes, on Kafka all events of their sources.
    fn bindings(&self, config: &Config) -> Bindings {
        let routes_by_type = config.broker.as_ref().is_some_and(|url| url.kind == BrokerKind::RabbitMq);
        let consumed = consumed(config, config.services.names()).into_iter();
        let binding = |(source, events): (&str, BTreeSet<&str>)| {
            let types = routes_by_type.then(|| events.into_iter().map(str::to_owned).collect());
            (format!("{}.{source}", self.prefix), types)
        };
        consumed.map(binding).collect()
    }
}

impl Carrier {
    pub fn memory() -> Self {
        Self::Memory(MemoryBroker::new())
    }

    /// What a process is configured with beside its own settings.
    pub fn settings(&self, services: &[&'static str], peers: &Path) -> Vec<(&'static str, String)> {
        let Self::Real(real) = self else { return Vec::new() };
        // The time of records is that of the clock of the test, which is long ago, and Kafka removes what is old.
        let old = "36500days".to_owned();
        vec![
            ("services", services.join(",")),
            ("peers", peers.display().to_string()),
            ("broker", real.url.to_owned()),
            ("broker_prefix", real.prefix.clone()),
            ("kafka_partitions", "3".to_owned()),
            ("kafka_replicas", "1".to_owned()),
            ("kafka_replicas_in_sync", "1".to_owned()),
            ("kafka_retention", old),
        ]
    }

    /// The brokers of one process; none where all services live in one store.
    pub fn brokers(&self, layout: Layout, number: usize, config: &Config) -> Option<OpenBrokers> {
        if layout.len() == 1 {
            return None;
        }
        let memory = match self {
            Self::Real(real) => return Some(real.open(config, number)),
            Self::Memory(memory) => memory,
        };
        let elsewhere = services::NAMES.iter().filter(|name| !layout[number].contains(name)).map(ToString::to_string);
        let routing = Routing::by_source("town").consume(elsewhere);
        let parts = BrokerParts::only(memory.clone(), routing, group(number));
        Some(Box::new(|_| Ok(vec![parts])))
    }

    /// Messages that this process has not acknowledged.
    pub fn owed(&self, number: usize) -> usize {
        match self {
            Self::Memory(memory) => memory.owed(&group(number)),
            Self::Real(real) => real.deliveries.owed(&group(number)),
        }
    }
}

/// What a process is called among those that receive.
fn group(number: usize) -> String {
    format!("group-{number}")
}

impl Town {
    /// The broker in memory of a town that has one.
    pub fn broker(&self) -> &MemoryBroker {
        match &self.plan.carrier {
            Carrier::Memory(memory) => memory,
            Carrier::Real(_) => panic!("this town has a real broker"),
        }
    }

    /// From now on every message comes more than once. Over a real broker it always does.
    pub fn repeats_messages(&self) {
        if let Carrier::Memory(memory) = &self.plan.carrier {
            memory.set_faults(BrokerFaults { duplicates: 2, ..BrokerFaults::default() });
        }
    }

    /// From now on, until it is changed, what is published arrives and its acknowledgement does not.
    pub fn loses_acknowledgements(&self, lose: bool) {
        match &self.plan.carrier {
            Carrier::Memory(memory) => {
                memory.set_faults(BrokerFaults { acknowledgement_lost: lose, ..BrokerFaults::default() });
            }
            Carrier::Real(real) => real.deliveries.lose_acknowledgements(lose),
        }
    }

    /// The connections of all subscriptions break.
    pub fn cuts_subscriptions(&self) {
        match &self.plan.carrier {
            Carrier::Memory(memory) => memory.disconnect_all(),
            Carrier::Real(real) => real.deliveries.cut_all(),
        }
    }

    /// Over a real broker: copies of messages that all stores together have received and whose effect is committed.
    pub fn copies_received(&self) -> Option<u64> {
        match &self.plan.carrier {
            Carrier::Memory(_) => None,
            Carrier::Real(real) => {
                Some((0..self.doors.len()).map(|number| real.deliveries.acknowledged(&group(number))).sum())
            }
        }
    }
}
