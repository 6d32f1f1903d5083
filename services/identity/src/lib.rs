//! Identity: registers people, signs them in, and keeps the keys that sign tokens.
//! Not here: hashing, drawing secrets, signing and encrypting. The HTTP edge does that, beside the batch loop.

pub mod commands;
pub mod model;
mod reactions;

use tradewind_engine::{Refusal, Service, Timer};

pub use model::Identity;
use model::{
    ADMIN_EXISTS, CLIENT_NAME_INVALID, CLIENT_UNKNOWN, CREDENTIAL_CHANGED, Client, Credential, EMAIL_ALREADY_VERIFIED,
    EMAIL_INVALID, EMAIL_TAKEN, EmailAddress, LAST_ADMIN, MAIL_TOO_SOON, NOT_ALLOWED, OneTimeToken, PASSWORD_WRONG,
    PROFILE_INVALID, ROLE_INVALID, Realm, SESSION_ENDED, SIGN_IN_REFUSED, SIGNING_KEY_CHANGED, SIGNING_KEY_UNKNOWN,
    Session, SigningKey, TOKEN_INVALID, USER_UNKNOWN, User, UserSessions,
};

/// By key: the last token that it signed has expired.
const RETIRE_KEY: Timer<Identity> = Timer::new("retire_key");

pub fn service(settings: Identity) -> Service<Identity> {
    Service::new(settings)
        .owns::<User>()
        .owns::<EmailAddress>()
        .owns::<Credential>()
        .owns::<Session>()
        .owns::<UserSessions>()
        .owns::<OneTimeToken>()
        .owns::<SigningKey>()
        .owns::<Client>()
        .owns::<Realm>()
        .command(commands::register)
        .command(commands::verify_email)
        .command(commands::request_verification)
        .command(commands::sign_in_succeeded)
        .command(commands::sign_in_failed)
        .command(commands::refresh_session)
        .command(commands::sign_out)
        .command(commands::sign_out_everywhere)
        .command(commands::request_password_reset)
        .command(commands::confirm_password_reset)
        .command(commands::change_password)
        .command(commands::change_profile)
        .command(commands::change_email)
        .command(commands::change_role)
        .command(commands::delete_user)
        .command(commands::issue_first_admin_token)
        .command(commands::redeem_first_admin_token)
        .command(commands::create_client)
        .command(commands::revoke_client)
        .command(commands::publish_signing_key)
        .command(commands::retire_signing_key)
        .timer(RETIRE_KEY, reactions::retire_key)
        .finished(reactions::mail_ended)
}

/// Everything that identity refuses.
pub const PROBLEMS: &[Refusal] = &[
    NOT_ALLOWED,
    USER_UNKNOWN,
    EMAIL_INVALID,
    PROFILE_INVALID,
    EMAIL_TAKEN,
    EMAIL_ALREADY_VERIFIED,
    MAIL_TOO_SOON,
    TOKEN_INVALID,
    SIGN_IN_REFUSED,
    SESSION_ENDED,
    PASSWORD_WRONG,
    CREDENTIAL_CHANGED,
    ROLE_INVALID,
    ADMIN_EXISTS,
    LAST_ADMIN,
    CLIENT_NAME_INVALID,
    CLIENT_UNKNOWN,
    SIGNING_KEY_CHANGED,
    SIGNING_KEY_UNKNOWN,
];
