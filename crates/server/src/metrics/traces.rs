//! What becomes of the spans of traces.

use prometheus_client::metrics::{counter::Counter, family::Family};

use super::{Labels, book::Book};

/// Clones count together.
#[derive(Debug, Clone, Default)]
pub struct TraceFigures {
    spans: Family<Labels<1>, Counter>,
    failures: Counter,
}

impl TraceFigures {
    pub fn new(book: &mut Book) -> Self {
        let figures = Self::default();
        book.add(
            "trace_spans",
            &["outcome"],
            "Spans that have ended, by whether the collector got them",
            figures.spans.clone(),
        );
        book.add("trace_export_failures", &[], "Requests that the collector did not take", figures.failures.clone());
        for outcome in ["sent", "refused", "dropped"] {
            figures.add(outcome, 0);
        }
        figures
    }

    /// The collector has taken them.
    pub fn sent(&self, spans: u64) {
        self.add("sent", spans);
    }

    /// The collector has said that it does not want them.
    pub fn refused(&self, spans: u64) {
        self.add("refused", spans);
    }

    /// There was no room for them, or no time at a stop.
    pub fn dropped(&self, spans: u64) {
        self.add("dropped", spans);
    }

    /// A request to the collector was in vain.
    pub fn failed(&self) {
        self.failures.inc();
    }

    fn add(&self, outcome: &'static str, spans: u64) {
        self.spans.get_or_create(&[("outcome", outcome)]).inc_by(spans);
    }
}
