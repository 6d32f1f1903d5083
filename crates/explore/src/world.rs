//! One situation of the whole shop, and all that can happen in it next.
//!
//! A situation is a few numbers: how each service looks, what the provider knows, what is left of the bounds, and what
//! is on its way, sorted, because messages have no order.

use std::{collections::VecDeque, rc::Rc, sync::Arc};

use rustc_hash::FxHashMap;
use tradewind_engine::{Entity, tables::EffectRow};
use tradewind_events::{TextEnum, jobs::ProviderCall};
use tradewind_orders::{Order, OrderState};

use crate::{
    Bounds,
    judge::Rest,
    people::{self, Kind},
    provider::{Choice, News, Provider},
    scenario::{Case, Scenario, order_id},
    stimulus::Stimulus,
    stores::{Change, Effect, Local, LocalId, Seat, StimulusId, Stores, index, number},
};

/// How many services take part.
const SEATS: usize = 5;
const PROVIDER: usize = SEATS;
const LEFT: usize = SEATS + 1;
const FLIGHT: usize = SEATS + 2;

/// A situation: services, provider, what is left of the bounds, and what is on its way.
pub type State = [u32];

/// What is left of the bounds, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Left {
    duplicates: u8,
    faults: u8,
    forces: u8,
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
    /// Something happens by itself.
    pub moves: bool,
    /// Somebody can bring the order further.
    pub goes_on: bool,
    /// Somebody can settle what is owed.
    pub mends: bool,
}

/// All situations of one scenario.
pub struct World {
    pub stores: Stores,
    pub scenario: Scenario,
    orders: Seat,
    payments: Seat,
    providers: Vec<(Provider, Vec<Callback>)>,
    provider_ids: FxHashMap<Provider, u32>,
    /// What a service may have happen to it by its own rows: timers, and what people may want.
    own: FxHashMap<LocalId, Rc<Own>>,
    choices: FxHashMap<(u32, LocalId, usize), Rc<[Decision]>>,
}

/// One of a provider's choices, and what it knows after it.
#[derive(Clone, Copy)]
struct Decision {
    provider: u32,
    words: &'static str,
    fault: bool,
}

/// What a provider may call back about.
#[derive(Clone, Copy)]
struct Callback {
    wish: StimulusId,
    /// No answer tells it: it will call back. All else is told by answers too, so nothing may wait for it.
    comes: bool,
}

struct Own {
    timers: Vec<StimulusId>,
    wishes: Vec<(StimulusId, Kind)>,
    jobs: Vec<(EffectRow, ProviderCall)>,
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
    fn refuse(&mut self, action: Action, reason: Rc<str>) {
        self.wrong.get_or_insert((action, reason));
    }

    fn clear(&mut self) {
        self.words.clear();
        self.steps.clear();
        self.wrong = None;
        (self.moves, self.goes_on, self.mends) = (false, false, false);
    }

    /// Adds where an action leads: `changed` service, with this provider and these bounds, without the message `taken`.
    fn add(&mut self, from: &State, action: Action, to: &To<'_>) {
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
struct To<'a> {
    change: Option<(Seat, &'a Change)>,
    taken: Option<StimulusId>,
    provider: Option<u32>,
    left: Left,
}

impl Left {
    fn pack(self) -> u32 {
        u32::from_le_bytes([self.duplicates, self.faults, self.forces, 0])
    }

    fn unpack(word: u32) -> Self {
        let [duplicates, faults, forces, _] = word.to_le_bytes();
        Self { duplicates, faults, forces }
    }
}

impl World {
    pub fn new(scenario: Scenario, deaf: &[(String, String)]) -> Self {
        let stores = Stores::new(|| scenario.services(), deaf);
        let (orders, payments) = (stores.seat("orders"), stores.seat("payments"));
        debug_assert_eq!(stores.seats(), SEATS, "a situation has a word for each service");
        Self {
            stores,
            scenario,
            orders,
            payments,
            providers: Vec::new(),
            provider_ids: FxHashMap::default(),
            own: FxHashMap::default(),
            choices: FxHashMap::default(),
        }
    }

    /// The shop is set up and the order is about to be placed: that is the first situation.
    pub fn begin(&mut self, bounds: Bounds) -> Result<Vec<u32>, String> {
        let mut locals: Vec<LocalId> = (0..SEATS).map(|seat| self.stores.empty(seat)).collect();
        for (service, wish) in self.scenario.setup() {
            let seat = self.stores.seat(service);
            let first = self.stores.stimulus(seat, Stimulus::Ask(wish));
            let mut due = VecDeque::from([first]);
            while let Some(stimulus) = due.pop_front() {
                let (seat, told) = &self.stores.stimuli[index(stimulus)];
                let (seat, words) = (*seat, told.words());
                match self.stores.effect(locals[seat], stimulus) {
                    Effect::Nothing => {}
                    Effect::Changed(change) => {
                        locals[seat] = change.local;
                        due.extend(&change.sent);
                    }
                    Effect::Waits | Effect::Refused => return Err(format!("{words}: it is refused")),
                    Effect::Broken(reason) => return Err(format!("{words}: {reason}")),
                }
            }
        }
        let left = Left { duplicates: bounds.duplicates, faults: bounds.faults, forces: 1 };
        let provider = self.provider(Provider::default());
        let request = self.stores.stimulus(self.orders, Stimulus::Ask(self.scenario.request()));
        locals.extend([provider, left.pack(), request]);
        if self.scenario.case == Case::CustomerLeaves {
            locals.extend(self.stores.fact("identity", self.scenario.farewell()));
        }
        locals[FLIGHT..].sort_unstable();
        Ok(locals)
    }

    /// All that can happen in a situation.
    pub fn next(&mut self, state: &State, next: &mut Next) {
        next.clear();
        self.messages(state, next);
        for seat in 0..SEATS {
            self.own_steps(state, seat, next);
        }
        self.jobs(state, next);
        self.callbacks(state, next);
    }

    fn messages(&mut self, state: &State, next: &mut Next) {
        let left = Left::unpack(state[LEFT]);
        let mut before = None;
        for message in &state[FLIGHT..] {
            // Of equal messages one stands for all.
            if before.replace(*message) == Some(*message) {
                continue;
            }
            let seat = self.stores.stimuli[index(*message)].0;
            let action = Action::Hear { message: *message, again: false };
            let taken = Some(*message);
            match self.stores.effect(state[seat], *message) {
                Effect::Waits => continue,
                Effect::Nothing | Effect::Refused => {
                    next.add(state, action, &To { change: None, taken, provider: None, left });
                }
                Effect::Broken(reason) => next.refuse(action, reason),
                Effect::Changed(change) => {
                    self.change(
                        state,
                        next,
                        action,
                        &To { change: Some((seat, &change)), taken, provider: None, left },
                    );
                    // What began it all was asked once.
                    let is_fact = matches!(*self.stores.stimuli[index(*message)].1, Stimulus::Hear(_));
                    if left.duplicates > 0 && is_fact {
                        let left = Left { duplicates: left.duplicates - 1, ..left };
                        let action = Action::Hear { message: *message, again: true };
                        let to = To { change: Some((seat, &change)), taken: None, provider: None, left };
                        self.change(state, next, action, &to);
                    }
                }
            }
            next.moves = true;
        }
    }

    /// What follows from the rows of one service: its timers, and what people may want of it.
    fn own_steps(&mut self, state: &State, seat: Seat, next: &mut Next) {
        let (own, left) = (self.own(state[seat]), Left::unpack(state[LEFT]));
        for timer in &own.timers {
            next.moves = true;
            let action = Action::Fire { timer: *timer };
            match self.stores.effect(state[seat], *timer) {
                Effect::Changed(change) => {
                    let to = To { change: Some((seat, &change)), taken: None, provider: None, left };
                    self.change(state, next, action, &to);
                }
                Effect::Broken(reason) => next.refuse(action, reason),
                Effect::Nothing | Effect::Waits | Effect::Refused => {}
            }
        }
        for (wish, kind) in &own.wishes {
            let left = match kind {
                Kind::Onward | Kind::Mend | Kind::Aside => left,
                Kind::Force if left.forces > 0 => Left { forces: left.forces - 1, ..left },
                Kind::Fault if left.faults > 0 => Left { faults: left.faults - 1, ..left },
                Kind::Force | Kind::Fault => continue,
            };
            self.ask(state, seat, (*wish, left), next);
            next.goes_on |= *kind == Kind::Onward;
            next.mends |= *kind == Kind::Mend;
        }
    }

    /// Somebody asks a service for something. Returns whether anything comes of it.
    fn ask(&mut self, state: &State, seat: Seat, (wish, left): (StimulusId, Left), next: &mut Next) -> bool {
        let action = Action::Ask { wish };
        match self.stores.effect(state[seat], wish) {
            Effect::Changed(change) => {
                let to = To { change: Some((seat, &change)), taken: None, provider: None, left };
                self.change(state, next, action, &to);
                true
            }
            Effect::Broken(reason) => {
                next.refuse(action, reason);
                true
            }
            Effect::Nothing | Effect::Waits | Effect::Refused => false,
        }
    }

    fn jobs(&mut self, state: &State, next: &mut Next) {
        let (own, left) = (self.own(state[self.payments]), Left::unpack(state[LEFT]));
        for (nth, (job, _)) in own.jobs.iter().enumerate() {
            next.moves = true;
            let (provider, _) = &self.providers[index(state[PROVIDER])];
            if let Some(answer) = provider.in_hand.get(&job.id) {
                let reply = answer.told();
                let mut after = provider.clone();
                after.in_hand.remove(&job.id);
                let after = self.provider(after);
                let answer = self.stores.stimulus(self.payments, Stimulus::Finish { job: job.clone(), reply });
                let action = Action::Answer { answer };
                match self.stores.effect(state[self.payments], answer) {
                    Effect::Changed(change) => {
                        let change = Some((self.payments, &*change));
                        self.change(state, next, action, &To { change, taken: None, provider: Some(after), left });
                    }
                    Effect::Broken(reason) => next.refuse(action, reason),
                    // Undecided: it will be asked again.
                    Effect::Nothing | Effect::Waits | Effect::Refused => {
                        next.add(state, action, &To { change: None, taken: None, provider: Some(after), left });
                    }
                }
                continue;
            }
            for (choice, decision) in self.choices(state, nth).iter().enumerate() {
                if decision.fault && left.faults == 0 {
                    continue;
                }
                let left = Left { faults: left.faults - u8::from(decision.fault), ..left };
                let to = To { change: None, taken: None, provider: Some(decision.provider), left };
                next.add(state, Action::Decide { job: nth, choice }, &to);
            }
        }
    }

    /// The provider may call back about what was ever so, at any time and as often as it likes.
    fn callbacks(&mut self, state: &State, next: &mut Next) {
        let (seat, left) = (self.payments, Left::unpack(state[LEFT]));
        for Callback { wish, comes } in self.providers[index(state[PROVIDER])].1.clone() {
            let changes = self.ask(state, seat, (wish, left), next);
            next.moves |= comes && changes;
        }
    }

    fn change(&self, state: &State, next: &mut Next, action: Action, to: &To<'_>) {
        next.add(state, action, to);
        let wrong = to.change.and_then(|(_, change)| self.stores.locals[index(change.local)].wrong.as_deref());
        if let Some(wrong) = wrong {
            next.refuse(action, wrong.into());
        }
    }

    fn own(&mut self, local: LocalId) -> Rc<Own> {
        if let Some(own) = self.own.get(&local) {
            return Rc::clone(own);
        }
        let rows = &self.stores.locals[index(local)];
        let seat = rows.seat;
        let timers: Vec<_> = rows.timers().map(|timer| (Arc::clone(&timer.name), Entity::key(timer))).collect();
        let call = |job: &EffectRow| Some((job.clone(), serde_json::from_str(&job.request).ok()?));
        let jobs = rows.jobs().filter_map(call).collect();
        let offers = people::offers(rows);
        let fire = |(name, key)| self.stores.stimulus(seat, Stimulus::Fire { name, key });
        let timers = timers.into_iter().map(fire).collect();
        let mut wishes = Vec::new();
        for offer in offers {
            let wish = self.stores.stimulus(seat, Stimulus::Ask(offer.wish));
            if matches!(self.stores.effect(local, wish), Effect::Changed(_) | Effect::Broken(_)) {
                wishes.push((wish, offer.kind));
            }
        }
        let own = Rc::new(Own { timers, wishes, jobs });
        self.own.insert(local, Rc::clone(&own));
        own
    }

    fn choices(&mut self, state: &State, job: usize) -> Rc<[Decision]> {
        let key = (state[PROVIDER], state[self.payments], job);
        if let Some(known) = self.choices.get(&key) {
            return Rc::clone(known);
        }
        let own = self.own(state[self.payments]);
        let (job, call) = &own.jobs[job];
        let choices = self.providers[index(state[PROVIDER])].0.choices(&job.id, call);
        let choice =
            |Choice { provider, words, fault }: Choice| Decision { provider: self.provider(provider), words, fault };
        let choices: Rc<[_]> = choices.into_iter().map(choice).collect();
        self.choices.insert(key, Rc::clone(&choices));
        choices
    }

    fn provider(&mut self, provider: Provider) -> u32 {
        if let Some(known) = self.provider_ids.get(&provider) {
            return *known;
        }
        let seat = self.payments;
        let callback = |news: &News| Callback {
            wish: self.stores.stimulus(seat, Stimulus::Ask(people::callback(news))),
            comes: !provider.answers_for(&news.reference),
        };
        let callbacks = provider.news.iter().map(callback).collect();
        let new = number(self.providers.len());
        self.provider_ids.insert(provider.clone(), new);
        self.providers.push((provider, callbacks));
        new
    }

    /// What is not as it must be in a situation in which nothing happens by itself.
    pub fn judge(&self, state: &State, next: &Next) -> Option<String> {
        let locals: Vec<&Local> = self.locals(state).collect();
        self.stores.judge.rest(&Rest {
            locals: &locals,
            orders: self.orders,
            payments: self.payments,
            provider: &self.providers[index(state[PROVIDER])].0,
            waiting: state[FLIGHT..].len(),
            goes_on: next.goes_on,
            mends: next.mends,
        })
    }

    /// How each service looks.
    pub fn locals<'a>(&'a self, state: &'a State) -> impl Iterator<Item = &'a Local> {
        state[..SEATS].iter().map(|local| &self.stores.locals[index(*local)])
    }

    /// How the order stands, and why if it ended.
    pub fn outcome(&self, state: &State) -> String {
        let orders = &self.stores.locals[index(state[self.orders])];
        let Some(order) = orders.row::<Order>(order_id()) else { return "never placed".to_owned() };
        let why = match order.state {
            OrderState::Rejected => order.lost.map(TextEnum::as_str),
            OrderState::Cancelled => order.cancel_by.map(TextEnum::as_str),
            _ => None,
        };
        why.map_or_else(|| order.state.to_string(), |why| format!("{} ({why})", order.state))
    }

    /// An action in words, and what was said because of it.
    pub fn words(&mut self, state: &State, action: Action) -> (String, Vec<&'static str>) {
        let stimulus = match action {
            Action::Hear { message: stimulus, .. }
            | Action::Fire { timer: stimulus }
            | Action::Ask { wish: stimulus }
            | Action::Answer { answer: stimulus } => stimulus,
            Action::Decide { job, choice } => {
                let own = self.own(state[self.payments]);
                let call = &own.jobs[job].1;
                let words = self.choices(state, job)[choice].words;
                return (format!("the provider is asked to {} and {words}", call.action), Vec::new());
            }
        };
        let (seat, told) = &self.stores.stimuli[index(stimulus)];
        let (seat, told) = (*seat, Rc::clone(told));
        let text = match &*told {
            Stimulus::Ask(wish) => wish.words().to_owned(),
            other => format!("{} {}", self.stores.service(seat), other.words()),
        };
        let again =
            if matches!(action, Action::Hear { again: true, .. }) { ", and will hear it once more" } else { "" };
        let said = match self.stores.effect(state[seat], stimulus) {
            Effect::Changed(change) => change.said.clone(),
            _ => Vec::new(),
        };
        (format!("{text}{again}"), said)
    }
}
