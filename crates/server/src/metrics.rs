//! Figures for Prometheus. Names and labels are of bounded number: kinds and templates, never ids.

mod book;
mod delivery;
mod edge;
mod engine;
mod sagas;
mod store;
mod traces;
mod waiting;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::http::{Method, StatusCode};
use prometheus_client::metrics::{counter::Counter, family::Family, histogram::Histogram};
use tradewind_engine::{Lag, Logged, Status, Tracer};
use tradewind_events::Timestamp;

use delivery::DeliveryFigures;
use engine::EngineFigures;
use sagas::Sagas;
use store::StoreFigures;
use waiting::WaitingFigures;

pub use book::{Book, Figure};
pub use edge::{ConnectionFigures, EdgeFigures};
pub use store::StoreSize;
pub use traces::TraceFigures;
pub use waiting::{Owed, Waiting};

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
    book: Book,
    requests: RequestFigures,
    pub(crate) edge: EdgeFigures,
    pub(crate) engine: EngineFigures,
    sagas: Sagas,
    waiting: WaitingFigures,
    delivery: DeliveryFigures,
    store: StoreFigures,
    /// Gauges are set and read by one scrape at a time.
    scraping: Mutex<()>,
    pub(crate) traces: TraceFigures,
    /// Whom the engine tells its steps.
    pub(crate) tracer: Option<Arc<dyn Tracer>>,
}

/// What becomes of requests: the same figures in a shop and in a gateway.
pub struct RequestFigures {
    requests: Family<Labels<3>, Counter>,
    seconds: Histograms<1>,
    problems: Family<Labels<1>, Counter>,
}

/// How the shop is doing at the moment of a scrape.
pub struct Now<'a> {
    pub at: Timestamp,
    pub status: &'a Status,
    pub lag: &'a Lag,
    pub waiting: &'a Waiting,
    /// The services that live here.
    pub services: &'a [&'static str],
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
        let mut book = Book::default();
        let requests = RequestFigures::new(&mut book);
        let edge = EdgeFigures::new(&mut book);
        let engine = EngineFigures::new(&mut book);
        let sagas = Sagas::new(&mut book);
        let waiting = WaitingFigures::new(&mut book);
        let delivery = DeliveryFigures::new(&mut book);
        let store = StoreFigures::new(&mut book);
        let traces = TraceFigures::new(&mut book);
        Self {
            book,
            requests,
            edge,
            engine,
            sagas,
            waiting,
            delivery,
            store,
            scraping: Mutex::default(),
            traces,
            tracer: None,
        }
    }
}

impl Metrics {
    /// A request was answered.
    pub fn answered(&self, answered: &Answered) {
        self.requests.answered(answered);
    }

    /// To be called with the events of every commit.
    pub fn hear(&self, events: &[Logged]) {
        self.sagas.hear(events);
    }

    /// All figures, as Prometheus reads them.
    pub fn text(&self, now: &Now<'_>) -> String {
        let _one_at_a_time = self.scraping.lock().unwrap_or_else(PoisonError::into_inner);
        self.waiting.set(now.status, now.waiting);
        self.delivery.set(now);
        self.store.set(&now.waiting.store);
        self.book.text()
    }

    /// What there is to read, by name.
    pub fn figures(&self) -> Vec<&Figure> {
        self.book.figures()
    }
}

impl RequestFigures {
    pub fn new(book: &mut Book) -> Self {
        let (requests, problems) = (Family::default(), Family::default());
        let seconds: Histograms<1> = Family::new_with_constructor(in_seconds);
        let counted = ["method", "route", "status"];
        book.add("http_requests", &counted, "Requests, by route and class of status", requests.clone());
        book.add("http_request_seconds", &["route"], "How long requests took", seconds.clone());
        book.add("http_problems", &["code"], "Requests that were not followed, by code", problems.clone());
        Self { requests, seconds, problems }
    }

    /// A request was answered.
    pub fn answered(&self, answered: &Answered) {
        let Answered { method, route, status, took, code } = *answered;
        self.requests.get_or_create(&[("method", known(method)), ("route", route), ("status", class(status))]).inc();
        self.seconds.get_or_create(&[("route", route)]).observe(took.as_secs_f64());
        if let Some(code) = code {
            self.problems.get_or_create(&[("code", code)]).inc();
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
