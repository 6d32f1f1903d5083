//! Pages of other web origins that may call the API from a browser (CORS), as the configuration names them. Tokens go in
//! a header and never in a cookie, so credentials are never allowed.

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::config::Config;

/// What a page may send.
const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PUT, PATCH, DELETE");
const HEADERS: HeaderValue = HeaderValue::from_static(
    "Authorization, Content-Type, Idempotency-Key, Prefer, Last-Event-ID, X-Audit-Reason, X-Request-ID, Traceparent",
);

/// What a page may read of an answer, beside what all may read.
const EXPOSED: HeaderValue =
    HeaderValue::from_static("Location, Retry-After, WWW-Authenticate, X-Request-ID, Idempotency-Replayed");

/// How long a browser may remember the answer to a preflight, in seconds.
const REMEMBERED_SECONDS: HeaderValue = HeaderValue::from_static("600");

/// The answer to a browser that asks whether a page may send a request. It needs no token: a browser sends none.
pub fn preflight<B>(config: &Config, request: &Request<B>) -> Option<Response> {
    let headers = request.headers();
    let asks = request.method() == Method::OPTIONS
        && headers.contains_key(header::ORIGIN)
        && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    if config.cors_origins.is_empty() || !asks {
        return None;
    }
    let mut response = (StatusCode::NO_CONTENT, Body::empty()).into_response();
    if allowed(config, headers.get(header::ORIGIN)).is_some() {
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HEADERS);
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, REMEMBERED_SECONDS);
    }
    Some(response)
}

/// Tells a browser whether a page of this origin may read the answer.
pub fn allow(config: &Config, origin: Option<&HeaderValue>, answer: &mut HeaderMap) {
    if config.cors_origins.is_empty() {
        return;
    }
    // A cache must not give the answer for one origin to another.
    answer.append(header::VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = allowed(config, origin) {
        answer.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        answer.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }
}

fn allowed(config: &Config, origin: Option<&HeaderValue>) -> Option<HeaderValue> {
    let origin = origin?;
    let known = |allowed: &str| allowed == "*" || allowed.as_bytes() == origin.as_bytes();
    let allowed = config.cors_origins.iter().find(|allowed| known(allowed))?;
    Some(if **allowed == *"*" { HeaderValue::from_static("*") } else { origin.clone() })
}
