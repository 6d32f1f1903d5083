//! How a shop gets its first admin: who can read the console is told a token, and registers with it.

use tradewind_engine::{Answer, Command, OrRefuse, Stop, Uow};
use tradewind_events::{Id, id};

use super::{Register, realm, registration::enrol};
use crate::model::{
    ADMIN_EXISTS, FIRST_ADMIN_HOLDER, Identity, OneTimeToken, Purpose, Realm, Role, TOKEN_INVALID, User,
};

/// A token for the first admin was drawn; the one before it is good for nothing any more.
#[derive(Debug, Clone, Command)]
#[command(owner = Identity, name = "issue_first_admin_token")]
pub struct IssueFirstAdminToken {
    pub token_hash: Id,
}

/// Somebody with the token registers as admin.
#[derive(Debug, Clone, Command)]
#[command(owner = Identity, name = "redeem_first_admin_token", answer = User)]
pub struct RedeemFirstAdminToken {
    pub token_hash: Id,
    pub register: Register,
}

pub fn issue_first_admin_token(uow: &mut Uow<'_, Identity>, issue: &IssueFirstAdminToken) -> Answer<()> {
    without_admin(uow)?;
    let now = uow.now();
    let ttl = uow.settings().first_admin_ttl;
    uow.put(OneTimeToken::issue(Purpose::FirstAdmin, id(FIRST_ADMIN_HOLDER), issue.token_hash.clone(), now, ttl));
    Ok(())
}

pub fn redeem_first_admin_token(uow: &mut Uow<'_, Identity>, redeem: &RedeemFirstAdminToken) -> Answer<User> {
    let now = uow.now();
    let token = uow.get::<OneTimeToken>((Purpose::FirstAdmin, id(FIRST_ADMIN_HOLDER)))?;
    let token = token.filter(|token| token.admits(&redeem.token_hash, now)).or_refuse(|| TOKEN_INVALID.problem())?;
    let mut realm = without_admin(uow)?;
    uow.delete(&token);
    realm.add_admin();
    uow.put(realm);
    enrol(uow, &redeem.register, Role::Admin)
}

fn without_admin(uow: &mut Uow<'_, Identity>) -> Result<Realm, Stop> {
    let realm = realm(uow)?;
    if realm.admins() == 0 { Ok(realm) } else { Err(ADMIN_EXISTS.problem().into()) }
}
