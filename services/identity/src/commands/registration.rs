//! Signing up, and showing that an address is one's own.

use tradewind_engine::{Answer, Command, OrRefuse, Uow};
use tradewind_events::{Id, Personal, jobs::IdentityMailKind};

use super::{active_user, actors, mail, users::take_address};
use crate::model::{
    Actor, Credential, EMAIL_ALREADY_VERIFIED, EMAIL_TAKEN, EmailAddress, Identity, MAIL_TOO_SOON, MailedToken, Names,
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
    /// Answer for an address that is taken as for one that is free, and tell its owner by mail: a stranger must not learn
    /// who is registered. The user of such an answer does not exist.
    pub conceal_taken: bool,
}

/// The token of a verification mail is shown: of the first address, or of another one, which takes its place now.
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
    /// The user, or somebody who may act for them.
    pub actor: Actor,
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
    if let Some(taken) = uow.get::<EmailAddress>(&address)? {
        if !register.conceal_taken {
            return Err(EMAIL_TAKEN.problem().at("email").into());
        }
        let owner = uow.load::<User>(taken.user_id())?;
        if let Some(mailed) = &register.verification {
            mail::tell_owner(uow, &owner, mailed)?;
        }
        return Ok(user);
    }
    uow.put(EmailAddress::of(address, &user_id));
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
    let verification = uow.get::<OneTimeToken>((Purpose::VerifyEmail, &verify.user_id))?;
    let change = uow.get::<OneTimeToken>((Purpose::ChangeEmail, &verify.user_id))?;
    let shown = [verification, change].into_iter().flatten().find(|token| token.admits(&verify.token_hash, now));
    let token = shown.or_refuse(|| TOKEN_INVALID.problem())?;
    let mut user = active_user(uow, &verify.user_id)?;
    uow.delete(&token);
    if let (Purpose::ChangeEmail, Some(address)) = (token.purpose(), token.email()) {
        take_address(uow, &mut user, address)?;
    }
    if let Some(verified) = token.email().and_then(|address| user.verify(address)) {
        uow.put(user);
        uow.emit(verified);
    }
    Ok(())
}

pub fn request_verification(uow: &mut Uow<'_, Identity>, request: &RequestVerification) -> Answer<()> {
    let user = active_user(uow, &request.user_id)?;
    actors::owner_or_above(uow, &request.actor, &user)?;
    if user.email_verified() {
        return Err(EMAIL_ALREADY_VERIFIED.problem().into());
    }
    if mail::too_soon(uow, &user, IdentityMailKind::VerifyEmail)? {
        return Err(MAIL_TOO_SOON.problem().into());
    }
    mail::send(uow, &user, IdentityMailKind::VerifyEmail, &request.verification);
    Ok(())
}
