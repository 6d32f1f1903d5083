//! Whether all is as it must be: of one service at every moment, of all of them when nothing happens by itself any more.
//! The rules are those of `tradewind-audit`, held against the rows.

use tradewind_audit::{Audit, AuditError, Charges, Report, StoreView};
use tradewind_engine::{
    AnyService, StoredRow, Table,
    ports::{List, Phrase, Reader, StoreError},
    segment::{Segment, SegmentBuilder},
};
use tradewind_events::{Envelope, Id, Key, Registry, TextEnum, Timestamp};
use tradewind_orders::{Customer, Order, OrderState, owed_step};
use tradewind_payments::{Payment, Surplus, model::PaymentState};
use tradewind_shipping::{Shipment, ShipmentState};

use crate::{
    provider::Provider,
    scenario::{customer_id, eur, order_id},
    stores::{Local, Seat},
};

/// Knows the services, for the audit.
pub struct Judge {
    services: Vec<AnyService>,
    registry: Registry,
}

/// A situation in which nothing happens by itself any more.
pub struct Rest<'a> {
    pub locals: &'a [&'a Local],
    pub orders: Seat,
    pub payments: Seat,
    /// Whether shipping can be asked to stop a confirmed order.
    pub recall: bool,
    pub provider: &'a Provider,
    /// Messages that wait for something that does not come.
    pub waiting: usize,
    /// Somebody can bring the order further.
    pub goes_on: bool,
    /// Somebody can settle what is owed.
    pub mends: bool,
}

/// The audit looks from far behind every deadline.
const END: Timestamp = Timestamp::from_millis(i64::MAX / 2);

impl Judge {
    pub fn new(services: Vec<AnyService>) -> Self {
        Self { services, registry: tradewind_events::registry() }
    }

    /// What of one service alone is not as it must be, whatever the others do.
    pub fn local(&self, local: &Local) -> Option<String> {
        let report = self.audit(&[local], None, Timestamp::default());
        let found = report.map_or_else(|error| Some(error.to_string()), |report| violation(&report));
        found.or_else(|| homeless(local))
    }

    /// What is not as it must be at rest.
    pub fn rest(&self, rest: &Rest<'_>) -> Option<String> {
        if rest.waiting > 0 {
            return Some(format!("{} messages wait for what does not come", rest.waiting));
        }
        let charges = Charges { list: rest.provider.list(&order_id(), eur()), ..Charges::default() };
        let report = match self.audit(rest.locals, Some(&charges), END) {
            Ok(report) => report,
            Err(error) => return Some(error.to_string()),
        };
        if let Some(violation) = violation(&report) {
            return Some(violation);
        }
        if report.set_aside > 0 || !report.owed.is_empty() {
            let owed: Vec<String> = report.owed.iter().map(|owed| format!("{}: {}", owed.kind, owed.detail)).collect();
            let stuck = format!("nobody can settle what is not settled: {}", owed.join("; "));
            return (!rest.mends).then_some(stuck);
        }
        let order = rest.locals[rest.orders].row::<Order>(order_id())?;
        let wrong = held_for_nothing(rest).or_else(|| abandoned(rest, order));
        wrong.or_else(|| stuck(order, rest.goes_on))
    }

    fn audit(&self, locals: &[&Local], charges: Option<&Charges>, now: Timestamp) -> Result<Report, AuditError> {
        let readers: Vec<View<'_>> = locals.iter().map(|local| View::new(local)).collect();
        let stores: Vec<StoreView<'_>> = locals
            .iter()
            .zip(&readers)
            .map(|(local, reader)| {
                let service = std::slice::from_ref(&self.services[local.seat]);
                StoreView::new(self.services[local.seat].name, reader, service).without_inbox()
            })
            .collect();
        Audit { stores: &stores, registry: &self.registry, charges, now }.run()
    }
}

/// Goods can be sent, and nobody knows where to: every order here has an address.
fn homeless(local: &Local) -> Option<String> {
    let shipment = local.row::<Shipment>(order_id())?;
    let is_ready = shipment.state() == ShipmentState::Ready && shipment.address().is_none();
    is_ready.then(|| "the shipment is ready without an address".to_owned())
}

/// Once its customer has left, an order goes on only if its goods have left too, or nobody can stop them.
fn abandoned(rest: &Rest<'_>, order: &Order) -> Option<String> {
    let customer = rest.locals[rest.orders].row::<Customer>(customer_id())?;
    let goes_on = customer.deleted_at().is_some() && order.state().stands() && !order.has_left() && rest.recall;
    goes_on.then(|| format!("the order is {}, although its customer has left", order.state()))
}

/// The first violation of a report.
fn violation(report: &Report) -> Option<String> {
    let numbered = (1..).zip(&report.checks);
    let mut violations = numbered.flat_map(|(number, check)| check.violations.iter().map(move |found| (number, found)));
    let (number, found) = violations.next()?;
    Some(format!("invariant {number}: {}: {}", found.subject, found.detail))
}

/// The provider holds nothing that payments does not know to be held.
fn held_for_nothing(rest: &Rest<'_>) -> Option<String> {
    let local = rest.locals[rest.payments];
    let payment = local.row::<Payment>(order_id());
    let settled = payment.is_some_and(|payment| payment.settled_by().is_some());
    let forgotten = |reference: &&Id| {
        let known = payment.is_some_and(|payment| {
            payment.state() == PaymentState::Authorized && payment.reference() == Some(reference)
        });
        let surplus = local.row::<Surplus>((&order_id(), reference));
        !known && !settled && surplus.is_none_or(|surplus| surplus.settled_by().is_none())
    };
    let reference = rest.provider.held().find(forgotten)?;
    let state = payment.map_or("not there", |payment| payment.state().as_str());
    Some(format!("the provider holds {reference}, and the payment is {state}"))
}

/// The order has ended and is owed nothing, or people can bring it further.
fn stuck(order: &Order, goes_on: bool) -> Option<String> {
    let waits_for_people = matches!(order.state(), OrderState::Confirmed | OrderState::Dispatched);
    let is_waited_for = waits_for_people && goes_on;
    if !(order.state().is_final() || is_waited_for) {
        return Some(format!("the order is {} for ever", order.state()));
    }
    let (step, by) = owed_step(order).filter(|_| order.state().is_final())?;
    Some(format!("the order is {}, and {by} still owes the {step}", order.state()))
}

/// The rows of one service as a store shows them, with the events that it kept as its log.
struct View<'a> {
    local: &'a Local,
    log: Option<Segment>,
}

impl<'a> View<'a> {
    fn new(local: &'a Local) -> Self {
        let mut builder = SegmentBuilder::default();
        // Only some events are kept, and in a log every number of a subject comes once.
        for (nth, envelope) in (1..).zip(&local.told) {
            let sequence = local.told.iter().take(nth).filter(|one| one.subject == envelope.subject).count();
            let envelope = Envelope { sequence: u64::try_from(sequence).unwrap_or(0), ..(**envelope).clone() };
            let pushed = builder.push(&envelope, false);
            debug_assert!(pushed.is_ok(), "an event can be encoded");
        }
        let log = builder.finish(1, Timestamp::default());
        debug_assert!(log.is_ok(), "events can be packed");
        Self { local, log: log.unwrap_or_default() }
    }
}

impl Reader for View<'_> {
    fn load(&self, table: &'static Table, keys: &[Key]) -> Result<Vec<Option<StoredRow>>, StoreError> {
        let all = self.list(&List::of(table, u32::MAX))?;
        let names = || self.local.rows.keys().filter(|row| row.table == table.name);
        let found = |key: &Key| names().zip(&all).find(|(row, _)| row.key == *key).map(|(_, row)| row.clone());
        Ok(keys.iter().map(found).collect())
    }

    /// All rows of a table: no shop here has more than a page of them.
    fn list(&self, list: &List) -> Result<Vec<StoredRow>, StoreError> {
        let rows = self.local.rows.iter().filter(|(key, _)| key.table == list.table.name);
        Ok(rows.map(|(_, row)| StoredRow { values: row.entity.row(), version: 1, events: row.events }).collect())
    }

    fn search(&self, _list: &List, _phrases: &[Phrase], _offset: u32) -> Result<Vec<StoredRow>, StoreError> {
        Err(StoreError::Unusable("nothing is searched here".to_owned()))
    }

    fn segments(&self, from: u64, _limit: u32) -> Result<Vec<Segment>, StoreError> {
        Ok(self.log.iter().filter(|segment| segment.number >= from).cloned().collect())
    }

    fn last_segment(&self) -> Result<u64, StoreError> {
        Ok(self.log.as_ref().map_or(0, |segment| segment.number))
    }

    fn last_commit_at(&self) -> Result<Timestamp, StoreError> {
        Ok(self.log.as_ref().map_or_else(Timestamp::default, |segment| segment.committed_at))
    }
}
