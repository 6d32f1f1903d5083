//! Invariants 3 to 5: how orders stand, and what is held for them.

use rustc_hash::FxHashMap;
use tradewind_engine::{Entity, tables::TimerRow};
use tradewind_events::{Id, Key, KeyText, Timestamp};
use tradewind_inventory::{Reservation, ReservationState};
use tradewind_orders::{Order, OrderState};
use tradewind_payments::{Payment, model::PaymentState};
use tradewind_shipping::{Shipment, ShipmentState};

use crate::{Audit, AuditError, Report, StoreView, facts::Facts, log::Log, report::Findings};

/// The timer that ends an order which is not confirmed in time.
const DEADLINE: (KeyText, KeyText) = (KeyText::literal("orders"), KeyText::literal("deadline"));

/// What the other services have for one order.
#[derive(Clone, Copy, Default)]
struct Held {
    reservation: Option<ReservationState>,
    shipment: Option<ShipmentState>,
    payment: Option<Money>,
}

#[derive(Clone, Copy)]
struct Money {
    state: PaymentState,
    captured_minor: i64,
    refunded_minor: i64,
}

pub fn check(audit: &Audit<'_>, facts: &mut Facts, log: &Log<'_>, report: &mut Report) -> Result<(), AuditError> {
    let mut held: FxHashMap<Id, Held> = FxHashMap::default();
    audit.each::<Reservation>("inventory", |row| {
        held.entry(row.order_id().clone()).or_default().reservation = Some(row.state());
    })?;
    audit.each::<Shipment>("shipping", |row| {
        held.entry(row.order_id().clone()).or_default().shipment = Some(row.state());
    })?;
    audit.each::<Payment>("payments", |row| {
        let money =
            Money { state: row.state(), captured_minor: row.captured_minor(), refunded_minor: row.refunded_minor() };
        held.entry(row.order_id().clone()).or_default().payment = Some(money);
    })?;
    let Some(store) = audit.store_of("orders") else { return Ok(()) };
    let mut found = report.of(store.name);
    let mut overdue = Vec::new();
    audit.each::<Order>("orders", |order| {
        let said = log.orders.get(order.order_id()).copied().unwrap_or_default();
        found.hold(3, said.completed + said.rejected + said.cancelled <= 1, || {
            let (completed, rejected, cancelled) = (said.completed, said.rejected, said.cancelled);
            let ends = format!("completed {completed} times, rejected {rejected}, cancelled {cancelled}");
            (format!("order {}", order.order_id()), ends)
        });
        if facts.is_settled(order.order_id()) {
            let held = held.get(order.order_id()).copied().unwrap_or_default();
            judge(audit, &order, held, &mut found);
            let is_overdue = order.state().is_open() && order.deadline_at() < audit.now;
            if is_overdue {
                overdue.push((order.order_id().clone(), order.state(), order.deadline_at()));
            } else {
                found.hold(5, true, Default::default);
            }
        }
    })?;
    check_overdue(store, &overdue, facts, &mut found)
}

/// An order that is open beyond its deadline ends when its timer fires: timers are held while a store catches up with a
/// broker, and wait while it is stopped. Without a timer nothing ends it.
fn check_overdue(
    store: &StoreView<'_>,
    overdue: &[(Id, OrderState, Timestamp)],
    facts: &mut Facts,
    found: &mut Findings<'_>,
) -> Result<(), AuditError> {
    for page in overdue.chunks(TIMERS_LOADED_MAX) {
        let timer = |(order_id, ..): &(Id, OrderState, Timestamp)| TimerRow::key_of(&DEADLINE.0, &DEADLINE.1, order_id);
        let keys: Vec<Key> = page.iter().map(timer).collect();
        let armed = store.reader.load(TimerRow::TABLE, &keys)?;
        for ((order_id, state, deadline_at), armed) in page.iter().zip(armed) {
            if armed.is_some() {
                facts.set_aside([order_id.clone()]);
            } else {
                let detail =
                    || (format!("order {order_id} ({state})"), format!("its deadline passed at {deadline_at}"));
                found.hold(5, false, detail);
            }
        }
    }
    Ok(())
}

/// Timers that are loaded at a time.
const TIMERS_LOADED_MAX: usize = 1_000;

/// What needs a service that lives nowhere here is not judged.
fn judge(audit: &Audit<'_>, order: &Order, held: Held, found: &mut Findings<'_>) {
    let subject = || format!("order {} ({})", order.order_id(), order.state());
    let [sold, shipped, paid] = ["inventory", "shipping", "payments"].map(|service| audit.store_of(service).is_some());
    let reservation = || (subject(), format!("its reservation is {}", shown(held.reservation)));
    let shipment = || (subject(), format!("its shipment is {}", shown(held.shipment)));
    let payment = || (subject(), format!("its payment is {}", shown(held.payment.map(|it| it.state))));
    if matches!(order.state(), OrderState::Confirmed | OrderState::Dispatched | OrderState::Completed) {
        if sold {
            found.hold(3, held.reservation == Some(ReservationState::Committed), reservation);
        }
        if paid {
            found.hold(3, held.payment.is_some_and(|money| is_paid(order, money)), payment);
        }
        if shipped {
            found.hold(3, held.shipment.is_some_and(is_shipped), shipment);
        }
    }
    if order.state().has_ended() {
        if sold {
            let holds = matches!(held.reservation, Some(ReservationState::Active | ReservationState::Committed));
            found.hold(4, !holds, reservation);
        }
        if shipped {
            let holds = matches!(held.shipment, Some(ShipmentState::Allocated | ShipmentState::Ready));
            found.hold(4, !holds, shipment);
        }
        if paid {
            found.hold(4, held.payment.is_none_or(is_given_back), payment);
        }
    }
}

fn is_paid(order: &Order, money: Money) -> bool {
    match money.state {
        PaymentState::Authorized | PaymentState::Captured => true,
        // Given back later: of a completed order, or of one that can no longer be recalled.
        PaymentState::Refunded => order.state() == OrderState::Completed || order.refunded_at().is_some(),
        _ => false,
    }
}

const fn is_shipped(state: ShipmentState) -> bool {
    use ShipmentState::{Allocated, Delivered, Dispatched, Ready};
    matches!(state, Allocated | Ready | Dispatched | Delivered)
}

const fn is_given_back(money: Money) -> bool {
    match money.state {
        PaymentState::Authorized => false,
        PaymentState::Captured => money.captured_minor == money.refunded_minor,
        _ => true,
    }
}

fn shown<T: ToString>(state: Option<T>) -> String {
    state.map_or_else(|| "not there".to_owned(), |state| state.to_string())
}
