//! Invariants 3 to 5: how orders stand, and what is held for them.

use rustc_hash::FxHashMap;
use tradewind_events::Id;
use tradewind_inventory::{Reservation, ReservationState};
use tradewind_orders::{Order, OrderState};
use tradewind_payments::{Payment, model::PaymentState};
use tradewind_shipping::{Shipment, ShipmentState};

use crate::{Audit, AuditError, Report, facts::Facts, log::Log};

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

pub fn check(audit: &Audit<'_>, facts: &Facts, log: &Log, report: &mut Report) -> Result<(), AuditError> {
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
    audit.each::<Order>("orders", |order| {
        let said = log.orders.get(order.order_id()).copied().unwrap_or_default();
        report.hold(3, said.completed + said.rejected + said.cancelled <= 1, || {
            let (completed, rejected, cancelled) = (said.completed, said.rejected, said.cancelled);
            let ends = format!("completed {completed} times, rejected {rejected}, cancelled {cancelled}");
            (format!("order {}", order.order_id()), ends)
        });
        if facts.is_settled(order.order_id()) {
            let held = held.get(order.order_id()).copied().unwrap_or_default();
            judge(audit, &order, held, report);
        }
    })
}

fn judge(audit: &Audit<'_>, order: &Order, held: Held, report: &mut Report) {
    let subject = || format!("order {} ({})", order.order_id(), order.state());
    if matches!(order.state(), OrderState::Confirmed | OrderState::Dispatched | OrderState::Completed) {
        let sold = audit.store_of("inventory").is_none() || held.reservation == Some(ReservationState::Committed);
        report.hold(3, sold, || (subject(), format!("its reservation is {}", shown(held.reservation))));
        let paid = audit.store_of("payments").is_none() || held.payment.is_some_and(|money| is_paid(order, money));
        report.hold(3, paid, || (subject(), format!("its payment is {}", shown(held.payment.map(|it| it.state)))));
        let shipped = audit.store_of("shipping").is_none() || held.shipment.is_some_and(is_shipped);
        report.hold(3, shipped, || (subject(), format!("its shipment is {}", shown(held.shipment))));
    }
    if order.state().has_ended() {
        let free = !matches!(held.reservation, Some(ReservationState::Active | ReservationState::Committed));
        report.hold(4, free, || (subject(), format!("its reservation is {}", shown(held.reservation))));
        let free = !matches!(held.shipment, Some(ShipmentState::Allocated | ShipmentState::Ready));
        report.hold(4, free, || (subject(), format!("its shipment is {}", shown(held.shipment))));
        let free = held.payment.is_none_or(is_given_back);
        report.hold(4, free, || (subject(), format!("its payment is {}", shown(held.payment.map(|it| it.state)))));
    }
    report.hold(5, !(order.state().is_open() && order.deadline_at() < audit.now), || {
        (subject(), format!("its deadline passed at {}", order.deadline_at()))
    });
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
