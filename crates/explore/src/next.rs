//! A situation, what happens in it, and where that leads.

use std::rc::Rc;

use crate::stores::{Change, Seat, StimulusId};

/// How many services take part.
pub const SEATS: usize = 5;
pub const PROVIDER: usize = SEATS;
pub const LEFT: usize = SEATS + 1;
pub const FLIGHT: usize = SEATS + 2;

/// A situation: services, provider, what is left of the bounds, and what is on its way.
pub type State = [u32];

/// What is left of the bounds, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Left {
    pub duplicates: u8,
    pub faults: u8,
    pub forces: u8,
}

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// A message arrives. Again: the same fact will arrive once more, under another id.
    Hear {
        message: StimulusId,
        again: bool,
    },
    Fire {
        timer: StimulusId,
    },
    Ask {
        wish: StimulusId,
    },
    /// A worker asks the provider, and it comes to one of its choices.
    Decide {
        job: usize,
        choice: usize,
    },
    /// The worker tells what it was answered.
    Answer {
        answer: StimulusId,
    },
}

/// What can happen next in a situation, and where it leads.
#[derive(Default)]
pub struct Next {
    words: Vec<u32>,
    steps: Vec<(Action, usize)>,
    /// What must not be: the action, and why.
    pub wrong: Option<(Action, Rc<str>)>,
    /// The first that happens by itself and goes well; without one the situation is at rest.
    pub onward: Option<usize>,
    /// Somebody can bring the order further.
    pub goes_on: bool,
    /// Somebody can settle what is owed.
    pub mends: bool,
}

impl Next {
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    pub fn action(&self, nth: usize) -> Action {
        self.steps[nth].0
    }

    pub fn state(&self, nth: usize) -> &State {
        let begin = if nth == 0 { 0 } else { self.steps[nth - 1].1 };
        &self.words[begin..self.steps[nth].1]
    }

    /// This must not be.
    pub fn refuse(&mut self, action: Action, reason: Rc<str>) {
        self.wrong.get_or_insert((action, reason));
    }

    /// What was added last happens by itself.
    pub fn by_itself(&mut self) {
        self.onward.get_or_insert(self.steps.len().saturating_sub(1));
    }

    pub fn clear(&mut self) {
        self.words.clear();
        self.steps.clear();
        self.wrong = None;
        (self.onward, self.goes_on, self.mends) = (None, false, false);
    }

    /// Adds where an action leads: `changed` service, with this provider and these bounds, without the message `taken`.
    pub fn add(&mut self, from: &State, action: Action, to: &To<'_>) {
        let begin = self.words.len();
        self.words.extend_from_slice(&from[..FLIGHT]);
        self.words[begin + PROVIDER] = to.provider.unwrap_or(from[PROVIDER]);
        self.words[begin + LEFT] = to.left.pack();
        let sent = to.change.map_or(&[][..], |(seat, change)| {
            self.words[begin + seat] = change.local;
            &change.sent[..]
        });
        let mut taken = to.taken;
        for message in &from[FLIGHT..] {
            if taken == Some(*message) {
                taken = None;
            } else {
                self.words.push(*message);
            }
        }
        self.words.extend_from_slice(sent);
        self.words[begin + FLIGHT..].sort_unstable();
        self.steps.push((action, self.words.len()));
    }
}

/// Where an action leads.
pub struct To<'a> {
    pub change: Option<(Seat, &'a Change)>,
    pub taken: Option<StimulusId>,
    pub provider: Option<u32>,
    pub left: Left,
}

impl Left {
    pub fn pack(self) -> u32 {
        u32::from_le_bytes([self.duplicates, self.faults, self.forces, 0])
    }

    pub fn unpack(word: u32) -> Self {
        let [duplicates, faults, forces, _] = word.to_le_bytes();
        Self { duplicates, faults, forces }
    }
}
