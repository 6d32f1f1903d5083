//! The services, each over a store of its own. What a service looks like is kept once, however many situations it is
//! part of, and so is what it does with what it is told: a handler is pure, so it runs once for the same rows and the
//! same message.

use std::{
    rc::Rc,
    sync::{Arc, LazyLock},
    time::Duration,
};

use rustc_hash::FxHashMap;
use tradewind_engine::{
    AnyService, Emitted, Entity, EntityRef, Stop,
    handlers::{Done, Handlers, Moment, Row, Rows},
    tables::{JobRow, JobState, TimerRow},
};
use tradewind_events::{AsKey, Envelope, Event, Id, KeyText, Timestamp, id, orders, payments};

use crate::{canonical, judge::Judge, stimulus::Stimulus};

/// A service, by its place in [`Stores`].
pub type Seat = usize;

/// A service as it may look.
pub type LocalId = u32;

/// Something that one service can be told.
pub type StimulusId = u32;

/// The rows of one service, with its timers and jobs, and its clock.
pub struct Local {
    pub seat: Seat,
    pub rows: Rows,
    pub moment: Moment,
    /// Events that may be said once only.
    pub told: Vec<Arc<Envelope>>,
    /// A rule that these rows break.
    pub wrong: Option<Arc<str>>,
}

/// What comes of telling a service something.
#[derive(Clone)]
pub enum Effect {
    Nothing,
    /// It waits for a fact of another key.
    Waits,
    /// A command was refused.
    Refused,
    /// A message would be a dead letter.
    Broken(Rc<str>),
    Changed(Rc<Change>),
}

pub struct Change {
    pub local: LocalId,
    /// What is on its way because of it, once for each service that hears it.
    pub sent: Vec<StimulusId>,
    /// The names of all that was said.
    pub said: Vec<&'static str>,
}

/// Everything that is known so far of how services can look and what they do.
pub struct Stores {
    pub judge: Judge,
    handlers: Vec<Handlers>,
    hears: Vec<Vec<&'static str>>,
    pub locals: Vec<Local>,
    local_ids: FxHashMap<u128, LocalId>,
    pub stimuli: Vec<(Seat, Rc<Stimulus>)>,
    stimulus_ids: FxHashMap<u128, StimulusId>,
    effects: FxHashMap<(LocalId, StimulusId), Effect>,
}

/// Of each order, or of its payment, said once at most.
const ONCE: [&str; 4] = [
    orders::OrderCompleted::NAME,
    orders::OrderRejected::NAME,
    orders::OrderCancelled::NAME,
    payments::PaymentCaptured::NAME,
];

/// What a service takes for one message, so that no two moments are the same.
const TICK: Duration = Duration::from_secs(1);

/// All that happens follows from one request.
static REQUEST: LazyLock<Id> = LazyLock::new(|| id("request"));

impl Stores {
    /// Services without a row. `deaf` names those, with an event each, that do not hear it.
    pub fn new(services: impl Fn() -> Vec<AnyService>, deaf: &[(String, String)]) -> Self {
        let (judge, services) = (Judge::new(services()), services());
        let hears = services.iter().map(|service| {
            let hears = |event: &&'static str| !deaf.iter().any(|(who, what)| *who == service.name && what == event);
            service.consumed_events().flatten().filter(hears).collect()
        });
        Self {
            judge,
            hears: hears.collect(),
            handlers: services.into_iter().map(Handlers::new).collect(),
            locals: Vec::new(),
            local_ids: FxHashMap::default(),
            stimuli: Vec::new(),
            stimulus_ids: FxHashMap::default(),
            effects: FxHashMap::default(),
        }
    }

    pub fn seat(&self, service: &str) -> Seat {
        self.handlers.iter().position(|known| known.service() == service).unwrap_or_default()
    }

    pub fn service(&self, seat: Seat) -> &'static str {
        self.handlers[seat].service()
    }

    pub fn seats(&self) -> usize {
        self.handlers.len()
    }

    /// How many times a handler was run.
    pub fn runs(&self) -> usize {
        self.effects.len()
    }

    /// A service without a row.
    pub fn empty(&mut self, seat: Seat) -> LocalId {
        self.keep(Local::empty(seat))
    }

    pub fn stimulus(&mut self, seat: Seat, stimulus: Stimulus) -> StimulusId {
        let mut bytes = seat.to_le_bytes().to_vec();
        stimulus.canonical(&mut bytes);
        let next = number(self.stimuli.len());
        let known = *self.stimulus_ids.entry(canonical::fingerprint(&bytes)).or_insert(next);
        if known == next {
            self.stimuli.push((seat, Rc::new(stimulus)));
        }
        known
    }

    /// Tells a service something.
    pub fn effect(&mut self, local: LocalId, stimulus: StimulusId) -> Effect {
        if let Some(known) = self.effects.get(&(local, stimulus)) {
            return known.clone();
        }
        let effect = self.find_out(local, stimulus);
        self.effects.insert((local, stimulus), effect.clone());
        effect
    }

    fn find_out(&mut self, local: LocalId, stimulus: StimulusId) -> Effect {
        let (seat, told) = (self.stimuli[index(stimulus)].0, Rc::clone(&self.stimuli[index(stimulus)].1));
        let before = &self.locals[index(local)];
        let moment = Moment { now: told.at(before, before.moment.now.plus(TICK)), ..before.moment };
        let done = match told.run(&mut self.handlers[seat], before, moment) {
            Ok(done) => done,
            Err(Stop::Refused(_)) if matches!(*told, Stimulus::Ask(_)) => return Effect::Refused,
            Err(Stop::NotYet(_)) => return Effect::Waits,
            Err(Stop::Refused(problem)) => return Effect::Broken(problem.to_string().into()),
            Err(Stop::Missing) => return Effect::Broken("it stopped for rows without naming one".into()),
            Err(Stop::Broken(reason)) => return Effect::Broken(reason.into()),
        };
        self.changed(local, Moment { minted: done.minted, ..moment }, done)
    }

    fn changed(&mut self, local: LocalId, moment: Moment, done: Done) -> Effect {
        let before = &self.locals[index(local)];
        let at = before.seat;
        let (mut rows, mut told) = (before.rows.clone(), before.told.clone());
        for (key, row) in done.rows {
            match row {
                Some(row) => rows.insert(key, row),
                None => rows.remove(&key),
            };
        }
        let said: Vec<&'static str> = done.said.iter().map(|said| said.event.name()).collect();
        let mut sent = Vec::new();
        for said in done.said {
            let envelope = Arc::new(envelope(self.service(at), said, moment.now));
            if ONCE.contains(&envelope.event.name()) {
                told.push(Arc::clone(&envelope));
            }
            sent.extend(self.send(&envelope));
        }
        let after = self.keep(Local { seat: at, rows, moment, told, wrong: None });
        if after == local && sent.is_empty() {
            return Effect::Nothing;
        }
        Effect::Changed(Rc::new(Change { local: after, sent, said }))
    }

    /// An event on its way to each service that hears it.
    fn send(&mut self, envelope: &Arc<Envelope>) -> Vec<StimulusId> {
        let name = envelope.event.name();
        let heard_by: Vec<Seat> = (0..self.seats()).filter(|seat| self.hears[*seat].contains(&name)).collect();
        heard_by.into_iter().map(|seat| self.stimulus(seat, Stimulus::Hear(Arc::clone(envelope)))).collect()
    }

    /// A fact that a service says which does not take part.
    pub fn fact<E: Event>(&mut self, source: &'static str, event: E) -> Vec<StimulusId> {
        let subject = event.subject();
        let said = Emitted { event: Arc::new(event), source: None, subject, sequence: 1 };
        self.send(&Arc::new(envelope(source, said, Timestamp::default())))
    }

    /// The number of how a service looks. Which of those that look the same is kept does not matter.
    fn keep(&mut self, mut local: Local) -> LocalId {
        let mut bytes = local.seat.to_le_bytes().to_vec();
        canonical::rows(&local.rows, &mut bytes);
        for envelope in &local.told {
            canonical::text(envelope.event.name(), &mut bytes);
        }
        let next = number(self.locals.len());
        let known = *self.local_ids.entry(canonical::fingerprint(&bytes)).or_insert(next);
        if known == next {
            local.wrong = self.judge.local(&local).map(Arc::from);
            self.locals.push(local);
        }
        known
    }
}

fn envelope(source: &'static str, said: Emitted, time: Timestamp) -> Envelope {
    let Emitted { event, source: imported, subject, sequence } = said;
    let source = imported.unwrap_or(KeyText::literal(source));
    Envelope {
        id: id(&format!("{source}-{}-{sequence}", event.name())),
        source,
        key: event.key().clone(),
        subject,
        time,
        sequence,
        correlation_id: REQUEST.clone(),
        causation_id: None,
        traceparent: None,
        event,
    }
}

impl Local {
    /// A service without a row.
    pub fn empty(seat: Seat) -> Self {
        Self { seat, rows: Rows::new(), moment: Moment::default(), told: Vec::new(), wrong: None }
    }

    /// A row by its key.
    pub fn row<E: Entity>(&self, key: impl AsKey) -> Option<&E> {
        let key = EntityRef { table: E::TABLE.name, key: key.as_key() };
        self.rows.get(&key).and_then(entity)
    }

    /// Every row of a table.
    pub fn each<E: Entity>(&self) -> impl Iterator<Item = &E> {
        self.rows.iter().filter(|(key, _)| key.table == E::TABLE.name).filter_map(|(_, row)| entity(row))
    }

    pub fn timers(&self) -> impl Iterator<Item = &TimerRow> {
        self.each()
    }

    /// Jobs that a worker may take.
    pub fn jobs(&self) -> impl Iterator<Item = &JobRow> {
        self.each::<JobRow>().filter(|job| job.state == JobState::Waiting)
    }
}

fn entity<E: Entity>(row: &Row) -> Option<&E> {
    row.entity.as_any().downcast_ref()
}

pub fn number(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

pub fn index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
