//! Payment from a prepaid account: every pair of steps in one commit.

use std::sync::Arc;

use tradewind_engine::{
    Entity, Message, Received,
    ports::{List, Reader},
};
use tradewind_events::{
    PaymentMethod, Value,
    orders::OrderValidated,
    payments::{AccountCredited, PaymentAuthorized, PaymentFailed, PaymentRefunded, PaymentVoided},
    samples::Sample,
};
use tradewind_payments::{
    Posting,
    model::{PaymentState, house},
};

use crate::world::{CUSTOMER, Order, TOTAL, World};

#[test]
fn a_hold_moves_money_to_held_and_a_capture_to_revenue() {
    let mut world = World::with_balance(TOTAL + 1);
    let order = Order::balance();
    world.validates(&order);
    assert_eq!(world.said(), ["account.debited", "payment.authorized"]);
    assert_eq!((world.account().balance_minor(), world.account().held_minor()), (1, TOTAL));
    assert_eq!(world.house(&house::HELD), TOTAL);
    world.confirms(&order);
    assert_eq!(world.said(), ["payment.captured"]);
    assert_eq!((world.house(&house::HELD), world.house(&house::REVENUE)), (0, TOTAL));
    assert_eq!((world.account().held_minor(), world.account().holds()), (0, 0));
    for again in 0..2 {
        world.validates(&order);
        world.confirms(&order);
        world.completes(&order);
        assert_eq!(world.said(), [""; 0], "{again}");
    }
    assert_eq!(world.state(), PaymentState::Captured);
    assert_eq!(world.calls(), []);
    world.audit();
}

#[test]
fn a_payment_that_cannot_be_held_says_why_and_stays_failed() {
    type Begin = fn() -> World;
    let order = Order::balance();
    let cases: [(&str, Begin); 3] = [
        ("no_account", World::new),
        ("insufficient_funds", || World::with_balance(TOTAL - 1)),
        ("account_closed", || {
            let mut world = World::with_balance(TOTAL);
            world.deletes(CUSTOMER);
            world.stage.clear();
            world
        }),
    ];
    for (reason, world) in cases {
        let mut world = world();
        world.validates(&order);
        assert_eq!(&*world.stage.said::<PaymentFailed>()[0].reason, reason);
        assert_eq!(world.said(), ["payment.failed"]);
        world.credits(CUSTOMER, TOTAL).ok();
        world.stage.clear();
        world.validates(&order);
        world.confirms(&order);
        world.rejects(&order);
        assert_eq!(world.said(), [""; 0]);
        assert_eq!((world.state(), world.house(&house::HELD)), (PaymentState::Failed, 0));
        world.audit();
    }
}

#[test]
fn a_balance_is_not_spent_twice_by_orders_that_come_together() {
    let mut world = World::with_balance(TOTAL);
    for nth in 1..=5 {
        let order = Order::new(&format!("order-{nth}"), PaymentMethod::Balance, TOTAL);
        let event_id = format!("validated-{nth}");
        let envelope = world.stage.envelope(&event_id, OrderValidated { order: order.0, ..OrderValidated::sample() });
        world.stage.accept(Message::Received(Received { envelope: Arc::new(envelope), receipt: None }));
    }
    world.stage.run();
    let authorized = world.stage.said::<PaymentAuthorized>();
    assert_eq!(authorized.iter().map(|paid| paid.order.order_id.as_str()).collect::<Vec<_>>(), ["order-1"]);
    assert_eq!(world.stage.said::<PaymentFailed>().len(), 4);
    assert_eq!(world.account().balance_minor(), 0);
    world.audit();
}

#[test]
fn an_end_before_the_capture_gives_the_hold_back() {
    let mut world = World::with_balance(TOTAL);
    let order = Order::balance();
    world.validates(&order);
    world.stage.clear();
    world.rejects(&order);
    let voided = world.stage.said::<PaymentVoided>();
    assert_eq!(voided[0].amount_minor, TOTAL);
    let credited = world.stage.said::<AccountCredited>();
    assert_eq!((&*credited[0].cause, credited[0].balance_minor), ("void", TOTAL));
    assert_eq!(world.said(), ["account.credited", "payment.voided"]);
    world.rejects(&order);
    world.cancels(&order);
    world.confirms(&order);
    world.validates(&order);
    assert_eq!(world.said(), [""; 0]);
    assert_eq!((world.account().balance_minor(), world.account().held_minor()), (TOTAL, 0));
    world.audit();
}

#[test]
fn an_end_after_the_capture_refunds_it_for_the_reason_of_the_end() {
    let mut world = World::with_balance(TOTAL);
    let order = Order::balance();
    world.validates(&order);
    world.confirms(&order);
    world.stage.clear();
    world.cancels(&order);
    let refunded = world.stage.said::<PaymentRefunded>();
    assert_eq!((refunded[0].amount_minor, &*refunded[0].reason), (TOTAL, "changed_mind"));
    assert_eq!(world.said(), ["account.credited", "payment.refunded"]);
    assert_eq!((world.account().balance_minor(), world.house(&house::REVENUE)), (TOTAL, 0));
    assert_eq!(world.state(), PaymentState::Refunded);
    world.audit();
}

#[test]
fn an_end_that_comes_first_is_remembered() {
    let mut world = World::with_balance(TOTAL);
    let order = Order::balance();
    world.cancels(&order);
    assert_eq!(world.state(), PaymentState::Ended);
    world.validates(&order);
    world.confirms(&order);
    assert_eq!(world.said(), [""; 0]);
    assert_eq!(world.account().balance_minor(), TOTAL);
    world.audit();
}

#[test]
fn a_confirmation_that_comes_first_captures_as_soon_as_the_money_is_held() {
    let mut world = World::with_balance(TOTAL);
    let order = Order::balance();
    world.completes(&order);
    world.confirms(&order);
    assert_eq!((world.state(), world.said()), (PaymentState::Unheard, vec![]));
    world.validates(&order);
    assert_eq!(world.said(), ["account.debited", "payment.authorized", "payment.captured"]);
    assert!(world.payment().completed());
    world.audit();
}

#[test]
fn an_order_that_costs_nothing_needs_nobody() {
    for method in [PaymentMethod::Balance, PaymentMethod::Card, PaymentMethod::External] {
        let mut world = World::new();
        let order = Order::new("order-1", method, 0);
        world.validates(&order);
        world.confirms(&order);
        assert_eq!(world.said(), ["payment.authorized", "payment.captured"]);
        world.completes(&order);
        assert_eq!(world.refunds("refund-1", None).unwrap_err().code(), "refund_too_large");
        world.cancels(&order);
        assert_eq!(world.said(), [""; 0]);
        let mut voided = World::new();
        voided.validates(&order);
        voided.cancels(&order);
        assert_eq!(voided.said(), ["payment.authorized", "payment.voided"]);
        assert_eq!((world.calls(), world.stage.rows::<Posting>()), (vec![], vec![]));
        world.audit();
    }
}

#[test]
fn an_order_without_a_total_is_a_dead_letter() {
    let mut world = World::new();
    let mut order = (*Order::balance().0).clone();
    order.total_minor = None;
    world.validates(&Order(Arc::new(order)));
    assert_eq!(world.stage.dead_letters().len(), 1);
    assert_eq!(world.said(), [""; 0]);
}

#[test]
fn the_ledger_of_an_account_is_paged_in_the_order_of_time() {
    let mut world = World::with_balance(100);
    for amount in [1, 2, 3, 4] {
        world.credits(CUSTOMER, amount).unwrap();
        world.credits("customer-2", amount).unwrap();
    }
    let customer = Value::Text(CUSTOMER.into());
    let page = |after: Option<&Posting>| {
        let mut list = List::of(Posting::TABLE, 2).equal("customer_id", customer.clone());
        if let Some(after) = after {
            list = list.after(Value::Null, after.key());
        }
        let rows = world.stage.store().list(&list).unwrap();
        rows.iter().map(|row| Posting::from_row(&row.values).unwrap()).collect::<Vec<_>>()
    };
    let mut seen: Vec<Posting> = Vec::new();
    while let next @ [_, ..] = &page(seen.last())[..] {
        seen.extend_from_slice(next);
    }
    assert_eq!(seen.iter().map(Posting::amount_minor).collect::<Vec<_>>(), [100, 1, 2, 3, 4]);
    assert_eq!(seen.last().map(Posting::credit_balance_minor), Some(110));
}
