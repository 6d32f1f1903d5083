//! What identity is asked to do. The edge has hashed passwords and tokens, drawn secrets and encrypted keys before it
//! asks, and it has read the credential that a password was verified against: a command checks again what may have
//! changed since.

mod actors;
mod clients;
mod first_admin;
mod mail;
mod passwords;
mod registration;
mod sessions;
mod sign_in;
mod signing_keys;
mod users;

use tradewind_engine::{OrRefuse, Stop, Uow};
use tradewind_events::{Id, id};

pub use clients::{CreateClient, RevokeClient, create_client, revoke_client};
pub use first_admin::{IssueFirstAdminToken, RedeemFirstAdminToken, issue_first_admin_token, redeem_first_admin_token};
pub use mail::SendIdentityMail;
pub use passwords::{
    ChangePassword, ConfirmPasswordReset, RequestPasswordReset, change_password, confirm_password_reset,
    request_password_reset,
};
pub use registration::{Register, RequestVerification, VerifyEmail, register, request_verification, verify_email};
pub use sessions::{
    RefreshSession, Refreshed, SignOut, SignOutEverywhere, refresh_session, sign_out, sign_out_everywhere,
};
pub use sign_in::{SignInFailed, SignInSucceeded, SignedIn, sign_in_failed, sign_in_succeeded};
pub use signing_keys::{PublishSigningKey, RetireSigningKey, publish_signing_key, retire_signing_key};
pub use users::{
    ChangeEmail, ChangeProfile, ChangeRole, DeleteUser, change_email, change_profile, change_role, delete_user,
};

use crate::model::{CREDENTIAL_CHANGED, Credential, Identity, PASSWORD_WRONG, REALM, Realm, USER_UNKNOWN, User};

/// The user, who is not deleted.
fn active_user(uow: &mut Uow<'_, Identity>, user_id: &Id) -> Result<User, Stop> {
    let user = uow.get::<User>(user_id)?.filter(User::is_active);
    user.or_refuse(|| USER_UNKNOWN.because(format!("There is no user {user_id}.")))
}

/// The credential, if the password that the edge has found right is still the present one and not locked. A credential that
/// was locked meanwhile is answered like a wrong password: of many guesses sent at the same time, the right one looks like
/// the others.
fn proven(uow: &mut Uow<'_, Identity>, user_id: &Id, generation: u64) -> Result<Credential, Stop> {
    let now = uow.now();
    let credential = uow.get::<Credential>(user_id)?.filter(|credential| credential.generation() == generation);
    let credential = credential.or_refuse(|| CREDENTIAL_CHANGED.problem())?;
    if credential.is_locked(now) { Err(PASSWORD_WRONG.problem().at("password").into()) } else { Ok(credential) }
}

fn realm(uow: &mut Uow<'_, Identity>) -> Result<Realm, Stop> {
    Ok(uow.get::<Realm>(id(REALM))?.unwrap_or_default())
}
