//! What an order waits for, and who owes it.

use tradewind_events::{PaymentMethod, TextEnum, Timestamp};

use super::{Order, OrderState};

/// A step of the saga that somebody owes an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, TextEnum)]
pub enum Step {
    #[text("quote")]
    Quote,
    #[text("reservation")]
    Reservation,
    #[text("shipment")]
    Shipment,
    #[text("payment")]
    Payment,
    #[text("commit")]
    Commit,
    #[text("capture")]
    Capture,
    #[text("dispatch")]
    Dispatch,
    #[text("delivery")]
    Delivery,
    /// Shipping's answer whether a confirmed order can be stopped, or that it has let an ended one go.
    #[text("release")]
    Release,
    /// Inventory's word that it has let an ended order go.
    #[text("restock")]
    Restock,
    #[text("refund")]
    Refund,
}

/// What an order waits for, and by whom it is owed: a service, `external` (whoever pays outside) or `operator`.
/// `None` when it waits for nobody: completed, or ended and all that was held for it is let go.
pub fn owed_step(order: &Order) -> Option<(Step, &'static str)> {
    match order.state {
        OrderState::Unheard | OrderState::Completed => None,
        OrderState::Placed => Some((Step::Quote, "catalog")),
        OrderState::Priced if order.reserved_at.is_none() => Some((Step::Reservation, "inventory")),
        OrderState::Priced => Some((Step::Shipment, "shipping")),
        OrderState::Validated => Some((Step::Payment, payer(order))),
        OrderState::Paid => Some((Step::Commit, "inventory")),
        OrderState::Confirmed | OrderState::Dispatched if order.captured_at.is_none() => {
            Some((Step::Capture, "payments"))
        }
        OrderState::Confirmed => Some((Step::Dispatch, "shipping")),
        OrderState::Dispatched => Some((Step::Delivery, "shipping")),
        OrderState::Cancelling => Some((Step::Release, "shipping")),
        OrderState::Rejected | OrderState::Cancelled => kept(order),
    }
}

fn payer(order: &Order) -> &'static str {
    let asked = order.payment_requested_at.is_some();
    if asked && order.summary.payment_method == PaymentMethod::External { "external" } else { "payments" }
}

/// What is still held for an order that ended, as far as it is known; money first.
fn kept(order: &Order) -> Option<(Step, &'static str)> {
    if order.owes_money() {
        return Some((Step::Refund, if order.refund_failed_at.is_some() { "operator" } else { "payments" }));
    }
    if order.reserved_at.is_some() && order.stock_freed_at.is_none() {
        return Some((Step::Restock, "inventory"));
    }
    (order.allocated_at.is_some() && order.shipment_freed_at.is_none()).then_some((Step::Release, "shipping"))
}

impl Order {
    /// It ended, and money that was held or taken has not gone back whole.
    pub fn owes_money(&self) -> bool {
        let paid_minor = self.authorized_minor.or(self.summary.total_minor);
        let returned = self.refunded_minor >= paid_minor.unwrap_or(0) && self.refunded_at.is_some();
        self.state.has_ended()
            && paid_minor != Some(0)
            && (self.authorized_at.is_some() || self.captured_at.is_some())
            && self.voided_at.is_none()
            && !returned
    }

    /// Notes since when another service owes the next step. People and parcels take their time.
    pub(super) fn watch(&mut self, owed_before: Option<(Step, &'static str)>, now: Timestamp) {
        let owed = owed_step(self);
        if matches!(owed, None | Some((Step::Dispatch | Step::Delivery, _))) {
            self.waits_since = None;
        } else if owed != owed_before || self.waits_since.is_none() {
            self.waits_since = Some(now);
        }
    }
}
