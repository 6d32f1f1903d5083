//! Whether all is as it must be, once the shop has come to rest: the ten invariants over all stores, and what people
//! were told.

use std::collections::BTreeMap;

use tradewind_audit::{Audit, AuditError, Charges, Report, StoreView};
use tradewind_engine::tables::{JobRow, ParkedRow, TimerRow};
use tradewind_events::{AsKey, Id, Key, TextEnum, Timestamp, jobs::ProviderState};
use tradewind_identity::model::{User, UserState};
use tradewind_inventory::Stock;
use tradewind_notifications::model::{Notification, NotificationState};
use tradewind_orders::{Order, OrderState, owed_step};
use tradewind_payments::{
    Payment, Posting, Surplus,
    model::{CUSTOMER, PaymentState},
};
use tradewind_query::OrderView;
use tradewind_shipping::{Shipment, ShipmentState};

use crate::{Violation, asking::sku, world::World};

/// The audit looks from far behind every deadline.
pub const END: Timestamp = Timestamp::from_millis(i64::MAX / 2);

impl World {
    pub fn judge(&mut self) {
        match self.audit() {
            Ok(report) => self.take_report(&report),
            Err(error) => self.violate("the audit", error.to_string()),
        }
        self.judge_leftovers();
        self.judge_orders();
        self.judge_promises();
        self.judge_sums();
        self.judge_provider();
        self.judge_notifications();
        self.judge_privacy();
        self.judge_copies();
    }

    fn audit(&self) -> Result<Report, AuditError> {
        let services: Vec<_> = self.nodes.iter().map(|node| node.build(&self.shop)).collect();
        let stores = self.nodes.iter().zip(&services);
        let stores: Vec<_> = stores.map(|(node, services)| StoreView::new(&node.name, &node.store, services)).collect();
        let charges = Charges { list: self.provider.charges(), ..Charges::default() };
        Audit { stores: &stores, registry: &self.registry, charges: Some(&charges), now: END }.run()
    }

    fn take_report(&mut self, report: &Report) {
        for (number, check) in (1..).zip(&report.checks) {
            self.figures.examined += check.examined;
            for violation in &check.violations {
                let (subject, detail) = (violation.subject.clone(), violation.detail.clone());
                self.found(Violation { invariant: Some(number), subject, detail });
            }
        }
        for owed in &report.owed {
            self.violate(format!("{} {}", owed.kind, owed.id), format!("is still owed: {}", owed.detail));
        }
        if report.in_flight > 0 {
            self.violate("the network", format!("{} messages were published and never taken", report.in_flight));
        }
        if report.set_aside > 0 {
            self.violate("the audit", format!("{} orders were set aside", report.set_aside));
        }
    }

    fn judge_leftovers(&mut self) {
        let mut left = Vec::new();
        for node in &self.nodes {
            let timers = node.rows::<TimerRow>();
            left.extend(timers.iter().map(|row| format!("timer {} of {} for {}", row.name, row.service, row.key)));
            let jobs = node.rows::<JobRow>();
            left.extend(jobs.iter().map(|row| format!("job {} {}", row.kind, row.id)));
            let parked = node.rows::<ParkedRow>();
            left.extend(parked.iter().map(|row| format!("parked {} of {}", row.event, row.consumer)));
            if let Some(engine) = node.engine.as_ref().filter(|engine| engine.core.parked() != parked.len()) {
                let (counted, there) = (engine.core.parked(), parked.len());
                left.push(format!("{counted} parked messages by count where {there} are there"));
            }
        }
        for what in left {
            self.violate(what, "is left when nothing happens any more");
        }
    }

    /// Every order has ended, or waits for staff; the read model says the same of it.
    fn judge_orders(&mut self) {
        let views: BTreeMap<Id, OrderView> = self.nodes[self.host("query")]
            .rows::<OrderView>()
            .into_iter()
            .map(|view| (view.order_id.clone(), view))
            .collect();
        for order in self.nodes[self.host("orders")].rows::<Order>() {
            let subject = format!("order {}", order.order_id());
            *self.figures.outcomes.entry(outcome(&order)).or_default() += 1;
            let waits_for_staff = matches!(order.state(), OrderState::Confirmed | OrderState::Dispatched);
            if !order.state().is_final() && !waits_for_staff {
                self.violate(subject.clone(), format!("is {} in the end", order.state()));
            }
            if order.state().has_ended()
                && let Some((step, by)) = owed_step(&order)
            {
                self.violate(subject.clone(), format!("has ended, and {by} still owes the {step}"));
            }
            let Some(view) = views.get(order.order_id()) else {
                self.violate(subject, "is in no list");
                continue;
            };
            let shown = view.status.map_or("nothing", |status| status.as_str());
            if shown != order.state().as_str() {
                self.violate(subject.clone(), format!("is {}, and shown as {shown}", order.state()));
            }
            if view.settled != order.state().is_final() {
                self.violate(subject, format!("is {}, and shown as settled: {}", order.state(), view.settled));
            }
        }
    }

    /// What people were told is so.
    fn judge_promises(&mut self) {
        for contradiction in std::mem::take(&mut self.people.contradictions) {
            self.violate("an answer", contradiction);
        }
        for (number, ids) in self.people.placed.clone() {
            let (number, plan) = self.people.plan.orders[number].clone();
            let buyer = self.people.buyers.get(&plan.buyer).cloned();
            if ids.len() > 1 {
                self.violate(format!("order number {number}"), format!("was placed as {ids:?}"));
            }
            for order_id in ids {
                let order: Option<Order> = self.nodes[self.host("orders")].row(&Key::from(&order_id));
                let order = order.filter(|order| order.state() != OrderState::Unheard);
                if order.is_none_or(|order| Some(&order.summary().customer_id) != buyer.as_ref()) {
                    self.violate(format!("order {order_id}"), "was accepted, and is not there");
                }
            }
        }
        for (what, orders) in self.people.done.clone() {
            for order_id in orders {
                self.judge_done(what, &order_id);
            }
        }
    }

    fn judge_done(&mut self, what: &str, order_id: &Id) {
        let key = Key::from(order_id);
        let order: Option<Order> = self.nodes[self.host("orders")].row(&key);
        let shipment: Option<Shipment> = self.nodes[self.host("shipping")].row(&key);
        let (order, shipment) = (order.map(|order| order.state()), shipment.map(|shipment| shipment.state()));
        let kept = match what {
            "cancel" => order == Some(OrderState::Cancelled),
            "recall" => order.is_some_and(|state| state != OrderState::Cancelling),
            "ship" => matches!(shipment, Some(ShipmentState::Dispatched | ShipmentState::Delivered)),
            "arrive" => shipment == Some(ShipmentState::Delivered) && order == Some(OrderState::Completed),
            _ => true,
        };
        if !kept {
            let detail = format!("was told to {what}: the order is {order:?}, its shipment {shipment:?}");
            self.violate(format!("order {order_id}"), detail);
        }
    }

    /// What was put in, once each, is there.
    fn judge_sums(&mut self) {
        let postings = self.nodes[self.host("payments")].rows::<Posting>();
        for (customer_id, credited_minor) in self.people.credited.clone() {
            let top_ups = postings.iter().filter(|one| one.customer_id() == Some(&customer_id));
            let top_ups = top_ups.filter(|one| **one.credit() == *CUSTOMER && **one.cause() == *"top_up");
            let found: i64 = top_ups.map(Posting::amount_minor).sum();
            if found != credited_minor {
                let detail = format!("was credited {credited_minor} for sure, and {found} in the books");
                self.violate(format!("account of {customer_id}"), detail);
            }
        }
        let stocks = self.nodes[self.host("inventory")].rows::<Stock>();
        for (good, units) in self.people.stocked.clone() {
            let rows = stocks.iter().filter(|stock| *stock.sku() == sku(good));
            let found: i64 = rows.map(|stock| stock.received() + stock.adjusted()).sum();
            if found != units {
                self.violate(format!("stock of {}", sku(good)), format!("got {units} for sure, and counts {found}"));
            }
        }
    }

    /// The provider holds nothing that payments does not know to be held.
    fn judge_provider(&mut self) {
        let node = &self.nodes[self.host("payments")];
        let mut lost = Vec::new();
        for (reference, held) in self.provider.held() {
            if held.charge.state() != ProviderState::Authorized {
                continue;
            }
            let payment: Option<Payment> = node.row(&Key::from(&held.order_id));
            let surplus: Option<Surplus> = node.row(&(&held.order_id, reference).as_key());
            // An operator may have decided that it is of no account any more.
            let settled = payment.as_ref().is_some_and(|payment| payment.settled_by().is_some())
                || surplus.is_some_and(|surplus| surplus.settled_by().is_some());
            let known = payment.as_ref().is_some_and(|payment| {
                payment.state() == PaymentState::Authorized && payment.reference() == Some(reference)
            });
            if !known && !settled {
                let state = payment.map(|payment| payment.state());
                lost.push((held.order_id.clone(), format!("{reference} is held, and the payment is {state:?}")));
            }
        }
        for (order_id, detail) in lost {
            self.violate(format!("order {order_id}"), detail);
        }
    }

    fn judge_notifications(&mut self) {
        for notification in self.nodes[self.host("notifications")].rows::<Notification>() {
            let arrived = self.people.mails.get(notification.notification_id()).copied().unwrap_or(0);
            let fits = match notification.state() {
                NotificationState::Queued => false,
                NotificationState::Sent => arrived > 0,
                NotificationState::Failed => true,
            };
            if !fits {
                let (id, state) = (notification.notification_id(), notification.state());
                self.violate(format!("notification {id}"), format!("is {state}, and arrived {arrived} times"));
            }
        }
    }

    /// Of somebody who has left nothing personal is kept with their orders, and what has not left is not sent any more.
    fn judge_privacy(&mut self) {
        let users = self.nodes[self.host("identity")].rows::<User>();
        let left: Vec<Id> = users
            .into_iter()
            .filter(|user| user.state() == UserState::Deleted)
            .map(|user| user.user_id().clone())
            .collect();
        let (mut kept, mut homeless, mut going_on) = (Vec::new(), Vec::new(), Vec::new());
        let orders = self.nodes[self.host("orders")].rows::<Order>();
        for order in orders.iter().filter(|order| left.contains(&order.summary().customer_id)) {
            let key = Key::from(order.order_id());
            let shipment: Option<Shipment> = self.nodes[self.host("shipping")].row(&key);
            // Erased with the addresses: the order had one.
            let had_address = order.fingerprint().is_none() && order.state() != OrderState::Unheard;
            if had_address && order.state().stands() && !order.has_left() {
                going_on.push(format!("order {}", order.order_id()));
            }
            let ready = |shipment: &Shipment| shipment.state() == ShipmentState::Ready && shipment.address().is_none();
            if had_address && shipment.as_ref().is_some_and(ready) {
                homeless.push(format!("order {}", order.order_id()));
            }
            let shipped_to =
                shipment.filter(|shipment| !is_to_leave(shipment.state())).and_then(|it| it.address().cloned());
            if order.shipping_address().is_some() || order.billing_address().is_some() || shipped_to.is_some() {
                kept.push(format!("order {}", order.order_id()));
            }
        }
        for subject in going_on {
            self.violate(subject, "goes on, although its customer has left");
        }
        for subject in homeless {
            self.violate(subject, "can be sent, and nobody knows where to");
        }
        for subject in kept {
            self.violate(subject, "keeps an address of somebody who has left");
        }
    }
}

const fn is_to_leave(state: ShipmentState) -> bool {
    matches!(state, ShipmentState::Unheard | ShipmentState::Allocated | ShipmentState::Ready)
}

/// How an order stands in the end, and why if it ended.
fn outcome(order: &Order) -> String {
    let why = match order.state() {
        OrderState::Rejected => order.lost().map(TextEnum::as_str),
        OrderState::Cancelled => order.cancel_by().map(TextEnum::as_str),
        _ => None,
    };
    why.map_or_else(|| order.state().to_string(), |why| format!("{} {why}", order.state()))
}
