//! Signing up, and verifying the address.

use tradewind_engine::{
    TryOutcome,
    operator::Action,
    tables::{JobRow, JobState},
};
use tradewind_events::{
    identity::{UserEmailVerified, UserRegistered},
    jobs::{IdentityMailKind, MailReceipt},
};
use tradewind_identity::{
    commands::{Register, RequestVerification, SendIdentityMail, VerifyEmail},
    model::{Actor, Names, OneTimeToken, Role, User},
};
use tradewind_testkit::Stage;

use super::{MINUTE, code, expect_quiet, hash, mailed, mails, new_user, personal, registered, stage};

fn verify(user: &User, token: &str) -> VerifyEmail {
    VerifyEmail { user_id: user.user_id().clone(), token_hash: hash(token) }
}

fn request(user: &User, token: &str) -> RequestVerification {
    RequestVerification { user_id: user.user_id().clone(), verification: mailed(token), actor: Actor::Shop }
}

#[test]
fn a_person_registers_and_is_asked_by_mail_to_verify_the_address() {
    let mut stage = stage();
    let names = Names { username: Some(personal(" ada ")), first_name: Some(personal("Ada")), last_name: None };
    let user = stage.ask(Register { names, ..new_user(" Ada@example.org ") }).unwrap();
    assert_eq!((user.role(), user.email_verified()), (Role::Customer, false));
    let said = UserRegistered {
        user_id: user.user_id().clone(),
        email: personal("Ada@example.org"),
        username: Some(personal("ada")),
        first_name: Some(personal("Ada")),
        last_name: None,
        email_verified: false,
    };
    assert_eq!(stage.said::<UserRegistered>(), [said]);
    let [mail] = &mails(&stage)[..] else { panic!("one mail is sent") };
    assert_eq!((mail.kind, &mail.to), (IdentityMailKind::VerifyEmail, &personal("Ada@example.org")));
    assert_eq!((&mail.token, &mail.user_id), (&personal("verify-1"), user.user_id()));
    expect_quiet(&stage);
}

#[test]
fn no_mail_is_sent_where_none_is_wanted() {
    let mut stage = stage();
    stage.ask(Register { verification: None, ..new_user("ada@example.org") }).unwrap();
    assert_eq!(mails(&stage), []);
    assert_eq!(stage.rows::<OneTimeToken>(), []);
}

#[test]
fn an_address_belongs_to_one_user_whatever_its_case() {
    let mut stage = stage();
    registered(&mut stage, "ada@example.org");
    let problem = stage.ask(new_user("ADA@Example.org")).unwrap_err();
    assert_eq!((problem.code(), problem.field.as_deref()), ("email_taken", Some("email")));
    assert_eq!(stage.rows::<User>().len(), 1);
    assert_eq!(stage.said_names(), Vec::<&str>::new());
}

#[test]
fn whoever_signs_up_under_a_taken_address_learns_nothing_and_its_owner_is_told() {
    let mut stage = stage();
    let owner = registered(&mut stage, "ada@example.org");
    let concealed = Register { conceal_taken: true, ..new_user("ADA@Example.org") };
    let ghost = stage.ask(concealed.clone()).unwrap();
    assert_eq!((ghost.email(), ghost.role()), (Some(&personal("ADA@Example.org")), Role::Customer));
    assert_ne!(ghost.user_id(), owner.user_id());
    assert_eq!(stage.rows::<User>(), std::slice::from_ref(&owner));
    assert_eq!(stage.said_names(), Vec::<&str>::new());
    let told = mails(&stage).pop().unwrap();
    assert_eq!((told.kind, told.to), (IdentityMailKind::AddressTaken, personal("ada@example.org")));
    stage.ask(concealed).unwrap();
    assert_eq!(mails(&stage).len(), 2, "the owner is not told over and over");
    expect_quiet(&stage);
}

#[test]
fn what_cannot_be_kept_is_refused_and_changes_nothing() {
    let mut stage = stage();
    assert_eq!(code(stage.ask(new_user("ada"))), "email_invalid");
    let names = Names { first_name: Some(personal("a\nb")), ..Names::default() };
    let problem = stage.ask(Register { names, ..new_user("ada@example.org") }).unwrap_err();
    assert_eq!((problem.code(), problem.field.as_deref()), ("profile_invalid", Some("first_name")));
    assert_eq!(stage.rows::<User>(), []);
}

#[test]
fn the_token_of_the_mail_verifies_the_address_once() {
    let mut stage = stage();
    let user = registered(&mut stage, "ada@example.org");
    assert_eq!(code(stage.ask(verify(&user, "guess"))), "token_invalid");
    stage.ask(verify(&user, "verify-1")).unwrap();
    let said = UserEmailVerified { user_id: user.user_id().clone(), email: personal("ada@example.org") };
    assert_eq!(stage.said::<UserEmailVerified>(), [said]);
    assert!(stage.row::<User>(user.user_id()).unwrap().email_verified());
    assert_eq!(code(stage.ask(verify(&user, "verify-1"))), "token_invalid");
    assert_eq!(code(stage.ask(request(&user, "verify-2"))), "email_already_verified");
}

#[test]
fn a_verification_token_works_for_a_day() {
    let mut stage = stage();
    let user = registered(&mut stage, "ada@example.org");
    stage.advance(24 * 60 * MINUTE);
    assert_eq!(code(stage.ask(verify(&user, "verify-1"))), "token_invalid");
}

#[test]
fn another_mail_can_be_had_after_a_minute_and_only_its_token_works() {
    let mut stage = stage();
    let user = registered(&mut stage, "ada@example.org");
    assert_eq!(code(stage.ask(request(&user, "verify-2"))), "mail_too_soon");
    stage.advance(MINUTE);
    stage.ask(request(&user, "verify-2")).unwrap();
    assert_eq!(mails(&stage).len(), 2);
    assert_eq!(code(stage.ask(verify(&user, "verify-1"))), "token_invalid");
    stage.ask(verify(&user, "verify-2")).unwrap();
    expect_quiet(&stage);
}

fn everything_said(stage: &Stage) -> String {
    stage.log().iter().map(|logged| Stage::data(&*logged.envelope.event).to_string()).collect()
}

#[test]
fn a_token_stands_in_its_job_until_the_mail_is_sent_and_nowhere_else() {
    let mut stage = stage();
    let user = stage.ask(new_user("ada@example.org")).unwrap();
    let [(key, mail)] = &stage.jobs::<SendIdentityMail>()[..] else { panic!("one mail is sent") };
    assert_eq!(mail.token, personal("verify-1"));
    let token = stage.rows::<OneTimeToken>().remove(0);
    assert_eq!((token.holder(), token.token_hash()), (user.user_id(), &hash("verify-1")));
    let receipt = MailReceipt { message_id: key.clone(), refused: None, reference: None };
    stage.finish::<SendIdentityMail>(key, &receipt);
    assert_eq!(mails(&stage), []);
    assert!(!everything_said(&stage).contains("verify-1"));
    expect_quiet(&stage);
}

#[test]
fn a_token_whose_mail_is_given_up_is_erased_and_another_mail_has_another_token() {
    let mut stage = stage();
    let user = stage.ask(new_user("ada@example.org")).unwrap();
    let key = stage.jobs::<SendIdentityMail>().remove(0).0;
    for _ in 0..12 {
        stage.try_job(&key, TryOutcome::Unknown("no mail server".to_owned()));
        stage.advance(MINUTE);
    }
    let [job] = &stage.rows::<JobRow>()[..] else { panic!("an operator can see it") };
    let masked = format!(r#"{{"kind":"verify_email","to":"***","token":"***","user_id":"{}"}}"#, user.user_id());
    assert_eq!((job.state, &*job.request), (JobState::Exhausted, &*masked));
    assert_eq!(job.last_error.as_deref(), Some("no mail server"));
    assert_eq!(code(stage.operate(Action::RetryJob { job: key.clone() })), "job_erased");
    let reply = r#"{"message_id":"none"}"#.into();
    stage.operate(Action::SettleJob { job: key, reply, reason: "asked for again".into() }).unwrap();
    assert_eq!(stage.rows::<JobRow>(), []);
    stage.ask(request(&user, "verify-2")).unwrap();
    stage.ask(verify(&user, "verify-2")).unwrap();
    expect_quiet(&stage);
}

#[test]
fn who_is_unknown_can_verify_nothing() {
    let mut stage = stage();
    let user = registered(&mut stage, "ada@example.org");
    let verify = VerifyEmail { user_id: hash("nobody"), ..verify(&user, "verify-1") };
    assert_eq!(code(stage.ask(verify)), "token_invalid");
    let request = RequestVerification { user_id: hash("nobody"), ..request(&user, "verify-2") };
    assert_eq!(code(stage.ask(request)), "user_unknown");
}
