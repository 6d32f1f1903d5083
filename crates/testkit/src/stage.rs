//! A stage: services on the real engine, over a store in memory, with a clock that is moved by hand. One step at a
//! time and without threads, so that a test says exactly what happens when.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tradewind_engine::{
    Answered, AnyService, Command, CommandMessage, Context, Core, EngineTime, Entity, Formed, Job, Limits, Logged,
    Message, Problem, Prune, Received, RelayOrder, Setup, StoredAnswer, TriedJob, TryOutcome,
    operator::{Action, Done, Operator},
    ports::{CommitError, Reader, Writer},
    tables::{DeadLetterRow, DeadLetterState, JobRow, ParkedRow},
};
use tradewind_events::{AnyEvent, AsKey, Envelope, Event, Id, KeyText, Registry, Subject, Timestamp, id};
use tradewind_memory::{CountedIds, ManualClock, MemoryStore, MemoryWriter};

use crate::{cache, clock_moves, manual_clock};

/// The name of a store that is alone.
const STAGE: &str = "stage";

/// Services in one store, and what was seen of them.
pub struct Stage {
    core: Core,
    store: MemoryStore,
    writer: MemoryWriter,
    clock: ManualClock,
    committed_at: Timestamp,
    registry: Registry,
    said: Vec<Logged>,
    relay: Vec<RelayOrder>,
    /// Numbers of the events that the stage has played for other stores, by source and subject.
    sequences: BTreeMap<(String, Subject), u64>,
    requests: u64,
}

impl Stage {
    pub fn new(services: impl IntoIterator<Item = AnyService>) -> Self {
        // A test may move the clock by days: that is no accident here.
        let limits = Limits { clock_jump_max: Duration::MAX, ..Limits::default() };
        Self::with(services, tradewind_events::registry(), limits)
    }

    /// One store of several. Its name stands in the ids of its events and in those that its services mint.
    pub fn named(name: &str, services: impl IntoIterator<Item = AnyService>) -> Self {
        let limits = Limits { clock_jump_max: Duration::MAX, ..Limits::default() };
        Self::begin(name, MemoryStore::new(), services, (tradewind_events::registry(), limits))
    }

    /// With events of one's own, and other limits.
    pub fn with(services: impl IntoIterator<Item = AnyService>, registry: Registry, limits: Limits) -> Self {
        Self::over(MemoryStore::new(), services, registry, limits)
    }

    /// Over a store that is there already: what it holds is found again, as after a restart.
    pub fn over(
        store: MemoryStore,
        services: impl IntoIterator<Item = AnyService>,
        registry: Registry,
        limits: Limits,
    ) -> Self {
        Self::begin(STAGE, store, services, (registry, limits))
    }

    fn begin(
        name: &str,
        store: MemoryStore,
        services: impl IntoIterator<Item = AnyService>,
        (registry, mut limits): (Registry, Limits),
    ) -> Self {
        let clock = manual_clock();
        if clock_moves() {
            // A batch takes in what comes, however long a test lets it be open.
            limits.batch_forming_max = Duration::MAX;
        }
        let (epoch, writer) = store.own();
        let core = Core::new(Setup {
            store_name: name.into(),
            epoch,
            services: services.into_iter().collect(),
            registry: registry.clone(),
            reader: Arc::new(store.clone()),
            clock: EngineTime::new(Arc::new(clock.clone())),
            ids: Box::new(CountedIds::new(&format!("{}{epoch}", if name == STAGE { "id" } else { name }))),
            limits: cache::limits(limits),
            observer: Arc::new(()),
            log_remote: true,
        })
        .expect("the store in memory can be read");
        Self {
            core,
            store,
            writer,
            clock,
            committed_at: Timestamp::default(),
            registry,
            said: Vec::new(),
            relay: Vec::new(),
            sequences: BTreeMap::new(),
            requests: 0,
        }
    }

    /// Sends a command and runs until all is settled.
    pub fn ask<C: Command>(&mut self, command: C) -> Result<C::Answer, Problem> {
        let context = self.context();
        let message = CommandMessage::new(command, context, |_| StoredAnswer::default());
        let answered = self.answer_to(message)?;
        let typed = answered.typed.expect("a command without an idempotency key is never replayed");
        Ok(*typed.downcast().expect("the answer has the command's type"))
    }

    /// Sends a prepared command, runs until all is settled, and gives the answer.
    pub fn answer_to(&mut self, message: CommandMessage) -> Result<Answered, Problem> {
        let answer = Arc::new(Mutex::new(None));
        let slot = Arc::clone(&answer);
        let message = message.reply(move |answered| {
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(answered);
        });
        self.core.accept(Message::Command(message));
        self.run();
        let answered = answer.lock().unwrap_or_else(PoisonError::into_inner).take();
        answered.expect("every command is answered")
    }

    /// An operator's action on the engine.
    pub fn operate(&mut self, action: Action) -> Result<Done, Problem> {
        let context = self.context();
        let operator = Operator { actor: "operator".into(), action };
        let answered = self.answer_to(CommandMessage::operator(operator, context, |_| StoredAnswer::default()))?;
        let typed = answered.typed.expect("an action without an idempotency key is never replayed");
        Ok(*typed.downcast().expect("an operator is told what was done"))
    }

    /// A context of a new request.
    pub fn context(&mut self) -> Context {
        self.requests += 1;
        let request_id = id(&format!("request-{}", self.requests));
        Context { correlation_id: request_id.clone(), request_id, traceparent: None }
    }

    /// An event of another store arrives; its id is given back.
    pub fn hear<E: Event>(&mut self, event: E) -> Id {
        self.requests += 1;
        let event_id = id(&format!("heard-{}", self.requests));
        self.hear_as(event_id.as_str(), event)
    }

    /// An event of another store arrives under this id: the same id again is the same event again.
    pub fn hear_as<E: Event>(&mut self, event_id: &str, event: E) -> Id {
        let envelope = self.envelope(event_id, event);
        self.hear_envelope(envelope)
    }

    /// An envelope of another store arrives.
    pub fn hear_envelope(&mut self, envelope: Envelope) -> Id {
        let event_id = envelope.id.clone();
        self.core.accept(Message::Received(Received { envelope: Arc::new(envelope), receipt: None }));
        self.run();
        event_id
    }

    /// The envelope that the producing service would put around an event now.
    pub fn envelope<E: Event>(&mut self, event_id: &str, event: E) -> Envelope {
        let source = self.registry.get(E::NAME).unwrap_or_else(|| panic!("{} is not registered", E::NAME)).source;
        let subject = Event::subject(&event);
        let sequence = self.sequences.entry((source.to_owned(), subject.clone())).or_default();
        *sequence += 1;
        Envelope {
            id: id(event_id),
            source: KeyText::literal(source),
            subject,
            key: Event::key(&event).clone(),
            time: self.core.clock().now(),
            sequence: *sequence,
            correlation_id: Event::key(&event).clone(),
            causation_id: None,
            traceparent: None,
            event: Arc::new(event),
        }
    }

    /// Puts a message in line without running anything.
    pub fn accept(&mut self, message: Message) {
        self.core.accept(message);
    }

    /// Runs until nothing is left to do now. Panics when the store refuses for a reason that stops an engine.
    pub fn run(&mut self) {
        while self.step() {}
    }

    /// Forms one batch and commits it; `false` when there was nothing to do.
    pub fn step(&mut self) -> bool {
        let formed = self.core.form().expect("the store in memory can be read");
        let mut settled = match formed {
            Formed::Nothing => return false,
            Formed::Unchanged => self.core.settled(),
            Formed::Batch(sealed) => {
                let commit = sealed.encode().expect("what services say can be encoded");
                match self.writer.commit(&commit) {
                    Ok(()) => {
                        self.committed_at = commit.at;
                        self.core.committed()
                    }
                    Err(error) => {
                        self.core.failed(error).expect("only a message can be at fault here");
                        return true;
                    }
                }
            }
        };
        for batch in &mut settled {
            self.said.extend(batch.events.iter().filter(|event| !event.remote).cloned());
            self.relay.append(&mut batch.relay);
            batch.answer();
        }
        true
    }

    /// What operators have decided for the relay since this was asked last.
    pub fn take_relay_orders(&mut self) -> Vec<RelayOrder> {
        std::mem::take(&mut self.relay)
    }

    /// Moves the clock and fires what is due.
    pub fn advance(&mut self, by: Duration) {
        self.move_clock(|clock| clock.advance(by));
    }

    /// Moves the clock to this moment, which is not past, and fires what is due.
    pub fn advance_to(&mut self, at: Timestamp) {
        // The clock may move by itself until the batch is open in which it is moved.
        let time = self.core.clock().clone();
        self.move_clock(|clock| clock.advance(time.wait_for(at)));
    }

    /// Somebody sets the wall clock, ahead or back by so many milliseconds; fires what is due then.
    pub fn jump(&mut self, by_ms: i64) {
        self.move_clock(|clock| clock.jump(by_ms));
    }

    /// Moves the clock, inside a batch if the test runs so, and runs what is due then. What falls due inside a batch is
    /// for the next one.
    fn move_clock(&mut self, change: impl FnOnce(&ManualClock)) {
        if clock_moves() {
            if self.core.waiting() == 0 {
                // A message that changes nothing.
                self.core.accept(Message::Prune(Prune::default()));
            }
            self.core.extend(usize::MAX).expect("the store in memory can be read");
        }
        change(&self.clock);
        self.run();
    }

    /// The time of the last batch that was committed, as its handlers saw it. [`Stage::now`] is later if the
    /// clock moves inside batches.
    pub fn committed_at(&self) -> Timestamp {
        self.committed_at
    }

    /// Engine time.
    pub fn now(&self) -> Timestamp {
        self.core.clock().now()
    }

    /// The names of all events said since [`Stage::clear`], in the order of the log.
    pub fn said_names(&self) -> Vec<&'static str> {
        self.said.iter().map(|event| event.envelope.event.name()).collect()
    }

    /// The events of one type said since [`Stage::clear`].
    pub fn said<E: Event + Clone>(&self) -> Vec<E> {
        let events = self.said.iter().map(|event| event.envelope.event.as_any());
        events.filter_map(|event| event.downcast_ref::<E>().cloned()).collect()
    }

    /// Everything said since [`Stage::clear`], with envelopes.
    pub fn log(&self) -> &[Logged] {
        &self.said
    }

    pub fn clear(&mut self) {
        self.said.clear();
    }

    /// A committed row.
    pub fn row<E: Entity>(&self, key: impl AsKey) -> Option<E> {
        let rows = self.store.load(E::TABLE, &[key.as_key()]).expect("the store in memory can be read");
        let row = rows.into_iter().next().flatten()?;
        Some(E::from_row(&row.values).expect("a row is read as it was written"))
    }

    /// All committed rows by key.
    pub fn rows<E: Entity>(&self) -> Vec<E> {
        let rows = self.store.rows(E::TABLE);
        rows.iter().map(|row| E::from_row(&row.values).expect("a row is read as it was written")).collect()
    }

    /// Jobs of this kind that are not done, with their keys.
    pub fn jobs<K: Job>(&self) -> Vec<(Id, K::Request)> {
        let jobs = self.rows::<JobRow>().into_iter().filter(|job| &*job.kind == K::NAME);
        jobs.map(|job| {
            let request = serde_json::from_str(&job.request).expect("a request is read as it was written");
            (job.id, request)
        })
        .collect()
    }

    /// The worker has done the job.
    pub fn finish<K: Job>(&mut self, key: &Id, reply: &K::Reply) {
        let reply = serde_json::to_string(reply).expect("a reply is a wire type");
        self.try_job(key, TryOutcome::Done(reply));
    }

    /// The worker has tried the job.
    pub fn try_job(&mut self, key: &Id, outcome: TryOutcome) {
        self.core.accept(Message::Tried(TriedJob { id: key.clone(), outcome }));
        self.run();
    }

    /// Dead letters that nobody has settled.
    pub fn dead_letters(&self) -> Vec<DeadLetterRow> {
        self.rows::<DeadLetterRow>().into_iter().filter(|row| row.state == DeadLetterState::Dead).collect()
    }

    pub fn parked(&self) -> Vec<ParkedRow> {
        self.rows()
    }

    /// The store, for rules, faults and restarts.
    pub fn store(&self) -> &MemoryStore {
        &self.store
    }

    pub fn core(&mut self) -> &mut Core {
        &mut self.core
    }

    /// The next commit fails like this.
    pub fn fail_next_commit(&self, error: CommitError) {
        self.store.fail_next_commit(error);
    }

    /// What an event would look like to a reader of the log.
    pub fn data(event: &dyn AnyEvent) -> serde_json::Value {
        let mut bytes = Vec::new();
        event.encode(&mut bytes).expect("an event is a wire type");
        serde_json::from_slice(&bytes).expect("an event is JSON")
    }
}
