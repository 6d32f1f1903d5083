//! Breadth first: every situation once, the near ones before the far ones, so that the first that is wrong is reached
//! by the shortest way.
//!
//! A situation that waits for its turn takes some 60 bytes, one that was met about 25: its hash of 64 bits, and from which
//! one it was reached by which action. Of a hundred million situations, one in some thousand explorations takes two for the
//! same.

use std::{collections::VecDeque, hash::Hasher, rc::Rc};

use rustc_hash::FxHashSet;

use crate::{
    Bounds, Figures, Found,
    scenario::Scenario,
    stores::{index, number},
    story::{self, Path},
    world::{Next, State, World},
};

/// A situation that was met: from which one, and by which of its actions.
#[derive(Clone, Copy)]
struct Met {
    from: u32,
    nth: u16,
}

pub struct Search {
    world: World,
    states_max: usize,
    begin: Vec<u32>,
    /// Situations to look at, each behind its length. The first is number `at`.
    waiting: VecDeque<u32>,
    at: u32,
    met: Vec<Met>,
    seen: FxHashSet<u64>,
    figures: Figures,
}

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
            met: Vec::new(),
            seen: FxHashSet::default(),
            figures: Figures::default(),
        };
        search.meet(&begin, Met { from: 0, nth: 0 });
        Ok(search)
    }

    /// Looks at every situation, until one is wrong, none is left or the bound is reached.
    pub fn run(mut self, watch: &mut dyn FnMut(&Figures)) -> (Figures, Option<Found>) {
        let (mut next, mut state) = (Next::default(), Vec::new());
        let (mut end_of_depth, mut found) = (1, None);
        while let Some(length) = self.waiting.pop_front() {
            if self.at == end_of_depth {
                end_of_depth = number(self.met.len());
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
                watch(&self.figures);
            }
        }
        self.count();
        self.figures.exhausted = found.is_none() && !self.figures.cut;
        watch(&self.figures);
        (self.figures, found)
    }

    fn is_full(&self) -> bool {
        self.met.len() >= self.states_max
    }

    fn count(&mut self) {
        self.figures.states = u64::try_from(self.met.len()).unwrap_or(u64::MAX);
        self.figures.services = self.world.stores.locals.len();
        self.figures.handlers = self.world.stores.runs();
    }

    fn look(&mut self, state: &State, next: &mut Next) -> Option<Found> {
        self.world.next(state, next);
        if let Some((action, reason)) = next.wrong.clone() {
            let mut path = self.path();
            path.last = Some(action);
            return Some(self.tell(&path, &reason));
        }
        if !next.moves {
            *self.figures.rests.entry(self.world.outcome(state)).or_default() += 1;
            if let Some(reason) = self.world.judge(state, next) {
                let path = self.path();
                return Some(self.tell(&path, &Rc::from(reason)));
            }
        }
        for nth in 0..next.len() {
            self.figures.steps += 1;
            let met = Met { from: self.at, nth: u16::try_from(nth).unwrap_or(u16::MAX) };
            self.meet(next.state(nth), met);
        }
        None
    }

    fn meet(&mut self, state: &State, met: Met) {
        if self.is_full() {
            // Still true when it is looked at: what is beyond the bound is not.
            self.figures.cut |= !self.seen.contains(&hash(state));
            return;
        }
        if self.seen.insert(hash(state)) {
            self.met.push(met);
            self.waiting.push_back(number(state.len()));
            self.waiting.extend(state);
        }
    }

    /// The way to the situation that is looked at.
    fn path(&self) -> Path {
        let (mut steps, mut at) = (Vec::new(), self.at);
        while at > 0 {
            let met = self.met[index(at)];
            steps.push(usize::from(met.nth));
            at = met.from;
        }
        steps.reverse();
        Path { begin: self.begin.clone(), steps, last: None }
    }

    fn tell(&mut self, path: &Path, reason: &str) -> Found {
        Found { reason: reason.to_owned(), steps: story::tell(&mut self.world, path) }
    }
}

fn hash(state: &State) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    for word in state {
        hasher.write_u32(*word);
    }
    hasher.finish()
}
