//! The ten invariants of the shop, audited on the stores themselves: their rows and their logs, nothing else.
//! What is still in flight, parked, dead or owed is set aside and counted, never judged.

mod books;
mod facts;
mod log;
mod money;
mod orders;
mod report;
mod stock;

use std::collections::BTreeSet;

use tradewind_engine::{
    AnyService, Entity,
    ports::{List, Reader, StoreError},
    segment::SegmentError,
};
use tradewind_events::{Currency, Id, KeyText, Registry, Timestamp, Value, bridge_and_role, emitting_service};

pub use report::{Check, INVARIANTS, Owed, Report, Violation};

/// One store of the shop.
pub struct StoreView<'a> {
    /// Its short name, which stands in the ids of its events.
    pub name: &'a str,
    pub reader: &'a dyn Reader,
    /// The services that live in it, and the events that each of them hears; `None` stands for every event.
    services: Vec<(&'a str, Vec<Option<&'static str>>)>,
    /// What bridges among them emit as.
    imported: Vec<KeyText>,
}

impl<'a> StoreView<'a> {
    pub fn new(name: &'a str, reader: &'a dyn Reader, services: &[AnyService]) -> Self {
        let imported = services.iter().flat_map(|service| service.sources.iter().cloned()).collect();
        let services = services.iter().map(|service| (service.name, service.consumed_events().collect())).collect();
        Self { name, reader, services, imported }
    }

    fn holds(&self, service: &str) -> bool {
        self.services.iter().any(|(name, _)| *name == service)
    }

    /// Whether events of this role are emitted here: by our service of that name, or by a bridge to who plays it.
    fn plays(&self, role: &str) -> bool {
        let imports = |source: &KeyText| bridge_and_role(source).is_some_and(|(_, imported)| imported == role);
        self.holds(role) || self.imported.iter().any(imports)
    }

    fn hears(&self, service: &str, event: &str) -> bool {
        let known = self.services.iter().find(|(name, _)| *name == service);
        known.is_some_and(|(_, hears)| hears.iter().any(|heard| heard.is_none_or(|heard| heard == event)))
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

/// What is audited.
pub struct Audit<'a> {
    /// Every store of the shop: what is missing here cannot be judged.
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
        let facts = facts::gather(self, &mut report)?;
        let log = log::read(self, &facts, &mut report)?;
        stock::check(self, &mut report)?;
        orders::check(self, &facts, &log, &mut report)?;
        money::check(self, &facts, &log, &mut report)?;
        books::check(self, &log, &mut report)?;
        Ok(report)
    }

    /// The store in which a service lives; of the source `BRIDGE.ROLE` the bridge.
    fn store_of(&self, source: &str) -> Option<&StoreView<'_>> {
        let service = emitting_service(source);
        self.stores.iter().find(|store| store.holds(service))
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
            let entity = E::from_row(&row.values)
                .map_err(|error| AuditError::Row { table: E::TABLE.name, reason: error.to_string() })?;
            last = Some(entity.key());
            look(entity);
        }
        match last {
            Some(key) if full => after = Some((Value::Null, key)),
            _ => return Ok(()),
        }
    }
}
