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
    error::{KafkaError, RDKafkaErrorCode},
};
use tradewind_engine::ports::{self, BrokerError};

use crate::{
    client::{Cluster, broker_error},
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
                 created again, or it has lost messages, or the group its offsets; it begins at offset {continues_at}"
            ),
        }
    }
}

/// The gaps that the subscriptions of one broker have found. Clones share them.
#[derive(Clone)]
pub struct Gaps {
    cluster: Arc<Cluster>,
    found: Arc<Mutex<BTreeMap<String, Vec<Gap>>>>,
}

impl Gaps {
    pub(crate) fn new(cluster: Arc<Cluster>) -> Self {
        Self { cluster, found: Arc::default() }
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
        let Cluster { config, calls } = &*self.cluster;
        calls.may_begin()?;
        let answer_within = config.answer_within;
        let config = config.consumer(group);
        let consumer = BaseConsumer::from_config_and_context(&config, DefaultConsumerContext);
        let consumer = consumer.map_err(|error| broker_error("connecting to Kafka", &error))?;
        let marks: Vec<Mark> = gaps.iter().map(Gap::behind).collect();
        let commit = move || list(&marks).and_then(|list| consumer.commit(&list, CommitMode::Sync));
        let committed = calls.make(commit).recv_timeout(answer_within);
        let committed = committed.unwrap_or(Err(KafkaError::ConsumerCommit(RDKafkaErrorCode::OperationTimedOut)));
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

impl ports::Gaps for Gaps {
    fn of(&self, group: &str) -> Vec<ports::Gap> {
        self.of(group).iter().map(Gap::told).collect()
    }

    fn skip(&self, group: &str, gaps: &[ports::Gap]) -> Result<(), BrokerError> {
        let mut found = self.of(group);
        // Others than were seen: `skip` refuses them.
        if !found.iter().map(Gap::told).eq(gaps.iter().cloned()) {
            found.clear();
        }
        self.skip(group, &found)
    }
}

impl Gap {
    /// As the engine tells it to an operator.
    fn told(&self) -> ports::Gap {
        let messages = match self.reason {
            GapReason::Removed => u64::try_from(self.continues_at - self.read_to).ok(),
            GapReason::CreatedAgain => None,
        };
        ports::Gap { place: format!("{}/{}", self.topic, self.partition), messages, reason: self.to_string() }
    }

    fn behind(&self) -> Mark {
        Mark { topic: self.topic.clone(), partition: self.partition, offset: self.continues_at }
    }
}
