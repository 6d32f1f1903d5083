//! From connections to requests: accepting, TLS, time limits, and a stop that finishes what it has begun.

use std::{
    convert::Infallible,
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::{Router, body::Body, extract::Request, response::Response};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::TokioIo,
    server::graceful::{GracefulShutdown, Watcher},
};
use rustix::io::Errno;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{Interval, MissedTickBehavior, interval, timeout},
};
use tokio_rustls::TlsAcceptor;

use super::{
    address::{client, is_trusted, network},
    connections::{Connection, Connections},
    edge,
    paced::{Paced, PacedBody},
};
use crate::{
    config::Config,
    metrics::{EdgeFigures, Stopwatch},
    shop::Shop,
    tasks::Stopping,
};

/// What one connection buffers of requests and of answers, each: the largest head of a request, too.
const BUFFER_BYTES_MAX: usize = 64 * 1024;

/// Connections that may still be closing while others have taken their places.
const CLOSING_MAX: usize = 32;

/// Connections to the port for probes.
const PROBE_CONNECTIONS_MAX: usize = 64;

/// Failures to accept are logged once in this time, in seconds.
const COMPLAIN_EVERY_SECONDS: u64 = 10;

/// What answers the requests that come to a listener.
pub trait Answers: Clone + Send + Sync + 'static {
    /// The limits of its connections.
    fn config(&self) -> &Config;

    /// Where its connections are counted.
    fn figures(&self) -> &EdgeFigures;

    /// Answers a request that came over a connection from `peer`.
    fn answer(
        &self,
        request: hyper::Request<Incoming>,
        peer: IpAddr,
    ) -> impl Future<Output = Result<Response, Infallible>> + Send;
}

/// A shop with the routes that it answers on.
#[derive(Clone)]
pub struct ShopDoor {
    pub shop: Shop,
    pub router: Router,
}

/// A listener with what answers on it.
pub struct Server<A> {
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    answers: A,
    connections_max: usize,
}

/// What every connection needs.
#[derive(Clone)]
struct Context<A> {
    answers: A,
    tls: Option<TlsAcceptor>,
    connections: Arc<Connections>,
}

/// The accept loop: it takes connections in as long as there are descriptors for them.
struct Accepting {
    sweep: Interval,
    /// No descriptor was left: the next attempt follows the next sweep, or the end of a connection.
    is_exhausted: bool,
    complaints: Complaints,
}

/// Failures to accept, logged once in a while however many there are.
#[derive(Default)]
struct Complaints {
    count: u64,
    logged: Option<Stopwatch>,
}

impl Answers for ShopDoor {
    fn config(&self) -> &Config {
        &self.shop.config
    }

    fn figures(&self) -> &EdgeFigures {
        &self.shop.metrics.edge
    }

    async fn answer(&self, request: hyper::Request<Incoming>, peer: IpAddr) -> Result<Response, Infallible> {
        let mut request: Request = request.map(Body::new);
        let client = client(peer, request.headers(), &self.shop.config.trusted_proxies);
        request.extensions_mut().insert(client);
        edge::answer(self.shop.clone(), self.router.clone(), request).await
    }
}

impl<A: Answers> Server<A> {
    /// Answers what comes to a listener. Nothing is answered yet.
    pub fn new(listener: TcpListener, tls: Option<TlsAcceptor>, answers: A) -> Self {
        let connections_max = answers.config().connections_max;
        Self { listener, tls, answers, connections_max }
    }

    /// Answers probes on a port of their own, whose connections nobody else can take.
    pub fn for_probes(listener: TcpListener, answers: A) -> Self {
        Self { listener, tls: None, answers, connections_max: PROBE_CONNECTIONS_MAX }
    }

    /// Serves until `stopping`; then takes no more connections and finishes the requests that are being answered.
    pub async fn run(self, stopping: Stopping) {
        let Self { listener, tls, answers, connections_max } = self;
        let grace = answers.config().shutdown_grace;
        let figures = answers.figures().connections.clone();
        let connections = Arc::new(Connections::new(answers.config(), connections_max, figures));
        let context = Context { answers, tls, connections };
        let graceful = GracefulShutdown::new();
        let mut accepting = Accepting::new(&context.connections);
        let mut open = JoinSet::new();
        loop {
            while open.try_join_next().is_some() {}
            let has_room = open.len() < connections_max.saturating_add(CLOSING_MAX);
            tokio::select! {
                accepted = listener.accept(), if has_room && !accepting.is_exhausted => match accepted {
                    Ok((stream, peer)) => context.take(stream, peer, graceful.watcher(), &mut open),
                    Err(error) => accepting.failed(&context, &error),
                },
                _ = accepting.sweep.tick() => accepting.swept(&context),
                Some(_) = open.join_next(), if !has_room || accepting.is_exhausted => accepting.is_exhausted = false,
                () = stopping.stopped() => break,
            }
        }
        drop(listener);
        let finished = async {
            tokio::select! {
                () = graceful.shutdown() => {}
                // Clients that do not read are still let go in time.
                () = sweep_on(&context.connections, &mut accepting.sweep) => {}
            }
        };
        if timeout(grace, finished).await.is_err() {
            tracing::warn!("some requests were not finished in time");
        }
    }
}

async fn sweep_on(connections: &Connections, sweep: &mut Interval) {
    loop {
        sweep.tick().await;
        connections.sweep();
    }
}

impl Accepting {
    fn new(connections: &Connections) -> Self {
        let mut sweep = interval(connections.sweep_interval());
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { sweep, is_exhausted: false, complaints: Complaints::default() }
    }

    fn swept<A: Answers>(&mut self, context: &Context<A>) {
        context.connections.sweep();
        self.is_exhausted = false;
        self.complaints.log();
    }

    /// The client is gone already, and others may still come; or descriptors or memory are exhausted, and then another
    /// attempt at once fails, too.
    fn failed<A: Answers>(&mut self, context: &Context<A>, error: &io::Error) {
        context.answers.figures().accept_failed();
        let scarce = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM].map(Errno::raw_os_error);
        self.is_exhausted = error.raw_os_error().is_some_and(|code| scarce.contains(&code));
        if self.is_exhausted {
            context.connections.displace_one();
        }
        tracing::debug!(%error, "a connection could not be accepted");
        self.complaints.count += 1;
        self.complaints.log();
    }
}

impl Complaints {
    fn log(&mut self) {
        let is_due = self.logged.is_none_or(|logged| logged.read().as_secs() >= COMPLAIN_EVERY_SECONDS);
        if self.count > 0 && is_due {
            tracing::warn!(count = self.count, "connections could not be accepted: file descriptors may be exhausted");
            *self = Self { count: 0, logged: Some(Stopwatch::start()) };
        }
    }
}

impl<A: Answers> Context<A> {
    /// Serves a connection, if there is room for it.
    fn take(&self, stream: TcpStream, peer: SocketAddr, watcher: Watcher, open: &mut JoinSet<()>) {
        let is_proxy = is_trusted(peer.ip(), &self.answers.config().trusted_proxies);
        let Some(connection) = self.connections.opened(network(peer.ip()), is_proxy) else { return };
        let context = self.clone();
        open.spawn(async move {
            tokio::select! {
                () = connection.ending() => tracing::debug!("a connection was ended early"),
                () = context.serve(stream, peer, watcher, &connection) => {}
            }
            context.connections.closed(&connection);
        });
    }

    async fn serve(&self, stream: TcpStream, peer: SocketAddr, watcher: Watcher, connection: &Arc<Connection>) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection has ended before it began");
            return;
        }
        let stream = Paced::new(stream, Arc::clone(connection));
        let Some(tls) = &self.tls else { return self.answer(stream, peer, watcher, connection).await };
        match tls.accept(stream).await {
            Ok(stream) => self.answer(stream, peer, watcher, connection).await,
            Err(error) => tracing::debug!(%error, "a TLS connection could not be opened"),
        }
    }

    async fn answer(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        peer: SocketAddr,
        watcher: Watcher,
        connection: &Arc<Connection>,
    ) {
        let service = service_fn(|request: hyper::Request<Incoming>| {
            connection.begins_request();
            let (answers, connection) = (self.answers.clone(), Arc::clone(connection));
            async move {
                let answered = answers.answer(request, peer.ip()).await;
                answered.map(|response: Response| response.map(|body| PacedBody::new(body, connection)))
            }
        });
        // Its deadlines are those of `Connections`.
        let serving = http1::Builder::new()
            .header_read_timeout(None)
            .max_buf_size(BUFFER_BYTES_MAX)
            .serve_connection(TokioIo::new(stream), service);
        if let Err(error) = watcher.watch(serving).await {
            tracing::debug!(%error, "a connection has ended");
        }
    }
}
