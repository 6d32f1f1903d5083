//! A server that a test has for itself, one test at a time, and short words for what tests do with it.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tradewind_engine::ports::{Broker, BrokerError, BrokerMessage, Incoming, Position, Subscription};
use tradewind_rabbitmq::{RabbitBroker, RabbitConfig, Timing};
use tradewind_testkit::broker_suite::{BrokerUnderTest, tries};

use crate::server::{Rabbit, Server};

/// Polls that do not wait, before a test has failed.
const QUICK_TRIES: usize = 100_000_000;

/// How long a poll waits.
pub const WAIT: Duration = Duration::from_millis(100);

pub struct Bench {
    pub server: &'static Server,
    pub rabbit: Rabbit,
    _turn: MutexGuard<'static, ()>,
}

impl Bench {
    pub fn new() -> Self {
        static TURN: Mutex<()> = Mutex::new(());
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let server = Server::operated();
        let rabbit = Rabbit::new(&server.address(), WAIT);
        Self { server, rabbit, _turn: turn }
    }

    pub fn name(&self, name: &str) -> String {
        self.rabbit.name(name)
    }

    /// A configuration whose waits are short.
    pub fn config(&self) -> RabbitConfig {
        let timing = Timing {
            heartbeat: Duration::from_secs(1),
            answer_wait: Duration::from_secs(3),
            give_back_after: Duration::from_mins(5),
            // A server that is killed gets the usual one.
            settle_wait: Duration::ZERO,
        };
        RabbitConfig { timing, ..self.rabbit.config() }
    }

    pub fn broker(&self) -> RabbitBroker {
        broker(&self.config())
    }

    /// Runs `rabbitmqctl`.
    pub fn ctl(&self, arguments: &[&str]) -> String {
        self.server.run(&["ctl"], arguments)
    }
}

pub fn broker(config: &RabbitConfig) -> RabbitBroker {
    RabbitBroker::new(config).expect("a configuration")
}

/// Messages of one key with these bodies.
pub fn messages(topic: &str, bodies: impl IntoIterator<Item = u32>) -> Vec<BrokerMessage> {
    bodies.into_iter().map(|body| BrokerMessage::new(topic, body.to_string()).with_key("key")).collect()
}

/// Subscribes, and polls until the queue is there.
pub fn subscribe(broker: &dyn Broker, group: &str, topic: &str) -> Box<dyn Subscription> {
    let mut subscription = broker.subscribe(group, &[topic.to_owned()]).expect("a group and a topic");
    for _ in tries() {
        if subscription.poll(0, WAIT).is_ok() {
            return subscription;
        }
    }
    panic!("{group} cannot subscribe")
}

/// Polls until so many messages have come.
pub fn receive(subscription: &mut dyn Subscription, count: usize) -> Vec<Incoming> {
    let mut received = Vec::new();
    for _ in tries() {
        if received.len() >= count {
            return received;
        }
        received.extend(subscription.poll(count, WAIT).unwrap_or_default());
    }
    panic!("{count} messages were expected, and {} came", received.len())
}

/// Polls until it fails.
pub fn fails(subscription: &mut dyn Subscription, max: usize) -> BrokerError {
    let mut poll = |_| subscription.poll(max, WAIT).err();
    // Without room for messages a poll does not wait.
    let error = if max == 0 { (0..QUICK_TRIES).find_map(&mut poll) } else { tries().find_map(&mut poll) };
    error.expect("an error")
}

pub fn acknowledge(subscription: &mut dyn Subscription, messages: &[Incoming]) {
    let positions: Vec<Position> = messages.iter().map(|message| message.position.clone()).collect();
    subscription.acknowledge(&positions).expect("the broker answers");
}

/// Receives so many messages and acknowledges them as they come; their bodies.
pub fn takes(subscription: &mut dyn Subscription, count: usize) -> Vec<String> {
    let mut taken = Vec::new();
    while taken.len() < count {
        let some = receive(subscription, 1);
        acknowledge(subscription, &some);
        taken.extend(bodies(&some));
    }
    taken
}

/// Publishes, and again what was not acknowledged, as the relay does.
pub fn publish(broker: &mut dyn Broker, messages: &[BrokerMessage]) {
    let (mut done, mut last) = (0, None);
    for _ in tries() {
        match broker.publish(&messages[done..]) {
            Ok(()) => return,
            Err((more, error)) => (done, last) = (done + more, Some(error)),
        }
    }
    panic!("{done} of {} messages could be published: {last:?}", messages.len())
}

pub fn bodies(messages: &[Incoming]) -> Vec<String> {
    messages.iter().map(|incoming| String::from_utf8_lossy(incoming.message.body()).into_owned()).collect()
}

pub fn texts(numbers: impl IntoIterator<Item = u32>) -> Vec<String> {
    numbers.into_iter().map(|number| number.to_string()).collect()
}

/// What the error says, if it is a refusal.
pub fn refusal(error: BrokerError) -> String {
    match error {
        BrokerError::Refused(text) => text,
        BrokerError::Unavailable(text) => panic!("it passes by itself: {text}"),
    }
}
