//! A gateway starts, runs and stops.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::time::{MissedTickBehavior, interval};
use tradewind_engine::ports::{Clock, SystemClock};

use super::{
    Gateway, GatewayFigures, Inner,
    headers::Pseudonym,
    peer::Peer,
    routes::{Routes, Unplaced},
};
use crate::{
    app::{AppError, listen},
    config::Config,
    descriptors,
    http::{self, Places, Server, Tls, TlsError},
    peers::Peers,
    secret::drawn_text,
    tasks::{Stopping, Tasks},
};

/// How often idle connections to peers are looked through.
const SWEEP_EVERY: Duration = Duration::from_secs(5);

/// Probes that are answered at the same time.
const PROBES_MAX: usize = 64;

/// A gateway that runs.
pub struct Running {
    tasks: Tasks,
    grace: Duration,
    address: SocketAddr,
    probe_address: Option<SocketAddr>,
}

/// Why a gateway did not start.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Listen(#[from] AppError),
    #[error(transparent)]
    Route(#[from] Unplaced),
}

impl Running {
    /// Takes its address and begins to answer.
    pub fn start(mut config: Config, peers: &Peers) -> Result<Self, GatewayError> {
        descriptors::fit_gateway(&mut config, peers.all().len());
        let tls = Tls::of(&config)?;
        let routes = Routes::new(http::table(), peers)?;
        let probe_routes = Routes::new(http::probe_table(), peers)?;
        let (listener, address) = listen(config.listen)?;
        let probe_listener = config.probe_listen.map(listen).transpose()?;
        let probe_address = probe_listener.as_ref().map(|(_, address)| *address);
        let (tasks, grace) = (Tasks::default(), config.shutdown_grace);
        let gateway = Gateway::new(config, peers, (routes, tasks.stopping()));
        if let Some(tls) = &tls {
            tls.warn_unless_good(SystemClock.wall());
            if let Some(at) = tls.expires_at() {
                gateway.inner.figures.edge.certificate_expires(at);
            }
        }
        let acceptor = tls.map(|tls| tls.acceptor);
        tasks.spawn("idle connections to peers", sweep(gateway.clone()));
        if let Some((listener, _)) = probe_listener {
            let probes = Gateway { routes: Arc::new(probe_routes), ..gateway.clone() };
            tasks.spawn_to_end("probes", Server::for_probes(listener, probes).run(tasks.stopping()));
        }
        tasks.spawn_to_end("http", Server::new(listener, acceptor, gateway).run(tasks.stopping()));
        tracing::info!(%address, "the gateway is open");
        Ok(Self { tasks, grace, address, probe_address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it listens for probes besides, if it does.
    pub fn probe_address(&self) -> Option<SocketAddr> {
        self.probe_address
    }

    /// Takes no more requests, and ends when those under way are answered.
    pub async fn stop(self) {
        self.tasks.stop(self.grace * 2).await;
    }
}

impl Gateway {
    fn new(config: Config, peers: &Peers, (routes, stopping): (Routes, Stopping)) -> Self {
        let figures = GatewayFigures::default();
        let bounds = (config.peer_connections_max, config.peer_connect_timeout);
        let share = config.caller_share;
        let inner = Inner {
            peers: Peer::all(peers, bounds, |name| figures.of_peer(name)),
            stopping,
            figures,
            pseudonym: Pseudonym::new(&drawn_text()),
            requests: Places::new("requests", config.requests_max, share),
            waits: Places::new("waiting requests", config.waits_max, share),
            streams: Places::new("streams", config.streams_max, share),
            probes: Places::new("probes", PROBES_MAX, share),
            ids: Mutex::default(),
            config,
        };
        Self { inner: Arc::new(inner), routes: Arc::new(routes) }
    }
}

/// Closes connections that are no longer needed. Runs until the gateway stops.
async fn sweep(gateway: Gateway) {
    let mut every = interval(SWEEP_EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        for peer in &gateway.inner.peers {
            peer.sweep();
        }
    }
}
