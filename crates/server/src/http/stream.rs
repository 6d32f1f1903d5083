//! Event streams (server-sent events). They end with the session and with the token that opened them, and when the shop
//! stops; a client resumes by `Last-Event-ID`.

use std::{convert::Infallible, pin::Pin, task, time::Duration};

use axum::{
    extract::FromRequestParts,
    http::{StatusCode, request},
    response::{
        IntoResponse, Response, Sse,
        sse::{Event, KeepAlive},
    },
};
use futures_util::{FutureExt, Stream, StreamExt, future::BoxFuture, stream::BoxStream};

use super::{
    call::Call,
    describe::{Describe, Describer},
    places::Place,
    problem::Failure,
    refusals::HEADER_INVALID,
};
use crate::{identity, shop::Shop};

/// A comment goes out whenever nothing else did for so long, so that nobody on the way hangs up.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// An answer that goes on.
pub struct Events(Bounded);

/// The last event that a client has seen of a stream, as it says when it comes back.
pub struct LastEventId(pub Option<String>);

/// Holds a place among the open streams, and ends with its session or its token, or when the shop stops.
struct Bounded {
    events: BoxStream<'static, Event>,
    stopped: BoxFuture<'static, ()>,
    ended: Option<BoxFuture<'static, ()>>,
    _place: Place,
}

impl Call {
    /// Answers with a stream.
    pub fn stream(&self, events: impl Stream<Item = Event> + Send + 'static) -> Result<Events, Failure> {
        let place = self.place_among(&self.streams)?;
        let ended = self.token().map(|token| {
            let (shop, token) = (Shop::clone(self), token.to_owned());
            async move { identity::ended(&shop, &token).await }.boxed()
        });
        let stopping = self.stopping.clone();
        let stopped = async move { stopping.stopped().await }.boxed();
        Ok(Events(Bounded { events: events.boxed(), stopped, ended, _place: place }))
    }
}

impl Stream for Bounded {
    type Item = Result<Event, Infallible>;
    fn poll_next(mut self: Pin<&mut Self>, context: &mut task::Context<'_>) -> task::Poll<Option<Self::Item>> {
        let ended = self.ended.as_mut().is_some_and(|ended| ended.poll_unpin(context).is_ready());
        if ended || self.stopped.poll_unpin(context).is_ready() {
            return task::Poll::Ready(None);
        }
        self.events.poll_next_unpin(context).map(|event| event.map(Ok))
    }
}

impl IntoResponse for Events {
    fn into_response(self) -> Response {
        Sse::new(self.0).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response()
    }
}

impl Describe for Events {
    fn describe(describer: &mut Describer) {
        describer.answers_with(StatusCode::OK, "text/event-stream", &serde_json::json!({"type": "string"}));
    }
}

impl FromRequestParts<Shop> for LastEventId {
    type Rejection = Failure;
    async fn from_request_parts(parts: &mut request::Parts, _shop: &Shop) -> Result<Self, Failure> {
        let Some(id) = parts.headers.get("last-event-id") else { return Ok(Self(None)) };
        let text = id.to_str().map_err(|_| HEADER_INVALID.because("It is no id of an event.").at("Last-Event-ID"))?;
        Ok(Self(Some(text.to_owned())))
    }
}

impl Describe for LastEventId {
    fn describe(describer: &mut Describer) {
        let help = "The id of the last event that was seen: the stream goes on after it.";
        describer.header("Last-Event-ID", help, serde_json::json!({"type": "string"}));
    }
}
