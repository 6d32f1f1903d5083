//! What waits for a batch, in two lines that take turns: received events, and everything else. A backlog at a broker
//! does not make a command wait, nor do many commands keep events waiting. Each line keeps its order.

use std::collections::VecDeque;

use crate::work::Item;

#[derive(Default)]
pub(super) struct Intake {
    /// From brokers.
    received: VecDeque<Item>,
    /// Commands, and what the engine has for itself.
    others: VecDeque<Item>,
    /// Whose turn it is.
    received_next: bool,
}

impl Intake {
    pub fn push_back(&mut self, item: Item) {
        self.line(&item).push_back(item);
    }

    /// Puts a message back that was taken out, before all others of its line.
    pub fn push_front(&mut self, item: Item) {
        self.line(&item).push_front(item);
    }

    pub fn pop_front(&mut self) -> Option<Item> {
        let received = self.others.is_empty() || self.received_next && !self.received.is_empty();
        self.received_next = !received;
        if received { self.received.pop_front() } else { self.others.pop_front() }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn len(&self) -> usize {
        self.received.len() + self.others.len()
    }

    pub fn received(&self) -> usize {
        self.received.len()
    }

    pub fn others(&self) -> usize {
        self.others.len()
    }

    pub fn into_items(self) -> impl Iterator<Item = Item> {
        self.others.into_iter().chain(self.received)
    }

    fn line(&mut self, item: &Item) -> &mut VecDeque<Item> {
        if item.message.is_received() { &mut self.received } else { &mut self.others }
    }
}
