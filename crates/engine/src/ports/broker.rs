//! The broker port: two small interfaces. Positions and acknowledgements are the broker's own business: the engine
//! gives back what it was given, once the effect of a message is committed.

use std::time::Duration;

/// The sending side.
pub trait Broker: Send {
    /// Publishes in this order and returns when all are acknowledged. After an error the count says how many of the
    /// first are known to be; the others may be there or not, and are published again: at least once.
    fn publish(&mut self, messages: &[Outgoing]) -> Result<(), (usize, BrokerError)>;

    /// Hears the topics as one consumer group; only one member of a group gets a message.
    fn subscribe(&self, group: &str, topics: &[String]) -> Result<Box<dyn Subscription>, BrokerError>;
}

/// The hearing side, for one consumer group.
pub trait Subscription: Send {
    /// At most `max` messages, in the order of the broker for each key; empty when none came within `wait`.
    fn poll(&mut self, max: usize, wait: Duration) -> Result<Vec<Incoming>, BrokerError>;

    /// The effect of these messages is committed: the broker need not send them again.
    fn acknowledge(&mut self, positions: &[Position]) -> Result<(), BrokerError>;
}

/// A message to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    pub topic: String,
    /// Orders it among messages of the same key.
    pub key: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// A message as a broker delivered it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    pub topic: String,
    pub key: Option<String>,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub position: Position,
}

/// Where a message stands at its broker, as text that an operator can look up there (`topic/partition/offset`, or a
/// delivery tag).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub String);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the broker: {0}")]
pub struct BrokerError(pub String);
