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
    client::{Calls, Cluster, Deadline, Reports, broker_error, is_refusal},
    message::{cannot_carry, headers},
    topics::Topics,
};

use deliveries::{Deliveries, Delivering};

/// How long a full queue is waited for before it is looked at again.
const ROOM_WITHIN: Duration = Duration::from_millis(50);

/// Publishes messages.
pub(crate) struct Publisher {
    cluster: Arc<Cluster>,
    live: Option<Live>,
}

/// A producer, and what it is known to be able to do.
struct Live {
    producer: ThreadedProducer<Delivering>,
    deliveries: Arc<Deliveries>,
    reports: Arc<Reports>,
    /// Topics that exist and are as they must be: no more than the configuration routes events to.
    topics: BTreeSet<String>,
    calls: Calls,
}

impl Publisher {
    pub fn new(cluster: Arc<Cluster>) -> Self {
        Self { cluster, live: None }
    }

    /// As [`tradewind_engine::ports::Broker::publish`].
    pub fn publish(&mut self, messages: &[BrokerMessage]) -> Result<(), (usize, BrokerError)> {
        if messages.is_empty() {
            return Ok(());
        }
        let within = self.cluster.config.publish_within;
        let mut live = match self.live.take() {
            Some(live) => live,
            None => Live::begin(&self.cluster).map_err(|error| (0, error))?,
        };
        let (sendable, refusal) = live.sendable(&self.cluster, messages, Deadline::after(within));
        let sent = live.send(&messages[..sendable], within);
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
    fn begin(cluster: &Cluster) -> Result<Self, BrokerError> {
        cluster.calls.may_begin()?;
        let (reports, deliveries) = (Reports::new("producer"), Arc::new(Deliveries::default()));
        let context = Delivering { reports: Arc::clone(&reports), deliveries: Arc::clone(&deliveries) };
        let producer = ThreadedProducer::from_config_and_context(&cluster.config.producer(), context);
        let producer = producer.map_err(|error| broker_error("connecting to Kafka", &error))?;
        Ok(Self { producer, deliveries, reports, topics: BTreeSet::new(), calls: cluster.calls.clone() })
    }

    /// How many of the first messages may be sent, and why the next one may not.
    fn sendable(
        &mut self,
        cluster: &Cluster,
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
                None => Topics::connect(cluster).map(|topics| &*administrator.insert(topics)),
            };
            let checked = checked
                .and_then(|topics| topics.ensure(&message.topic, deadline))
                .and_then(|topic| topic.check_published(&cluster.config.topics));
            if let Err(error) = checked {
                return (index, Some(error));
            }
            self.topics.insert(message.topic.clone());
        }
        (messages.len(), None)
    }

    /// Sends the messages, and waits until all are acknowledged, one of them has failed, or nothing was acknowledged for
    /// so long.
    fn send(&self, messages: &[BrokerMessage], within: Duration) -> Result<(), Unsent> {
        self.deliveries.begin(messages.len());
        for (index, message) in messages.iter().enumerate() {
            let Err(error) = self.enqueue(index, message, within) else { continue };
            // What is enqueued is delivered all the same, unless the broker stands still; what comes after it is not sent.
            let stands_still = error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull);
            let acknowledged = self.deliveries.wait(index, if stands_still { Duration::ZERO } else { within });
            let (topic, bytes) = (&message.topic, message.bytes());
            return Err(Unsent {
                acknowledged,
                error: self.why(broker_error(&format!("a message of {bytes} bytes for the topic {topic}"), &error)),
                keeps: acknowledged == index && error.rdkafka_error_code().is_some_and(is_refusal),
            });
        }
        let acknowledged = self.deliveries.wait(messages.len(), within);
        if acknowledged == messages.len() {
            return Ok(());
        }
        Err(Unsent { acknowledged, error: self.undelivered(acknowledged, messages), keeps: false })
    }

    /// Waits for room in the queue, until nothing is reported of any message for so long.
    fn enqueue(&self, index: usize, message: &BrokerMessage, within: Duration) -> Result<(), KafkaError> {
        let mut record = BaseRecord::<[u8], [u8], usize>::with_opaque_to(&message.topic, index);
        record.key = message.key.as_ref().map(|key| &*key.0);
        record.payload = message.body.as_deref();
        record.timestamp = message.time.map(tradewind_events::Timestamp::as_millis);
        record.headers = headers(message);
        let mut deadline = Deadline::after(within);
        loop {
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), unsent)) if !deadline.has_passed() => {
                    record = unsent;
                    if self.deliveries.wait_for_one(ROOM_WITHIN.min(deadline.left())) {
                        deadline = Deadline::after(within);
                    }
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
        self.calls.end(self.producer, Duration::ZERO);
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::{
        consumer::{BaseConsumer, Consumer},
        mocking::MockCluster,
        producer::DefaultProducerContext,
        types::{RDKafkaApiKey, RDKafkaRespErr},
    };

    use super::*;
    use crate::KafkaConfig;

    /// A producer that has looked at the topic: the mock has no administrator's requests.
    fn live(cluster: &Cluster) -> Live {
        let mut live = Live::begin(cluster).expect("a producer");
        live.topics.insert("t".to_owned());
        live
    }

    /// A broker with the topic `t` of one partition, and the publisher of it, which waits for minutes.
    fn mocked() -> (MockCluster<'static, DefaultProducerContext>, Arc<Cluster>, Publisher) {
        let mock = MockCluster::new(1).expect("a mock");
        mock.create_topic("t", 1, 1).expect("a topic");
        let publish_within = Duration::from_mins(5);
        let config = KafkaConfig { publish_within, ..KafkaConfig::new(vec![mock.bootstrap_servers()]) };
        let cluster = Arc::new(Cluster { config, calls: Calls::default() });
        let mut publisher = Publisher::new(Arc::clone(&cluster));
        publisher.live = Some(live(&cluster));
        (mock, cluster, publisher)
    }

    /// confluent-kafka-go#921: librdkafka counts a batch that was refused as delivered when a later one is, and a partition that knows
    /// nothing of a producer accepts a later one first.
    #[test]
    fn a_batch_that_is_refused_once_is_not_taken_for_delivered_because_the_next_one_is() {
        let (mock, cluster, mut publisher) = mocked();
        // What fits into the pipeline is on its way before the first answer comes.
        mock.broker_round_trip_time(1, Duration::from_millis(300)).expect("a slow broker");
        mock.request_errors(RDKafkaApiKey::Produce, &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION]);
        // Each is a batch of its own.
        let body = vec![b'x'; 600_000];
        let messages: Vec<_> = (0..3).map(|_| BrokerMessage::new("t", body.clone()).with_key("k")).collect();
        assert_eq!(publisher.publish(&messages), Ok(()));
        let consumer: BaseConsumer = cluster.config.consumer("g").create().expect("a consumer");
        let kept = consumer.fetch_watermarks("t", 0, Duration::from_mins(1)).expect("the broker answers");
        assert_eq!(kept, (0, 3), "all that is acknowledged is there");
    }

    #[test]
    fn a_producer_with_a_fatal_error_is_left() {
        let (mock, cluster, mut publisher) = mocked();
        let messages: Vec<_> = (0..3).map(|body| BrokerMessage::new("t", body.to_string()).with_key("k")).collect();
        assert_eq!(publisher.publish(&messages), Ok(()));
        assert!(publisher.live.is_some(), "it is used again");
        let fatal = RDKafkaRespErr::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
        mock.request_errors(RDKafkaApiKey::Produce, &[fatal]);
        let answer = publisher.publish(&messages);
        assert!(
            matches!(&answer, Err((0, BrokerError::Unavailable(reason))) if reason.contains("sequence")),
            "{answer:?}"
        );
        assert!(publisher.live.is_none(), "it would never send again");
        publisher.live = Some(live(&cluster));
        assert_eq!(publisher.publish(&messages), Ok(()), "another one does");
    }
}
