//! New passwords.

use tradewind_events::jobs::IdentityMailKind;
use tradewind_identity::{
    commands::{ChangeEmail, ChangePassword, ConfirmPasswordReset, RequestPasswordReset},
    model::{Actor, OneTimeToken, Session, User},
};
use tradewind_testkit::Stage;

use super::{
    MINUTE, code, credential, expect_quiet, fail, hash, hashed, mailed, mails, personal, refresh, registered, sign_in,
    stage,
};

fn request(stage: &mut Stage, email: &str, token: &str) {
    stage.ask(RequestPasswordReset { email: personal(email), reset: mailed(token) }).unwrap();
}

fn resets(stage: &Stage) -> usize {
    mails(stage).iter().filter(|mail| mail.kind == IdentityMailKind::ResetPassword).count()
}

fn confirm(user: &User, token: &str) -> ConfirmPasswordReset {
    let password_hash = hashed("second");
    ConfirmPasswordReset { user_id: user.user_id().clone(), token_hash: hash(token), password_hash }
}

fn change(user: &User, generation: u64) -> ChangePassword {
    let password_hash = hashed("second");
    ChangePassword { user_id: user.user_id().clone(), generation, password_hash, keep_session: None }
}

#[test]
fn a_known_and_an_unknown_address_are_answered_alike_and_only_the_known_one_gets_a_mail() {
    let mut stage = stage();
    registered(&mut stage, "ada@example.org");
    request(&mut stage, "nobody@example.org", "reset-0");
    assert_eq!(resets(&stage), 0);
    request(&mut stage, "ADA@example.org", "reset-1");
    let mail = mails(&stage).into_iter().find(|mail| mail.kind == IdentityMailKind::ResetPassword).unwrap();
    assert_eq!((mail.to, mail.token), (personal("ada@example.org"), personal("reset-1")));
    assert_eq!(stage.said_names(), Vec::<&str>::new());
}

#[test]
fn nobody_is_flooded_with_reset_mails() {
    let mut stage = stage();
    let user = registered(&mut stage, "ada@example.org");
    request(&mut stage, "ada@example.org", "reset-1");
    request(&mut stage, "ada@example.org", "reset-2");
    assert_eq!(resets(&stage), 1);
    stage.advance(MINUTE);
    request(&mut stage, "ada@example.org", "reset-3");
    assert_eq!(resets(&stage), 2);
    assert_eq!(code(stage.ask(confirm(&user, "reset-1"))), "token_invalid");
    stage.ask(confirm(&user, "reset-3")).unwrap();
}

#[test]
fn a_reset_lifts_the_lock_ends_every_session_and_verifies_the_address() {
    let mut stage = stage();
    let user = registered(&mut stage, "ada@example.org");
    let session = sign_in(&mut stage, &user, 1).unwrap().session;
    fail(&mut stage, &user, 5);
    request(&mut stage, "ada@example.org", "reset-1");
    stage.clear();
    stage.ask(confirm(&user, "reset-1")).unwrap();
    assert_eq!(stage.said_names(), ["user.signed_out", "user.email_verified"]);
    assert_eq!(*credential(&stage, &user).password_hash(), hashed("second"));
    assert_eq!(code(refresh(&mut stage, session.session_id(), "t1", "t2")), "session_ended");
    sign_in(&mut stage, &user, 2).unwrap();
    assert_eq!(code(stage.ask(confirm(&user, "reset-1"))), "token_invalid");
    expect_quiet(&stage);
}

#[test]
fn a_reset_token_works_for_an_hour_and_for_its_user() {
    let mut stage = stage();
    let user = registered(&mut stage, "ada@example.org");
    let bob = registered(&mut stage, "bob@example.org");
    request(&mut stage, "ada@example.org", "reset-1");
    assert_eq!(code(stage.ask(confirm(&bob, "reset-1"))), "token_invalid");
    stage.advance(60 * MINUTE);
    assert_eq!(code(stage.ask(confirm(&user, "reset-1"))), "token_invalid");
    assert_eq!(credential(&stage, &user).generation(), 1);
}

#[test]
fn a_verification_token_resets_no_password() {
    let mut stage = stage();
    let user = registered(&mut stage, "ada@example.org");
    assert_eq!(code(stage.ask(confirm(&user, "verify-1"))), "token_invalid");
}

#[test]
fn a_mail_to_an_address_that_was_given_up_resets_nothing() {
    let mut stage = stage();
    let user = registered(&mut stage, "ada@example.org");
    request(&mut stage, "ada@example.org", "reset-1");
    let user_id = user.user_id().clone();
    let email = personal("king@example.org");
    stage.ask(ChangeEmail { user_id, email, generation: None, verification: None, actor: Actor::Shop }).unwrap();
    assert_eq!(code(stage.ask(confirm(&user, "reset-1"))), "token_invalid");
}

#[test]
fn a_new_password_ends_the_other_sessions_and_a_reset_that_is_on_its_way() {
    let mut stage = stage();
    let user = registered(&mut stage, "ada@example.org");
    let here = sign_in(&mut stage, &user, 1).unwrap().session;
    sign_in(&mut stage, &user, 1).unwrap();
    request(&mut stage, "ada@example.org", "reset-1");
    stage.clear();
    let change = ChangePassword { keep_session: Some(here.session_id().clone()), ..change(&user, 1) };
    stage.ask(change).unwrap();
    assert_eq!(stage.said_names(), ["user.signed_out"]);
    assert_eq!(stage.rows::<Session>(), [here]);
    assert_eq!(code(stage.ask(confirm(&user, "reset-1"))), "token_invalid");
    assert_eq!(stage.rows::<OneTimeToken>().len(), 1, "the verification mail is not touched");
}

#[test]
fn of_two_new_passwords_at_the_same_time_one_is_refused() {
    let mut stage = stage();
    let user = registered(&mut stage, "ada@example.org");
    stage.ask(change(&user, 1)).unwrap();
    assert_eq!(code(stage.ask(change(&user, 1))), "credential_changed");
    assert_eq!(credential(&stage, &user).generation(), 2);
}

#[test]
fn a_locked_credential_changes_no_password() {
    let mut stage = stage();
    let user = registered(&mut stage, "ada@example.org");
    fail(&mut stage, &user, 5);
    // The edge found the right password before the wrong ones were counted: the answer does not tell.
    assert_eq!(code(stage.ask(change(&user, 1))), "password_wrong");
    let unknown = ChangePassword { user_id: hash("nobody"), ..change(&user, 1) };
    assert_eq!(code(stage.ask(unknown)), "user_unknown");
}
