//! One consumer of librdkafka, from where the group's offsets are read until something is wrong with it.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

use rdkafka::{
    ClientContext, Offset, TopicPartitionList,
    config::{FromClientConfigAndContext, RDKafkaLogLevel},
    consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext},
    error::{KafkaError, KafkaResult, RDKafkaErrorCode},
    message::BorrowedMessage,
};
use tradewind_engine::ports::BrokerError;

use super::partitions::{Found, Mark, Partitions};
use crate::{
    Gap,
    client::{Calls, Cluster, Deadline, Reports, broker_error},
    topics::Topics,
};

pub(super) type Record<'a> = BorrowedMessage<'a>;

/// How often all offsets are committed again: Kafka forgets those of a partition where nothing happens for
/// `offsets.retention.minutes`.
const ALL_COMMITS_EVERY: Duration = Duration::from_hours(1);

/// One commit in so long: it takes as long as a thousand messages do. What is acknowledged in between is committed with
/// the next one, or on leaving. After a longer pause, such as an outage, every acknowledgement waits for its commit: the
/// inbox may forget then.
const COMMIT_EVERY: Duration = Duration::from_millis(50);

/// How soon a group's coordinator is asked for again that is not there yet.
const COORDINATOR_SOON: Duration = Duration::from_millis(50);

/// How long the last commit may take on leaving, and the end of the consumer after it.
const LEAVE_WITHIN: Duration = Duration::from_secs(1);

pub(super) struct Connection {
    consumer: Option<Arc<BaseConsumer<Consuming>>>,
    calls: Calls,
    /// A commit that has not returned in time.
    committing: Option<Receiver<KafkaResult<()>>>,
    is_stuck: bool,
    reports: Arc<Reports>,
    answer_within: Duration,
    partitions_every: Duration,
    partitions_at: Deadline,
    commit_at: Deadline,
    all_commits_at: Deadline,
}

struct Consuming(Arc<Reports>);

impl ClientContext for Consuming {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        self.0.log(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.0.error(&error, reason);
    }
}

impl ConsumerContext for Consuming {}

/// Offsets by topic and partition.
pub(super) type Offsets = BTreeMap<(String, i32), i64>;

impl Connection {
    /// Connects, and begins to fetch where the group's offsets are. Gives the gaps instead, if there are any.
    pub fn begin(
        cluster: &Cluster,
        group: &str,
        topics: &[String],
        partitions: &mut Partitions,
    ) -> Result<(Self, Vec<Gap>), BrokerError> {
        let Cluster { config, calls } = cluster;
        calls.may_begin()?;
        let mut counts = BTreeMap::new();
        let administrator = Topics::connect(cluster)?;
        for topic in topics {
            let deadline = Deadline::after(config.answer_within);
            let found = administrator.ensure(topic, deadline)?;
            found.check_consumed(config.inbox_kept)?;
            counts.insert(topic.clone(), found.partitions);
        }
        let reports = Reports::new("consumer");
        let consumer = BaseConsumer::from_config_and_context(&config.consumer(group), Consuming(Arc::clone(&reports)));
        let consumer = consumer.map_err(|error| broker_error("connecting to Kafka", &error))?;
        let mut connection = Self {
            consumer: Some(Arc::new(consumer)),
            calls: calls.clone(),
            committing: None,
            is_stuck: false,
            reports,
            answer_within: config.answer_within,
            partitions_every: config.partitions_every,
            partitions_at: Deadline::after(config.partitions_every),
            commit_at: Deadline::after(Duration::ZERO),
            all_commits_at: Deadline::after(ALL_COMMITS_EVERY),
        };
        let all =
            counts.iter().flat_map(|(topic, count)| (0..*count).map(move |partition| (topic.as_str(), partition)));
        let all: Vec<(&str, i32)> = all.collect();
        let found = Found {
            committed: connection.committed(&all)?,
            begins: connection.offsets(&all, Offset::Beginning)?,
            ends: connection.offsets(&all, Offset::End)?,
        };
        let gaps = partitions.begin(&counts, &found);
        if gaps.is_empty() {
            // From here on it is known where a new group has begun, also if messages are removed before it reads any.
            let marks = partitions.uncommitted_marks();
            if !marks.is_empty() {
                connection.commit(&marks)?;
                partitions.committed(&marks);
            }
            let assigned = list(&partitions.starts());
            let assigned = assigned.and_then(|list| connection.consumer().assign(&list));
            assigned.map_err(|error| connection.failed("assigning partitions", &error))?;
        }
        Ok((connection, gaps))
    }

    /// The next message, or what went wrong.
    pub fn poll(&self, wait: Duration) -> Option<KafkaResult<Record<'_>>> {
        self.consumer().poll(wait)
    }

    /// Whether the connection to a broker was lost since this was last asked.
    pub fn was_lost(&self) -> bool {
        self.reports.was_disconnected()
    }

    /// Where the partitions end, if all their leaders answer.
    pub fn ends(&self, partitions: &Partitions) -> Result<Offsets, BrokerError> {
        let starts = partitions.starts();
        let all: Vec<(&str, i32)> = starts.iter().map(|mark| (&*mark.topic, mark.partition)).collect();
        self.offsets(&all, Offset::End)
    }

    /// Uses the connection, so that librdkafka sees whether it still has one.
    pub fn probe(&self, partitions: &Partitions) -> Result<(), BrokerError> {
        let starts = partitions.starts();
        let Some(first) = starts.first() else { return Ok(()) };
        self.offsets(&[(&first.topic, first.partition)], Offset::End).map(drop)
    }

    /// The first offset that a partition still has.
    pub fn begins_at(&self, topic: &str, partition: i32) -> Result<i64, BrokerError> {
        let begins = self.offsets(&[(topic, partition)], Offset::Beginning)?;
        Ok(begins.values().copied().next().unwrap_or(0))
    }

    pub fn partitions_are_due(&self) -> bool {
        self.partitions_at.has_passed()
    }

    /// Whether the topics have as many partitions as are assigned.
    pub fn has_all_partitions(&mut self, topics: &[String], partitions: &Partitions) -> Result<bool, BrokerError> {
        self.partitions_at = Deadline::after(self.partitions_every);
        for topic in topics {
            let metadata = self.consumer().fetch_metadata(Some(topic), self.answer_within);
            let metadata = metadata.map_err(|error| self.failed("looking for new partitions", &error))?;
            let found = metadata.topics().iter().find(|found| found.name() == topic && found.error().is_none());
            // A topic that is gone is an error of its partitions.
            if found.is_some_and(|found| found.partitions().len() != partitions.count(topic)) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Commits all offsets, also those that have not changed, once in a while.
    pub fn commit_all_when_due(&mut self, partitions: &Partitions) -> Result<(), BrokerError> {
        if self.all_commits_at.has_passed() {
            self.commit(&partitions.marks())?;
            self.all_commits_at = Deadline::after(ALL_COMMITS_EVERY);
        }
        Ok(())
    }

    /// Whether the last commit was long enough ago.
    pub fn may_commit(&self) -> bool {
        self.commit_at.has_passed()
    }

    /// Commits offsets for the group, and waits until they are.
    pub fn commit(&mut self, marks: &[Mark]) -> Result<(), BrokerError> {
        // It has no deadline, and none of librdkafka's own holds while a broker is silent. So at most one is on its way.
        let late = || KafkaError::ConsumerCommit(RDKafkaErrorCode::OperationTimedOut);
        if let Some(before) = self.committing.take()
            && before.recv_timeout(self.answer_within) == Err(RecvTimeoutError::Timeout)
        {
            self.committing = Some(before);
            self.is_stuck = true;
            return Err(self.failed("committing offsets", &late()));
        }
        let (consumer, list) = (Arc::clone(self.consumer()), list(marks));
        let committing = self.calls.make(move || list.and_then(|list| consumer.commit(&list, CommitMode::Sync)));
        let committed = committing.recv_timeout(self.answer_within);
        if committed.is_err() {
            self.committing = Some(committing);
        }
        committed.unwrap_or_else(|_| Err(late())).map_err(|error| self.failed("committing offsets", &error))?;
        self.commit_at = Deadline::after(COMMIT_EVERY);
        Ok(())
    }

    /// Whether a commit does not return: some never do, though the broker answers again.
    pub fn is_stuck(&self) -> bool {
        self.is_stuck
    }

    /// Ends, and commits these offsets first.
    pub fn leave(mut self, marks: &[Mark]) {
        self.answer_within = LEAVE_WITHIN;
        if !marks.is_empty()
            && let Err(error) = self.commit(marks)
        {
            // It comes again, and the inbox knows it.
            tracing::debug!(%error, "the last offsets are not committed");
        }
    }

    fn committed(&self, partitions: &[(&str, i32)]) -> Result<Offsets, BrokerError> {
        let mut asked = TopicPartitionList::with_capacity(partitions.len());
        for (topic, partition) in partitions {
            asked.add_partition(topic, *partition);
        }
        let deadline = Deadline::after(self.answer_within);
        let answer = loop {
            let answer = self.consumer().committed_offsets(asked.clone(), deadline.left());
            let code = answer.as_ref().err().and_then(KafkaError::rdkafka_error_code);
            if deadline.has_passed() || !code.is_some_and(has_no_coordinator_yet) {
                break answer;
            }
            thread::park_timeout(COORDINATOR_SOON.min(deadline.left()));
        };
        self.known(answer, "reading the group's offsets")
    }

    fn offsets(&self, partitions: &[(&str, i32)], which: Offset) -> Result<Offsets, BrokerError> {
        if partitions.is_empty() {
            return Ok(Offsets::new());
        }
        let mut asked = TopicPartitionList::with_capacity(partitions.len());
        for (topic, partition) in partitions {
            let added = asked.add_partition_offset(topic, *partition, which);
            added.map_err(|error| self.failed("asking for offsets", &error))?;
        }
        let answer = self.consumer().offsets_for_times(asked, self.answer_within);
        self.known(answer, "asking for offsets")
    }

    /// The offsets that there are.
    fn known(&self, answer: KafkaResult<TopicPartitionList>, doing: &str) -> Result<Offsets, BrokerError> {
        let answer = answer.map_err(|error| self.failed(doing, &error))?;
        let mut offsets = Offsets::new();
        for found in answer.elements() {
            found.error().map_err(|error| self.failed(doing, &error))?;
            if let Offset::Offset(offset) = found.offset() {
                offsets.insert((found.topic().to_owned(), found.partition()), offset);
            }
        }
        Ok(offsets)
    }

    fn failed(&self, doing: &str, error: &KafkaError) -> BrokerError {
        // Until something works again.
        self.reports.disconnected();
        match broker_error(doing, error) {
            BrokerError::Unavailable(reason) => BrokerError::Unavailable(self.reports.explain(&reason)),
            refused @ BrokerError::Refused(_) => refused,
        }
    }

    fn consumer(&self) -> &Arc<BaseConsumer<Consuming>> {
        self.consumer.as_ref().expect("it is there until the connection is dropped")
    }
}

/// A commit that hangs has the consumer too, and ends it when it returns.
impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(consumer) = self.consumer.take() {
            self.calls.end(consumer, LEAVE_WITHIN);
        }
    }
}

/// As when the cluster has never kept an offset, or a broker has just stopped.
fn has_no_coordinator_yet(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::NotCoordinator
            | RDKafkaErrorCode::CoordinatorNotAvailable
            | RDKafkaErrorCode::CoordinatorLoadInProgress
    )
}

/// As librdkafka takes offsets.
pub(crate) fn list(marks: &[Mark]) -> KafkaResult<TopicPartitionList> {
    let mut list = TopicPartitionList::with_capacity(marks.len());
    for mark in marks {
        list.add_partition_offset(&mark.topic, mark.partition, Offset::Offset(mark.offset))?;
    }
    Ok(list)
}
