//! The sending side: one idempotent producer at a time. Whenever it has not delivered everything that it was given, it is
//! purged and left, and the next call begins with another one.

mod deliveries;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use rdkafka::{
    config::FromClientConfigAndContext,
    error::{KafkaError, RDKafkaErrorCode},
    producer::{BaseRecord, Producer, PurgeConfig, ThreadedProducer},
};
use tradewind_engine::ports::{BrokerError, BrokerMessage};

use crate::{
    KafkaConfig,
    client::{Deadline, Reports, broker_error, end, is_refusal, may_begin},
    message::{cannot_carry, headers},
    topics::Topics,
};

use deliveries::{Deliveries, Delivering};

/// How long a full queue is waited for before it is looked at again.
const ROOM_WITHIN: Duration = Duration::from_millis(50);

/// How many topics are remembered as checked. With more they are checked again.
const TOPICS_MAX: usize = 1_000;

/// Publishes messages.
pub(crate) struct Publisher {
    config: Arc<KafkaConfig>,
    live: Option<Live>,
}

/// A producer, and what it is known to be able to do.
struct Live {
    producer: ThreadedProducer<Delivering>,
    deliveries: Arc<Deliveries>,
    reports: Arc<Reports>,
    /// Topics that exist and are as they must be.
    topics: BTreeSet<String>,
}

impl Publisher {
    pub fn new(config: Arc<KafkaConfig>) -> Self {
        Self { config, live: None }
    }

    /// As [`tradewind_engine::ports::Broker::publish`].
    pub fn publish(&mut self, messages: &[BrokerMessage]) -> Result<(), (usize, BrokerError)> {
        if messages.is_empty() {
            return Ok(());
        }
        let deadline = Deadline::after(self.config.publish_within);
        let mut live = match self.live.take() {
            Some(live) => live,
            None => Live::begin(&self.config).map_err(|error| (0, error))?,
        };
        let (sendable, refusal) = live.sendable(&self.config, messages, deadline);
        let sent = live.send(&messages[..sendable], deadline);
        match (sent, refusal) {
            (Ok(()), None) => {
                self.live = Some(live);
                Ok(())
            }
            (Ok(()), Some(error)) => {
                self.live = Some(live);
                Err((sendable, error))
            }
            (Err(Unsent { acknowledged, error, keeps: true }), _) => {
                self.live = Some(live);
                Err((acknowledged, error))
            }
            (Err(Unsent { acknowledged, error, keeps: false }), _) => {
                live.leave();
                Err((acknowledged, error))
            }
        }
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        if let Some(live) = self.live.take() {
            live.leave();
        }
    }
}

/// Not everything was delivered.
struct Unsent {
    acknowledged: usize,
    error: BrokerError,
    /// Whether the producer has nothing left, and can be used again.
    keeps: bool,
}

impl Live {
    fn begin(config: &KafkaConfig) -> Result<Self, BrokerError> {
        may_begin()?;
        let (reports, deliveries) = (Reports::new("producer"), Arc::new(Deliveries::default()));
        let context = Delivering { reports: Arc::clone(&reports), deliveries: Arc::clone(&deliveries) };
        let producer = ThreadedProducer::from_config_and_context(&config.producer(), context);
        let producer = producer.map_err(|error| broker_error("connecting to Kafka", &error))?;
        Ok(Self { producer, deliveries, reports, topics: BTreeSet::new() })
    }

    /// How many of the first messages may be sent, and why the next one may not.
    fn sendable(
        &mut self,
        config: &KafkaConfig,
        messages: &[BrokerMessage],
        deadline: Deadline,
    ) -> (usize, Option<BrokerError>) {
        let mut administrator = None;
        for (index, message) in messages.iter().enumerate() {
            if let Some(reason) = cannot_carry(message) {
                return (index, Some(BrokerError::Refused(reason)));
            }
            if self.topics.contains(&message.topic) {
                continue;
            }
            let checked = match &administrator {
                Some(topics) => Ok(topics),
                None => Topics::connect(config).map(|topics| &*administrator.insert(topics)),
            };
            let checked = checked
                .and_then(|topics| topics.ensure(&message.topic, deadline))
                .and_then(|topic| topic.check_published(&config.topics));
            if let Err(error) = checked {
                return (index, Some(error));
            }
            if self.topics.len() >= TOPICS_MAX {
                self.topics.clear();
            }
            self.topics.insert(message.topic.clone());
        }
        (messages.len(), None)
    }

    /// Sends the messages, and waits until all are acknowledged or one of them has failed.
    fn send(&self, messages: &[BrokerMessage], deadline: Deadline) -> Result<(), Unsent> {
        self.deliveries.begin(messages.len());
        for (index, message) in messages.iter().enumerate() {
            let Err(error) = self.enqueue(index, message, deadline) else { continue };
            // What is enqueued is delivered all the same, and what comes after it is not sent.
            let acknowledged = self.deliveries.wait(index, deadline);
            let (topic, bytes) = (&message.topic, message.bytes());
            return Err(Unsent {
                acknowledged,
                error: self.why(broker_error(&format!("a message of {bytes} bytes for the topic {topic}"), &error)),
                keeps: acknowledged == index && error.rdkafka_error_code().is_some_and(is_refusal),
            });
        }
        let acknowledged = self.deliveries.wait(messages.len(), deadline);
        if acknowledged == messages.len() {
            return Ok(());
        }
        Err(Unsent { acknowledged, error: self.undelivered(acknowledged, messages), keeps: false })
    }

    /// Waits for room in the queue.
    fn enqueue(&self, index: usize, message: &BrokerMessage, deadline: Deadline) -> Result<(), KafkaError> {
        let mut record = BaseRecord::<[u8], [u8], usize>::with_opaque_to(&message.topic, index);
        record.key = message.key.as_ref().map(|key| &*key.0);
        record.payload = message.body.as_deref();
        record.timestamp = message.time.map(tradewind_events::Timestamp::as_millis);
        record.headers = headers(message);
        loop {
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), unsent)) if !deadline.has_passed() => {
                    record = unsent;
                    self.deliveries.wait_for_one(ROOM_WITHIN.min(deadline.left()));
                }
                Err((error, _)) => return Err(error),
            }
        }
    }

    /// Why the message at this place, or one after it, was not delivered.
    fn undelivered(&self, acknowledged: usize, messages: &[BrokerMessage]) -> BrokerError {
        let missing = messages.len() - acknowledged;
        match self.deliveries.failure() {
            Some((index, code)) => {
                let (topic, bytes) = (&messages[index].topic, messages[index].bytes());
                let error = KafkaError::MessageProduction(code);
                self.why(broker_error(&format!("a message of {bytes} bytes for the topic {topic}"), &error))
            }
            None => self.why(BrokerError::Unavailable(format!("{missing} messages were not acknowledged in time"))),
        }
    }

    /// With what the producer said last, which is where a broker explains itself.
    fn why(&self, error: BrokerError) -> BrokerError {
        match error {
            BrokerError::Unavailable(reason) => {
                let fatal = self.producer.client().fatal_error();
                let reason = fatal.map_or_else(|| reason.clone(), |(_, fatal)| format!("{reason}: {fatal}"));
                BrokerError::Unavailable(self.reports.explain(&reason))
            }
            refused @ BrokerError::Refused(_) => refused,
        }
    }

    /// What it has not delivered may still arrive, in its order, and is published again by the next producer: what comes
    /// first of each key comes in order whichever of both gets there.
    fn leave(self) {
        self.producer.purge(PurgeConfig::default().queue().inflight().non_blocking());
        end(self.producer, Duration::ZERO);
    }
}
