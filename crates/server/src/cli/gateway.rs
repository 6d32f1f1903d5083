//! `tradewind gateway`

use std::path::PathBuf;

use clap::{ArgMatches, Args, Command, FromArgMatches};
use tokio::signal::unix::{SignalKind, signal};

use super::{CliError, configured, serve::tell};
use crate::{
    config::{Config, Flags},
    gateway::Running,
    peers::Peers,
};

/// The settings of a gateway. It reads no other.
const SETTINGS: [&str; 25] = [
    "listen",
    "tls_certificate",
    "tls_key",
    "trusted_proxies",
    "probe_listen",
    "cors_origins",
    "connections_max",
    "requests_max",
    "waits_max",
    "streams_max",
    "caller_share",
    "head_timeout",
    "body_timeout",
    "body_pause_max",
    "answer_timeout",
    "keep_alive_timeout",
    "request_timeout",
    "body_max",
    "shutdown_grace",
    "peer_connect_timeout",
    "peer_connections_max",
    "peer_pause_max",
    "peers",
    "log",
    "log_format",
];

/// Run a gateway: one address for a shop whose services run in several processes.
///
/// It sends each request to the process where its service lives, by the peers file that the processes of the shop have,
/// too. It has no store, so any number of gateways can run. Its settings have the names that they have in a shop; a file
/// of settings (--config) may hold those of a shop as well.
#[derive(Args)]
pub struct Gateway {
    #[command(flatten)]
    flags: GatewayFlags,
}

/// The settings that a gateway has.
struct GatewayFlags(Flags);

impl Gateway {
    pub fn run(self) -> Result<(), CliError> {
        let config = configured(self.flags.0.without_secrets())?;
        let missing = || {
            CliError::Usage(String::from("a gateway needs a peers file: --peers FILE names the processes of the shop"))
        };
        let file: PathBuf = config.peers.clone().ok_or_else(missing)?;
        let peers = Peers::read(file)?;
        run(config, &peers)
    }
}

fn run(config: Config, peers: &Peers) -> Result<(), CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let scheme = if config.tls_certificate.is_some() { "https" } else { "http" };
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let running = Running::start(config, peers)?;
        let address = running.address();
        tell(format_args!("The gateway is open: {scheme}://{address}  (reference: {scheme}://{address}/docs)\n"));
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        tracing::info!("the gateway is stopping: requests under way are finished");
        running.stop().await;
        tracing::info!("the gateway is closed");
        Ok(())
    })
}

impl Args for GatewayFlags {
    fn augment_args(command: Command) -> Command {
        Flags::augment_some(command, |setting| SETTINGS.contains(&setting.name))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for GatewayFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Flags::of_some(matches, |setting| SETTINGS.contains(&setting.name)).map(Self)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
