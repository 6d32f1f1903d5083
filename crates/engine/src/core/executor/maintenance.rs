//! The engine's own upkeep, committed like everything: the relay's mark, its dead letters, rows that are too old.

use tradewind_events::{AsKey, Id, KeyText};

use super::{super::task::Success, Executor};
use crate::{
    Stop,
    tables::{DeadLetterRow, DeadLetterState, IdempotencyRow, InboxRow, InboxSegmentRow, RelayRow},
    work::Prune,
};

impl Executor {
    pub(super) fn published(&mut self, broker: &KeyText, segment: u64) -> Result<Success, Stop> {
        let before = self.work.get::<RelayRow>(broker.as_key())?;
        if before.is_none_or(|row| row.segment < segment) {
            self.work.put(RelayRow { name: broker.clone(), segment });
        }
        Ok(Success::default())
    }

    /// The event of a dead letter is published, or refused for this reason.
    pub(super) fn republished(&mut self, dead_letter: &Id, refused: Option<&str>) -> Result<Success, Stop> {
        if let Some(row) = self.work.get::<DeadLetterRow>(dead_letter.as_key())?
            && row.state == DeadLetterState::Redriving
        {
            match refused {
                None => self.mark_redriven(&row),
                Some(reason) => {
                    let (attempts, died_at) = (row.attempts + 1, self.work.now);
                    let state = DeadLetterState::Dead;
                    self.work.put(DeadLetterRow { state, reason: reason.into(), attempts, died_at, ..row });
                }
            }
        }
        Ok(Success::default())
    }

    pub(super) fn prune(&mut self, prune: &Prune) -> Success {
        for key in &prune.inbox {
            self.work.delete::<InboxRow>(key.clone());
        }
        for key in &prune.inbox_segments {
            match self.work.get::<InboxSegmentRow>(key.clone()) {
                // One of its events was received since it was found.
                Ok(Some(row)) if row.received_at >= prune.inbox_before => {}
                // One that cannot be read was not written either.
                _ => self.work.delete::<InboxSegmentRow>(key.clone()),
            }
        }
        for key in &prune.idempotency {
            self.work.delete::<IdempotencyRow>(key.clone());
        }
        Success::default()
    }
}
