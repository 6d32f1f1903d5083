//! Publishing: windows of messages, each confirmed before the next one begins.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use tradewind_engine::ports::{Broker, BrokerError, BrokerMessage, Subscription};

use crate::{
    config::{ConfigError, RabbitConfig, Settings},
    connection::{Connection, Fault, Look, expect, is_same},
    driver::Driver,
    subscription::RabbitSubscription,
    topology::{Topology, declare_exchange},
    wire::{self, Method, Uncarried},
};

/// Messages that are published and not confirmed, at most.
const WINDOW_MESSAGES_MAX: usize = 2_000;

/// Bytes of messages that are published and not confirmed. One message may have more.
const WINDOW_BYTES_MAX: usize = 8 * 1_024 * 1_024;

/// How often it looks for the next confirm within [`crate::Timing::answer_wait`].
const LOOKS: u32 = 4;

/// How often it looks for the confirms of a window. A server that confirms one message now and then holds up a call for
/// no longer than six times [`crate::Timing::answer_wait`].
const LOOKS_MAX: u32 = 6 * LOOKS;

/// A RabbitMQ server. It connects when it publishes first.
pub struct RabbitBroker {
    shared: Arc<Shared>,
    link: Option<Link>,
    /// Messages that the server has returned.
    returned: u64,
}

/// What the publisher and its subscriptions have in common.
pub struct Shared {
    pub settings: Settings,
    pub topology: Topology,
    pub driver: Driver,
}

/// The publisher's connection.
struct Link {
    connection: Connection,
    /// Exchanges that are there.
    exchanges: BTreeSet<String>,
    /// Messages of an earlier call are out, or wait behind an alarm: once it is over, another connection takes over.
    is_stale: bool,
}

/// How a window went: so many of its first messages are confirmed, and why not all.
type Outcome = (usize, Option<BrokerError>);

impl RabbitBroker {
    /// Checks the configuration. Nothing is connected yet.
    pub fn new(config: &RabbitConfig) -> Result<Self, ConfigError> {
        let settings = Settings::new(config)?;
        let driver = Driver::start().map_err(ConfigError::Thread)?;
        let shared = Shared { settings, topology: config.topology.clone(), driver };
        Ok(Self { shared: Arc::new(shared), link: None, returned: 0 })
    }

    /// The connection, with all that must be there. One that is blocked by an alarm is kept until that is over: another
    /// one would be blocked too, and the server reads neither.
    fn link(&mut self) -> Result<&mut Link, Fault> {
        let wait = self.shared.settings.timing.answer_wait;
        if let Some(link) = &self.link {
            let free = link.connection.wait(wait, "", |look| look.inbox.blocked.is_none().then_some(()));
            if link.connection.end().is_none() {
                free?;
            }
            if link.is_stale || link.connection.end().is_some() {
                self.link = None;
            }
        }
        match &mut self.link {
            Some(link) => Ok(link),
            none => Ok(none.insert(Link::open(&self.shared)?)),
        }
    }

    fn window(&mut self, messages: &[BrokerMessage]) -> Outcome {
        let (shared, wait) = (Arc::clone(&self.shared), self.shared.settings.timing.answer_wait);
        let link = match self.link() {
            Ok(link) => link,
            // The server refuses us and no message.
            Err(fault) => return (0, Some(BrokerError::Unavailable(shared.settings.describe(&fault)))),
        };
        let sent = link.send(&shared.topology, messages, wait);
        let confirmed = match sent {
            // It has waited long enough, and something is left.
            Err(Unsent::Fault(_)) => {
                link.is_stale = true;
                Ok(())
            }
            _ => link.confirm(wait),
        };
        let (count, returned) = link.count(messages);
        self.returned += link.connection.look(|inbox| u64::try_from(inbox.returned.len()).unwrap_or(u64::MAX));
        let settings = &shared.settings;
        let error = match (returned, confirmed, sent) {
            (Some(reason), ..) | (None, Ok(()), Err(Unsent::Message(reason))) => Some(BrokerError::Refused(reason)),
            // An error of the channel is that of a message, which the server does not name.
            (None, Err(fault), _) => Some(settings.error(&may_write(fault))),
            (None, Ok(()), Err(Unsent::Fault(fault))) => Some(settings.error(&fault)),
            (None, Ok(()), Ok(())) => None,
        };
        (count, error)
    }
}

/// Says what to do about a message that the user may not publish. The server names its exchange.
fn may_write(fault: Fault) -> Fault {
    match fault.code {
        Some(403) => {
            Fault { text: format!("{}; let the user write to it (rabbitmqctl set_permissions)", fault.text), ..fault }
        }
        _ => fault,
    }
}

/// Why not all of a window was sent.
enum Unsent {
    /// The message cannot be carried.
    Message(String),
    Fault(Fault),
}

impl From<Uncarried> for Unsent {
    fn from(reason: Uncarried) -> Self {
        Self::Message(reason)
    }
}

impl From<Fault> for Unsent {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl Link {
    fn open(shared: &Shared) -> Result<Self, Fault> {
        let wait = shared.settings.timing.answer_wait;
        let connection = Connection::open(&shared.driver, &shared.settings, "tradewind publisher")?;
        shared.topology.declare(&connection, wait)?;
        expect(connection.call(wire::confirm_select(), wait)?, |method| matches!(method, Method::ConfirmSelectOk))?;
        connection.idle(shared.settings.timing.settle_wait)?;
        Ok(Self { connection, exchanges: shared.topology.exchanges.clone(), is_stale: false })
    }

    /// Sends messages as far as they can be.
    fn send(&mut self, topology: &Topology, messages: &[BrokerMessage], wait: Duration) -> Result<(), Unsent> {
        self.connection.look(|inbox| {
            inbox.returned.clear();
            inbox.confirms.expect(messages.len());
        });
        let mut sent = 0;
        let outcome = messages.iter().try_for_each(|message| {
            self.send_one(topology, message, wait)?;
            sent += 1;
            Ok(())
        });
        self.connection.look(|inbox| inbox.confirms.expect_no_more_than(sent));
        outcome
    }

    fn send_one(&mut self, topology: &Topology, message: &BrokerMessage, wait: Duration) -> Result<(), Unsent> {
        let (topic, routing_key) = (&message.topic, message.routing_key.as_deref());
        let mandatory = topology.is_mandatory(topic, routing_key);
        let mut bytes = wire::publish(topic, routing_key.unwrap_or_default(), mandatory)?;
        wire::encode(&mut bytes, message, self.connection.look(|inbox| inbox.frame_bytes_max))?;
        if !self.exchanges.contains(topic) {
            declare_exchange(&self.connection, topic, wait)?;
            self.exchanges.insert(topic.clone());
        }
        Ok(self.connection.push(bytes, wait).map_err(may_write)?)
    }

    /// Waits until all that was sent is confirmed, as long as the next confirm comes in time.
    fn confirm(&mut self, wait: Duration) -> Result<(), Fault> {
        let (mut settled, mut idle) = (0, 0);
        let mut outcome = Err(Fault::lost("the server confirms too slowly"));
        for _ in 0..LOOKS_MAX {
            let complete = |look: &mut Look| look.inbox.confirms.are_complete().then_some(());
            outcome = self.connection.wait(wait / LOOKS, "no confirm came", complete);
            if outcome.is_ok() || self.connection.end().is_some() {
                break;
            }
            let now = self.connection.look(|inbox| inbox.confirms.settled);
            idle = if now > settled { 0 } else { idle + 1 };
            settled = now;
            if idle >= LOOKS {
                break;
            }
        }
        self.is_stale |= outcome.is_err();
        outcome
    }

    /// How many of the first messages are safe, and why the next one is not, if the server has said it.
    fn count(&self, messages: &[BrokerMessage]) -> (usize, Option<String>) {
        self.connection.look(|inbox| {
            let taken = inbox.confirms.taken();
            for (nth, message) in messages.iter().take(taken).enumerate() {
                // The server says so before it confirms. Returns have no number of their own, and are told apart by
                // what they are: of equal ones the first counts, so that none is lost.
                if let Some((_, reason)) = inbox.returned.iter().find(|(returned, _)| is_same(returned, message)) {
                    let routing_key = message.routing_key.as_deref().unwrap_or_default();
                    let reason = format!(
                        "{reason}: no queue is bound to the exchange {} for the routing key {routing_key:?}",
                        message.topic
                    );
                    return (nth, Some(reason));
                }
            }
            let nacked = inbox.confirms.is_refused(taken);
            (taken, nacked.then(|| "the server has not taken it (basic.nack)".to_owned()))
        })
    }
}

impl Broker for RabbitBroker {
    fn publish(&mut self, messages: &[BrokerMessage]) -> Result<(), (usize, BrokerError)> {
        let mut done = 0;
        while done < messages.len() {
            let (mut end, mut bytes) = (done, 0);
            while end < messages.len() && end - done < WINDOW_MESSAGES_MAX && (end == done || bytes < WINDOW_BYTES_MAX)
            {
                bytes += messages[end].bytes();
                end += 1;
            }
            let (count, error) = self.window(&messages[done..end]);
            done += count;
            if let Some(error) = error {
                return Err((done, error));
            }
        }
        Ok(())
    }

    fn subscribe(&self, group: &str, topics: &[String]) -> Result<Box<dyn Subscription>, BrokerError> {
        let queue = self.shared.topology.queue(group, topics)?;
        Ok(Box::new(RabbitSubscription::new(Arc::clone(&self.shared), queue)))
    }

    fn returned(&self) -> u64 {
        self.returned
    }

    /// What is acknowledged is gone.
    fn retention(&self, _topics: &[String]) -> Result<Option<Duration>, BrokerError> {
        Ok(None)
    }
}
