//! Every error is `application/problem+json` (RFC 9457), with a stable code, the request's id and the field at fault.

use std::{borrow::Cow, fmt, time::Duration};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::Serialize;
use tradewind_engine::{
    Problem, Refusal, RefusalKind,
    operator::{INTERNAL, UNAVAILABLE},
    ports::StoreError,
};
use tradewind_events::Id;

/// The form of every error.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// Where a client may try again, it does so no sooner.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// A kind of refusal of the edge, which says its status itself.
#[derive(Debug, Clone, Copy)]
pub struct EdgeRefusal {
    pub status: StatusCode,
    pub refusal: Refusal,
}

/// Why a request was not followed.
#[derive(Debug, Clone)]
pub struct Failure(Box<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    status: StatusCode,
    problem: Problem,
    retry_after: Option<Duration>,
    headers: HeaderMap,
}

/// An error, as clients get it (RFC 9457).
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
pub struct ProblemBody<'a> {
    /// The page that explains the code.
    #[serde(rename = "type")]
    kind: String,
    /// The same for every occurrence of the code.
    title: &'a str,
    status: u16,
    /// This occurrence, for a person.
    detail: &'a str,
    /// Stable: what a program acts on.
    code: &'a str,
    request_id: &'a str,
    /// The field at fault, as a path in the request: `lines[3].quantity`.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
}

impl Failure {
    pub(super) fn new(status: StatusCode, problem: Problem) -> Self {
        let later = matches!(problem.refusal.kind, RefusalKind::TooMany | RefusalKind::Unavailable);
        let retry_after = later.then_some(RETRY_AFTER);
        Self(Box::new(Inner { status, problem, retry_after, headers: HeaderMap::new() }))
    }

    /// A defect, or a store that cannot be read: the log says what, the client does not hear it.
    pub fn internal(doing: &'static str, error: &dyn fmt::Display) -> Self {
        tracing::error!(doing, %error, "a request has failed");
        Self::from(INTERNAL.problem())
    }

    /// The store could not be read. One that is full or cannot be used is about to stop the shop, and the request is worth
    /// another try; a damaged page or a rejected row is not.
    pub fn unreadable(error: &StoreError) -> Self {
        match error {
            StoreError::Full(_) | StoreError::Unusable(_) => {
                tracing::error!(%error, "the store could not be read");
                Self::from(UNAVAILABLE.because("The store cannot be read now."))
            }
            StoreError::Corrupt(_) | StoreError::Rejected(_) => Self::internal("reading the store", error),
        }
    }

    #[must_use]
    pub fn at(mut self, field: impl Into<Cow<'static, str>>) -> Self {
        self.0.problem.field = Some(field.into());
        self
    }

    /// When it is worth trying again.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.0.retry_after = Some(wait);
        self
    }

    #[must_use]
    pub fn header(mut self, name: header::HeaderName, value: HeaderValue) -> Self {
        self.0.headers.append(name, value);
        self
    }

    pub fn code(&self) -> &'static str {
        self.0.problem.code()
    }

    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// The whole answer, once the id of the request is known.
    pub(crate) fn render(&self, request_id: &Id) -> Response {
        let Inner { status, problem, retry_after, headers } = &*self.0;
        let body = ProblemBody {
            kind: format!("/docs/problems/{}", problem.code()),
            title: problem.refusal.title,
            status: status.as_u16(),
            detail: &problem.detail,
            code: problem.code(),
            request_id: request_id.as_str(),
            field: problem.field.as_deref(),
        };
        let mut response = Response::new(Body::from(serde_json::to_vec(&body).unwrap_or_default()));
        *response.status_mut() = *status;
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if let Some(wait) = retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
        }
        response.headers_mut().extend(headers.clone());
        response
    }
}

/// For a person: the code, and what was the matter.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.problem, f)
    }
}

/// A refusal of a service or of the engine.
impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        let status = status_of(problem.refusal.kind);
        Self::new(status, problem)
    }
}

/// The edge around the router makes the body of it: only there the id of the request is known for sure.
impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = self.0.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// The status of a kind of refusal.
pub const fn status_of(kind: RefusalKind) -> StatusCode {
    match kind {
        RefusalKind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
        RefusalKind::Unauthenticated => StatusCode::UNAUTHORIZED,
        RefusalKind::Forbidden => StatusCode::FORBIDDEN,
        RefusalKind::NotFound => StatusCode::NOT_FOUND,
        RefusalKind::Conflict => StatusCode::CONFLICT,
        RefusalKind::TooMany => StatusCode::TOO_MANY_REQUESTS,
        RefusalKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        RefusalKind::Misdirected => StatusCode::MISDIRECTED_REQUEST,
        RefusalKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_that_is_about_to_stop_the_shop_is_worth_another_try_and_a_damaged_one_is_not() {
        let reason = || String::from("simulated");
        for error in [StoreError::Full(reason()), StoreError::Unusable(reason())] {
            let failure = Failure::unreadable(&error);
            assert_eq!(
                (failure.status().as_u16(), failure.code(), failure.0.retry_after),
                (503, "unavailable", Some(RETRY_AFTER))
            );
        }
        for error in [StoreError::Corrupt(reason()), StoreError::Rejected(reason())] {
            let failure = Failure::unreadable(&error);
            assert_eq!((failure.status().as_u16(), failure.code(), failure.0.retry_after), (500, "internal", None));
        }
    }
}
