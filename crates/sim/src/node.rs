//! One process of the shop: a store, the engine over it, and its relay. What is here is lost when it dies, but for the
//! store.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use tradewind_engine::{
    AnyService, Core, EngineTime, Entity, Gate, Logged, Retention, Sealed, Setup, injected,
    ports::{CommitError, Reader, StoreError, Writer},
    tables::RelayRow,
};
use tradewind_events::{AsKey, Id, Key, RawEnvelope, Registry, Timestamp};
use tradewind_memory::{CountedIds, ManualClock, MemoryStore};

use crate::{
    fault::Faults,
    network::NEVER,
    order::Behind,
    punctual::{Dues, Hands},
    rejecting::rejecting,
    shop::Shop,
    trace::Trace,
};

/// Why deadlines are held after a start.
const CATCHING_UP: &str = "the consumers are catching up";

/// Deadlines are held no longer than this after a start.
const CATCHING_UP_MAX: Duration = Duration::from_secs(30);

/// A store with the process that owns it.
pub struct Node {
    pub name: Arc<str>,
    pub services: Vec<&'static str>,
    pub store: MemoryStore,
    /// None: nobody owns the store now.
    pub engine: Option<Engine>,
    /// When the next process starts.
    pub up_at: Timestamp,
    /// Until then it stands still.
    pub stalled_until: Timestamp,
    /// The last segment of which all was published at least once.
    pub published: u64,
    /// What is due when, as it was committed.
    pub dues: Dues,
    /// What is parked until its consumers go on.
    pub behind: Behind,
}

/// What a process has in memory.
pub struct Engine {
    pub core: Core,
    pub retention: Retention,
    pub writer: Box<dyn Writer>,
    pub epoch: u64,
    /// The batch on its way to the writer.
    pub sealed: Option<Sealed>,
    /// What the writer has done and the loop has not taken notice of.
    pub wrote: Option<Result<(), CommitError>>,
    pub relay: Relay,
    /// Look for work, although no message waits.
    pub look: bool,
    /// Deadlines are held until then, or until all is heard that was there at the start.
    pub catching_up_until: Option<Timestamp>,
    /// When an operator confirms a jump of the clock.
    pub confirm_at: Option<Timestamp>,
    pub hands: Hands,
    /// The writer needs until then for the batch that it has.
    pub written_at: Timestamp,
}

/// Publishes what is committed, in the order of the log.
pub struct Relay {
    /// All up to this segment is acknowledged by the broker.
    pub mark: u64,
    /// The mark that is on its way to the store, or there.
    pub saved: u64,
    /// The last segment that is durable.
    pub last: u64,
    /// What was committed and is still in memory.
    pub buffer: VecDeque<(u64, Arc<[Logged]>)>,
    /// After a failure it waits until then.
    pub retry_at: Timestamp,
    /// The mark is saved after so many segments, and whenever the relay has caught up.
    pub save_every: u64,
    /// Segments that it has published ahead of a failed one. Only a defect makes it do so.
    pub ahead: Vec<u64>,
}

/// What a process is started with.
pub struct Start<'a> {
    pub shop: &'a Shop,
    pub registry: &'a Registry,
    pub clock: &'a ManualClock,
    pub gate: &'a Arc<dyn Gate>,
    pub faults: &'a Faults,
    pub trace: &'a Trace,
    pub save_every: u64,
}

impl Node {
    pub fn new(nth: usize, services: Vec<&'static str>) -> Self {
        Self {
            name: format!("s{nth}").into(),
            services,
            store: MemoryStore::new(),
            engine: None,
            up_at: Timestamp::default(),
            stalled_until: Timestamp::default(),
            published: 0,
            dues: Dues::default(),
            behind: Behind::default(),
        }
    }

    pub fn holds(&self, service: &str) -> bool {
        self.services.contains(&service)
    }

    /// Its services, as they are configured.
    pub fn build(&self, shop: &Shop) -> Vec<AnyService> {
        self.services.iter().map(|name| shop.service(name)).collect()
    }

    /// A process takes the store over, and finds what was committed.
    pub fn start(&mut self, with: &Start<'_>) -> Result<(), StoreError> {
        let now = with.clock.true_time();
        let (epoch, writer) = self.store.own();
        let services: Vec<_> = self.build(with.shop).into_iter().map(|service| service.gated(with.gate)).collect();
        let mut core = Core::new(Setup {
            store_name: Arc::clone(&self.name),
            epoch,
            services,
            registry: with.registry.clone(),
            reader: Arc::new(rejecting(self.store.clone(), with.faults, with.trace)),
            clock: EngineTime::new(Arc::new(with.clock.clone())),
            // Ids sort by the order in which they were minted, also over a restart.
            ids: Box::new(CountedIds::new(&format!("{}.{epoch:03}", self.name))),
            limits: with.shop.limits.clone(),
            observer: Arc::new(()),
            log_heard: self.holds("query"),
        })?;
        core.hold_deadlines(Some(CATCHING_UP));
        let last = self.store.last_segment()?;
        let mark = if injected("publish-only-from-memory") { last } else { self.saved_mark()? };
        let hands = Hands::new(now, core.clock().now());
        self.engine = Some(Engine {
            core,
            retention: Retention::new(Arc::new(self.store.clone()), &with.shop.limits),
            writer: Box::new(writer),
            epoch,
            sealed: None,
            wrote: None,
            relay: Relay::new(mark, last, with.save_every),
            look: true,
            catching_up_until: Some(now.plus(CATCHING_UP_MAX)),
            confirm_at: None,
            hands,
            written_at: now,
        });
        Ok(())
    }

    fn saved_mark(&self) -> Result<u64, StoreError> {
        let row = self.store.load(RelayRow::TABLE, &[RelayRow::BROKER.as_key()])?.pop().flatten();
        Ok(row.and_then(|row| RelayRow::from_row(&row.values).ok()).map_or(0, |row| row.segment))
    }

    /// A committed row.
    pub fn row<E: Entity>(&self, key: &Key) -> Option<E> {
        let row = self.store.load(E::TABLE, std::slice::from_ref(key)).ok()?.pop().flatten()?;
        E::from_row(&row.values).ok()
    }

    /// All committed rows of a table.
    pub fn rows<E: Entity>(&self) -> Vec<E> {
        self.store.rows(E::TABLE).iter().filter_map(|row| E::from_row(&row.values).ok()).collect()
    }

    /// When it has something to do without hearing of anything.
    pub fn next_at(&self, relays: bool, now: Timestamp) -> Timestamp {
        let Some(engine) = &self.engine else { return self.up_at };
        // A full batch takes nothing more in until it is closed, which is when the one before it is written.
        let due = if engine.core.has_room() { engine.next_due() } else { NEVER };
        let mut next = engine.true_time_of(due, now);
        next = next.min(engine.catching_up_until.unwrap_or(NEVER)).min(engine.confirm_at.unwrap_or(NEVER));
        if engine.sealed.is_some() {
            next = next.min(engine.written_at);
        }
        if relays && engine.relay.mark < engine.relay.last {
            next = next.min(engine.relay.retry_at);
        }
        next.max(self.stalled_until)
    }
}

impl Engine {
    /// A batch is closed, and the loop does not know yet what became of its commit.
    pub fn is_writing(&self) -> bool {
        self.sealed.is_some() || self.wrote.is_some()
    }

    /// When engine time will be `at`, if nobody sets the wall clock; `now` and what it returns are true times.
    pub fn true_time_of(&self, at: Timestamp, now: Timestamp) -> Timestamp {
        if at == NEVER {
            return NEVER;
        }
        // A part of a millisecond is a whole one.
        now.plus(self.core.clock().wait_for(at).saturating_add(Duration::from_nanos(999_999)))
    }

    /// When there is something to do without a new message, by engine time.
    fn next_due(&self) -> Timestamp {
        self.core.next_due().min(self.retention.next_at())
    }

    pub fn wants_to_form(&self) -> bool {
        let may_close = !self.is_writing() && self.core.in_flight() > 0;
        let finds_something = self.look || self.core.waiting() > 0 || self.next_due() <= self.core.clock().now();
        may_close || (self.core.has_room() && finds_something)
    }
}

impl Relay {
    fn new(mark: u64, last: u64, save_every: u64) -> Self {
        Self {
            mark,
            saved: mark,
            last,
            buffer: VecDeque::new(),
            retry_at: Timestamp::default(),
            save_every,
            ahead: Vec::new(),
        }
    }

    /// A segment is durable.
    pub fn offer(&mut self, segment: u64, events: &Arc<[Logged]>) {
        self.last = segment;
        self.buffer.push_back((segment, Arc::clone(events)));
    }

    /// What a segment says to other stores, as it goes on the wire: from memory, or from the log after a restart.
    pub fn messages(&mut self, segment: u64, node: (&str, &MemoryStore)) -> Result<Vec<(Id, Vec<u8>)>, String> {
        while self.buffer.front().is_some_and(|(number, _)| *number < segment) {
            self.buffer.pop_front();
        }
        if let Some((_, events)) = self.buffer.iter().find(|(number, _)| *number == segment) {
            let said = events.iter().filter(|event| !event.heard);
            let message = |event: &Logged| {
                let body = event.envelope.to_json().map_err(|error| error.to_string())?;
                Ok((event.envelope.id.clone(), body))
            };
            return said.map(message).collect();
        }
        let (name, store) = node;
        let segments = store.segments(segment, 1).map_err(|error| error.to_string())?;
        let events =
            segments.first().map(|segment| segment.read(name)).transpose().map_err(|error| error.to_string())?;
        let said = events.unwrap_or_default().into_iter().filter(|event| !event.heard);
        said.map(|event| encode(&event.envelope)).collect()
    }

    pub fn wants_to_save(&self) -> bool {
        self.mark > self.saved && (self.mark == self.last || self.mark >= self.saved + self.save_every)
    }
}

fn encode(envelope: &RawEnvelope) -> Result<(Id, Vec<u8>), String> {
    let body = serde_json::to_vec(envelope).map_err(|error| error.to_string())?;
    Ok((envelope.id.clone(), body))
}
