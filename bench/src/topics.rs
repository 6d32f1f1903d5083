//! What is in Kafka, as any consumer sees it.

use std::time::Duration;

use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
};
use tradewind_events::Timestamp;

use crate::Failure;

/// The longest that Kafka may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// The topics that begin with a prefix, each partition of them.
pub struct Topics {
    consumer: BaseConsumer,
    partitions: Vec<(String, i32)>,
}

/// One message.
pub struct Received {
    pub key: Vec<u8>,
    pub payload: Vec<u8>,
}

impl Topics {
    /// Those that there are now.
    pub fn find(address: &str, prefix: &str) -> Result<Self, Failure> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", address).set("group.id", "bench").set("enable.auto.commit", "false");
        config.set("fetch.wait.max.ms", "100");
        let consumer: BaseConsumer = config.create()?;
        let metadata = consumer.fetch_metadata(None, ANSWER_MAX)?;
        let topics = metadata.topics().iter().filter(|topic| topic.name().starts_with(prefix));
        let partitions =
            topics.flat_map(|topic| topic.partitions().iter().map(|one| (topic.name().to_owned(), one.id()))).collect();
        Ok(Self { consumer, partitions })
    }

    /// Messages that they have in all.
    pub fn messages(&self) -> Result<u64, Failure> {
        let mut sum = 0;
        for (topic, partition) in &self.partitions {
            let (first, end) = self.consumer.fetch_watermarks(topic, *partition, ANSWER_MAX)?;
            sum += (end - first).unsigned_abs();
        }
        Ok(sum)
    }

    /// Begins to read all of them: everything that they have, or what comes from now on.
    pub fn read(&self, from: Offset) -> Result<(), Failure> {
        let mut all = TopicPartitionList::new();
        for (topic, partition) in &self.partitions {
            // The end as of now: `Offset::End` would be looked up when the first message is asked for.
            let from = match from {
                Offset::End => Offset::Offset(self.consumer.fetch_watermarks(topic, *partition, ANSWER_MAX)?.1),
                from => from,
            };
            all.add_partition_offset(topic, *partition, from)?;
        }
        Ok(self.consumer.assign(&all)?)
    }

    /// The next message; `None` if none comes within this time.
    pub fn next(&self, within: Duration) -> Result<Option<Received>, Failure> {
        let Some(message) = self.consumer.poll(within) else { return Ok(None) };
        let message = message?;
        let owned = |bytes: Option<&[u8]>| bytes.unwrap_or_default().to_vec();
        Ok(Some(Received { key: owned(message.key()), payload: owned(message.payload()) }))
    }
}

impl Received {
    /// The time of the event, in milliseconds since 1970: when it was made, before its commit.
    pub fn time_millis(&self) -> Result<i64, Failure> {
        let text = std::str::from_utf8(&self.payload)?;
        let (_, rest) = text.split_once(r#""time":""#).ok_or("an event has no time")?;
        let (time, _) = rest.split_once('"').ok_or("an event has no time")?;
        Ok(time.parse::<Timestamp>()?.as_millis())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_an_event_is_read_wherever_it_stands() {
        let received = |text: &str| Received { key: Vec::new(), payload: text.into() };
        assert_eq!(received(r#"{"a":1,"time":"1970-01-01T00:00:01.234Z"}"#).time_millis().unwrap(), 1_234);
        assert!(received(r#"{"a":1}"#).time_millis().is_err());
    }
}
