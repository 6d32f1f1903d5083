//! Signing up, and showing that an address is one's own.

use tradewind_engine::{Answer, Command, OrRefuse, Uow};
use tradewind_events::{Id, Personal, jobs::IdentityMailKind};

use super::{active_user, mail};
use crate::model::{
    Credential, EMAIL_ALREADY_VERIFIED, EMAIL_TAKEN, EmailAddress, Identity, MAIL_TOO_SOON, MailedToken, Names,
    NewUser, OneTimeToken, PasswordHash, Purpose, Role, TOKEN_INVALID, User, address_key,
};

/// Somebody signs up. The edge has checked how good the password is, and hashed it.
#[derive(Debug, Clone, Command)]
#[command(owner = Identity, name = "register", answer = User)]
pub struct Register {
    pub email: Personal<String>,
    pub names: Names,
    pub password_hash: PasswordHash,
    /// For the mail that asks to verify the address; `None` sends none.
    pub verification: Option<MailedToken>,
}

/// The token of a verification mail is shown.
#[derive(Debug, Clone, Command)]
#[command(owner = Identity, name = "verify_email", key = user_id)]
pub struct VerifyEmail {
    pub user_id: Id,
    pub token_hash: Id,
}

/// A user wants another verification mail.
#[derive(Debug, Clone, Command)]
#[command(owner = Identity, name = "request_verification", key = user_id)]
pub struct RequestVerification {
    pub user_id: Id,
    pub verification: MailedToken,
}

pub fn register(uow: &mut Uow<'_, Identity>, register: &Register) -> Answer<User> {
    enrol(uow, register, Role::Customer)
}

/// Makes the user, in whatever role.
pub(super) fn enrol(uow: &mut Uow<'_, Identity>, register: &Register, role: Role) -> Answer<User> {
    let user_id = uow.new_id();
    let (user, registered) = User::register(NewUser {
        user_id: user_id.clone(),
        email: register.email.clone(),
        names: register.names.clone(),
        role,
        registered_at: uow.now(),
    })?;
    let address = address_key(&user.address())?;
    if uow.get::<EmailAddress>(&address)?.is_some() {
        return Err(EMAIL_TAKEN.problem().at("email").into());
    }
    uow.put(EmailAddress { address, user_id: user_id.clone() });
    uow.put(Credential::new(user_id, register.password_hash.clone()));
    uow.put(user.clone());
    uow.emit(registered);
    if let Some(verification) = &register.verification {
        mail::send(uow, &user, IdentityMailKind::VerifyEmail, verification);
    }
    Ok(user)
}

pub fn verify_email(uow: &mut Uow<'_, Identity>, verify: &VerifyEmail) -> Answer<()> {
    let now = uow.now();
    let token = uow.get::<OneTimeToken>((Purpose::VerifyEmail, &verify.user_id))?;
    let token = token.filter(|token| token.admits(&verify.token_hash, now)).or_refuse(|| TOKEN_INVALID.problem())?;
    let mut user = active_user(uow, &verify.user_id)?;
    uow.delete(&token);
    if let Some(verified) = token.email.as_ref().and_then(|address| user.verify(address)) {
        uow.put(user);
        uow.emit(verified);
    }
    Ok(())
}

pub fn request_verification(uow: &mut Uow<'_, Identity>, request: &RequestVerification) -> Answer<()> {
    let user = active_user(uow, &request.user_id)?;
    if user.email_verified {
        return Err(EMAIL_ALREADY_VERIFIED.problem().into());
    }
    if mail::too_soon(uow, &user, IdentityMailKind::VerifyEmail)? {
        return Err(MAIL_TOO_SOON.problem().into());
    }
    mail::send(uow, &user, IdentityMailKind::VerifyEmail, &request.verification);
    Ok(())
}
