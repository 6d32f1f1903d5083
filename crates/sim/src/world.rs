//! The world of one seed: processes over their stores, the network between them, the provider, people, and time.
//! One thing happens at a time; chance says which of those that could.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use tradewind_engine::Gate;
use tradewind_events::{Id, Registry, Timestamp};
use tradewind_memory::ManualClock;

use crate::{
    Figures, Options, Violation,
    audits::Audits,
    chance::Chance,
    fault::{Fault, Faults},
    gate::Panics,
    network::{NEVER, Network},
    node::{Ending, Engine, Node, Start},
    people::People,
    provider::Provider,
    shop::{self, Shop},
    trace::Trace,
    watch::Seen,
    wires::Wires,
};

pub struct World {
    pub options: Options,
    pub clock: ManualClock,
    pub began: Timestamp,
    pub trace: Trace,
    pub faults: Faults,
    pub chance: Chance,
    pub registry: Registry,
    pub shop: Shop,
    pub gate: Arc<dyn Gate>,
    pub nodes: Vec<Node>,
    pub network: Network,
    pub wires: Wires,
    pub provider: Provider,
    pub people: People,
    pub audits: Audits,
    pub figures: Figures,
    pub violations: Vec<Violation>,
    pub seen: Seen,
    /// How many steps were taken before the shop opened.
    opened_at: u64,
    /// A clock that has jumped is confirmed only after a while.
    pub confirms_after: Duration,
    /// When the wall clock comes back, and by how many milliseconds.
    pub clock_back: Vec<(Timestamp, i64)>,
    /// Events that the broker refuses.
    pub refused: BTreeSet<Id>,
    /// What could happen now; kept to be filled again.
    steps: Vec<Step>,
}

/// Something that could happen now; the number is the store's.
#[derive(Debug, Clone, Copy)]
enum Step {
    Start(usize),
    Form(usize),
    Write(usize),
    Settle(usize),
    Relay(usize),
    /// The subscriber polls or acknowledges.
    Subscribe(usize),
    /// A process that was stopped has finished what it had accepted.
    End(usize),
    /// Deadlines that were held go on.
    LetGo(usize),
    /// Somebody does something.
    Act,
    /// A request or an answer arrives at one of its ends.
    Arrive,
}

/// In an open shop at least so much goes wrong.
const FAULTS_MIN: u64 = 5;

/// Until then, at least one fault in so many steps.
const CALM_STEPS_MAX: u64 = 40;

/// Milliseconds that a step takes now and then.
const STEP_MS_MAX: u64 = 500;

impl World {
    pub fn new(seed: u64, options: &Options) -> Self {
        let clock = ManualClock::default();
        let trace = Trace::new(&clock, options.trace);
        let faults = Faults::new(seed, options);
        let (shop, split) = (Shop::new(seed), shop::split(seed, options));
        let forgets_soon = shop.forgets_soon;
        if forgets_soon {
            // The clock goes on by hours, or an operator redrives what arrived broken hours after it took effect.
            for fault in [Fault::ClockJump, Fault::ClockSpike, Fault::MessageGarbled] {
                faults.leave_out(fault);
            }
        }
        let chance = Chance::new(seed ^ options.shuffle.wrapping_mul(0x517c_c1b7_2722_0a95), "schedule");
        for (nth, services) in split.iter().enumerate() {
            trace.note(|| format!("store s{nth}: {}", services.join(", ")));
        }
        Self {
            began: clock.true_time(),
            gate: Arc::new(Panics { faults: faults.clone(), trace: trace.clone() }),
            registry: tradewind_events::registry(),
            shop,
            network: Network::new(seed, split.len(), faults.clone(), forgets_soon),
            audits: Audits::new(seed, options.audits, split.len()),
            nodes: split.into_iter().enumerate().map(|(nth, services)| Node::new(nth, services)).collect(),
            wires: Wires::new(seed),
            provider: Provider::new(seed, faults.clone()),
            people: People::new(seed, options, clock.true_time()),
            figures: Figures::default(),
            violations: Vec::new(),
            seen: Seen::default(),
            opened_at: 0,
            confirms_after: Duration::ZERO,
            clock_back: Vec::new(),
            refused: BTreeSet::new(),
            steps: Vec::new(),
            options: options.clone(),
            clock,
            trace,
            faults,
            chance,
        }
    }

    /// The true time, whatever clocks show.
    pub fn now(&self) -> Timestamp {
        self.clock.true_time()
    }

    /// Other stores are reached through a broker; one alone has none.
    pub fn relays(&self) -> bool {
        self.nodes.len() > 1
    }

    /// The store in which a service lives.
    pub fn host(&self, service: &str) -> usize {
        self.nodes.iter().position(|node| node.holds(service)).unwrap_or(0)
    }

    pub fn violate(&mut self, subject: impl Into<String>, detail: impl Into<String>) {
        self.found(Violation { invariant: None, subject: subject.into(), detail: detail.into() });
    }

    /// Notes what is wrong, once.
    pub fn found(&mut self, violation: Violation) {
        if !self.violations.contains(&violation) {
            self.trace.note(|| format!("VIOLATION: {violation}"));
            self.violations.push(violation);
        }
    }

    /// Opens the shop, lets everything go wrong for a while, and then lets it come to rest.
    pub fn run(&mut self) {
        self.run_until(Self::is_still);
        self.faults.begin();
        self.opened_at = self.figures.steps;
        self.trace.note(|| "the shop is open".to_owned());
        self.people.open(self.now());
        self.run_until(|world| world.people.has_finished());
        self.come_to_rest();
    }

    /// Takes steps until something is so, or nothing happens any more, or too much has happened.
    pub fn run_until(&mut self, fits: impl Fn(&Self) -> bool) {
        let most = self.figures.steps + STEPS_MAX;
        while !fits(self) {
            if self.figures.steps > most {
                let stands = self.stands();
                self.violate("the shop", format!("has not come to an end within {STEPS_MAX} steps: {stands}"));
                return;
            }
            if !self.turn() {
                return;
            }
        }
    }

    /// How everything stands, for one that does not go on.
    fn stands(&self) -> String {
        let now = self.now();
        let after = |at: Timestamp| i128::from(at.as_millis()) - i128::from(now.as_millis());
        let stands = |(nth, node): (usize, &Node)| {
            let engine = node.engine.as_ref().map_or_else(String::new, |engine| {
                let (waiting, full) = (engine.core.waiting(), engine.core.is_full());
                let in_flight = engine.core.in_flight();
                let (due, forms) = (after(engine.true_time_of(engine.core.next_due(), now)), engine.wants_to_form());
                format!("{waiting} wait (full: {full}), {in_flight} in flight, due in {due} ms, forms: {forms}, ")
            });
            let (steps_in, broker_in) = (after(node.next_at(now)), after(self.broker_at(nth)));
            format!("{} ({engine}next in {steps_in} ms, with the broker in {broker_in} ms)", node.name)
        };
        let nodes: Vec<String> = self.nodes.iter().enumerate().map(stands).collect();
        format!("{}; people in {} ms", nodes.join(", "), after(self.people.next_at()))
    }

    /// Nothing is under way.
    pub fn is_still(&self) -> bool {
        let quiet = |node: &Node| {
            node.engine.as_ref().is_some_and(|engine| {
                let published = !self.relays() || engine.has_no_work_with_the_broker();
                published
                    && engine.ending == Ending::No
                    && !engine.is_writing()
                    && !engine.wants_to_form()
                    && engine.core.deadlines_held().is_none()
            })
        };
        self.people.is_idle() && self.network.under_way() == 0 && self.wires.is_empty() && self.nodes.iter().all(quiet)
    }

    /// Lets one thing happen, or moves the clock to where one can. `false`: nothing will ever happen.
    fn turn(&mut self) -> bool {
        self.figures.steps += 1;
        self.come_back();
        self.judge_time();
        if self.opened_at > 0 {
            self.audit_now_and_then();
        }
        self.gather();
        if self.steps.is_empty() {
            self.judge_idle();
            let next = self.next_at();
            if next < NEVER {
                self.clock.advance(next.since(self.now()));
            }
            return next < NEVER;
        }
        let step = self.chance.pick(&self.steps);
        if self.faults.are_on() {
            if self.chance.one_in(8) {
                self.clock.advance(Duration::from_millis(self.chance.mostly_short(1, STEP_MS_MAX)));
            }
            if self.disturb(step) {
                return true;
            }
        }
        match step {
            Step::Start(node) => self.start(node),
            Step::Form(node) => self.form(node),
            Step::Write(node) => self.write(node),
            Step::Settle(node) => self.settle(node),
            Step::Relay(node) => self.relay(node),
            Step::Subscribe(node) => self.subscribe(node),
            Step::End(node) => self.end(node),
            Step::LetGo(node) => self.let_go(node),
            Step::Act => self.act(),
            Step::Arrive => self.arrive(),
        }
        true
    }

    /// What could happen now.
    fn gather(&mut self) {
        self.steps.clear();
        let (now, relays) = (self.now(), self.nodes.len() > 1);
        for (nth, node) in self.nodes.iter().enumerate() {
            let Some(engine) = &node.engine else {
                if node.up_at <= now {
                    self.steps.push(Step::Start(nth));
                }
                continue;
            };
            if node.stalled_until > now {
                continue;
            }
            if engine.wrote.is_some() {
                self.steps.push(Step::Settle(nth));
            }
            if engine.sealed.is_some() && engine.written_at <= now {
                self.steps.push(Step::Write(nth));
            }
            if relays && self.subscribes_at(nth, engine) <= now {
                self.steps.push(Step::Subscribe(nth));
            }
            if engine.is_leaving() {
                continue;
            }
            if engine.has_finished() {
                self.steps.push(Step::End(nth));
            }
            if engine.wants_to_form() {
                self.steps.push(Step::Form(nth));
            }
            if relays && self.relays_at(engine) <= now {
                self.steps.push(Step::Relay(nth));
            }
            let due = |at: Option<Timestamp>| at.is_some_and(|at| at <= now);
            if due(engine.confirm_at) {
                self.steps.push(Step::LetGo(nth));
            }
        }
        if self.people.next_at() <= now {
            self.steps.push(Step::Act);
        }
        if self.wires.next_at() <= now {
            self.steps.push(Step::Arrive);
        }
    }

    /// When something can happen next.
    fn next_at(&self) -> Timestamp {
        let mut next = self.people.next_at().min(self.wires.next_at());
        next = self.clock_back.iter().fold(next, |next, (at, _)| next.min(*at));
        for (nth, node) in self.nodes.iter().enumerate() {
            next = next.min(node.next_at(self.now())).min(self.broker_at(nth));
        }
        next
    }

    /// When a process has something to do with the broker next.
    fn broker_at(&self, nth: usize) -> Timestamp {
        let node = &self.nodes[nth];
        match &node.engine {
            Some(engine) if self.relays() => {
                self.relays_at(engine).min(self.subscribes_at(nth, engine)).max(node.stalled_until)
            }
            _ => NEVER,
        }
    }

    fn relays_at(&self, engine: &Engine) -> Timestamp {
        let ended = engine.ending == Ending::RelayEnded || engine.is_leaving();
        let has_work = !ended && engine.relay.has_work(Duration::MAX, &engine.buffer);
        if has_work { self.time_of(engine.relay.retry_at()).unwrap_or_default() } else { NEVER }
    }

    /// When the subscriber acknowledges, or polls what is there: it need not poll in vain.
    fn subscribes_at(&self, nth: usize, engine: &Engine) -> Timestamp {
        let subscriber = &engine.subscriber;
        let (work_at, admission) = (self.time_of(subscriber.has_work_at()), engine.core.admission(0));
        if subscriber.releases(admission) {
            return Timestamp::default();
        }
        let takes_at = self.time_of(subscriber.takes_messages_at()).filter(|_| admission.takes);
        let catches_up = subscriber.is_catching_up() && !self.network.is_ready(nth, self.now());
        let receives_at = takes_at.map(|at| if catches_up { at } else { at.max(self.network.next_at(nth)) });
        work_at.unwrap_or(NEVER).min(receives_at.unwrap_or(NEVER))
    }

    /// The true time at which so much has passed since the beginning.
    fn time_of(&self, elapsed: Option<Duration>) -> Option<Timestamp> {
        // A part of a millisecond is a whole one.
        elapsed.map(|elapsed| self.began.plus(elapsed.saturating_add(Duration::from_nanos(999_999))))
    }

    /// Faults that can come with any step. `true`: the step does not happen.
    fn disturb(&mut self, step: Step) -> bool {
        let (Step::Form(node) | Step::Write(node) | Step::Settle(node) | Step::Relay(node) | Step::Subscribe(node)) =
            step
        else {
            return false;
        };
        if self.chance.one_in(8) {
            self.set_clock();
        }
        if self.chance.one_in(3) && self.faults.strike(Fault::ConsumerPaused) {
            let consumer = self.chance.pick(&shop::SERVICES);
            self.pause(consumer);
        }
        // However calm it is, a fault is never far.
        let least = ((self.figures.steps - self.opened_at) / CALM_STEPS_MAX).min(FAULTS_MIN);
        if self.faults.strike(Fault::Kill) || self.faults.strike_below(Fault::Kill, least) {
            self.crash(node, "is killed");
            return true;
        }
        let stops = self.nodes[node].engine.as_ref().is_some_and(|engine| engine.ending == Ending::No);
        if stops && self.faults.strike(Fault::Stop) {
            self.stop(node);
            return true;
        }
        if self.faults.strike(Fault::Stall) {
            let stall = self.faults.draw(Fault::Stall, |chance| chance.mostly_short(200, 600_000)).unwrap_or(0);
            self.nodes[node].stalled_until = self.now().plus(Duration::from_millis(stall));
            self.trace.note(|| format!("{} stands still for {stall} ms", self.nodes[node].name));
            return true;
        }
        false
    }

    fn start(&mut self, nth: usize) {
        let start = Start {
            shop: &self.shop,
            registry: &self.registry,
            clock: &self.clock,
            gate: &self.gate,
            faults: &self.faults,
            trace: &self.trace,
            relays: self.nodes.len() > 1,
        };
        let started = self.nodes[nth].start(&start);
        self.trace.note(|| format!("{} starts", self.nodes[nth].name));
        if let Err(error) = started {
            self.violate(format!("store {}", self.nodes[nth].name), format!("cannot be opened again: {error}"));
        }
    }
}

/// A phase of a seed that takes more steps than this does not end.
const STEPS_MAX: u64 = 200_000;
