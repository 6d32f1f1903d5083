//! Messages that wait for a batch. What comes from outside and timers that are due have a queue each and a share of every
//! batch: a backlog of one kind neither fills the place of the other nor waits for it to be idle.

use std::collections::VecDeque;

use crate::work::Item;

/// Due timers that are in line at a time. The others wait in the store.
const TIMERS_MAX: usize = 1_024;

#[derive(Default)]
pub(super) struct Intake {
    /// From clients, brokers and workers; the engine's own housekeeping.
    outside: VecDeque<Item>,
    timers: VecDeque<Item>,
    /// Timers go first now.
    timers_first: bool,
}

impl Intake {
    pub fn push_back(&mut self, item: Item) {
        self.outside.push_back(item);
    }

    /// Before all that came from outside.
    pub fn push_front(&mut self, item: Item) {
        self.outside.push_front(item);
    }

    pub fn push_timer(&mut self, item: Item) {
        self.timers.push_back(item);
    }

    /// How many timers may be put in line.
    pub fn timers_room(&self) -> usize {
        TIMERS_MAX.saturating_sub(self.timers.len())
    }

    /// The next message. The queues take turns.
    pub fn pop(&mut self) -> Option<Item> {
        self.timers_first = !self.timers_first;
        let (first, second) = if self.timers_first {
            (&mut self.timers, &mut self.outside)
        } else {
            (&mut self.outside, &mut self.timers)
        };
        first.pop_front().or_else(|| second.pop_front())
    }

    /// Messages from outside.
    pub fn outside_len(&self) -> usize {
        self.outside.len()
    }

    pub fn len(&self) -> usize {
        self.outside.len() + self.timers.len()
    }

    pub fn drain(&mut self) -> impl Iterator<Item = Item> {
        let Self { outside, timers, .. } = std::mem::take(self);
        outside.into_iter().chain(timers)
    }
}
