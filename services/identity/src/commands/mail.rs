//! Mails with a token in them. The token is in no event: only in the job, which is deleted when it is done.

use std::time::Duration;

use tradewind_engine::{Job, Stop, Uow};
use tradewind_events::{
    Personal,
    jobs::{IdentityMail, IdentityMailKind, MailReceipt},
};

use crate::model::{Identity, MailedToken, OneTimeToken, Purpose, User};

/// A worker sends a mail of identity.
pub struct SendIdentityMail;

impl Job for SendIdentityMail {
    type Owner = Identity;
    type Request = IdentityMail;
    type Reply = MailReceipt;
    const NAME: &'static str = "identity_mail";
    /// The token would lie there until an operator comes. Who did not get the mail asks for another, with another token.
    const ERASED_WHEN_EXHAUSTED: bool = true;
}

/// A mail to the owner of an address that somebody wanted to use: they may have forgotten that they are registered. It
/// lets them choose a new password, and there are no more of them than of mails that they ask for themselves.
pub(super) fn tell_owner(uow: &mut Uow<'_, Identity>, owner: &User, mailed: &MailedToken) -> Result<(), Stop> {
    if !too_soon(uow, owner, IdentityMailKind::AddressTaken)? {
        send(uow, owner, IdentityMailKind::AddressTaken, mailed);
    }
    Ok(())
}

/// Whether a mail of this kind went out so short a time ago that another one would be a nuisance.
pub(super) fn too_soon(uow: &mut Uow<'_, Identity>, user: &User, kind: IdentityMailKind) -> Result<bool, Stop> {
    let last = uow.get::<OneTimeToken>((Purpose::from(kind), user.user_id()))?;
    Ok(last.is_some_and(|last| uow.now().since(last.issued_at()) < uow.settings().mail_interval))
}

/// Makes the token the one that is good, and asks for the mail.
pub(super) fn send(uow: &mut Uow<'_, Identity>, user: &User, kind: IdentityMailKind, mailed: &MailedToken) {
    send_to(uow, user, user.address(), kind, mailed);
}

/// The same to an address that is not the user's yet.
pub(super) fn send_to(
    uow: &mut Uow<'_, Identity>,
    user: &User,
    to: Personal<String>,
    kind: IdentityMailKind,
    mailed: &MailedToken,
) {
    let (now, ttl) = (uow.now(), ttl(uow.settings(), kind));
    let token = OneTimeToken::issue(kind.into(), user.user_id().clone(), mailed.hash.clone(), now, ttl);
    uow.put(token.mailed_to(to.clone()));
    let key = uow.new_id();
    let mail = IdentityMail { kind, to, token: mailed.token.clone(), user_id: user.user_id().clone() };
    uow.request_job::<SendIdentityMail>(&key, &mail);
}

fn ttl(settings: &Identity, kind: IdentityMailKind) -> Duration {
    match kind {
        IdentityMailKind::VerifyEmail | IdentityMailKind::ChangeEmail => settings.verification_ttl,
        IdentityMailKind::ResetPassword | IdentityMailKind::AddressTaken => settings.reset_ttl,
    }
}
