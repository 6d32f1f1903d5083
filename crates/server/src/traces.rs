//! Traces: the steps of requests and messages, and what they wait for, go to a collector by OTLP over HTTP. What they
//! say of a step are ids and kinds, never what people have written. An order never waits for a collector.
//!
//! The engine and the edge of HTTP say what has ended; `queue.rs` keeps it within a bound, `export.rs` sends it,
//! `otlp.rs` puts it in OpenTelemetry's words.

mod collector;
mod export;
mod otlp;
mod queue;

use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::UNIX_EPOCH,
};

use axum::http::{Method, StatusCode};
use ring::rand::{SecureRandom, SystemRandom};
use tradewind_engine::{Span, TraceContext, Tracer};

use crate::{
    config::{Config, Ratio},
    metrics::TraceFigures,
};

use collector::Collector;
use export::Exporter;
use queue::Queue;

pub use collector::CollectorError;
pub use otlp::Instance;

/// Spans that go to the collector in one request.
const BATCH_SPANS_MAX: usize = 512;

/// Where steps are told. It decides which traces are kept, and gives ids.
pub struct Traces {
    ratio: Ratio,
    ids: SpanIds,
    queue: Arc<Queue>,
    exporter: Mutex<Option<JoinHandle<()>>>,
}

/// A request that is being answered.
#[derive(Debug, Clone, Copy)]
pub struct OpenRequest {
    context: TraceContext,
    parent: Option<u64>,
    began: u64,
}

/// A step that has ended, and is to be sent.
pub enum Ended {
    Step(Span),
    Request(EndedRequest),
}

/// A request that was answered.
pub struct EndedRequest {
    pub request: OpenRequest,
    /// Nanoseconds since 1970.
    pub ended: u64,
    pub method: &'static str,
    /// The template of its path; none when there is no such route.
    pub route: Option<&'static str>,
    pub status: StatusCode,
    /// Of a problem.
    pub code: Option<&'static str>,
}

/// Why traces cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum TracesError {
    #[error(transparent)]
    Collector(#[from] CollectorError),
    #[error("the thread that sends traces cannot be started: {0}")]
    Thread(#[from] io::Error),
    #[error("the system gives no randomness for the ids of traces")]
    Chance,
}

impl Traces {
    /// Starts to send traces, where the configuration names a collector.
    pub fn start(
        config: &Config,
        instance: &Instance<'_>,
        figures: &TraceFigures,
    ) -> Result<Option<Arc<Self>>, TracesError> {
        let Some(collector) = Collector::new(config)? else { return Ok(None) };
        let queue = Arc::new(Queue::new(config.traces_queue_max, figures.clone()));
        let exporter = Exporter {
            queue: Arc::clone(&queue),
            collector,
            resource: otlp::resource(&config.traces_service, instance),
            figures: figures.clone(),
            every: config.traces_interval,
            patience: config.traces_timeout,
        };
        let thread = thread::Builder::new().name("traces".to_owned()).spawn(move || exporter.run())?;
        Ok(Some(Arc::new(Self {
            ratio: config.traces_ratio,
            ids: SpanIds::new()?,
            queue,
            exporter: Mutex::new(Some(thread)),
        })))
    }

    /// A request has come, with this context if with one.
    pub fn request(&self, given: Option<TraceContext>) -> OpenRequest {
        let (context, parent) = match given {
            Some(given) => (given.child(self.span_id()), Some(given.span_id)),
            None => (self.root(), None),
        };
        OpenRequest { context, parent, began: self.now() }
    }

    /// It was answered.
    pub fn answered(&self, request: EndedRequest) {
        if request.request.context.sampled {
            self.queue.push([Ended::Request(request)]);
        }
    }

    /// Sends what waits, within the patience for the collector, and ends. To be called when nothing ends any more.
    pub fn stop(&self) {
        self.queue.stop();
        let exporter = self.exporter.lock().unwrap_or_else(PoisonError::into_inner).take();
        if exporter.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that sends traces has panicked");
        }
    }
}

/// Where the shop did not start, or was not stopped: nobody waits for what is left.
impl Drop for Traces {
    fn drop(&mut self) {
        self.queue.stop();
    }
}

impl OpenRequest {
    /// What the request causes follows from this.
    pub fn context(&self) -> TraceContext {
        self.context
    }

    /// It has ended now.
    pub fn ended(
        self,
        at: u64,
        method: &Method,
        route: Option<&'static str>,
        (status, code): (StatusCode, Option<&'static str>),
    ) -> EndedRequest {
        EndedRequest { request: self, ended: at, method: known(method), route, status, code }
    }
}

impl Tracer for Traces {
    #[expect(
        clippy::disallowed_methods,
        reason = "spans of several processes stand side by side: nothing depends on it"
    )]
    fn now(&self) -> u64 {
        let since = std::time::SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    }

    fn root(&self) -> TraceContext {
        let trace_id = u128::from(self.ids.next()) << 64 | u128::from(self.ids.next());
        TraceContext { trace_id, span_id: self.ids.next(), sampled: self.ratio.holds(trace_id) }
    }

    fn span_id(&self) -> u64 {
        self.ids.next()
    }

    fn ended(&self, spans: Vec<Span>) {
        self.queue.push(spans.into_iter().map(Ended::Step));
    }
}

/// Ids of traces and spans: a counter from a random start, its bits mixed, so that none comes twice in a process.
struct SpanIds(AtomicU64);

impl SpanIds {
    /// An odd number near 2^64 divided by the golden ratio: multiples of it are spread evenly.
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

    fn new() -> Result<Self, TracesError> {
        let mut seed = [0; 8];
        SystemRandom::new().fill(&mut seed).map_err(|_| TracesError::Chance)?;
        Ok(Self(AtomicU64::new(u64::from_le_bytes(seed))))
    }

    /// Not zero.
    fn next(&self) -> u64 {
        loop {
            let id = mixed(self.0.fetch_add(Self::STEP, Ordering::Relaxed));
            if id != 0 {
                return id;
            }
        }
    }
}

/// The finalizer of `SplitMix64`: no two numbers have the same result.
fn mixed(mut bits: u64) -> u64 {
    bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ bits >> 31
}

/// As OpenTelemetry writes methods: those that it does not know are one.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "_OTHER",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_id_of_a_span_comes_twice_and_none_is_zero() {
        let ids = SpanIds::new().unwrap();
        let drawn: BTreeSet<u64> = (0..100_000).map(|_| ids.next()).collect();
        assert!(drawn.len() == 100_000 && !drawn.contains(&0));
    }
}
