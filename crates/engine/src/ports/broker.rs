//! The broker port: two small interfaces. Positions and acknowledgements are the broker's own business: the engine
//! gives back what it was given, once the effect of a message is committed.
//!
//! How the real ones fit:
//!
//! | | Kafka | RabbitMQ |
//! |---|---|---|
//! | topic | topic | durable exchange |
//! | group | offsets that are committed under the group's name; the store assigns itself all partitions and never joins the group | one durable quorum queue a group, bound to its topics, with a single active consumer |
//! | [`BrokerMessage::key`] | the record's key, by which the producer chooses the partition | header `x-tradewind-key`; the queue keeps the order of all |
//! | not carried, and refused | routing key, properties, headers of other types than text and null | a body that is absent, a header's name twice |
//! | [`BrokerMessage::routing_key`] | none | the type of the event, by [`crate::Routing::route_by_type`]: a queue is bound to what its services consume |
//! | time | the record's, in milliseconds | the property `timestamp`, in seconds |
//! | [`Broker::publish`] | idempotent producer, `acks=all`; counts the delivery reports without a hole before them | `mandatory`, with confirms; counts the confirms without a hole before them; a return comes before its confirm |
//! | [`BrokerError::Refused`] | too large, not authorized, no such topic | returned, nacked, larger than the frame limits allow |
//! | position | `topic/partition/offset` | `queue/channel/tag`, with a number for each channel that was opened |
//! | [`Subscription::acknowledge`] | commits, for each partition, the offset before the first that is still out | `basic.ack` of each tag of the channel that is open |
//! | not acknowledged | comes again when the subscription connects anew | comes again when the channel closes, so nothing is ever nacked |
//! | what is still out | bounded by the engine | bounded by the prefetch count |
//! | [`Broker::returned`] | none: zero | counts `basic.return` |
//! | [`Broker::gaps`] | the group's offset is none that the partition has: retention has passed, or the topic was created again | none: a queue keeps what is not acknowledged |
//! | [`Subscription::backlog`] | the ends of the partitions, less what was handed out | `queue.declare`, passive: the messages that are ready, and those that were delivered and not polled |
//! | [`Broker::retention`] | the longest `retention.ms` and `segment.ms` together | none: only what is not acknowledged comes again |
//! | a new group begins | at the earliest offset | when its queue is declared; before that a topic has nowhere to put messages, and refuses them |
//!
//! Where a group has several members, what was handed out and belongs to another member now may still be acknowledged,
//! without effect; its effect is dropped by the inbox of the other.

use std::{fmt, sync::Arc, time::Duration};

pub use tradewind_events::broker::{BrokerMessage, Bytes, HeaderValue, Properties};

/// The sending side.
pub trait Broker: Send {
    /// Publishes in this order and returns when all are acknowledged, within a bounded time. After an error the count
    /// says how many of the first are known to be; the others may be there or not, and are published again: at least
    /// once. With [`BrokerError::Refused`] the message at that count, or one after it, is at fault.
    fn publish(&mut self, messages: &[BrokerMessage]) -> Result<(), (usize, BrokerError)>;

    /// Hears the topics as one consumer group; only one member of a group gets a message. It does not wait for
    /// the broker: polling does, and connects again after every error. What is published after the first poll without
    /// an error is heard, and what was before it where the broker keeps it. Dropping the subscription leaves the group;
    /// what it had not acknowledged comes again to whoever is in it.
    fn subscribe(&self, group: &str, topics: &[String]) -> Result<Box<dyn Subscription>, BrokerError>;

    /// The longest time after which a message of these topics can come again although it was acknowledged, as when
    /// an operator sets a group back; `None` when it cannot.
    fn retention(&self, topics: &[String]) -> Result<Option<Duration>, BrokerError>;

    /// How many messages the broker has returned so far, because no queue takes them: each return counts, also of a message
    /// that was returned before, and the number never falls while this value lives. Zero at a broker that returns none. For
    /// figures: the relay asks after each [`Self::publish`], and it must not wait.
    fn returned(&self) -> u64 {
        0
    }

    /// The gaps of its subscriptions; `None` at a broker that has none.
    fn gaps(&self) -> Option<Arc<dyn Gaps>> {
        None
    }
}

/// The gaps of the subscriptions at one broker. A subscription before a gap receives nothing until an operator skips it.
pub trait Gaps: Send + Sync {
    /// What the subscription of this group stands before; empty when it does not stand. It does not wait.
    fn of(&self, group: &str) -> Vec<Gap>;

    /// Lets the group go on behind these gaps, within a bounded time; what is missing stays missing. They are all that
    /// [`Gaps::of`] gives: refused when these are others now.
    fn skip(&self, group: &str, gaps: &[Gap]) -> Result<(), BrokerError>;
}

/// Messages that a subscription has not received and that its broker no longer has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// Where, as text that an operator can look up at the broker.
    pub place: String,
    /// How many are missing, where that is known.
    pub messages: Option<u64>,
    /// What is missing, and why.
    pub reason: String,
}

impl fmt::Display for Gap {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.reason)
    }
}

/// The hearing side, for one consumer group.
pub trait Subscription: Send {
    /// At most `max` messages, in the order of the broker for each key; empty when none came within `wait`. With a
    /// `max` of zero it sees only to the connection. It must be called again and again, with zero if need be: that is
    /// what keeps the membership alive. A broker that cannot be reached is an error and no empty poll. After a lost
    /// connection, what is not acknowledged may come again, and then all that comes after it of its key does.
    fn poll(&mut self, max: usize, wait: Duration) -> Result<Vec<Incoming>, BrokerError>;

    /// The effect of these messages is committed: the broker need not send them again. In any order; a broker that
    /// keeps a mark a partition sends again what stands behind one that is not acknowledged. After an error the same
    /// ones are acknowledged again. One that this member does not hold any more is passed over.
    fn acknowledge(&mut self, positions: &[Position]) -> Result<(), BrokerError>;

    /// Whether all that was there when the subscription last connected has been handed out, to this member or another,
    /// including what is delivered again because of the new connection. An empty poll does not say so: the broker may not
    /// have assigned anything yet.
    fn caught_up(&mut self) -> Result<bool, BrokerError>;

    /// How many messages wait for this group that [`Self::poll`] has not handed out: those at the broker, and those that this
    /// side has fetched ahead. `None` when the broker cannot tell. It may be a little old. For figures: the engine asks every
    /// [`crate::BACKLOG_EVERY`], also while it polls nothing, and on the thread that polls, so the answer must come within
    /// a second, unless the broker does not answer at all. An error has no effect but that the figure is not shown.
    fn backlog(&mut self) -> Result<Option<u64>, BrokerError> {
        Ok(None)
    }
}

/// A message as a broker delivered it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    pub message: BrokerMessage,
    pub position: Position,
}

/// Where a message stands at its broker, as text that an operator can look up there. No other message of the
/// subscription has it; the same message may come again with another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub String);

/// Why a broker did not do what it was asked. Both are tried again, since nothing may be lost.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BrokerError {
    /// It cannot be reached, or did not answer in time: that passes by itself.
    #[error("the broker does not answer: {0}")]
    Unavailable(String),
    /// It has refused a message or a request: too large, nowhere to put it, not allowed. Somebody must change something.
    #[error("the broker has refused: {0}")]
    Refused(String),
}
