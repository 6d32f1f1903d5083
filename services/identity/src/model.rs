//! Users and how they prove who they are. Transitions are pure: hashes and ciphertext come in, nothing is computed.

mod actor;
mod client;
mod credential;
mod realm;
mod session;
mod settings;
mod signing_key;
mod text;
mod token;
mod user;

pub use actor::{Actor, NOT_ALLOWED};
pub use client::{CLIENT_NAME_CHARS_MAX, CLIENT_NAME_INVALID, CLIENT_UNKNOWN, Client};
pub use credential::{CREDENTIAL_CHANGED, Credential, NotAPasswordHash, PASSWORD_WRONG, PasswordHash, SIGN_IN_REFUSED};
pub use realm::{ADMIN_EXISTS, LAST_ADMIN, REALM, Realm};
pub use session::{NewSession, Presented, SESSION_ENDED, Session, ShownToken, UserSessions};
pub use settings::Identity;
pub use signing_key::{KeyState, SIGNING_KEY_CHANGED, SIGNING_KEY_UNKNOWN, SigningKey};
pub use text::{
    AVATAR_URL_BYTES_MAX, EMAIL_BYTES_MAX, EMAIL_INVALID, EMAIL_LOCAL_BYTES_MAX, Field, NAME_CHARS_MAX,
    PROFILE_INVALID, USERNAME_CHARS_MAX, address_key, checked_email,
};
pub use token::{FIRST_ADMIN_HOLDER, MAIL_TOO_SOON, MailedToken, OneTimeToken, Purpose, TOKEN_INVALID};
pub use user::{
    EMAIL_ALREADY_VERIFIED, EMAIL_TAKEN, EmailAddress, Names, NewUser, ProfileChange, ROLE_INVALID, Role, USER_UNKNOWN,
    User, UserState,
};
