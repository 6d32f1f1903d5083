//! The brake of a subscription. What is undecodable is a dead letter each; when that is so many messages that most likely
//! the producer or this build is at fault, the rest stays at the broker until an operator resumes the consumer of the broker's
//! name. An event that this build does not know stays there at once: in a rolling upgrade the next build reads it.

use std::{collections::BTreeSet, time::Duration};

use tradewind_events::{DecodeError, KeyText};

use crate::{Message, core::pause_by_engine};

/// Undecodable messages are counted over this time.
const WINDOW: Duration = Duration::from_mins(1);

/// Kinds of unknown events that an operator has let pass, at most; then it forgets all of them.
const ACCEPTED_MAX: usize = 100;

/// Begins the reason of a pause that ends by itself with the next start: another build may know the event.
pub(crate) const UNKNOWN_EVENT: &str = "unknown event: ";

/// The name of an event and its version; no version when all are unknown.
type Kind = (String, Option<u16>);

pub(super) struct Brake {
    /// The consumer that it pauses: the broker's name.
    consumer: KeyText,
    /// Since this monotonic time, so many were undecodable.
    counted: (Duration, u32),
    on: Option<Cause>,
    /// Why the consumer is to be paused, until that is asked for.
    reason: Option<String>,
    /// How often the consumer was resumed, when the brake was last off.
    pub resumes: u64,
    accepted: BTreeSet<Kind>,
}

enum Cause {
    Many,
    Unknown(Kind),
}

impl Brake {
    pub fn new(consumer: KeyText) -> Self {
        let counted = (Duration::ZERO, 0);
        Self { consumer, counted, on: None, reason: None, resumes: 0, accepted: BTreeSet::new() }
    }

    pub fn is_on(&self) -> bool {
        self.on.is_some()
    }

    /// Whether it is on, and the consumer was resumed since.
    pub fn may_release(&self, resumes: u64) -> bool {
        self.is_on() && resumes != self.resumes
    }

    /// Goes on. What put the brake on does not do so again.
    pub fn release(&mut self) {
        if let Some(Cause::Unknown(kind)) = self.on.take() {
            if self.accepted.len() >= ACCEPTED_MAX {
                self.accepted.clear();
            }
            self.accepted.insert(kind);
        }
        self.counted = (Duration::ZERO, 0);
    }

    /// A message cannot be decoded: `true` keeps it back. Otherwise it is a dead letter, and more than `max` of them
    /// within a minute put the brake on behind the last.
    pub fn keeps_back(&mut self, error: &DecodeError, now: Duration, max: u32) -> bool {
        let kind = match error {
            DecodeError::UnknownType { name } => Some((name.clone(), None)),
            DecodeError::UnknownVersion { name, version } => Some((name.clone(), Some(*version))),
            DecodeError::Envelope { .. } | DecodeError::Data { .. } => None,
        };
        if let Some(kind) = kind.filter(|kind| !self.accepted.contains(kind)) {
            self.put_on(Cause::Unknown(kind), format!("{UNKNOWN_EVENT}{error}"));
            return true;
        }
        let (since, count) = &mut self.counted;
        if now.saturating_sub(*since) >= WINDOW {
            (*since, *count) = (now, 0);
        }
        *count += 1;
        if *count > max {
            let reason = format!("more than {max} messages within a minute cannot be decoded; the last: {error}");
            self.put_on(Cause::Many, reason);
        }
        false
    }

    fn put_on(&mut self, cause: Cause, reason: String) {
        tracing::error!(broker = %self.consumer, reason, "the subscription is paused: what follows stays at the broker");
        (self.on, self.reason) = (Some(cause), Some(reason));
    }

    /// The command that pauses the consumer, once.
    pub fn pause(&mut self) -> Option<Message> {
        self.reason.take().map(|reason| pause_by_engine(&self.consumer, reason.into()))
    }
}
