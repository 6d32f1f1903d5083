//! Connections to one peer: opened when they are needed, kept while they are idle for a short time, bounded in number.
//!
//! A connection has no task of its own: the task that sends a request over it moves its bytes. So a request that is given up
//! ends its connection, and a request costs no change of thread.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use axum::http::HeaderValue;
use hyper::{
    Request, Response,
    body::Incoming,
    client::conn::{
        TrySendError,
        http1::{Builder, SendRequest},
    },
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use super::{figures::PeerFigures, upload::Outgoing};
use crate::{
    metrics::Stopwatch,
    peers::{self, Peers},
};

/// An idle connection is kept for so long: less than any sensible `keep_alive_timeout` of a peer.
pub const IDLE_FOR: Duration = Duration::from_secs(15);

/// The largest head of an answer, and what is buffered of a body, in bytes.
const BUFFER_BYTES_MAX: usize = 64 * 1024;

type Driver = Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>;

/// A peer, as the gateway reaches it.
pub struct Peer {
    pub name: Arc<str>,
    pub services: Vec<&'static str>,
    pub figures: PeerFigures,
    /// As it stands in `Host`.
    pub authority: HeaderValue,
    at: peers::Peer,
    connect_timeout: Duration,
    places: Arc<Semaphore>,
    idle: Mutex<Vec<Idle>>,
}

/// A connection with nothing under way.
struct Idle {
    connection: Connection,
    since: Stopwatch,
}

/// An open connection.
pub struct Connection {
    sender: SendRequest<Outgoing>,
    /// `None` once it has ended.
    driver: Option<Driver>,
    _place: OwnedSemaphorePermit,
}

/// Why there is no connection.
#[derive(Debug)]
pub enum NoConnection {
    /// As many as may be are in use.
    Full,
    /// What went wrong.
    Unreachable(String),
}

/// A request that was not answered.
pub struct Unanswered {
    pub error: hyper::Error,
    /// The request, if nothing of it was sent.
    pub unsent: Option<Request<Outgoing>>,
}

impl Peer {
    /// All peers of a file. Each may have `connections_max` connections.
    pub fn all(
        peers: &Peers,
        (connections_max, connect_timeout): (usize, Duration),
        figures: impl Fn(&Arc<str>) -> PeerFigures,
    ) -> Vec<Arc<Self>> {
        let peer = |at: &peers::Peer| {
            let authority = HeaderValue::try_from(at.url.authority());
            Arc::new(Self {
                name: Arc::clone(&at.name),
                services: at.services.clone(),
                figures: figures(&at.name),
                authority: authority.unwrap_or(HeaderValue::from_static("peer")),
                at: at.clone(),
                connect_timeout,
                places: Arc::new(Semaphore::new(connections_max)),
                idle: Mutex::default(),
            })
        };
        peers.all().iter().map(peer).collect()
    }

    /// An idle connection that is still open.
    pub fn idle(&self) -> Option<Connection> {
        loop {
            let mut idle = self.lock().pop()?;
            if idle.is_usable() {
                return Some(idle.connection);
            }
        }
    }

    /// Opens a new connection.
    pub async fn connect(&self) -> Result<Connection, NoConnection> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| NoConnection::Full)?;
        let opened = timeout(self.connect_timeout, self.open()).await;
        let opened = opened.unwrap_or_else(|_| Err(String::from("it took too long")));
        let (sender, driver) = opened.map_err(NoConnection::Unreachable)?;
        self.figures.opened();
        Ok(Connection { sender, driver: Some(driver), _place: place })
    }

    async fn open(&self) -> Result<(SendRequest<Outgoing>, Driver), String> {
        let url = &self.at.url;
        let stream = TcpStream::connect((url.host(), url.port())).await.map_err(|error| error.to_string())?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        match &self.at.trust {
            None => over(stream).await,
            Some(trust) => over(trust.connect(url.host(), stream).await?).await,
        }
    }

    /// Keeps a connection for the next request, if its last one is finished.
    pub fn give_back(&self, mut connection: Connection) {
        // The end of the last answer may still be on its way through it.
        if connection.is_open() && connection.sender.is_ready() {
            self.lock().push(Idle { connection, since: Stopwatch::start() });
        }
    }

    /// Closes connections that have been idle for too long or that the peer has closed.
    pub fn sweep(&self) {
        let mut idle = self.lock();
        idle.retain_mut(Idle::is_usable);
        self.figures.idle(idle.len());
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Idle {
    fn is_usable(&mut self) -> bool {
        self.since.read() < IDLE_FOR && self.connection.is_open() && self.connection.sender.is_ready()
    }
}

impl Connection {
    /// Sends a request, and waits for the head of its answer.
    pub async fn exchange(&mut self, request: Request<Outgoing>) -> Result<Response<Incoming>, Unanswered> {
        let mut answer = std::pin::pin!(self.sender.try_send_request(request));
        let driver = &mut self.driver;
        let answered = std::future::poll_fn(|cx| {
            drive(driver, cx);
            answer.as_mut().poll(cx)
        });
        answered.await.map_err(|mut error: TrySendError<Request<Outgoing>>| {
            let unsent = error.take_message();
            Unanswered { error: error.into_error(), unsent }
        })
    }

    /// Moves bytes, as far as they go.
    pub fn drive(&mut self, cx: &mut Context<'_>) {
        drive(&mut self.driver, cx);
    }

    /// The peer has not closed it.
    fn is_open(&mut self) -> bool {
        drive(&mut self.driver, &mut Context::from_waker(Waker::noop()));
        self.driver.is_some()
    }
}

fn drive(driver: &mut Option<Driver>, cx: &mut Context<'_>) {
    let Some(running) = driver else { return };
    if let Poll::Ready(ended) = running.as_mut().poll(cx) {
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection to a peer has ended");
        }
        *driver = None;
    }
}

/// Speaks HTTP over a stream.
async fn over(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
) -> Result<(SendRequest<Outgoing>, Driver), String> {
    let opened = Builder::new().max_buf_size(BUFFER_BYTES_MAX).handshake(TokioIo::new(stream)).await;
    let (sender, connection) = opened.map_err(|error| error.to_string())?;
    Ok((sender, Box::pin(connection)))
}
