//! What an operator does: capture once more, refund, retry and settle what is owed.

use tradewind_engine::{
    Entity, Problem, Table, TryOutcome,
    operator::Action,
    ports::{Direction, List, Reader},
    tables::{JobRow, JobState},
};
use tradewind_events::{
    Value, id,
    jobs::{ProviderAction, ProviderState},
    payments::{PaymentRefunded, PaymentSurplusReturned, PaymentVoided},
};
use tradewind_payments::{
    Payment, Payments, Refund, Surplus,
    commands::{CapturePayment, Owed, RefundPayment, RetryOwed, SettleOwed},
    model::{PaymentState, RefundState, house},
};

use crate::world::{Order, REFERENCE, TOTAL, World};

/// A card order that is confirmed, captured and completed.
fn completed() -> World {
    let mut world = World::new();
    world.validates(&Order::card());
    world.answers(ProviderState::Authorized);
    world.confirms(&Order::card());
    world.answers(ProviderState::Captured);
    world.completes(&Order::card());
    world.stage.clear();
    world
}

/// A confirmed card order whose capture was refused for good.
fn capture_refused() -> World {
    let mut world = World::new();
    world.validates(&Order::card());
    world.answers(ProviderState::Authorized);
    world.confirms(&Order::card());
    world.answers(ProviderState::Refused);
    world.stage.clear();
    world
}

/// A card order that ended, whose hold is owed.
fn hold_owed() -> World {
    let mut world = World::new();
    world.validates(&Order::card());
    world.answers(ProviderState::Authorized);
    world.cancels(&Order::card());
    world.answers(ProviderState::Refused);
    world.stage.clear();
    world
}

/// A completed card order with an owed refund of 1,000.
fn refund_owed() -> World {
    let mut world = completed();
    world.refunds("refund-1", Some(1_000)).unwrap();
    world.answers(ProviderState::Refused);
    world.stage.clear();
    world
}

/// An ended card order with owed surplus.
fn surplus_owed() -> World {
    let mut world = World::new();
    world.cancels(&Order::card());
    world.calls_back(ProviderState::Authorized).unwrap();
    world.answers(ProviderState::Refused);
    world.stage.clear();
    world
}

fn captures(world: &mut World) -> Result<Payment, Problem> {
    world.stage.ask(CapturePayment { order_id: id("order-1") })
}

fn retries(world: &mut World, owed: Owed) -> Result<Payment, Problem> {
    world.stage.ask(RetryOwed { order_id: id("order-1"), owed })
}

fn settles(world: &mut World, owed: Owed) -> Result<Payment, Problem> {
    world.stage.ask(SettleOwed { order_id: id("order-1"), owed, actor: "operator-1".into() })
}

fn refund_1() -> Owed {
    Owed::Refund { refund_id: id("refund-1") }
}

fn the_surplus() -> Owed {
    Owed::Surplus { reference: id(REFERENCE) }
}

/// Rows of a table that are owed, the oldest first.
fn owed(world: &World, table: &'static Table) -> usize {
    let list = List::of(table, 100).at_least("owed_since", Value::Int(0)).order_by("owed_since", Direction::Ascending);
    world.stage.store().list(&list).unwrap().len()
}

#[test]
fn a_refused_capture_is_started_once_more_under_a_new_key() {
    let mut world = capture_refused();
    assert_eq!(captures(&mut world).unwrap().state(), PaymentState::Capturing);
    let (job, call) = world.call();
    assert!(job.as_str().ends_with(".capture.2") && call.key == job);
    assert_eq!(captures(&mut world).unwrap_err().code(), "capture_not_due");
    world.answers(ProviderState::Captured);
    assert_eq!((world.state(), world.said()), (PaymentState::Captured, vec!["payment.captured"]));
    assert_eq!(captures(&mut world).unwrap_err().code(), "capture_not_due");
    // What was refused once is not why the money goes back.
    world.cancels(&Order::card());
    world.answers(ProviderState::Refunded);
    assert_eq!(&*world.stage.said::<PaymentRefunded>()[0].reason, "changed_mind");
    world.audit();
}

#[test]
fn a_capture_is_not_started_for_an_order_that_ended_or_is_not_confirmed() {
    let mut ended = capture_refused();
    ended.cancels(&Order::card());
    assert_eq!(captures(&mut ended).unwrap_err().code(), "order_ended");
    ended.audit();
    let mut unconfirmed = World::new();
    assert_eq!(captures(&mut unconfirmed).unwrap_err().code(), "payment_not_found");
    unconfirmed.validates(&Order::card());
    assert_eq!(captures(&mut unconfirmed).unwrap_err().code(), "capture_not_due");
    unconfirmed.answers(ProviderState::Authorized);
    assert_eq!(captures(&mut unconfirmed).unwrap_err().code(), "capture_not_due");
    assert_eq!(unconfirmed.calls(), []);
    unconfirmed.audit();
}

#[test]
fn a_completed_order_is_refunded_in_parts_and_never_more_than_it_cost() {
    let mut world = completed();
    assert_eq!(world.refunds("refund-1", Some(TOTAL + 1)).unwrap_err().code(), "refund_too_large");
    assert_eq!(world.refunds("refund-1", Some(2_000)).unwrap().state(), RefundState::Refunding);
    assert_eq!(world.refunds("refund-1", Some(2_000)).unwrap().state(), RefundState::Refunding);
    assert_eq!(world.refunds("refund-2", None).unwrap_err().code(), "refund_under_way");
    world.answers(ProviderState::Refunded);
    assert_eq!(world.state(), PaymentState::Captured);
    assert_eq!(world.refunds("refund-1", Some(1)).unwrap_err().code(), "refund_id_taken");
    // All that is left is another wish, and so is another reason.
    assert_eq!(world.refunds("refund-1", None).unwrap_err().code(), "refund_id_taken");
    let other = RefundPayment {
        order_id: id("order-1"),
        refund_id: Some(id("refund-1")),
        amount_minor: Some(2_000),
        reason: "another reason".into(),
        actor: "operator-1".into(),
    };
    assert_eq!(world.stage.ask(other).unwrap_err().code(), "refund_id_taken");
    assert_eq!(world.refunds("refund-2", Some(3_001)).unwrap_err().code(), "refund_too_large");
    assert_eq!(world.refunds("refund-2", None).unwrap().amount_minor(), 3_000);
    world.answers(ProviderState::Refunded);
    assert_eq!(world.state(), PaymentState::Refunded);
    assert_eq!(world.refunds("refund-3", None).unwrap_err().code(), "refund_too_large");
    let told: Vec<_> = world.stage.said::<PaymentRefunded>().iter().map(|told| told.amount_minor).collect();
    assert_eq!(told, [2_000, 3_000]);
    assert_eq!(world.refund("refund-2").requested_by().map(AsRef::as_ref), Some("operator-1"));
    assert_eq!(world.house(&house::REVENUE), 0);
    world.audit();
}

#[test]
fn a_refund_without_an_id_gets_one() {
    let mut world = completed();
    let wish = RefundPayment {
        order_id: id("order-1"),
        refund_id: None,
        amount_minor: Some(1),
        reason: "damaged".into(),
        actor: "operator-1".into(),
    };
    let refund = world.stage.ask(wish.clone()).unwrap();
    assert_eq!(world.payment().refund_id(), Some(refund.refund_id()));
    let blank = RefundPayment { reason: " ".into(), ..wish.clone() };
    assert_eq!(world.stage.ask(blank).unwrap_err().code(), "text_length");
    let nothing = RefundPayment { amount_minor: Some(0), ..wish };
    assert_eq!(world.stage.ask(nothing).unwrap_err().code(), "amount_not_positive");
    world.audit();
}

#[test]
fn a_live_order_is_cancelled_instead_unless_shipping_cannot_recall() {
    let confirmed = |settings: Payments| {
        let mut world = World::with(settings);
        world.validates(&Order::external());
        world.confirms(&Order::external());
        world
    };
    let mut world = confirmed(Payments::default());
    assert_eq!(world.refunds("refund-1", None).unwrap_err().code(), "not_completed");
    let mut world = confirmed(Payments { shipping_recalls: false, ..Payments::default() });
    assert_eq!(world.refunds("refund-1", None).unwrap_err().code(), "not_captured");
    world.completes(&Order::external());
    world.cancels(&Order::external());
    assert_eq!(world.refunds("refund-1", None).unwrap_err().code(), "order_ended");

    let mut world = World::with(Payments { shipping_recalls: false, ..Payments::default() });
    world.validates(&Order::card());
    world.answers(ProviderState::Authorized);
    assert_eq!(world.refunds("refund-1", None).unwrap_err().code(), "not_completed");
    world.confirms(&Order::card());
    world.answers(ProviderState::Captured);
    assert_eq!(world.refunds("refund-1", Some(1_000)).unwrap().amount_minor(), 1_000);
    // It ends while the part is on its way: the rest goes back after it.
    world.cancels(&Order::card());
    assert_eq!(world.asks(), ["refund"]);
    world.answers(ProviderState::Refunded);
    assert_eq!(world.call().1.amount_minor, TOTAL - 1_000);
    world.answers(ProviderState::Refunded);
    assert_eq!((world.state(), world.house(&house::REVENUE)), (PaymentState::Refunded, 0));
    world.audit();
}

#[test]
fn a_balance_refund_is_done_at_once_and_the_same_id_refunds_nothing_twice() {
    let mut world = World::with_balance(TOTAL);
    world.validates(&Order::balance());
    world.confirms(&Order::balance());
    world.completes(&Order::balance());
    for _ in 0..2 {
        assert_eq!(world.refunds("refund-1", Some(500)).unwrap().state(), RefundState::Refunded);
    }
    assert_eq!(world.account().balance_minor(), 500);
    assert_eq!((world.state(), world.payment().refunded_minor()), (PaymentState::Captured, 500));
    world.audit();
}

#[test]
fn what_is_owed_is_listed_until_it_has_gone_back() {
    type Begin = fn() -> World;
    let cases: [(Begin, Owed, &'static Table, ProviderState); 3] = [
        (hold_owed, Owed::Hold, Payment::TABLE, ProviderState::Voided),
        (refund_owed, refund_1(), Refund::TABLE, ProviderState::Refunded),
        (surplus_owed, the_surplus(), Surplus::TABLE, ProviderState::Returned),
    ];
    for (world, debt, table, done) in cases {
        let mut world = world();
        assert_eq!(owed(&world, table), 1);
        retries(&mut world, debt.clone()).unwrap();
        let (first, _) = world.call();
        assert!(first.as_str().ends_with(".2"), "a refusal is not asked about again under its key: {first}");
        assert_eq!(owed(&world, table), 0);
        // A retry of what is under way is the same call.
        retries(&mut world, debt.clone()).unwrap();
        assert_eq!(world.call().0, first);
        assert_eq!(settles(&mut world, debt.clone()).unwrap_err().code(), "nothing_owed");
        world.answers(ProviderState::Refused);
        assert_eq!((owed(&world, table), world.said()), (1, vec!["payment.refund_failed"]));
        retries(&mut world, debt.clone()).unwrap();
        world.answers(done);
        assert_eq!((owed(&world, table), world.calls()), (0, vec![]));
        assert_eq!(retries(&mut world, debt.clone()).unwrap_err().code(), "nothing_owed");
        assert_eq!(settles(&mut world, debt).unwrap_err().code(), "nothing_owed");
        world.audit();
    }
}

#[test]
fn a_settled_debt_is_told_as_gone_back() {
    let mut hold = hold_owed();
    assert_eq!(settles(&mut hold, Owed::Hold).unwrap().state(), PaymentState::Voided);
    assert_eq!(hold.stage.said::<PaymentVoided>()[0].amount_minor, TOTAL);
    assert_eq!(hold.payment().settled_by().map(AsRef::as_ref), Some("operator-1"));
    assert_eq!((owed(&hold, Payment::TABLE), hold.said()), (0, vec!["payment.voided"]));
    hold.audit();

    let mut refund = refund_owed();
    assert_eq!(settles(&mut refund, refund_1()).unwrap().refunded_minor(), 1_000);
    assert_eq!(refund.stage.said::<PaymentRefunded>()[0].amount_minor, 1_000);
    assert_eq!((refund.house(&house::SETTLEMENT), refund.house(&house::REVENUE)), (1_000, TOTAL - 1_000));
    assert_eq!(refund.refunds("refund-2", None).unwrap().amount_minor(), TOTAL - 1_000);
    refund.audit();

    let mut surplus = surplus_owed();
    settles(&mut surplus, the_surplus()).unwrap();
    assert_eq!(surplus.stage.said::<PaymentSurplusReturned>()[0].amount_minor, TOTAL);
    assert_eq!((owed(&surplus, Surplus::TABLE), surplus.calls()), (0, vec![]));
    surplus.audit();
}

#[test]
fn an_owed_refund_is_set_aside_and_does_not_stand_in_the_way_of_others() {
    let mut world = refund_owed();
    assert_eq!(world.refunds("refund-2", Some(TOTAL)).unwrap_err().code(), "refund_too_large");
    world.refunds("refund-2", None).unwrap();
    assert_eq!(retries(&mut world, refund_1()).unwrap_err().code(), "refund_under_way");
    // It can be settled while another one is under way.
    assert_eq!(settles(&mut world, refund_1()).unwrap().state(), PaymentState::Refunding);
    world.answers(ProviderState::Refunded);
    assert_eq!((world.state(), world.payment().refunded_minor()), (PaymentState::Refunded, TOTAL));
    world.audit();
}

#[test]
fn nothing_is_owed_where_nothing_was_refused() {
    let mut world = completed();
    for debt in [Owed::Hold, refund_1(), the_surplus()] {
        assert_eq!(retries(&mut world, debt.clone()).unwrap_err().code(), "nothing_owed");
        assert_eq!(settles(&mut world, debt).unwrap_err().code(), "nothing_owed");
    }
    assert_eq!((world.calls(), world.said()), (vec![], vec![]));
    world.audit();
}

#[test]
fn an_authorization_that_cannot_be_undone_is_owed_and_undone_by_a_retry() {
    let mut world = World::new();
    world.validates(&Order::card());
    let authorization = world.call();
    world.cancels(&Order::card());
    let cancels = |world: &World| {
        let calls = world.calls();
        calls.into_iter().find(|(_, call)| call.action == ProviderAction::Cancel).unwrap()
    };
    let (job, call) = cancels(&world);
    world.answers_call(&job, &crate::world::answer(&call, ProviderState::Refused));
    assert_eq!((world.state(), owed(&world, Payment::TABLE)), (PaymentState::Authorized, 1));
    // The order is confirmed by a message that was late: nothing is captured of what is owed.
    world.confirms(&Order::card());
    retries(&mut world, Owed::Hold).unwrap();
    let (job, call) = cancels(&world);
    assert_eq!((&call.key, world.state()), (&authorization.1.key, PaymentState::Voiding));
    world.answers_call(&job, &crate::world::answer(&call, ProviderState::Voided));
    assert_eq!(world.state(), PaymentState::Voided);
    world.audit();
}

#[test]
fn a_call_that_ran_out_of_attempts_is_asked_again_under_its_key() {
    let mut world = completed();
    world.refunds("refund-1", None).unwrap();
    let (job, _) = world.call();
    let state = |world: &World| world.stage.rows::<JobRow>()[0].state;
    for _ in 0..tradewind_engine::Limits::default().job_attempts_max {
        world.stage.try_job(&job, TryOutcome::Unknown("timed out".to_owned()));
    }
    assert_eq!(state(&world), JobState::Exhausted);
    assert_eq!((world.state(), world.said()), (PaymentState::Refunding, vec![]));
    // What is not known cannot be settled as if it were refused.
    assert_eq!(settles(&mut world, refund_1()).unwrap_err().code(), "nothing_owed");
    retries(&mut world, refund_1()).unwrap();
    assert_eq!((world.call().0, state(&world)), (job.clone(), JobState::Waiting));
    // The engine's own retry does the same.
    for _ in 0..tradewind_engine::Limits::default().job_attempts_max {
        world.stage.try_job(&job, TryOutcome::Unknown("timed out".to_owned()));
    }
    world.stage.operate(Action::RetryJob { job }).unwrap();
    world.answers(ProviderState::Refunded);
    assert_eq!(world.state(), PaymentState::Refunded);
    world.audit();
}
