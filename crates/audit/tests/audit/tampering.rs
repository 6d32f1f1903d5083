//! Each invariant sees when somebody changes a row behind its back.

use std::collections::BTreeSet;

use tradewind_audit::{Charge, Charges, Report};
use tradewind_engine::{Entity, ports::Reader};
use tradewind_events::{PaymentMethod::Balance, Value};
use tradewind_inventory::Stock;
use tradewind_orders::Order;
use tradewind_payments::{Account, Payment, Posting};
use tradewind_query::OrderView;
use tradewind_shipping::Shipment;

use crate::shop::Shop;

fn violated(report: &Report) -> Vec<usize> {
    (1..).zip(&report.checks).filter(|(_, check)| check.violated > 0).map(|(number, _)| number).collect()
}

/// A shop with an order that went through, after `column` of the first row of a table was set to `value`.
fn tampered<E: Entity>(column: &str, value: Value) -> Report {
    let mut shop = Shop::open();
    shop.stocks("A", 10);
    shop.credits("ada", 5_000);
    shop.orders("ada", "A", 2, Balance);
    assert_eq!(violated(&shop.audit()), [0_usize; 0]);
    let rows = shop.stage.store().rows(E::TABLE);
    let mut row = rows.into_iter().next().expect("there is a row");
    row.values[E::TABLE.position(column).expect("the column is there")] = value;
    let key = E::from_row(&row.values).expect("the row can be read").key();
    shop.stage.store().tamper(E::TABLE, &key, Some(row));
    assert!(shop.stage.store().last_segment().is_ok_and(|last| last > 0));
    shop.audit()
}

#[test]
fn stock_that_does_not_add_up_is_seen() {
    assert_eq!(violated(&tampered::<Stock>("reserved", Value::Int(1))), [1]);
    assert_eq!(violated(&tampered::<Stock>("on_hand", Value::Int(7))), [2]);
    assert_eq!(violated(&tampered::<Stock>("reserved", Value::Int(-1))), [1]);
}

#[test]
fn an_order_that_stands_without_a_shipment_or_money_is_seen() {
    assert_eq!(violated(&tampered::<Shipment>("state", Value::Text("released".into()))), [3]);
    assert_eq!(violated(&tampered::<Payment>("state", Value::Text("voided".into()))), [3]);
}

#[test]
fn an_order_that_ended_and_keeps_what_it_held_is_seen() {
    assert_eq!(violated(&tampered::<Order>("state", Value::Text("cancelled".into()))), [4]);
}

#[test]
fn an_order_that_is_open_beyond_its_deadline_is_seen() {
    let mut shop = Shop::open();
    shop.stocks("A", 10);
    shop.credits("ada", 5_000);
    let order = shop.orders("ada", "A", 2, Balance);
    let rows = shop.stage.store().rows(Order::TABLE);
    let mut row = rows[0].clone();
    row.values[Order::TABLE.position("state").unwrap()] = Value::Text("priced".into());
    row.values[Order::TABLE.position("deadline_at").unwrap()] = Value::Int(0);
    shop.stage.store().tamper(Order::TABLE, &(&order).into(), Some(row));
    assert_eq!(violated(&shop.audit()), [5]);
}

#[test]
fn money_that_does_not_balance_is_seen() {
    assert_eq!(violated(&tampered::<Posting>("amount_minor", Value::Int(1))), [6]);
    assert_eq!(violated(&tampered::<Payment>("refunded_minor", Value::Int(9_999))), [6]);
}

#[test]
fn a_balance_that_was_spent_twice_is_seen() {
    let report = tampered::<Account>("debits_minor", Value::Int(1_000_000));
    assert_eq!(violated(&report), [6]);
    assert!(report.checks[5].violations.iter().any(|violation| violation.detail.contains("overdrawn")));
}

#[test]
fn a_read_model_that_is_not_what_the_log_says_is_seen() {
    assert_eq!(violated(&tampered::<OrderView>("total_minor", Value::Int(1))), [9]);
}

#[test]
fn money_that_the_provider_keeps_and_we_do_not_know_of_is_seen_unless_it_is_on_its_way() {
    let mut shop = Shop::open();
    shop.stocks("A", 10);
    let charge = |captured_minor, refunded_minor| Charge {
        order_id: tradewind_events::id("order"),
        reference: tradewind_events::id("charge"),
        currency: crate::shop::eur(),
        captured_minor,
        refunded_minor,
    };
    let audited = |list: Vec<Charge>, unsure: BTreeSet<_>| violated(&shop.audit_with(&Charges { list, unsure }));
    assert_eq!(audited(vec![charge(500, 0)], BTreeSet::new()), [6]);
    assert_eq!(audited(vec![charge(500, 500)], BTreeSet::new()), [0_usize; 0]);
    assert_eq!(audited(vec![charge(500, 0)], BTreeSet::from([tradewind_events::id("order")])), [0_usize; 0]);
}
