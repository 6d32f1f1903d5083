//! Sessions: who is signed in where, and which token goes on with it.

use std::sync::Arc;

use tradewind_engine::{Entity, Refusal, RefusalKind};
use tradewind_events::{Id, Timestamp, identity::UserSignedIn};

use super::Identity;

pub const SESSION_ENDED: Refusal =
    Refusal::new("session_ended", RefusalKind::Unauthenticated, "The session has ended: sign in again.");

/// A user who is signed in. The row is there as long as the session is open.
///
/// A refresh token has two secret parts. One stays through all tokens of a session: who has it was given a token of
/// this session once, so that a token which was used before is told from a guess, without a list of them.
/// The other is new in each. Kept are only their SHA-256.
#[derive(Debug, Clone, PartialEq, Eq, Entity)]
#[entity(owner = Identity, table = "session", key = session_id)]
pub struct Session {
    session_id: Id,
    user_id: Id,
    /// Of the part that stays.
    family_hash: Id,
    /// Of the part that is new, of the token that is to be used next.
    token_hash: Id,
    /// Of the token that was used last.
    used_hash: Option<Id>,
    opened_at: Timestamp,
    refreshed_at: Timestamp,
    expires_at: Timestamp,
}

/// The open sessions of a user, the oldest first; at most `sessions_max`.
#[derive(Debug, Clone, PartialEq, Eq, Entity)]
#[entity(owner = Identity, table = "user_sessions", key = user_id)]
pub struct UserSessions {
    user_id: Id,
    #[column(json)]
    session_ids: Arc<[Id]>,
}

/// A user who signs in.
#[derive(Debug, Clone)]
pub struct NewSession {
    pub session_id: Id,
    pub user_id: Id,
    pub family_hash: Id,
    pub token_hash: Id,
    pub opened_at: Timestamp,
    pub expires_at: Timestamp,
}

/// What a token that was shown turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presented {
    /// Good: the session goes on with the next token.
    Renewed,
    /// A token of this session that was used before: somebody else has it too.
    Reused,
    /// No token of this session, or one that is too old.
    Refused,
}

impl Session {
    pub fn open(new: NewSession) -> (Self, UserSignedIn) {
        let said = UserSignedIn { user_id: new.user_id.clone(), session_id: new.session_id.clone() };
        let session = Self {
            session_id: new.session_id,
            user_id: new.user_id,
            family_hash: new.family_hash,
            token_hash: new.token_hash,
            used_hash: None,
            opened_at: new.opened_at,
            refreshed_at: new.opened_at,
            expires_at: new.expires_at,
        };
        (session, said)
    }

    /// The token `token_hash` is shown, and `next_hash` is to follow it.
    ///
    /// The token that was used last is good for a moment more: a client that never got the answer asks again. The
    /// token that it did not get is then one that was used.
    pub fn present(&mut self, shown: &ShownToken, now: Timestamp, settings: &Identity) -> Presented {
        if shown.family_hash != self.family_hash || now >= self.expires_at {
            return Presented::Refused;
        }
        let asked_again = self.used_hash.as_ref() == Some(&shown.token_hash)
            && now.since(self.refreshed_at) <= settings.refresh_grace;
        if shown.token_hash == self.token_hash {
            self.used_hash = Some(shown.token_hash.clone());
            self.refreshed_at = now;
        } else if !asked_again {
            return Presented::Reused;
        }
        self.token_hash = shown.next_hash.clone();
        Presented::Renewed
    }
}

/// Hashes of the parts of a refresh token that was shown, and of the new part of the one that is to follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownToken {
    pub family_hash: Id,
    pub token_hash: Id,
    pub next_hash: Id,
}

impl UserSessions {
    pub fn none(user_id: Id) -> Self {
        Self { user_id, session_ids: Arc::from([]) }
    }

    pub fn add(&mut self, session_id: Id) {
        self.session_ids = self.session_ids.iter().cloned().chain([session_id]).collect();
    }

    pub fn remove(&mut self, session_id: &Id) {
        self.session_ids = self.session_ids.iter().filter(|open| *open != session_id).cloned().collect();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tradewind_events::id;

    use super::*;

    fn session() -> Session {
        Session {
            session_id: id("session-1"),
            user_id: id("user-1"),
            family_hash: id("family"),
            token_hash: id("t1"),
            used_hash: None,
            opened_at: at(0),
            refreshed_at: at(0),
            expires_at: at(1_000),
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    fn show(session: &mut Session, family: &str, token: &str, next: &str, seconds: i64) -> Presented {
        let shown = ShownToken { family_hash: id(family), token_hash: id(token), next_hash: id(next) };
        let settings = Identity { refresh_grace: Duration::from_secs(10), ..Identity::default() };
        session.present(&shown, at(seconds), &settings)
    }

    #[test]
    fn each_token_is_good_once() {
        let mut session = session();
        assert_eq!(show(&mut session, "family", "t1", "t2", 100), Presented::Renewed);
        assert_eq!(show(&mut session, "family", "t2", "t3", 200), Presented::Renewed);
        assert_eq!(show(&mut session, "family", "t2", "t4", 211), Presented::Reused);
        assert_eq!(show(&mut session, "family", "t1", "t4", 201), Presented::Reused, "however long ago it was used");
    }

    #[test]
    fn a_client_that_lost_the_answer_may_ask_again_at_once() {
        let mut session = session();
        assert_eq!(show(&mut session, "family", "t1", "lost", 100), Presented::Renewed);
        assert_eq!(show(&mut session, "family", "t1", "t2", 110), Presented::Renewed);
        assert_eq!(show(&mut session, "family", "lost", "t3", 110), Presented::Reused, "the lost one was not lost");
        assert_eq!(show(&mut session, "family", "t1", "t3", 111), Presented::Reused, "the moment does not move");
    }

    #[test]
    fn a_guess_is_no_used_token_and_an_old_session_takes_none() {
        let mut session = session();
        assert_eq!(show(&mut session, "guess", "t1", "t2", 100), Presented::Refused);
        assert_eq!(show(&mut session, "family", "t1", "t2", 1_000), Presented::Refused);
        assert_eq!(session, self::session());
    }
}
