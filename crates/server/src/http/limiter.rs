//! How often one user, client or address may ask. Memory is bounded, whoever asks.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tradewind_events::{Id, Timestamp};

use super::{address::Client, problem::Failure, refusals::RATE_LIMITED};
use crate::config::Config;

/// Those who have asked a short time ago are remembered, at most so many. The others share one allowance then.
const REMEMBERED_MAX: usize = 65_536;

/// The limits of a shop.
pub struct Limiter {
    users: Buckets<Id>,
    addresses: Buckets<Client>,
    secrets: Buckets<Client>,
}

/// Allowances that fill up again with time. For each is kept when it will be full: one that is full is forgotten.
struct Buckets<K> {
    /// Between two requests in the long run, in microseconds; zero for no limit.
    interval_us: i64,
    burst: i64,
    remembered: Mutex<Remembered<K>>,
}

struct Remembered<K> {
    full_at_us: HashMap<K, i64>,
    others_full_at_us: i64,
}

impl Limiter {
    pub fn new(config: &Config) -> Self {
        Self {
            users: Buckets::new(config.rate_per_second, config.rate_burst),
            addresses: Buckets::new(config.rate_per_second, config.rate_burst),
            secrets: Buckets::new(config.secret_rate_per_second, config.secret_rate_burst),
        }
    }

    /// Counts a request of a user, or of an address when it is nobody's.
    pub fn admit(&self, user: Option<&Id>, client: Client, now: Timestamp) -> Result<(), Failure> {
        let wait = match user {
            Some(user) => self.users.take(user, now),
            None => self.addresses.take(&client, now),
        };
        wait.map_or(Ok(()), |wait| Err(RATE_LIMITED.problem().retry_after(wait)))
    }

    /// Counts a request that tries a secret.
    pub fn admit_secret(&self, client: Client, now: Timestamp) -> Result<(), Failure> {
        let wait = self.secrets.take(&client, now);
        wait.map_or(Ok(()), |wait| Err(RATE_LIMITED.problem().retry_after(wait)))
    }
}

impl<K: Clone + Eq + Hash> Buckets<K> {
    fn new(per_second: u32, burst: u32) -> Self {
        let interval_us = if per_second == 0 { 0 } else { 1_000_000 / i64::from(per_second) };
        let remembered = Remembered { full_at_us: HashMap::new(), others_full_at_us: 0 };
        Self { interval_us, burst: i64::from(burst.max(1)), remembered: Mutex::new(remembered) }
    }

    /// How long to wait, when the allowance is used up.
    fn take(&self, key: &K, now: Timestamp) -> Option<Duration> {
        if self.interval_us == 0 {
            return None;
        }
        let now_us = now.as_millis().saturating_mul(1_000);
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if !remembered.full_at_us.contains_key(key) && remembered.full_at_us.len() >= REMEMBERED_MAX {
            remembered.full_at_us.retain(|_, full_at_us| *full_at_us > now_us);
        }
        let has_room = remembered.full_at_us.len() < REMEMBERED_MAX || remembered.full_at_us.contains_key(key);
        let full_at_us = if has_room {
            remembered.full_at_us.entry(key.clone()).or_insert(now_us)
        } else {
            &mut remembered.others_full_at_us
        };
        let after_us = (*full_at_us).max(now_us) + self.interval_us;
        let too_much_us = after_us - now_us - self.interval_us * self.burst;
        if too_much_us > 0 {
            return Some(Duration::from_micros(too_much_us.unsigned_abs()));
        }
        *full_at_us = after_us;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_let_through_and_then_the_rate_counts() {
        let buckets = Buckets::new(10, 3);
        let at = Timestamp::from_millis;
        assert!((0..3).all(|_| buckets.take(&"ada", at(0)).is_none()));
        assert_eq!(buckets.take(&"ada", at(0)), Some(Duration::from_millis(100)));
        assert_eq!(buckets.take(&"bob", at(0)), None, "another has an allowance of his own");
        assert_eq!(buckets.take(&"ada", at(100)), None);
        assert!(buckets.take(&"ada", at(100)).is_some());
    }

    #[test]
    fn memory_is_bounded_and_the_others_share_what_is_left() {
        let buckets = Buckets::new(1, 1);
        let now = Timestamp::from_millis(1_000);
        for key in 0..REMEMBERED_MAX {
            assert_eq!(buckets.take(&key, now), None);
        }
        assert_eq!(buckets.take(&(REMEMBERED_MAX + 1), now), None);
        assert!(buckets.take(&(REMEMBERED_MAX + 2), now).is_some());
        assert_eq!(buckets.remembered.lock().unwrap().full_at_us.len(), REMEMBERED_MAX);
        assert_eq!(
            buckets.take(&(REMEMBERED_MAX + 3), now.plus(Duration::from_secs(1))),
            None,
            "the old are forgotten"
        );
    }

    #[test]
    fn a_rate_of_zero_is_no_limit() {
        let buckets = Buckets::new(0, 1);
        assert!((0..100).all(|_| buckets.take(&1, Timestamp::default()).is_none()));
    }
}
