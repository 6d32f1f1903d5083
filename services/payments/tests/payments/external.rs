//! Payment by somebody outside, who authorizes or fails it through the API or a contract.

use tradewind_engine::Problem;
use tradewind_events::{
    Id, id,
    payments::{PaymentFailed, PaymentSurplusReturned, PaymentVoided},
};
use tradewind_payments::{
    commands::{AuthorizeExternal, ExternalAuthorization, FailExternal, Via},
    model::{PaymentState, SurplusState, house},
};

use crate::world::{Order, TOTAL, World, eur};

fn authorize(reference: &str) -> AuthorizeExternal {
    AuthorizeExternal {
        order_id: id("order-1"),
        reference: id(reference),
        amount_minor: TOTAL,
        currency: eur(),
        via: Via::Api,
    }
}

fn pending() -> World {
    let mut world = World::new();
    world.validates(&Order::external());
    world.stage.clear();
    world
}

fn authorizes(world: &mut World, reference: &str) -> Result<ExternalAuthorization, Problem> {
    world.stage.ask(authorize(reference))
}

fn fails(world: &mut World) -> Result<PaymentState, Problem> {
    let told = FailExternal { order_id: id("order-1"), reason: "limit reached".into() };
    world.stage.ask(told).map(|payment| payment.state())
}

#[test]
fn the_payment_waits_until_somebody_authorizes_and_is_captured_by_the_confirmation() {
    let mut world = World::new();
    let order = Order::external();
    world.validates(&order);
    assert_eq!((world.state(), world.said()), (PaymentState::Pending, vec!["payment.requested"]));
    let answer = authorizes(&mut world, "their-1").unwrap();
    assert_eq!((answer.payment.state(), answer.surplus), (PaymentState::Authorized, None));
    assert_eq!(answer.payment.reference().map(Id::as_str), Some("their-1"));
    assert_eq!(authorizes(&mut world, "their-1").unwrap().payment.state(), PaymentState::Authorized);
    assert_eq!(world.said(), ["payment.authorized"]);
    world.confirms(&order);
    assert_eq!(world.said(), ["payment.captured"]);
    assert_eq!((world.house(&house::EXTERNAL), world.house(&house::REVENUE)), (-TOTAL, TOTAL));
    world.cancels(&order);
    assert_eq!(world.said(), ["payment.refunded"]);
    assert_eq!((world.house(&house::EXTERNAL), world.calls()), (0, vec![]));
    world.audit();
}

#[test]
fn an_order_that_was_confirmed_already_is_captured_with_the_authorization() {
    let mut world = pending();
    world.confirms(&Order::external());
    assert_eq!(world.said(), [""; 0]);
    authorizes(&mut world, "their-1").unwrap();
    assert_eq!(world.said(), ["payment.authorized", "payment.captured"]);
    world.audit();
}

#[test]
fn a_failure_ends_the_attempt_once() {
    let mut world = pending();
    assert_eq!(fails(&mut world), Ok(PaymentState::Failed));
    assert_eq!(&*world.stage.said::<PaymentFailed>()[0].reason, "limit reached");
    assert_eq!(fails(&mut world), Ok(PaymentState::Failed));
    assert_eq!(world.said(), ["payment.failed"]);
    let mut held = pending();
    authorizes(&mut held, "their-1").unwrap();
    assert_eq!(fails(&mut held).unwrap_err().code(), "payment_not_pending");
    let blank = FailExternal { order_id: id("order-1"), reason: String::new().into() };
    assert_eq!(held.stage.ask(blank).unwrap_err().field.as_deref(), Some("reason"));
    world.audit();
}

#[test]
fn a_wrong_amount_or_currency_is_refused_through_the_api_and_surplus_from_a_contract() {
    let usd = "USD".parse().unwrap();
    for wrong in [
        AuthorizeExternal { amount_minor: TOTAL + 1, ..authorize("their-1") },
        AuthorizeExternal { currency: usd, ..authorize("their-1") },
    ] {
        let mut world = pending();
        let problem = world.stage.ask(wrong.clone()).unwrap_err();
        assert_eq!((problem.code(), problem.field.as_deref()), ("payment_amount_differs", Some("amount_minor")));
        assert_eq!(world.said(), [""; 0]);
        let told = AuthorizeExternal { via: Via::Contract, ..wrong };
        let answer = world.stage.ask(told.clone()).unwrap();
        let surplus = answer.surplus.unwrap();
        assert_eq!((surplus.state(), surplus.amount_minor()), (SurplusState::Returned, told.amount_minor));
        world.stage.ask(told).unwrap();
        assert_eq!((world.state(), world.said()), (PaymentState::Pending, vec!["payment.surplus_returned"]));
        authorizes(&mut world, "their-2").unwrap();
        assert_eq!(world.state(), PaymentState::Authorized);
        world.audit();
    }
}

#[test]
fn a_success_that_nobody_waits_for_goes_back_in_the_same_commit() {
    type Reach = fn(&mut World);
    let order = Order::external();
    let cases: [(PaymentState, Reach); 4] = [
        (PaymentState::Ended, |_| {}),
        (PaymentState::Cancelled, |world| {
            world.validates(&Order::external());
        }),
        (PaymentState::Failed, |world| {
            world.validates(&Order::external());
            fails(world).unwrap();
        }),
        (PaymentState::Voided, |world| {
            world.validates(&Order::external());
            authorizes(world, "their-0").unwrap();
        }),
    ];
    for (state, reach) in cases {
        let mut world = World::new();
        reach(&mut world);
        world.cancels(&order);
        assert_eq!(world.state(), state);
        world.stage.clear();
        let answer = authorizes(&mut world, "their-1").unwrap();
        assert_eq!(answer.surplus.unwrap().state(), SurplusState::Returned);
        assert_eq!(&*world.stage.said::<PaymentSurplusReturned>()[0].reference, "their-1");
        authorizes(&mut world, "their-1").unwrap();
        assert_eq!((world.state(), world.said()), (state, vec!["payment.surplus_returned"]));
        assert!(fails(&mut world).is_ok());
        assert_eq!(world.calls(), []);
        world.audit();
    }
}

#[test]
fn an_end_while_it_waits_cancels_it_without_a_word_and_an_end_after_it_voids_the_hold() {
    let mut waiting = pending();
    waiting.rejects(&Order::external());
    assert_eq!((waiting.state(), waiting.said()), (PaymentState::Cancelled, vec![]));
    waiting.audit();
    let mut held = pending();
    authorizes(&mut held, "their-1").unwrap();
    held.stage.clear();
    held.rejects(&Order::external());
    assert_eq!(held.stage.said::<PaymentVoided>()[0].amount_minor, TOTAL);
    assert_eq!((held.state(), held.said()), (PaymentState::Voided, vec!["payment.voided"]));
    authorizes(&mut held, "their-1").unwrap();
    assert_eq!(held.said(), [""; 0]);
    held.audit();
}

#[test]
fn a_second_reference_is_surplus() {
    let mut world = pending();
    authorizes(&mut world, "their-1").unwrap();
    world.stage.clear();
    assert!(authorizes(&mut world, "their-2").unwrap().surplus.is_some());
    assert_eq!((world.state(), world.said()), (PaymentState::Authorized, vec!["payment.surplus_returned"]));
    world.audit();
}

#[test]
fn only_a_payment_that_waits_for_somebody_outside_is_theirs() {
    let mut world = World::new();
    assert_eq!(authorizes(&mut world, "their-1").unwrap_err().code(), "payment_not_found");
    assert_eq!(fails(&mut world).unwrap_err().code(), "payment_not_found");
    world.validates(&Order::card());
    assert_eq!(authorizes(&mut world, "their-1").unwrap_err().code(), "payment_not_external");
    assert_eq!(fails(&mut world).unwrap_err().code(), "payment_not_external");
    world.audit();
}

#[test]
fn surplus_that_was_reported_is_not_reported_again_with_another_amount() {
    let mut world = World::new();
    // What an order costs that ended before its payment was asked for is not known.
    world.cancels(&Order::external());
    authorizes(&mut world, "their-1").unwrap();
    let again = authorizes(&mut world, "their-1").unwrap().surplus.unwrap();
    assert_eq!((again.amount_minor(), again.state()), (TOTAL, SurplusState::Returned));
    for other in [
        AuthorizeExternal { amount_minor: TOTAL + 1, ..authorize("their-1") },
        AuthorizeExternal { currency: "USD".parse().unwrap(), ..authorize("their-1") },
    ] {
        assert_eq!(world.stage.ask(other).unwrap_err().code(), "payment_amount_differs");
    }
    world.audit();
}
