//! One process of the shop: a store, the engine over it, and its relay. What is here is lost when it dies, but for the
//! store.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use tradewind_engine::{
    AnyService, Core, EngineTime, Entity, Gate, LogPosition, Relay, RelayBuffer, RelaySetup, Retention, Sealed, Setup,
    Subscriber, SubscriberSetup,
    operator::RELAY_CONSUMER,
    ports::{CommitError, Position, Reader, StoreError},
    tables::DeadLetterRow,
};
use tradewind_events::{Key, Registry, Timestamp};
use tradewind_memory::{CountedIds, ManualClock, MemoryStore};

use crate::{
    fault::Faults,
    network::NEVER,
    order::Behind,
    punctual::{Dues, Hands},
    rejecting::rejecting,
    shop::Shop,
    trace::Trace,
    writing::FaultyWriter,
};

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
    /// What was published at least once.
    pub published: BTreeSet<LogPosition>,
    /// What was committed to be published, and was not yet.
    pub unpublished: BTreeSet<LogPosition>,
    /// What is due when, as it was committed.
    pub dues: Dues,
    /// What is parked until its consumers go on.
    pub behind: Behind,
}

/// What a process has in memory.
pub struct Engine {
    pub core: Core,
    pub retention: Retention,
    pub writer: FaultyWriter,
    pub epoch: u64,
    /// The batch on its way to the writer.
    pub sealed: Option<Sealed>,
    /// What the writer has done and the loop has not taken notice of.
    pub wrote: Option<Result<(), CommitError>>,
    pub relay: Relay,
    pub buffer: RelayBuffer,
    /// The mark that the relay has asked to be saved.
    pub saved_mark: u64,
    pub subscriber: Subscriber,
    /// Committed, and not known to be acknowledged.
    pub unacknowledged: BTreeSet<Position>,
    pub ending: Ending,
    /// Look for work, although no message waits.
    pub look: bool,
    /// When an operator confirms a jump of the clock.
    pub confirm_at: Option<Timestamp>,
    pub hands: Hands,
    /// The writer needs until then for the batch that it has.
    pub written_at: Timestamp,
}

/// How far a process is that an operator has stopped.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    No,
    /// It takes no commands and finishes what it has; the relay ends its call and saves its mark.
    Finishes,
    /// The relay has saved its mark.
    RelayEnded,
    /// The batch loop has ended, and the subscriber leaves by this monotonic time.
    Leaves {
        by: Duration,
    },
}

/// What a process is started with.
pub struct Start<'a> {
    pub shop: &'a Shop,
    pub registry: &'a Registry,
    pub clock: &'a ManualClock,
    pub gate: &'a Arc<dyn Gate>,
    pub faults: &'a Faults,
    pub trace: &'a Trace,
    /// There is a broker.
    pub relays: bool,
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
            published: BTreeSet::new(),
            unpublished: BTreeSet::new(),
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
            log_remote: self.holds("query"),
        })?;
        if with.relays {
            core.fell_behind(0);
        }
        let relay = RelaySetup {
            store_name: Arc::clone(&self.name),
            topic_prefix: "sim".to_owned(),
            limits: with.shop.limits.clone(),
            observer: Arc::new(()),
        };
        let relay = Relay::new(relay, &self.store)?;
        let subscriber = Subscriber::new(SubscriberSetup {
            number: 0,
            registry: with.registry.clone(),
            limits: with.shop.limits.clone(),
            observer: Arc::new(()),
        });
        let mut retention = Retention::new(Arc::new(self.store.clone()), &with.shop.limits);
        retention.hold_inbox(with.relays);
        let hands = Hands::new(now, core.clock().now());
        self.engine = Some(Engine {
            core,
            retention,
            writer: FaultyWriter::new(
                Arc::clone(&self.name),
                (self.store.clone(), writer),
                with.faults.clone(),
                with.trace.clone(),
            ),
            epoch,
            sealed: None,
            wrote: None,
            saved_mark: relay.mark(),
            relay,
            buffer: RelayBuffer::new(self.store.last_segment()?, with.shop.limits.relay_bytes_max),
            subscriber,
            unacknowledged: BTreeSet::new(),
            ending: Ending::No,
            look: true,
            confirm_at: None,
            hands,
            written_at: now,
        });
        Ok(())
    }

    /// A committed row.
    pub fn row<E: Entity>(&self, key: &Key) -> Option<E> {
        let row = self.store.load(E::TABLE, std::slice::from_ref(key)).ok()?.pop().flatten()?;
        E::from_row(&row.values).ok()
    }

    /// Whether an event is a dead letter of the relay.
    pub fn has_set_aside(&self, event: LogPosition) -> bool {
        let is_it = |row: &DeadLetterRow| &*row.consumer == RELAY_CONSUMER && row.segment == event.segment;
        self.rows::<DeadLetterRow>().iter().any(|row| is_it(row) && row.segment_index == event.index)
    }

    /// All committed rows of a table.
    pub fn rows<E: Entity>(&self) -> Vec<E> {
        self.store.rows(E::TABLE).iter().filter_map(|row| E::from_row(&row.values).ok()).collect()
    }

    /// When it has something to do without a message and without the broker.
    pub fn next_at(&self, now: Timestamp) -> Timestamp {
        let Some(engine) = &self.engine else { return self.up_at };
        if engine.is_leaving() {
            return NEVER;
        }
        // A full batch takes nothing more in until it is closed, which is when the one before it is written.
        let due = if engine.core.has_room() { engine.next_due() } else { NEVER };
        let mut next = engine.true_time_of(due, now);
        next = next.min(engine.confirm_at.unwrap_or(NEVER));
        if engine.sealed.is_some() {
            next = next.min(engine.written_at);
        }
        next.max(self.stalled_until)
    }
}

impl Engine {
    /// It was stopped, and has done what it had accepted: its batch loop ends now.
    pub fn has_finished(&self) -> bool {
        let idle = self.core.waiting() == 0 && self.core.in_flight() == 0 && !self.is_writing();
        self.ending == Ending::RelayEnded && idle
    }

    /// Its batch loop has ended.
    pub fn is_leaving(&self) -> bool {
        matches!(self.ending, Ending::Leaves { .. })
    }

    /// Everything that is committed is published, and all that was received acknowledged.
    pub fn has_no_work_with_the_broker(&self) -> bool {
        let relay_idles = !self.relay.has_work(Duration::MAX, &self.buffer);
        relay_idles && self.subscriber.has_work_at().is_none()
    }

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
