//! What users change about themselves, and leaving.

use tradewind_events::{
    Id,
    identity::{UserDeleted, UserEmailChanged, UserProfileUpdated},
    jobs::IdentityMailKind,
};
use tradewind_identity::{
    commands::{ChangeEmail, ChangePassword, ChangeProfile, DeleteUser, VerifyEmail},
    model::{
        Actor, Credential, EmailAddress, Field, OneTimeToken, ProfileChange, Session, User, UserSessions, UserState,
    },
};

use super::{
    code, expect_quiet, fail, hash, hashed, mailed, mails, new_user, personal, refresh, registered, sign_in, stage,
};

fn change_email(user: &User, email: &str) -> ChangeEmail {
    ChangeEmail {
        user_id: user.user_id().clone(),
        email: personal(email),
        generation: Some(1),
        verification: Some(mailed("verify-2")),
        actor: Actor::Shop,
    }
}

fn delete(user_id: &Id) -> DeleteUser {
    DeleteUser { user_id: user_id.clone(), generation: Some(1), actor: Actor::Shop }
}

#[test]
fn a_profile_changes_field_by_field() {
    let mut stage = stage();
    let user = registered(&mut stage, "ada@example.org");
    let change = ProfileChange {
        last_name: Field::Set(personal("King")),
        avatar_url: Field::Set(personal("https://media.example.org/ada.jpg")),
        ..ProfileChange::default()
    };
    let change = ChangeProfile { user_id: user.user_id().clone(), change, actor: Actor::Shop };
    let changed = stage.ask(change.clone()).unwrap();
    assert_eq!(changed.last_name(), Some(&personal("King")));
    assert_eq!(stage.row::<User>(user.user_id()), Some(changed));
    stage.ask(change).unwrap();
    let [said] = &stage.said::<UserProfileUpdated>()[..] else { panic!("a change that changes nothing is not told") };
    assert_eq!(said.changes.expose().len(), 2);
    let bad = ProfileChange { username: Field::Set(personal("")), ..ProfileChange::default() };
    assert_eq!(
        code(stage.ask(ChangeProfile { user_id: user.user_id().clone(), change: bad, actor: Actor::Shop })),
        "profile_invalid"
    );
    let nobody = ChangeProfile { user_id: hash("nobody"), change: ProfileChange::default(), actor: Actor::Shop };
    assert_eq!(code(stage.ask(nobody)), "user_unknown");
}

#[test]
fn another_address_counts_once_its_own_mail_is_answered() {
    let mut stage = stage();
    let user = registered(&mut stage, "ada@example.org");
    let asked = stage.ask(change_email(&user, "king@example.org")).unwrap();
    assert_eq!(asked, user, "nothing is changed yet");
    assert_eq!(stage.said::<UserEmailChanged>(), []);
    let mail = mails(&stage).into_iter().find(|mail| mail.to == personal("king@example.org")).unwrap();
    assert_eq!(mail.kind, IdentityMailKind::ChangeEmail);
    assert_eq!(code(stage.ask(change_email(&user, "queen@example.org"))), "mail_too_soon");
    stage.ask(VerifyEmail { user_id: user.user_id().clone(), token_hash: hash("verify-2") }).unwrap();
    let said = UserEmailChanged {
        user_id: user.user_id().clone(),
        email: personal("king@example.org"),
        previous_email: personal("ada@example.org"),
    };
    assert_eq!(stage.said::<UserEmailChanged>(), [said]);
    assert!(stage.row::<User>(user.user_id()).unwrap().email_verified());
    let old = VerifyEmail { user_id: user.user_id().clone(), token_hash: hash("verify-1") };
    assert_eq!(code(stage.ask(old)), "token_invalid");
    registered(&mut stage, "ada@example.org");
    expect_quiet(&stage);
}

#[test]
fn a_new_password_takes_back_a_change_of_the_address() {
    let mut stage = stage();
    let user = registered(&mut stage, "ada@example.org");
    stage.ask(change_email(&user, "thief@example.org")).unwrap();
    let user_id = user.user_id().clone();
    let change = ChangePassword { user_id, generation: 1, password_hash: hashed("second"), keep_session: None };
    stage.ask(change).unwrap();
    let shown = VerifyEmail { user_id: user.user_id().clone(), token_hash: hash("verify-2") };
    assert_eq!(code(stage.ask(shown)), "token_invalid");
}

#[test]
fn an_address_of_somebody_else_is_asked_for_like_a_free_one_and_its_owner_is_told() {
    let mut stage = stage();
    let user = registered(&mut stage, "ada@example.org");
    registered(&mut stage, "bob@example.org");
    assert_eq!(stage.ask(change_email(&user, "BOB@example.org")).unwrap(), user);
    let told: Vec<_> = mails(&stage).into_iter().filter(|mail| mail.to == personal("bob@example.org")).collect();
    assert_eq!(told.last().map(|mail| mail.kind), Some(IdentityMailKind::AddressTaken));
    assert_eq!(code(stage.ask(change_email(&user, "free@example.org"))), "mail_too_soon", "as after a free one");
    let shown = VerifyEmail { user_id: user.user_id().clone(), token_hash: hash("verify-2") };
    assert_eq!(code(stage.ask(shown)), "token_invalid");
    assert_eq!(stage.row::<User>(user.user_id()).unwrap().email(), Some(&personal("ada@example.org")));
    expect_quiet(&stage);
}

#[test]
fn another_spelling_of_ones_own_address_is_not_taken() {
    let mut stage = stage();
    let user = registered(&mut stage, "ada@example.org");
    stage.ask(VerifyEmail { user_id: user.user_id().clone(), token_hash: hash("verify-1") }).unwrap();
    let changed = stage.ask(change_email(&user, "Ada@example.org")).unwrap();
    assert!(changed.email_verified());
    assert_eq!(mails(&stage).len(), 1, "what is verified needs no mail");
    let same = stage.ask(change_email(&user, "Ada@example.org")).unwrap();
    assert_eq!(same, changed);
    assert_eq!(stage.said::<UserEmailChanged>().len(), 1);
}

#[test]
fn another_address_needs_the_present_password_and_must_be_free() {
    let mut stage = stage();
    let user = registered(&mut stage, "ada@example.org");
    registered(&mut stage, "bob@example.org");
    let staff = |email| ChangeEmail { generation: None, verification: None, ..change_email(&user, email) };
    assert_eq!(code(stage.ask(staff("BOB@example.org"))), "email_taken");
    assert_eq!(code(stage.ask(change_email(&user, "bob"))), "email_invalid");
    let outdated = ChangeEmail { generation: Some(2), ..change_email(&user, "king@example.org") };
    assert_eq!(code(stage.ask(outdated)), "credential_changed");
    fail(&mut stage, &user, 5);
    assert_eq!(code(stage.ask(change_email(&user, "king@example.org"))), "password_wrong");
    stage.ask(staff("king@example.org")).unwrap();
    assert_eq!(mails(&stage).len(), 2, "one for each who registered");
}

#[test]
fn a_user_who_leaves_leaves_nothing_personal_behind() {
    let mut stage = stage();
    let user = registered(&mut stage, "ada@example.org");
    let session = sign_in(&mut stage, &user, 1).unwrap().session;
    stage.clear();
    stage.ask(delete(user.user_id())).unwrap();
    let said = UserDeleted { user_id: user.user_id().clone(), email: personal("ada@example.org") };
    assert_eq!(stage.said::<UserDeleted>(), [said]);
    assert_eq!(stage.said_names(), ["user.signed_out", "user.deleted"]);
    let row: User = stage.row(user.user_id()).unwrap();
    assert_eq!((row.state(), row.email(), row.deleted_at()), (UserState::Deleted, None, Some(stage.committed_at())));
    assert_eq!(stage.rows::<EmailAddress>(), []);
    assert_eq!(stage.rows::<Credential>(), []);
    assert_eq!(stage.rows::<OneTimeToken>(), []);
    assert_eq!((stage.rows::<Session>(), stage.rows::<UserSessions>()), (vec![], vec![]));
    assert_eq!(code(refresh(&mut stage, session.session_id(), "t1", "t2")), "session_ended");
    expect_quiet(&stage);
}

#[test]
fn leaving_twice_changes_nothing_and_the_address_is_free_again() {
    let mut stage = stage();
    let user = registered(&mut stage, "ada@example.org");
    let outdated = DeleteUser { generation: Some(2), ..delete(user.user_id()) };
    assert_eq!(code(stage.ask(outdated)), "credential_changed");
    stage.ask(delete(user.user_id())).unwrap();
    stage.ask(delete(user.user_id())).unwrap();
    assert_eq!(stage.said_names(), ["user.deleted"]);
    assert_eq!(code(stage.ask(delete(&hash("nobody")))), "user_unknown");
    let again = stage.ask(new_user("ada@example.org")).unwrap();
    assert_ne!(again.user_id(), user.user_id());
}
