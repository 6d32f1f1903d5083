//! New passwords: for who knows the old one, and for who reads the mail.

use tradewind_engine::{Answer, Command, OrRefuse, Stop, Uow};
use tradewind_events::{Id, Personal, jobs::IdentityMailKind};

use super::{active_user, mail, proven, sessions::end_sessions};
use crate::model::{
    Credential, EmailAddress, Identity, MailedToken, OneTimeToken, PasswordHash, Purpose, TOKEN_INVALID, User,
    address_key,
};

/// Somebody says that they have forgotten their password. The answer is the same whether the address is known or not.
#[derive(Debug, Clone, Command)]
#[command(owner = Identity, name = "request_password_reset")]
pub struct RequestPasswordReset {
    pub email: Personal<String>,
    pub reset: MailedToken,
}

/// The token of a reset mail is shown, with the new password.
#[derive(Debug, Clone, Command)]
#[command(owner = Identity, name = "confirm_password_reset", key = user_id)]
pub struct ConfirmPasswordReset {
    pub user_id: Id,
    pub token_hash: Id,
    pub password_hash: PasswordHash,
}

/// A user who knows the old password wants another.
#[derive(Debug, Clone, Command)]
#[command(owner = Identity, name = "change_password", key = user_id)]
pub struct ChangePassword {
    pub user_id: Id,
    /// Of the credential that the old password was verified against.
    pub generation: u64,
    pub password_hash: PasswordHash,
    /// The session that the user is in: all others end.
    pub keep_session: Option<Id>,
}

pub fn request_password_reset(uow: &mut Uow<'_, Identity>, request: &RequestPasswordReset) -> Answer<()> {
    let Some(known) = uow.get::<EmailAddress>(address_key(&request.email)?)? else { return Ok(()) };
    let user = uow.load::<User>(known.user_id())?;
    if !mail::too_soon(uow, &user, IdentityMailKind::ResetPassword)? {
        mail::send(uow, &user, IdentityMailKind::ResetPassword, &request.reset);
    }
    Ok(())
}

/// Sets the password, lifts a lock, and ends every session. Who shows the token reads the mail, so the address is
/// verified too.
pub fn confirm_password_reset(uow: &mut Uow<'_, Identity>, confirm: &ConfirmPasswordReset) -> Answer<()> {
    let now = uow.now();
    let token = uow.get::<OneTimeToken>((Purpose::ResetPassword, &confirm.user_id))?;
    let token = token.filter(|token| token.admits(&confirm.token_hash, now)).or_refuse(|| TOKEN_INVALID.problem())?;
    let mut user = active_user(uow, &confirm.user_id)?;
    uow.delete(&token);
    let credential = uow.load::<Credential>(&confirm.user_id)?;
    replace(uow, credential, &confirm.password_hash, None)?;
    if let Some(verified) = token.email().and_then(|address| user.verify(address)) {
        uow.put(user);
        uow.emit(verified);
    }
    Ok(())
}

pub fn change_password(uow: &mut Uow<'_, Identity>, change: &ChangePassword) -> Answer<()> {
    active_user(uow, &change.user_id)?;
    let credential = proven(uow, &change.user_id, change.generation)?;
    replace(uow, credential, &change.password_hash, change.keep_session.as_ref())
}

/// Sets the password and ends the other sessions. A reset mail that is on its way is good for nothing any more, and so is
/// a change of the address that was asked for with the old password.
fn replace(
    uow: &mut Uow<'_, Identity>,
    mut credential: Credential,
    password_hash: &PasswordHash,
    keep: Option<&Id>,
) -> Result<(), Stop> {
    credential.replace(password_hash.clone());
    let user_id = credential.user_id().clone();
    uow.put(credential);
    for purpose in [Purpose::ResetPassword, Purpose::ChangeEmail] {
        if let Some(token) = uow.get::<OneTimeToken>((purpose, &user_id))? {
            uow.delete(&token);
        }
    }
    end_sessions(uow, &user_id, keep)
}
