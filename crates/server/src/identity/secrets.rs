//! The texts that clients hold: one-time tokens and refresh tokens. Each names its row, then shows its secrets.

use tradewind_events::{Id, Personal};
use tradewind_identity::model::MailedToken;

use crate::secret::{digest_of, drawn_text};

/// A token that works once: `USER.SECRET`.
pub struct Token {
    /// Whose row it is.
    pub holder: Id,
    pub hash: Id,
}

/// What goes on with a session: `SESSION.FAMILY.SECRET`. The family stays through the session's tokens.
pub struct RefreshToken {
    pub session_id: Id,
    pub family: String,
    pub secret: String,
}

impl Token {
    /// A token for a mail. Its holder is put before it where the mail is written.
    pub fn mailed() -> MailedToken {
        let secret = drawn_text();
        MailedToken { hash: digest_of(&secret), token: Personal::new(secret) }
    }

    /// Reads a token that is shown.
    pub fn parse(text: &str) -> Option<Self> {
        let (holder, secret) = text.trim().rsplit_once('.')?;
        Some(Self { holder: Id::new(holder).ok()?, hash: digest_of(secret) })
    }

    /// A token as it is shown to its holder.
    pub fn text(holder: &Id, secret: &str) -> String {
        format!("{holder}.{secret}")
    }
}

impl RefreshToken {
    pub fn parse(text: &str) -> Option<Self> {
        let (rest, secret) = text.trim().rsplit_once('.')?;
        let (session_id, family) = rest.rsplit_once('.')?;
        Some(Self { session_id: Id::new(session_id).ok()?, family: family.into(), secret: secret.into() })
    }

    pub fn text(session_id: &Id, family: &str, secret: &str) -> String {
        format!("{session_id}.{family}.{secret}")
    }
}

#[cfg(test)]
mod tests {
    use tradewind_events::id;

    use super::*;

    #[test]
    fn a_token_names_its_row_whatever_the_id_looks_like() {
        let token = Token::parse(&Token::text(&id("a.b"), "s3cret")).unwrap();
        assert_eq!((token.holder, token.hash), (id("a.b"), digest_of("s3cret")));
        let refresh = RefreshToken::parse(&RefreshToken::text(&id("s.1"), "family", "secret")).unwrap();
        assert_eq!((refresh.session_id, &*refresh.family, &*refresh.secret), (id("s.1"), "family", "secret"));
        assert!(Token::parse("secret").is_none() && RefreshToken::parse("a.b").is_none());
    }
}
