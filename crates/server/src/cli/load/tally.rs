//! What came of a load: latencies and outcomes.

use std::{collections::BTreeMap, fmt, time::Duration};

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use crate::{cli::CliError, client::Answer};

/// Longer latencies count as this, in microseconds.
const LATENCY_MICROS_MAX: u64 = 120_000_000;

/// Latencies are kept to so many digits.
const DIGITS: u8 = 3;

/// Counts of one client, or of all.
pub struct Tally {
    latencies: Histogram<u64>,
    /// By status of the order, or by problem code.
    outcomes: BTreeMap<String, u64>,
    /// Requests that got no answer, by reason.
    lost: BTreeMap<String, u64>,
    pub took: Duration,
}

impl Tally {
    pub fn new() -> Self {
        let latencies = Histogram::new_with_bounds(1, LATENCY_MICROS_MAX, DIGITS).expect("the bounds are constants");
        Self { latencies, outcomes: BTreeMap::new(), lost: BTreeMap::new(), took: Duration::ZERO }
    }

    pub fn count(&mut self, answer: &Answer, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.latencies.saturating_record(micros.max(1));
        let outcome = if answer.status.is_success() {
            status_of(&answer.body)
        } else {
            answer.problem_code().unwrap_or_else(|| answer.status.to_string())
        };
        *self.outcomes.entry(outcome).or_default() += 1;
    }

    pub fn lost(&mut self, reason: &str) {
        *self.lost.entry(reason.to_owned()).or_default() += 1;
    }

    pub fn add(&mut self, other: &Self) -> Result<(), CliError> {
        self.latencies.add(&other.latencies).map_err(|error| CliError::Other(error.to_string()))?;
        for (outcome, count) in &other.outcomes {
            *self.outcomes.entry(outcome.clone()).or_default() += count;
        }
        for (reason, count) in &other.lost {
            *self.lost.entry(reason.clone()).or_default() += count;
        }
        Ok(())
    }

    fn per_second(&self) -> f64 {
        let answered: u64 = self.outcomes.values().sum();
        #[expect(clippy::cast_precision_loss, reason = "a rate is rounded anyway")]
        let answered = answered as f64;
        answered / self.took.as_secs_f64().max(f64::EPSILON)
    }

    pub fn as_json(&self) -> Value {
        json!({
            "took_seconds": self.took.as_secs_f64(),
            "orders_per_second": self.per_second(),
            "latency_micros": {
                "p50": self.latencies.value_at_quantile(0.5),
                "p99": self.latencies.value_at_quantile(0.99),
                "p99_9": self.latencies.value_at_quantile(0.999),
                "max": self.latencies.max(),
            },
            "outcomes": self.outcomes,
            "lost": self.lost,
        })
    }
}

/// How an order stands, as its acceptance tells.
fn status_of(body: &[u8]) -> String {
    let Ok(body) = serde_json::from_slice::<Value>(body) else { return "unreadable".to_owned() };
    let outcome = body.get("outcome").unwrap_or(&body);
    let text = |name: &str| outcome.get(name).and_then(Value::as_str);
    match (text("status"), text("reason")) {
        (Some(status), Some(reason)) => format!("{status}: {reason}"),
        (Some(status), None) => status.to_owned(),
        (None, _) => "accepted".to_owned(),
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let answered: u64 = self.outcomes.values().sum();
        let took = self.took.as_secs_f64();
        writeln!(f, "{answered} orders in {took:.1} s: {:.0} orders/s", self.per_second())?;
        let millis =
            |quantile: f64| Duration::from_micros(self.latencies.value_at_quantile(quantile)).as_secs_f64() * 1_000.0;
        writeln!(f, "latency  p50 {:.2} ms  p99 {:.2} ms  p99.9 {:.2} ms", millis(0.5), millis(0.99), millis(0.999))?;
        for (outcome, count) in &self.outcomes {
            writeln!(f, "  {count:>9}  {outcome}")?;
        }
        self.lost.iter().try_for_each(|(reason, count)| writeln!(f, "  {count:>9}  no answer: {reason}"))
    }
}
