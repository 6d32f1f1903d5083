//! Where each request goes: the table of routes of the shop, with the peer of each service.

use std::collections::BTreeMap;

use axum::http::{HeaderValue, Method, header};
use matchit::Router;

use super::operations::Operation;
use crate::{
    http::{
        Failure, Route, Section,
        refusals::{METHOD_NOT_ALLOWED, ROUTE_UNKNOWN},
    },
    peers::Peers,
};

/// The public keys of access tokens. Every process has them; identity has them first.
const JWKS: &str = "/.well-known/jwks.json";

/// Processes ask each other here, and never through a gateway, which could not say which one is meant.
pub const BETWEEN_PROCESSES: &str = "/v1/peer";

/// Every route of the shop.
pub struct Routes(Router<Vec<Known>>);

/// A route, as the gateway knows it.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    /// The template of its path.
    pub path: &'static str,
    pub goes: Goes,
    /// The service whose peer that is.
    pub service: Option<&'static str>,
    /// A write that carries an Idempotency-Key, so that it can be sent twice.
    pub keyed: bool,
    verb: Verb,
}

/// Where a request goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goes {
    /// To the peer of this number.
    ToPeer(usize),
    /// To the peers whose stores it is about.
    ToStores(Operation),
    /// Nowhere: the gateway answers.
    Own(Page),
}

/// What the gateway answers itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    Health,
    Readiness,
    Figures,
    Document,
    Home,
    Docs,
    Problem,
}

/// The methods of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

/// A route that the table has and the gateway cannot place: a defect.
#[derive(Debug, thiserror::Error)]
#[error("the gateway does not know where {method} {path} goes")]
pub struct Unplaced {
    method: Method,
    path: &'static str,
}

impl Routes {
    /// The routes of these sections, over these peers.
    pub fn new(sections: Vec<Section>, peers: &Peers) -> Result<Self, Unplaced> {
        let mut by_path: BTreeMap<&'static str, Vec<Known>> = BTreeMap::new();
        let all = sections.into_iter().flat_map(|section| section.routes);
        for route in all.filter(|route| route.path != BETWEEN_PROCESSES) {
            let unplaced = || Unplaced { method: route.method.clone(), path: route.path };
            let known = known(&route, peers).ok_or_else(unplaced)?;
            by_path.entry(route.path).or_default().push(known);
        }
        let mut router = Router::new();
        for (path, known) in by_path {
            router.insert(path, known).map_err(|_| Unplaced { method: Method::GET, path })?;
        }
        Ok(Self(router))
    }

    /// The route of a request, and the part of its path that tells which item it is about, if the route has one.
    pub fn find<'a>(&self, method: &Method, path: &'a str) -> Result<(Known, Option<&'a str>), Failure> {
        let found = self.0.at(path).map_err(|_| ROUTE_UNKNOWN.problem())?;
        let verb = Verb::of(method);
        if let Some(known) = found.value.iter().find(|known| Some(known.verb) == verb) {
            return Ok((*known, found.params.iter().next().map(|(_, value)| value)));
        }
        let allowed: Vec<&str> = found.value.iter().map(|known| known.verb.allowed()).collect();
        let failure = METHOD_NOT_ALLOWED.problem();
        Err(match HeaderValue::try_from(allowed.join(",")) {
            Ok(allowed) => failure.header(header::ALLOW, allowed),
            Err(_) => failure,
        })
    }
}

fn known(route: &Route, peers: &Peers) -> Option<Known> {
    let of = |service: &str| peers.all().iter().position(|peer| peer.serves(service)).map(Goes::ToPeer);
    let goes = match (route.service, route.path) {
        (Some(service), path) => match Operation::of(&route.method, path) {
            Some(operation) => Goes::ToStores(operation),
            None => of(service)?,
        },
        (None, JWKS) => of("identity")?,
        (None, path) => match Page::of(path) {
            Some(page) => Goes::Own(page),
            None => Goes::ToStores(Operation::of(&route.method, path)?),
        },
    };
    Some(Known { path: route.path, goes, service: route.service, keyed: route.keyed, verb: Verb::of(&route.method)? })
}

impl Page {
    fn of(path: &str) -> Option<Self> {
        Some(match path {
            "/healthz" => Self::Health,
            "/readyz" => Self::Readiness,
            "/metrics" => Self::Figures,
            "/openapi.json" => Self::Document,
            "/" => Self::Home,
            "/docs" => Self::Docs,
            "/docs/problems/{code}" => Self::Problem,
            _ => return None,
        })
    }
}

impl Verb {
    /// A `HEAD` goes where the `GET` goes.
    fn of(method: &Method) -> Option<Self> {
        Some(match *method {
            Method::GET | Method::HEAD => Self::Get,
            Method::POST => Self::Post,
            Method::PUT => Self::Put,
            Method::PATCH => Self::Patch,
            Method::DELETE => Self::Delete,
            _ => return None,
        })
    }

    const fn allowed(self) -> &'static str {
        match self {
            Self::Get => "GET,HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}
