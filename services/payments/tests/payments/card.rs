//! Payment through the provider: what it answers, does not answer, and calls back about.

use std::time::Duration;

use tradewind_engine::TryOutcome;
use tradewind_events::{
    id,
    jobs::{ProviderAction, ProviderAnswer, ProviderState},
    payments::{
        PaymentCaptureFailed, PaymentFailed, PaymentRefundFailed, PaymentRefunded, PaymentSurplusReturned,
        PaymentVoided,
    },
};
use tradewind_payments::{
    commands::ProviderCallback,
    model::{PaymentState, SurplusState, TEXT_CHARS_MAX, house},
};

use crate::world::{Order, REFERENCE, TOTAL, World, answer, callback, eur};

/// A card order that the provider has been asked to hold the money of.
fn authorizing() -> World {
    let mut world = World::new();
    world.validates(&Order::card());
    world.stage.clear();
    world
}

fn authorized() -> World {
    let mut world = authorizing();
    world.answers(ProviderState::Authorized);
    world.stage.clear();
    world
}

fn capturing() -> World {
    let mut world = authorized();
    world.confirms(&Order::card());
    world.stage.clear();
    world
}

fn captured() -> World {
    let mut world = capturing();
    world.answers(ProviderState::Captured);
    world.stage.clear();
    world
}

#[test]
fn a_card_is_authorized_captured_and_refunded_under_keys_that_do_not_change() {
    let mut world = World::new();
    let order = Order::card();
    world.validates(&order);
    assert_eq!(world.said(), ["payment.requested"]);
    let payment_id = world.payment().payment_id().clone();
    let (job, call) = world.call();
    assert_eq!((&job, &call.key, call.action), (&payment_id, &payment_id, ProviderAction::Authorize));
    assert_eq!((call.amount_minor, call.currency, call.reference), (TOTAL, eur(), None));
    world.answers(ProviderState::Authorized);
    assert_eq!(world.said(), ["payment.authorized"]);
    world.confirms(&order);
    let (job, call) = world.call();
    assert_eq!(job.as_str(), format!("{payment_id}.capture.1"));
    assert_eq!((call.key, call.reference.as_deref()), (job, Some(REFERENCE)));
    world.answers(ProviderState::Captured);
    assert_eq!(world.said(), ["payment.captured"]);
    let clearing = house::clearing("simulator").unwrap();
    assert_eq!((world.house(&clearing), world.house(&house::REVENUE)), (-TOTAL, TOTAL));
    world.cancels(&order);
    let (job, call) = world.call();
    assert_eq!(job.as_str(), format!("{payment_id}.refund.1.1"));
    assert_eq!((call.action, call.refund_id.as_ref()), (ProviderAction::Refund, world.payment().refund_id()));
    world.answers(ProviderState::Refunded);
    assert_eq!(world.said(), ["payment.refunded"]);
    assert_eq!((world.house(&clearing), world.house(&house::REVENUE)), (0, 0));
    assert_eq!((world.state(), world.calls()), (PaymentState::Refunded, vec![]));
    world.audit();
}

#[test]
fn a_declined_card_fails_the_payment_for_the_reason_that_the_provider_gave() {
    let mut world = authorizing();
    let (job, call) = world.call();
    let declined = answer(&call, ProviderState::Declined);
    world.answers_call(&job, &ProviderAnswer { reason: Some("stolen_card".into()), ..declined });
    assert_eq!(&*world.stage.said::<PaymentFailed>()[0].reason, "stolen_card");
    world.rejects(&Order::card());
    assert_eq!((world.state(), world.said()), (PaymentState::Failed, vec!["payment.failed"]));
    assert_eq!(world.calls(), []);
    world.audit();
}

#[test]
fn a_reason_of_the_provider_is_cut_off_where_a_text_ends_that_people_may_write() {
    let mut world = authorizing();
    let (job, call) = world.call();
    let declined = answer(&call, ProviderState::Declined);
    let long = "🛒".repeat(TEXT_CHARS_MAX + 1);
    world.answers_call(&job, &ProviderAnswer { reason: Some(long.into()), ..declined });
    assert_eq!(&*world.stage.said::<PaymentFailed>()[0].reason, "🛒".repeat(TEXT_CHARS_MAX));
    world.audit();
}

#[test]
fn a_timeout_is_unknown_and_never_a_failure() {
    let mut world = authorizing();
    let before = world.call();
    world.stage.try_job(&before.0, TryOutcome::Unknown("timed out".to_owned()));
    world.stage.advance(Duration::from_secs(5));
    assert_eq!((world.state(), world.said()), (PaymentState::Authorizing, vec![]));
    assert_eq!(world.call(), before);
    world.answers(ProviderState::Authorized);
    assert_eq!(world.said(), ["payment.authorized"]);
    world.audit();
}

#[test]
fn a_provider_that_has_not_decided_is_asked_again_under_the_same_key_ever_more_slowly() {
    let mut world = authorizing();
    let before = world.call();
    let mut waited = Vec::new();
    for _ in 0..12 {
        world.answers(ProviderState::Pending);
        assert_eq!(world.call(), before);
        let jobs = world.stage.rows::<tradewind_engine::tables::JobRow>();
        let wait = jobs[0].due_at.since(world.stage.committed_at());
        waited.push(wait.as_secs());
        world.stage.advance(wait);
    }
    assert_eq!(waited, [30, 30, 60, 120, 240, 480, 960, 1_920, 3_600, 3_600, 3_600, 3_600]);
    assert_eq!(world.state(), PaymentState::Authorizing);
    world.answers(ProviderState::Authorized);
    assert_eq!(world.state(), PaymentState::Authorized);
    world.audit();
}

#[test]
fn an_end_while_an_authorization_is_open_undoes_it_under_its_key() {
    for (state, held, amount) in [
        (ProviderState::Voided, true, TOTAL),
        (ProviderState::NothingHeld, false, 0),
        (ProviderState::Declined, false, 0),
    ] {
        let mut world = authorizing();
        let authorization = world.call();
        world.cancels(&Order::card());
        let calls = world.calls();
        let (job, cancel) = calls.iter().find(|(_, call)| call.action == ProviderAction::Cancel).unwrap();
        assert_eq!((&cancel.key, world.state()), (&authorization.1.key, PaymentState::Voiding));
        assert_ne!(*job, authorization.0);
        let reference = held.then(|| REFERENCE.into());
        world.answers_call(job, &ProviderAnswer { state, reference, amount_minor: TOTAL, reason: None });
        assert_eq!(world.stage.said::<PaymentVoided>()[0].amount_minor, amount);
        assert_eq!(world.said(), ["payment.voided"]);
        // The answer to the authorization itself comes last, and changes nothing.
        let late = if held { ProviderState::Authorized } else { ProviderState::Declined };
        world.answers_call(&authorization.0, &answer(&authorization.1, late));
        assert_eq!((world.state(), world.said()), (PaymentState::Voided, vec![]));
        assert_eq!(world.calls(), []);
        world.audit();
    }
}

#[test]
fn an_authorization_that_is_answered_while_it_is_undone_waits_for_the_undoing() {
    let mut world = authorizing();
    let (authorization, call) = world.call();
    world.rejects(&Order::card());
    world.answers_call(&authorization, &answer(&call, ProviderState::Authorized));
    assert_eq!((world.state(), world.said()), (PaymentState::Voiding, vec![]));
    assert_eq!(world.asks(), ["cancel"]);
    world.answers(ProviderState::Voided);
    assert_eq!((world.state(), world.said()), (PaymentState::Voided, vec!["payment.voided"]));
    assert_eq!(world.surplus(REFERENCE), None);
    world.audit();
}

#[test]
fn a_charge_that_the_undoing_did_not_find_is_surplus() {
    for cancelled in [(ProviderState::Voided, Some("charge-of-the-key")), (ProviderState::NothingHeld, None)] {
        let mut world = authorizing();
        let authorization = world.call();
        world.rejects(&Order::card());
        world.calls_back(ProviderState::Authorized).unwrap();
        let calls = world.calls();
        let (job, _) = calls.iter().find(|(job, _)| *job != authorization.0).unwrap();
        let reference = cancelled.1.map(Into::into);
        let told = ProviderAnswer { state: cancelled.0, reference, amount_minor: TOTAL, reason: None };
        world.answers_call(job, &told);
        assert_eq!(world.surplus(REFERENCE).unwrap().state(), SurplusState::Returning);
        assert_eq!(world.asks(), ["authorize", "return"]);
        assert_eq!(world.payment().reference().map(tradewind_events::Id::as_str), cancelled.1);
        world.audit();
    }
}

#[test]
fn an_end_while_a_capture_is_in_flight_waits_for_its_outcome() {
    let mut taken = capturing();
    taken.cancels(&Order::card());
    assert_eq!((taken.state(), taken.asks()), (PaymentState::Capturing, vec!["capture".to_owned()]));
    taken.answers(ProviderState::Captured);
    assert_eq!((taken.said(), taken.asks()), (vec!["payment.captured"], vec!["refund".to_owned()]));
    taken.answers(ProviderState::Refunded);
    assert_eq!((taken.state(), taken.said()), (PaymentState::Refunded, vec!["payment.refunded"]));
    taken.audit();

    let mut refused = capturing();
    refused.cancels(&Order::card());
    refused.answers(ProviderState::Refused);
    assert_eq!((refused.said(), refused.asks()), (vec!["payment.capture_failed"], vec!["void".to_owned()]));
    refused.answers(ProviderState::Voided);
    assert_eq!((refused.state(), refused.said()), (PaymentState::Voided, vec!["payment.voided"]));
    refused.audit();
}

#[test]
fn an_authorization_that_is_undecided_is_asked_about_also_after_another_charge_took_its_place() {
    let mut world = authorizing();
    let (job, call) = world.call();
    let other = ProviderCallback { reference: id("charge-2"), ..callback(ProviderState::Authorized) };
    world.stage.ask(other).unwrap();
    assert_eq!(world.said(), ["payment.authorized"]);
    world.answers_call(&job, &answer(&call, ProviderState::Pending));
    assert_eq!((world.state(), world.asks()), (PaymentState::Authorized, vec!["authorize".to_owned()]));
    world.answers_call(&job, &answer(&call, ProviderState::Authorized));
    assert_eq!(world.surplus(REFERENCE).unwrap().state(), SurplusState::Returning);
    assert_eq!((world.state(), world.asks()), (PaymentState::Authorized, vec!["return".to_owned()]));
    world.audit();
}

#[test]
fn a_hold_that_was_taken_instead_of_let_go_is_given_back() {
    let mut known = authorized();
    known.cancels(&Order::card());
    known.answers(ProviderState::Captured);
    assert_eq!((known.said(), known.asks()), (vec!["payment.captured"], vec!["refund".to_owned()]));
    known.answers(ProviderState::Refunded);
    assert_eq!((known.state(), known.said()), (PaymentState::Refunded, vec!["payment.refunded"]));
    known.audit();

    // The answer to the cancel is the first that is heard of it, and another charge was taken for it before.
    let mut unknown = authorizing();
    let (authorization, _) = unknown.call();
    unknown.cancels(&Order::card());
    let other = ProviderCallback { reference: id("charge-2"), ..callback(ProviderState::Authorized) };
    unknown.stage.ask(other).unwrap();
    let calls = unknown.calls();
    let (cancel, call) = calls.iter().find(|(job, _)| *job != authorization).unwrap();
    unknown.answers_call(cancel, &answer(call, ProviderState::Captured));
    assert_eq!(unknown.payment().reference(), Some(&id(REFERENCE)));
    assert_eq!(unknown.surplus("charge-2").unwrap().state(), SurplusState::Returning);
    assert_eq!(unknown.asks(), ["authorize", "refund", "return"]);
    unknown.audit();
}

#[test]
fn a_capture_that_is_refused_for_good_is_not_asked_for_again_by_a_second_confirmation() {
    let mut world = capturing();
    world.answers(ProviderState::Refused);
    assert_eq!(&*world.stage.said::<PaymentCaptureFailed>()[0].reason, "refused");
    world.confirms(&Order::card());
    assert_eq!((world.state(), world.said()), (PaymentState::Authorized, vec!["payment.capture_failed"]));
    assert_eq!(world.calls(), []);
    world.audit();
}

#[test]
fn a_callback_before_the_answer_is_the_answer() {
    let mut world = authorizing();
    let (authorization, call) = world.call();
    world.calls_back(ProviderState::Authorized).unwrap();
    assert_eq!(world.said(), ["payment.authorized"]);
    world.calls_back(ProviderState::Authorized).unwrap();
    world.answers_call(&authorization, &answer(&call, ProviderState::Authorized));
    assert_eq!(world.said(), [""; 0]);
    world.confirms(&Order::card());
    let (capture, call) = world.call();
    world.calls_back(ProviderState::Captured).unwrap();
    assert_eq!(world.said(), ["payment.captured"]);
    world.calls_back(ProviderState::Captured).unwrap();
    world.answers_call(&capture, &answer(&call, ProviderState::Captured));
    world.cancels(&Order::card());
    let (refund, call) = world.call();
    world.calls_back(ProviderState::Refunded).unwrap();
    assert_eq!(world.said(), ["payment.refunded"]);
    world.calls_back(ProviderState::Refunded).unwrap();
    world.answers_call(&refund, &answer(&call, ProviderState::Refunded));
    assert_eq!((world.state(), world.said()), (PaymentState::Refunded, vec![]));
    assert_eq!(world.house(&house::REVENUE), 0);
    world.audit();
}

#[test]
fn a_hold_that_the_provider_lets_go_by_itself_is_voided() {
    let mut world = authorized();
    world.calls_back(ProviderState::Voided).unwrap();
    world.calls_back(ProviderState::Voided).unwrap();
    assert_eq!(world.stage.said::<PaymentVoided>()[0].amount_minor, TOTAL);
    assert_eq!((world.state(), world.said()), (PaymentState::Voided, vec!["payment.voided"]));
    world.cancels(&Order::card());
    assert_eq!(world.calls(), []);
    world.audit();
}

#[test]
fn a_success_after_a_failure_is_surplus_and_goes_back() {
    let mut world = authorizing();
    let (authorization, call) = world.call();
    world.calls_back(ProviderState::Declined).unwrap();
    assert_eq!(world.said(), ["payment.failed"]);
    world.answers_call(&authorization, &answer(&call, ProviderState::Authorized));
    assert_eq!((world.state(), world.said()), (PaymentState::Failed, vec![]));
    let (job, call) = world.call();
    assert_eq!(job.as_str(), format!("{}.return.1.1", world.payment().payment_id()));
    assert_eq!((call.action, call.reference.as_deref()), (ProviderAction::Return, Some(REFERENCE)));
    world.answers(ProviderState::Returned);
    let returned = world.stage.said::<PaymentSurplusReturned>();
    assert_eq!((&*returned[0].reference, returned[0].amount_minor), (REFERENCE, TOTAL));
    assert_eq!(world.said(), ["payment.surplus_returned"]);
    // The same success once more is known.
    world.calls_back(ProviderState::Authorized).unwrap();
    world.calls_back(ProviderState::Returned).unwrap();
    assert_eq!((world.calls(), world.said()), (vec![], vec![]));
    world.audit();
}

#[test]
fn a_callback_of_surplus_with_another_amount_is_refused() {
    let mut world = World::new();
    world.rejects(&Order::card());
    world.calls_back(ProviderState::Authorized).unwrap();
    assert_eq!(world.asks(), ["return"]);
    for state in [ProviderState::Authorized, ProviderState::Captured, ProviderState::Returned, ProviderState::Voided] {
        for other in [
            ProviderCallback { amount_minor: TOTAL + 1, ..callback(state) },
            ProviderCallback { currency: "USD".parse().unwrap(), ..callback(state) },
        ] {
            let refused = world.stage.ask(other).unwrap_err();
            assert_eq!(refused.code(), "payment_amount_differs", "{state}");
        }
    }
    assert_eq!((world.asks(), world.said()), (vec!["return".to_owned()], vec![]));
    world.calls_back(ProviderState::Returned).unwrap();
    assert_eq!(world.said(), ["payment.surplus_returned"]);
    world.audit();
}

#[test]
fn a_success_for_an_order_known_only_as_ended_is_surplus() {
    let mut world = World::new();
    world.rejects(&Order::card());
    world.calls_back(ProviderState::Authorized).unwrap();
    assert_eq!((world.state(), world.asks()), (PaymentState::Ended, vec!["return".to_owned()]));
    world.calls_back(ProviderState::Returned).unwrap();
    assert_eq!(world.said(), ["payment.surplus_returned"]);
    world.answers(ProviderState::Returned);
    assert_eq!(world.said(), [""; 0]);
    world.audit();
}

#[test]
fn a_second_reference_is_surplus_and_the_payment_goes_on() {
    let mut world = captured();
    let second = ProviderCallback { reference: id("charge-2"), ..callback(ProviderState::Captured) };
    world.stage.ask(second.clone()).unwrap();
    world.stage.ask(second).unwrap();
    assert_eq!((world.state(), world.asks()), (PaymentState::Captured, vec!["return".to_owned()]));
    world.answers(ProviderState::Returned);
    assert_eq!((world.state(), world.said()), (PaymentState::Captured, vec!["payment.surplus_returned"]));
    assert_eq!(world.house(&house::REVENUE), TOTAL);
    world.audit();
}

#[test]
fn a_success_of_a_wrong_amount_or_currency_is_surplus_and_the_payment_still_waits() {
    let usd = "USD".parse().unwrap();
    for wrong in [
        ProviderCallback { amount_minor: TOTAL - 1, ..callback(ProviderState::Authorized) },
        ProviderCallback { currency: usd, ..callback(ProviderState::Authorized) },
    ] {
        let mut world = authorizing();
        let authorization = world.call();
        world.stage.ask(wrong.clone()).unwrap();
        assert_eq!((world.state(), world.said()), (PaymentState::Authorizing, vec![]));
        let surplus = world.surplus(REFERENCE).unwrap();
        assert_eq!((surplus.amount_minor(), surplus.currency()), (wrong.amount_minor, wrong.currency));
        // A charge that is on its way back authorizes nothing, whatever is said of it.
        assert_eq!(world.calls_back(ProviderState::Authorized).unwrap_err().code(), "payment_amount_differs");
        assert_eq!(world.state(), PaymentState::Authorizing);
        let right = answer(&authorization.1, ProviderState::Authorized);
        world.answers_call(&authorization.0, &ProviderAnswer { reference: Some("charge-2".into()), ..right });
        assert_eq!((world.state(), world.said()), (PaymentState::Authorized, vec!["payment.authorized"]));
        world.audit();
    }
}

#[test]
fn a_callback_that_cannot_be_is_refused() {
    let mut world = World::new();
    assert_eq!(world.calls_back(ProviderState::Authorized).unwrap_err().code(), "payment_not_found");
    world.confirms(&Order::card());
    assert_eq!(world.calls_back(ProviderState::Authorized).unwrap_err().code(), "payment_not_found");
    let mut world = authorized();
    for amount_minor in [TOTAL - 1, -1] {
        let wrong = ProviderCallback { amount_minor, ..callback(ProviderState::Captured) };
        assert_eq!(world.stage.ask(wrong).unwrap_err().code(), "payment_amount_differs");
    }
    assert_eq!((world.state(), world.said()), (PaymentState::Authorized, vec![]));
    world.audit();
}

#[test]
fn a_provider_success_for_an_order_that_it_was_not_asked_about_is_surplus() {
    for order in [Order::balance(), Order::external()] {
        let mut world = World::with_balance(TOTAL);
        world.validates(&order);
        let before = world.state();
        world.calls_back(ProviderState::Authorized).unwrap();
        assert_eq!((world.state(), world.asks()), (before, vec!["return".to_owned()]));
        world.audit();
    }
}

#[test]
fn a_capture_of_another_amount_is_kept_for_an_operator() {
    let mut world = capturing();
    let (job, call) = world.call();
    let wrong = ProviderAnswer { amount_minor: TOTAL - 1, ..answer(&call, ProviderState::Captured) };
    world.answers_call(&job, &wrong);
    assert_eq!((world.state(), world.said()), (PaymentState::Capturing, vec![]));
    // It is not lost: the job is listed, and can be asked again.
    assert_eq!(world.asks(), ["capture"]);
}

#[test]
fn what_must_go_back_and_is_refused_for_good_is_told_and_owed() {
    let mut hold = authorized();
    hold.cancels(&Order::card());
    assert_eq!(hold.asks(), ["void"]);
    hold.answers(ProviderState::Refused);
    let failed = &hold.stage.said::<PaymentRefundFailed>()[0];
    assert_eq!((&failed.refund_id, &failed.reference, failed.amount_minor), (&None, &None, TOTAL));
    assert_eq!(hold.state(), PaymentState::Authorized);
    assert!(hold.payment().owed_since().is_some());
    // A second end starts nothing.
    hold.rejects(&Order::card());
    hold.cancels(&Order::card());
    assert_eq!((hold.calls(), hold.said()), (vec![], vec!["payment.refund_failed"]));
    hold.audit();

    let mut taken = captured();
    taken.cancels(&Order::card());
    let refund_id = taken.payment().refund_id().unwrap().clone();
    taken.answers(ProviderState::Refused);
    let failed = &taken.stage.said::<PaymentRefundFailed>()[0];
    assert_eq!((failed.refund_id.as_ref(), failed.amount_minor), (Some(&refund_id), TOTAL));
    assert_eq!((taken.state(), taken.calls()), (PaymentState::Captured, vec![]));
    assert!(taken.refund(refund_id.as_str()).owed_since().is_some());
    taken.rejects(&Order::card());
    assert_eq!((taken.calls(), taken.said()), (vec![], vec!["payment.refund_failed"]));
    taken.audit();

    let mut surplus = World::new();
    surplus.cancels(&Order::card());
    surplus.calls_back(ProviderState::Authorized).unwrap();
    surplus.answers(ProviderState::Refused);
    let failed = &surplus.stage.said::<PaymentRefundFailed>()[0];
    assert_eq!((failed.reference.as_deref(), &failed.refund_id), (Some(REFERENCE), &None));
    assert!(surplus.surplus(REFERENCE).unwrap().owed_since().is_some());
    assert_eq!((surplus.state(), surplus.calls()), (PaymentState::Ended, vec![]));
    surplus.audit();
}

#[test]
fn money_that_went_back_after_all_is_not_owed_any_more() {
    let mut hold = authorized();
    hold.cancels(&Order::card());
    hold.answers(ProviderState::Refused);
    hold.calls_back(ProviderState::Voided).unwrap();
    assert_eq!((hold.state(), hold.payment().owed_since()), (PaymentState::Voided, None));
    hold.audit();

    let mut taken = captured();
    taken.cancels(&Order::card());
    let refund_id = taken.payment().refund_id().cloned();
    taken.answers(ProviderState::Refused);
    taken.stage.clear();
    let back = ProviderCallback { refund_id, ..callback(ProviderState::Refunded) };
    taken.stage.ask(back).unwrap();
    assert_eq!(taken.stage.said::<PaymentRefunded>()[0].amount_minor, TOTAL);
    assert_eq!(taken.state(), PaymentState::Refunded);
    taken.audit();
}
