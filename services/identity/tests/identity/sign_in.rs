//! Signing in, and the lock against guessing.

use tradewind_events::identity::UserSignedIn;
use tradewind_identity::{
    Identity,
    commands::{ChangePassword, DeleteUser, SignInFailed},
    model::{Actor, Session},
};

use super::{
    MINUTE, code, credential, expect_quiet, fail, hash, hashed, registered, right_password, sign_in, stage, stage_with,
};

#[test]
fn the_right_password_opens_a_session() {
    let mut stage = stage();
    let user = registered(&mut stage, "ada@example.org");
    let signed_in = sign_in(&mut stage, &user, 1).unwrap();
    assert_eq!(signed_in.user, user);
    let session: Session = stage.row(signed_in.session.session_id()).unwrap();
    assert_eq!(session, signed_in.session);
    assert_eq!(session.expires_at(), stage.committed_at().plus(Identity::default().session_ttl));
    let said = UserSignedIn { user_id: user.user_id().clone(), session_id: session.session_id().clone() };
    assert_eq!(stage.said::<UserSignedIn>(), [said]);
    expect_quiet(&stage);
}

#[test]
fn five_wrong_passwords_lock_even_the_right_one_out_for_a_while() {
    let mut stage = stage();
    let user = registered(&mut stage, "ada@example.org");
    fail(&mut stage, &user, 4);
    assert!(!credential(&stage, &user).is_locked(stage.now()));
    fail(&mut stage, &user, 1);
    assert!(credential(&stage, &user).is_locked(stage.now()));
    assert_eq!(code(sign_in(&mut stage, &user, 1)), "sign_in_refused");
    stage.advance(14 * MINUTE);
    fail(&mut stage, &user, 5);
    assert_eq!(code(sign_in(&mut stage, &user, 1)), "sign_in_refused");
    stage.advance(MINUTE);
    sign_in(&mut stage, &user, 1).unwrap();
    assert_eq!(credential(&stage, &user).locked_until(), None);
}

#[test]
fn a_right_password_forgives_the_wrong_ones_before_it() {
    let mut stage = stage();
    let user = registered(&mut stage, "ada@example.org");
    fail(&mut stage, &user, 4);
    sign_in(&mut stage, &user, 1).unwrap();
    fail(&mut stage, &user, 4);
    sign_in(&mut stage, &user, 1).unwrap();
}

#[test]
fn the_threshold_is_configured() {
    let mut stage = stage_with(Identity { failures_max: 1, ..Identity::default() });
    let user = registered(&mut stage, "ada@example.org");
    fail(&mut stage, &user, 1);
    assert_eq!(code(sign_in(&mut stage, &user, 1)), "sign_in_refused");
}

#[test]
fn a_password_that_was_replaced_while_it_was_verified_opens_nothing() {
    let mut stage = stage();
    let user = registered(&mut stage, "ada@example.org");
    let user_id = user.user_id().clone();
    stage.ask(ChangePassword { user_id, generation: 1, password_hash: hashed("second"), keep_session: None }).unwrap();
    assert_eq!(code(sign_in(&mut stage, &user, 1)), "sign_in_refused");
    fail(&mut stage, &user, 9);
    sign_in(&mut stage, &user, 2).unwrap();
}

#[test]
fn unknown_deleted_and_locked_users_are_refused_alike() {
    let mut stage = stage();
    let user = registered(&mut stage, "ada@example.org");
    let locked = registered(&mut stage, "bob@example.org");
    fail(&mut stage, &locked, 5);
    stage.ask(DeleteUser { user_id: user.user_id().clone(), generation: None, actor: Actor::Shop }).unwrap();
    let refused = stage.ask(right_password(&hash("unknown"), 1)).unwrap_err();
    assert_eq!(refused.code(), "sign_in_refused");
    assert_eq!(sign_in(&mut stage, &user, 1).unwrap_err(), refused);
    assert_eq!(sign_in(&mut stage, &locked, 1).unwrap_err(), refused);
}

#[test]
fn a_wrong_password_of_nobody_is_counted_nowhere() {
    let mut stage = stage();
    stage.ask(SignInFailed { user_id: hash("nobody"), generation: 1 }).unwrap();
    expect_quiet(&stage);
}
