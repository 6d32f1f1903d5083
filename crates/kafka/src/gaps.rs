//! Events that a group has not received and that Kafka no longer has. Its subscription stops, says which, and continues
//! only when an operator skips them.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rdkafka::{
    config::FromClientConfigAndContext,
    consumer::{BaseConsumer, CommitMode, Consumer, DefaultConsumerContext},
};
use tradewind_engine::ports::BrokerError;

use crate::{
    KafkaConfig,
    client::{broker_error, end, may_begin},
    subscription::{Mark, list},
};

/// A partition that cannot be read from where the group was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    pub topic: String,
    pub partition: i32,
    /// The offset up to which the group has read: the first that it has not.
    pub read_to: i64,
    /// The first offset that the partition has now.
    pub continues_at: i64,
    pub reason: GapReason,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GapReason {
    /// The messages from `read_to` up to `continues_at` are gone: their retention has passed, or they were deleted.
    Removed,
    /// The topic was deleted and created again, or has lost its last messages. How many are missing is not known.
    CreatedAgain,
}

impl fmt::Display for Gap {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { topic, partition, read_to, continues_at, reason } = self;
        match reason {
            GapReason::Removed => write!(
                formatter,
                "{} messages of {topic}/{partition} are gone, from offset {read_to} to {}: their retention has passed, or \
                 they were deleted",
                continues_at - read_to,
                continues_at - 1
            ),
            GapReason::CreatedAgain => write!(
                formatter,
                "{topic}/{partition} was read up to offset {read_to}, which it does not have: the topic was deleted and \
                 created again, or has lost messages; it begins at offset {continues_at}"
            ),
        }
    }
}

/// The gaps that the subscriptions of one broker have found. Clones share them.
#[derive(Clone)]
pub struct Gaps {
    config: Arc<KafkaConfig>,
    found: Arc<Mutex<BTreeMap<String, Vec<Gap>>>>,
}

impl Gaps {
    pub(crate) fn new(config: Arc<KafkaConfig>) -> Self {
        Self { config, found: Arc::default() }
    }

    /// What the subscription of this group stands before; empty when it does not stand.
    pub fn of(&self, group: &str) -> Vec<Gap> {
        self.lock().get(group).cloned().unwrap_or_default()
    }

    /// Lets the group continue behind these gaps, which are all that [`Gaps::of`] gives: the missing events are given up.
    /// The subscription goes on with its next attempt. Whoever calls this keeps a record of it.
    pub fn skip(&self, group: &str, gaps: &[Gap]) -> Result<(), BrokerError> {
        if gaps.is_empty() || self.of(group) != gaps {
            let reason = format!("the gaps of the group {group} are others now: look at them again");
            return Err(BrokerError::Refused(reason));
        }
        may_begin()?;
        let config = self.config.consumer(group);
        let consumer = BaseConsumer::from_config_and_context(&config, DefaultConsumerContext);
        let consumer = consumer.map_err(|error| broker_error("connecting to Kafka", &error))?;
        let marks: Vec<Mark> = gaps.iter().map(Gap::behind).collect();
        let committed = list(&marks).and_then(|list| consumer.commit(&list, CommitMode::Sync));
        end(consumer, std::time::Duration::ZERO);
        committed.map_err(|error| broker_error("committing offsets", &error))?;
        self.found(group, Vec::new());
        Ok(())
    }

    pub(crate) fn found(&self, group: &str, gaps: Vec<Gap>) {
        if gaps.is_empty() {
            self.lock().remove(group);
        } else {
            self.lock().insert(group.to_owned(), gaps);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Vec<Gap>>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gap {
    fn behind(&self) -> Mark {
        Mark { topic: self.topic.clone(), partition: self.partition, offset: self.continues_at }
    }
}
