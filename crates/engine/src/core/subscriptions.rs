//! The consumer `broker`: what was received and could not be decoded is its dead letters. While it is paused the
//! subscriptions take nothing, so nothing is parked for it.

use super::{dead_letters::resume_by_engine, parking::read_consumers};
use crate::{
    Message,
    operator::BROKER_CONSUMER,
    ports::{Reader, StoreError},
    subscriber::UNKNOWN_EVENT,
};

#[derive(Default)]
pub(super) struct Subscriptions {
    is_paused: bool,
    /// How often they were resumed since the start.
    resumes: u64,
}

impl Subscriptions {
    /// Reads what the store has. The message, if there is one, is to be accepted: another build may know the event that
    /// the last one did not.
    pub fn read(reader: &dyn Reader) -> Result<(Self, Option<Message>), StoreError> {
        let mut subscriptions = Self::default();
        let reason = subscriptions.reset(reader)?;
        let was_unknown = reason.is_some_and(|reason| reason.starts_with(UNKNOWN_EVENT));
        Ok((subscriptions, was_unknown.then(|| resume_by_engine(BROKER_CONSUMER))))
    }

    /// Goes back to what the store has: why the consumer is paused, if it is.
    pub fn reset(&mut self, reader: &dyn Reader) -> Result<Option<std::sync::Arc<str>>, StoreError> {
        let row = read_consumers([BROKER_CONSUMER].into_iter(), reader)?.pop().and_then(|(_, row)| row);
        let row = row.filter(|row| row.paused);
        self.is_paused = row.is_some();
        Ok(row.and_then(|row| row.reason))
    }

    pub fn pause(&mut self) {
        self.is_paused = true;
    }

    pub fn resume(&mut self) {
        self.is_paused = false;
        self.resumes += 1;
    }

    pub fn is_paused(&self) -> bool {
        self.is_paused
    }

    pub fn resumes(&self) -> u64 {
        self.resumes
    }
}
