//! Orders that go through, and orders that do not: the books are clean either way.

use std::time::Duration;

use tradewind_audit::{Charge, Charges};
use tradewind_engine::{Entity, operator::Action};
use tradewind_events::{
    PaymentMethod::{Balance, Card, External},
    id,
    jobs::{ProviderAnswer, ProviderState},
    row_key,
};
use tradewind_orders::{CancelOrder, OrderState};
use tradewind_payments::{
    Account, AskProvider, Payment,
    commands::{Owed, RefundPayment, SettleOwed},
};
use tradewind_shipping::{DeliverShipment, DispatchShipment};

use crate::shop::{Shop, eur};

#[test]
fn a_balance_order_goes_through_in_one_commit_and_is_delivered() {
    let mut shop = Shop::open();
    shop.stocks("A", 10);
    shop.credits("ada", 5_000);
    shop.stage.clear();
    let before = tradewind_engine::ports::Reader::last_segment(shop.stage.store()).unwrap();
    let order = shop.orders("ada", "A", 2, Balance);
    assert_eq!(shop.order(&order).state(), OrderState::Confirmed, "{:?}", shop.stage.said_names());
    assert_eq!(tradewind_engine::ports::Reader::last_segment(shop.stage.store()).unwrap(), before + 1);
    shop.stage.ask(DispatchShipment { order_id: order.clone(), carrier: None, tracking: None }).unwrap();
    shop.stage.ask(DeliverShipment { order_id: order.clone() }).unwrap();
    assert_eq!(shop.order(&order).state(), OrderState::Completed);
    let account = shop.stage.row::<Account>(row_key(&["ada", "EUR"])).unwrap();
    assert_eq!(account.credits_minor() - account.debits_minor(), 3_000);
    let report = shop.audit();
    assert!(report.is_clean(), "{report:#?}");
    assert_eq!((shop.stage.dead_letters(), shop.stage.parked()), (vec![], vec![]));
    let unexamined: Vec<_> =
        (1..).zip(&report.checks).filter(|(_, check)| check.examined == 0).map(|(number, _)| number).collect();
    // One store alone has no books between stores, and nothing here has ended.
    assert_eq!(unexamined, [4, 8]);
    assert_eq!(eur().as_str(), "EUR");
    assert_eq!(Payment::TABLE.name, "payment");
}

#[test]
fn refused_cancelled_and_expired_orders_hold_nothing() {
    let mut shop = Shop::open();
    shop.stocks("A", 3);
    shop.credits("ada", 5_000);
    let poor = shop.orders("bob", "A", 1, Balance);
    let greedy = shop.orders("ada", "A", 4, Balance);
    let cancelled = shop.orders("ada", "A", 1, Balance);
    shop.stage.ask(CancelOrder { order_id: cancelled.clone(), customer: None, reason: None }).unwrap();
    let unpaid = shop.orders("ada", "A", 1, External);
    let waiting = shop.orders("ada", "A", 1, Card);
    assert_eq!(shop.order(&poor).state(), OrderState::Rejected);
    assert_eq!(shop.order(&greedy).state(), OrderState::Rejected);
    assert_eq!(shop.order(&cancelled).state(), OrderState::Cancelled);
    shop.stage.advance(Duration::from_mins(40));
    assert!(shop.order(&unpaid).state().has_ended());
    assert!(shop.order(&waiting).state().has_ended());
    let report = shop.audit();
    assert_eq!(report.violated(), 0, "{report:#?}");
    // The provider has not said yet what became of the card.
    assert!(report.set_aside >= 1);
}

#[test]
fn what_a_paused_service_has_not_heard_yet_is_no_violation() {
    let mut shop = Shop::open();
    shop.stocks("A", 10);
    shop.credits("ada", 5_000);
    for consumer in ["notifications", "query"] {
        shop.stage.operate(Action::Pause { consumer: id(consumer), reason: "test".into() }).unwrap();
    }
    let order = shop.orders("ada", "A", 1, Balance);
    assert_eq!(shop.order(&order).state(), OrderState::Confirmed);
    let report = shop.audit();
    assert_eq!(report.violated(), 0, "{report:#?}");
    assert!(report.set_aside > 0 && report.owed.is_empty(), "{report:#?}");
    for consumer in ["notifications", "query"] {
        shop.stage.operate(Action::Resume { consumer: id(consumer) }).unwrap();
    }
    shop.stage.run();
    let report = shop.audit();
    assert_eq!((report.violated(), report.set_aside), (0, 0), "{report:#?}");
}

#[test]
fn a_refund_that_an_operator_settled_is_still_with_the_provider() {
    let mut shop = Shop::open();
    shop.stocks("A", 10);
    let order = shop.orders("ada", "A", 1, Card);
    let answers = |shop: &mut Shop, state| {
        let (job, call) = shop.stage.jobs::<AskProvider>().remove(0);
        let (reference, amount_minor) = (Some("charge-1".into()), call.amount_minor);
        shop.stage.finish::<AskProvider>(&job, &ProviderAnswer { state, reference, amount_minor, reason: None });
    };
    answers(&mut shop, ProviderState::Authorized);
    answers(&mut shop, ProviderState::Captured);
    shop.stage.ask(DispatchShipment { order_id: order.clone(), carrier: None, tracking: None }).unwrap();
    shop.stage.ask(DeliverShipment { order_id: order.clone() }).unwrap();
    let refund = RefundPayment {
        order_id: order.clone(),
        refund_id: Some(id("refund")),
        amount_minor: None,
        reason: "it broke".into(),
        actor: "staff".into(),
    };
    shop.stage.ask(refund).unwrap();
    answers(&mut shop, ProviderState::Refused);
    let owed = Owed::Refund { refund_id: id("refund") };
    shop.stage.ask(SettleOwed { order_id: order.clone(), owed, actor: "staff".into() }).unwrap();
    let audited = |refunded_minor| {
        let (order_id, reference, currency) = (order.clone(), id("charge-1"), eur());
        let charge = Charge { order_id, reference, currency, captured_minor: 1_000, refunded_minor };
        shop.audit_with(&Charges { list: vec![charge], ..Charges::default() }).violated()
    };
    assert_eq!(audited(0), 0);
    assert_eq!(audited(1_000), 1, "it went back twice");
}
