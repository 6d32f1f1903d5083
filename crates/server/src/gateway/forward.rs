//! A request on its way to a peer: over which connection, for how long, and whether it is sent once more.

use std::{future::Future, sync::Arc, time::Duration};

use axum::{
    body::Bytes,
    http::{HeaderMap, HeaderValue, Method, Uri, header},
};
use hyper::{Request, Response, body::Incoming};
use tokio::time::{Instant, timeout_at};

use super::{
    peer::{Connection, NoConnection, Peer, Unanswered},
    upload::{Outgoing, Upload},
};
use crate::http::{
    Failure,
    refusals::{BODY_INVALID, OVERLOADED, PEER_UNREACHABLE},
};

/// A peer that cannot be reached is worth another try after so long.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// A request as it goes to a peer.
pub struct Passing {
    pub method: Method,
    /// The path with its query.
    pub target: Uri,
    pub headers: HeaderMap,
    pub content: Content,
    /// The same request twice has the effect of one.
    pub can_repeat: bool,
}

/// The body of a request.
pub enum Content {
    None,
    Whole(Bytes),
    Streamed(Upload),
}

/// Whom a request is for: the service, or the store, that the client asks for.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    pub peer: &'a Arc<Peer>,
    /// As the client is told.
    pub what: &'a str,
}

impl Passing {
    /// The request for this peer, from its beginning.
    fn request(&self, peer: &Peer) -> Request<Outgoing> {
        let body = match &self.content {
            Content::None => Outgoing::Empty,
            Content::Whole(bytes) => Outgoing::Whole(Some(bytes.clone())),
            Content::Streamed(upload) => upload.outgoing(),
        };
        let mut request = Request::new(body);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.target.clone();
        *request.headers_mut() = self.headers.clone();
        request.headers_mut().insert(header::HOST, peer.authority.clone());
        request
    }

    /// Nothing of it is lost, and nothing happens twice.
    fn may_be_repeated(&self) -> bool {
        self.can_repeat && !matches!(&self.content, Content::Streamed(upload) if !upload.can_repeat())
    }

    fn was_broken_off(&self) -> bool {
        matches!(&self.content, Content::Streamed(upload) if upload.is_broken())
    }
}

/// Sends a request, and waits for the head of its answer until `deadline`.
pub async fn send(
    asked: Asked<'_>,
    passing: &Passing,
    deadline: Instant,
) -> Result<(Response<Incoming>, Connection), Failure> {
    let Asked { peer, .. } = asked;
    let mut connection = match peer.idle() {
        Some(connection) => connection,
        None => connected(asked, deadline).await?,
    };
    let first = within(asked, deadline, connection.exchange(passing.request(peer))).await?;
    let broken = match first {
        Ok(response) => return Ok((response, connection)),
        Err(broken) => broken,
    };
    drop(connection);
    let Unanswered { error, unsent } = broken;
    if passing.was_broken_off() {
        return Err(BODY_INVALID.because("The body ended before its time."));
    }
    let Some(request) = unsent.or_else(|| passing.may_be_repeated().then(|| passing.request(peer))) else {
        return Err(broken_off(asked, &error));
    };
    tracing::debug!(peer = %peer.name, %error, "a request is sent once more");
    peer.figures.repeated();
    let mut connection = connected(asked, deadline).await?;
    match within(asked, deadline, connection.exchange(request)).await? {
        Ok(response) => Ok((response, connection)),
        Err(_) if passing.was_broken_off() => Err(BODY_INVALID.because("The body ended before its time.")),
        Err(Unanswered { error, .. }) => Err(broken_off(asked, &error)),
    }
}

async fn connected(asked: Asked<'_>, deadline: Instant) -> Result<Connection, Failure> {
    let Asked { peer, what } = asked;
    match within(asked, deadline, peer.connect()).await? {
        Ok(connection) => Ok(connection),
        Err(NoConnection::Full) => Err(OVERLOADED.because(format!("All connections to {what} are in use."))),
        Err(NoConnection::Unreachable(reason)) => {
            peer.figures.unreachable();
            tracing::warn!(peer = %peer.name, reason, "a peer cannot be reached");
            Err(unreachable(format_args!("{what} cannot be reached. Nothing was sent to it.")))
        }
    }
}

async fn within<T>(asked: Asked<'_>, deadline: Instant, doing: impl Future<Output = T>) -> Result<T, Failure> {
    let Asked { peer, what } = asked;
    timeout_at(deadline, doing).await.map_err(|_| {
        peer.figures.timed_out();
        tracing::warn!(peer = %peer.name, "a peer did not answer in time");
        unreachable(format_args!("{what} did not answer in time. A write may still have been carried out."))
    })
}

fn broken_off(Asked { peer, what }: Asked<'_>, error: &hyper::Error) -> Failure {
    peer.figures.broken();
    tracing::warn!(peer = %peer.name, %error, "a peer broke off");
    unreachable(format_args!("{what} broke off before it answered. A write may still have been carried out."))
}

fn unreachable(detail: std::fmt::Arguments<'_>) -> Failure {
    PEER_UNREACHABLE.because(detail).retry_after(RETRY_AFTER)
}

/// Whether a request asks to wait for an outcome.
pub fn waits(headers: &HeaderMap) -> bool {
    let waits = |value: &HeaderValue| value.as_bytes().windows(5).any(|window| window.eq_ignore_ascii_case(b"wait="));
    headers.get_all("prefer").iter().any(waits)
}
