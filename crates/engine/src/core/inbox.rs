//! What is remembered of received events, so that each has its effect once.

use tradewind_events::{AsKey, Id};

use super::Core;
use crate::{
    Stop,
    segment::segment_of,
    tables::{InboxRow, InboxSegmentRow},
};

impl Core {
    /// Notes that this event was received, in the commit of its effect. `false` when it was received before.
    pub(super) fn receive_once(&mut self, event_id: &Id) -> Result<bool, Stop> {
        let received_at = self.work.now;
        let Some((segment, index)) = segment_of(event_id) else {
            let is_new = self.work.get::<InboxRow>(event_id.as_key())?.is_none();
            if is_new {
                self.work.put(InboxRow { event_id: event_id.clone(), received_at });
            }
            return Ok(is_new);
        };
        let row = self.work.get::<InboxSegmentRow>(segment.as_key())?;
        let mut indexes = row.map(|row| row.indexes).unwrap_or_default();
        let is_new = indexes.insert(index);
        if is_new {
            self.work.put(InboxSegmentRow { segment, indexes, received_at });
        }
        Ok(is_new)
    }
}
