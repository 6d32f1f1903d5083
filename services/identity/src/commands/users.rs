//! What users change about themselves, what admins change about users, and leaving.

use tradewind_engine::{Answer, Command, Stop, Uow};
use tradewind_events::{Id, Personal, jobs::IdentityMailKind};

use super::{active_user, mail, proven, realm, sessions::sessions_of};
use crate::model::{
    Credential, EMAIL_TAKEN, EmailAddress, Identity, LAST_ADMIN, MailedToken, OneTimeToken, ProfileChange, Purpose,
    Role, Session, USER_UNKNOWN, User, address_key,
};

#[derive(Debug, Clone, Command)]
#[command(owner = Identity, name = "change_profile", answer = User, key = user_id)]
pub struct ChangeProfile {
    pub user_id: Id,
    pub change: ProfileChange,
}

/// Another address. It counts at once, and is not verified.
#[derive(Debug, Clone, Command)]
#[command(owner = Identity, name = "change_email", answer = User, key = user_id)]
pub struct ChangeEmail {
    pub user_id: Id,
    pub email: Personal<String>,
    /// Of the credential that the user's password was verified against; `None` when staff does it.
    pub generation: Option<u64>,
    /// For the mail to the new address; `None` sends none.
    pub verification: Option<MailedToken>,
}

/// An admin makes a user customer, staff or admin. Access tokens in use keep the old role until they expire.
#[derive(Debug, Clone, Command)]
#[command(owner = Identity, name = "change_role", answer = User, key = user_id)]
pub struct ChangeRole {
    pub user_id: Id,
    pub role: Role,
}

/// A user leaves. Deleting one who is gone already changes nothing.
#[derive(Debug, Clone, Command)]
#[command(owner = Identity, name = "delete_user", key = user_id)]
pub struct DeleteUser {
    pub user_id: Id,
    /// Of the credential that the user's password was verified against; `None` when staff does it.
    pub generation: Option<u64>,
}

pub fn change_profile(uow: &mut Uow<'_, Identity>, change: &ChangeProfile) -> Answer<User> {
    let mut user = active_user(uow, &change.user_id)?;
    if let Some(updated) = user.change_profile(&change.change)? {
        uow.put(user.clone());
        uow.emit(updated);
    }
    Ok(user)
}

pub fn change_email(uow: &mut Uow<'_, Identity>, change: &ChangeEmail) -> Answer<User> {
    let mut user = active_user(uow, &change.user_id)?;
    if let Some(generation) = change.generation {
        proven(uow, &change.user_id, generation)?;
    }
    let Some(changed) = user.change_email(&change.email)? else { return Ok(user) };
    let (address, previous) = (address_key(&changed.email)?, address_key(&changed.previous_email)?);
    if address != previous {
        if uow.get::<EmailAddress>(&address)?.is_some() {
            return Err(EMAIL_TAKEN.problem().at("email").into());
        }
        uow.delete(&EmailAddress { address: previous, user_id: user.user_id.clone() });
        uow.put(EmailAddress { address, user_id: user.user_id.clone() });
        // What went to the old address is good for nothing any more.
        forget_tokens(uow, &user.user_id)?;
    }
    uow.put(user.clone());
    uow.emit(changed);
    if let (Some(verification), false) = (&change.verification, user.email_verified) {
        mail::send(uow, &user, IdentityMailKind::VerifyEmail, verification);
    }
    Ok(user)
}

pub fn change_role(uow: &mut Uow<'_, Identity>, change: &ChangeRole) -> Answer<User> {
    let mut user = active_user(uow, &change.user_id)?;
    let before = user.role;
    if let Some(updated) = user.change_role(change.role)? {
        count_admins(uow, before, user.role)?;
        uow.put(user.clone());
        uow.emit(updated);
    }
    Ok(user)
}

pub fn delete_user(uow: &mut Uow<'_, Identity>, delete: &DeleteUser) -> Answer<()> {
    let Some(mut user) = uow.get::<User>(&delete.user_id)? else { return Err(USER_UNKNOWN.problem().into()) };
    if !user.is_active() {
        return Ok(());
    }
    if let Some(generation) = delete.generation {
        proven(uow, &delete.user_id, generation)?;
    }
    let role = user.role;
    let Some(deleted) = user.delete(uow.now()) else { return Ok(()) };
    count_admins(uow, role, user.role)?;
    uow.delete(&EmailAddress { address: address_key(&deleted.email)?, user_id: user.user_id.clone() });
    let credential = uow.load::<Credential>(&user.user_id)?;
    uow.delete(&credential);
    forget_tokens(uow, &user.user_id)?;
    let open = sessions_of(uow, &user.user_id)?;
    for session in uow.load_all::<Session>(open.session_ids.iter())? {
        // `user.deleted` says that they have ended.
        uow.delete(&session);
    }
    uow.delete(&open);
    uow.put(user);
    uow.emit(deleted);
    Ok(())
}

fn forget_tokens(uow: &mut Uow<'_, Identity>, user_id: &Id) -> Result<(), Stop> {
    for purpose in [Purpose::VerifyEmail, Purpose::ResetPassword] {
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
        realm.admins += 1;
    } else {
        if realm.admins <= 1 {
            return Err(LAST_ADMIN.problem().into());
        }
        realm.admins -= 1;
    }
    uow.put(realm);
    Ok(())
}
