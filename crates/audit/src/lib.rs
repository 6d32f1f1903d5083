//! The ten invariants of the shop, audited on the stores themselves: their rows and their logs, nothing else.
//! What is still in flight, parked, dead or owed is set aside and counted, never judged. Copies of several stores need
//! not be of the same moment ([`StoreView::with_live`]).

mod books;
mod facts;
mod log;
mod money;
mod orders;
mod report;
mod stock;
mod told;
mod transit;

use std::collections::{BTreeMap, BTreeSet};

use tradewind_engine::{
    AnyService, Entity, StoredRow,
    ports::{List, Reader, StoreError},
    segment::SegmentError,
};
use tradewind_events::{Currency, Id, KeyText, Registry, Timestamp, Value, bridge_and_role, emitting_service};

pub use report::{Check, INVARIANTS, Owed, Report, Violation};
pub use transit::DELIVERY_MAX;

/// One store of the shop.
pub struct StoreView<'a> {
    /// Its short name, which stands in the ids of its events.
    pub name: &'a str,
    pub reader: &'a dyn Reader,
    /// The store itself, where `reader` reads a copy of it.
    live: Option<&'a dyn Reader>,
    /// What comes from other stores is noted in its inbox.
    has_inbox: bool,
    /// The services that live in it, and the events that each of them hears; `None` stands for every event.
    services: Vec<(&'a str, Vec<Option<&'static str>>)>,
    /// What bridges among them emit as.
    imported: Vec<KeyText>,
}

impl<'a> StoreView<'a> {
    pub fn new(name: &'a str, reader: &'a dyn Reader, services: &[AnyService]) -> Self {
        let imported = services.iter().flat_map(|service| service.sources.iter().cloned()).collect();
        let services = services.iter().map(|service| (service.name, service.consumed_events().collect())).collect();
        Self { name, reader, live: None, has_inbox: true, services, imported }
    }

    /// `reader` reads a copy, and this is the store that goes on: what it has published since is counted, so that copies
    /// of several stores may be made one after the other. All of them are made before the audit begins.
    #[must_use]
    pub fn with_live(mut self, live: &'a dyn Reader) -> Self {
        self.live = Some(live);
        self
    }

    /// Its services receive events of other stores by no broker: nothing is in flight, and there is no inbox.
    #[must_use]
    pub const fn without_inbox(mut self) -> Self {
        self.has_inbox = false;
        self
    }

    fn holds(&self, service: &str) -> bool {
        self.services.iter().any(|(name, _)| *name == service)
    }

    /// Whether events of this role are emitted here: by our service of that name, or by a bridge to who plays it.
    fn plays(&self, role: &str) -> bool {
        let imports = |source: &KeyText| bridge_and_role(source).is_some_and(|(_, imported)| imported == role);
        self.holds(role) || self.imported.iter().any(imports)
    }

    /// The services that consume an event.
    fn consumers(&self, event: &str) -> impl Iterator<Item = &'a str> {
        let consumes = move |hears: &[Option<&str>]| hears.iter().any(|heard| heard.is_none_or(|heard| heard == event));
        self.services.iter().filter(move |(_, hears)| consumes(hears)).map(|(name, _)| *name)
    }
}

/// A charge in the books of the payment provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    pub order_id: Id,
    pub reference: Id,
    pub currency: Currency,
    pub captured_minor: i64,
    pub refunded_minor: i64,
}

/// The provider's list of charges.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Charges {
    pub list: Vec<Charge>,
    /// Orders whose charges have changed while the list was made: they are not compared.
    pub unsure: BTreeSet<Id>,
}

impl Charges {
    /// Of two lists, made before the copies of the stores and after: what is in both alike was so meanwhile.
    pub fn between(before: Vec<Charge>, after: Vec<Charge>) -> Self {
        let key = |charge: &Charge| (charge.order_id.clone(), charge.reference.clone());
        let mut after: BTreeMap<_, _> = after.into_iter().map(|charge| (key(&charge), charge)).collect();
        let changed = before.iter().filter(|charge| after.remove(&key(charge)).as_ref() != Some(charge));
        let mut unsure: BTreeSet<Id> = changed.map(|charge| charge.order_id.clone()).collect();
        unsure.extend(after.into_keys().map(|(order_id, _)| order_id));
        Self { list: before, unsure }
    }
}

/// What is audited.
pub struct Audit<'a> {
    /// The stores of the shop. Each service lives in one at most; what needs another store is not judged.
    pub stores: &'a [StoreView<'a>],
    pub registry: &'a Registry,
    /// The provider's list of charges, where it can be had.
    pub charges: Option<&'a Charges>,
    /// Deadlines before this moment have passed.
    pub now: Timestamp,
}

/// The audit could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuditError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Segment(#[from] SegmentError),
    #[error("a row of {table} cannot be read: {reason}")]
    Row { table: &'static str, reason: String },
}

impl Audit<'_> {
    /// Looks at everything. Memory grows with the number of orders: about 1.6 KB each, most of it their row in the read model,
    /// which is built anew from the log.
    pub fn run(&self) -> Result<Report, AuditError> {
        let mut report = Report::default();
        let mut facts = facts::gather(self, &mut report)?;
        let log = log::read(self, &facts, &mut report)?;
        let log = books::check(self, log, &mut facts, &mut report)?;
        told::check(self, &facts, &log, &mut report)?;
        stock::check(self, &mut report)?;
        orders::check(self, &mut facts, &log, &mut report)?;
        money::check(self, &facts, &log, &mut report)?;
        report.set_aside = facts.count();
        Ok(report)
    }

    /// The place of the store in which a service lives; of the source `BRIDGE.ROLE` the bridge.
    fn number_of(&self, source: &str) -> Option<usize> {
        let service = emitting_service(source);
        self.stores.iter().position(|store| store.holds(service))
    }

    /// The same store.
    fn store_of(&self, source: &str) -> Option<&StoreView<'_>> {
        self.number_of(source).map(|number| &self.stores[number])
    }

    /// The name of the store in which a service lives.
    fn name_of(&self, service: &str) -> &str {
        self.store_of(service).map_or("", |store| store.name)
    }

    /// Every row of a service's table, a page at a time; none where the service lives nowhere here.
    fn each<E: Entity>(&self, service: &str, mut look: impl FnMut(E)) -> Result<(), AuditError> {
        self.store_of(service).map_or(Ok(()), |store| each(store.reader, &mut look))
    }
}

/// Rows read at a time.
const PAGE_ROWS: u32 = 2_000;

fn each<E: Entity>(reader: &dyn Reader, look: &mut impl FnMut(E)) -> Result<(), AuditError> {
    let mut after = None;
    loop {
        let rows = reader.list(&List { after, ..List::of(E::TABLE, PAGE_ROWS) })?;
        let mut last = None;
        let full = rows.len() >= usize::try_from(PAGE_ROWS).unwrap_or(usize::MAX);
        for row in rows {
            let entity = read_row::<E>(&row)?;
            last = Some(entity.key());
            look(entity);
        }
        match last {
            Some(key) if full => after = Some((Value::Null, key)),
            _ => return Ok(()),
        }
    }
}

fn read_row<E: Entity>(row: &StoredRow) -> Result<E, AuditError> {
    E::from_row(&row.values).map_err(|error| AuditError::Row { table: E::TABLE.name, reason: error.to_string() })
}
