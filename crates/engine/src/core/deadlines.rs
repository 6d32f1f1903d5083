//! When there is something to do by itself: timers that are due, and whether deadlines are held.

use std::time::Duration;

use tradewind_events::Timestamp;

use super::{Core, backlogs::CATCHING_UP};
use crate::{
    Entity, Message, injected,
    ports::StoreError,
    tables::TimerRow,
    time::{EngineTime, JUMPED},
    work::Item,
};

/// While deadlines are held because the wall clock has jumped, the engine looks at it again after this.
const LOOK_AFTER_JUMP: Duration = Duration::from_secs(1);

impl Core {
    /// Why deadlines are held, if they are.
    pub fn deadlines_held(&self) -> Option<&'static str> {
        self.held().or_else(|| self.clock.has_jumped().then_some(JUMPED))
    }

    /// The same without what the clock holds.
    pub(crate) fn held(&self) -> Option<&'static str> {
        (self.held_for() > Duration::ZERO).then_some(CATCHING_UP)
    }

    /// How long deadlines wait for subscriptions that receive nothing.
    fn held_for(&self) -> Duration {
        if self.backlogs.is_empty() { Duration::ZERO } else { self.backlogs.hold_for(self.clock.monotonic()) }
    }

    /// The operator lets deadlines go: the clock is right, and they need not wait for what a subscription has to receive.
    pub fn confirm_clock(&mut self) {
        self.backlogs.clear();
        self.clock.confirm();
    }

    pub fn clock(&self) -> &EngineTime {
        &self.clock
    }

    /// When there will be something to do without a new message.
    pub fn next_due(&self) -> Timestamp {
        if self.has_to_put_in_line() {
            return Timestamp::default();
        }
        let never = Timestamp::from_millis(i64::MAX);
        let held_for = self.held_for();
        let timers = match (held_for > Duration::ZERO, &self.forming) {
            // The next one that is due may be on its way.
            (true, None) => self.clock.now().plus(held_for),
            (true, Some(_)) => never,
            // The wall clock may come back by itself.
            (false, _) if self.clock.has_jumped() => self.looked_at.plus(LOOK_AFTER_JUMP),
            // What falls due while a batch is open fires in the next one: closing the open one is what to wait for.
            (false, Some(_)) if self.timers.next_due() > self.work.now => never,
            (false, _) => self.timers.next_due(),
        };
        timers.min(self.jobs.next_due())
    }

    pub(super) fn take_due_timers(&mut self) -> Result<(), StoreError> {
        let now = self.clock.now();
        self.looked_at = now;
        if self.deadlines_held().is_some() {
            return Ok(());
        }
        // Handlers judge by the time of their batch, so what is due is judged by that time too.
        let open = self.forming.is_some() && !injected("due-by-two-clocks");
        let now = if open { self.work.now } else { now };
        let mut unusable = 0;
        while self.intake.timers_room() > 0
            && let Some((_, key)) = self.timers.next(now, &*self.reader, &mut unusable)?
        {
            self.intake.push_timer(Item::new(Message::Timer(key)));
        }
        (0..unusable).for_each(|_| self.observer.row_unusable(TimerRow::TABLE.name));
        Ok(())
    }
}
