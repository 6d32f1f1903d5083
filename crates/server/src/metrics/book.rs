//! The list of all figures: a name, what it counts, its labels. `docs/metrics.md` is made of it.

use prometheus_client::{
    encoding::text::encode,
    metrics::MetricType,
    registry::{Metric, Registry},
};

/// Stands before every name.
const PREFIX: &str = "tradewind";

/// Where figures are registered.
pub struct Book {
    registry: Registry,
    figures: Vec<Figure>,
}

/// One figure.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Figure {
    /// As it is read: counters end in `_total`.
    pub name: String,
    pub kind: String,
    pub labels: Vec<&'static str>,
    pub help: &'static str,
}

impl Default for Book {
    fn default() -> Self {
        Self { registry: Registry::with_prefix(PREFIX), figures: Vec::new() }
    }
}

impl Book {
    pub fn add(&mut self, name: &str, labels: &[&'static str], help: &'static str, metric: impl Metric) {
        let kind = metric.metric_type();
        let total = if matches!(kind, MetricType::Counter) { "_total" } else { "" };
        self.figures.push(Figure {
            name: format!("{PREFIX}_{name}{total}"),
            kind: kind.as_str().to_owned(),
            labels: labels.to_vec(),
            help,
        });
        self.registry.register(name, help, metric);
    }

    /// All figures with their values, as Prometheus reads them.
    pub fn text(&self) -> String {
        let mut text = String::new();
        if encode(&mut text, &self.registry).is_err() {
            tracing::error!("the metrics could not be written");
        }
        text
    }

    pub fn figures(&self) -> Vec<&Figure> {
        let mut figures: Vec<&Figure> = self.figures.iter().collect();
        figures.sort();
        figures
    }
}
