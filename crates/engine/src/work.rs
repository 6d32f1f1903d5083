//! What waits for a batch: messages from outside, with whoever wants an answer.

use std::{any::Any, sync::Arc};

use tradewind_events::{Envelope, Id, Key, Timestamp};

use crate::{
    AnyAnswer, Command, Idempotency, Problem, Settings, StoredAnswer,
    operator::Operator,
    ports::{Incoming, Position},
    trace::Waiting,
};

/// Where a request comes from.
#[derive(Debug, Clone)]
pub struct Context {
    /// The request's id: the causation of what it causes.
    pub request_id: Id,
    /// The same for all that follows from it.
    pub correlation_id: Id,
    /// W3C trace context.
    pub traceparent: Option<Arc<str>>,
}

/// Who asks for a command on behalf of the shop, for the audit trail. An operator's action names itself and its target:
/// of its audit only the reason counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    /// A user id, the id of a service client, or `cli`.
    pub actor: Arc<str>,
    /// As in `products.publish`.
    pub action: Arc<str>,
    /// What it is done to. The location of the answer takes its place when the command makes something new.
    pub target: Arc<str>,
    /// No personal data.
    pub reason: Option<Arc<str>>,
}

/// The answer to a command that succeeded. The client gets it once the batch is durable.
pub struct Answered {
    /// The typed answer; none when an earlier answer was replayed.
    pub typed: Option<AnyAnswer>,
    pub stored: StoredAnswer,
}

impl Answered {
    pub fn is_replay(&self) -> bool {
        self.typed.is_none()
    }
}

/// Called once, after the commit.
pub type Reply = Box<dyn FnOnce(Result<Answered, Problem>) + Send>;

type Render = Box<dyn Fn(&dyn Any) -> StoredAnswer + Send>;

/// A root message.
pub enum Message {
    Command(CommandMessage),
    /// From a broker.
    Received(Received),
    /// From a broker, and nothing that we understand.
    Undecodable(Box<Undecodable>),
    /// A timer may be due: its row's key.
    Timer(Key),
    /// A worker has tried a job.
    Tried(TriedJob),
    /// A parked message may be retried: the id of its row.
    Unpark(Id),
    /// The relay of this broker has got its acknowledgement for everything up to this segment.
    Published {
        broker: usize,
        segment: u64,
    },
    /// The broker that refused the event of this dead letter has acknowledged it, or has refused it once more.
    Republished {
        dead_letter: Id,
        refused: Option<String>,
    },
    /// Delete old rows of the inbox and of idempotency keys.
    Prune(Prune),
}

impl Message {
    /// The number of the broker whose subscription has received it, if one has to know when it is committed.
    pub(crate) fn subscription(&self) -> Option<usize> {
        match self {
            Self::Received(received) => received.receipt.as_ref().map(|receipt| receipt.subscription),
            Self::Undecodable(undecodable) => Some(undecodable.subscription),
            _ => None,
        }
    }

    /// Whether a broker has delivered it.
    pub(crate) fn is_received(&self) -> bool {
        matches!(self, Self::Received(_) | Self::Undecodable(_))
    }
}

/// A command on its way to its service, or an operator's action on the engine.
pub struct CommandMessage {
    pub(crate) target: Target,
    pub(crate) context: Context,
    pub(crate) idempotency: Option<Idempotency>,
    pub(crate) audit: Option<Box<Audit>>,
    render: Render,
    pub(crate) reply: Option<Reply>,
}

pub(crate) enum Target {
    Service { service: &'static str, name: &'static str, key: Option<Id>, command: Box<dyn Any + Send + Sync> },
    Operator(Operator),
}

/// A message that a broker delivered and that is no event which this build can read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undecodable {
    pub incoming: Incoming,
    pub reason: String,
    /// The number of the broker whose subscription received it.
    pub subscription: usize,
}

impl Undecodable {
    pub fn receipt(&self) -> Receipt {
        let (position, bytes) = (self.incoming.position.clone(), self.incoming.message.bytes());
        Receipt { subscription: self.subscription, position, bytes }
    }
}

/// An event from another store.
pub struct Received {
    pub envelope: Arc<Envelope>,
    /// Given back to the subscription when the effect is committed.
    pub receipt: Option<Receipt>,
}

/// Which message of which subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The number of its broker.
    pub subscription: usize,
    pub position: Position,
    /// Of its body.
    pub bytes: usize,
}

/// What came of one try of a job.
#[derive(Debug, Clone)]
pub struct TriedJob {
    pub id: Id,
    pub outcome: TryOutcome,
}

#[derive(Debug, Clone)]
pub enum TryOutcome {
    /// The job is done; the JSON of [`crate::Job::Reply`].
    Done(String),
    /// The worker does not know whether the job is done, for this reason. The engine retries it under the same key.
    Unknown(String),
}

/// Rows that are too old to be needed.
#[derive(Debug, Clone, Default)]
pub struct Prune {
    pub inbox: Vec<Key>,
    /// A segment of which an event was received at `inbox_before` or later stays.
    pub inbox_segments: Vec<Key>,
    pub inbox_before: Timestamp,
    pub idempotency: Vec<Key>,
}

impl Prune {
    /// How many rows that are.
    pub fn len(&self) -> usize {
        self.inbox.len() + self.inbox_segments.len() + self.idempotency.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A message as it waits, or as it is part of a batch that is not durable yet.
pub(crate) struct Item {
    pub message: Message,
    /// It was alone in a batch that the store refused: it is not handled, but dead-lettered or refused.
    pub rejected: Option<String>,
    /// The engine pauses a service for dead letters of batches that are not durable: it falls with them.
    pub by_engine: bool,
    /// When it was sent, while somebody traces; otherwise zero.
    pub sent_at: u64,
    /// Set when a handler of its cascade has run in a sampled trace.
    pub waiting: Option<Waiting>,
}

impl CommandMessage {
    /// A command. `render` makes the answer that is kept under the idempotency key and goes to the client.
    pub fn new<C: Command>(
        command: C,
        context: Context,
        render: impl Fn(&C::Answer) -> StoredAnswer + Send + 'static,
    ) -> Self {
        let target = Target::Service {
            service: C::Owner::SERVICE,
            name: C::NAME,
            key: command.key().cloned(),
            command: Box::new(command),
        };
        let render: Render =
            Box::new(move |answer| answer.downcast_ref::<C::Answer>().map_or_else(|| wrong_answer(C::NAME), &render));
        Self { target, context, idempotency: None, audit: None, render, reply: None }
    }

    /// An operator's action on the engine itself.
    pub fn operator(
        action: Operator,
        context: Context,
        render: impl Fn(&crate::operator::Done) -> StoredAnswer + Send + 'static,
    ) -> Self {
        let render: Render =
            Box::new(move |answer| answer.downcast_ref().map_or_else(|| wrong_answer("an operator's action"), &render));
        Self { target: Target::Operator(action), context, idempotency: None, audit: None, render, reply: None }
    }

    #[must_use]
    pub fn idempotent(mut self, idempotency: Option<Idempotency>) -> Self {
        self.idempotency = idempotency;
        self
    }

    /// Writes a row of the audit trail in the commit of the command's effect. A refused or repeated command leaves none.
    #[must_use]
    pub fn audited(mut self, audit: Option<Audit>) -> Self {
        self.audit = audit.map(Box::new);
        self
    }

    #[must_use]
    pub fn reply(mut self, reply: impl FnOnce(Result<Answered, Problem>) + Send + 'static) -> Self {
        self.reply = Some(Box::new(reply));
        self
    }

    pub(crate) fn stored(&self, answer: &dyn Any) -> StoredAnswer {
        (self.render)(answer)
    }
}

/// A handler has answered with a type that is not its command's. Its message is refused for it.
fn wrong_answer(command: &str) -> StoredAnswer {
    panic!("{command} was answered with another type than its own")
}

impl Item {
    pub fn new(message: Message) -> Self {
        Self { message, rejected: None, by_engine: false, sent_at: 0, waiting: None }
    }

    pub fn answer(&mut self, answer: Result<Answered, Problem>) {
        if let Message::Command(command) = &mut self.message
            && let Some(reply) = command.reply.take()
        {
            reply(answer);
        }
    }

    pub fn receipt(&self) -> Option<Receipt> {
        match &self.message {
            Message::Received(received) => received.receipt.clone(),
            Message::Undecodable(undecodable) => Some(undecodable.receipt()),
            _ => None,
        }
    }
}
