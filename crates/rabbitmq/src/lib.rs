//! RabbitMQ as a broker of the engine, from 3.10 to 4.x: [`RabbitBroker`] implements the port
//! [`Broker`](tradewind_engine::ports::Broker) for a server that a [`RabbitConfig`] names.
//!
//! # At the server
//!
//! A topic is a durable topic exchange. A group is one durable quorum queue of the same name, with a single active
//! consumer and a delivery limit that nothing reaches ([`DELIVERY_LIMIT`]). A [`Topology`] names all exchanges, and
//! the queues of *all* groups with the routing keys that they are bound to: each process declares it on each new
//! connection, so that nothing is lost to a store that was never started. A group that the topology does not have is
//! bound to everything of its topics. Nothing that exists is changed. Bindings of earlier versions stay; what they
//! bring is received like everything else.
//!
//! # How each guarantee is reached
//!
//! - **Published at least once:** confirms, in windows of 2,000 messages or 8 MiB. The count of a call is that of the
//!   first messages that are confirmed without a hole.
//! - **In order:** one channel publishes, and a window begins when the one before it is confirmed.
//! - **Nothing is dropped:** messages are `mandatory`, unless the topology has the exchange and binds no queue to it
//!   for the routing key: no store consumes such an event. The server returns what reaches no queue before it confirms
//!   it. A return has no number, so it is compared with the messages of the window: message id, topic, routing key,
//!   key, body.
//! - **Received until it is acknowledged:** nothing is ever nacked. When a channel closes, the queue gets back what was
//!   out, in its old place. From RabbitMQ 4.0 on a queue drops a message after 20 returns, unless its own argument says
//!   otherwise.
//! - **Acknowledged means acknowledged:** the call returns when the server has answered a method behind the
//!   acknowledgements. Only while the memory for deliveries is full it does not wait, since no answer can be read then.
//! - **One active member:** a member consumes only once no other does. All that the queue has is ready then, so
//!   `caught_up` waits for as many messages as it had at that moment. The queue's own single active consumer decides
//!   when two begin at once.
//! - **No consumer times out:** after [`Timing::give_back_after`] with a message out, the subscription closes its
//!   connection, well before the server's `consumer_timeout`. After a timeout of all consumers RabbitMQ may deliver to
//!   none of them again.
//! - **Every wait is bounded:** no step waits longer than [`Timing::answer_wait`], and a window no longer than six
//!   times that. A connection on which nothing comes for two heartbeats has ended. One that an alarm blocks is kept,
//!   since another would be blocked too, and each call on it is an error. Dropping waits for nothing: what was written
//!   goes out in the background, for at most five seconds.
//! - **Memory is bounded:** one window; 1 MiB that waits to be written; [`RabbitConfig::prefetch`] messages, of which
//!   16 MiB wait here. Then nothing is read, and the server waits; after half a minute it closes the connection, which
//!   is as if the messages were given back. One message may be larger than each of these.
//! - **One reconnect logic:** a connection that fails is thrown away. The engine calls again after its backoff, and the
//!   next call makes another one, with the topology.
//! - **Poison passes:** names and properties that are not UTF-8 are escaped, and headers that cannot be decoded are
//!   kept as bytes (`x-tradewind-raw-headers`). So the message reaches the engine, which makes a dead letter of it if
//!   need be.
//!
//! Publisher and subscription have a connection each, since an alarm blocks all that a connection does. A connection
//! has one channel, which lives and dies with it: the number of a channel in a position is that of its connection.
//!
//! An error has what the server says, its address, the object and what to do. A refusal of the connection or of the
//! topology holds up all messages and is the fault of none of them, so publishing reports it as
//! [`Unavailable`](tradewind_engine::ports::BrokerError::Unavailable).
//!
//! # Messages
//!
//! The key is the header `x-tradewind-key`. The time is a whole number of seconds since 1970. Headers keep their types.
//! RabbitMQ 3.10 keeps their order too, and 4.x sorts them. A message is refused if it has no body, a header twice, a name or text of more than 255 bytes,
//! headers that do not fit a frame or are nested deeper than 32, or a body of more than 128 MiB.
//!
//! # Why the protocol is written here
//!
//! `wire` and `connection` speak AMQP 0-9-1 themselves. `lapin` 4.12 decodes the headers of each delivery on arrival: a
//! name that is not UTF-8 ends the connection, so the message comes again for ever, and headers that are nested 20,000
//! times overflow the stack, which aborts the process. Any peer with the right to publish could stop a store.

mod clock;
mod config;
mod connection;
mod driver;
mod publisher;
mod subscription;
mod topology;
mod wire;

pub use config::{ConfigError, Password, RabbitConfig, Timing};
pub use publisher::RabbitBroker;
pub use topology::{DELIVERY_LIMIT, InvalidTopology, Queue, Topology};
