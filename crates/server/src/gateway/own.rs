//! What a gateway answers itself: its state, its figures, the document of the API and its pages.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use axum::{
    body::Body,
    http::{HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use futures_util::future::join_all;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::Instant;
use tradewind_events::Id;

use super::{
    Gateway,
    forward::{self, Asked, Content, Passing},
    operations::{Operation, STORE},
    peer::Peer,
    routes::{BETWEEN_PROCESSES, Page},
};
use crate::http::{
    self, Failure, Okay, probes as pages,
    refusals::{NOT_READY, PATH_INVALID},
};

/// A peer that does not say in this time whether it is ready is not.
const READINESS_WAIT: Duration = Duration::from_secs(2);

#[derive(Serialize, schemars::JsonSchema)]
struct Readiness {
    status: &'static str,
    /// The processes of the shop. Those that are not ready are answered for with 503.
    peers: Vec<PeerReadiness>,
}

#[derive(Serialize, schemars::JsonSchema)]
struct PeerReadiness {
    name: Arc<str>,
    services: Vec<&'static str>,
    ready: bool,
}

impl Gateway {
    pub(super) async fn page(&self, page: Page, item: Option<&str>) -> Result<Response, Failure> {
        let response = match page {
            Page::Health => pages::healthy().await.into_response(),
            Page::Readiness => self.readiness().await?,
            Page::Figures => pages::figures(self.inner.figures.text()),
            Page::Document => pages::document(document()),
            Page::Home => pages::home().await.into_response(),
            Page::Docs => pages::docs().await.into_response(),
            Page::Problem => {
                let code = Id::new(item.unwrap_or_default()).map_err(|error| PATH_INVALID.because(error).at("code"))?;
                pages::problem(&code)?.into_response()
            }
        };
        Ok(decent(response))
    }

    /// It is ready while at least one peer is: for what lives in another one, the answer to a request says so.
    async fn readiness(&self) -> Result<Response, Failure> {
        let peers = join_all(self.inner.peers.iter().map(|peer| async move {
            let ready = is_ready(peer).await;
            PeerReadiness { name: Arc::clone(&peer.name), services: peer.services.clone(), ready }
        }));
        let peers = peers.await;
        if peers.iter().any(|peer| peer.ready) {
            return Ok(Okay(Readiness { status: "ready", peers }).into_response());
        }
        let names: Vec<&str> = peers.iter().map(|peer| &*peer.name).collect();
        Err(NOT_READY.because(format!("None of these is ready: {}", names.join(", "))))
    }
}

async fn is_ready(peer: &Arc<Peer>) -> bool {
    let passing = Passing {
        method: Method::GET,
        target: Uri::from_static("/readyz"),
        headers: header::HeaderMap::new(),
        content: Content::None,
        can_repeat: true,
    };
    let asked = Asked { peer, what: &peer.name };
    match forward::send(asked, &passing, Instant::now() + READINESS_WAIT).await {
        // The rest of the answer is not read, so the connection ends here.
        Ok((response, _connection)) => response.status() == StatusCode::OK,
        Err(_) => false,
    }
}

/// The document of the API, in which operations can name a store and the items of their lists do.
fn document() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| {
        let mut document = http::document(&http::table());
        if let Some(paths) = document["paths"].as_object_mut() {
            paths.remove(BETWEEN_PROCESSES);
        }
        let routes = http::table().into_iter().flat_map(|section| section.routes);
        for route in routes {
            if let Some(operation) = Operation::of(&route.method, route.path) {
                let described = &mut document["paths"][route.path][route.method.as_str().to_ascii_lowercase()];
                describe(operation, described);
            }
        }
        // Strings and numbers: there is nothing that JSON cannot hold.
        serde_json::to_string_pretty(&document).unwrap_or_default() + "\n"
    })
}

/// Describes an operation as the gateway answers it.
fn describe(operation: Operation, described: &mut Value) {
    let parameter = json!({
        "name": STORE, "in": "query", "required": false, "schema": {"type": "string"},
        "description": "The store, by the name of its process in the peers file. Items of lists have it, too.",
    });
    match described["parameters"].as_array_mut() {
        Some(parameters) => parameters.push(parameter),
        None => described["parameters"] = json!([parameter]),
    }
    let store = json!({"type": "string", "description": "The name of the process that has it, in the peers file."});
    let of_store = json!({"type": "object", "properties": {STORE: store}, "required": [STORE]});
    let schema = &mut described["responses"]["200"]["content"]["application/json"]["schema"];
    let of_one = schema.take();
    *schema = match operation {
        Operation::List(_) | Operation::ListOfService | Operation::Consumers => {
            json!({"allOf": [of_one, {"type": "object", "properties": {"items": {"items": of_store}}}]})
        }
        Operation::States => {
            let items = json!({"type": "array", "items": {"allOf": [&of_one, of_store]}});
            let all = json!({
                "description": "All stores, unless one is named.",
                "type": "object", "properties": {"items": items}, "required": ["items"],
            });
            json!({"anyOf": [all, of_one]})
        }
        Operation::Consumer | Operation::OneStore | Operation::Item | Operation::RefusedEvent => of_one,
    };
}

/// What goes with every answer of the gateway's own. Those of peers bring it along.
pub fn decent(mut response: Response<Body>) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}
