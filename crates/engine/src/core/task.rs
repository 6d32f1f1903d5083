//! What there is to do in a batch, how it came there, and what has come of it.

use std::{collections::VecDeque, sync::Arc};

use rustc_hash::FxHashMap;
use tradewind_events::{Envelope, Id, Key, KeyText, Timestamp};

use super::dead_letters::FailureCause;
use crate::{
    AnyAnswer, Handled, LogPosition, RelayOrder, RowRef, Stop, StoredAnswer,
    reruns::Reruns,
    tables::{DeadLetterRow, ParkedRow},
    uow::Emitted,
};

/// Something to do in the batch that is forming.
#[derive(Default)]
pub(super) struct Task {
    pub kind: TaskKind,
    /// Set when it cannot be handled: what is to be recorded instead.
    pub failure: Option<Failure>,
    /// How many events led to it inside this batch.
    pub depth: u16,
    /// The root message that it follows from.
    pub item: usize,
    /// How often it has waited for rows.
    pub loads: u16,
    pub reruns: Reruns,
    /// Since when it waits for rows, if it is traced; otherwise zero.
    pub stopped_at: u64,
}

#[derive(Default)]
pub(super) enum TaskKind {
    #[default]
    Root,
    Deliver(Delivery),
    Unpark(Id),
}

/// What orders tasks: one that waits for rows holds back those behind it in its lane, and no others.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Lane {
    Consumer(usize, Id),
    /// From a broker, before it is known whether it was received before.
    Received(Id),
    /// Parked messages go in the order in which they were put in line.
    Parked,
}

/// Tasks that wait for rows, and those that are held back behind them in their lanes.
#[derive(Default)]
pub(super) struct Backlog {
    tasks: VecDeque<(Option<Lane>, Task)>,
    /// How many tasks are in each lane.
    lanes: FxHashMap<Lane, u32>,
}

impl Backlog {
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// The rows that these tasks wait for or have waited for.
    pub fn rows(&self) -> impl Iterator<Item = &RowRef> {
        self.tasks.iter().flat_map(|(_, task)| task.reruns.rows())
    }

    /// Whether a task of this lane has to go behind what is here.
    pub fn holds_back(&self, lane: Option<&Lane>) -> bool {
        !self.lanes.is_empty() && lane.is_some_and(|lane| self.lanes.contains_key(lane))
    }

    pub fn push(&mut self, lane: Option<Lane>, task: Task) {
        if let Some(lane) = &lane {
            *self.lanes.entry(lane.clone()).or_default() += 1;
        }
        self.tasks.push_back((lane, task));
    }

    /// The task that has waited longest.
    pub fn pop(&mut self) -> Option<(Option<Lane>, Task)> {
        let (lane, task) = self.tasks.pop_front()?;
        if let Some(lane) = &lane
            && let Some(count) = self.lanes.get_mut(lane)
        {
            *count -= 1;
            if *count == 0 {
                self.lanes.remove(lane);
            }
        }
        Some((lane, task))
    }
}

/// An event on its way to one service.
#[derive(Clone)]
pub(super) struct Delivery {
    pub service: usize,
    pub envelope: Arc<Envelope>,
    pub position: Option<LogPosition>,
    pub via: Via,
}

impl Delivery {
    /// The source under which it is counted: that of the event as it came, whatever an operator has edited since.
    pub fn source(&self) -> &KeyText {
        let came = match &self.via {
            Via::Local | Via::Remote => None,
            Via::Parked(row) => row.source.as_ref(),
            Via::Redriven(row) => row.source.as_ref(),
        };
        came.unwrap_or(&self.envelope.source)
    }
}

/// How an event came to its service.
#[derive(Clone)]
pub(super) enum Via {
    /// Emitted in this batch by a service of this store.
    Local,
    /// From a broker.
    Remote,
    Parked(Arc<ParkedRow>),
    Redriven(Arc<DeadLetterRow>),
}

/// Why a message cannot be handled, and what is to be recorded of it.
#[derive(Debug, Clone)]
pub(super) enum Failure {
    /// A row that another fact brings is not there yet: the message waits for it.
    Park(Arc<str>),
    /// It becomes a dead letter for this reason, an exhausted job if it is the outcome of a job.
    Dead(String),
    /// Recording [`Failure::Dead`] has failed, because a row beside the dead letter (inbox, counter, parked message)
    /// cannot be read. The dead letter is written without that row.
    Alone(String),
}

impl Task {
    /// What follows from it in the same batch.
    pub fn leads_to(&self, kind: TaskKind) -> Self {
        Self { kind, depth: self.depth + 1, item: self.item, ..Self::default() }
    }

    /// Notes why the last run failed, so that the next run records the failure: [`Failure::Park`] or [`Failure::Dead`]
    /// after the handler has failed, the next simpler record after recording has failed.
    ///
    /// # Panics
    /// When [`Failure::Alone`] cannot be recorded either. Going on would lose the message. The engine stops without a
    /// commit, so the message is still at its origin after a restart.
    pub fn fail(&mut self, stop: Stop) {
        self.failure = Some(Failure::after(self.failure.take(), stop));
        self.loads = 0;
        self.reruns = Reruns::default();
    }

    /// How its run is counted.
    pub fn handled(&self) -> Handled {
        match self.failure {
            None => Handled::Done,
            Some(Failure::Park(_)) => Handled::Parked,
            Some(Failure::Dead(_) | Failure::Alone(_)) => Handled::Dead,
        }
    }
}

impl Failure {
    fn after(before: Option<Self>, stop: Stop) -> Self {
        match (before, stop) {
            (None, Stop::NotYet(row)) => Self::Park(row.to_string().into()),
            (Some(Self::Alone(reason)), stop) => panic!("a dead letter cannot be written ({reason}): {stop}"),
            (Some(Self::Dead(reason)), stop) => {
                tracing::error!(reason, %stop, "a dead letter could not be written as it should");
                Self::Alone(format!("{reason}; its dead letter could not be written as it should: {stop}"))
            }
            // Parking cannot be too early: whatever stops it is named instead of what stopped the handler.
            (Some(Self::Park(_)), Stop::NotYet(row)) => Self::Dead(format!("{row} is not there")),
            (None | Some(Self::Park(_)), Stop::Broken(reason)) => Self::Dead(reason),
            (None | Some(Self::Park(_)), Stop::Refused(problem)) => Self::Dead(format!("refused: {problem}")),
            (None | Some(Self::Park(_)), Stop::Missing) => {
                Self::Dead("it stopped for rows without naming one".to_owned())
            }
        }
    }
}

/// What an attempt has come to, beside what is in the unit of work.
#[derive(Default)]
pub(super) struct Success {
    pub answer: Option<(Option<AnyAnswer>, StoredAnswer)>,
    pub then: Vec<TaskKind>,
    /// Keep this event of another store in the log.
    pub log: Option<Arc<Envelope>>,
    pub notes: Vec<Note>,
}

/// What the core itself must know of, once the attempt is merged.
pub(super) enum Note {
    /// A message is parked: it waits for a row.
    Parked(Arc<ParkedRow>),
    /// A message is parked until its consumer goes on.
    ParkedBehind {
        consumer: &'static str,
        row: Arc<ParkedRow>,
    },
    /// A parked message waits no longer.
    Unparked(Arc<ParkedRow>),
    /// A service has a new dead letter.
    Died {
        service: usize,
        cause: FailureCause,
    },
    Paused {
        consumer: &'static str,
    },
    Resumed {
        consumer: &'static str,
    },
    /// The subscription at a broker is paused, or goes on.
    Subscription {
        broker: usize,
        paused: bool,
    },
    /// This broker has delivered what was received before.
    Duplicate {
        broker: usize,
    },
    /// A job's try has ended: it may be tried again.
    Tried(Id),
    /// A timer was moved since it was found to be due.
    NotDue {
        due_at: Timestamp,
        timer: Key,
    },
    /// An operator has decided about an event of the relay.
    Relay(RelayOrder),
    /// An operator says that the clock is right.
    ClockConfirmed,
}

/// What a handler has done, once it stands.
pub(super) struct Merged {
    pub emitted: Vec<Emitted>,
    /// The rows that it wrote, as text; only while parked messages wait for rows.
    pub rows: Vec<Arc<str>>,
}

/// The service whose handler runs, and what its events follow from.
pub(super) struct Emitter {
    pub service: usize,
    pub source: KeyText,
    pub correlation_id: Id,
    pub causation_id: Id,
    pub traceparent: Option<Arc<str>>,
}

impl Success {
    pub fn then(kind: TaskKind) -> Self {
        Self { then: vec![kind], ..Self::default() }
    }

    pub fn note(note: Note) -> Self {
        Self { notes: vec![note], ..Self::default() }
    }
}
