//! What machines and people ask about the shop itself: is it alive, is it ready, its figures, its keys, its documents.

use axum::{
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Redirect, Response},
};
use schemars::JsonSchema;
use serde::Serialize;
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
    metrics::{Owed, Waiting},
    problems,
};

#[derive(Serialize, JsonSchema)]
pub struct Health {
    status: &'static str,
}

/// The public keys that check access tokens (RFC 7517).
#[derive(Serialize, JsonSchema)]
pub struct Jwks {
    #[schemars(with = "Vec<serde_json::Value>")]
    keys: Vec<Jwk>,
}

/// A text of some media type.
pub struct Text {
    media_type: &'static str,
    text: String,
}

/// The process runs. Whether it can do its work is another question: [`ready`].
pub async fn healthy() -> Okay<Health> {
    Okay(Health { status: "alive" })
}

/// It can do its work: nothing has stopped, nothing is paused, no deadline is held, and no damage is known.
pub async fn ready(call: Call) -> Result<Okay<Health>, Failure> {
    let status = call.engine.status();
    let owed = call.read(Owed::read).await?;
    let mut reasons = Vec::new();
    if call.stopping.is_stopping() {
        reasons.push(String::from("the shop is stopping"));
    }
    reasons.extend(status.stopped.map(|why| format!("the engine has stopped: {why}")));
    reasons.extend(call.engine.reader().fault().map(|fault| fault.to_string()));
    reasons.extend(status.deadlines_held.map(|why| format!("deadlines are held: {why}")));
    reasons.extend(owed.paused.iter().map(|service| format!("{service} is paused")));
    if reasons.is_empty() { Ok(Okay(Health { status: "ready" })) } else { Err(NOT_READY.because(reasons.join("; "))) }
}

pub async fn metrics(call: Call) -> Result<Text, Failure> {
    let (status, now) = (call.engine.status(), call.engine.clock().now());
    let published = status.published_segment;
    let waiting = call.read(move |reader| Waiting::read(reader, published, now)).await?;
    let text = call.metrics.text(&status, &waiting);
    Ok(Text { media_type: "application/openmetrics-text; version=1.0.0; charset=utf-8", text })
}

pub async fn jwks(call: Call) -> Okay<Jwks> {
    Okay(Jwks { keys: call.key_ring.jwks() })
}

pub async fn openapi() -> Text {
    Text { media_type: "application/json", text: super::openapi::text().to_owned() }
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
pub async fn problem_page(Path(code): Path<Id>) -> Result<Text, Failure> {
    let page =
        problems::page(code.as_str()).ok_or_else(|| ROUTE_UNKNOWN.because("There is no problem of this code."))?;
    Ok(Text { media_type: "text/markdown; charset=utf-8", text: page.to_owned() })
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

impl IntoResponse for Text {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, HeaderValue::from_static(self.media_type))], self.text).into_response()
    }
}

impl Describe for Text {
    fn describe(describer: &mut Describer) {
        describer.answers_with(StatusCode::OK, "text/plain", &serde_json::json!({"type": "string"}));
    }
}
