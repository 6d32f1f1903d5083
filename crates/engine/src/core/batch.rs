//! The batch that is forming: the messages that it has taken in, and what has come of them.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use tradewind_events::{Envelope, Id};

use super::{
    dead_letters::Counted,
    task::{Backlog, Delivery, Failure, Task, TaskKind, Via},
};
use crate::{
    Handled, LogPosition, Problem, RelayOrder, Stop,
    operator::{INTERNAL, UNAVAILABLE},
    trace::Span,
    work::{Answered, Item, Message, Receipt},
};

/// What a batch has come to while it forms.
pub(super) struct Forming {
    /// By the monotonic clock.
    pub opened_at: Duration,
    /// Whether it repeats part of a batch that the store rejected. It takes in no other message.
    pub alone: bool,
    /// The number that its segment gets, if it has events.
    pub segment: u64,
    pub items: Vec<Item>,
    pub answers: Vec<(usize, Result<Answered, Problem>)>,
    pub events: Vec<Logged>,
    /// What follows from the task that ran last: it goes before every other, so that what one message leads to stands
    /// together in the log and in memory.
    pub queue: VecDeque<Task>,
    pub backlog: Backlog,
    /// Jobs whose try ended in this batch: they may be tried again once it is durable.
    pub tried: Vec<Id>,
    /// For the relay, once the batch is durable.
    pub relay: Vec<RelayOrder>,
    pub spans: Vec<Span>,
    /// Dead letters that count when the batch is durable.
    pub counted: Vec<Counted>,
    /// The brokers of messages that were received before, one for each, for when the batch is durable.
    pub duplicates: Vec<usize>,
    /// Figures of handlers, for when the batch is durable.
    pub handled: Vec<HandledFigures>,
}

/// How a handler has ended, and what it took.
pub(super) struct HandledFigures {
    pub service: &'static str,
    pub message: &'static str,
    pub took: Duration,
    pub how: Handled,
}

/// An event of a batch.
#[derive(Debug, Clone)]
pub struct Logged {
    pub envelope: Arc<Envelope>,
    pub position: LogPosition,
    /// Whether another store emitted it.
    pub remote: bool,
}

impl Forming {
    pub fn new(opened_at: Duration, segment: u64, alone: Option<Vec<Item>>) -> Self {
        let mut forming = Self {
            opened_at,
            alone: alone.is_some(),
            segment,
            items: Vec::new(),
            answers: Vec::new(),
            events: Vec::new(),
            queue: VecDeque::new(),
            backlog: Backlog::default(),
            tried: Vec::new(),
            relay: Vec::new(),
            spans: Vec::new(),
            counted: Vec::new(),
            duplicates: Vec::new(),
            handled: Vec::new(),
        };
        alone.into_iter().flatten().for_each(|item| forming.take(item));
        forming
    }

    pub fn take(&mut self, mut item: Item) {
        item.waiting = None;
        let failure = item.rejected.clone().map(Failure::Dead);
        let root = Task { kind: TaskKind::Root, failure, depth: 0, item: self.items.len(), ..Task::default() };
        self.queue.push_back(root);
        self.items.push(item);
    }

    /// Where the next event of the batch stands.
    pub fn next_position(&self) -> LogPosition {
        LogPosition { segment: self.segment, index: u32::try_from(self.events.len()).unwrap_or(u32::MAX) }
    }

    pub fn log(&mut self, envelope: Arc<Envelope>, remote: bool) -> LogPosition {
        let position = self.next_position();
        self.events.push(Logged { envelope, position, remote });
        position
    }

    /// The parked message that a task retries.
    pub fn retried_parked(&self, task: &Task) -> Option<Id> {
        match (&task.kind, &self.items[task.item].message) {
            (TaskKind::Deliver(Delivery { via: Via::Parked(row), .. }), _) => Some(row.id.clone()),
            (TaskKind::Unpark(id), _) | (TaskKind::Root, Message::Unpark(id)) => Some(id.clone()),
            _ => None,
        }
    }

    /// The problem that answers a failed command; `None` for every other message, whose failure is recorded instead. The
    /// client gets no details of a defect.
    pub fn refusal(&self, task: &Task, stop: &Stop) -> Option<Problem> {
        let message = &self.items[task.item].message;
        if !matches!((&task.kind, message), (TaskKind::Root, Message::Command(_))) {
            return None;
        }
        Some(match stop {
            Stop::Refused(problem) => problem.clone(),
            Stop::NotYet(row) => UNAVAILABLE.because(format!("{row} is not known yet")),
            Stop::Broken(reason) => {
                tracing::error!(reason, "a command met a defect");
                INTERNAL.problem()
            }
            Stop::Missing => INTERNAL.problem(),
        })
    }

    pub fn receipts(&self) -> Vec<Receipt> {
        self.items.iter().filter_map(Item::receipt).collect()
    }
}
