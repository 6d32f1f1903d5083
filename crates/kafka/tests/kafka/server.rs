//! One Kafka for all tests of this binary, with a proxy for each test that runs: a test cuts its own connections and no
//! others. `servers/kafka` stops it when this process has ended, however it ends.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    pin::pin,
    process::{Command, Stdio},
    sync::{
        Condvar, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    thread,
    time::Duration,
};

use tradewind_engine::ports::{Broker, BrokerMessage};
use tradewind_kafka::{KafkaBroker, KafkaConfig, TopicSettings};
use tradewind_testkit::{
    Proxy,
    broker_suite::{BrokerUnderTest, Differences, Manner},
};

/// Tests that use the broker at a time; others wait.
const SLOTS: usize = 4;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../servers/kafka");

/// The largest message of the tests' topics.
pub const MESSAGE_BYTES_MAX: i32 = 2 * 1_024 * 1_024;

/// How long a poll of the tests waits.
pub const QUIET: Duration = Duration::from_millis(500);

/// Tries before a test has failed; each takes as long as [`QUIET`], or ends with an error.
pub const TRIES: usize = 200;

/// Who may log in.
#[cfg(feature = "tls")]
pub const USER: &str = "alice";
#[cfg(feature = "tls")]
pub const PASSWORD: &str = "s3cr3t";

/// The broker of this run.
pub struct Server {
    /// Where it keeps everything.
    #[cfg(feature = "tls")]
    pub folder: PathBuf,
    #[cfg(feature = "tls")]
    pub tls_address: String,
    #[cfg(feature = "tls")]
    pub sasl_address: String,
    /// SASL without TLS.
    #[cfg(feature = "tls")]
    pub sasl_plain_address: String,
    /// Without a proxy.
    pub address: String,
    proxies: Vec<Proxy>,
    free: Mutex<Vec<usize>>,
    freed: Condvar,
}

/// A test's own way to the broker.
pub struct Door {
    server: &'static Server,
    slot: usize,
    prefix: String,
    /// The folder of a broker that no other test uses.
    own: Option<PathBuf>,
}

static TESTS: AtomicUsize = AtomicUsize::new(0);

/// A door that no other test has, as soon as there is one.
pub fn door() -> Door {
    static SERVER: OnceLock<Server> = OnceLock::new();
    open(SERVER.get_or_init(|| Server::start(&folder("kafka"))), None)
}

/// A door to a broker of its own, which stands in the way of nobody when it stops.
pub fn own_door() -> Door {
    static SERVER: OnceLock<Server> = OnceLock::new();
    let folder = folder("kafka-alone");
    open(SERVER.get_or_init(|| Server::start(&folder)), Some(folder))
}

fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()))
}

/// Does something with the broker of a folder.
pub fn run(command: &str, folder: &Path) {
    let mut script = Command::new(SCRIPT);
    let done = script.arg(command).arg(folder).stdin(Stdio::null()).output().expect("servers/kafka can be run");
    assert!(done.status.success(), "{command}: {}", String::from_utf8_lossy(&done.stderr));
}

fn open(server: &'static Server, own: Option<PathBuf>) -> Door {
    let free = server.freed.wait_while(server.free(), |free| free.is_empty());
    let slot = free.unwrap_or_else(PoisonError::into_inner).pop().expect("one is free");
    let prefix = format!("test-{}", TESTS.fetch_add(1, Ordering::Relaxed));
    Door { server, slot, prefix, own }
}

/// Waits for what librdkafka answers to an administrator; with a timeout of its own.
pub fn wait<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(answer) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return answer;
        }
        thread::park_timeout(Duration::from_millis(1));
    }
}

impl Server {
    fn start(folder: &Path) -> Self {
        let listen = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let reserved: Vec<TcpListener> = (0..SLOTS).map(|_| listen()).collect();
        let targets: Vec<SocketAddr> = reserved.iter().map(|one| one.local_addr().expect("it listens")).collect();
        let proxies: Vec<Proxy> = targets.iter().map(|target| Proxy::start(*target).expect("a proxy")).collect();
        drop(reserved);
        let mut start = Command::new(SCRIPT);
        start.arg("start").arg(folder).arg("--for").arg(std::process::id().to_string());
        for (proxy, target) in proxies.iter().zip(&targets) {
            start.arg("--advertise").arg(format!("{}@{}", proxy.address(), target.port()));
        }
        #[cfg(feature = "tls")]
        start.arg("--secure").arg(format!("{USER}:{PASSWORD}"));
        let started = start.stdin(Stdio::null()).output().expect("servers/kafka can be run");
        assert!(
            started.status.success(),
            "Kafka does not start: {}\nThese tests need it: `servers/kafka install` installs it.",
            String::from_utf8_lossy(&started.stderr)
        );
        let addresses = String::from_utf8(started.stdout).expect("addresses");
        let addresses: Vec<String> = addresses.lines().map(str::to_owned).collect();
        let address = addresses[0].clone();
        let free = Mutex::new((0..SLOTS).collect());
        Self {
            address,
            proxies,
            free,
            freed: Condvar::new(),
            #[cfg(feature = "tls")]
            folder: folder.to_owned(),
            #[cfg(feature = "tls")]
            tls_address: addresses[SLOTS + 1].clone(),
            #[cfg(feature = "tls")]
            sasl_address: addresses[SLOTS + 2].clone(),
            #[cfg(feature = "tls")]
            sasl_plain_address: addresses[SLOTS + 3].clone(),
        }
    }

    fn free(&self) -> MutexGuard<'_, Vec<usize>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Door {
    pub fn server(&self) -> &'static Server {
        self.server
    }

    pub fn proxy(&self) -> &Proxy {
        &self.server.proxies[self.slot]
    }

    /// As all tests use it, unless they say otherwise: it waits for a broker on a machine that is busy.
    pub fn config(&self) -> KafkaConfig {
        let topics = TopicSettings {
            partitions: 3,
            replication: 1,
            min_insync_replicas: 1,
            message_bytes_max: MESSAGE_BYTES_MAX,
            ..TopicSettings::default()
        };
        KafkaConfig {
            topics,
            answer_within: Duration::from_mins(1),
            publish_within: Duration::from_mins(2),
            ..KafkaConfig::new(vec![self.proxy().address().to_string()])
        }
    }

    pub fn broker(&self) -> KafkaBroker {
        KafkaBroker::new(self.config()).expect("a configuration without TLS")
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.proxy().freeze(false);
        self.proxy().set_reachable(true);
        self.server.free().push(self.slot);
        self.server.freed.notify_one();
    }
}

impl BrokerUnderTest for Door {
    /// It gives up soon: many cases are about a broker that does not answer, and the suite repeats what has failed.
    fn connect(&self) -> Box<dyn Broker> {
        let (answer_within, publish_within) = (Duration::from_secs(5), Duration::from_secs(4));
        let config = KafkaConfig { answer_within, publish_within, ..self.config() };
        Box::new(KafkaBroker::new(config).expect("a configuration without TLS"))
    }

    fn name(&self, name: &str) -> String {
        format!("{}-{name}", self.prefix)
    }

    fn cut(&self) {
        self.proxy().cut();
    }

    fn set_reachable(&self, reachable: bool) {
        self.proxy().set_reachable(reachable);
    }

    /// Others use the broker too: only a door to one of its own restarts it.
    fn restart(&self) {
        match &self.own {
            Some(folder) => run("restart", folder),
            None => self.cut(),
        }
    }

    fn freeze(&self, frozen: bool) {
        self.proxy().freeze(frozen);
    }

    fn refused(&self) -> BrokerMessage {
        let body = vec![0; usize::try_from(MESSAGE_BYTES_MAX).expect("a size")];
        BrokerMessage::new(self.name("topic"), body).with_key("key")
    }

    fn differences(&self) -> Differences {
        Differences {
            manners: &[
                Manner::HearsThePast,
                Manner::KeepsPositions,
                Manner::HasConnections,
                Manner::KeepsRecords,
                Manner::HasOneOwner,
            ],
            quiet: QUIET,
        }
    }
}
