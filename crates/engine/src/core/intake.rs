//! Messages that wait for a batch. What comes from outside, timers that are due and parked messages of resumed consumers
//! have a queue each and a share of every batch: a backlog of one kind neither fills the place of another nor waits for
//! it to be idle.

use std::collections::VecDeque;

use crate::work::{Item, Message};

/// Due timers that are in line at a time. The others wait in the store.
const TIMERS_MAX: usize = 1_024;

/// The same for parked messages. When fewer than half are in line, it is filled up.
const PARKED_MAX: usize = 1_024;

/// For each message that is parked behind a consumer that catches up, so many parked messages go before anything else.
/// More than one, so that the consumer does catch up.
const PARKED_SHARE: usize = 2;

#[derive(Default)]
pub(super) struct Intake {
    /// From clients, brokers and workers; the engine's own housekeeping.
    outside: VecDeque<Item>,
    timers: VecDeque<Item>,
    parked: VecDeque<Item>,
    /// Which queue is asked next.
    turn: u8,
    /// Parked messages that go before anything else.
    parked_first: usize,
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

    pub fn push_parked(&mut self, item: Item) {
        self.parked.push_back(item);
    }

    /// Forgets messages from outside that are not to stay.
    pub fn retain(&mut self, stays: impl Fn(&Item) -> bool) {
        self.outside.retain(stays);
    }

    /// How many timers may be put in line.
    pub fn timers_room(&self) -> usize {
        TIMERS_MAX.saturating_sub(self.timers.len())
    }

    /// How many parked messages may be put in line; none before half of the last ones are gone, so that the store is
    /// asked for many at a time.
    pub fn parked_room(&self) -> usize {
        if self.parked.len() < PARKED_MAX / 2 { PARKED_MAX - self.parked.len() } else { 0 }
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
        for _ in 0..3 {
            self.turn = (self.turn + 1) % 3;
            let queue = match self.turn {
                0 => &mut self.outside,
                1 => &mut self.timers,
                _ => &mut self.parked,
            };
            if let Some(item) = queue.pop_front() {
                return Some(item);
            }
        }
        None
    }

    /// Messages from outside.
    pub fn outside_len(&self) -> usize {
        self.outside.len()
    }

    pub fn parked_len(&self) -> usize {
        self.parked.len()
    }

    pub fn len(&self) -> usize {
        self.outside.len() + self.timers.len() + self.parked.len()
    }

    pub fn drain(&mut self) -> impl Iterator<Item = Item> {
        let Self { outside, timers, parked, .. } = std::mem::take(self);
        outside.into_iter().chain(timers).chain(parked)
    }
}
