//! Messages that wait for a batch. Commands, received events, timers that are due and parked messages of resumed consumers
//! have a queue each and a share of every batch: a backlog of one kind neither fills the place of another nor makes it
//! wait until it is gone. Each queue keeps its order.

use std::collections::VecDeque;

use crate::work::{Item, Message};

/// For each message that is parked behind a consumer that catches up, so many parked messages go before anything else.
/// More than one, so that the consumer does catch up.
const PARKED_SHARE: usize = 2;

pub(super) struct Intake {
    /// From clients and workers; the engine's own housekeeping.
    others: VecDeque<Item>,
    /// From brokers.
    received: VecDeque<Item>,
    timers: VecDeque<Item>,
    parked: VecDeque<Item>,
    /// [`crate::Limits::in_line_max`], of timers and of parked messages each.
    in_line_max: usize,
    /// Which queue is asked next.
    turn: u8,
    /// Parked messages that go before anything else.
    parked_first: usize,
    /// What is left of batches that the store rejected, before all queues: each is a batch of its own.
    groups: VecDeque<Vec<Item>>,
}

impl Intake {
    pub fn new(in_line_max: usize) -> Self {
        Self {
            others: VecDeque::new(),
            received: VecDeque::new(),
            timers: VecDeque::new(),
            parked: VecDeque::new(),
            in_line_max: in_line_max.max(2),
            turn: 0,
            parked_first: 0,
            groups: VecDeque::new(),
        }
    }

    /// Behind all others of its queue, as it came from outside.
    pub fn push_back(&mut self, item: Item) {
        self.queue(&item).push_back(item);
    }

    /// Before all others of its queue.
    pub fn push_front(&mut self, item: Item) {
        self.queue(&item).push_front(item);
    }

    pub fn push_timer(&mut self, item: Item) {
        self.timers.push_back(item);
    }

    pub fn push_parked(&mut self, item: Item) {
        self.parked.push_back(item);
    }

    /// The store has rejected a batch: these messages are new again, each group as a batch by itself and in this order,
    /// before what was put off earlier. Parked messages are put in line anew, from the first on, and what the engine itself
    /// has asked for falls with the batch that it follows from.
    pub fn put_back(&mut self, groups: impl IntoIterator<Item = Vec<Item>>) {
        let before = std::mem::take(&mut self.groups);
        self.groups = groups.into_iter().chain(before).collect();
        for group in &mut self.groups {
            group.retain(|item| !item.by_engine && !matches!(item.message, Message::Unpark(_)));
        }
        self.groups.retain(|group| !group.is_empty());
        self.others.retain(|item| !item.by_engine);
        self.received.retain(|item| !item.by_engine);
    }

    /// Parts of the batch that was rejected: before all other groups, in this order.
    pub fn put_back_first(&mut self, parts: impl DoubleEndedIterator<Item = Vec<Item>>) {
        for part in parts.rev().filter(|part| !part.is_empty()) {
            self.groups.push_front(part);
        }
    }

    /// The next group, if there is one: it is a batch by itself.
    pub fn pop_group(&mut self) -> Option<Vec<Item>> {
        self.groups.pop_front()
    }

    /// Messages of batches that the store rejected.
    pub fn put_back_len(&self) -> usize {
        self.groups.iter().map(Vec::len).sum()
    }

    /// How many timers may be put in line.
    pub fn timers_room(&self) -> usize {
        self.in_line_max.saturating_sub(self.timers.len())
    }

    /// How many parked messages may be put in line; none before half of the last ones are gone, so that the store is
    /// asked for many at a time.
    pub fn parked_room(&self) -> usize {
        if self.parked.len() < self.in_line_max / 2 { self.in_line_max - self.parked.len() } else { 0 }
    }

    /// One more message is parked for a consumer that catches up.
    pub fn parked_behind(&mut self) {
        self.parked_first = self.parked_first.saturating_add(PARKED_SHARE);
    }

    /// No consumer has to catch up.
    pub fn parked_done(&mut self) {
        self.parked_first = 0;
    }

    /// What is parked will be put in line anew, but for messages to keep.
    pub fn forget_parked(&mut self, keeps: impl Fn(&Message) -> bool) {
        self.parked.retain(|item| keeps(&item.message));
    }

    /// The next message. The queues take turns.
    pub fn pop(&mut self) -> Option<Item> {
        if self.parked_first > 0
            && let Some(item) = self.parked.pop_front()
        {
            self.parked_first -= 1;
            return Some(item);
        }
        for _ in 0..4 {
            self.turn = (self.turn + 1) % 4;
            let queue = match self.turn {
                0 => &mut self.others,
                1 => &mut self.received,
                2 => &mut self.timers,
                _ => &mut self.parked,
            };
            if let Some(item) = queue.pop_front() {
                return Some(item);
            }
        }
        None
    }

    /// Messages from outside, but for received events.
    pub fn others_len(&self) -> usize {
        self.others.len()
    }

    /// Received events.
    pub fn received_len(&self) -> usize {
        self.received.len()
    }

    pub fn parked_len(&self) -> usize {
        self.parked.len()
    }

    pub fn len(&self) -> usize {
        self.others.len() + self.received.len() + self.timers.len() + self.parked.len() + self.put_back_len()
    }

    pub fn drain(&mut self) -> impl Iterator<Item = Item> {
        let queues = [&mut self.others, &mut self.received, &mut self.timers, &mut self.parked];
        self.groups.drain(..).flatten().chain(queues.into_iter().flat_map(|queue| queue.drain(..)))
    }

    fn queue(&mut self, item: &Item) -> &mut VecDeque<Item> {
        if item.message.is_received() { &mut self.received } else { &mut self.others }
    }
}
