//! The edge around the router: every request gets an id, a time limit, a place among those that are answered, an entry
//! in the log and the metrics; every error, panics included, becomes a problem.

use std::{convert::Infallible, panic::AssertUnwindSafe, sync::Arc};

use axum::{
    Router,
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;
use tower_service::Service;
use tradewind_engine::Context;
use tradewind_events::Id;

use super::{
    gate::Passed,
    problem::Failure,
    refusals::{OVERLOADED, TIMED_OUT},
};
use crate::{
    metrics::{Answered, Stopwatch},
    shop::Shop,
};

/// In the log.
const ACCESS: &str = "tradewind::access";

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// These tell how the shop is, so they are answered when it is full, too.
const PROBES: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// Answers a request.
pub async fn answer(shop: Shop, router: Router, mut request: Request) -> Result<Response, Infallible> {
    let started = Stopwatch::start();
    let context = context(&shop, request.headers());
    let (method, request_id) = (request.method().clone(), context.request_id.clone());
    request.extensions_mut().insert(context);
    let mut response = admitted(&shop, router, request).await;
    let failure = response.extensions_mut().remove::<Failure>();
    let passed = response.extensions_mut().remove::<Passed>();
    let code = failure.as_ref().map(Failure::code);
    if let Some(failure) = failure {
        let allow = response.headers_mut().remove(header::ALLOW);
        response = failure.render(&request_id);
        if let Some(allow) = allow {
            response.headers_mut().insert(header::ALLOW, allow);
        }
    }
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(request_id.as_str()) {
        headers.insert(REQUEST_ID, id);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    let route = passed.as_ref().map_or("none", |passed| passed.route);
    let principal = passed.and_then(|passed| passed.principal);
    let answered = Answered { method: &method, route, status: response.status(), took: started.read(), code };
    shop.metrics.answered(&answered);
    log(&answered, &request_id, principal.as_ref());
    Ok(response)
}

/// Within its time, among no more than may be answered at once.
async fn admitted(shop: &Shop, mut router: Router, request: Request) -> Response {
    let permit = Arc::clone(&shop.requests).try_acquire_owned();
    if permit.is_err() && !PROBES.contains(&request.uri().path()) {
        return OVERLOADED.because("Too many requests are being answered.").into_response();
    }
    let answering = AssertUnwindSafe(router.call(request)).catch_unwind();
    match tokio::time::timeout(shop.config.request_timeout, answering).await {
        Ok(Ok(Ok(response))) => response,
        Ok(Err(_panic)) => Failure::internal("answering", &"the handler has panicked").into_response(),
        Err(_) => TIMED_OUT.problem().into_response(),
    }
}

/// The ids of a request. The client may choose the request's own.
fn context(shop: &Shop, headers: &HeaderMap) -> Context {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let request_id = text(REQUEST_ID).and_then(|id| Id::new(id).ok()).unwrap_or_else(|| shop.new_id());
    let traceparent = text(TRACEPARENT).filter(|text| is_traceparent(text)).map(Arc::from);
    Context { correlation_id: request_id.clone(), request_id, traceparent }
}

/// W3C Trace Context, version 00: `00-TRACE-PARENT-FLAGS` in lower-case hexadecimal digits.
fn is_traceparent(text: &str) -> bool {
    let lengths = text.split('-').map(str::len);
    let digits = |part: &str| part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    text.starts_with("00-") && lengths.eq([2, 32, 16, 2]) && text.split('-').all(digits)
}

/// Identifiers and kinds, never a payload, a query or an address.
fn log(answered: &Answered, request_id: &Id, principal: Option<&Id>) {
    let Answered { method, route, status, took, code } = *answered;
    let (status, took_ms) = (status.as_u16(), took.as_secs_f64() * 1_000.0);
    let principal = principal.map(Id::as_str);
    if status < 500 {
        tracing::info!(target: ACCESS, %request_id, %method, route, status, took_ms, principal, code, "answered");
    } else {
        tracing::warn!(target: ACCESS, %request_id, %method, route, status, took_ms, principal, code, "answered");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_context_is_taken_only_in_its_form() {
        assert!(is_traceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"));
        for bad in ["", "00-4bf9-00f0-01", "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", "ff-x-y-z"] {
            assert!(!is_traceparent(bad), "{bad}");
        }
    }
}
