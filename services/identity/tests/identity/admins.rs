//! Roles, the first admin, and service clients.

use tradewind_events::{identity::UserProfileUpdated, row_key};
use tradewind_identity::{
    Identity,
    commands::{ChangeRole, CreateClient, DeleteUser, IssueFirstAdminToken, RedeemFirstAdminToken, RevokeClient},
    model::{Actor, Client, REALM, Realm, Role, User},
};
use tradewind_testkit::Stage;

use super::{code, expect_quiet, hash, new_user, registered, stage};

fn issue(token: &str) -> IssueFirstAdminToken {
    IssueFirstAdminToken { token_hash: hash(token) }
}

fn redeem(token: &str, email: &str) -> RedeemFirstAdminToken {
    RedeemFirstAdminToken { token_hash: hash(token), register: new_user(email) }
}

fn first_admin(stage: &mut Stage) -> User {
    stage.ask(issue("first")).unwrap();
    let admin = stage.ask(redeem("first", "root@example.org")).unwrap();
    stage.clear();
    admin
}

fn role(user: &User, role: Role) -> ChangeRole {
    ChangeRole { user_id: user.user_id().clone(), role, actor: Actor::Shop }
}

#[test]
fn the_first_admin_registers_with_a_token_that_works_once() {
    let mut stage = stage();
    assert_eq!(code(stage.ask(redeem("first", "root@example.org"))), "token_invalid");
    stage.ask(issue("older")).unwrap();
    stage.ask(issue("first")).unwrap();
    assert_eq!(code(stage.ask(redeem("older", "root@example.org"))), "token_invalid");
    let admin = stage.ask(redeem("first", "root@example.org")).unwrap();
    assert_eq!(admin.role(), Role::Admin);
    assert_eq!(stage.said_names(), ["user.registered"]);
    assert_eq!(code(stage.ask(redeem("first", "second@example.org"))), "token_invalid");
    assert_eq!(code(stage.ask(issue("second"))), "admin_exists");
    expect_quiet(&stage);
}

#[test]
fn the_token_for_the_first_admin_expires_and_survives_a_typing_error() {
    let mut stage = stage();
    stage.ask(issue("first")).unwrap();
    assert_eq!(code(stage.ask(redeem("first", "root"))), "email_invalid");
    stage.ask(redeem("first", "root@example.org")).unwrap();
    let mut stage = super::stage();
    stage.ask(issue("first")).unwrap();
    stage.advance(Identity::default().first_admin_ttl);
    assert_eq!(code(stage.ask(redeem("first", "root@example.org"))), "token_invalid");
}

#[test]
fn a_role_is_given_told_and_taken_away() {
    let mut stage = stage();
    first_admin(&mut stage);
    let bob = registered(&mut stage, "bob@example.org");
    assert_eq!(stage.ask(role(&bob, Role::Staff)).unwrap().role(), Role::Staff);
    stage.ask(role(&bob, Role::Staff)).unwrap();
    let [said] = &stage.said::<UserProfileUpdated>()[..] else { panic!("a change that changes nothing is not told") };
    assert_eq!(&*said.changes.expose()[0].field, "role");
    assert_eq!(code(stage.ask(role(&bob, Role::Service))), "role_invalid");
    stage.ask(role(&bob, Role::Admin)).unwrap();
    assert_eq!(stage.row::<Realm>(row_key(&[REALM])).unwrap().admins(), 2);
    stage.ask(role(&bob, Role::Customer)).unwrap();
    assert_eq!(stage.row::<Realm>(row_key(&[REALM])).unwrap().admins(), 1);
    let unknown = ChangeRole { user_id: hash("nobody"), ..role(&bob, Role::Staff) };
    assert_eq!(code(stage.ask(unknown)), "user_unknown");
}

#[test]
fn the_last_admin_stays() {
    let mut stage = stage();
    let admin = first_admin(&mut stage);
    let delete = DeleteUser { user_id: admin.user_id().clone(), generation: None, actor: Actor::Shop };
    assert_eq!(code(stage.ask(role(&admin, Role::Staff))), "last_admin");
    assert_eq!(code(stage.ask(delete.clone())), "last_admin");
    let bob = registered(&mut stage, "bob@example.org");
    stage.ask(role(&bob, Role::Admin)).unwrap();
    stage.ask(delete).unwrap();
    assert_eq!(stage.row::<Realm>(row_key(&[REALM])).unwrap().admins(), 1);
    assert_eq!(code(stage.ask(role(&bob, Role::Customer))), "last_admin");
}

#[test]
fn a_service_client_is_made_and_revoked() {
    let mut stage = stage();
    let create = CreateClient { name: " erp ".into(), secret_hash: hash("secret"), actor: Actor::Shop };
    let client = stage.ask(create.clone()).unwrap();
    assert_eq!((&**client.name(), client.revoked_at()), ("erp", None));
    assert_eq!(stage.row::<Client>(client.client_id()), Some(client.clone()));
    let revoke = RevokeClient { client_id: client.client_id().clone(), actor: Actor::Shop };
    let revoked = stage.ask(revoke.clone()).unwrap();
    assert!(revoked.revoked_at().is_some());
    assert_eq!(stage.said_names(), ["service_client.revoked"]);
    stage.advance(super::MINUTE);
    assert_eq!(stage.ask(revoke).unwrap(), revoked);
    assert_eq!(code(stage.ask(RevokeClient { client_id: hash("nobody"), actor: Actor::Shop })), "client_unknown");
    let problem = stage.ask(CreateClient { name: " ".into(), ..create }).unwrap_err();
    assert_eq!((problem.code(), problem.field.as_deref()), ("client_name_invalid", Some("name")));
}
