//! Delivery between stores: what went to and came from each broker, and how far the consumers are behind.
//!
//! Labels are bounded: brokers and services are configured, and sources that neither this build nor its configuration names
//! are one.

use std::time::Duration;

use prometheus_client::metrics::{counter::Counter, family::Family, gauge::Gauge};
use tradewind_engine::{BrokerLag, ConsumerLag, Direction, Drain, ports::BrokerError};
use tradewind_events::{KeyText, Timestamp};

use super::{Now, book::Book, waiting::Seconds};

/// Labels whose values are configured.
type Named<const N: usize> = [(&'static str, String); N];

const DIRECTIONS: [&str; 2] = ["publish", "receive"];
const KINDS: [&str; 2] = ["unavailable", "refused"];

#[derive(Default)]
pub struct DeliveryFigures {
    published: Family<Named<1>, Counter>,
    received: Family<Named<1>, Counter>,
    duplicates: Family<Named<1>, Counter>,
    refused: Family<Named<1>, Counter>,
    returned: Family<Named<1>, Counter>,
    reconnects: Family<Named<2>, Counter>,
    failures: Family<Named<2>, Counter>,
    relay_segment: Family<Named<1>, Gauge>,
    relay_lag: Family<Named<1>, Seconds>,
    uncommitted: Family<Named<1>, Gauge>,
    backlog: Family<Named<1>, Gauge>,
    gaps: Family<Named<1>, Gauge>,
    broker_lag: Family<Named<1>, Seconds>,
    drain: Family<Named<1>, Seconds>,
    consumer_lag: Family<Named<2>, Seconds>,
    consumer_events: Family<Named<2>, Gauge>,
    paused: Family<Named<1>, Gauge>,
}

impl DeliveryFigures {
    pub fn new(book: &mut Book) -> Self {
        let figures = Self::default();
        figures.add_counters(book);
        for (family, name, help) in [
            (
                &figures.relay_segment,
                "relay_segment",
                "The last segment of which this broker has acknowledged every event",
            ),
            (
                &figures.uncommitted,
                "broker_uncommitted_messages",
                "Messages from this broker that are not committed yet",
            ),
            (
                &figures.gaps,
                "broker_gaps",
                "Places at this broker where events are gone that were not received; the subscription stands until they are \
                 skipped",
            ),
            (
                &figures.backlog,
                "broker_backlog_messages",
                "Messages that wait at this broker for this store, as it said within the last seconds; absent where it \
                 cannot tell",
            ),
        ] {
            book.add(name, &["broker"], help, family.clone());
        }
        for (family, name, help) in [
            (
                &figures.relay_lag,
                "relay_lag_seconds",
                "Age of the first commit that this broker has not acknowledged; 0 when it has all",
            ),
            (
                &figures.broker_lag,
                "broker_lag_seconds",
                "For how long events may have waited at this broker; 0 while it has nothing more for this store",
            ),
            (
                &figures.drain,
                "broker_drain_seconds",
                "Estimate of the time until nothing from this broker waits, from the last minute; +Inf when it does not \
                 become less, absent without an estimate",
            ),
        ] {
            book.add(name, &["broker"], help, family.clone());
        }
        let of = ["consumer", "source"];
        let help = "Age of the oldest event that this service has not handled: received, parked or waiting at a broker";
        book.add("consumer_lag_seconds", &of, help, figures.consumer_lag.clone());
        let help = "Events that this store has and this service has not handled: received or parked";
        book.add("consumer_lag_events", &of, help, figures.consumer_events.clone());
        let help = "1 when this service, or the subscription at the broker of this name, is paused";
        book.add("consumer_paused", &of[..1], help, figures.paused.clone());
        figures
    }

    fn add_counters(&self, book: &mut Book) {
        for (family, name, help) in [
            (&self.published, "published_events", "Events that this broker has acknowledged"),
            (&self.received, "received_events", "Messages that were received from this broker, repeated ones included"),
            (&self.duplicates, "duplicate_events", "Messages from this broker that were received before, and dropped"),
            (&self.refused, "refused_events", "Events that this broker has refused for good"),
            (
                &self.returned,
                "returned_events",
                "Times that this broker has returned an event because no queue takes it",
            ),
        ] {
            book.add(name, &["broker"], help, family.clone());
        }
        let help = "Times that this broker has answered again after it could not be reached";
        book.add("broker_reconnects", &["broker", "direction"], help, self.reconnects.clone());
        book.add("broker_failures", &["broker", "kind"], "Times that this broker failed", self.failures.clone());
    }

    pub fn published(&self, broker: &KeyText, events: usize) {
        count(&self.published, broker, events);
    }

    pub fn received(&self, broker: &KeyText, messages: usize) {
        count(&self.received, broker, messages);
    }

    pub fn duplicates(&self, broker: &KeyText, messages: usize) {
        count(&self.duplicates, broker, messages);
    }

    pub fn refused(&self, broker: &KeyText) {
        count(&self.refused, broker, 1);
    }

    pub fn returned(&self, broker: &KeyText, messages: u64) {
        self.returned.get_or_create(&of(broker)).inc_by(messages);
    }

    pub fn reconnected(&self, broker: &KeyText, direction: Direction) {
        let direction = match direction {
            Direction::Publish => "publish",
            Direction::Receive => "receive",
        };
        self.reconnects.get_or_create(&and(broker, "direction", direction)).inc();
    }

    pub fn failed(&self, broker: &KeyText, error: &BrokerError) {
        let kind = match error {
            BrokerError::Unavailable(_) => "unavailable",
            BrokerError::Refused(_) => "refused",
        };
        self.failures.get_or_create(&and(broker, "kind", kind)).inc();
    }

    /// What is no more is shown no more.
    pub fn set(&self, now: &Now<'_>) {
        for broker in &now.status.brokers {
            self.begin(&broker.name);
            self.relay_segment.get_or_create(&of(&broker.name)).set(number(broker.published_segment));
            self.gaps.get_or_create(&of(&broker.name)).set(i64::try_from(broker.gaps.len()).unwrap_or(i64::MAX));
        }
        for (broker, seconds) in &now.waiting.relays {
            self.relay_lag.get_or_create(&of(broker)).set(*seconds);
        }
        self.backlog.clear();
        self.drain.clear();
        for lag in &now.lag.brokers {
            self.set_broker(lag, now.at);
        }
        self.consumer_lag.clear();
        self.consumer_events.clear();
        for ConsumerLag { consumer, source, messages, since } in &now.lag.consumers {
            let labels = [("consumer", (*consumer).to_owned()), ("source", source.clone())];
            self.consumer_lag.get_or_create(&labels).set(age(*since, now.at));
            self.consumer_events.get_or_create(&labels).set(i64::try_from(*messages).unwrap_or(i64::MAX));
        }
        let receiving =
            now.status.brokers.iter().filter(|broker| broker.receives).map(|broker| broker.name.to_string());
        for consumer in now.services.iter().map(ToString::to_string).chain(receiving) {
            let paused = now.waiting.owed.paused.contains(&consumer);
            self.paused.get_or_create(&[("consumer", consumer)]).set(i64::from(paused));
        }
    }

    /// Counters begin with zero: an alert sees the first step.
    fn begin(&self, broker: &KeyText) {
        for family in [&self.published, &self.received, &self.duplicates, &self.refused, &self.returned] {
            drop(family.get_or_create(&of(broker)));
        }
        for direction in DIRECTIONS {
            drop(self.reconnects.get_or_create(&and(broker, "direction", direction)));
        }
        for kind in KINDS {
            drop(self.failures.get_or_create(&and(broker, "kind", kind)));
        }
    }

    fn set_broker(&self, lag: &BrokerLag, now: Timestamp) {
        let labels = of(&lag.name);
        self.uncommitted.get_or_create(&labels).set(i64::try_from(lag.uncommitted).unwrap_or(i64::MAX));
        self.broker_lag.get_or_create(&labels).set(age(lag.waits_since, now));
        if let Some(backlog) = lag.backlog {
            self.backlog.get_or_create(&labels).set(number(backlog));
        }
        if let Some(drain) = lag.drain {
            self.drain.get_or_create(&labels).set(match drain {
                Drain::Never => f64::INFINITY,
                Drain::Within(time) => time.as_secs_f64(),
            });
        }
    }
}

fn count(family: &Family<Named<1>, Counter>, broker: &KeyText, messages: usize) {
    family.get_or_create(&of(broker)).inc_by(u64::try_from(messages).unwrap_or(u64::MAX));
}

fn of(broker: &KeyText) -> Named<1> {
    [("broker", broker.to_string())]
}

fn and(broker: &KeyText, name: &'static str, value: &str) -> Named<2> {
    [("broker", broker.to_string()), (name, value.to_owned())]
}

fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn age(since: Option<Timestamp>, now: Timestamp) -> f64 {
    since.map_or(Duration::ZERO, |since| now.since(since)).as_secs_f64()
}
