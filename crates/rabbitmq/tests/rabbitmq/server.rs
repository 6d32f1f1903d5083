//! Real servers, as `servers/rabbitmq` runs them. They end with the process of the tests, however that ends.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tradewind_engine::ports::{Broker, BrokerMessage};
use tradewind_rabbitmq::{RabbitBroker, RabbitConfig, Timing};
use tradewind_testkit::{
    Proxy,
    broker_suite::{BrokerUnderTest, Differences, Manner},
};

/// Names a running server instead, as `amqp://HOST:PORT`, whose user guest has the password guest.
const VARIABLE: &str = "TRADEWIND_RABBITMQ";

/// A server that the tests may do anything with.
pub struct Server(Place);

enum Place {
    Own(PathBuf),
    Running(String),
}

impl Server {
    /// The one that tests use at the same time.
    pub fn shared() -> &'static Self {
        static SERVER: OnceLock<Server> = OnceLock::new();
        SERVER.get_or_init(|| {
            #[expect(clippy::disallowed_methods, reason = "a test has no configuration")]
            let running = std::env::var(VARIABLE).ok();
            running.map_or_else(|| Self::start("shared"), |address| Self(Place::Running(address)))
        })
    }

    /// One that is stopped, killed and reconfigured: a test has it for itself.
    pub fn operated() -> &'static Self {
        static SERVER: OnceLock<Server> = OnceLock::new();
        SERVER.get_or_init(|| Self::start("operated"))
    }

    fn start(name: &str) -> Self {
        let process = std::process::id().to_string();
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("rabbitmq-{process}-{name}"));
        let server = Self(Place::Own(folder));
        server.run(&["start"], &["--for", &process]);
        server
    }

    pub fn address(&self) -> String {
        match &self.0 {
            Place::Own(_) => self.run(&["address"], &[]),
            Place::Running(address) => address.clone(),
        }
    }

    /// Where it has its files.
    pub fn folder(&self) -> &Path {
        let Place::Own(folder) = &self.0 else { panic!("{VARIABLE} is set, and this test needs a server of its own") };
        folder
    }

    /// Runs a command of `servers/rabbitmq` for this server, and gives what it prints.
    pub fn run(&self, command: &[&str], arguments: &[&str]) -> String {
        let folder = self.folder();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../servers/rabbitmq");
        let run = Command::new(script).args(command).arg(folder).args(arguments).output().expect("a shell");
        let (output, errors) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
        assert!(run.status.success(), "servers/rabbitmq {command:?} {arguments:?}: {output}{errors}");
        output.trim().to_owned()
    }
}

/// A server behind a proxy.
pub struct Rabbit {
    pub proxy: Proxy,
    quiet: Duration,
    number: u64,
}

impl Rabbit {
    pub fn new(address: &str, quiet: Duration) -> Self {
        static MADE: AtomicU64 = AtomicU64::new(0);
        let config = RabbitConfig::parse(address, None).expect("an address");
        let target: SocketAddr = format!("{}:{}", config.host, config.port).parse().expect("an address and a port");
        let proxy = Proxy::start(target).expect("a free port");
        Self { proxy, quiet, number: MADE.fetch_add(1, Ordering::Relaxed) }
    }

    /// As a process that starts is configured, but with short waits.
    pub fn config(&self) -> RabbitConfig {
        let timing = Timing { answer_wait: Duration::from_secs(8), settle_wait: Duration::ZERO, ..Timing::default() };
        RabbitConfig {
            timing,
            ..RabbitConfig::parse(&format!("amqp://{}", self.proxy.address()), None).expect("an address")
        }
    }
}

impl BrokerUnderTest for Rabbit {
    fn connect(&self) -> Box<dyn Broker> {
        Box::new(RabbitBroker::new(&self.config()).expect("a configuration"))
    }

    fn name(&self, name: &str) -> String {
        format!("{}-{}-{name}", std::process::id(), self.number)
    }

    fn cut(&self) {
        self.proxy.cut();
    }

    fn freeze(&self, frozen: bool) {
        self.proxy.freeze(frozen);
    }

    fn set_reachable(&self, reachable: bool) {
        self.proxy.set_reachable(reachable);
    }

    /// The server reserves exchanges of such names.
    fn refused(&self) -> BrokerMessage {
        BrokerMessage::new("amq.refused", "refused").with_key("key")
    }

    fn differences(&self) -> Differences {
        let manners =
            &[Manner::AcknowledgesSingly, Manner::HasConnections, Manner::RefusesTheUnheard, Manner::RoutesMessages];
        Differences { manners, quiet: self.quiet }
    }
}
