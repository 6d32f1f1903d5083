//! A broker at which events of another store wait: of the store of identity, where users have registered.

use std::{sync::Arc, time::Duration};

use tradewind_engine::ports::{Broker, BrokerError, BrokerMessage, Incoming, Position, Subscription};
use tradewind_events::{Envelope, Event, Id, KeyText, Personal, Timestamp, identity::UserRegistered};

/// Who emits them.
pub const SOURCE: &str = "identity";

/// Events that were one commit in that store.
const EVENTS_A_SEGMENT: u64 = 4;

/// A topic with so many events, each of another user. One is made when it is polled: all of them would take a gigabyte.
/// What the shop publishes is acknowledged and dropped.
#[derive(Debug, Clone, Copy)]
pub struct Registrations {
    pub count: u64,
    /// When everybody registered.
    pub time: Timestamp,
}

/// How far a group is. No connection is lost here, so nothing comes twice.
struct Delivery {
    topic: String,
    all: Registrations,
    next: u64,
}

impl Registrations {
    /// The event of this number, as the relay of the other store publishes it.
    fn message(&self, topic: &str, number: u64) -> Result<BrokerMessage, BrokerError> {
        let envelope = self.envelope(number);
        let body = envelope.to_json().map_err(|error| BrokerError::Refused(error.to_string()))?;
        Ok(BrokerMessage::new(topic, body)
            .with_key(envelope.key.as_str())
            .with_header("content-type", "application/cloudevents+json; charset=utf-8"))
    }

    fn envelope(&self, number: u64) -> Envelope {
        let registered = UserRegistered {
            user_id: id(format!("019a0000-0000-7000-8000-{number:012x}")),
            email: Personal::new(format!("user-{number}@example.org")),
            username: None,
            first_name: Some(Personal::new(format!("First {number}"))),
            last_name: Some(Personal::new(format!("Last {number}"))),
            email_verified: false,
        };
        Envelope {
            id: id(format!("elsewhr-{}-{}", 1 + number / EVENTS_A_SEGMENT, number % EVENTS_A_SEGMENT)),
            source: KeyText::literal(SOURCE),
            subject: Event::subject(&registered),
            key: Event::key(&registered).clone(),
            time: self.time,
            sequence: 1,
            correlation_id: id(format!("019a0000-0000-7000-9000-{number:012x}")),
            causation_id: None,
            traceparent: None,
            event: Arc::new(registered),
        }
    }
}

impl Broker for Registrations {
    fn publish(&mut self, _messages: &[BrokerMessage]) -> Result<(), (usize, BrokerError)> {
        Ok(())
    }

    fn subscribe(&self, _group: &str, topics: &[String]) -> Result<Box<dyn Subscription>, BrokerError> {
        let topic = topics.iter().find(|topic| topic.ends_with(SOURCE)).cloned();
        let topic = topic.ok_or_else(|| BrokerError::Refused(format!("there is only {SOURCE}")))?;
        Ok(Box::new(Delivery { topic, all: *self, next: 0 }))
    }

    fn retention(&self, _topics: &[String]) -> Result<Option<Duration>, BrokerError> {
        Ok(None)
    }
}

impl Subscription for Delivery {
    #[expect(clippy::disallowed_methods, reason = "a broker without messages waits")]
    fn poll(&mut self, max: usize, wait: Duration) -> Result<Vec<Incoming>, BrokerError> {
        let end = self.all.count.min(self.next.saturating_add(u64::try_from(max).unwrap_or(u64::MAX)));
        if self.next == end {
            std::thread::sleep(wait);
        }
        let incoming = |number| {
            let position = Position(format!("{}/{number}", self.topic));
            Ok(Incoming { message: self.all.message(&self.topic, number)?, position })
        };
        let messages = (self.next..end).map(incoming).collect::<Result<_, _>>()?;
        self.next = end;
        Ok(messages)
    }

    fn acknowledge(&mut self, _positions: &[Position]) -> Result<(), BrokerError> {
        Ok(())
    }

    fn caught_up(&mut self) -> Result<bool, BrokerError> {
        Ok(self.next == self.all.count)
    }
}

fn id(text: String) -> Id {
    Id::new(text).expect("it is short and visible")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_event_is_handed_out_once_and_can_be_read() {
        let broker = Registrations { count: 10, time: Timestamp::from_millis(1_769_860_800_000) };
        let mut subscription = broker.subscribe("group", &["shop.identity".to_owned()]).unwrap();
        let (mut ids, mut polls, registry) = (BTreeSet::new(), Vec::new(), tradewind_events::registry());
        while !subscription.caught_up().unwrap() {
            let polled = subscription.poll(4, Duration::ZERO).unwrap();
            polls.push(polled.len());
            for Incoming { message, .. } in polled {
                let envelope = Envelope::from_json(message.body(), &registry).unwrap();
                assert_eq!((message.topic.as_str(), &*envelope.source), ("shop.identity", SOURCE));
                ids.insert(envelope.id);
            }
        }
        assert_eq!((ids.len(), polls), (10, vec![4, 4, 2]));
        assert_eq!(subscription.poll(4, Duration::ZERO).unwrap(), []);
    }
}
