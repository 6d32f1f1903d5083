//! Deadlines wait while a subscription is behind: what keeps a deadline from ending an order may be among what is not
//! received yet.

use std::{collections::BTreeMap, time::Duration};

use super::Core;
use crate::work::Message;

/// Why deadlines are held.
pub(super) const CATCHING_UP: &str = "the consumers are catching up";

/// Deadlines do not wait for a subscription that has received nothing for so long.
const STALLED_AFTER: Duration = Duration::from_secs(30);

/// Subscriptions that have not received what was at the broker when they connected, each with the monotonic time of its
/// last progress.
#[derive(Default)]
pub(super) struct Backlogs(BTreeMap<usize, Duration>);

impl Backlogs {
    /// How long deadlines wait from now on, if no message comes.
    pub fn hold_for(&self, now: Duration) -> Duration {
        let last = self.0.values().max();
        last.map_or(Duration::ZERO, |last| (*last + STALLED_AFTER).saturating_sub(now))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }
}

impl Core {
    /// A subscription has connected, and may have to catch up.
    pub fn fell_behind(&mut self, subscription: usize) {
        self.backlogs.0.insert(subscription, self.clock.monotonic());
    }

    /// It has received all that was there when it connected.
    pub fn caught_up(&mut self, subscription: usize) {
        self.backlogs.0.remove(&subscription);
    }

    /// It receives something.
    pub(super) fn makes_progress(&mut self, message: &Message) {
        if !self.backlogs.is_empty()
            && let Some(subscription) = message.subscription()
            && let Some(last) = self.backlogs.0.get_mut(&subscription)
        {
            *last = self.clock.monotonic();
        }
    }
}
