//! Where the server is, who we are there, and how long we wait for it.

mod tls;
mod url;

use std::{fmt, path::PathBuf, time::Duration};

use tradewind_engine::ports::BrokerError;

use crate::{
    connection::Fault,
    topology::{InvalidTopology, Topology},
};
pub use tls::Trust;

/// Messages that are delivered and not acknowledged, at most.
const PREFETCH: u16 = 1_000;

/// Bytes of messages that are delivered and that the engine has not taken. One message may have more.
const DELIVERED_BYTES_MAX: usize = 16 * 1_024 * 1_024;

/// A server of RabbitMQ and what we have there.
#[derive(Debug, Clone)]
pub struct RabbitConfig {
    /// Name or address.
    pub host: String,
    pub port: u16,
    pub user: String,
    pub password: Password,
    pub vhost: String,
    /// Whether TLS is spoken.
    pub tls: bool,
    /// A file in PEM with authorities that are trusted besides the system's.
    pub ca_file: Option<PathBuf>,
    /// Messages that are delivered and not acknowledged, at most: 1 to 65,535.
    pub prefetch: u16,
    pub timing: Timing,
    pub topology: Topology,
}

/// How long we wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Both sides send something this often, in whole seconds of at least one. A connection that is silent for twice as
    /// long has ended.
    pub heartbeat: Duration,
    /// How long the server may take to accept a connection, to answer a call, or to confirm the next message.
    pub answer_wait: Duration,
    /// How long a message may be out unacknowledged. Then the subscription gives back all that it has. It must be
    /// shorter than the server's `consumer_timeout`, which is 30 minutes by default.
    pub give_back_after: Duration,
    /// How long a new connection waits between declaring the queues and publishing. RabbitMQ keeps the name of a new
    /// quorum queue in memory for up to a second. If it is killed within that time, the queue comes back empty, without
    /// what it had confirmed (seen with 3.10, 4.0 and 4.3; rabbitmq/rabbitmq-server#10070, #15725).
    pub settle_wait: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_secs(5),
            answer_wait: Duration::from_secs(10),
            give_back_after: Duration::from_mins(5),
            settle_wait: Duration::from_secs(2),
        }
    }
}

/// A password, which is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    pub fn new(password: impl Into<String>) -> Self {
        Self(password.into())
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Password(…)")
    }
}

/// What of a configuration cannot be used. Nothing was connected.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("the address of RabbitMQ must be amqp://USER@HOST:PORT/VHOST or amqps://…: {0}")]
    Url(String),
    #[error("the user {0} of RabbitMQ needs a password, which is a setting of its own")]
    NoPassword(String),
    #[error("`{parameter}` in the address of RabbitMQ {problem}")]
    Parameter { parameter: String, problem: String },
    #[error("the authorities of {path} cannot be used: {reason}")]
    CaFile { path: PathBuf, reason: String },
    #[error("TLS cannot be used: {0}")]
    Tls(String),
    #[error(transparent)]
    Topology(#[from] InvalidTopology),
    #[error("a thread cannot be started: {0}")]
    Thread(std::io::Error),
}

impl RabbitConfig {
    /// Reads `amqp://USER@HOST:PORT/VHOST?PARAMETER=VALUE&…`, or `amqps` for TLS. All but the host may be left out: the
    /// user is `guest`, the port 5672 or 5671, the virtual host `/`. Special characters are percent-encoded. The
    /// password is no part of it, since addresses are logged; the one of `guest` is `guest`.
    ///
    /// | parameter | default | |
    /// |---|---|---|
    /// | `ca_file` | | as [`RabbitConfig::ca_file`]; with `amqps` only |
    /// | `heartbeat` | 5 | as [`Timing::heartbeat`], 1 to 60 seconds |
    /// | `prefetch` | 1000 | as [`RabbitConfig::prefetch`] |
    pub fn parse(url: &str, password: Option<Password>) -> Result<Self, ConfigError> {
        let parts = url::parse(url)?;
        let guest = || (parts.user == "guest").then(|| Password::new("guest"));
        let password = password.or_else(guest).ok_or_else(|| ConfigError::NoPassword(parts.user.clone()))?;
        Ok(Self {
            host: parts.host,
            port: parts.port,
            user: parts.user,
            password,
            vhost: parts.vhost,
            tls: parts.tls,
            ca_file: parts.ca_file,
            prefetch: parts.prefetch.unwrap_or(PREFETCH),
            timing: Timing { heartbeat: parts.heartbeat, ..Timing::default() },
            topology: Topology::default(),
        })
    }

    /// As it is shown: without the password.
    pub fn address(&self) -> String {
        let Self { host, port, user, vhost, tls, .. } = self;
        format!("{}://{user}@{host}:{port} (virtual host {vhost})", if *tls { "amqps" } else { "amqp" })
    }
}

/// A configuration that can be used.
#[derive(Clone)]
pub struct Settings {
    pub host: String,
    pub port: u16,
    pub user: String,
    pub password: Password,
    pub vhost: String,
    pub tls: Option<Trust>,
    pub prefetch: u16,
    pub delivered_bytes_max: usize,
    pub timing: Timing,
    pub address: String,
}

impl Settings {
    pub fn new(config: &RabbitConfig) -> Result<Self, ConfigError> {
        config.topology.check()?;
        let tls = config.tls.then(|| Trust::new(config.ca_file.as_deref())).transpose()?;
        Ok(Self {
            host: config.host.clone(),
            port: config.port,
            user: config.user.clone(),
            password: config.password.clone(),
            vhost: config.vhost.clone(),
            tls,
            prefetch: config.prefetch.max(1),
            delivered_bytes_max: DELIVERED_BYTES_MAX,
            timing: config.timing,
            address: config.address(),
        })
    }

    /// What has happened, and where.
    pub fn describe(&self, fault: &Fault) -> String {
        let code = fault.code.map(|code| format!(" ({code})")).unwrap_or_default();
        format!("{}: {}{code}", self.address, fault.text)
    }

    /// What the server refuses, its operator has to allow; everything else passes by itself.
    pub fn error(&self, fault: &Fault) -> BrokerError {
        let text = self.describe(fault);
        if fault.is_refusal() { BrokerError::Refused(text) } else { BrokerError::Unavailable(text) }
    }
}
