//! The gateway of a split shop: one address for all of its processes. It has no store, so any number of gateways can
//! run; each sends a request to the process where its service lives, and streams bodies through in both directions.
//!
//! **Invariant:** a gateway decides nothing about a shop. It does not look at access tokens, and it knows of each route
//! only what the table of routes says.

mod answer;
mod figures;
mod forward;
mod headers;
mod operations;
mod own;
mod peer;
mod routes;
mod start;
mod upload;

use std::{
    convert::Infallible,
    net::IpAddr,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, Method, header, request},
    response::Response,
};
use futures_util::FutureExt;
use hyper::{Request, body::Incoming};
use tokio::time::Instant;
use tradewind_engine::ports::{Clock, Ids, SystemClock, UuidV7};
use tradewind_events::Id;

use crate::{
    config::Config,
    http::{Answers, Client, Failure, IDEMPOTENCY_KEY, Place, Places, client_address, cors, host, intake, network},
    metrics::{Answered, EdgeFigures, Stopwatch},
    tasks::Stopping,
};

use answer::Arriving;
use forward::{Asked, Content, Passing};
use headers::Pseudonym;
use operations::Operating;
use peer::Peer;
use routes::{Goes, Known, Page, Routes};
use upload::Upload;

pub use figures::GatewayFigures;
pub use headers::VIA_MAX;
pub use operations::STORE;
pub use peer::IDLE_FOR;
pub use start::{GatewayError, Running};
pub use upload::REPEATED_BYTES_MAX;

/// In the log.
const ACCESS: &str = "tradewind::access";

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A peer has so much more time for a request than its own `request_timeout`, so that it can say itself that it took too
/// long.
const PEER_SLACK: Duration = Duration::from_secs(5);

/// A gateway. Clones are the same one.
#[derive(Clone)]
pub struct Gateway {
    inner: Arc<Inner>,
    /// Those that its listener has.
    routes: Arc<Routes>,
}

struct Inner {
    config: Config,
    peers: Vec<Arc<Peer>>,
    stopping: Stopping,
    figures: GatewayFigures,
    pseudonym: Pseudonym,
    requests: Places,
    waits: Places,
    streams: Places,
    probes: Places,
    ids: Mutex<UuidV7>,
}

/// A request with the route that it takes.
struct Routed<'a> {
    known: Known,
    /// The part of the path that tells which item it is about.
    item: Option<&'a str>,
    client: Client,
    place: Place,
}

impl Answers for Gateway {
    fn config(&self) -> &Config {
        &self.inner.config
    }

    fn figures(&self) -> &EdgeFigures {
        &self.inner.figures.edge
    }

    async fn answer(&self, request: Request<Incoming>, peer: IpAddr) -> Result<Response, Infallible> {
        let started = Stopwatch::start();
        let (method, request_id) = (request.method().clone(), self.request_id(request.headers()));
        let config = &self.inner.config;
        let origin = if config.cors_origins.is_empty() { None } else { request.headers().get(header::ORIGIN).cloned() };
        let mut route = "none";
        let answering = AssertUnwindSafe(self.follow(request, peer, &request_id, &mut route)).catch_unwind();
        let answered =
            answering.await.unwrap_or_else(|_panic| Err(Failure::internal("answering", &"the gateway has panicked")));
        let (mut response, code) = match answered {
            Ok(response) => (response, None),
            Err(failure) => (own::decent(failure.render(&request_id)), Some(failure.code())),
        };
        if let Ok(id) = HeaderValue::from_str(request_id.as_str()) {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        cors::allow(config, origin.as_ref(), response.headers_mut());
        let answered = Answered { method: &method, route, status: response.status(), took: started.read(), code };
        self.inner.figures.answered(&answered);
        log(&answered, &request_id);
        Ok(response)
    }
}

impl Gateway {
    async fn follow(
        &self,
        request: Request<Incoming>,
        peer: IpAddr,
        request_id: &Id,
        route: &mut &'static str,
    ) -> Result<Response, Failure> {
        host::check(&request)?;
        if let Some(response) = cors::preflight(&self.inner.config, &request) {
            return Ok(own::decent(response));
        }
        intake::check_transfer(request.headers())?;
        let (mut parts, body) = request.into_parts();
        let path = parts.uri.clone();
        let (known, item) = self.routes.find(&parts.method, path.path())?;
        *route = known.path;
        let address = client_address(peer, &parts.headers, &self.inner.config.trusted_proxies);
        let client = Client(network(address));
        if let Goes::Own(page) = known.goes {
            let places = if is_probe(page) { &self.inner.probes } else { &self.inner.requests };
            let _place = places.admit(client, None)?;
            return self.page(page, item).await;
        }
        self.inner.pseudonym.check(&parts.headers)?;
        let places = if forward::waits(&parts.headers) { &self.inner.waits } else { &self.inner.requests };
        let place = places.admit(client, None)?;
        headers::to_peer(&mut parts.headers, address, &self.inner.pseudonym);
        if let Ok(id) = HeaderValue::from_str(request_id.as_str()) {
            parts.headers.insert(REQUEST_ID, id);
        }
        let routed = Routed { known, item, client, place };
        match known.goes {
            Goes::ToPeer(number) => self.pass_on(routed, number, parts, body).await,
            Goes::ToStores(operation) => Operating { gateway: self, operation }.answer(routed, parts, body).await,
            Goes::Own(page) => self.page(page, item).await,
        }
    }

    /// Sends a request to the one peer that can answer it.
    async fn pass_on(
        &self,
        routed: Routed<'_>,
        number: usize,
        parts: request::Parts,
        body: Incoming,
    ) -> Result<Response, Failure> {
        let Routed { known, client, place, .. } = routed;
        let passing = passing(parts, Upload::of(body).map_or(Content::None, Content::Streamed), known);
        let what = known.service.unwrap_or("identity");
        let asked = Asked { peer: &self.inner.peers[number], what };
        let (response, arriving) = self.ask(asked, &passing, Some(place)).await?;
        self.answered(response, arriving, client).await
    }

    /// Sends a request, and waits for the head of its answer.
    async fn ask(
        &self,
        asked: Asked<'_>,
        passing: &Passing,
        place: Option<Place>,
    ) -> Result<(Response<()>, Arriving), Failure> {
        let deadline = Instant::now() + self.inner.config.request_timeout + PEER_SLACK;
        let (response, connection) = forward::send(asked, passing, deadline).await?;
        asked.peer.figures.answered();
        let (mut parts, body) = response.into_parts();
        headers::strip(&mut parts.headers);
        let (peer, pause_max) = (Arc::clone(asked.peer), self.inner.config.peer_pause_max);
        let arriving = Arriving { body, connection, peer, place, pause_max, ends_with: None };
        Ok((Response::from_parts(parts, ()), arriving))
    }

    /// The answer of a peer, as the client gets it.
    async fn answered(
        &self,
        response: Response<()>,
        mut arriving: Arriving,
        client: Client,
    ) -> Result<Response, Failure> {
        // A stream goes on for long, so it has a place of its own kind, and ends when the gateway stops.
        if is_stream(response.headers()) {
            arriving.place = Some(self.inner.streams.admit(client, None)?);
            arriving.ends_with = Some(self.inner.stopping.clone());
        }
        let body = arriving.pass_on().await;
        Ok(response.map(|()| body))
    }

    /// The id of a request: the client's, or a new one.
    fn request_id(&self, headers: &HeaderMap) -> Id {
        let given = headers.get(REQUEST_ID).and_then(|id| Id::new(id.to_str().ok()?).ok());
        given.unwrap_or_else(|| {
            let mut ids = self.inner.ids.lock().unwrap_or_else(PoisonError::into_inner);
            ids.next(SystemClock.wall())
        })
    }
}

fn passing(parts: request::Parts, content: Content, known: Known) -> Passing {
    let request::Parts { method, uri, headers, .. } = parts;
    let is_safe = method == Method::GET || method == Method::HEAD;
    let can_repeat = is_safe || (known.keyed && headers.contains_key(IDEMPOTENCY_KEY));
    // What a client asks a proxy for has a scheme and a host before its path.
    let target = match uri.path_and_query() {
        Some(target) if uri.scheme().is_some() => target.clone().into(),
        _ => uri,
    };
    Passing { method, target, headers, content, can_repeat }
}

fn is_stream(headers: &HeaderMap) -> bool {
    let media_type = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    media_type.is_some_and(|media_type| media_type.starts_with(b"text/event-stream"))
}

fn is_probe(page: Page) -> bool {
    matches!(page, Page::Health | Page::Readiness | Page::Figures)
}

/// Identifiers and kinds, never a query or an address.
fn log(answered: &Answered, request_id: &Id) {
    let Answered { method, route, status, took, code } = *answered;
    // To the microsecond.
    let (status, took_ms) = (status.as_u16(), (took.as_secs_f64() * 1_000_000.0).round() / 1_000.0);
    if status < 500 {
        tracing::info!(target: ACCESS, %request_id, %method, route, status, took_ms, code, "answered");
    } else {
        tracing::warn!(target: ACCESS, %request_id, %method, route, status, took_ms, code, "answered");
    }
}

/// An answer without a body of its own kind: used where a peer's answer is read whole.
fn with_body(response: Response<()>, body: impl Into<Body>) -> Response {
    let mut response = response.map(|()| body.into());
    // It may have become longer.
    response.headers_mut().remove(header::CONTENT_LENGTH);
    response
}
