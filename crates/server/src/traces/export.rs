//! The thread that sends traces: batch after batch, each again until the collector has taken or refused it. What is not
//! sent is counted, and said in the log.

use std::{sync::Arc, time::Duration};

use opentelemetry_proto::tonic::resource::v1::Resource;
use tradewind_engine::Backoff;

use super::{
    collector::{Collector, Undelivered},
    otlp,
    queue::Queue,
};
use crate::metrics::{Stopwatch, TraceFigures};

const RETRY: Backoff = Backoff { first: Duration::from_millis(500), most: Duration::from_secs(30) };

pub(super) struct Exporter {
    pub queue: Arc<Queue>,
    pub collector: Collector,
    pub resource: Resource,
    pub figures: TraceFigures,
    /// How often what waits is sent, full batch or not.
    pub every: Duration,
    /// How long sending may take at a stop.
    pub patience: Duration,
}

/// What became of a batch.
enum Sent {
    Taken,
    /// The shop stops, and the collector does not answer.
    GivenUp,
}

impl Exporter {
    /// Sends until the queue has stopped and is empty, or the collector does not take what is left of it in time.
    pub fn run(self) {
        let mut since_stop = None;
        loop {
            let taken = self.queue.take(self.every);
            self.tell_dropped();
            if taken.stopping {
                let since_stop: Stopwatch = *since_stop.get_or_insert_with(Stopwatch::start);
                if taken.spans.is_empty() {
                    return;
                }
                if since_stop.read() > self.patience {
                    return self.lose(taken.spans.len(), "the collector is too slow for a stop");
                }
            }
            if taken.spans.is_empty() {
                continue;
            }
            let count = taken.spans.len();
            if let Sent::GivenUp = self.send(count, &otlp::request(&self.resource, taken.spans)) {
                return self.lose(count, "the collector does not answer");
            }
        }
    }

    fn send(&self, count: usize, body: &[u8]) -> Sent {
        let mut failures = 0;
        loop {
            match self.collector.send(body) {
                Ok(answer) => {
                    let refused = answer.refused.min(count as u64);
                    self.figures.sent(count as u64 - refused);
                    self.figures.refused(refused);
                    if refused > 0 {
                        tracing::warn!(refused, reason = answer.reason, "the collector has refused spans");
                    } else if failures > 0 {
                        tracing::info!(failures, "the collector takes traces again");
                    }
                    return Sent::Taken;
                }
                Err(Undelivered::Refused(reason)) => {
                    self.figures.failed();
                    self.figures.refused(count as u64);
                    tracing::warn!(refused = count, reason, "the collector has refused spans");
                    return Sent::Taken;
                }
                Err(Undelivered::Unavailable { reason, retry_after }) => {
                    self.figures.failed();
                    failures += 1;
                    if failures == 1 {
                        tracing::warn!(reason, "the collector does not take traces: they wait");
                    }
                    self.tell_dropped();
                    if self.queue.is_stopping() {
                        return Sent::GivenUp;
                    }
                    self.queue.pause(retry_after.unwrap_or(RETRY.after(failures, "traces")).min(RETRY.most));
                }
            }
        }
    }

    fn tell_dropped(&self) {
        let dropped = self.queue.dropped();
        if dropped > 0 {
            tracing::warn!(dropped, "spans were dropped: more ended than the collector took");
        }
    }

    /// At a stop: these, and what is still in line.
    fn lose(&self, at_hand: usize, reason: &str) {
        let mut lost = at_hand as u64;
        loop {
            let left = self.queue.take(Duration::ZERO).spans.len();
            if left == 0 {
                break;
            }
            lost += left as u64;
        }
        self.figures.dropped(lost);
        tracing::warn!(lost, reason, "spans were not sent before the stop");
    }
}
