//! Identity on the real engine, through its commands.

#![expect(clippy::unwrap_used, reason = "what helps a test may fail like a test")]

mod actors;
mod admins;
mod passwords;
mod registration;
mod sessions;
mod sign_in;
mod signing_keys;
mod users;

use std::time::Duration;

use tradewind_engine::Problem;
use tradewind_events::{Id, Personal, id, jobs::IdentityMail};
use tradewind_identity::{
    Identity,
    commands::{RefreshSession, Refreshed, Register, SendIdentityMail, SignInFailed, SignInSucceeded, SignedIn},
    model::{Credential, MailedToken, Names, PasswordHash, ShownToken, User},
};
use tradewind_testkit::Stage;

const MINUTE: Duration = Duration::from_mins(1);

/// Identity alone, with its default settings.
fn stage() -> Stage {
    stage_with(Identity::default())
}

fn stage_with(settings: Identity) -> Stage {
    Stage::new([tradewind_identity::service(settings).into()])
}

fn personal(text: &str) -> Personal<String> {
    Personal::new(text.to_owned())
}

/// What the edge makes of a password; tests need no real hash.
fn hashed(password: &str) -> PasswordHash {
    PasswordHash::new(format!("$argon2id$v=19$m=19456,t=2,p=1$c2FsdA${password}")).unwrap()
}

/// A token as the edge draws it; its "hash" can be read.
fn mailed(token: &str) -> MailedToken {
    MailedToken { token: personal(token), hash: hash(token) }
}

fn hash(token: &str) -> Id {
    id(&format!("sha256-{token}"))
}

fn new_user(email: &str) -> Register {
    Register {
        email: personal(email),
        names: Names::default(),
        password_hash: hashed("first"),
        verification: Some(mailed("verify-1")),
        conceal_taken: false,
    }
}

/// A user with the password `first`; what was said so far is forgotten.
fn registered(stage: &mut Stage, email: &str) -> User {
    let user = stage.ask(new_user(email)).unwrap();
    stage.clear();
    user
}

/// The edge has found the password right.
fn sign_in(stage: &mut Stage, user: &User, generation: u64) -> Result<SignedIn, Problem> {
    stage.ask(right_password(user.user_id(), generation))
}

fn right_password(user_id: &Id, generation: u64) -> SignInSucceeded {
    SignInSucceeded { user_id: user_id.clone(), generation, family_hash: hash("family"), token_hash: hash("t1") }
}

/// The edge has found the password wrong.
fn fail(stage: &mut Stage, user: &User, times: u32) {
    for _ in 0..times {
        stage.ask(SignInFailed { user_id: user.user_id().clone(), generation: 1 }).unwrap();
    }
}

fn refresh(stage: &mut Stage, session_id: &Id, token: &str, next: &str) -> Result<Refreshed, Problem> {
    let shown = ShownToken { family_hash: hash("family"), token_hash: hash(token), next_hash: hash(next) };
    stage.ask(RefreshSession { session_id: session_id.clone(), shown })
}

fn mails(stage: &Stage) -> Vec<IdentityMail> {
    stage.jobs::<SendIdentityMail>().into_iter().map(|(_, mail)| mail).collect()
}

fn credential(stage: &Stage, user: &User) -> Credential {
    stage.row(user.user_id()).unwrap()
}

/// Why it was refused.
fn code<T: std::fmt::Debug>(answer: Result<T, Problem>) -> &'static str {
    answer.unwrap_err().code()
}

fn expect_quiet(stage: &Stage) {
    assert_eq!(stage.dead_letters(), []);
    assert_eq!(stage.parked(), []);
}
