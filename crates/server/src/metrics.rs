//! Figures for Prometheus. Names and labels are of bounded number: kinds and templates, never ids.

mod engine;
mod sagas;

use std::time::Duration;

use axum::http::{Method, StatusCode};
use prometheus_client::{
    encoding::text::encode,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};
use tradewind_engine::{Logged, Status};

use engine::EngineFigures;
use sagas::Sagas;

pub use engine::Owed;

/// From a tenth of a millisecond to ten seconds.
const SECONDS: [f64; 16] =
    [0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

type Labels<const N: usize> = [(&'static str, &'static str); N];
type Histograms<const N: usize> = Family<Labels<N>, Histogram, fn() -> Histogram>;

/// Measures how long something takes. Nothing depends on it.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(std::time::Instant);

/// All figures of a shop.
pub struct Metrics {
    registry: Registry,
    requests: Family<Labels<3>, Counter>,
    seconds: Histograms<1>,
    problems: Family<Labels<1>, Counter>,
    pub(crate) engine: EngineFigures,
    sagas: Sagas,
    status: StatusGauges,
}

/// How a request was answered.
pub struct Answered<'a> {
    pub method: &'a Method,
    /// The template of its path.
    pub route: &'static str,
    pub status: StatusCode,
    pub took: Duration,
    /// Of a problem.
    pub code: Option<&'static str>,
}

/// Taken from the engine whenever somebody asks.
#[derive(Default)]
struct StatusGauges {
    waiting: Gauge,
    in_flight: Gauge,
    parked: Gauge,
    segment: Gauge,
    unpublished: Gauge,
    held: Gauge,
    stopped: Gauge,
    dead: Gauge,
    owed: Gauge,
    paused: Gauge,
}

impl Stopwatch {
    #[expect(clippy::disallowed_methods, reason = "figures only: nothing depends on it")]
    pub fn start() -> Self {
        Self(std::time::Instant::now())
    }

    pub fn read(self) -> Duration {
        self.0.elapsed()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("tradewind");
        let requests = Family::default();
        let seconds: Histograms<1> = Family::new_with_constructor(in_seconds);
        let problems = Family::default();
        registry.register("http_requests", "Requests, by route and class of status", requests.clone());
        registry.register("http_request_seconds", "How long requests took", seconds.clone());
        registry.register("http_problems", "Requests that were not followed, by code", problems.clone());
        let engine = EngineFigures::new(&mut registry);
        let sagas = Sagas::new(&mut registry);
        let status = StatusGauges::new(&mut registry);
        Self { registry, requests, seconds, problems, engine, sagas, status }
    }
}

impl Metrics {
    /// A request was answered.
    pub fn answered(&self, answered: &Answered) {
        let Answered { method, route, status, took, code } = *answered;
        self.requests.get_or_create(&[("method", known(method)), ("route", route), ("status", class(status))]).inc();
        self.seconds.get_or_create(&[("route", route)]).observe(took.as_secs_f64());
        if let Some(code) = code {
            self.problems.get_or_create(&[("code", code)]).inc();
        }
    }

    /// To be called with the events of every commit.
    pub fn hear(&self, events: &[Logged]) {
        self.sagas.hear(events);
    }

    /// All figures, as Prometheus reads them.
    pub fn text(&self, status: &Status, owed: &Owed) -> String {
        self.status.set(status, owed);
        let mut text = String::new();
        if encode(&mut text, &self.registry).is_err() {
            tracing::error!("the metrics could not be written");
        }
        text
    }
}

impl StatusGauges {
    fn new(registry: &mut Registry) -> Self {
        let gauges = Self::default();
        for (gauge, name, help) in [
            (&gauges.waiting, "waiting", "Messages that wait for a batch"),
            (&gauges.in_flight, "batches_in_flight", "Batches that are not durable yet"),
            (&gauges.parked, "parked", "Parked messages"),
            (&gauges.segment, "log_segment", "The last segment of the event log"),
            (&gauges.unpublished, "unpublished_segments", "Segments that no broker has acknowledged yet"),
            (&gauges.held, "deadlines_held", "1 when deadlines are held"),
            (&gauges.stopped, "stopped", "1 when the engine has stopped by itself"),
            (&gauges.dead, "dead_letters", "Dead letters that nobody has decided on; counted up to 1000"),
            (&gauges.owed, "jobs_owed", "Jobs whose attempts are used up; counted up to 1000"),
            (&gauges.paused, "consumers_paused", "Services that hear nothing at the moment"),
        ] {
            registry.register(name, help, gauge.clone());
        }
        gauges
    }

    fn set(&self, status: &Status, owed: &Owed) {
        let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        for (gauge, value) in [
            (&self.waiting, count(status.waiting)),
            (&self.in_flight, count(status.in_flight)),
            (&self.parked, count(status.parked)),
            (&self.segment, number(status.segment)),
            (&self.unpublished, number(status.segment.saturating_sub(status.published_segment))),
            (&self.held, i64::from(status.deadlines_held.is_some())),
            (&self.stopped, i64::from(status.stopped.is_some())),
            (&self.dead, count(owed.dead_letters)),
            (&self.owed, count(owed.jobs)),
            (&self.paused, count(owed.paused.len())),
        ] {
            gauge.set(value);
        }
    }
}

fn in_seconds() -> Histogram {
    Histogram::new(SECONDS)
}

fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        _ => "other",
    }
}

fn class(status: StatusCode) -> &'static str {
    match status.as_u16() / 100 {
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        5 => "5xx",
        _ => "1xx",
    }
}
