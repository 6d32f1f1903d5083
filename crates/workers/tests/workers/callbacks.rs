//! The simulator calls back: signed, as often as it takes, and not for ever.

use std::{sync::Arc, time::Duration};

use tradewind_engine::EngineTime;
use tradewind_events::{
    id,
    jobs::{ProviderAction, ProviderState},
};
use tradewind_testkit::ManualClock;
use tradewind_workers::provider::{
    CallbackCounts, CallbackTarget, Forced, PaymentProvider, ProviderSimulator, SimulatorError, SimulatorOptions,
};

use crate::{
    provider::{about, call, fresh_file},
    sink::{Request, Sink},
};

/// A test that waits longer than this has failed.
const PATIENCE_MS: usize = 20_000;

fn simulator(sink: &Sink, forced: Forced) -> (ProviderSimulator, ManualClock) {
    let clock = ManualClock::default();
    let options = SimulatorOptions {
        callbacks: Some(sink.target()),
        clock: EngineTime::new(Arc::new(clock.clone())),
        ..SimulatorOptions::default()
    };
    let provider = ProviderSimulator::open(options).unwrap();
    provider.force(&id("order-1"), forced).unwrap();
    (provider, clock)
}

/// Waits until the thread of the simulator has done what is due.
pub fn settle(provider: &ProviderSimulator) {
    for _ in 0..PATIENCE_MS {
        if provider.is_idle().unwrap() {
            return;
        }
        std::thread::park_timeout(Duration::from_millis(1));
    }
    panic!("callbacks are left to be sent")
}

/// Lets time pass until the simulator calls back again.
fn again(sink: &Sink, provider: &ProviderSimulator, clock: &ManualClock) -> Request {
    settle(provider);
    for _ in 0..120 {
        clock.advance(Duration::from_secs(1));
        settle(provider);
        if let Some(request) = sink.come().pop() {
            return request;
        }
    }
    panic!("it does not call back again")
}

#[test]
fn a_callback_says_where_the_charge_stands_and_is_signed() {
    let sink = Sink::start();
    let (provider, clock) = simulator(&sink, Forced::CallbackTwice);
    let answer = provider.ask(&call(ProviderAction::Authorize, "k")).unwrap();
    assert_eq!(answer.state, ProviderState::Authorized);
    let (first, second) = (sink.next(), sink.next());
    assert_eq!(first.line, "POST /callback HTTP/1.1");
    let told = first.callback(clock.now());
    assert_eq!((told.order_id.as_str(), told.state, told.amount_minor), ("order-1", ProviderState::Authorized, 5_000));
    assert_eq!(Some(told.reference.as_str()), answer.reference.as_deref());
    assert_eq!(second.callback(clock.now()), told);
    settle(&provider);
    assert_eq!(provider.callbacks().unwrap(), CallbackCounts { waiting: 0, given_up: 0 });
    let text = String::from_utf8(first.body).unwrap();
    let reference = told.reference;
    let expected = format!(
        r#"{{"order_id":"order-1","reference":"{reference}","state":"authorized","amount_minor":5000,"currency":"EUR"}}"#
    );
    assert_eq!(text, expected);
}

#[test]
fn what_is_told_by_callback_only_is_pending_until_the_shop_has_taken_it() {
    let sink = Sink::start();
    sink.will_say([503]);
    let (provider, clock) = simulator(&sink, Forced::CallbackOnly);
    let authorize = || provider.ask(&call(ProviderAction::Authorize, "k")).unwrap();
    assert_eq!(authorize().state, ProviderState::Pending);
    sink.next();
    assert_eq!(authorize().state, ProviderState::Pending, "the shop has not taken it");
    let told = again(&sink, &provider, &clock).callback(clock.now());
    assert_eq!(told.state, ProviderState::Authorized);
    assert_eq!(authorize().reference.as_deref(), Some(told.reference.as_str()));
}

#[test]
fn a_callback_that_comes_first_has_been_taken_before_the_answer_is_given() {
    let sink = Sink::start();
    let (provider, clock) = simulator(&sink, Forced::CallbackFirst);
    let answer = provider.ask(&call(ProviderAction::Authorize, "k")).unwrap();
    let [come] = &sink.come()[..] else { panic!("one callback has come") };
    let told = come.callback(clock.now());
    assert_eq!(Some(told.reference.as_str()), answer.reference.as_deref());
    assert_eq!(provider.callbacks().unwrap().waiting, 0);
    // One that fails comes later.
    sink.will_say([500]);
    let captured = provider.ask(&about(&answer, ProviderAction::Capture, "k.capture.1")).unwrap();
    assert_eq!((captured.state, sink.come().len()), (ProviderState::Captured, 1));
    let told = again(&sink, &provider, &clock);
    assert_eq!(told.callback(clock.now()).state, ProviderState::Captured);
}

#[test]
fn what_is_late_is_told_when_it_is_done() {
    let sink = Sink::start();
    let (provider, clock) = simulator(&sink, Forced::Late);
    assert_eq!(provider.ask(&call(ProviderAction::Authorize, "k")).unwrap().state, ProviderState::Pending);
    assert_eq!(provider.charges(None, 10).unwrap().len(), 0);
    clock.advance(SimulatorOptions::default().late_after);
    assert_eq!(sink.next().callback(clock.now()).state, ProviderState::Authorized);
    assert_eq!(provider.charges(None, 10).unwrap().len(), 1);
}

#[test]
fn a_callback_that_the_shop_never_takes_is_given_up_and_the_answer_is_given() {
    let sink = Sink::start();
    sink.will_say([500, 404, 503, 429, 400, 302, 500, 500, 500, 500, 500, 500]);
    let (provider, clock) = simulator(&sink, Forced::CallbackOnly);
    let authorize = || provider.ask(&call(ProviderAction::Authorize, "k")).unwrap();
    assert_eq!(authorize().state, ProviderState::Pending);
    let mut signatures = vec![sink.next().signature];
    for _ in 1..12 {
        signatures.push(again(&sink, &provider, &clock).signature);
    }
    signatures.dedup();
    assert_eq!(signatures.len(), 12, "each try is signed anew, so that none is too old");
    settle(&provider);
    assert_eq!(provider.callbacks().unwrap(), CallbackCounts { waiting: 0, given_up: 1 });
    clock.advance(Duration::from_hours(1));
    settle(&provider);
    assert_eq!(authorize().state, ProviderState::Authorized);
    assert_eq!(sink.come().len(), 0);
}

#[test]
fn a_callback_outlives_the_process_that_owes_it() {
    let file = fresh_file("owed-callback");
    let clock = ManualClock::default();
    let open = |target: CallbackTarget| {
        let options = SimulatorOptions {
            file: Some(file.clone()),
            callbacks: Some(target),
            clock: EngineTime::new(Arc::new(clock.clone())),
            ..SimulatorOptions::default()
        };
        ProviderSimulator::open(options).unwrap()
    };
    let busy = Sink::start();
    busy.will_say([503; 10]);
    let provider = open(busy.target());
    provider.force(&id("order-1"), Forced::CallbackTwice).unwrap();
    provider.ask(&call(ProviderAction::Authorize, "k")).unwrap();
    drop(provider);
    let sink = Sink::start();
    let provider = open(sink.target());
    clock.advance(Duration::from_secs(1));
    settle(&provider);
    let come = sink.come();
    assert_eq!(come.len(), 2);
    for request in come {
        assert_eq!(request.callback(clock.now()).state, ProviderState::Authorized);
    }
}

#[test]
fn without_anybody_to_call_everything_is_answered() {
    for forced in [Forced::CallbackOnly, Forced::CallbackTwice, Forced::CallbackFirst, Forced::SecondCharge] {
        let provider = ProviderSimulator::open(SimulatorOptions::default()).unwrap();
        provider.force(&id("order-1"), forced).unwrap();
        let answer = provider.ask(&call(ProviderAction::Authorize, "k")).unwrap();
        assert_eq!((answer.state, provider.charges(None, 10).unwrap().len()), (ProviderState::Authorized, 1));
    }
}

#[test]
fn a_place_that_cannot_be_called_is_refused_at_the_start() {
    for url in ["", "127.0.0.1:8080", "https://127.0.0.1/callback", "file:///callback"] {
        let callbacks = Some(CallbackTarget { url: url.to_owned(), secret: b"secret".as_slice().into() });
        let error = ProviderSimulator::open(SimulatorOptions { callbacks, ..SimulatorOptions::default() }).err();
        assert_eq!(error, Some(SimulatorError::CallbackUrl { url: url.to_owned() }));
    }
}
