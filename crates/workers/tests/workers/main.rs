//! The workers at work: the provider simulator beside the real payments, mail over a real mail server.

#![expect(clippy::unwrap_used, reason = "what helps a test may fail like a test")]

mod callbacks;
mod handover;
mod logs;
mod mail_server;
mod provider;
mod shop;
mod sink;
mod smtp;

use tradewind_engine::{Job, TryOutcome};
use tradewind_events::Personal;
use tradewind_workers::{
    mail::{IDENTITY_MAIL, NOTIFICATION},
    provider::ASK_PROVIDER,
};

fn personal(text: &str) -> Personal<String> {
    Personal::new(text.to_owned())
}

/// The reply of a job that is done.
fn reply<T: serde::de::DeserializeOwned>(outcome: &TryOutcome) -> T {
    match outcome {
        TryOutcome::Done(reply) => serde_json::from_str(reply).unwrap(),
        TryOutcome::Unknown(reason) => panic!("it is not done: {reason}"),
    }
}

/// Why a job is not known to be done.
fn unknown(outcome: &TryOutcome) -> &str {
    match outcome {
        TryOutcome::Done(reply) => panic!("it is done: {reply}"),
        TryOutcome::Unknown(reason) => reason,
    }
}

#[test]
fn the_names_of_jobs_are_those_of_the_services() {
    assert_eq!(ASK_PROVIDER, tradewind_payments::AskProvider::NAME);
    assert_eq!(NOTIFICATION, tradewind_notifications::model::SendNotification::NAME);
    assert_eq!(IDENTITY_MAIL, tradewind_identity::commands::SendIdentityMail::NAME);
}
