//! What machines and people ask about the shop itself: is it alive, is it ready, its figures, its keys, its documents.

use std::sync::{Arc, PoisonError, atomic::Ordering};

use axum::{
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Redirect, Response},
};
use schemars::JsonSchema;
use serde::Serialize;
use tradewind_engine::BrokerStatus;
use tradewind_events::{Id, identity::Jwk};

use super::{
    answer::Okay,
    call::Call,
    describe::{Describe, Describer},
    extract::Path,
    problem::Failure,
    refusals::{NOT_READY, ROUTE_UNKNOWN},
};
use crate::{
    metrics::{Now, Owed, Waiting},
    peers::Findings,
    problems,
};

#[derive(Serialize, JsonSchema)]
pub struct Health {
    status: &'static str,
}

#[derive(Serialize, JsonSchema)]
pub struct Readiness {
    status: &'static str,
    /// Services, and subscriptions by the names of their brokers, that an operator or the engine has paused. What concerns
    /// them waits; the others go on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    paused: Vec<String>,
    /// The events that brokers refuse, their sizes, and why: nothing behind them is published there.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused_event: Option<String>,
    /// What the shop works around at the moment: peers and brokers that cannot be reached. Events for them wait.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    warnings: Vec<String>,
}

/// The public keys that check access tokens (RFC 7517).
#[derive(Serialize, JsonSchema)]
pub struct Jwks {
    #[schemars(with = "Vec<serde_json::Value>")]
    keys: Vec<Jwk>,
}

/// The process runs. Whether it can do its work is another question: [`ready`].
pub async fn healthy() -> Okay<Health> {
    Okay(Health { status: "alive" })
}

/// It can do its work: nothing has stopped, no deadline is held, no damage is known, and whoever started it knows how to
/// become its admin. A paused service is no reason to take all requests away from the others.
pub async fn ready(call: Call) -> Result<Okay<Readiness>, Failure> {
    let status = call.engine.status();
    let paused = call.read_for_probe(Owed::read).await?.paused;
    let mut reasons = Vec::new();
    if call.stopping.is_stopping() {
        reasons.push(String::from("the shop is stopping"));
    }
    reasons.extend(status.stopped.map(|why| format!("the engine has stopped: {why}")));
    reasons.extend(call.engine.reader().fault().map(|fault| fault.to_string()));
    reasons.extend(status.deadlines_held.map(|why| format!("deadlines are held: {why}")));
    if !call.is_announced.load(Ordering::Acquire) {
        reasons.push(String::from("the shop is starting"));
    }
    let findings = compared(&call);
    if !findings.unasked.is_empty() {
        reasons.push(format!("the settings of the peers are being compared: {}", findings.unasked.join(", ")));
    }
    reasons.extend(findings.differences);
    if reasons.is_empty() {
        let silent = findings.silent.iter().map(|peer| format!("the peer {peer} cannot be reached"));
        let failing = status.brokers.iter().filter(|broker| broker.error.is_some());
        let failing = failing.map(|broker| format!("the broker {} does not do what it is asked", broker.name));
        let warnings = silent.chain(failing).chain(standing(&status.brokers)).collect();
        let refused = status.brokers.iter().filter_map(|broker| Some((&broker.name, broker.refused.as_ref()?)));
        let refused: Vec<String> = refused
            .map(|(broker, event)| format!("{}, {} bytes, by {broker}: {}", event.event_id, event.bytes, event.reason))
            .collect();
        let refused_event = (!refused.is_empty()).then(|| refused.join("; "));
        Ok(Okay(Readiness { status: "ready", paused, refused_event, warnings }))
    } else {
        // Deadlines are held until these are skipped.
        reasons.extend(standing(&status.brokers));
        Err(NOT_READY.because(reasons.join("; ")))
    }
}

/// The subscriptions that stand before what their brokers no longer have.
fn standing(brokers: &[BrokerStatus]) -> impl Iterator<Item = String> {
    let gaps = brokers.iter().filter_map(|broker| Some((broker, broker.gaps.first()?)));
    gaps.map(|(BrokerStatus { name, gaps, .. }, first)| {
        format!("the subscription at {name} stands before {} gaps until they are skipped: {first}", gaps.len())
    })
}

/// What is known about the peers of a split shop.
fn compared(call: &Call) -> Findings {
    let comparison = call.comparison.as_ref();
    comparison.map(|known| known.lock().unwrap_or_else(PoisonError::into_inner).findings()).unwrap_or_default()
}

pub async fn metrics(call: Call) -> Result<Figures, Failure> {
    let (status, now) = (call.engine.status(), call.engine.clock().now());
    let (lag, of, config) = (call.engine.lag(), status.clone(), Arc::clone(&call.config));
    let waiting = call.read_for_probe(move |reader| Waiting::read(reader, &of, now, &config)).await?;
    let now = Now { at: now, status: &status, lag: &lag, waiting: &waiting, services: &call.services };
    Ok(Figures(call.metrics.text(&now)))
}

pub async fn jwks(call: Call) -> Okay<Jwks> {
    Okay(Jwks { keys: call.key_ring.jwks() })
}

pub async fn openapi() -> Document {
    Document(super::openapi::text())
}

/// Whoever opens the address of a shop in a browser finds something.
pub async fn home() -> ToDocs {
    ToDocs
}

/// The reference page. It needs nothing but the document beside it.
pub async fn docs() -> Page {
    Page(include_str!("docs.html"))
}

/// What a problem code means, and what to do.
pub async fn problem_page(Path(code): Path<Id>) -> Result<ProblemPage, Failure> {
    problem(&code)
}

/// The page of a problem code.
pub fn problem(code: &Id) -> Result<ProblemPage, Failure> {
    let page =
        problems::page(code.as_str()).ok_or_else(|| ROUTE_UNKNOWN.because("There is no problem of this code."))?;
    Ok(ProblemPage(page))
}

/// The document of the API, of a gateway.
pub fn document(text: &'static str) -> Response {
    Document(text).into_response()
}

/// Figures, as Prometheus reads them.
pub fn figures(text: String) -> Response {
    Figures(text).into_response()
}

/// The way to the reference page.
pub struct ToDocs;

impl IntoResponse for ToDocs {
    fn into_response(self) -> Response {
        Redirect::temporary("/docs").into_response()
    }
}

impl Describe for ToDocs {
    fn describe(describer: &mut Describer) {
        describer.answers_nothing(StatusCode::TEMPORARY_REDIRECT);
    }
}

/// A page for a browser, which may load nothing from elsewhere.
pub struct Page(&'static str);

const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; \
                      img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let policy: [(HeaderName, HeaderValue); 1] =
            [(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY))];
        (policy, Html(self.0)).into_response()
    }
}

impl Describe for Page {
    fn describe(describer: &mut Describer) {
        describer.answers_with(StatusCode::OK, "text/html", &serde_json::json!({"type": "string"}));
    }
}

/// Texts that are answered, each with its one media type: the document says what is sent, whatever the client accepts.
macro_rules! texts {
    ($($(#[doc = $about:literal])+ $name:ident($text:ty): $media_type:literal, $schema:literal;)*) => {$(
        $(#[doc = $about])+
        pub struct $name($text);

        impl IntoResponse for $name {
            fn into_response(self) -> Response {
                ([(header::CONTENT_TYPE, HeaderValue::from_static($media_type))], self.0).into_response()
            }
        }

        impl Describe for $name {
            fn describe(describer: &mut Describer) {
                describer.answers_with(StatusCode::OK, $media_type, &serde_json::json!({"type": $schema}));
            }
        }
    )*};
}

texts! {
    /// Figures for Prometheus.
    Figures(String): "application/openmetrics-text; version=1.0.0; charset=utf-8", "string";
    /// The document of the API.
    Document(&'static str): "application/json", "object";
    /// What a problem code means.
    ProblemPage(&'static str): "text/markdown; charset=utf-8", "string";
}
