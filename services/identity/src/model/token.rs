//! Tokens that work once: they come by mail, or from the console for the first admin. Only hashes are kept.

use std::time::Duration;

use tradewind_engine::{Entity, Refusal, RefusalKind};
use tradewind_events::{Id, Personal, TextEnum, Timestamp, jobs::IdentityMailKind};

use super::Identity;

pub const TOKEN_INVALID: Refusal =
    Refusal::invalid("token_invalid", "The token is unknown, was used or replaced, or has expired.");
pub const MAIL_TOO_SOON: Refusal =
    Refusal::new("mail_too_soon", RefusalKind::TooMany, "Such a mail was sent a moment ago.");

/// Who holds the token for the first admin: nobody yet.
pub const FIRST_ADMIN_HOLDER: &str = "first_admin";

/// A token that works once. There is one of a purpose and holder, so a newer one takes the place of an older one; a
/// used one is deleted. The holder stands in the token beside its secret, so that the edge can name the row.
#[derive(Debug, Clone, PartialEq, Eq, Entity)]
#[entity(owner = Identity, table = "one_time_token", key = (purpose, holder))]
pub struct OneTimeToken {
    #[column(copy)]
    purpose: Purpose,
    /// A user, or [`FIRST_ADMIN_HOLDER`].
    holder: Id,
    /// SHA-256 of its secret.
    token_hash: Id,
    /// The address that it was sent to, and the only one for which it is good.
    email: Option<Personal<String>>,
    issued_at: Timestamp,
    expires_at: Timestamp,
}

/// What a token lets its bearer do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, TextEnum)]
pub enum Purpose {
    #[text("verify_email")]
    VerifyEmail,
    #[text("reset_password")]
    ResetPassword,
    #[text("change_email")]
    ChangeEmail,
    #[text("first_admin")]
    FirstAdmin,
}

/// A token on its way into a mail, drawn by the edge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailedToken {
    /// In clear: it is put into the job of the mail, which is deleted when it is done, and nowhere else.
    pub token: Personal<String>,
    /// SHA-256 of its secret.
    pub hash: Id,
}

impl OneTimeToken {
    pub fn issue(purpose: Purpose, holder: Id, token_hash: Id, now: Timestamp, ttl: Duration) -> Self {
        Self { purpose, holder, token_hash, email: None, issued_at: now, expires_at: now.plus(ttl) }
    }

    /// It is sent to this address, and good for no other.
    #[must_use]
    pub fn mailed_to(self, email: Personal<String>) -> Self {
        Self { email: Some(email), ..self }
    }

    /// Whether this is the token, and still in time.
    pub fn admits(&self, token_hash: &Id, now: Timestamp) -> bool {
        self.token_hash == *token_hash && now < self.expires_at
    }
}

impl From<IdentityMailKind> for Purpose {
    fn from(kind: IdentityMailKind) -> Self {
        match kind {
            IdentityMailKind::VerifyEmail => Self::VerifyEmail,
            IdentityMailKind::ResetPassword | IdentityMailKind::AddressTaken => Self::ResetPassword,
            IdentityMailKind::ChangeEmail => Self::ChangeEmail,
        }
    }
}

/// For the key of the row.
impl AsRef<str> for Purpose {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}
