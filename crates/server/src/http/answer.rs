//! What a route answers: the type says the status and the body, so the document of the API knows them too.

use std::marker::PhantomData;

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::Serialize;
use tradewind_engine::{Answered, StoredAnswer, tables::IdempotencyRow};

use super::describe::{Describe, Describer};

/// Tells that an earlier answer was given once more.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// An answer of a known status.
pub trait Answer: Send + 'static {
    const STATUS: StatusCode;

    /// As it is kept under the idempotency key, and sent.
    fn stored(self) -> StoredAnswer;
    fn describe(describer: &mut Describer);
}

/// 200 with a body.
pub struct Okay<T>(pub T);

/// 201 with a body, and where the new thing is.
pub struct Created<T> {
    pub location: String,
    pub body: T,
}

/// 202: it was accepted, and goes on.
pub struct Accepted<T>(pub T);

/// 201 where it was made by this request, 200 where it was there already; with a body, and where it is.
pub struct There<T> {
    pub is_new: bool,
    pub location: String,
    pub body: T,
}

/// 200 where it is done, 202 where it goes on.
pub struct OnItsWay<T> {
    pub is_done: bool,
    pub body: T,
}

/// 204: it was done, and there is nothing to say.
pub struct Done;

/// The answer to a write: made once, after the commit, and given again to whoever repeats the request.
pub struct Sent<A> {
    stored: StoredAnswer,
    replayed: bool,
    answer: PhantomData<A>,
}

fn json(body: &impl Serialize) -> Vec<u8> {
    // Our answers have string keys and no failing serializer. One that had would fail its request, and not answer empty.
    serde_json::to_vec(body).unwrap_or_else(|error| panic!("an answer cannot be written as JSON: {error}"))
}

impl<T: Serialize + JsonSchema + Send + 'static> Answer for Okay<T> {
    const STATUS: StatusCode = StatusCode::OK;
    fn stored(self) -> StoredAnswer {
        StoredAnswer { status: Self::STATUS.as_u16(), location: None, body: json(&self.0) }
    }
    fn describe(describer: &mut Describer) {
        describer.answers::<T>(Self::STATUS);
    }
}

impl<T: Serialize + JsonSchema + Send + 'static> Answer for Created<T> {
    const STATUS: StatusCode = StatusCode::CREATED;
    fn stored(self) -> StoredAnswer {
        StoredAnswer { status: Self::STATUS.as_u16(), location: Some(self.location), body: json(&self.body) }
    }
    fn describe(describer: &mut Describer) {
        describer.answers::<T>(Self::STATUS);
    }
}

impl<T: Serialize + JsonSchema + Send + 'static> Answer for Accepted<T> {
    const STATUS: StatusCode = StatusCode::ACCEPTED;
    fn stored(self) -> StoredAnswer {
        StoredAnswer { status: Self::STATUS.as_u16(), location: None, body: json(&self.0) }
    }
    fn describe(describer: &mut Describer) {
        describer.answers::<T>(Self::STATUS);
    }
}

impl<T: Serialize + JsonSchema + Send + 'static> Answer for There<T> {
    const STATUS: StatusCode = StatusCode::CREATED;
    fn stored(self) -> StoredAnswer {
        let status = if self.is_new { Self::STATUS } else { StatusCode::OK };
        StoredAnswer { status: status.as_u16(), location: Some(self.location), body: json(&self.body) }
    }
    fn describe(describer: &mut Describer) {
        describer.answers::<T>(Self::STATUS);
        describer.answers::<T>(StatusCode::OK);
    }
}

impl<T: Serialize + JsonSchema + Send + 'static> Answer for OnItsWay<T> {
    const STATUS: StatusCode = StatusCode::ACCEPTED;
    fn stored(self) -> StoredAnswer {
        let status = if self.is_done { StatusCode::OK } else { Self::STATUS };
        StoredAnswer { status: status.as_u16(), location: None, body: json(&self.body) }
    }
    fn describe(describer: &mut Describer) {
        describer.answers::<T>(Self::STATUS);
        describer.answers::<T>(StatusCode::OK);
    }
}

impl Answer for Done {
    const STATUS: StatusCode = StatusCode::NO_CONTENT;
    fn stored(self) -> StoredAnswer {
        StoredAnswer { status: Self::STATUS.as_u16(), location: None, body: Vec::new() }
    }
    fn describe(describer: &mut Describer) {
        describer.answers_nothing(Self::STATUS);
    }
}

impl<A> Sent<A> {
    pub(super) fn new(answered: Answered) -> Self {
        Self { replayed: answered.is_replay(), stored: answered.stored, answer: PhantomData }
    }

    /// The body as it is kept.
    pub fn body(&self) -> &[u8] {
        &self.stored.body
    }

    /// The body, for a route that adds to it what must not be kept.
    #[must_use]
    pub fn map_body(mut self, change: impl FnOnce(Vec<u8>) -> Vec<u8>) -> Self {
        self.stored.body = change(self.stored.body);
        self
    }
}

impl<A: Answer> Describe for Sent<A> {
    fn describe(describer: &mut Describer) {
        A::describe(describer);
    }
}

impl<A: Answer> IntoResponse for Sent<A> {
    fn into_response(self) -> Response {
        let mut response = response(self.stored);
        if self.replayed {
            response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
        }
        response
    }
}

/// The answer that stands under a key.
pub(super) fn replayed(row: IdempotencyRow) -> Response {
    let mut response = response(row.answer);
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    response
}

/// An answer as it was kept. One of a status that cannot be is a defect.
pub(super) fn response(stored: StoredAnswer) -> Response {
    let status = StatusCode::from_u16(stored.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let has_body = !stored.body.is_empty();
    let mut response = Response::new(Body::from(stored.body));
    *response.status_mut() = status;
    if has_body {
        response.headers_mut().insert(header::CONTENT_TYPE, JSON);
    }
    if let Some(Ok(location)) = stored.location.map(HeaderValue::try_from) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// Reads answer directly.
macro_rules! direct {
    ($([$($body:ident)?] $answer:ty;)*) => {$(
        impl$(<$body: Serialize + JsonSchema + Send + 'static>)? IntoResponse for $answer {
            fn into_response(self) -> Response {
                response(self.stored())
            }
        }
        impl$(<$body: Serialize + JsonSchema + Send + 'static>)? Describe for $answer {
            fn describe(describer: &mut Describer) {
                <Self as Answer>::describe(describer);
            }
        }
    )*};
}

direct! {
    [T] Okay<T>;
    [T] Created<T>;
    [T] Accepted<T>;
    [T] There<T>;
    [T] OnItsWay<T>;
    [] Done;
}
