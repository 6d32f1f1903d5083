//! The body of a request, as far as it is taken: so many bytes, in so much time, in no coding.

use std::time::Duration;

use axum::{
    body::{BodyDataStream, Bytes},
    http::{HeaderMap, HeaderValue, header},
};
use futures_util::{FutureExt, StreamExt};
use tokio::{
    task::yield_now,
    time::{Instant, timeout, timeout_at},
};

use super::{
    places::{Place, Waiting},
    problem::Failure,
    refusals::{BODY_INVALID, BODY_TOO_LARGE, BODY_TOO_SLOW, CONTENT_ENCODING_UNSUPPORTED, HEADER_INVALID},
};
use crate::config::Config;

/// Of a body that is refused; a client that sends more is hung up on.
const DRAINED_BYTES_MAX: usize = 4 * 1024 * 1024;

/// How long the rest of a refused body is waited for.
const DRAINED_FOR_MAX: Duration = Duration::from_secs(2);

/// What is set aside for a body because its head says how long it will be. More is set aside as it comes.
const FORETOLD_BYTES_MAX: usize = 64 * 1024;

/// Reads a body of at most `limit` bytes; tells whether it had to be waited for.
pub async fn read(
    headers: &HeaderMap,
    body: &mut BodyDataStream,
    limit: usize,
    (config, place): (&Config, &Place),
) -> Result<(Bytes, bool), Failure> {
    check_encoding(headers)?;
    let too_large = || BODY_TOO_LARGE.because(format!("This route takes at most {limit} bytes."));
    let told = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if told.is_some_and(|told| told > limit) {
        return Err(too_large());
    }
    let deadline = Instant::now() + config.body_timeout;
    let mut read = Vec::with_capacity(told.unwrap_or_default().min(FORETOLD_BYTES_MAX));
    let mut waiting = None;
    loop {
        let chunk = match at_once(body).await {
            Some(chunk) => chunk,
            None => next(body, deadline, config, waiting.get_or_insert_with(|| place.waits())).await?,
        };
        let Some(chunk) = chunk else { return Ok((read.into(), waiting.is_some())) };
        let chunk = chunk.map_err(|_| BODY_INVALID.because("The body ended before its time."))?;
        if read.len() + chunk.len() > limit {
            return Err(too_large());
        }
        read.extend_from_slice(&chunk);
    }
}

/// What a body gives next.
type Chunk = Option<Result<Bytes, axum::Error>>;

/// The next piece, if it has come already: then it costs no timer and no entry among those that wait. The connection
/// hands a piece over when it is polled after it was asked for one.
async fn at_once(body: &mut BodyDataStream) -> Option<Chunk> {
    match body.next().now_or_never() {
        None => {
            yield_now().await;
            body.next().now_or_never()
        }
        here => here,
    }
}

/// The next piece, unless it is too late, or another caller needs the place.
async fn next(
    body: &mut BodyDataStream,
    deadline: Instant,
    config: &Config,
    waiting: &Waiting,
) -> Result<Chunk, Failure> {
    let (pause, total) = (config.body_pause_max, config.body_timeout);
    let came = tokio::select! {
        came = timeout_at(deadline, timeout(pause, body.next())) => came,
        () = waiting.taken() => {
            return Err(too_slow(format_args!("All places were taken, and this one went to another caller.")));
        }
    };
    match came {
        Ok(Ok(chunk)) => Ok(chunk),
        Ok(Err(_)) => Err(too_slow(format_args!("No byte of the body came for {}.", shown(pause)))),
        Err(_) => Err(too_slow(format_args!("The body did not end within {}.", shown(total)))),
    }
}

/// Takes what is still to come of a body that nobody wants, as far as is reasonable: a client that is hung up on while it
/// sends may never see the answer. One that waits to be told to send is told the answer instead.
pub async fn drain(headers: &HeaderMap, mut body: BodyDataStream) {
    if headers.contains_key(header::EXPECT) {
        return;
    }
    let mut drained = 0;
    let draining = async {
        while let Some(Ok(chunk)) = body.next().await {
            drained += chunk.len();
            if drained > DRAINED_BYTES_MAX {
                return;
            }
        }
    };
    if timeout(DRAINED_FOR_MAX, draining).await.is_err() {
        tracing::debug!("the rest of a refused body is not waited for");
    }
}

/// A body in a coding would be read as if it were in none.
fn check_encoding(headers: &HeaderMap) -> Result<(), Failure> {
    let codings = headers.get_all(header::CONTENT_ENCODING).iter().map(|value| value.to_str().unwrap_or("?"));
    let mut codings = codings.flat_map(|value| value.split(',')).map(str::trim);
    match codings.find(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case("identity")) {
        None => Ok(()),
        Some(coding) => Err(CONTENT_ENCODING_UNSUPPORTED
            .because(format!("The body is in the coding {coding:?}. Send it as it is."))
            .at("Content-Encoding")
            .header(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"))),
    }
}

/// Other transfer codings than `chunked`, once, are not undone, and a proxy may read such a request in another way.
pub fn check_transfer(headers: &HeaderMap) -> Result<(), Failure> {
    let mut values = headers.get_all(header::TRANSFER_ENCODING).iter();
    let Some(value) = values.next() else { return Ok(()) };
    if values.next().is_none() && value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked") {
        return Ok(());
    }
    let rule = HEADER_INVALID.because("A body is sent with a Content-Length, or with Transfer-Encoding: chunked.");
    Err(rule.at("Transfer-Encoding").header(header::CONNECTION, HeaderValue::from_static("close")))
}

/// The rest is not waited for, so the connection cannot be used again.
fn too_slow(detail: std::fmt::Arguments<'_>) -> Failure {
    BODY_TOO_SLOW.because(detail).header(header::CONNECTION, HeaderValue::from_static("close"))
}

fn shown(duration: Duration) -> impl std::fmt::Display {
    humantime::format_duration(duration)
}
