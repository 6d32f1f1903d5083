//! Timers, and whether they are held: a deadline does not fire while the wall clock has jumped, nor while a subscription is
//! behind, since what keeps it from ending an order may be among what is not received yet.

use std::{collections::BTreeMap, time::Duration};

use tradewind_events::{Key, Timestamp};

use super::Intake;
use crate::{
    Message,
    due::DueWindow,
    injected,
    ports::{Reader, StoreError},
    tables::TimerRow,
    time::EngineTime,
    work::Item,
};

/// Why deadlines are held.
pub(super) const CATCHING_UP: &str = "the consumers are catching up";

/// Deadlines do not wait for a subscription that has received nothing for so long.
const STALLED_AFTER: Duration = Duration::from_secs(30);

/// While deadlines are held because the wall clock has jumped, the engine looks at it again after this.
const LOOK_AFTER_JUMP: Duration = Duration::from_secs(1);

pub(super) struct Deadlines {
    timers: DueWindow,
    /// Subscriptions that have not received what was at the broker when they connected, each with the monotonic time of its
    /// last progress.
    behind: BTreeMap<usize, Duration>,
    /// When it was last asked what is due.
    looked_at: Timestamp,
}

impl Deadlines {
    pub fn new(due_rows_max: usize) -> Self {
        let timers = DueWindow::new::<TimerRow>(Vec::new(), due_rows_max);
        Self { timers, behind: BTreeMap::new(), looked_at: Timestamp::default() }
    }

    /// Adds a timer that is committed, or that was moved to a later time after it was queued. The window may hold a
    /// timer twice, but must never miss one.
    pub fn insert(&mut self, due_at: Timestamp, key: Key) {
        self.timers.insert(due_at, key);
    }

    /// Forgets what was thought to be committed.
    pub fn reset(&mut self) {
        self.timers.reset();
    }

    /// A subscription has connected, and may have to catch up.
    pub fn fell_behind(&mut self, subscription: usize, now: Duration) {
        self.behind.insert(subscription, now);
    }

    /// It has received all that was there when it connected.
    pub fn caught_up(&mut self, subscription: usize) {
        self.behind.remove(&subscription);
    }

    /// A message is received.
    pub fn received(&mut self, message: &Message, clock: &EngineTime) {
        if !self.behind.is_empty()
            && let Some(subscription) = message.subscription()
            && let Some(last) = self.behind.get_mut(&subscription)
        {
            *last = clock.monotonic();
        }
    }

    /// Deadlines wait for no subscription that is behind now.
    pub fn release(&mut self) {
        self.behind.clear();
    }

    /// How long deadlines wait for subscriptions, if those receive nothing from now on.
    pub fn held_for(&self, clock: &EngineTime) -> Duration {
        let last = self.behind.values().max();
        last.map_or(Duration::ZERO, |last| (*last + STALLED_AFTER).saturating_sub(clock.monotonic()))
    }

    /// When the next timer is to be looked at; `open` is the time of the open batch.
    pub fn next_due(&self, clock: &EngineTime, open: Option<Timestamp>) -> Timestamp {
        let never = Timestamp::from_millis(i64::MAX);
        let held_for = self.held_for(clock);
        match (held_for > Duration::ZERO, open) {
            // The next one that is due may be on its way.
            (true, None) => clock.now().plus(held_for),
            (true, Some(_)) => never,
            // The wall clock may come back by itself.
            (false, _) if clock.has_jumped() => self.looked_at.plus(LOOK_AFTER_JUMP),
            // What falls due while a batch is open fires in the next one: closing the open one is what to wait for.
            (false, Some(open)) if self.timers.next_due() > open => never,
            (false, _) => self.timers.next_due(),
        }
    }

    /// Puts timers that are due in line, as far as there is room. Gives the number of rows that the store rejects.
    pub fn put_in_line(
        &mut self,
        clock: &EngineTime,
        open: Option<Timestamp>,
        reader: &dyn Reader,
        intake: &mut Intake,
    ) -> Result<usize, StoreError> {
        let now = clock.now();
        self.looked_at = now;
        if self.held_for(clock) > Duration::ZERO || clock.has_jumped() {
            return Ok(0);
        }
        // Handlers judge by the time of their batch, so what is due is judged by that time too.
        let now = open.filter(|_| !injected("due-by-two-clocks")).unwrap_or(now);
        let mut unusable = 0;
        while intake.timers_room() > 0
            && let Some((_, key)) = self.timers.next(now, reader, &mut unusable)?
        {
            intake.push_timer(Item::new(Message::Timer(key)));
        }
        Ok(unusable)
    }
}
