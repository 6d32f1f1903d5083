//! Signing in. The edge verifies the password beside the batch loop and tells what came of it; here is decided
//! whether that still counts.

use std::sync::Arc;

use tradewind_engine::{Answer, Command, OrRefuse, Stop, Uow};
use tradewind_events::Id;

use super::sessions::{end_session, sessions_of};
use crate::model::{Credential, Identity, NewSession, SIGN_IN_REFUSED, Session, User, UserSessions};

/// The password was right: open a session. Refused when the credential is locked, or changed since it was read.
#[derive(Debug, Clone, Command)]
#[command(owner = Identity, name = "sign_in_succeeded", answer = SignedIn, key = user_id)]
pub struct SignInSucceeded {
    pub user_id: Id,
    /// Of the credential that the password was verified against.
    pub generation: u64,
    /// SHA-256 of the part of the refresh tokens that stays.
    pub family_hash: Id,
    /// SHA-256 of the part that is new in each, of the first one.
    pub token_hash: Id,
}

/// The password was wrong: count it.
#[derive(Debug, Clone, Command)]
#[command(owner = Identity, name = "sign_in_failed", key = user_id)]
pub struct SignInFailed {
    pub user_id: Id,
    /// Of the credential that the password was verified against.
    pub generation: u64,
}

/// Somebody is signed in: what an access token is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedIn {
    pub user: User,
    pub session: Session,
}

pub fn sign_in_succeeded(uow: &mut Uow<'_, Identity>, sign_in: &SignInSucceeded) -> Answer<SignedIn> {
    let now = uow.now();
    let refused = || SIGN_IN_REFUSED.problem();
    let user = uow.get::<User>(&sign_in.user_id)?.filter(User::is_active).or_refuse(refused)?;
    let credential = uow.get::<Credential>(&sign_in.user_id)?;
    let mut credential =
        credential.filter(|credential| credential.admits(sign_in.generation, now)).or_refuse(refused)?;
    if credential.failing_since().is_some() || credential.locked_until().is_some() {
        credential.forgive();
        uow.put(credential);
    }
    let (session, signed_in) = Session::open(NewSession {
        session_id: uow.new_id(),
        user_id: sign_in.user_id.clone(),
        family_hash: sign_in.family_hash.clone(),
        token_hash: sign_in.token_hash.clone(),
        opened_at: now,
        expires_at: now.plus(uow.settings().session_ttl),
    });
    let mut open = make_room(uow, &sign_in.user_id)?;
    open.add(session.session_id().clone());
    uow.put(open);
    uow.put(session.clone());
    uow.emit(signed_in);
    Ok(SignedIn { user, session })
}

/// Counts for a user who is there; the edge asks for no other.
pub fn sign_in_failed(uow: &mut Uow<'_, Identity>, failed: &SignInFailed) -> Answer<()> {
    let Some(mut credential) = uow.get::<Credential>(&failed.user_id)? else { return Ok(()) };
    let before = credential.clone();
    credential.failed(failed.generation, uow.now(), uow.settings());
    if credential != before {
        uow.put(credential);
    }
    Ok(())
}

/// Forgets the sessions that have expired, and ends the oldest ones beyond the limit.
fn make_room(uow: &mut Uow<'_, Identity>, user_id: &Id) -> Result<UserSessions, Stop> {
    let now = uow.now();
    let mut open = sessions_of(uow, user_id)?;
    for session in uow.load_all::<Session>(Arc::clone(open.session_ids()).iter())? {
        if session.expires_at() <= now {
            uow.delete(&session);
            open.remove(session.session_id());
        }
    }
    let too_many = (open.session_ids().len() + 1).saturating_sub(uow.settings().sessions_max.max(1));
    for session_id in Arc::clone(open.session_ids()).iter().take(too_many) {
        let session = uow.load::<Session>(session_id)?;
        open.remove(session_id);
        end_session(uow, &session);
    }
    Ok(open)
}
