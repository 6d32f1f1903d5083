//! The simulator as whoever asks it sees it: keys, forced outcomes, its store.

use std::{path::PathBuf, sync::Arc, time::Duration};

use tradewind_engine::EngineTime;
use tradewind_events::{
    Id, id,
    jobs::{ProviderAction, ProviderAnswer, ProviderCall, ProviderState},
};
use tradewind_testkit::ManualClock;
use tradewind_workers::provider::{
    AmountRules, Charge, ChargeState, Forced, PaymentProvider, ProviderRecords, ProviderSimulator, SimulatorError,
    SimulatorOptions, Unanswered,
};

const TOTAL: i64 = 5_000;

pub fn call(action: ProviderAction, key: &str) -> ProviderCall {
    ProviderCall {
        payment_id: id("payment-1"),
        order_id: id("order-1"),
        key: id(key),
        action,
        amount_minor: TOTAL,
        currency: "EUR".parse().unwrap(),
        reference: None,
        refund_id: None,
    }
}

pub fn about(answer: &ProviderAnswer, action: ProviderAction, key: &str) -> ProviderCall {
    ProviderCall { reference: answer.reference.clone(), ..call(action, key) }
}

fn simulator() -> (ProviderSimulator, ManualClock) {
    let clock = ManualClock::default();
    let options = SimulatorOptions { clock: EngineTime::new(Arc::new(clock.clone())), ..SimulatorOptions::default() };
    (ProviderSimulator::open(options).unwrap(), clock)
}

fn forced(forced: Forced) -> (ProviderSimulator, ManualClock) {
    let (provider, clock) = simulator();
    provider.force(&id("order-1"), forced).unwrap();
    (provider, clock)
}

fn states(charges: &[Charge]) -> Vec<ChargeState> {
    charges.iter().map(|charge| charge.state).collect()
}

/// A file for the store of a test, which is not there yet.
pub fn fresh_file(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("provider").join(name);
    drop(std::fs::remove_dir_all(&folder));
    std::fs::create_dir_all(&folder).unwrap();
    folder.join("shop.db.provider")
}

#[test]
fn the_same_key_gets_the_same_answer_and_makes_one_charge() {
    let (provider, _) = simulator();
    let first = provider.ask(&call(ProviderAction::Authorize, "k")).unwrap();
    assert_eq!((first.state, first.amount_minor), (ProviderState::Authorized, TOTAL));
    assert_eq!(provider.ask(&call(ProviderAction::Authorize, "k")), Ok(first.clone()));
    let capture = about(&first, ProviderAction::Capture, "k.capture.1");
    assert_eq!(provider.ask(&capture).unwrap().state, ProviderState::Captured);
    assert_eq!(provider.ask(&call(ProviderAction::Authorize, "k")), Ok(first.clone()));
    // A second capture through another door takes nothing more.
    let again = provider.ask(&about(&first, ProviderAction::Capture, "k.capture.2")).unwrap();
    assert_eq!((again.state, again.amount_minor), (ProviderState::Captured, TOTAL));
    let charges = provider.charges(None, 10).unwrap();
    assert_eq!((states(&charges), charges[0].amount_minor), (vec![ChargeState::Captured], TOTAL));
}

#[test]
fn a_refund_is_given_once_under_whatever_keys_it_is_asked_for() {
    let (provider, _) = simulator();
    let held = provider.ask(&call(ProviderAction::Authorize, "k")).unwrap();
    let refund = |refund_id: &str, key: &str, amount_minor| ProviderCall {
        refund_id: Some(id(refund_id)),
        amount_minor,
        ..about(&held, ProviderAction::Refund, key)
    };
    let early = provider.ask(&refund("r1", "k.refund.1.1", 2_000)).unwrap();
    assert_eq!((early.state, early.reason.as_deref()), (ProviderState::Refused, Some("not_captured")));
    provider.ask(&about(&held, ProviderAction::Capture, "k.capture.1")).unwrap();
    for key in ["k.refund.1.2", "k.refund.1.2", "k.refund.1.3"] {
        let given = provider.ask(&refund("r1", key, 2_000)).unwrap();
        assert_eq!((given.state, given.amount_minor), (ProviderState::Refunded, 2_000));
    }
    let too_much = provider.ask(&refund("r2", "k.refund.2.1", 3_001)).unwrap();
    assert_eq!((too_much.state, too_much.reason.as_deref()), (ProviderState::Refused, Some("amount_too_large")));
    provider.ask(&refund("r3", "k.refund.3.1", 3_000)).unwrap();
    let [charge] = &provider.charges(None, 10).unwrap()[..] else { panic!("there is one charge") };
    assert_eq!((charge.state, charge.refunded_minor), (ChargeState::Refunded, TOTAL));
}

#[test]
fn a_cancel_is_remembered_and_a_late_authorization_under_its_key_holds_nothing() {
    let (provider, _) = simulator();
    let nothing = provider.ask(&call(ProviderAction::Cancel, "k")).unwrap();
    assert_eq!((nothing.state, nothing.amount_minor), (ProviderState::NothingHeld, 0));
    assert_eq!(provider.ask(&call(ProviderAction::Authorize, "k")), Ok(nothing));
    assert_eq!(provider.charges(None, 10), Ok(Vec::new()));

    let held = provider.ask(&call(ProviderAction::Authorize, "l")).unwrap();
    let voided = provider.ask(&call(ProviderAction::Cancel, "l")).unwrap();
    assert_eq!((voided.state, &voided.reference), (ProviderState::Voided, &held.reference));
    // Who hears of the authorization only now hears what became of it.
    assert_eq!(provider.ask(&call(ProviderAction::Authorize, "l")), Ok(voided.clone()));
    assert_eq!(provider.ask(&call(ProviderAction::Cancel, "l")), Ok(voided));
}

#[test]
fn a_cancel_tells_of_a_charge_that_it_cannot_undo() {
    let (provider, _) = forced(Forced::Declined);
    let declined = provider.ask(&call(ProviderAction::Authorize, "d")).unwrap();
    assert_eq!((declined.state, declined.reason.as_deref()), (ProviderState::Declined, Some("card_declined")));
    assert_eq!(provider.ask(&call(ProviderAction::Cancel, "d")).unwrap().state, ProviderState::Declined);

    let (provider, _) = simulator();
    let held = provider.ask(&call(ProviderAction::Authorize, "c")).unwrap();
    provider.ask(&about(&held, ProviderAction::Capture, "c.capture.1")).unwrap();
    assert_eq!(provider.ask(&call(ProviderAction::Cancel, "c")).unwrap().state, ProviderState::Captured);
    provider.ask(&about(&held, ProviderAction::Return, "c.return.1")).unwrap();
    assert_eq!(provider.ask(&call(ProviderAction::Cancel, "c2")).unwrap().state, ProviderState::NothingHeld);
}

#[test]
fn a_key_is_for_one_call() {
    let (provider, _) = simulator();
    provider.ask(&call(ProviderAction::Authorize, "k")).unwrap();
    let other = ProviderCall { amount_minor: TOTAL + 1, ..call(ProviderAction::Authorize, "k") };
    assert_eq!(provider.ask(&other), Err(Unanswered::KeyReused));
    assert_eq!(provider.charges(None, 10).unwrap()[0].amount_minor, TOTAL);
}

#[test]
fn what_is_asked_of_an_unknown_charge_is_refused_or_was_never_held() {
    let (provider, _) = simulator();
    let unknown = ProviderAnswer {
        state: ProviderState::Authorized,
        reference: Some("ch_of_somebody_else".into()),
        amount_minor: TOTAL,
        reason: None,
    };
    for (action, state) in [
        (ProviderAction::Capture, ProviderState::Refused),
        (ProviderAction::Refund, ProviderState::Refused),
        (ProviderAction::Void, ProviderState::NothingHeld),
        (ProviderAction::Return, ProviderState::NothingHeld),
    ] {
        assert_eq!(provider.ask(&about(&unknown, action, "k")).unwrap().state, state, "{action}");
    }
}

#[test]
fn a_lost_answer_is_given_when_it_is_asked_for_again_whether_or_not_the_money_was_held() {
    for (outcome, lost, held_meanwhile) in [
        (Forced::TimeoutCharged, Unanswered::TimedOut, 1),
        (Forced::TimeoutNotCharged, Unanswered::TimedOut, 0),
        (Forced::Unavailable, Unanswered::Unavailable, 0),
    ] {
        let (provider, _) = forced(outcome);
        assert_eq!(provider.ask(&call(ProviderAction::Authorize, "k")), Err(lost), "{outcome}");
        assert_eq!(provider.charges(None, 10).unwrap().len(), held_meanwhile, "{outcome}");
        let answer = provider.ask(&call(ProviderAction::Authorize, "k")).unwrap();
        assert_eq!(answer.state, ProviderState::Authorized, "{outcome}");
        assert_eq!(provider.charges(None, 10).unwrap().len(), 1, "{outcome}");
    }
    let (provider, _) = forced(Forced::Silent);
    for _ in 0..20 {
        assert_eq!(provider.ask(&call(ProviderAction::Authorize, "k")), Err(Unanswered::TimedOut));
    }
    assert_eq!(provider.ask(&call(ProviderAction::Cancel, "k")).unwrap().state, ProviderState::NothingHeld);
    assert_eq!(provider.ask(&call(ProviderAction::Authorize, "k")).unwrap().state, ProviderState::NothingHeld);
}

#[test]
fn what_is_late_is_pending_until_then_unless_it_is_cancelled() {
    let late = SimulatorOptions::default().late_after;
    let (provider, clock) = forced(Forced::Late);
    let authorize = |key: &str| provider.ask(&call(ProviderAction::Authorize, key)).unwrap().state;
    assert_eq!((authorize("k"), authorize("cancelled")), (ProviderState::Pending, ProviderState::Pending));
    clock.advance(late.saturating_sub(Duration::from_millis(1)));
    assert_eq!(authorize("k"), ProviderState::Pending);
    let cancelled = provider.ask(&call(ProviderAction::Cancel, "cancelled")).unwrap();
    assert_eq!(cancelled.state, ProviderState::NothingHeld);
    clock.advance(Duration::from_millis(1));
    assert_eq!((authorize("k"), authorize("cancelled")), (ProviderState::Authorized, ProviderState::NothingHeld));

    let (provider, clock) = forced(Forced::LateDespiteCancel);
    let ask = |action| provider.ask(&call(action, "k")).unwrap().state;
    assert_eq!(ask(ProviderAction::Authorize), ProviderState::Pending);
    assert_eq!(ask(ProviderAction::Cancel), ProviderState::Pending);
    clock.advance(late);
    assert_eq!(ask(ProviderAction::Authorize), ProviderState::Authorized);
    assert_eq!(ask(ProviderAction::Cancel), ProviderState::Voided);
}

#[test]
fn an_operator_may_have_better_luck_with_what_was_refused_for_good() {
    let (provider, _) = forced(Forced::CaptureRefused);
    let held = provider.ask(&call(ProviderAction::Authorize, "k")).unwrap();
    let capture = |nth: u32| about(&held, ProviderAction::Capture, &format!("k.capture.{nth}"));
    let refused = provider.ask(&capture(1)).unwrap();
    assert_eq!((refused.state, refused.reason.as_deref()), (ProviderState::Refused, Some("capture_refused")));
    provider.force(&id("order-1"), Forced::Approved).unwrap();
    assert_eq!(provider.ask(&capture(1)), Ok(refused), "under the old key it is as it was");
    assert_eq!(provider.ask(&capture(2)).unwrap().state, ProviderState::Captured);
}

#[test]
fn what_is_not_there_any_more_is_not_refused() {
    let (provider, _) = forced(Forced::ReturnRefused);
    let held = provider.ask(&call(ProviderAction::Authorize, "k")).unwrap();
    provider.ask(&call(ProviderAction::Cancel, "k")).unwrap();
    let told = provider.ask(&about(&held, ProviderAction::Return, "k.return.1")).unwrap();
    assert_eq!((told.state, told.reference), (ProviderState::Voided, held.reference));
}

#[test]
fn an_amount_decides_for_the_whole_life_of_its_charge() {
    let options = SimulatorOptions { amounts: AmountRules::documented(), ..SimulatorOptions::default() };
    let provider = ProviderSimulator::open(options).unwrap();
    let amount_minor = 12_375; // refund_refused
    let held = provider.ask(&ProviderCall { amount_minor, ..call(ProviderAction::Authorize, "k") }).unwrap();
    let capture = ProviderCall { amount_minor, ..about(&held, ProviderAction::Capture, "k.capture.1") };
    assert_eq!(provider.ask(&capture).unwrap().state, ProviderState::Captured);
    let refund = ProviderCall { amount_minor: 100, ..about(&held, ProviderAction::Refund, "k.refund.1.1") };
    assert_eq!(provider.ask(&refund).unwrap().reason.as_deref(), Some("refund_refused"));
}

#[test]
fn answers_outlive_the_process_and_others_may_read_the_charges_meanwhile() {
    let file = fresh_file("outlive");
    let open = || {
        let options = SimulatorOptions { file: Some(file.clone()), ..SimulatorOptions::default() };
        ProviderSimulator::open(options).unwrap()
    };
    let provider = open();
    provider.force(&id("order-1"), Forced::TimeoutCharged).unwrap();
    assert_eq!(provider.ask(&call(ProviderAction::Authorize, "k")), Err(Unanswered::TimedOut));
    let records = ProviderRecords::open(&file).unwrap();
    let charges = records.charges(None, 10).unwrap();
    assert_eq!(states(&charges), [ChargeState::Authorized]);
    drop(provider);
    let provider = open();
    let answer = provider.ask(&call(ProviderAction::Authorize, "k")).unwrap();
    assert_eq!(answer.reference.as_deref(), Some(charges[0].reference.as_str()));
    assert_eq!(records.charges(None, 10).unwrap(), charges);
}

#[test]
fn charges_are_read_in_pages() {
    let (provider, _) = simulator();
    for nth in 0..5 {
        provider.ask(&call(ProviderAction::Authorize, &format!("k{nth}"))).unwrap();
    }
    let (mut after, mut read) = (None::<Id>, Vec::new());
    loop {
        let page = provider.charges(after.as_ref(), 2).unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.reference.clone());
        read.extend(page);
    }
    assert_eq!(read, provider.charges(None, 10).unwrap());
    assert_eq!(read.len(), 5);
}

#[test]
fn calls_at_the_same_time_are_each_done_once() {
    let file = fresh_file("crowd");
    let options = SimulatorOptions { file: Some(file), ..SimulatorOptions::default() };
    let provider = ProviderSimulator::open(options).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let provider = &provider;
            scope.spawn(move || {
                for nth in 0..20 {
                    // Half of the keys are everybody's.
                    let key = if nth % 2 == 0 { format!("shared{nth}") } else { format!("own{thread}-{nth}") };
                    let answer = provider.ask(&call(ProviderAction::Authorize, &key)).unwrap();
                    assert_eq!(answer.state, ProviderState::Authorized);
                }
            });
        }
    });
    assert_eq!(provider.charges(None, 1_000).unwrap().len(), 10 + 8 * 10);
}

#[test]
fn a_file_that_is_none_of_ours_is_refused_and_left_alone() {
    let file = fresh_file("not-ours");
    let other = rusqlite::Connection::open(&file).unwrap();
    other.execute_batch("CREATE TABLE thing (id INTEGER)").unwrap();
    drop(other);
    let options = || SimulatorOptions { file: Some(file.clone()), ..SimulatorOptions::default() };
    let error = ProviderSimulator::open(options()).err().unwrap();
    assert!(matches!(error, SimulatorError::NotOurs { .. }), "{error}");

    let file = fresh_file("newer");
    let options = || SimulatorOptions { file: Some(file.clone()), ..SimulatorOptions::default() };
    drop(ProviderSimulator::open(options()).unwrap());
    rusqlite::Connection::open(&file).unwrap().pragma_update(None, "user_version", 2).unwrap();
    let error = ProviderSimulator::open(options()).err().unwrap();
    assert!(matches!(error, SimulatorError::OtherVersion { theirs: 2, .. }), "{error}");
    assert!(ProviderRecords::open(&file.with_extension("gone")).is_err());
}
