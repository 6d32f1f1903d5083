//! Sessions that go on, and sessions that end.

use tradewind_engine::{Answer, Command, OrRefuse, Stop, Uow};
use tradewind_events::{Id, identity::UserSignedOut};

use super::{active_user, actors, sign_in::SignedIn};
use crate::model::{Actor, Identity, Presented, SESSION_ENDED, Session, ShownToken, User, UserSessions};

/// A refresh token is shown.
#[derive(Debug, Clone, Command)]
#[command(owner = Identity, name = "refresh_session", answer = Refreshed, key = session_id)]
pub struct RefreshSession {
    pub session_id: Id,
    pub shown: ShownToken,
}

/// What came of a refresh. A session that it ends is a change that is kept, so it is an answer and no refusal; the
/// edge shows both ends of a session as [`SESSION_ENDED`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refreshed {
    Renewed(Box<SignedIn>),
    /// The token was used before, so two have it: the session is ended for both.
    Reused,
}

/// A user ends a session of theirs. One that is not there, or not theirs, is ended as far as they can tell.
#[derive(Debug, Clone, Command)]
#[command(owner = Identity, name = "sign_out", key = user_id)]
pub struct SignOut {
    pub user_id: Id,
    pub session_id: Id,
    /// The user, or somebody who may act for them.
    pub actor: Actor,
}

/// A user, or staff for a user, ends all sessions.
#[derive(Debug, Clone, Command)]
#[command(owner = Identity, name = "sign_out_everywhere", key = user_id)]
pub struct SignOutEverywhere {
    pub user_id: Id,
    /// But not this one.
    pub keep_session: Option<Id>,
    /// The user, or somebody who may act for them.
    pub actor: Actor,
}

pub fn refresh_session(uow: &mut Uow<'_, Identity>, refresh: &RefreshSession) -> Answer<Refreshed> {
    let ended = || SESSION_ENDED.problem();
    let mut session = uow.get::<Session>(&refresh.session_id)?.or_refuse(ended)?;
    let user = uow.load::<User>(session.user_id())?;
    match session.present(&refresh.shown, uow.now(), uow.settings()) {
        Presented::Refused => Err(ended().into()),
        Presented::Reused => {
            let mut open = sessions_of(uow, session.user_id())?;
            open.remove(session.session_id());
            uow.put(open);
            end_session(uow, &session);
            Ok(Refreshed::Reused)
        }
        Presented::Renewed => {
            uow.put(session.clone());
            Ok(Refreshed::Renewed(Box::new(SignedIn { user, session })))
        }
    }
}

pub fn sign_out(uow: &mut Uow<'_, Identity>, sign_out: &SignOut) -> Answer<()> {
    let user = active_user(uow, &sign_out.user_id)?;
    actors::owner_or_above(uow, &sign_out.actor, &user)?;
    let session = uow.get::<Session>(&sign_out.session_id)?;
    if let Some(session) = session.filter(|session| *session.user_id() == sign_out.user_id) {
        let mut open = sessions_of(uow, session.user_id())?;
        open.remove(session.session_id());
        uow.put(open);
        end_session(uow, &session);
    }
    Ok(())
}

pub fn sign_out_everywhere(uow: &mut Uow<'_, Identity>, sign_out: &SignOutEverywhere) -> Answer<()> {
    let user = active_user(uow, &sign_out.user_id)?;
    actors::owner_or_above(uow, &sign_out.actor, &user)?;
    end_sessions(uow, &sign_out.user_id, sign_out.keep_session.as_ref())
}

pub(super) fn sessions_of(uow: &mut Uow<'_, Identity>, user_id: &Id) -> Result<UserSessions, Stop> {
    Ok(uow.get::<UserSessions>(user_id)?.unwrap_or_else(|| UserSessions::none(user_id.clone())))
}

/// Ends all sessions of a user who is in memory, but not `keep`.
pub(super) fn end_sessions(uow: &mut Uow<'_, Identity>, user_id: &Id, keep: Option<&Id>) -> Result<(), Stop> {
    let mut open = sessions_of(uow, user_id)?;
    let ending: Vec<Id> = open.session_ids().iter().filter(|session| Some(*session) != keep).cloned().collect();
    if ending.is_empty() {
        return Ok(());
    }
    for session in uow.load_all::<Session>(&ending)? {
        open.remove(session.session_id());
        end_session(uow, &session);
    }
    uow.put(open);
    Ok(())
}

/// Ends a session that the caller takes off its user's list. One that has expired for so long that none of its access
/// tokens is good any more is told to nobody.
pub(super) fn end_session(uow: &mut Uow<'_, Identity>, session: &Session) {
    uow.delete(session);
    if uow.now() < session.expires_at().plus(uow.settings().access_token_ttl) {
        uow.emit(UserSignedOut { user_id: session.user_id().clone(), session_id: session.session_id().clone() });
    }
}
