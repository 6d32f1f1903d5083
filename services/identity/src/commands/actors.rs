//! What an actor may do, as the rows say in the unit of work of the command.

use tradewind_engine::{OrRefuse, Stop, Uow};

use crate::model::{Actor, Client, Identity, NOT_ALLOWED, Role, SESSION_ENDED, Session, User};

/// The role that the actor has now; none for the shop itself. Refused when the session or the client has ended.
fn role_of(uow: &mut Uow<'_, Identity>, actor: &Actor) -> Result<Option<Role>, Stop> {
    match actor {
        Actor::Shop => Ok(None),
        Actor::User { user_id, session_id } => {
            let session = uow.get::<Session>(session_id)?.filter(|session| session.user_id() == user_id);
            session.or_refuse(|| SESSION_ENDED.problem())?;
            let user = uow.get::<User>(user_id)?.filter(User::is_active);
            user.map(|user| Some(user.role())).or_refuse(|| SESSION_ENDED.problem())
        }
        Actor::Client { client_id } => {
            let client = uow.get::<Client>(client_id)?.filter(|client| client.revoked_at().is_none());
            client.or_refuse(|| SESSION_ENDED.because("The service client was revoked."))?;
            Ok(Some(Role::Service))
        }
    }
}

/// Refused unless the actor is an admin now, or the shop itself.
pub(super) fn admin(uow: &mut Uow<'_, Identity>, actor: &Actor) -> Result<(), Stop> {
    let may = role_of(uow, actor)?.is_none_or(|role| role == Role::Admin);
    if may { Ok(()) } else { Err(NOT_ALLOWED.because("Only an admin does this.").into()) }
}

/// Refused unless the actor is this user, or may act for a user of this role now.
pub(super) fn owner_or_above(uow: &mut Uow<'_, Identity>, actor: &Actor, target: &User) -> Result<(), Stop> {
    let role = role_of(uow, actor)?;
    if matches!(actor, Actor::User { user_id, .. } if user_id == target.user_id()) {
        return Ok(());
    }
    above(role, target)
}

/// Refused unless the actor is somebody else who may act for a user of this role now. Users themselves show their
/// password instead.
pub(super) fn above_only(uow: &mut Uow<'_, Identity>, actor: &Actor, target: &User) -> Result<(), Stop> {
    let role = role_of(uow, actor)?;
    if matches!(actor, Actor::User { user_id, .. } if user_id == target.user_id()) {
        return Err(NOT_ALLOWED.because("Users themselves show their password.").into());
    }
    if role == Some(Role::Service) {
        return Err(NOT_ALLOWED.because("Only staff does this for a user.").into());
    }
    above(role, target)
}

fn above(role: Option<Role>, target: &User) -> Result<(), Stop> {
    let may = role.is_none_or(|role| role.acts_for(target.role()));
    if may { Ok(()) } else { Err(NOT_ALLOWED.because("Only an admin acts for staff and admins.").into()) }
}
