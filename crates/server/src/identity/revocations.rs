//! Which sessions and service clients still stand behind their access tokens. A token is signed for minutes; what it stands
//! for may end at any moment, and every request asks here.
//!
//! Where identity lives in this process its rows are the truth: a session or client that is not known to stand is looked
//! up, and is known until an event ends it. Where identity lives elsewhere there are no rows: what has ended is known from
//! identity's events, and everything else passes until its token expires.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockWriteGuard},
    time::Duration,
};

use tokio::sync::{Notify, futures::Notified};
use tradewind_events::{
    Envelope, Id, Timestamp,
    identity::{ServiceClientRevoked, UserSignedIn, UserSignedOut},
};
use tradewind_identity::model::{Client, Role, Session};

use super::{Bearer, InvalidToken};
use crate::{http::Failure, shop::Shop};

/// Sessions and clients that are known to stand, or to have ended, at a time. Beyond that the rows are asked again, and
/// where there are none, tokens that were issued until then are refused as expired.
const REMEMBERED_MAX: usize = 65_536;

/// Knows what has ended.
pub struct Revocations {
    remembered_max: usize,
    known: RwLock<Known>,
    waiting: Mutex<Waiting>,
}

enum Known {
    Here {
        /// Sessions and clients that stand.
        standing: HashSet<Id>,
        /// Counts what has ended: a row that was read before the last end may be out of date.
        ends: u64,
    },
    Elsewhere {
        /// Sessions and clients that have ended, and until when a token of theirs may be around.
        ended: HashMap<Id, Timestamp>,
        oldest_first: VecDeque<Id>,
        /// What ended before may be forgotten: a token that was issued before is refused.
        issued_after: Option<Timestamp>,
        /// The life of a token, with what clocks may differ.
        token_life: Duration,
    },
}

/// Who waits for the end of a session or client.
#[derive(Default)]
struct Waiting {
    by_id: HashMap<Id, (usize, Arc<Notify>)>,
}

/// Waits for one end.
pub(super) struct Wait<'a> {
    revocations: &'a Revocations,
    id: Id,
    ended: Arc<Notify>,
}

impl Revocations {
    /// Where identity lives in this process.
    pub fn here() -> Self {
        Self::new(Known::Here { standing: HashSet::new(), ends: 0 }, REMEMBERED_MAX)
    }

    /// Where it lives in another one, which signs tokens for `token_life`.
    pub fn elsewhere(token_life: Duration) -> Self {
        let (ended, oldest_first) = (HashMap::new(), VecDeque::new());
        Self::new(Known::Elsewhere { ended, oldest_first, issued_after: None, token_life }, REMEMBERED_MAX)
    }

    fn new(known: Known, remembered_max: usize) -> Self {
        Self { remembered_max, known: RwLock::new(known), waiting: Mutex::default() }
    }

    /// Whether the session or the client of this token still stands.
    pub(super) async fn check(&self, shop: &Shop, bearer: &Bearer) -> Result<Result<(), InvalidToken>, Failure> {
        let Some(id) = subject(bearer) else { return Ok(Err(InvalidToken::Refused)) };
        let ends = match &*self.known.read().unwrap_or_else(PoisonError::into_inner) {
            Known::Here { standing, .. } if standing.contains(id) => return Ok(Ok(())),
            Known::Here { ends, .. } => *ends,
            Known::Elsewhere { ended, issued_after, .. } => {
                let forgotten = issued_after.is_some_and(|after| bearer.issued_at <= after);
                return Ok(match (ended.contains_key(id), forgotten) {
                    (true, _) => Err(InvalidToken::Refused),
                    (false, true) => Err(InvalidToken::Expired),
                    (false, false) => Ok(()),
                });
            }
        };
        let stands = if bearer.role == Role::Service {
            shop.load::<Client>(id).await?.is_some_and(|client| client.revoked_at().is_none())
        } else {
            shop.load::<Session>(id).await?.is_some_and(|session| *session.user_id() == bearer.id)
        };
        if stands {
            self.learn(id, Some(ends));
        }
        Ok(if stands { Ok(()) } else { Err(InvalidToken::Refused) })
    }

    /// Waits for the end of the session or the client of this token. `None`: it stands for nothing.
    pub(super) fn wait(&self, bearer: &Bearer) -> Option<Wait<'_>> {
        subject(bearer).map(|id| Wait::new(self, id))
    }

    /// To be called with every event of a commit, before the answers of the commit go out.
    pub fn hear(&self, envelope: &Envelope, now: Timestamp) {
        let event = envelope.event.as_any();
        if let Some(signed_in) = event.downcast_ref::<UserSignedIn>() {
            self.learn(&signed_in.session_id, None);
        } else if let Some(signed_out) = event.downcast_ref::<UserSignedOut>() {
            self.end(&signed_out.session_id, now);
        } else if let Some(revoked) = event.downcast_ref::<ServiceClientRevoked>() {
            self.end(&revoked.client_id, now);
        }
    }

    /// It stands: as its event says, or as its row said when so much had ended.
    fn learn(&self, id: &Id, as_of: Option<u64>) {
        let remembered_max = self.remembered_max;
        if let Known::Here { standing, ends } = &mut *self.write()
            && as_of.is_none_or(|as_of| as_of == *ends)
        {
            if standing.len() >= remembered_max {
                standing.clear();
            }
            standing.insert(id.clone());
        }
    }

    fn end(&self, id: &Id, now: Timestamp) {
        self.write().end(id, now, self.remembered_max);
        if let Some((_, ended)) = self.waiting().by_id.get(id) {
            ended.notify_waiters();
        }
    }

    fn write(&self) -> RwLockWriteGuard<'_, Known> {
        self.known.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn end(&mut self, id: &Id, now: Timestamp, remembered_max: usize) {
        match self {
            Self::Here { standing, ends } => {
                standing.remove(id);
                *ends += 1;
            }
            Self::Elsewhere { ended, oldest_first, issued_after, token_life } => {
                if ended.insert(id.clone(), now.plus(*token_life)).is_none() {
                    oldest_first.push_back(id.clone());
                }
                while oldest_first.len() > remembered_max {
                    let oldest = oldest_first.pop_front().and_then(|oldest| ended.remove(&oldest));
                    if oldest.is_some_and(|until| now < until) {
                        *issued_after = Some(now);
                    }
                }
            }
        }
    }
}

/// What a token stands for: a session, or a service client. A user's token without a session stands for nothing.
fn subject(bearer: &Bearer) -> Option<&Id> {
    if bearer.role == Role::Service { Some(&bearer.id) } else { bearer.session_id.as_ref() }
}

impl<'a> Wait<'a> {
    fn new(revocations: &'a Revocations, id: &Id) -> Self {
        let mut waiting = revocations.waiting();
        let (count, ended) = waiting.by_id.entry(id.clone()).or_default();
        *count += 1;
        Self { revocations, id: id.clone(), ended: Arc::clone(ended) }
    }

    /// The next end that comes after this is enabled or polled.
    pub fn ended(&self) -> Notified<'_> {
        self.ended.notified()
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        let mut waiting = self.revocations.waiting();
        if let Some((count, _)) = waiting.by_id.get_mut(&self.id) {
            *count -= 1;
            if *count == 0 {
                waiting.by_id.remove(&self.id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tradewind_events::id;

    use super::*;

    const LIFE: Duration = Duration::from_mins(10);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    fn nth(nth: i64) -> Id {
        id(&format!("session-{nth}"))
    }

    /// Whether a token of this session, issued then, passes where there are no rows.
    fn passes(revocations: &Revocations, session: &Id, issued_at: i64) -> bool {
        let Known::Elsewhere { ended, issued_after, .. } = &*revocations.write() else { panic!("there are rows") };
        !ended.contains_key(session) && issued_after.is_none_or(|after| at(issued_at) > after)
    }

    fn elsewhere(remembered_max: usize) -> Revocations {
        let (ended, oldest_first) = (HashMap::new(), VecDeque::new());
        let known = Known::Elsewhere { ended, oldest_first, issued_after: None, token_life: LIFE };
        Revocations::new(known, remembered_max)
    }

    #[test]
    fn without_rows_an_end_that_is_forgotten_too_early_lets_no_token_of_before_pass() {
        let revocations = elsewhere(2);
        for session in 0..2 {
            revocations.end(&nth(session), at(100));
        }
        assert!(!passes(&revocations, &nth(0), 50) && passes(&revocations, &nth(9), 50));
        revocations.end(&nth(2), at(200));
        assert!(!passes(&revocations, &nth(0), 200) && !passes(&revocations, &nth(9), 200), "the first is forgotten");
        assert!(passes(&revocations, &nth(9), 201));
    }

    #[test]
    fn without_rows_an_end_is_forgotten_once_no_token_can_be_around() {
        let revocations = elsewhere(2);
        for session in 0..9 {
            revocations.end(&nth(session), at(session * 600));
        }
        assert!(passes(&revocations, &nth(9), 0));
        let Known::Elsewhere { ended, oldest_first, .. } = &*revocations.write() else { panic!("there are rows") };
        assert_eq!((ended.len(), oldest_first.len()), (2, 2));
    }

    #[test]
    fn what_is_known_to_stand_is_bounded_and_a_row_read_before_an_end_teaches_nothing() {
        let revocations = Revocations::new(Known::Here { standing: HashSet::new(), ends: 0 }, 2);
        let known = |session: i64| {
            let Known::Here { standing, .. } = &*revocations.write() else { panic!("there are rows") };
            standing.contains(&nth(session))
        };
        for session in 0..3 {
            revocations.learn(&nth(session), Some(0));
        }
        assert!(!known(0) && !known(1) && known(2), "the first two are asked for again");
        revocations.end(&nth(2), at(0));
        revocations.learn(&nth(2), Some(0));
        assert!(!known(2), "it was read before it ended");
        revocations.learn(&nth(2), Some(1));
        assert!(known(2));
    }
}
