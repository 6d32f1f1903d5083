//! What an operator may do to the engine. Every action is a command: idempotent, committed and audited.

use std::sync::Arc;

use tradewind_events::Id;

use crate::{Refusal, RefusalKind};

/// The name of a broker that is the only one. The subscription at a broker, and what it has received and cannot decode,
/// have the broker's name as their consumer.
pub const BROKER_CONSUMER: &str = "broker";

/// The consumer of events that a broker has refused to take from its relay.
pub const RELAY_CONSUMER: &str = "relay";

/// An action with who does it.
#[derive(Debug, Clone)]
pub struct Operator {
    /// A user id, or `cli`.
    pub actor: Arc<str>,
    pub action: Action,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Pause a consumer. The engine parks the events of a paused service, in order; the messages for a paused
    /// subscription stay at the broker.
    Pause { consumer: Id, reason: Arc<str> },
    /// Let a consumer go on, from what is parked for it.
    Resume { consumer: Id },
    /// Let a subscription go on behind events that its broker no longer has. It is the record: the broker is told
    /// afterwards. `gaps` says what is missing; empty when nothing is, and then the action is refused.
    SkipGaps { broker: Id, gaps: Arc<str>, reason: Arc<str> },
    /// Send a dead letter again to the consumer that failed, and to no other.
    Redrive { dead_letter: Id },
    /// The same with other content; the original is kept.
    EditAndRedrive { dead_letter: Id, message: Arc<[u8]> },
    /// Decide that a dead letter needs no effect.
    Discard { dead_letter: Id, reason: Arc<str> },
    /// Let the relay go on behind an event that the broker refuses: the event is a dead letter of the consumer `relay`,
    /// and is published when that is redriven.
    SetAside { event: Id, reason: Arc<str> },
    /// Show the personal data of a dead letter. Nothing changes but the audit trail.
    Reveal { dead_letter: Id, reason: Arc<str> },
    /// Try a parked message now.
    RetryParked { parked: Id },
    /// Give a job whose attempts are used up new ones, under its key.
    RetryJob { job: Id },
    /// Record the outcome of a job; `reply` is the JSON of [`crate::Job::Reply`].
    SettleJob { job: Id, reply: Arc<str>, reason: Arc<str> },
    /// The clock has jumped, and is right: deadlines may fire. `clock` only names it in the audit trail.
    ConfirmClock { clock: Id },
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    pub action: &'static str,
    pub target: Id,
}

impl Action {
    /// As it stands in the audit trail.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Pause { .. } => "consumer.pause",
            Self::Resume { .. } => "consumer.resume",
            Self::SkipGaps { .. } => "consumer.skip_gaps",
            Self::Redrive { .. } => "dead_letter.redrive",
            Self::EditAndRedrive { .. } => "dead_letter.edit_and_redrive",
            Self::Discard { .. } => "dead_letter.discard",
            Self::SetAside { .. } => "event.set_aside",
            Self::Reveal { .. } => "dead_letter.reveal",
            Self::RetryParked { .. } => "parked.retry",
            Self::RetryJob { .. } => "job.retry",
            Self::SettleJob { .. } => "job.settle",
            Self::ConfirmClock { .. } => "clock.confirm",
        }
    }

    pub const fn target(&self) -> &Id {
        match self {
            Self::Pause { consumer, .. } | Self::Resume { consumer } => consumer,
            Self::Redrive { dead_letter }
            | Self::EditAndRedrive { dead_letter, .. }
            | Self::Discard { dead_letter, .. }
            | Self::Reveal { dead_letter, .. } => dead_letter,
            Self::SetAside { event, .. } => event,
            Self::SkipGaps { broker, .. } => broker,
            Self::RetryParked { parked } => parked,
            Self::RetryJob { job } | Self::SettleJob { job, .. } => job,
            Self::ConfirmClock { clock } => clock,
        }
    }

    /// Why, where the action asks for a reason.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Pause { reason, .. }
            | Self::Discard { reason, .. }
            | Self::SetAside { reason, .. }
            | Self::SkipGaps { reason, .. }
            | Self::Reveal { reason, .. }
            | Self::SettleJob { reason, .. } => Some(reason),
            _ => None,
        }
    }
}

pub const INTERNAL: Refusal =
    Refusal::new("internal", RefusalKind::Internal, "The request met a defect of Tradewind. Nothing was changed.");
pub const UNAVAILABLE: Refusal =
    Refusal::new("unavailable", RefusalKind::Unavailable, "The shop cannot take the request now.");
pub const SERVICE_ELSEWHERE: Refusal = Refusal::new(
    "service_elsewhere",
    RefusalKind::Misdirected,
    "What was asked for lives in another process of the shop.",
);
pub const EVENT_TOO_LARGE: Refusal =
    Refusal::invalid("event_too_large", "What would be told about it is larger than one event may be.");
pub const IDEMPOTENCY_KEY_REUSED: Refusal =
    Refusal::invalid("idempotency_key_reused", "The idempotency key was used before, with another body.");
pub const CONSUMER_UNKNOWN: Refusal = Refusal::not_found("consumer_unknown", "There is no such consumer.");
pub const DEAD_LETTER_NOT_FOUND: Refusal = Refusal::not_found("dead_letter_not_found", "There is no such dead letter.");
pub const DEAD_LETTER_SETTLED: Refusal =
    Refusal::conflict("dead_letter_settled", "The dead letter was redriven or discarded before.");
pub const DEAD_LETTER_UNREADABLE: Refusal =
    Refusal::invalid("dead_letter_unreadable", "The message cannot be decoded, so it cannot be sent again.");
pub const DEAD_LETTER_IS_IN_THE_LOG: Refusal = Refusal::conflict(
    "dead_letter_in_log",
    "The event stands in the log as it is, so no other can be published instead. Redrive it unchanged.",
);
pub const EVENT_NOT_REFUSED: Refusal = Refusal::conflict(
    "event_not_refused",
    "The broker does not refuse this event: it is published, or waits for its turn.",
);
pub const NO_GAPS: Refusal = Refusal::conflict("no_gaps", "The subscription has no gap to skip.");
pub const PARKED_NOT_FOUND: Refusal = Refusal::not_found("parked_not_found", "There is no such parked message.");
pub const JOB_NOT_FOUND: Refusal = Refusal::not_found("job_not_found", "There is no such job: it may be done.");
pub const JOB_ERASED: Refusal =
    Refusal::conflict("job_erased", "The job was given up, and what was secret or personal in it is erased.");

/// Every refusal of the engine.
pub const PROBLEMS: &[Refusal] = &[
    crate::AMOUNT_TOO_LARGE,
    INTERNAL,
    UNAVAILABLE,
    SERVICE_ELSEWHERE,
    EVENT_TOO_LARGE,
    IDEMPOTENCY_KEY_REUSED,
    CONSUMER_UNKNOWN,
    DEAD_LETTER_NOT_FOUND,
    DEAD_LETTER_SETTLED,
    DEAD_LETTER_UNREADABLE,
    DEAD_LETTER_IS_IN_THE_LOG,
    EVENT_NOT_REFUSED,
    NO_GAPS,
    PARKED_NOT_FOUND,
    JOB_NOT_FOUND,
    JOB_ERASED,
];
