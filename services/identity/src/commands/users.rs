//! What users change about themselves, what admins change about users, and leaving.

use tradewind_engine::{Answer, Command, Stop, Uow};
use tradewind_events::{Id, Personal, jobs::IdentityMailKind};

use super::{
    active_user, actors, mail, proven, realm,
    sessions::{end_sessions, sessions_of},
};
use crate::model::{
    Actor, Credential, EMAIL_TAKEN, EmailAddress, Identity, MAIL_TOO_SOON, MailedToken, NOT_ALLOWED, OneTimeToken,
    ProfileChange, Purpose, Role, USER_UNKNOWN, User, address_key, checked_email,
};

#[derive(Debug, Clone, Command)]
#[command(owner = Identity, name = "change_profile", answer = User, key = user_id)]
pub struct ChangeProfile {
    pub user_id: Id,
    pub change: ProfileChange,
    /// The user, or somebody who may act for them.
    pub actor: Actor,
}

/// Another address. Who shows their password is sent a mail there, and it counts once they show its token; until then
/// nothing tells whether the address is another user's. When staff does it, it counts at once, and is not verified.
#[derive(Debug, Clone, Command)]
#[command(owner = Identity, name = "change_email", answer = User, key = user_id)]
pub struct ChangeEmail {
    pub user_id: Id,
    pub email: Personal<String>,
    /// Of the credential that the user's password was verified against; `None` when staff does it.
    pub generation: Option<u64>,
    /// For the mail to the new address; `None` sends none, which is for staff alone.
    pub verification: Option<MailedToken>,
    pub actor: Actor,
}

/// An admin makes a user customer, staff or admin. The user's sessions end: what they were given for is gone.
#[derive(Debug, Clone, Command)]
#[command(owner = Identity, name = "change_role", answer = User, key = user_id)]
pub struct ChangeRole {
    pub user_id: Id,
    pub role: Role,
    /// An admin.
    pub actor: Actor,
}

/// A user leaves. Deleting one who is gone already changes nothing.
#[derive(Debug, Clone, Command)]
#[command(owner = Identity, name = "delete_user", key = user_id)]
pub struct DeleteUser {
    pub user_id: Id,
    /// Of the credential that the user's password was verified against; `None` when staff does it.
    pub generation: Option<u64>,
    pub actor: Actor,
}

pub fn change_profile(uow: &mut Uow<'_, Identity>, change: &ChangeProfile) -> Answer<User> {
    let mut user = active_user(uow, &change.user_id)?;
    actors::owner_or_above(uow, &change.actor, &user)?;
    if let Some(updated) = user.change_profile(&change.change)? {
        uow.put(user.clone());
        uow.emit(updated);
    }
    Ok(user)
}

pub fn change_email(uow: &mut Uow<'_, Identity>, change: &ChangeEmail) -> Answer<User> {
    let mut user = active_user(uow, &change.user_id)?;
    let email = checked_email(&change.email)?;
    match change.generation {
        None => actors::above_only(uow, &change.actor, &user)?,
        Some(generation) => {
            proven(uow, &change.user_id, generation)?;
            if address_key(&email)? != address_key(&user.address())? {
                return ask_for_address(uow, user, &email, change.verification.as_ref());
            }
        }
    }
    take_address(uow, &mut user, &email)?;
    if let (Some(verification), false) = (&change.verification, user.email_verified()) {
        mail::send(uow, &user, IdentityMailKind::VerifyEmail, verification);
    }
    Ok(user)
}

/// Sends a mail to the new address, and changes nothing yet. What is done and answered does not depend on whether the
/// address is another user's: that user is told.
fn ask_for_address(
    uow: &mut Uow<'_, Identity>,
    user: User,
    email: &Personal<String>,
    mailed: Option<&MailedToken>,
) -> Answer<User> {
    let Some(mailed) = mailed else { return Err(NOT_ALLOWED.because("A mail confirms another address.").into()) };
    if mail::too_soon(uow, &user, IdentityMailKind::ChangeEmail)? {
        return Err(MAIL_TOO_SOON.problem().into());
    }
    let Some(taken) = uow.get::<EmailAddress>(address_key(email)?)? else {
        mail::send_to(uow, &user, email.clone(), IdentityMailKind::ChangeEmail, mailed);
        return Ok(user);
    };
    let owner = uow.load::<User>(taken.user_id())?;
    mail::tell_owner(uow, &owner, mailed)?;
    let (now, ttl) = (uow.now(), uow.settings().verification_ttl);
    // No secret has this hash, so the token is good for nothing but to count the mail.
    let token_hash = uow.new_id();
    let counted = OneTimeToken::issue(Purpose::ChangeEmail, user.user_id().clone(), token_hash, now, ttl);
    uow.put(counted.mailed_to(email.clone()));
    Ok(user)
}

/// Gives a user an address that nobody else has. One that has it already keeps it.
pub(super) fn take_address(uow: &mut Uow<'_, Identity>, user: &mut User, email: &Personal<String>) -> Result<(), Stop> {
    let Some(changed) = user.change_email(email)? else { return Ok(()) };
    let (address, previous) = (address_key(&changed.email)?, address_key(&changed.previous_email)?);
    if address != previous {
        if uow.get::<EmailAddress>(&address)?.is_some() {
            return Err(EMAIL_TAKEN.problem().at("email").into());
        }
        uow.delete(&EmailAddress::of(previous, user.user_id()));
        uow.put(EmailAddress::of(address, user.user_id()));
        // What went to the old address is good for nothing any more.
        forget_tokens(uow, user.user_id())?;
    }
    uow.put(user.clone());
    uow.emit(changed);
    Ok(())
}

pub fn change_role(uow: &mut Uow<'_, Identity>, change: &ChangeRole) -> Answer<User> {
    let mut user = active_user(uow, &change.user_id)?;
    actors::admin(uow, &change.actor)?;
    let before = user.role();
    if let Some(updated) = user.change_role(change.role)? {
        count_admins(uow, before, user.role())?;
        uow.put(user.clone());
        uow.emit(updated);
        end_sessions(uow, user.user_id(), None)?;
    }
    Ok(user)
}

pub fn delete_user(uow: &mut Uow<'_, Identity>, delete: &DeleteUser) -> Answer<()> {
    let Some(mut user) = uow.get::<User>(&delete.user_id)? else { return Err(USER_UNKNOWN.problem().into()) };
    if !user.is_active() {
        return Ok(());
    }
    match delete.generation {
        Some(generation) => drop(proven(uow, &delete.user_id, generation)?),
        None => actors::above_only(uow, &delete.actor, &user)?,
    }
    let role = user.role();
    let Some(deleted) = user.delete(uow.now()) else { return Ok(()) };
    count_admins(uow, role, user.role())?;
    uow.delete(&EmailAddress::of(address_key(&deleted.email)?, user.user_id()));
    let credential = uow.load::<Credential>(user.user_id())?;
    uow.delete(&credential);
    forget_tokens(uow, user.user_id())?;
    end_sessions(uow, user.user_id(), None)?;
    let open = sessions_of(uow, user.user_id())?;
    uow.delete(&open);
    uow.put(user);
    uow.emit(deleted);
    Ok(())
}

fn forget_tokens(uow: &mut Uow<'_, Identity>, user_id: &Id) -> Result<(), Stop> {
    for purpose in [Purpose::VerifyEmail, Purpose::ResetPassword, Purpose::ChangeEmail] {
        if let Some(token) = uow.get::<OneTimeToken>((purpose, user_id))? {
            uow.delete(&token);
        }
    }
    Ok(())
}

/// Keeps the count of admins, and at least one once there was one.
fn count_admins(uow: &mut Uow<'_, Identity>, before: Role, after: Role) -> Result<(), Stop> {
    if (before == Role::Admin) == (after == Role::Admin) {
        return Ok(());
    }
    let mut realm = realm(uow)?;
    if after == Role::Admin {
        realm.add_admin();
    } else {
        realm.remove_admin()?;
    }
    uow.put(realm);
    Ok(())
}
