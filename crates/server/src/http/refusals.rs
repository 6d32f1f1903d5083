//! What the edge itself refuses: kinds of problems that no service knows. Each has a page in docs/problems/.

use axum::http::StatusCode;
use tradewind_engine::{Refusal, RefusalKind};

use super::problem::{EdgeRefusal, Failure};

macro_rules! refusals {
    ($($name:ident: $status:ident, $kind:ident, $code:literal, $title:literal;)*) => {
        $(pub const $name: EdgeRefusal = EdgeRefusal {
            status: StatusCode::$status,
            refusal: Refusal::new($code, RefusalKind::$kind, $title),
        };)*

        /// All of them.
        pub const EDGE_PROBLEMS: &[EdgeRefusal] = &[$($name),*];
    };
}

refusals! {
    ROUTE_UNKNOWN: NOT_FOUND, NotFound, "route_unknown", "There is nothing under this path.";
    METHOD_NOT_ALLOWED: METHOD_NOT_ALLOWED, Invalid, "method_not_allowed", "This path does not take this method.";
    PATH_INVALID: BAD_REQUEST, Invalid, "path_invalid", "A part of the path cannot be read.";
    QUERY_INVALID: BAD_REQUEST, Invalid, "query_invalid", "The query cannot be read.";
    HEADER_INVALID: BAD_REQUEST, Invalid, "header_invalid", "A header of the request cannot be read.";
    CURSOR_INVALID: BAD_REQUEST, Invalid, "cursor_invalid", "The cursor is not one that this list has given.";
    BODY_INVALID: BAD_REQUEST, Invalid, "body_invalid", "The body does not have the form that is asked for.";
    JSON_INVALID: BAD_REQUEST, Invalid, "json_invalid", "The body is not JSON.";
    JSON_TOO_DEEP: BAD_REQUEST, Invalid, "json_too_deep", "The body is nested too deeply.";
    BODY_TOO_LARGE: PAYLOAD_TOO_LARGE, Invalid, "body_too_large", "The body is larger than this route takes.";
    BODY_TOO_SLOW: REQUEST_TIMEOUT, Invalid, "body_too_slow", "The body of the request came too slowly.";
    CONTENT_ENCODING_UNSUPPORTED: UNSUPPORTED_MEDIA_TYPE, Invalid, "content_encoding_unsupported", "The body must not be in a content coding.";
    MEDIA_TYPE_UNSUPPORTED: UNSUPPORTED_MEDIA_TYPE, Invalid, "media_type_unsupported", "The body must be application/json.";
    IDEMPOTENCY_KEY_MISSING: BAD_REQUEST, Invalid, "idempotency_key_missing", "Every write carries an Idempotency-Key.";
    NOT_SIGNED_IN: UNAUTHORIZED, Unauthenticated, "not_signed_in", "This needs an access token.";
    ACCESS_TOKEN_INVALID: UNAUTHORIZED, Unauthenticated, "access_token_invalid", "The access token is not one of ours, or no longer good.";
    ACCESS_TOKEN_EXPIRED: UNAUTHORIZED, Unauthenticated, "access_token_expired", "The access token has expired.";
    CLIENT_REFUSED: UNAUTHORIZED, Unauthenticated, "client_refused", "The client id or its secret is wrong.";
    PEER_REFUSED: FORBIDDEN, Forbidden, "peer_refused", "The question does not come from a process of this shop.";
    PASSWORD_INVALID: UNPROCESSABLE_ENTITY, Invalid, "password_invalid", "The password cannot be taken.";
    SIGNATURE_MALFORMED: BAD_REQUEST, Invalid, "signature_malformed", "The callback is not signed as it must be.";
    SIGNATURE_INVALID: UNAUTHORIZED, Unauthenticated, "signature_invalid", "The signature is not of this body and secret.";
    SIGNATURE_EXPIRED: BAD_REQUEST, Invalid, "signature_expired", "The signature is of another time.";
    CATEGORY_TREE_TOO_LARGE: CONFLICT, Conflict, "category_tree_too_large", "There are more categories than are shown as one tree.";
    RATE_LIMITED: TOO_MANY_REQUESTS, TooMany, "rate_limited", "There were too many requests.";
    CONCURRENCY_LIMITED: TOO_MANY_REQUESTS, TooMany, "concurrency_limited", "This caller has too much open at the same time.";
    OVERLOADED: SERVICE_UNAVAILABLE, Unavailable, "overloaded", "The shop has more to do than it can take.";
    NO_SIGNING_KEY: SERVICE_UNAVAILABLE, Unavailable, "no_signing_key", "No key signs access tokens at the moment.";
    NOT_READY: SERVICE_UNAVAILABLE, Unavailable, "not_ready", "The shop cannot do all of its work at the moment.";
    LOOP_DETECTED: LOOP_DETECTED, Misdirected, "loop_detected", "The request goes round in a loop of proxies.";
    PEER_UNREACHABLE: SERVICE_UNAVAILABLE, Unavailable, "peer_unreachable", "The process where this lives did not answer.";
    TIMED_OUT: SERVICE_UNAVAILABLE, Unavailable, "timed_out", "The request took too long. A write may still have been carried out.";
}

/// Identity refuses for the same reason, so the code is in its list.
pub const NOT_ALLOWED: EdgeRefusal =
    EdgeRefusal { status: StatusCode::FORBIDDEN, refusal: tradewind_identity::model::NOT_ALLOWED };

/// The same.
pub const PASSWORD_WRONG: EdgeRefusal =
    EdgeRefusal { status: StatusCode::FORBIDDEN, refusal: tradewind_identity::model::PASSWORD_WRONG };

impl EdgeRefusal {
    /// This refusal, with what was the matter this time.
    pub fn because(self, detail: impl std::fmt::Display) -> Failure {
        Failure::new(self.status, self.refusal.because(detail))
    }

    /// This refusal, where its title says it all.
    pub fn problem(self) -> Failure {
        Failure::new(self.status, self.refusal.problem())
    }
}
