//! A shop in three stores, audited on copies of different moments while its events are on their way.

use std::{collections::BTreeMap, time::Duration};

use proptest::prelude::*;
use tradewind_audit::{Audit, Charges, DELIVERY_MAX, Report, StoreView};
use tradewind_engine::{
    AnyService, Command, Entity, StoredRow,
    tables::{CounterRow, TimerRow},
};
use tradewind_events::{Id, PaymentMethod::Balance, Value};
use tradewind_inventory::Reservation;
use tradewind_notifications::model::Notification;
use tradewind_orders::{CancelOrder, Order, OrderState};
use tradewind_shipping::DispatchShipment;
use tradewind_testkit::{MemoryStore, Stage};

use crate::shop::{adjustment, credit, order_of, product, services, tamper, with};

const LAYOUT: [(&str, &[&str]); 3] = [
    ("front", &["identity", "catalog", "carts", "query"]),
    ("desk", &["orders", "notifications"]),
    ("back", &["inventory", "payments", "shipping"]),
];

fn living(names: &[&str]) -> Vec<AnyService> {
    services().into_iter().filter(|service| names.contains(&service.name)).collect()
}

/// The stores, and how far the events of each have come to each other one.
struct Split {
    stages: Vec<Stage>,
    delivered: BTreeMap<(usize, usize), usize>,
}

/// Copies of all stores.
type Copies = Vec<MemoryStore>;

impl Split {
    fn open() -> Self {
        let stages = LAYOUT.iter().map(|(name, services)| Stage::named(name, living(services))).collect();
        Self { stages, delivered: BTreeMap::new() }
    }

    /// With goods and a customer who has money, and nothing in flight.
    fn stocked() -> Self {
        let mut shop = Self::open();
        let product = shop.ask(0, product("A"));
        shop.ask(0, tradewind_catalog::commands::PublishProduct { product_id: product.product_id });
        shop.rests();
        shop.ask(2, adjustment("A", 100));
        shop.ask(2, credit("ada", 100_000));
        shop.rests();
        shop
    }

    fn ask<C: Command>(&mut self, store: usize, command: C) -> C::Answer {
        self.stages[store].ask(command).expect("the shop does it")
    }

    fn orders(&mut self) -> Id {
        self.ask(1, order_of("ada", "A", 1, Balance)).order_id
    }

    /// The next event of a store arrives at another one; `false`: there is none.
    fn delivers(&mut self, from: usize, to: usize) -> bool {
        let done = self.delivered.entry((from, to)).or_default();
        let Some(event) = self.stages[from].log().get(*done).cloned() else { return false };
        *done += 1;
        self.stages[to].hear_envelope((*event.envelope).clone());
        true
    }

    /// The next event is lost on its way.
    fn loses(&mut self, from: usize, to: usize) {
        *self.delivered.entry((from, to)).or_default() += 1;
    }

    /// Everything arrives.
    fn rests(&mut self) {
        let pairs = || (0..3).flat_map(|from| (0..3).map(move |to| (from, to))).filter(|(from, to)| from != to);
        while pairs().filter(|(from, to)| self.delivers(*from, *to)).count() > 0 {}
    }

    fn copy(&self, store: usize) -> MemoryStore {
        self.stages[store].store().copied()
    }

    fn audit(&self, copies: &Copies) -> Report {
        self.audit_some(copies, &[0, 1, 2])
    }

    fn audit_some(&self, copies: &Copies, which: &[usize]) -> Report {
        let services: Vec<_> = LAYOUT.iter().map(|(_, names)| living(names)).collect();
        let view = |store: &usize| {
            let (name, live) = (LAYOUT[*store].0, self.stages[*store].store());
            StoreView::new(name, &copies[*store], &services[*store]).with_live(live)
        };
        let stores: Vec<_> = which.iter().map(view).collect();
        let (registry, charges) = (tradewind_events::registry(), Charges::default());
        let charges = which.contains(&2).then_some(&charges);
        let now = self.stages[1].now();
        Audit { stores: &stores, registry: &registry, charges, now }.run().expect("copies can be audited")
    }

    /// The audit of the shop as it is.
    fn audited(&self) -> Report {
        self.audit(&(0..3).map(|store| self.copy(store)).collect())
    }
}

fn violated(report: &Report) -> Vec<(usize, String, String)> {
    let checks = (1..).zip(&report.checks);
    checks
        .flat_map(|(nth, check)| {
            check.violations.iter().map(move |found| (nth, found.subject.clone(), found.detail.clone()))
        })
        .collect()
}

#[test]
fn a_shop_in_three_stores_that_rests_is_clean() {
    let mut shop = Split::stocked();
    let order = shop.orders();
    shop.rests();
    assert_eq!(shop.stages[1].row::<Order>(&order).unwrap().state(), OrderState::Confirmed);
    let report = shop.audited();
    assert_eq!((violated(&report), report.set_aside, report.in_flight, report.owed.len()), (vec![], 0, 0, 0));
    for examined in [1, 2, 3, 6, 7, 8, 9, 10] {
        assert!(report.checks[examined - 1].examined > 0, "{examined}");
    }
}

#[test]
fn a_copy_that_has_received_what_an_earlier_copy_has_not_published_is_no_violation() {
    let mut shop = Split::stocked();
    let first = [shop.copy(0), shop.copy(1)];
    shop.orders();
    shop.rests();
    let [front, desk] = first;
    let report = shop.audit(&vec![front, desk, shop.copy(2)]);
    assert_eq!(violated(&report), []);
}

/// Steps in which a shop that ran would be audited: what happens, and which store is copied.
#[derive(Debug, Clone)]
enum Step {
    Orders,
    Cancels(usize),
    Dispatches(usize),
    Delivers(usize, usize),
    Waits,
    Copies(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let delivers = (0..3_usize, 1..3_usize).prop_map(|(from, by)| Step::Delivers(from, (from + by) % 3));
    let step = prop_oneof![
        2 => Just(Step::Orders),
        1 => (0..8_usize).prop_map(Step::Cancels),
        1 => (0..8_usize).prop_map(Step::Dispatches),
        40 => delivers,
        1 => Just(Step::Waits),
        3 => (0..3_usize).prop_map(Step::Copies),
    ];
    prop::collection::vec(step, 1..200)
}

impl Split {
    /// Whatever is asked may be refused.
    fn takes(&mut self, step: &Step, orders: &mut Vec<Id>) {
        match step {
            Step::Orders => orders.push(self.orders()),
            Step::Cancels(nth) => {
                if let Some(order_id) = orders.get(*nth).cloned() {
                    drop(self.stages[1].ask(CancelOrder { order_id, customer: None, reason: None }));
                }
            }
            Step::Dispatches(nth) => {
                if let Some(order_id) = orders.get(*nth).cloned() {
                    drop(self.stages[2].ask(DispatchShipment { order_id, carrier: None, tracking: None }));
                }
            }
            Step::Delivers(from, to) => {
                self.delivers(*from, *to);
            }
            Step::Waits => self.stages.iter_mut().for_each(|stage| stage.advance(Duration::from_mins(20))),
            Step::Copies(_) => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn copies_of_any_moments_in_any_order_show_no_violation(steps in steps()) {
        let mut shop = Split::stocked();
        let (mut orders, mut copies) = (Vec::new(), BTreeMap::new());
        for step in &steps {
            shop.takes(step, &mut orders);
            if let Step::Copies(store) = step {
                // One that is there already is older.
                copies.entry(*store).or_insert_with(|| shop.copy(*store));
            }
            if copies.len() == 3 {
                let copies = std::mem::take(&mut copies).into_values().collect();
                prop_assert_eq!(violated(&shop.audit(&copies)), []);
                for some in [&[0][..], &[1], &[2], &[0, 1], &[0, 2], &[1, 2]] {
                    prop_assert_eq!(violated(&shop.audit_some(&copies, some)), []);
                }
            }
        }
        shop.rests();
        let report = shop.audited();
        prop_assert_eq!((violated(&report), report.in_flight, report.owed.len()), (vec![], 0, 0));
    }
}

/// A shop with two orders that went through, at rest.
fn traded() -> (Split, Id) {
    let mut shop = Split::stocked();
    let order = shop.orders();
    shop.orders();
    shop.rests();
    (shop, order)
}

#[test]
fn what_was_copied_before_a_change_is_not_compared_with_what_was_copied_behind_it() {
    let (mut shop, order) = traded();
    let (front, desk) = (shop.copy(0), shop.copy(1));
    shop.ask(1, CancelOrder { order_id: order, customer: None, reason: None });
    shop.rests();
    let copies = vec![front, desk, shop.copy(2)];
    // One copy has it confirmed, the other has let its goods go.
    for some in [&[0, 1, 2][..], &[1, 2]] {
        let report = shop.audit_some(&copies, some);
        assert_eq!((violated(&report), report.set_aside > 0), (vec![], true));
    }
    let report = shop.audited();
    assert_eq!((violated(&report), report.set_aside), (vec![], 0));
}

#[test]
fn an_event_that_was_received_before_its_producer_was_copied_without_it_sets_its_order_aside() {
    let (mut shop, _) = traded();
    // Nothing of it has reached the back when the desk is copied, and the back answers nothing to its end.
    let order = shop.orders();
    let copies: Copies = vec![shop.copy(0), shop.copy(1)];
    shop.ask(1, CancelOrder { order_id: order, customer: None, reason: None });
    while shop.delivers(1, 2) {}
    let report = shop.audit_some(&[&copies[..], &[shop.copy(2)]].concat(), &[1, 2]);
    // The order, and the notification of its end.
    assert_eq!((violated(&report), report.in_flight, report.set_aside), (vec![], 0, 2));
}

#[test]
fn a_row_that_was_changed_by_hand_in_one_store_is_seen_while_other_orders_are_under_way() {
    let (mut shop, order) = traded();
    let is_of = |row: &Reservation| *row.order_id() == order;
    let released = |row| Some(with::<Reservation>(row, "state", Value::Text("released".into())));
    tamper(shop.stages[2].store(), is_of, released);
    shop.orders();
    let report = shop.audited();
    let found: Vec<_> = violated(&report).into_iter().map(|(nth, ..)| nth).collect();
    // What is on the shelves does not add up any more, and the order has no goods.
    assert_eq!((found, report.set_aside > 0), (vec![2, 3], true));
    assert_eq!(report.checks[1].violations[0].store, "back");
    assert_eq!(report.checks[2].violations[0].store, "desk");
}

#[test]
fn a_notification_that_is_missing_for_an_order_of_another_store_is_seen() {
    let layout = |names: &[&str]| Stage::named(names[0], living(names));
    let (mut orders, mut told) =
        (layout(&["catalog", "inventory", "payments", "shipping", "orders"]), layout(&["notifications"]));
    let product = orders.ask(product("A")).unwrap();
    orders.ask(tradewind_catalog::commands::PublishProduct { product_id: product.product_id }).unwrap();
    orders.ask(adjustment("A", 10)).unwrap();
    orders.ask(credit("ada", 10_000)).unwrap();
    orders.ask(order_of("ada", "A", 1, Balance)).unwrap();
    let audited = |orders: &Stage, told: &Stage| {
        let services =
            [living(&["catalog", "inventory", "payments", "shipping", "orders"]), living(&["notifications"])];
        let stores = [
            StoreView::new("catalog", orders.store(), &services[0]),
            StoreView::new("notifications", told.store(), &services[1]),
        ];
        let registry = tradewind_events::registry();
        let audit = Audit { stores: &stores, registry: &registry, charges: None, now: orders.now() };
        audit.run().expect("stores in memory can be audited")
    };
    let report = audited(&orders, &told);
    assert_eq!((violated(&report), report.set_aside > 0), (vec![], true), "it has not arrived");
    for event in orders.log().to_vec() {
        told.hear_envelope((*event.envelope).clone());
    }
    told.advance(Duration::from_hours(1));
    assert_eq!(violated(&audited(&orders, &told)), []);
    tamper::<Notification>(told.store(), |_| true, |_| None);
    let found: Vec<_> = violated(&audited(&orders, &told)).into_iter().map(|(nth, ..)| nth).collect();
    assert_eq!(found, [10]);
}

#[test]
fn an_event_that_took_effect_twice_is_seen() {
    let (shop, _) = traded();
    let of_orders = |row: &CounterRow| (&*row.consumer, &*row.source) == ("shipping", "orders");
    let once_more = |row: StoredRow| {
        let handled = CounterRow::from_row(&row.values).expect("it can be read").handled + 1;
        Some(with::<CounterRow>(row, "handled", Value::Int(i64::try_from(handled).expect("it is small"))))
    };
    tamper(shop.stages[2].store(), of_orders, once_more);
    let [(8, subject, detail)] = &violated(&shop.audited())[..] else { panic!("one violation") };
    assert_eq!(subject, "shipping from orders");
    assert!(detail.contains("are accounted for, but only"), "{detail}");
}

#[test]
fn a_lost_event_is_in_flight_and_needs_an_operator_once_later_ones_have_arrived() {
    let mut shop = Split::stocked();
    let order = shop.orders();
    // Catalog is in the front, and does not learn of the order.
    shop.loses(1, 0);
    shop.rests();
    let report = shop.audited();
    assert_eq!((violated(&report), report.owed.len()), (vec![], 0), "it may be on its way");
    assert!(report.set_aside > 0 && report.in_flight > 0);
    shop.stages.iter_mut().for_each(|stage| stage.advance(DELIVERY_MAX + Duration::from_mins(1)));
    shop.orders();
    shop.rests();
    let report = shop.audited();
    let owed: Vec<_> = report.owed.iter().map(|owed| (owed.kind, &*owed.store, &*owed.id)).collect();
    let both = [("delivery", "front", "orders → catalog"), ("delivery", "front", "orders → query")];
    assert!(both.iter().all(|owed_one| owed.contains(owed_one)), "{owed:?}");
    assert_eq!(violated(&report), []);
    assert!(shop.stages[1].row::<Order>(&order).unwrap().state().has_ended(), "its deadline has ended it");
}

#[test]
fn a_deadline_that_has_passed_is_judged_by_the_timer_that_will_fire() {
    let mut shop = Split::stocked();
    let order = shop.orders();
    let copies: Copies = (0..3).map(|store| shop.copy(store)).collect();
    let audited = |shop: &Split, copies: &Copies| {
        let services = living(LAYOUT[1].1);
        let stores = [StoreView::new("desk", &copies[1], &services)];
        let (registry, now) = (tradewind_events::registry(), shop.stages[1].now().plus(Duration::from_hours(9)));
        Audit { stores: &stores, registry: &registry, charges: None, now }.run().expect("it can be audited")
    };
    let report = audited(&shop, &copies);
    assert_eq!((violated(&report), report.set_aside), (vec![], 1));
    tamper::<TimerRow>(&copies[1], |row| row.key == order, |_| None);
    let found: Vec<_> = violated(&audited(&shop, &copies)).into_iter().map(|(nth, ..)| nth).collect();
    assert_eq!(found, [5]);
}

#[test]
fn a_store_alone_is_judged_for_what_it_can_show() {
    let (shop, _) = traded();
    let copies: Copies = (0..3).map(|store| shop.copy(store)).collect();
    let examined = |which: &[usize]| {
        let report = shop.audit_some(&copies, which);
        assert_eq!((violated(&report), report.set_aside, report.in_flight), (vec![], 0, 0));
        let checks = (1..).zip(report.checks);
        checks.filter(|(_, check)| check.examined > 0).map(|(nth, _)| nth).collect::<Vec<_>>()
    };
    assert_eq!(examined(&[0]), [7, 8, 9]);
    assert_eq!(examined(&[1]), [3, 5, 7, 8, 10]);
    assert_eq!(examined(&[2]), [1, 2, 6, 7, 8]);
}
