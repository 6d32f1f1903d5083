//! Breadth first: every situation once, the near ones before the far ones, so that the first that is wrong is reached
//! by the shortest way.
//!
//! A situation that waits for its turn takes some 60 bytes, one that was met 26 to 42: which one it is, from which other it
//! was reached by which action, and where it goes by itself.

use std::{collections::VecDeque, ops::ControlFlow};

use crate::{
    Bounds, Figures, Found,
    next::{Next, State},
    scenario::Scenario,
    seen::Seen,
    stores::{index, number},
    story::{self, Path},
    world::World,
};

pub struct Search {
    world: World,
    states_max: usize,
    begin: Vec<u32>,
    /// Situations to look at, each behind its length. The first is number `at`.
    waiting: VecDeque<u32>,
    at: u32,
    seen: Seen,
    met: Met,
    figures: Figures,
}

/// How the situations that were met hang together, by number.
#[derive(Default)]
struct Met {
    /// Where each was reached from, and by which of its actions.
    from: Vec<u32>,
    nth: Vec<u16>,
    /// Where those that were looked at go by themselves, if nobody does anything and nothing goes wrong.
    onward: Vec<u32>,
}

/// Goes nowhere by itself.
const REST: u32 = u32::MAX;
/// Is on the way that is followed.
const FOLLOWED: u32 = u32::MAX - 1;

/// How many situations are looked at between two calls of whoever watches.
const WATCHED: u32 = 4_096;

impl Search {
    pub fn new(scenario: Scenario, bounds: Bounds, deaf: &[(String, String)]) -> Result<Self, String> {
        let mut world = World::new(scenario, deaf);
        let begin = world.begin(bounds)?;
        let mut search = Self {
            world,
            states_max: bounds.states,
            begin: begin.clone(),
            waiting: VecDeque::new(),
            at: 0,
            seen: Seen::new(),
            met: Met::default(),
            figures: Figures::default(),
        };
        search.meet(&begin, 0);
        Ok(search)
    }

    /// Looks at every situation, until one is wrong, none is left, the bound is reached or whoever watches has had enough.
    pub fn run(mut self, watch: &mut dyn FnMut(&Figures) -> ControlFlow<()>) -> (Figures, Option<Found>) {
        let (mut next, mut state) = (Next::default(), Vec::new());
        let (mut end_of_depth, mut found) = (1, None);
        while let Some(length) = self.waiting.pop_front() {
            if self.at == end_of_depth {
                end_of_depth = number(self.seen.len());
                self.figures.depth += 1;
            }
            state.clear();
            state.extend(self.waiting.drain(..index(length)));
            found = self.look(&state, &mut next);
            self.at += 1;
            if found.is_some() {
                break;
            }
            if self.at.is_multiple_of(WATCHED) {
                self.count();
                if watch(&self.figures).is_break() {
                    self.figures.cut = true;
                    break;
                }
            }
        }
        let found = found.or_else(|| self.round_and_round());
        self.count();
        self.figures.exhausted = found.is_none() && !self.figures.cut;
        // There is nothing left to break off.
        let _told = watch(&self.figures);
        (self.figures, found)
    }

    fn is_full(&self) -> bool {
        self.seen.len() >= self.states_max
    }

    fn count(&mut self) {
        self.figures.states = u64::try_from(self.seen.len()).unwrap_or(u64::MAX);
        self.figures.services = self.world.stores.locals.len();
        self.figures.handlers = self.world.stores.runs();
    }

    fn look(&mut self, state: &State, next: &mut Next) -> Option<Found> {
        self.world.next(state, next);
        if let Some((action, reason)) = next.wrong.clone() {
            let path = Path { last: Some(action), ..self.path(self.at) };
            return Some(self.tell(&path, &reason));
        }
        if next.onward.is_none() {
            *self.figures.rests.entry(self.world.outcome(state)).or_default() += 1;
            if let Some(reason) = self.world.judge(state, next) {
                return Some(self.tell(&self.path(self.at), &reason));
            }
        }
        let mut onward = REST;
        for nth in 0..next.len() {
            self.figures.steps += 1;
            let met = self.meet(next.state(nth), nth);
            if next.onward == Some(nth) {
                onward = met.unwrap_or(REST);
            }
        }
        self.met.onward.push(onward);
        None
    }

    /// The number of a situation; of none that is beyond the bound.
    fn meet(&mut self, state: &State, nth: usize) -> Option<u32> {
        if self.is_full() {
            let known = self.seen.find(state);
            self.figures.cut |= known.is_none();
            return known;
        }
        let (known, is_new) = self.seen.insert(state);
        if is_new {
            self.met.from.push(self.at);
            self.met.nth.push(u16::try_from(nth).unwrap_or(u16::MAX));
            self.waiting.push_back(number(state.len()));
            self.waiting.extend(state);
        }
        Some(known)
    }

    fn round_and_round(&mut self) -> Option<Found> {
        let at = comes_back(&mut self.met.onward)?;
        let path = self.path(at);
        Some(self.tell(&path, "it goes round and round from here, and never comes to rest"))
    }

    /// The way to a situation.
    fn path(&self, to: u32) -> Path {
        let (mut steps, mut at) = (Vec::new(), to);
        while at > 0 {
            steps.push(usize::from(self.met.nth[index(at)]));
            at = self.met.from[index(at)];
        }
        steps.reverse();
        Path { begin: self.begin.clone(), steps, last: None }
    }

    fn tell(&mut self, path: &Path, reason: &str) -> Found {
        Found { reason: reason.to_owned(), steps: story::tell(&mut self.world, path) }
    }
}

/// Follows every situation to where it comes to rest; the first that comes back to itself instead never does. What is
/// followed is used up.
fn comes_back(onward: &mut [u32]) -> Option<u32> {
    let mut way = Vec::new();
    for begin in 0..onward.len() {
        let mut at = number(begin);
        // What was not looked at is beyond the bound.
        while let Some(next) = onward.get_mut(index(at)) {
            match *next {
                REST => break,
                FOLLOWED => return Some(at),
                to => {
                    *next = FOLLOWED;
                    way.push(at);
                    at = to;
                }
            }
        }
        for passed in way.drain(..) {
            onward[index(passed)] = REST;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_comes_to_rest_comes_back_to_itself() {
        assert_eq!(comes_back(&mut [1, 2, REST]), None);
        assert_eq!(comes_back(&mut [2, 2, REST, 0]), None);
        // Number 9 was met and not looked at.
        assert_eq!(comes_back(&mut [1, 9]), None);
        assert_eq!(comes_back(&mut [1, 2, 3, 1]), Some(1));
        assert_eq!(comes_back(&mut [REST, 1]), Some(1));
    }
}
