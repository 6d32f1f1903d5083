//! One situation of the whole shop, and all that can happen in it next.
//!
//! A situation is a few numbers: how each service looks, what the provider knows, what is left of the bounds, and what
//! is on its way, sorted, because messages have no order.

use std::{collections::VecDeque, rc::Rc};

use rustc_hash::FxHashMap;
use tradewind_engine::{Entity, tables::JobRow};
use tradewind_events::{TextEnum, jobs::ProviderCall};
use tradewind_orders::{Order, OrderState};

use crate::{
    Bounds,
    judge::Rest,
    next::{Action, FLIGHT, LEFT, Left, Next, PROVIDER, SEATS, State, To},
    people::{self, Kind},
    provider::{Choice, News, Provider},
    scenario::{Case, Scenario, order_id},
    stimulus::Stimulus,
    stores::{Effect, Local, LocalId, Seat, StimulusId, Stores, index, number},
};

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
    /// By provider, payments and the number of a job.
    turns: FxHashMap<(u32, LocalId, usize), Turn>,
}

/// What can become of a job next.
#[derive(Clone)]
enum Turn {
    /// Its answer is told, and the provider is as it is after that.
    Told {
        answer: StimulusId,
        provider: u32,
    },
    Decided(Rc<[Decision]>),
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
    jobs: Vec<(JobRow, ProviderCall)>,
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
            turns: FxHashMap::default(),
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
        self.jobs(state, next);
        for seat in 0..SEATS {
            self.own_steps(state, seat, next);
        }
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
                Effect::Waits => {}
                Effect::Nothing | Effect::Refused => {
                    next.add(state, action, &To { change: None, taken, provider: None, left });
                    next.by_itself();
                }
                Effect::Broken(reason) => next.refuse(action, reason),
                Effect::Changed(change) => {
                    let to = To { change: Some((seat, &change)), taken, provider: None, left };
                    self.change(state, next, action, &to);
                    next.by_itself();
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
        }
    }

    /// What follows from the rows of one service: its timers, and what people may want of it.
    fn own_steps(&mut self, state: &State, seat: Seat, next: &mut Next) {
        let (own, left) = (self.own(state[seat]), Left::unpack(state[LEFT]));
        for timer in &own.timers {
            let action = Action::Fire { timer: *timer };
            match self.stores.effect(state[seat], *timer) {
                Effect::Changed(change) => {
                    let to = To { change: Some((seat, &change)), taken: None, provider: None, left };
                    self.change(state, next, action, &to);
                    next.by_itself();
                }
                Effect::Broken(reason) => next.refuse(action, reason),
                // It is set anew as it was.
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
        for job in 0..own.jobs.len() {
            match self.turn(state, job) {
                Turn::Told { answer, provider } => {
                    let effect = self.stores.effect(state[self.payments], answer);
                    let change = match &effect {
                        Effect::Changed(change) => Some((self.payments, &**change)),
                        Effect::Broken(reason) => {
                            next.refuse(Action::Answer { answer }, Rc::clone(reason));
                            continue;
                        }
                        // Undecided: it will be asked again.
                        Effect::Nothing | Effect::Waits | Effect::Refused => None,
                    };
                    let to = To { change, taken: None, provider: Some(provider), left };
                    self.change(state, next, Action::Answer { answer }, &to);
                    next.by_itself();
                }
                Turn::Decided(decisions) => {
                    for (choice, decision) in decisions.iter().enumerate() {
                        if decision.fault && left.faults == 0 {
                            continue;
                        }
                        let left = Left { faults: left.faults - u8::from(decision.fault), ..left };
                        let to = To { change: None, taken: None, provider: Some(decision.provider), left };
                        next.add(state, Action::Decide { job, choice }, &to);
                        if !decision.fault {
                            next.by_itself();
                        }
                    }
                }
            }
        }
    }

    /// The provider may call back about what was ever so, at any time and as often as it likes.
    fn callbacks(&mut self, state: &State, next: &mut Next) {
        let (seat, left) = (self.payments, Left::unpack(state[LEFT]));
        for Callback { wish, comes } in self.providers[index(state[PROVIDER])].1.clone() {
            if self.ask(state, seat, (wish, left), next) && comes {
                next.by_itself();
            }
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
        let timers: Vec<_> = rows.timers().map(|timer| (timer.name.shared(), Entity::key(timer))).collect();
        let call = |job: &JobRow| Some((job.clone(), serde_json::from_str(&job.request).ok()?));
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

    fn turn(&mut self, state: &State, job: usize) -> Turn {
        let key = (state[PROVIDER], state[self.payments], job);
        if let Some(known) = self.turns.get(&key) {
            return known.clone();
        }
        let own = self.own(state[self.payments]);
        let (job, call) = &own.jobs[job];
        let mut provider = self.providers[index(state[PROVIDER])].0.clone();
        let turn = if let Some(answer) = provider.in_hand.remove(&job.id) {
            let told = Stimulus::Finish { job: job.clone(), reply: answer.told() };
            Turn::Told { answer: self.stores.stimulus(self.payments, told), provider: self.provider(provider) }
        } else {
            let decision = |Choice { provider, words, fault }: Choice| {
                let provider = self.provider(provider);
                Decision { provider, words, fault }
            };
            Turn::Decided(provider.choices(&job.id, call).into_iter().map(decision).collect())
        };
        self.turns.insert(key, turn.clone());
        turn
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
            recall: self.scenario.recall,
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
        let why = match order.state() {
            OrderState::Rejected => order.lost().map(TextEnum::as_str),
            OrderState::Cancelled => order.cancel_by().map(TextEnum::as_str),
            _ => None,
        };
        why.map_or_else(|| order.state().to_string(), |why| format!("{} ({why})", order.state()))
    }

    /// An action in words, and what was said because of it.
    pub fn words(&mut self, state: &State, action: Action) -> (String, Vec<&'static str>) {
        let stimulus = match action {
            Action::Hear { message: stimulus, .. }
            | Action::Fire { timer: stimulus }
            | Action::Ask { wish: stimulus }
            | Action::Answer { answer: stimulus } => stimulus,
            Action::Decide { job, choice } => {
                let Turn::Decided(decisions) = self.turn(state, job) else { return Default::default() };
                let call = &self.own(state[self.payments]).jobs[job].1;
                let text = format!("the provider is asked to {} and {}", call.action, decisions[choice].words);
                return (text, Vec::new());
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
