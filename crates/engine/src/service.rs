//! A service: its name, its entities, and a table of handlers.

use std::{
    any::Any,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use tradewind_events::{AnyEvent, Event, Id, KeyText, bridge_and_role};

use crate::{
    Answer, Cause, Command, Entity, Finished, IMPORTED_SOURCES_MAX, Job, Outcome, Stop, Table, Timer, UnitOfWork, Uow,
    message::AnyAnswer,
    tables::{JobRow, TimerRow},
};

/// What names a service and holds its configuration. Handlers read it with [`Uow::settings`].
pub trait Settings: Send + Sync + 'static {
    /// Stable: it stands in events (as their source), stores and metrics. It has no dot.
    const SERVICE: &'static str;
}

/// A service under construction: the list of what it owns and what it does on one page.
pub struct Service<S> {
    settings: Arc<S>,
    any: AnyService,
}

/// A complete service, its types forgotten.
pub struct AnyService {
    pub name: &'static str,
    pub tables: Vec<&'static Table>,
    /// What it emits as beside its own name: [`Service::emits_as`].
    pub sources: BTreeSet<KeyText>,
    pub(crate) commands: BTreeMap<&'static str, CommandHandler>,
    pub(crate) reactions: Vec<Reaction>,
    pub(crate) timers: BTreeMap<&'static str, TimerHandler>,
    pub(crate) finished: BTreeMap<&'static str, FinishedHandler>,
    /// Of jobs that are erased when they are given up.
    pub(crate) erase: BTreeMap<&'static str, fn(&str) -> String>,
}

/// One "when this event, do that".
pub struct Reaction {
    /// The event's name; `None` hears every event.
    pub event: Option<&'static str>,
    pub(crate) run: EventHandler,
}

pub(crate) type CommandHandler =
    Arc<dyn Fn(&mut UnitOfWork, &Cause, &dyn Any) -> Result<AnyAnswer, Stop> + Send + Sync>;
pub(crate) type EventHandler = Arc<dyn Fn(&mut UnitOfWork, &Cause, &dyn AnyEvent) -> Outcome + Send + Sync>;
pub(crate) type TimerHandler = Arc<dyn Fn(&mut UnitOfWork, &Cause, &Id) -> Outcome + Send + Sync>;
pub(crate) type FinishedHandler = Arc<dyn Fn(&mut UnitOfWork, &Cause, &JobResult<'_>) -> Outcome + Send + Sync>;

/// How a job ended, undecoded.
pub(crate) struct JobResult<'a> {
    pub key: &'a Id,
    pub request: &'a str,
    pub reply: &'a str,
    pub attempts: u32,
}

/// Why a service cannot emit as a source.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSource {
    #[error("{source_name:?} is not BRIDGE.ROLE, two names with one dot between")]
    Form { source_name: KeyText },
    #[error("{source_name} does not begin with the name of its service, {service}")]
    OtherService { source_name: KeyText, service: &'static str },
    #[error("{service} declares more than {IMPORTED_SOURCES_MAX} sources")]
    TooMany { service: &'static str },
}

impl<S: Settings> Service<S> {
    /// # Panics
    /// When the service's name has a dot: it would be taken for the role of a bridge.
    pub fn new(settings: S) -> Self {
        assert!(!S::SERVICE.contains('.'), "{} has a dot in its name", S::SERVICE);
        let any = AnyService {
            name: S::SERVICE,
            tables: Vec::new(),
            sources: BTreeSet::new(),
            commands: BTreeMap::new(),
            reactions: Vec::new(),
            timers: BTreeMap::new(),
            finished: BTreeMap::new(),
            erase: BTreeMap::new(),
        };
        Self { settings: Arc::new(settings), any }
    }

    #[must_use]
    pub fn owns<E: Entity<Owner = S>>(mut self) -> Self {
        self.any.tables.push(E::TABLE);
        self
    }

    /// Lets the service emit as `BRIDGE.ROLE` ([`Uow::emit_as`]), as a bridge does with what it imports from the foreign
    /// system that plays the role. BRIDGE is the service's own name. At most [`IMPORTED_SOURCES_MAX`] sources; one that is
    /// declared twice counts once.
    pub fn emits_as(mut self, source: KeyText) -> Result<Self, InvalidSource> {
        match bridge_and_role(&source) {
            None => Err(InvalidSource::Form { source_name: source }),
            Some((bridge, _)) if bridge != S::SERVICE => {
                Err(InvalidSource::OtherService { source_name: source, service: S::SERVICE })
            }
            Some(_) => {
                self.any.sources.insert(source);
                let fits = self.any.sources.len() <= IMPORTED_SOURCES_MAX;
                if fits { Ok(self) } else { Err(InvalidSource::TooMany { service: S::SERVICE }) }
            }
        }
    }

    /// # Panics
    /// When another command has this name.
    #[must_use]
    pub fn command<C: Command<Owner = S>>(mut self, run: fn(&mut Uow<'_, S>, &C) -> Answer<C::Answer>) -> Self {
        let settings = Arc::clone(&self.settings);
        let handler: CommandHandler = Arc::new(move |work, cause, command| {
            let command = command.downcast_ref::<C>().ok_or_else(|| wrong_type(C::NAME))?;
            let answer = run(&mut Uow::new(work, &settings, cause), command)?;
            Ok(Box::new(answer))
        });
        let before = self.any.commands.insert(C::NAME, handler);
        assert!(before.is_none(), "{} has two commands named {}", S::SERVICE, C::NAME);
        self
    }

    #[must_use]
    pub fn on<E: Event>(mut self, run: fn(&mut Uow<'_, S>, &E) -> Outcome) -> Self {
        let settings = Arc::clone(&self.settings);
        let run: EventHandler = Arc::new(move |work, cause, event| {
            let event = event.as_any().downcast_ref::<E>().ok_or_else(|| wrong_type(E::NAME))?;
            run(&mut Uow::new(work, &settings, cause), event)
        });
        self.any.reactions.push(Reaction { event: Some(E::NAME), run });
        self
    }

    /// Handles every event, before the handlers of single event types. For projections of the whole log.
    #[must_use]
    pub fn on_every(mut self, run: fn(&mut Uow<'_, S>, &dyn AnyEvent) -> Outcome) -> Self {
        let settings = Arc::clone(&self.settings);
        let run: EventHandler = Arc::new(move |work, cause, event| run(&mut Uow::new(work, &settings, cause), event));
        self.any.reactions.insert(0, Reaction { event: None, run });
        self
    }

    /// # Panics
    /// When another timer has this name.
    #[must_use]
    pub fn timer(mut self, timer: Timer<S>, run: fn(&mut Uow<'_, S>, &Id) -> Outcome) -> Self {
        let settings = Arc::clone(&self.settings);
        let handler: TimerHandler = Arc::new(move |work, cause, key| run(&mut Uow::new(work, &settings, cause), key));
        let before = self.any.timers.insert(timer.name, handler);
        assert!(before.is_none(), "{} has two timers named {}", S::SERVICE, timer.name);
        self
    }

    /// What to do when a job has ended.
    ///
    /// # Panics
    /// When another job has this name.
    #[must_use]
    pub fn finished<K: Job<Owner = S>>(mut self, run: fn(&mut Uow<'_, S>, &Finished<K>) -> Outcome) -> Self {
        let settings = Arc::clone(&self.settings);
        let handler: FinishedHandler = Arc::new(move |work, cause, job| {
            let finished = Finished {
                key: job.key.clone(),
                request: serde_json::from_str(job.request).map_err(Stop::broken)?,
                reply: serde_json::from_str(job.reply).map_err(Stop::broken)?,
                attempts: job.attempts,
            };
            run(&mut Uow::new(work, &settings, cause), &finished)
        });
        if K::ERASED_WHEN_EXHAUSTED {
            self.any.erase.insert(K::NAME, erased::<K>);
        }
        let before = self.any.finished.insert(K::NAME, handler);
        assert!(before.is_none(), "{} has two jobs named {}", S::SERVICE, K::NAME);
        self
    }

    pub fn build(self) -> AnyService {
        self.any
    }
}

impl AnyService {
    /// The events that it hears, in the order of its table; `None` stands for every event.
    pub fn consumed_events(&self) -> impl Iterator<Item = Option<&'static str>> {
        self.reactions.iter().map(|reaction| reaction.event)
    }

    pub fn command_names(&self) -> impl Iterator<Item = &'static str> {
        self.commands.keys().copied()
    }

    pub fn timer_names(&self) -> impl Iterator<Item = &'static str> {
        self.timers.keys().copied()
    }
}

/// Its handlers as they are run, by the engine and by hand alike.
impl AnyService {
    /// Every reaction to the event, in the order of the table.
    pub(crate) fn consume(&self, work: &mut UnitOfWork, cause: &Cause, event: &dyn AnyEvent) -> Outcome {
        let name = event.name();
        for reaction in self.reactions.iter().filter(|reaction| reaction.event.is_none_or(|only| only == name)) {
            (reaction.run)(work, cause, event)?;
        }
        Ok(())
    }

    /// A timer is due: it is gone, and its handler runs.
    pub(crate) fn fire(&self, work: &mut UnitOfWork, cause: &Cause, timer: &TimerRow) -> Outcome {
        let handler = self.timers.get(&*timer.name);
        let handler =
            handler.ok_or_else(|| Stop::Broken(format!("{} has no timer named {}", self.name, timer.name)))?;
        work.delete::<TimerRow>(timer.key());
        handler(work, cause, &timer.key)
    }

    /// A job has ended: it is gone before it is told, so that the service can ask again under the same key.
    pub(crate) fn finish(&self, work: &mut UnitOfWork, cause: &Cause, job: &JobRow, reply: &str) -> Outcome {
        let handler = self.finished.get(&*job.kind);
        let handler = handler.ok_or_else(|| Stop::Broken(format!("{} has no job named {}", self.name, job.kind)))?;
        work.delete::<JobRow>(job.key());
        let result = JobResult { key: &job.id, request: &job.request, reply, attempts: job.attempts };
        handler(work, cause, &result)
    }
}

impl<S: Settings> From<Service<S>> for AnyService {
    fn from(service: Service<S>) -> Self {
        service.build()
    }
}

/// A job's request without what is personal in it.
fn erased<K: Job>(request: &str) -> String {
    let request: Result<K::Request, _> = serde_json::from_str(request);
    // What cannot be read is nobody's loss.
    request.and_then(|request| tradewind_events::mask(|| serde_json::to_string(&request))).unwrap_or_default()
}

/// Two types share one name: a defect of the build, not of a message.
fn wrong_type(name: &str) -> Stop {
    Stop::Broken(format!("two types are named {name}"))
}
