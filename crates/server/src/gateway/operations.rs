//! Operations belong to a store. A gateway merges the lists of all stores, and each item names its store; it sends what
//! is done with one item to the store that has it. `?store=NAME` names one store, by the name of its peer.

mod cursor;
mod list;
mod merge;
mod query;

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, request},
    response::Response,
};
use hyper::body::Incoming;
use serde_json::value::RawValue;

use super::{
    Gateway, Routed,
    answer::{Arriving, Cut},
    forward::{Asked, Content, Passing},
    own, passing,
    routes::Known,
    with_body,
};
use crate::{
    http::{
        Failure, Place, intake,
        refusals::{OVERLOADED, PEER_UNREACHABLE, QUERY_INVALID},
    },
    services,
};

use merge::Order;
use query::Asking;

/// The parameter that names a store, and the field of an item that does.
pub const STORE: &str = "store";

/// The largest answer of one store that is merged, or tried for one item, in bytes.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What an operation is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// How each store is doing.
    States,
    /// A list of all stores, in an order.
    List(Order),
    /// A list that belongs to one service, so to the store in which that lives.
    ListOfService,
    /// The consumers of all stores.
    Consumers,
    /// One consumer: a service, or the subscription of a store.
    Consumer,
    /// One store, which must be named.
    OneStore,
    /// An item: the store that has it answers.
    Item,
    /// The same, where a store that does not have it says that there is a conflict.
    RefusedEvent,
}

/// An operation under way.
pub struct Operating<'a> {
    pub gateway: &'a Gateway,
    pub operation: Operation,
}

/// The numbers of the stores that an operation is about.
type Stores = [usize];

/// A request of an operator, as it goes to stores.
struct Request {
    known: Known,
    method: Method,
    path: String,
    asking: Asking,
    headers: HeaderMap,
    body: Option<Bytes>,
}

/// The whole answer of one store.
struct Answer {
    head: Response<()>,
    body: Bytes,
}

impl Operation {
    /// What the route of this method and path is about. A route that is not here does not start.
    pub fn of(method: &Method, path: &str) -> Option<Self> {
        let is_read = *method == Method::GET;
        let path = path.strip_prefix("/v1/operations")?;
        Some(match (is_read, path) {
            (true, "") => Self::States,
            (true, "/jobs" | "/timers") => Self::List(Order::ascending("due_at")),
            (true, "/dead-letters") => Self::List(Order::descending("died_at")),
            (true, "/parked") => Self::List(Order::ascending("parked_at")),
            (true, "/audit") => Self::List(Order::descending("at")),
            (true, "/consumers") => Self::Consumers,
            (true, "/sagas" | "/owed/holds" | "/owed/refunds" | "/owed/surplus" | "/owed/payables") => {
                Self::ListOfService
            }
            (false, path) if path.starts_with("/consumers/{consumer}/") => Self::Consumer,
            (false, "/clock/confirmation") => Self::OneStore,
            (false, "/refused-events/{event_id}/set-aside") => Self::RefusedEvent,
            (_, path) if path.starts_with("/dead-letters/{dead_letter_id}") => Self::Item,
            (false, "/jobs/{job_id}/retry" | "/jobs/{job_id}/settlement" | "/parked/{parked_id}/retry") => Self::Item,
            _ => return None,
        })
    }

    /// The store does not have the item.
    fn is_elsewhere(self, status: StatusCode) -> bool {
        status == StatusCode::NOT_FOUND || (self == Self::RefusedEvent && status == StatusCode::CONFLICT)
    }
}

impl Operating<'_> {
    pub async fn answer(self, routed: Routed<'_>, parts: request::Parts, body: Incoming) -> Result<Response, Failure> {
        // One place for the whole request, however many stores it asks.
        let Routed { known, item, place, .. } = routed;
        let asking = Asking::of(&parts.uri)?;
        let named = asking.store.as_deref().map(|name| self.store(name)).transpose()?;
        let body =
            if parts.method == Method::POST { Some(self.body(&parts.headers, body, &place).await?) } else { None };
        let request::Parts { method, uri, mut headers, .. } = parts;
        headers.remove(header::CONTENT_LENGTH);
        // Of a HEAD the client gets the headers of the merged answer.
        let method = if method == Method::HEAD { Method::GET } else { method };
        let request = Request { known, method, path: uri.path().to_owned(), asking, headers, body };
        let only = match (named, self.operation) {
            (None, Operation::Consumer) => Some(self.store_of_consumer(item.unwrap_or_default())?),
            (None, Operation::ListOfService) => Some(self.store_of_service(known.service.unwrap_or_default())?),
            (None, Operation::OneStore) => return Err(self.unnamed("This is about one store")),
            (named, _) => named,
        };
        let all: Vec<usize> = (0..self.gateway.inner.peers.len()).collect();
        let stores = only.map_or(all, |number| vec![number]);
        match (self.operation, only) {
            (Operation::List(order), _) => self.list(&request, order, &stores).await,
            (Operation::Consumers, _) => self.consumers(&request, &stores).await,
            (Operation::ListOfService, Some(number)) => self.page_of(&request, number).await,
            (Operation::States, None) => self.states(&request, &stores).await,
            (_, Some(number)) => {
                let Answer { head, body } = self.ask(number, &request, &request.asking.whole()).await?;
                Ok(with_body(head, body))
            }
            (_, None) => self.find(&request, &stores).await,
        }
    }

    fn name(&self, number: usize) -> &str {
        &self.gateway.inner.peers[number].name
    }

    /// The number of the store of this name.
    fn store(&self, name: &str) -> Result<usize, Failure> {
        let found = self.gateway.inner.peers.iter().position(|peer| &*peer.name == name);
        found.ok_or_else(|| {
            QUERY_INVALID.because(format!("There is no store {name:?}. The stores are {}.", self.names())).at(STORE)
        })
    }

    /// A service lives in one store; every store may have a subscription of a name.
    fn store_of_consumer(&self, consumer: &str) -> Result<usize, Failure> {
        match services::NAMES.into_iter().find(|service| *service == consumer) {
            Some(service) => self.store_of_service(service),
            None if self.gateway.inner.peers.len() == 1 => Ok(0),
            None => Err(self.unnamed("Each store has subscriptions of its own")),
        }
    }

    fn store_of_service(&self, service: &str) -> Result<usize, Failure> {
        let lives = self.gateway.inner.peers.iter().position(|peer| peer.services.contains(&service));
        lives.ok_or_else(|| Failure::internal("finding a service", &service))
    }

    fn unnamed(&self, why: &str) -> Failure {
        QUERY_INVALID.because(format!("{why}: name it with ?store=. The stores are {}.", self.names())).at(STORE)
    }

    fn names(&self) -> String {
        self.gateway.inner.peers.iter().map(|peer| &*peer.name).collect::<Vec<_>>().join(", ")
    }

    /// The body of a request, which may have to be sent to several stores.
    async fn body(&self, headers: &HeaderMap, body: Incoming, place: &Place) -> Result<Bytes, Failure> {
        let config = &self.gateway.inner.config;
        let mut body = Body::new(body).into_data_stream();
        let read = intake::read(headers, &mut body, config.body_max.in_memory(), (config, place)).await;
        match read {
            Ok((body, _waited)) => Ok(body),
            Err(failure) => {
                intake::drain(headers, body).await;
                Err(failure)
            }
        }
    }

    /// Asks one store, and reads its whole answer.
    async fn ask(&self, number: usize, request: &Request, query: &str) -> Result<Answer, Failure> {
        let peer = &self.gateway.inner.peers[number];
        let target = if query.is_empty() { request.path.clone() } else { format!("{}?{query}", request.path) };
        let target = target.parse().map_err(|_| QUERY_INVALID.because("The query cannot be read."))?;
        let mut passing = Passing { target, ..request.passing() };
        passing.content = request.body.clone().map_or(Content::None, Content::Whole);
        let asked = Asked { peer, what: &peer.name };
        let (head, arriving): (_, Arriving) = self.gateway.ask(asked, &passing, None).await?;
        match arriving.whole(ANSWER_BYTES_MAX).await {
            Ok(Some(body)) => Ok(Answer { head, body }),
            Ok(None) => Err(OVERLOADED.because(format!("The answer of the store {} is too large.", peer.name))),
            Err(cut @ (Cut::Peer(_) | Cut::Pause)) => {
                peer.figures.cut();
                tracing::warn!(peer = %peer.name, %cut, "an answer broke off");
                Err(PEER_UNREACHABLE.because(format!("{} broke off while it answered.", peer.name)))
            }
        }
    }

    /// Asks one store after the other for an item, until one has it. A store that does not have it changes nothing.
    async fn find(&self, request: &Request, stores: &Stores) -> Result<Response, Failure> {
        let (mut elsewhere, mut unreachable) = (None, None);
        for number in stores.iter().copied() {
            match self.ask(number, request, &request.asking.whole()).await {
                Ok(answer) if self.operation.is_elsewhere(answer.head.status()) => elsewhere = Some(answer),
                Ok(Answer { head, body }) => return Ok(with_body(head, body)),
                Err(failure) => unreachable = unreachable.or(Some(failure)),
            }
        }
        match (unreachable, elsewhere) {
            // It may be there.
            (Some(failure), _) => Err(failure),
            (None, Some(Answer { head, body })) => Ok(with_body(head, body)),
            (None, None) => Err(Failure::internal("finding a store", &"there are none")),
        }
    }

    /// How each store is doing.
    async fn states(&self, request: &Request, stores: &Stores) -> Result<Response, Failure> {
        let mut items = Vec::new();
        for number in stores.iter().copied() {
            let answer = self.ask(number, request, &request.asking.whole()).await?;
            if !answer.head.status().is_success() {
                return Ok(with_body(answer.head, answer.body));
            }
            let state: Box<RawValue> = read(&answer.body)?;
            items.push(merge::of_store(&state, self.name(number)));
        }
        Ok(json(merge::page(&items, None)))
    }

    /// A page of a list that one store has, as that store has written it.
    async fn page_of(&self, request: &Request, number: usize) -> Result<Response, Failure> {
        let answer = self.ask(number, request, &request.asking.whole()).await?;
        if !answer.head.status().is_success() {
            return Ok(with_body(answer.head, answer.body));
        }
        let page: merge::PageIn = read(&answer.body)?;
        let items: Vec<String> = page.items.iter().map(|item| merge::of_store(item, self.name(number))).collect();
        Ok(json(merge::page(&items, page.next_cursor.as_deref())))
    }

    /// The consumers of each store: its services, and its subscriptions.
    async fn consumers(&self, request: &Request, stores: &Stores) -> Result<Response, Failure> {
        let mut items = Vec::new();
        for number in stores.iter().copied() {
            let answer = self.ask(number, request, &request.asking.whole()).await?;
            if !answer.head.status().is_success() {
                return Ok(with_body(answer.head, answer.body));
            }
            let page: merge::PageIn = read(&answer.body)?;
            items.extend(page.items.iter().map(|item| merge::of_store(item, self.name(number))));
        }
        Ok(json(merge::page(&items, None)))
    }
}

impl Request {
    fn passing(&self) -> Passing {
        let (mut parts, ()) = axum::http::Request::new(()).into_parts();
        parts.method = self.method.clone();
        parts.headers = self.headers.clone();
        passing(parts, Content::None, self.known)
    }
}

/// What a store has answered.
fn read<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(body).map_err(|error| Failure::internal("reading the answer of a store", &error))
}

fn json(body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    own::decent(response)
}
