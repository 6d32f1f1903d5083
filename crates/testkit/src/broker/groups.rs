//! Consumer groups of the broker in memory: who holds what, and what comes again.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use tradewind_engine::ports::{BrokerMessage, Incoming, Position};

use super::BrokerKind;

type Topics = BTreeMap<String, Vec<BrokerMessage>>;

/// A group of consumers.
#[derive(Default)]
pub(super) struct Group {
    marks: BTreeMap<String, Mark>,
    /// Handed out and not acknowledged.
    out: BTreeMap<Position, Out>,
    deliveries: u64,
    /// How often the connections of all members broke.
    breaks: u64,
}

/// How far a group is with a topic.
#[derive(Default)]
struct Mark {
    next: usize,
    /// Given back, and before the mark.
    again: BTreeSet<usize>,
}

struct Out {
    member: u64,
    topic: String,
    offset: usize,
}

/// One member of a group.
pub(super) struct Membership {
    member: u64,
    /// The ends of the topics when it joined, or connected again.
    began: BTreeMap<String, usize>,
    /// Copies of what it was given, by the fault.
    copies: VecDeque<Incoming>,
    breaks: u64,
}

impl Group {
    pub fn join(&mut self, kind: BrokerKind, member: u64, topics: &[String], kept: &Topics) -> Membership {
        let mut began = BTreeMap::new();
        for topic in topics {
            let end = kept.get(topic).map_or(0, Vec::len);
            let next = if kind == BrokerKind::Queues { end } else { 0 };
            self.marks.entry(topic.clone()).or_insert_with(|| Mark { next, again: BTreeSet::new() });
            began.insert(topic.clone(), end);
        }
        Membership { member, began, copies: VecDeque::new(), breaks: self.breaks }
    }

    pub fn hears(&self, topic: &str) -> bool {
        self.marks.contains_key(topic)
    }

    pub fn has_more(&self, topics: &Topics) -> bool {
        self.waiting(topics) > 0
    }

    /// What waits, and what is out.
    pub fn owed(&self, topics: &Topics) -> usize {
        self.out.len() + self.waiting(topics)
    }

    /// What waits, without what is out.
    pub fn waiting(&self, topics: &Topics) -> usize {
        let waiting = |(topic, mark): (&String, &Mark)| {
            topics.get(topic).map_or(0, |all| all.len() - mark.next) + mark.again.len()
        };
        self.marks.iter().map(waiting).sum()
    }

    pub fn hand_out(
        &mut self,
        to: &mut Membership,
        max: usize,
        topics: &Topics,
        (kind, duplicates): (BrokerKind, u32),
    ) -> Vec<Incoming> {
        if to.breaks != self.breaks {
            to.breaks = self.breaks;
            to.copies.clear();
            for (topic, end) in &mut to.began {
                *end = topics.get(topic).map_or(0, Vec::len);
            }
        }
        let Self { marks, out, deliveries, .. } = self;
        for (topic, mark) in marks {
            let messages = topics.get(topic).map_or(&[][..], Vec::as_slice);
            while to.copies.len() < max
                && let Some(offset) = mark.step(messages.len())
            {
                *deliveries += 1;
                let position = match kind {
                    BrokerKind::Log => Position(format!("{topic}/{offset}")),
                    BrokerKind::Queues => Position(format!("{topic}/{offset}/{deliveries}")),
                };
                let incoming = Incoming { message: messages[offset].clone(), position: position.clone() };
                to.copies.extend((0..=duplicates).map(|_| incoming.clone()));
                out.insert(position, Out { member: to.member, topic: topic.clone(), offset });
            }
        }
        to.copies.drain(..max.min(to.copies.len())).collect()
    }

    pub fn acknowledge(&mut self, by: &Membership, positions: &[Position]) {
        for position in positions {
            if self.out.get(position).is_some_and(|out| out.member == by.member) {
                self.out.remove(position);
            }
        }
    }

    pub fn has_reached(&self, membership: &Membership) -> bool {
        if membership.breaks != self.breaks {
            // It connects with the next poll.
            return false;
        }
        let reached = |mark: &Mark, end: usize| mark.next >= end && mark.again.is_empty();
        membership.began.iter().all(|(topic, end)| self.marks.get(topic).is_some_and(|mark| reached(mark, *end)))
    }

    /// What a member holds, or all of them, comes again.
    pub fn give_back(&mut self, kind: BrokerKind, member: Option<&Membership>) {
        if member.is_none() {
            self.breaks += 1;
        }
        let gone = |out: &Out| member.is_none_or(|membership| membership.member == out.member);
        for out in self.out.extract_if(.., |_, out| gone(out)).map(|(_, out)| out) {
            let mark = self.marks.entry(out.topic).or_default();
            match kind {
                BrokerKind::Log => mark.next = mark.next.min(out.offset),
                BrokerKind::Queues => drop(mark.again.insert(out.offset)),
            }
        }
    }
}

impl Mark {
    /// The next message to hand out.
    fn step(&mut self, end: usize) -> Option<usize> {
        if let Some(offset) = self.again.pop_first() {
            return Some(offset);
        }
        let offset = self.next;
        (offset < end).then(|| {
            self.next += 1;
            offset
        })
    }
}
