//! The receiving side. The store owns its group: the subscription assigns itself all partitions, reads from the group's
//! offsets on, and commits offsets for the group. It never joins it, so there is no rebalance and no membership to keep.

mod connection;
mod partitions;

use std::{collections::VecDeque, sync::Arc, time::Duration};

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use tradewind_engine::ports::{BrokerError, Incoming, Position, Subscription};

use crate::{
    client::{Cluster, Deadline, broker_error},
    gaps::Gaps,
    message::received,
};

pub(crate) use connection::list;
use connection::{Connection, Record};
pub(crate) use partitions::Mark;
use partitions::{Checked, Partitions};

/// One wait for messages. In between the subscription sees to its connection.
const WAIT_MAX: Duration = Duration::from_millis(500);

/// What was taken from librdkafka and not handed out: errors come behind messages, and are looked for while no messages
/// are wanted. At least one message.
const WAITING_MESSAGES_MAX: usize = 1_000;
const WAITING_BYTES_MAX: usize = 1_024 * 1_024;

/// One group's subscription to its topics.
pub(crate) struct KafkaSubscription {
    cluster: Arc<Cluster>,
    group: String,
    topics: Vec<String>,
    gaps: Gaps,
    /// How far each partition is. It outlives connections, so that a topic that was created again is noticed.
    partitions: Partitions,
    /// Taken from librdkafka, and not handed out.
    waiting: VecDeque<Incoming>,
    waiting_bytes: usize,
    connection: Option<Connection>,
    /// What went wrong after messages had come: they are handed out first.
    trouble: Option<BrokerError>,
}

impl KafkaSubscription {
    pub fn new(cluster: Arc<Cluster>, group: &str, topics: &[String], gaps: Gaps) -> Self {
        Self {
            cluster,
            group: group.to_owned(),
            topics: topics.to_vec(),
            gaps,
            partitions: Partitions::default(),
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            connection: None,
            trouble: None,
        }
    }

    /// Connects, unless it is connected; and sees whether the connection still works.
    fn see_to_connection(&mut self) -> Result<(), BrokerError> {
        if let Some(connection) = &mut self.connection {
            if connection.was_lost() {
                let ends = connection.ends(&self.partitions)?;
                self.partitions.begin_to_catch_up(&ends);
            }
            connection.commit_all_when_due(&self.partitions)?;
            if !connection.partitions_are_due() || connection.has_all_partitions(&self.topics, &self.partitions)? {
                return Ok(());
            }
            tracing::info!(group = self.group, "topics have other partitions than before: connecting again");
            self.disconnect();
        }
        let connected = Connection::begin(&self.cluster, &self.group, &self.topics, &mut self.partitions);
        let (connection, gaps) = connected?;
        self.gaps.found(&self.group, gaps.clone());
        if let Some(first) = gaps.first() {
            let more = gaps.len() - 1;
            return Err(BrokerError::Refused(format!(
                "{first}; and {more} partitions more. The subscription of {} stops until this is skipped",
                self.group
            )));
        }
        self.connection = Some(connection);
        Ok(())
    }

    /// Commits what is acknowledged, unless that was done a moment ago.
    fn commit(&mut self) -> Result<(), BrokerError> {
        let Some(connection) = self.connection.as_mut().filter(|connection| connection.may_commit()) else {
            return Ok(());
        };
        let marks = self.partitions.uncommitted_marks();
        if marks.is_empty() {
            return Ok(());
        }
        let committed = connection.commit(&marks);
        let is_stuck = connection.is_stuck();
        match &committed {
            Ok(()) => self.partitions.committed(&marks),
            // These offsets may be those of a topic that is gone: connecting finds out.
            Err(BrokerError::Refused(_)) => self.disconnect(),
            Err(BrokerError::Unavailable(_)) if is_stuck => self.disconnect(),
            Err(BrokerError::Unavailable(_)) => {}
        }
        committed
    }

    /// What is not committed comes again: after an error the offsets may be those of a topic that is gone.
    fn disconnect(&mut self) {
        self.connection = None;
        self.waiting.clear();
        self.waiting_bytes = 0;
    }

    /// Takes what librdkafka has, until nothing more comes or there is enough of it. Waits for the first message only.
    fn take(&mut self, messages: usize, wait: Duration) -> Result<(), BrokerError> {
        let (messages, mut wait) = (messages.min(WAITING_MESSAGES_MAX), wait);
        while self.waiting.len() < messages && self.waiting_bytes < WAITING_BYTES_MAX {
            let Some(connection) = &self.connection else { return Ok(()) };
            let taken = match connection.poll(wait) {
                None => return Ok(()),
                Some(Ok(record)) => self.partitions.check(&record).map(|checked| (checked, incoming(&record))),
                // The connection is looked at before more is waited for.
                Some(Err(error)) if is_transient(&error) => return Ok(()),
                Some(Err(error)) => Err(broker_error("receiving", &error)),
            };
            wait = Duration::ZERO;
            match taken {
                Ok((Checked::Follows, incoming)) => self.push(incoming),
                Ok((Checked::SkipsSome { topic, partition }, incoming)) => {
                    // Markers of transactions take offsets too. If messages are gone, connecting finds it.
                    match connection.begins_at(&topic, partition) {
                        Ok(begins) if !self.partitions.is_missed(&topic, partition, begins) => self.push(incoming),
                        Ok(_) => {
                            self.disconnect();
                            return self.see_to_connection();
                        }
                        Err(error) => {
                            // The message is read again.
                            self.disconnect();
                            return Err(error);
                        }
                    }
                }
                Err(error) => {
                    self.disconnect();
                    // Connecting says which messages are gone, or what is wrong with the topic.
                    self.see_to_connection()?;
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    fn push(&mut self, incoming: Incoming) {
        self.waiting_bytes += incoming.message.bytes();
        self.waiting.push_back(incoming);
    }

    fn hand_out(&mut self, max: usize) -> Vec<Incoming> {
        let messages: Vec<Incoming> = self.waiting.drain(..max.min(self.waiting.len())).collect();
        self.waiting_bytes -= messages.iter().map(|incoming| incoming.message.bytes()).sum::<usize>();
        for incoming in &messages {
            self.partitions.hand_out(&incoming.position);
        }
        messages
    }
}

impl Subscription for KafkaSubscription {
    fn poll(&mut self, max: usize, wait: Duration) -> Result<Vec<Incoming>, BrokerError> {
        if let Some(error) = self.trouble.take() {
            return Err(error);
        }
        let deadline = Deadline::after(wait);
        if max == 0 {
            // A connection that broke unnoticed is noticed when it is used.
            if let Some(connection) = &self.connection {
                connection.probe(&self.partitions)?;
            }
            self.take(WAITING_MESSAGES_MAX, Duration::ZERO)?;
            self.see_to_connection()?;
            self.commit()?;
            return Ok(Vec::new());
        }
        loop {
            let seen_to = self.see_to_connection().and_then(|()| self.commit());
            let wait = deadline.left().min(WAIT_MAX);
            let taken =
                seen_to.and_then(|()| self.take(max, if self.waiting.is_empty() { wait } else { Duration::ZERO }));
            let messages = self.hand_out(max);
            match taken {
                Err(error) if messages.is_empty() => return Err(error),
                taken => self.trouble = taken.err(),
            }
            if !messages.is_empty() || deadline.has_passed() {
                return Ok(messages);
            }
        }
    }

    fn acknowledge(&mut self, positions: &[Position]) -> Result<(), BrokerError> {
        if self.connection.is_none() {
            self.see_to_connection()?;
        }
        for position in positions {
            self.partitions.acknowledge(position);
        }
        self.commit()
    }

    fn caught_up(&mut self) -> Result<bool, BrokerError> {
        if self.connection.is_none() {
            return Ok(false);
        }
        self.see_to_connection()?;
        Ok(self.partitions.have_caught_up())
    }

    fn backlog(&mut self) -> Result<Option<u64>, BrokerError> {
        let Some(connection) = &self.connection else { return Ok(None) };
        let ends = connection.ends(&self.partitions)?;
        Ok(Some(self.partitions.waiting(&ends)))
    }
}

impl Drop for KafkaSubscription {
    /// What is acknowledged is committed.
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            connection.leave(&self.partitions.uncommitted_marks());
        }
    }
}

fn incoming(record: &Record<'_>) -> Incoming {
    Incoming { message: received(record), position: partitions::position(record) }
}

/// Whether librdkafka goes on by itself. What it has lost the connection to is asked next.
fn is_transient(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::BrokerTransportFailure
                | RDKafkaErrorCode::AllBrokersDown
                | RDKafkaErrorCode::Resolve
                | RDKafkaErrorCode::OperationTimedOut
                | RDKafkaErrorCode::TimedOutQueue
                | RDKafkaErrorCode::RequestTimedOut
                | RDKafkaErrorCode::WaitingForCoordinator
                | RDKafkaErrorCode::SSL
                | RDKafkaErrorCode::Authentication
                | RDKafkaErrorCode::LeaderNotAvailable
                | RDKafkaErrorCode::NotLeaderForPartition
        )
    )
}
