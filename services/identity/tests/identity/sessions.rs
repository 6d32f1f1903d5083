//! Sessions: refreshed, ended, pushed out.

use std::time::Duration;

use proptest::prelude::*;
use tradewind_events::{Id, identity::UserSignedOut};
use tradewind_identity::{
    Identity,
    commands::{RefreshSession, Refreshed, SignOut, SignOutEverywhere, SignedIn},
    model::{Actor, Session, ShownToken, User, UserSessions},
};
use tradewind_testkit::Stage;

use super::{code, expect_quiet, hash, refresh, registered, sign_in, stage, stage_with};

fn signed_in(stage: &mut Stage) -> SignedIn {
    let user = registered(stage, "ada@example.org");
    let signed_in = sign_in(stage, &user, 1).unwrap();
    stage.clear();
    signed_in
}

fn open(stage: &Stage, user: &User) -> Vec<Id> {
    stage.row::<UserSessions>(user.user_id()).map(|open| open.session_ids().to_vec()).unwrap_or_default()
}

#[test]
fn a_refresh_token_is_exchanged_for_the_next_one() {
    let mut stage = stage();
    let SignedIn { user, session } = signed_in(&mut stage);
    for (token, next) in [("t1", "t2"), ("t2", "t3")] {
        stage.advance(Duration::from_mins(10));
        let Refreshed::Renewed(again) = refresh(&mut stage, session.session_id(), token, next).unwrap() else {
            panic!("{token} is good")
        };
        assert_eq!((&again.user, again.session.expires_at()), (&user, session.expires_at()));
    }
    assert_eq!(stage.said_names(), Vec::<&str>::new());
    expect_quiet(&stage);
}

#[test]
fn a_token_that_comes_twice_ends_the_session_for_both_who_have_it() {
    let mut stage = stage();
    let SignedIn { user, session } = signed_in(&mut stage);
    refresh(&mut stage, session.session_id(), "t1", "t2").unwrap();
    refresh(&mut stage, session.session_id(), "t2", "t3").unwrap();
    stage.advance(Duration::from_mins(1));
    assert_eq!(refresh(&mut stage, session.session_id(), "t1", "x").unwrap(), Refreshed::Reused);
    assert_eq!(code(refresh(&mut stage, session.session_id(), "t3", "t4")), "session_ended");
    let said = UserSignedOut { user_id: user.user_id().clone(), session_id: session.session_id().clone() };
    assert_eq!(stage.said::<UserSignedOut>(), [said]);
    assert_eq!(open(&stage, &user), []);
}

#[test]
fn a_lost_answer_is_given_again_within_the_grace() {
    let mut stage = stage();
    let SignedIn { session, .. } = signed_in(&mut stage);
    refresh(&mut stage, session.session_id(), "t1", "lost").unwrap();
    stage.advance_to(stage.committed_at().plus(Identity::default().refresh_grace));
    assert!(matches!(refresh(&mut stage, session.session_id(), "t1", "t2").unwrap(), Refreshed::Renewed(_)));
    assert!(matches!(refresh(&mut stage, session.session_id(), "t2", "t3").unwrap(), Refreshed::Renewed(_)));
}

#[test]
fn who_knows_only_the_session_cannot_end_it() {
    let mut stage = stage();
    let SignedIn { session, .. } = signed_in(&mut stage);
    let shown = ShownToken { family_hash: hash("guess"), token_hash: hash("guess"), next_hash: hash("t2") };
    let guess = RefreshSession { session_id: session.session_id().clone(), shown };
    assert_eq!(code(stage.ask(guess)), "session_ended");
    refresh(&mut stage, session.session_id(), "t1", "t2").unwrap();
}

#[test]
fn a_session_lasts_a_month_however_often_it_is_refreshed() {
    let mut stage = stage();
    let SignedIn { session, .. } = signed_in(&mut stage);
    stage.advance(Duration::from_secs(30 * 24 * 3_600 - 1));
    refresh(&mut stage, session.session_id(), "t1", "t2").unwrap();
    stage.advance(Duration::from_secs(1));
    assert_eq!(code(refresh(&mut stage, session.session_id(), "t2", "t3")), "session_ended");
}

#[test]
fn a_user_signs_out_once() {
    let mut stage = stage();
    let SignedIn { user, session } = signed_in(&mut stage);
    let sign_out =
        SignOut { user_id: user.user_id().clone(), session_id: session.session_id().clone(), actor: Actor::Shop };
    stage.ask(sign_out.clone()).unwrap();
    stage.ask(sign_out).unwrap();
    assert_eq!(stage.said_names(), ["user.signed_out"]);
    assert_eq!(code(refresh(&mut stage, session.session_id(), "t1", "t2")), "session_ended");
    assert_eq!(stage.rows::<Session>(), []);
}

#[test]
fn nobody_ends_the_session_of_another() {
    let mut stage = stage();
    let SignedIn { session, .. } = signed_in(&mut stage);
    let bob = registered(&mut stage, "bob@example.org");
    stage
        .ask(SignOut { user_id: bob.user_id().clone(), session_id: session.session_id().clone(), actor: Actor::Shop })
        .unwrap();
    assert_eq!(stage.said_names(), Vec::<&str>::new());
    refresh(&mut stage, session.session_id(), "t1", "t2").unwrap();
}

#[test]
fn a_user_signs_out_everywhere_but_here() {
    let mut stage = stage();
    let SignedIn { user, session: here } = signed_in(&mut stage);
    for _ in 0..2 {
        sign_in(&mut stage, &user, 1).unwrap();
    }
    stage.clear();
    let elsewhere = SignOutEverywhere {
        user_id: user.user_id().clone(),
        keep_session: Some(here.session_id().clone()),
        actor: Actor::Shop,
    };
    stage.ask(elsewhere.clone()).unwrap();
    stage.ask(elsewhere).unwrap();
    assert_eq!(stage.said_names(), ["user.signed_out"; 2]);
    assert_eq!(open(&stage, &user), [here.session_id().clone()]);
    stage.ask(SignOutEverywhere { user_id: user.user_id().clone(), keep_session: None, actor: Actor::Shop }).unwrap();
    assert_eq!(open(&stage, &user), []);
}

#[test]
fn one_session_too_many_ends_the_oldest() {
    let mut stage = stage_with(Identity { sessions_max: 2, ..Identity::default() });
    let SignedIn { user, session: first } = signed_in(&mut stage);
    let second = sign_in(&mut stage, &user, 1).unwrap().session;
    let third = sign_in(&mut stage, &user, 1).unwrap().session;
    assert_eq!(open(&stage, &user), [second.session_id().clone(), third.session_id().clone()]);
    assert_eq!(stage.said::<UserSignedOut>()[0].session_id, *first.session_id());
    assert_eq!(stage.rows::<Session>().len(), 2);
}

#[test]
fn sessions_that_have_expired_make_room_and_are_told_to_nobody() {
    let mut stage = stage_with(Identity { sessions_max: 1, ..Identity::default() });
    let SignedIn { user, .. } = signed_in(&mut stage);
    stage.advance(Identity::default().session_ttl);
    let now = sign_in(&mut stage, &user, 1).unwrap().session;
    assert_eq!(open(&stage, &user), std::slice::from_ref(now.session_id()));
    assert_eq!(stage.rows::<Session>(), [now]);
    assert_eq!(stage.said_names(), ["user.signed_in"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Tokens are shown in any order, each a while after the other: the newest goes on, any older one ends it all.
    #[test]
    fn only_the_newest_token_goes_on_and_an_older_one_ends_the_session(shown in proptest::collection::vec(0..6_usize, 1..12)) {
        let mut stage = stage();
        let SignedIn { session, .. } = signed_in(&mut stage);
        let (mut tokens, mut ended) = (vec!["t1".to_owned()], false);
        for (step, nth) in shown.into_iter().enumerate() {
            stage.advance(Duration::from_mins(1));
            let token = tokens[tokens.len().saturating_sub(1 + nth)].clone();
            let newest = Some(&token) == tokens.last();
            let next = format!("n{step}");
            match refresh(&mut stage, session.session_id(), &token, &next) {
                Ok(Refreshed::Renewed(_)) => {
                    prop_assert!(newest && !ended);
                    tokens.push(next);
                }
                Ok(Refreshed::Reused) => {
                    prop_assert!(!newest && !ended);
                    ended = true;
                }
                Err(_) => prop_assert!(ended),
            }
        }
    }
}
