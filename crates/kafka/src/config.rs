//! How the adapter is configured: from a URL, or field by field. A secret is never part of a URL.

mod url;

use std::{fmt, path::PathBuf, time::Duration};

use rdkafka::ClientConfig;

pub use url::URL_OPTIONS;

/// How long Kafka may take for one answer, unless it is configured.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

const PARTITIONS_EVERY: Duration = Duration::from_secs(30);

/// What the clients of a process hold for a broker that is down or slow, in KiB: the producer's queue, and what is
/// fetched ahead of the engine. One answer of a broker may come on top of the latter.
const PRODUCER_QUEUE_KBYTES: u32 = 16 * 1_024;
const PREFETCH_KBYTES: u32 = 8 * 1_024;
const FETCH_BYTES: u32 = 4 * 1_024 * 1_024;

/// How to reach Kafka, and what its topics look like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KafkaConfig {
    /// Brokers to begin with, as `HOST:PORT`; they name the others. At least one.
    pub bootstrap: Vec<String>,
    /// What the brokers' logs and quotas call this process.
    pub client_id: String,
    pub security: Security,
    pub topics: TopicSettings,
    pub compression: Compression,
    /// After so long without an answer a connection counts as lost.
    pub answer_within: Duration,
    /// A call of `publish` ends when no message was acknowledged for so long, at most twice as long. A slow broker that
    /// acknowledges one after the other is waited for.
    pub publish_within: Duration,
    /// How often partitions are looked for that were added to a topic.
    pub partitions_every: Duration,
    /// For how long the store's inbox remembers events. A topic that keeps them longer is not consumed, because an event
    /// that came again after that would have its effect twice.
    pub inbox_kept: Duration,
}

/// How the topics are that this process creates, and what it demands of those that exist. It changes none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicSettings {
    /// Whether a topic that is missing is created.
    pub create: bool,
    /// Partitions of a new topic. More can be added later, but from then on the events of a key are in another partition
    /// than before.
    pub partitions: i32,
    /// Copies of each partition; an existing topic has at least so many.
    pub replication: i32,
    /// Copies that have a message before it is acknowledged; an existing topic demands at least so many.
    pub min_insync_replicas: i32,
    /// `retention.ms` of a new topic.
    pub retention: Duration,
    /// `segment.ms` of a new topic: Kafka removes whole segments, so a message stays for up to so long after its
    /// retention.
    pub segment: Duration,
    /// `max.message.bytes` of a new topic; an existing one takes at least so many. What is larger is refused.
    pub message_bytes_max: i32,
}

/// How a connection is protected.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Security {
    pub tls: Option<Tls>,
    pub sasl: Option<Sasl>,
}

/// The brokers' certificates are always verified.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tls {
    /// The certificates of the authorities, in PEM. Without it those of the system.
    pub ca_file: Option<PathBuf>,
}

/// User and password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sasl {
    pub mechanism: SaslMechanism,
    pub user: String,
    pub secret: Secret,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SaslMechanism {
    Plain,
    ScramSha256,
    ScramSha512,
}

/// What batches are compressed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    #[default]
    Lz4,
    Zstd,
}

/// A password. Neither `Debug` nor an error shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// An option that cannot be used, by its name in the URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{option}` of the Kafka URL {reason}")]
pub struct ConfigError {
    pub option: String,
    pub reason: String,
}

impl ConfigError {
    fn new(option: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { option: option.into(), reason: reason.into() }
    }
}

impl Secret {
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(…)")
    }
}

impl Default for TopicSettings {
    /// For a cluster of three brokers or more. A message is kept for seven days at most, as the inbox of a store is.
    fn default() -> Self {
        Self {
            create: true,
            partitions: 12,
            replication: 3,
            min_insync_replicas: 2,
            retention: Duration::from_hours(6 * 24),
            segment: Duration::from_hours(24),
            message_bytes_max: 2 * 1_024 * 1_024,
        }
    }
}

impl KafkaConfig {
    /// With everything else as it is by default.
    pub fn new(bootstrap: Vec<String>) -> Self {
        Self {
            bootstrap,
            client_id: "tradewind".to_owned(),
            security: Security::default(),
            topics: TopicSettings::default(),
            compression: Compression::default(),
            answer_within: ANSWER_WITHIN,
            publish_within: ANSWER_WITHIN,
            partitions_every: PARTITIONS_EVERY,
            inbox_kept: Duration::from_hours(7 * 24),
        }
    }

    /// Reads `kafka://HOST:PORT,HOST:PORT/?OPTION=VALUE&…`; [`URL_OPTIONS`] lists the options. `secret` is the password of
    /// `user`, from wherever the process keeps its secrets.
    pub fn parse(url: &str, secret: Option<Secret>) -> Result<Self, ConfigError> {
        url::parse(url, secret)
    }

    /// What the server must have been built with.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let needs_openssl = self.security.tls.is_some() || self.security.sasl.is_some();
        if needs_openssl && !cfg!(feature = "tls") {
            let option = if self.security.tls.is_some() { "tls" } else { "sasl" };
            return Err(ConfigError::new(option, "needs a build with TLS for Kafka: enable the cargo feature `tls`"));
        }
        Ok(())
    }

    /// What all clients have in common.
    pub(crate) fn client(&self) -> ClientConfig {
        let answer_ms = milliseconds(self.answer_within);
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", self.bootstrap.join(","))
            .set("client.id", &self.client_id)
            .set("allow.auto.create.topics", "false")
            .set("socket.timeout.ms", &answer_ms)
            .set("socket.connection.setup.timeout.ms", &answer_ms)
            .set("socket.keepalive.enable", "true")
            .set("reconnect.backoff.ms", "50")
            // One attempt a second, so that a broker that comes back is not kept waiting.
            .set("reconnect.backoff.max.ms", "1000")
            .set("topic.metadata.refresh.interval.ms", milliseconds(self.partitions_every))
            // A topic that is not known after so long does not exist.
            .set("topic.metadata.propagation.max.ms", &answer_ms);
        let Security { tls, sasl } = &self.security;
        let protocol = match (tls, sasl) {
            (None, None) => "plaintext",
            (Some(_), None) => "ssl",
            (None, Some(_)) => "sasl_plaintext",
            (Some(_), Some(_)) => "sasl_ssl",
        };
        config.set("security.protocol", protocol);
        if let Some(file) = tls.as_ref().and_then(|tls| tls.ca_file.as_ref()) {
            config.set("ssl.ca.location", file.to_string_lossy());
        }
        if let Some(Sasl { mechanism, user, secret }) = sasl {
            config.set("sasl.mechanism", mechanism.name()).set("sasl.username", user).set("sasl.password", &secret.0);
        }
        config
    }

    /// Idempotent, in order and without holes, for as long as the producer lives. No message ever expires in it: a gap
    /// would be the result (librdkafka#4134). `publish` has a deadline, and leaves the producer when it has passed.
    ///
    /// One request to a broker at a time. A partition that has no record yet of a producer accepts any of its batches as
    /// the first. With several requests on their way, the broker refuses the first one, as while it becomes the leader or
    /// a replica is missing, and accepts the second; librdkafka takes that for a proof that it has the first one too, and
    /// reports a message as delivered that is lost (confluent-kafka-go#921).
    pub(crate) fn producer(&self) -> ClientConfig {
        let mut config = self.client();
        config
            .set("enable.idempotence", "true")
            .set("enable.gapless.guarantee", "true")
            .set("max.in.flight.requests.per.connection", "1")
            .set("acks", "all")
            .set("message.timeout.ms", "0")
            .set("request.timeout.ms", milliseconds(self.answer_within))
            .set("compression.codec", self.compression.name())
            .set("partitioner", "murmur2_random")
            .set("linger.ms", "1")
            .set("message.max.bytes", self.topics.message_bytes_max.to_string())
            .set("queue.buffering.max.messages", "100000")
            .set("queue.buffering.max.kbytes", PRODUCER_QUEUE_KBYTES.to_string());
        config
    }

    /// It never joins the group: it reads the partitions that it is told, and commits offsets when it is told.
    pub(crate) fn consumer(&self, group: &str) -> ClientConfig {
        let mut config = self.client();
        config
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "error")
            // How long a commit waits for the group's coordinator. It is no membership's.
            .set("session.timeout.ms", milliseconds(self.answer_within))
            .set("max.poll.interval.ms", "86400000")
            .set("queued.min.messages", "10000")
            .set("queued.max.messages.kbytes", PREFETCH_KBYTES.to_string())
            .set("fetch.max.bytes", FETCH_BYTES.max(self.topics.message_bytes_max.unsigned_abs()).to_string())
            .set("fetch.queue.backoff.ms", "20")
            .set("check.crcs", "true");
        config
    }
}

impl SaslMechanism {
    fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
        }
    }
}

impl Compression {
    fn name(self) -> &'static str {
        match self {
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }
}

/// As Kafka's settings have it.
pub(crate) fn milliseconds(duration: Duration) -> String {
    duration.as_millis().to_string()
}
