//! Who may do what to whom: decided by the rows of the actor as they are when the command runs.

use tradewind_engine::Problem;
use tradewind_identity::{
    commands::{
        ChangeEmail, ChangeProfile, ChangeRole, CreateClient, DeleteUser, PublishSigningKey, RequestVerification,
        RetireSigningKey, RevokeClient, SignOut, SignOutEverywhere,
    },
    model::{Actor, Client, ProfileChange, Role, User},
};
use tradewind_testkit::Stage;

use super::{code, hash, mailed, personal, registered, sign_in, stage};

/// A user of this role, signed in.
fn somebody(stage: &mut Stage, name: &str, role: Role) -> (User, Actor) {
    let user = registered(stage, &format!("{name}@example.org"));
    let (user_id, actor) = (user.user_id().clone(), Actor::Shop);
    let user = stage.ask(ChangeRole { user_id, role, actor }).unwrap();
    let session = sign_in(stage, &user, 1).unwrap().session;
    let actor = Actor::User { user_id: user.user_id().clone(), session_id: session.session_id().clone() };
    (user, actor)
}

fn client(stage: &mut Stage) -> (Client, Actor) {
    let create = CreateClient { name: "erp".into(), secret_hash: hash("secret"), actor: Actor::Shop };
    let client = stage.ask(create).unwrap();
    (client.clone(), Actor::Client { client_id: client.client_id().clone() })
}

fn told<T: std::fmt::Debug>(answer: Result<T, Problem>) -> &'static str {
    answer.map_or_else(|problem| problem.code(), |_| "done")
}

/// What an actor may do to a user without their password, the mildest first.
fn done_to(stage: &mut Stage, target: &User, actor: &Actor) -> Vec<&'static str> {
    let (user_id, actor) = (target.user_id().clone(), actor.clone());
    let change = ProfileChange::default();
    let profile = ChangeProfile { user_id: user_id.clone(), change, actor: actor.clone() };
    let verification = mailed("verify-9");
    let verify = RequestVerification { user_id: user_id.clone(), verification, actor: actor.clone() };
    let session_id = hash("none");
    let sign_out = SignOut { user_id: user_id.clone(), session_id, actor: actor.clone() };
    let keep_session = match &actor {
        Actor::User { session_id, .. } => Some(session_id.clone()),
        _ => None,
    };
    let everywhere = SignOutEverywhere { user_id: user_id.clone(), keep_session, actor: actor.clone() };
    let email = personal(&format!("new-{user_id}@example.org"));
    let email =
        ChangeEmail { user_id: user_id.clone(), email, generation: None, verification: None, actor: actor.clone() };
    let delete = DeleteUser { user_id, generation: None, actor };
    vec![
        told(stage.ask(profile)),
        told(stage.ask(verify)),
        told(stage.ask(sign_out)),
        told(stage.ask(everywhere)),
        told(stage.ask(email)),
        told(stage.ask(delete)),
    ]
}

#[test]
fn each_role_acts_for_users_below_it_and_for_nobody_else() {
    const ROLES: [Role; 3] = [Role::Customer, Role::Staff, Role::Admin];
    let refused = "not_allowed";
    for target_role in ROLES {
        for actor_role in [Role::Customer, Role::Staff, Role::Admin, Role::Service] {
            let mut stage = stage();
            somebody(&mut stage, "root", Role::Admin);
            let (target, _) = somebody(&mut stage, "target", target_role);
            let actor = match actor_role {
                Role::Service => client(&mut stage).1,
                role => somebody(&mut stage, "actor", role).1,
            };
            let mild = if actor_role.acts_for(target_role) { "done" } else { refused };
            let hard = if actor_role == Role::Service { refused } else { mild };
            // The target has just registered: a mail is on its way, whoever asks for it.
            let verify = if mild == "done" { "mail_too_soon" } else { refused };
            let expected = [mild, verify, mild, mild, hard, hard];
            assert_eq!(done_to(&mut stage, &target, &actor), expected, "{actor_role} on {target_role}");
        }
    }
}

#[test]
fn users_act_for_themselves_but_for_what_asks_for_their_password() {
    for role in [Role::Customer, Role::Staff, Role::Admin] {
        let mut stage = stage();
        somebody(&mut stage, "root", Role::Admin);
        let (user, actor) = somebody(&mut stage, "user", role);
        let expected = ["done", "mail_too_soon", "done", "done", "not_allowed", "not_allowed"];
        assert_eq!(done_to(&mut stage, &user, &actor), expected, "{role}");
    }
}

/// What only admins may do.
fn done_as_admin(stage: &mut Stage, actor: &Actor) -> Vec<&'static str> {
    let actor = || actor.clone();
    let (user_id, client_id) = (hash("nobody"), hash("no-client"));
    let (private_key, kid) = ([1_u8].into(), hash("key"));
    let public_jwk = tradewind_events::FreeJson::parse("{}").unwrap();
    let publish = PublishSigningKey { kid, public_jwk, private_key, replaces: Some(hash("none")), actor: actor() };
    let create = CreateClient { name: "x".into(), secret_hash: hash("x"), actor: actor() };
    let bob = registered(stage, "bob@example.org");
    let role = ChangeRole { user_id: bob.user_id().clone(), role: Role::Staff, actor: actor() };
    let all = vec![
        told(stage.ask(role)),
        told(stage.ask(ChangeRole { user_id, role: Role::Staff, actor: actor() })),
        told(stage.ask(create)),
        told(stage.ask(RevokeClient { client_id, actor: actor() })),
        told(stage.ask(publish)),
        told(stage.ask(RetireSigningKey { kid: hash("no-key"), actor: actor() })),
    ];
    stage.ask(DeleteUser { user_id: bob.user_id().clone(), generation: None, actor: Actor::Shop }).unwrap();
    all
}

#[test]
fn only_who_is_admin_now_does_what_admins_do() {
    let mut stage = stage();
    let (root, _) = somebody(&mut stage, "root", Role::Admin);
    let (mallory, admin) = somebody(&mut stage, "mallory", Role::Admin);
    let done = ["done", "user_unknown", "done", "client_unknown", "signing_key_changed", "signing_key_unknown"];
    assert_eq!(done_as_admin(&mut stage, &admin), done);
    for (name, role) in [("customer", Role::Customer), ("staff", Role::Staff)] {
        let other = somebody(&mut stage, name, role).1;
        let no = "not_allowed";
        assert_eq!(done_as_admin(&mut stage, &other), [no, "user_unknown", no, no, no, no]);
    }
    // Demoted: the session of before stands for nothing any more, and a new one for the new role.
    let demote = |role| ChangeRole { user_id: mallory.user_id().clone(), role, actor: Actor::Shop };
    let ended = ["session_ended", "user_unknown", "session_ended", "session_ended", "session_ended", "session_ended"];
    let demoted = stage.ask(demote(Role::Customer)).unwrap();
    assert_eq!(done_as_admin(&mut stage, &admin), ended);
    sign_in(&mut stage, &demoted, 1).unwrap();
    assert_eq!(done_as_admin(&mut stage, &admin), ended);
    let user_id = mallory.user_id().clone();
    stage.ask(DeleteUser { user_id, generation: None, actor: Actor::Shop }).unwrap();
    assert_eq!(done_as_admin(&mut stage, &admin), ended);
    // A session speaks for nobody but its user.
    let stolen = Actor::User { user_id: root.user_id().clone(), session_id: hash("guess") };
    assert_eq!(done_as_admin(&mut stage, &stolen), ended);
}

#[test]
fn a_revoked_client_does_nothing_any_more() {
    let mut stage = stage();
    let (user, _) = somebody(&mut stage, "ada", Role::Customer);
    let (client, actor) = client(&mut stage);
    let profile = |actor: &Actor| {
        let (user_id, change) = (user.user_id().clone(), ProfileChange::default());
        ChangeProfile { user_id, change, actor: actor.clone() }
    };
    stage.ask(profile(&actor)).unwrap();
    stage.ask(RevokeClient { client_id: client.client_id().clone(), actor: Actor::Shop }).unwrap();
    assert_eq!(code(stage.ask(profile(&actor))), "session_ended");
}

#[test]
fn another_role_ends_the_sessions_and_the_same_one_does_not() {
    let mut stage = stage();
    let (user, _) = somebody(&mut stage, "ada", Role::Staff);
    stage.clear();
    let role = |role| ChangeRole { user_id: user.user_id().clone(), role, actor: Actor::Shop };
    stage.ask(role(Role::Staff)).unwrap();
    assert_eq!(stage.said_names(), Vec::<&str>::new());
    stage.ask(role(Role::Customer)).unwrap();
    assert_eq!(stage.said_names(), ["user.profile_updated", "user.signed_out"]);
}
