//! The edge around the router: every request gets an id, a time limit, an entry in the log and the metrics; every error,
//! panics included, becomes a problem.

use std::{convert::Infallible, panic::AssertUnwindSafe};

use axum::{
    Router,
    extract::Request,
    http::{HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;
use tower_service::Service;
use tracing::{Instrument, Span};
use tradewind_engine::{Context, TraceContext, Tracer};
use tradewind_events::Id;

use super::{cors, gate::Passed, host, problem::Failure, refusals::TIMED_OUT};
use crate::{
    metrics::{Answered, Stopwatch},
    shop::Shop,
    traces::OpenRequest,
};

/// In the log.
const ACCESS: &str = "tradewind::access";

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// These tell how the shop is, so they have places of their own, and are answered when it is full, too.
pub(super) const PROBES: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// Answers a request.
pub async fn answer(shop: Shop, router: Router, mut request: Request) -> Result<Response, Infallible> {
    let started = Stopwatch::start();
    let (context, open) = context(&shop, &request);
    let (method, request_id) = (request.method().clone(), context.request_id.clone());
    let trace_id = context.traceparent.as_deref().and_then(trace_id).map(str::to_owned);
    let log_span = trace_id.as_ref().map_or_else(Span::none, |trace_id| tracing::info_span!("request", trace_id));
    let origin = request.headers().get(header::ORIGIN).cloned();
    request.extensions_mut().insert(context);
    let mut response = match host::check(&request) {
        Err(failure) => failure.into_response(),
        Ok(()) => match cors::preflight(&shop.config, &request) {
            Some(response) => response,
            None => in_time(&shop, router, request).instrument(log_span).await,
        },
    };
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
    cors::allow(&shop.config, origin.as_ref(), headers);
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    let (status, route) = (response.status(), passed.as_ref().map(|passed| passed.route));
    if let (Some(traces), Some(open)) = (&shop.traces, open) {
        traces.answered(open.ended(traces.now(), &method, route, (status, code)));
    }
    let principal = passed.and_then(|passed| passed.principal);
    let answered = Answered { method: &method, route: route.unwrap_or("none"), status, took: started.read(), code };
    shop.metrics.answered(&answered);
    log(&answered, &Who { request_id: &request_id, principal: principal.as_ref(), trace_id: trace_id.as_deref() });
    Ok(response)
}

async fn in_time(shop: &Shop, mut router: Router, request: Request) -> Response {
    let answering = AssertUnwindSafe(router.call(request)).catch_unwind();
    match tokio::time::timeout(shop.config.request_timeout, answering).await {
        Ok(Ok(Ok(response))) => response,
        Ok(Err(_panic)) => Failure::internal("answering", &"the handler has panicked").into_response(),
        Err(_) => TIMED_OUT.problem().into_response(),
    }
}

/// The ids of a request, and its span where requests are traced. The client may choose the request's own id, and the
/// trace that it belongs to.
fn context(shop: &Shop, request: &Request) -> (Context, Option<OpenRequest>) {
    let text = |name: HeaderName| request.headers().get(name).and_then(|value| value.to_str().ok());
    let request_id = text(REQUEST_ID).and_then(|id| Id::new(id).ok()).unwrap_or_else(|| shop.new_id());
    let given = text(TRACEPARENT).and_then(TraceContext::parse);
    let traces = shop.traces.as_ref().filter(|_| !PROBES.contains(&request.uri().path()));
    let open = traces.map(|traces| traces.request(given));
    let traceparent = open.as_ref().map(OpenRequest::context).or(given).map(|context| context.to_string().into());
    (Context { correlation_id: request_id.clone(), request_id, traceparent }, open)
}

/// What stands between the first two dashes.
fn trace_id(traceparent: &str) -> Option<&str> {
    traceparent.split('-').nth(1)
}

/// The ids in a line of the log.
struct Who<'a> {
    request_id: &'a Id,
    principal: Option<&'a Id>,
    trace_id: Option<&'a str>,
}

/// Identifiers and kinds, never a payload, a query or an address.
fn log(answered: &Answered, who: &Who) {
    let Who { request_id, principal, trace_id } = *who;
    let Answered { method, route, status, took, code } = *answered;
    // To the microsecond.
    let (status, took_ms) = (status.as_u16(), (took.as_secs_f64() * 1_000_000.0).round() / 1_000.0);
    let principal = principal.map(Id::as_str);
    if status < 500 {
        tracing::info!(target: ACCESS, %request_id, %method, route, status, took_ms, principal, trace_id, code, "answered");
    } else {
        tracing::warn!(target: ACCESS, %request_id, %method, route, status, took_ms, principal, trace_id, code, "answered");
    }
}
