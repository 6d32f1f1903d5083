//! The batch that is forming: the messages that it has taken in, and what has come of them.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use tradewind_events::{Envelope, Id};

use super::{
    dead_letters::Counted,
    task::{Backlog, Failure, Task, TaskKind},
};
use crate::{
    Handled, LogPosition, Problem, RelayOrder,
    trace::Span,
    work::{Answered, Item, Receipt},
};

/// What a batch has come to while it forms.
pub(super) struct Forming {
    /// By the monotonic clock.
    pub opened_at: Duration,
    /// It is what the store rejected before, and takes nothing in.
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
    /// It was said by another store.
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

    pub fn receipts(&self) -> Vec<Receipt> {
        self.items.iter().filter_map(Item::receipt).collect()
    }
}
