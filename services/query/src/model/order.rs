//! One order as a person looks at it. Every field is either learned once, or the greatest or least of what was told:
//! whatever order the facts come in, and however often, the row is the same.

use std::sync::Arc;

use tradewind_engine::{Entity, LogPosition};
use tradewind_events::{
    AmountOverflow, CancelledBy, Currency, Id, Lines, OrderSummary, PaymentMethod, TextEnum, Timestamp, id, plus,
};

use super::{
    Addresses, earliest, least,
    states::{Ending, OrderStatus, PaymentState, ReservationState, ShipmentState},
};
use crate::Query;

/// An order: what it is, how it stands, what was done for it, and where its events are in the log.
#[derive(Debug, Clone, PartialEq, Eq, Entity)]
#[entity(owner = Query, table = "order_view", key = order_id)]
pub struct OrderView {
    pub order_id: Id,
    pub customer_id: Option<Id>,
    /// None while only others have spoken of it (a cart that was checked out): such an order may never be placed.
    pub status: Option<OrderStatus>,
    /// Nothing is in flight for it any more: it is completed, or it ended and nothing is held or owed for it.
    pub settled: bool,
    pub currency: Option<Currency>,
    /// The five amounts are in minor units of `currency`, and known once the order is quoted.
    pub items_total_minor: Option<i64>,
    pub discount_minor: Option<i64>,
    pub shipping_minor: Option<i64>,
    pub tax_minor: Option<i64>,
    pub total_minor: Option<i64>,
    pub payment_method: Option<PaymentMethod>,
    pub cart_id: Option<Id>,
    pub lines: Lines,
    pub reservation_id: Option<Id>,
    pub reservation_state: Option<ReservationState>,
    pub payment_id: Option<Id>,
    pub payment_state: Option<PaymentState>,
    pub authorized_minor: Option<i64>,
    pub captured_minor: Option<i64>,
    pub captured_at: Option<Timestamp>,
    /// When the provider first refused to capture.
    pub capture_failed_at: Option<Timestamp>,
    /// The sum of its [`RefundView`]s.
    pub refunded_minor: i64,
    pub shipment_id: Option<Id>,
    pub shipment_state: Option<ShipmentState>,
    pub carrier: Option<Arc<str>>,
    pub tracking: Option<Arc<str>>,
    /// The time of its earliest event: lists are in this order.
    pub began_at: Timestamp,
    pub placed_at: Option<Timestamp>,
    pub priced_at: Option<Timestamp>,
    /// It is cancelled if it is not confirmed by then.
    pub deadline: Option<Timestamp>,
    pub validated_at: Option<Timestamp>,
    /// When its money was held.
    pub paid_at: Option<Timestamp>,
    pub confirmed_at: Option<Timestamp>,
    pub dispatched_at: Option<Timestamp>,
    pub delivered_at: Option<Timestamp>,
    pub completed_at: Option<Timestamp>,
    /// When it was rejected or cancelled, as `ending` says.
    pub ended_at: Option<Timestamp>,
    pub ending: Option<Ending>,
    pub reason: Option<Arc<str>>,
    /// The check that was lost, or what was still owed when its time was over.
    pub owed_step: Option<Arc<str>>,
    pub cancelled_by: Option<CancelledBy>,
    /// What its end said is to be returned, a hold that is let go included.
    pub refund_due_minor: i64,
    /// When orders told that money went back.
    pub refunded_at: Option<Timestamp>,
    /// Where shipping was asked whether it can still be stopped, and where it said no.
    pub cancel_requests: Addresses,
    pub cancels_refused: Addresses,
    /// Where its events are in the log.
    pub timeline: Addresses,
    /// It has more events than `timeline` keeps: the later ones are [`TimelineRest`]s.
    pub timeline_full: bool,
    pub since_segment: u64,
}

/// Where an event of an order is in the log, of which the row of the order keeps earlier ones alone.
#[derive(Debug, Clone, PartialEq, Eq, Entity)]
#[entity(owner = Query, table = "timeline_rest", key = (order_id, place), transient)]
pub struct TimelineRest {
    pub order_id: Id,
    /// Segment and index with leading zeros: keys are in the order of the log.
    pub place: Id,
    pub since_segment: u64,
}

/// Money of an order that went back, whole or in part.
#[derive(Debug, Clone, PartialEq, Eq, Entity)]
#[entity(owner = Query, table = "refund_view", key = (order_id, refund_id))]
pub struct RefundView {
    pub order_id: Id,
    pub refund_id: Id,
    pub currency: Currency,
    /// In minor units of `currency`.
    pub amount_minor: i64,
    pub reason: Arc<str>,
    pub refunded_at: Timestamp,
    pub since_segment: u64,
}

/// How an order ended, as its one ending event says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    pub at: Timestamp,
    pub ending: Ending,
    pub reason: Arc<str>,
    pub owed_step: Option<Arc<str>>,
    pub cancelled_by: Option<CancelledBy>,
    pub refund_due_minor: i64,
}

impl OrderView {
    /// An order of which this event is the first that is heard.
    pub fn unheard(order_id: Id, at: Timestamp, address: LogPosition) -> Self {
        Self {
            order_id,
            customer_id: None,
            status: None,
            settled: false,
            currency: None,
            items_total_minor: None,
            discount_minor: None,
            shipping_minor: None,
            tax_minor: None,
            total_minor: None,
            payment_method: None,
            cart_id: None,
            lines: Lines::default(),
            reservation_id: None,
            reservation_state: None,
            payment_id: None,
            payment_state: None,
            authorized_minor: None,
            captured_minor: None,
            captured_at: None,
            capture_failed_at: None,
            refunded_minor: 0,
            shipment_id: None,
            shipment_state: None,
            carrier: None,
            tracking: None,
            began_at: at,
            placed_at: None,
            priced_at: None,
            deadline: None,
            validated_at: None,
            paid_at: None,
            confirmed_at: None,
            dispatched_at: None,
            delivered_at: None,
            completed_at: None,
            ended_at: None,
            ending: None,
            reason: None,
            owed_step: None,
            cancelled_by: None,
            refund_due_minor: 0,
            refunded_at: None,
            cancel_requests: Addresses::default(),
            cancels_refused: Addresses::default(),
            timeline: Addresses::default(),
            timeline_full: false,
            since_segment: address.segment,
        }
    }

    /// An event of the order stands here in the log. Returns the event that the row does not keep because of it.
    pub fn heard(&mut self, at: Timestamp, address: LogPosition) -> Option<TimelineRest> {
        self.began_at = self.began_at.min(at);
        self.since_segment = self.since_segment.min(address.segment);
        let left_out = self.timeline.insert(address)?;
        self.timeline_full = true;
        Some(TimelineRest::new(&self.order_id, left_out))
    }

    /// What rides along in most events of the order. Its amounts are final once they are there.
    pub fn summary(&mut self, order: &OrderSummary) {
        self.buyer(&order.customer_id, order.currency, order.payment_method);
        if let Some(cart_id) = &order.cart_id {
            earliest(&mut self.cart_id, cart_id);
        }
        let told =
            [order.total_minor, order.items_total_minor, order.discount_minor, order.shipping_minor, order.tax_minor];
        let known =
            [self.total_minor, self.items_total_minor, self.discount_minor, self.shipping_minor, self.tax_minor];
        if told > known {
            [self.total_minor, self.items_total_minor, self.discount_minor, self.shipping_minor, self.tax_minor] = told;
        }
    }

    /// Who buys, in which currency, and how it is paid.
    pub fn buyer(&mut self, customer_id: &Id, currency: Currency, method: PaymentMethod) {
        earliest(&mut self.customer_id, customer_id);
        earliest(&mut self.currency, &currency);
        if self.payment_method.is_none_or(|known| method.as_str() < known.as_str()) {
            self.payment_method = Some(method);
        }
    }

    /// Its lines as one of its events says. Those of `order.priced` are final.
    pub fn lines(&mut self, lines: &Lines, is_final: bool) {
        let known = (self.priced_at.is_some(), LinesRank(&self.lines));
        if (is_final, LinesRank(lines)) > known {
            self.lines = lines.clone();
        }
    }

    /// What a reservation has come to.
    pub fn reservation(&mut self, reservation_id: Option<&Id>, state: ReservationState) {
        learn(&mut self.reservation_id, reservation_id);
        self.reservation_state = self.reservation_state.max(Some(state));
    }

    /// What a payment has come to.
    pub fn payment(&mut self, payment_id: &Id, state: PaymentState) {
        learn(&mut self.payment_id, Some(payment_id));
        self.payment_state = self.payment_state.max(Some(state));
    }

    /// The money is held.
    pub fn authorized(&mut self, payment_id: &Id, amount_minor: i64, at: Timestamp) {
        self.payment(payment_id, PaymentState::Authorized);
        least(&mut self.paid_at, &mut self.authorized_minor, at, amount_minor);
    }

    /// The money is taken.
    pub fn captured(&mut self, payment_id: &Id, amount_minor: i64, at: Timestamp) {
        self.payment(payment_id, PaymentState::Captured);
        least(&mut self.captured_at, &mut self.captured_minor, at, amount_minor);
    }

    /// So much more money went back.
    pub fn refunded(&mut self, payment_id: &Id, more_minor: i64) -> Result<(), AmountOverflow> {
        learn(&mut self.payment_id, Some(payment_id));
        self.refunded_minor = plus(self.refunded_minor, more_minor)?;
        Ok(())
    }

    /// What a shipment has come to.
    pub fn shipment(&mut self, shipment_id: Option<&Id>, state: ShipmentState) {
        learn(&mut self.shipment_id, shipment_id);
        self.shipment_state = self.shipment_state.max(Some(state));
    }

    /// The goods are on their way.
    pub fn dispatched(&mut self, carrier: Option<&Arc<str>>, tracking: Option<&Arc<str>>, at: Timestamp) {
        let told = (at, carrier, tracking);
        if self.dispatched_at.is_none_or(|known| told < (known, self.carrier.as_ref(), self.tracking.as_ref())) {
            (self.carrier, self.tracking) = (carrier.cloned(), tracking.cloned());
            self.dispatched_at = Some(at);
        }
    }

    /// The order was rejected or cancelled.
    pub fn ended(&mut self, end: End) {
        if self.end().is_none_or(|known| end.rank() < known.rank()) {
            self.ended_at = Some(end.at);
            self.ending = Some(end.ending);
            self.reason = Some(end.reason);
            self.owed_step = end.owed_step;
            self.cancelled_by = end.cancelled_by;
            self.refund_due_minor = end.refund_due_minor;
        }
    }

    /// How it ended, if it did.
    pub fn end(&self) -> Option<End> {
        Some(End {
            at: self.ended_at?,
            ending: self.ending?,
            reason: self.reason.clone().unwrap_or_default(),
            owed_step: self.owed_step.clone(),
            cancelled_by: self.cancelled_by,
            refund_due_minor: self.refund_due_minor,
        })
    }

    /// Brings what follows from other fields up to date. Call it after every change.
    pub fn settle(&mut self) {
        if let Some(captured_minor) = self.captured_minor
            && self.payment_state != Some(PaymentState::Voided)
        {
            let is_back = self.refunded_minor > 0 && self.refunded_minor >= captured_minor;
            self.payment_state = Some(if is_back { PaymentState::Refunded } else { PaymentState::Captured });
        }
        self.status = self.derived_status();
        self.settled = match self.status {
            Some(OrderStatus::Completed) => true,
            Some(OrderStatus::Rejected | OrderStatus::Cancelled) => self.holds_nothing(),
            _ => false,
        };
    }

    /// Shipping was asked more often than it has answered with no. A yes ends the order.
    pub fn is_cancelling(&self) -> bool {
        self.cancel_requests.len() > self.cancels_refused.len()
    }

    fn derived_status(&self) -> Option<OrderStatus> {
        if self.completed_at.is_some() {
            return Some(OrderStatus::Completed);
        }
        match self.ending {
            Some(Ending::Rejected) => return Some(OrderStatus::Rejected),
            Some(Ending::Cancelled) => return Some(OrderStatus::Cancelled),
            None if self.is_cancelling() => return Some(OrderStatus::Cancelling),
            None => {}
        }
        [
            (self.dispatched_at, OrderStatus::Dispatched),
            (self.confirmed_at, OrderStatus::Confirmed),
            (self.paid_at, OrderStatus::Paid),
            (self.validated_at, OrderStatus::Validated),
            (self.priced_at, OrderStatus::Priced),
            (self.placed_at, OrderStatus::Placed),
        ]
        .into_iter()
        .find_map(|(at, status)| at.map(|_| status))
    }

    fn holds_nothing(&self) -> bool {
        let holds_stock =
            matches!(self.reservation_state, Some(ReservationState::Active | ReservationState::Committed));
        let holds_goods = matches!(self.shipment_state, Some(ShipmentState::Allocated | ShipmentState::Ready));
        let holds_money = match self.payment_state {
            None | Some(PaymentState::Failed | PaymentState::Voided | PaymentState::Refunded) => false,
            // Nobody tells that somebody outside was asked in vain.
            Some(PaymentState::Requested) => self.payment_method != Some(PaymentMethod::External),
            Some(PaymentState::Authorized | PaymentState::CaptureFailed) => true,
            Some(PaymentState::Captured) => self.captured_minor != Some(0),
        };
        !(holds_stock || holds_goods || holds_money)
    }
}

impl End {
    fn rank(&self) -> (Timestamp, Ending, &str, Option<&str>, Option<&str>, i64) {
        let cancelled_by = self.cancelled_by.map(CancelledBy::as_str);
        (self.at, self.ending, &self.reason, self.owed_step.as_deref(), cancelled_by, self.refund_due_minor)
    }
}

impl TimelineRest {
    pub fn new(order_id: &Id, at: LogPosition) -> Self {
        Self { order_id: order_id.clone(), place: Self::place(at), since_segment: at.segment }
    }

    /// A place in the log as the key has it.
    pub fn place(at: LogPosition) -> Id {
        id(&format!("{:020}-{:010}", at.segment, at.index))
    }

    /// Where the event is in the log. The text is our own: what cannot be read is no place.
    pub fn address(&self) -> Option<LogPosition> {
        let (segment, index) = self.place.as_str().split_once('-')?;
        Some(LogPosition { segment: segment.parse().ok()?, index: index.parse().ok()? })
    }
}

impl RefundView {
    /// One refund has one amount; told again, the first telling stands.
    #[must_use]
    pub fn merged(self, told: Self) -> Self {
        let since_segment = self.since_segment.min(told.since_segment);
        let rank = |refund: &Self| (refund.refunded_at, refund.amount_minor, refund.currency, refund.reason.clone());
        let first = if rank(&told) < rank(&self) { told } else { self };
        Self { since_segment, ..first }
    }
}

fn learn(known: &mut Option<Id>, told: Option<&Id>) {
    if let Some(told) = told {
        earliest(known, told);
    }
}

/// Priced lines say more than unpriced ones. Beyond that any fixed order will do: an order has one set of lines.
#[derive(PartialEq, Eq)]
struct LinesRank<'a>(&'a Lines);

impl Ord for LinesRank<'_> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        fn is_priced(lines: &Lines) -> bool {
            !lines.is_empty() && lines.iter().all(|line| line.unit_price_minor.is_some())
        }
        fn content(lines: &Lines) -> impl Iterator<Item = (&Id, u32, Option<i64>, &Id, Option<&Id>, Option<&Id>)> + '_ {
            lines.iter().map(|line| {
                let (location_id, reservation_id) = (line.location_id.as_ref(), line.reservation_id.as_ref());
                (&line.sku, line.quantity, line.unit_price_minor, &line.product_id, location_id, reservation_id)
            })
        }
        is_priced(self.0).cmp(&is_priced(other.0)).then_with(|| content(self.0).cmp(content(other.0)))
    }
}

impl PartialOrd for LinesRank<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
