//! What every broker must do, whatever it is made of: one suite for the broker in memory, Kafka and RabbitMQ.
//!
//! An adapter implements [`BrokerUnderTest`] in its tests and writes `tradewind_testkit::broker_suite!(fresh);` where
//! `fresh()` gives a broker, or a door to one. Where brokers differ they say so as [`Differences`]. Each case is a test
//! of its own.

mod backlog;
mod content;
mod delivery;
mod groups;
mod polling;
mod publishing;
mod trouble;

use std::time::{Duration, Instant};

use tradewind_engine::ports::{Broker, BrokerMessage, Incoming, Position, Subscription};

pub use backlog::*;
pub use content::*;
pub use delivery::*;
pub use groups::*;
pub use polling::*;
pub use publishing::*;
pub use trouble::*;

/// A broker, as its operator sees it.
pub trait BrokerUnderTest {
    /// A connection of its own, as of a process that starts.
    fn connect(&self) -> Box<dyn Broker>;

    /// A name for a topic or a group, which no other test on the same broker uses.
    fn name(&self, name: &str) -> String {
        name.to_owned()
    }

    /// Makes a topic where there is none yet, with several partitions if it has such.
    fn make_topic(&self, _topic: &str) {}

    /// Every connection breaks now. The next use may connect again.
    fn cut(&self);

    /// From now on nobody reaches it, or everybody does again. What was connected is cut.
    fn set_reachable(&self, reachable: bool);

    /// It stops and starts again, with all that it keeps. What was connected is cut.
    fn restart(&self) {
        self.cut();
    }

    /// From now on nothing passes on any connection, or what was held back goes on: for [`Manner::HasConnections`].
    fn freeze(&self, _frozen: bool) {}

    /// A message that it refuses for good.
    fn refused(&self) -> BrokerMessage;

    fn differences(&self) -> Differences;
}

/// Where a broker does not do as all others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Differences {
    pub manners: &'static [Manner],
    /// When nothing has come for so long, nothing is on its way.
    pub quiet: Duration,
}

/// What some brokers do and others do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// A new group hears what was published before it.
    HearsThePast,
    /// What is acknowledged does not come again, even when something before it is not acknowledged.
    AcknowledgesSingly,
    /// A message that comes again has the same position.
    KeepsPositions,
    /// It is reached through connections that can be frozen.
    HasConnections,
    /// A message that no group would hear is refused.
    RefusesTheUnheard,
    /// A message is a record of a log: a body may be absent, a header may repeat or be null, its time has milliseconds.
    KeepsRecords,
    /// A group belongs to one member at a time, and to whom is decided elsewhere: two at a time get the same messages.
    HasOneOwner,
    /// A message is routed: it has a routing key, properties and typed headers, and its time has seconds.
    RoutesMessages,
}

impl Differences {
    fn include(&self, manner: Manner) -> bool {
        self.manners.contains(&manner)
    }
}

/// A test for each case of the suite, on a broker that `$fresh()` makes.
#[macro_export]
macro_rules! broker_suite {
    ($fresh:expr) => {
        $crate::broker_suite!(
            $fresh;
            messages_of_a_key_come_in_their_order,
            what_is_not_acknowledged_comes_again_to_a_consumer_that_starts_anew,
            what_is_not_acknowledged_is_not_lost_with_the_connection,
            what_is_acknowledged_does_not_come_again,
            acknowledgements_come_in_any_order,
            an_acknowledgement_may_come_late_or_twice,
            every_message_reaches_every_group,
            only_one_member_of_a_group_gets_a_message,
            what_a_member_held_that_is_gone_goes_to_another,
            a_group_hears_only_its_topics,
            what_a_message_carries_comes_as_it_was,
            what_cannot_be_carried_is_refused,
            no_two_messages_have_one_position,
            publishing_nothing_is_no_error,
            what_could_not_be_published_is_published_again_in_order,
            publishing_goes_on_after_a_lost_connection,
            a_refused_message_is_counted_up_to,
            a_message_that_nobody_would_hear_is_kept_or_refused,
            a_subscription_may_come_before_the_messages,
            a_new_group_hears_the_past_where_it_is_kept,
            a_poll_that_waits_returns_as_soon_as_something_comes,
            a_poll_takes_no_more_than_it_may,
            a_subscription_says_when_it_has_caught_up,
            a_subscription_that_was_cut_off_has_to_catch_up_again,
            the_retention_can_be_asked_for,
            poison_is_carried_or_refused_and_what_comes_after_it_goes_on,
            a_frozen_connection_is_an_error_and_loses_nothing_when_it_thaws,
            a_broker_that_restarts_loses_nothing,
            an_acknowledgement_without_a_connection_loses_nothing,
            ten_connections_lost_with_a_message_out_lose_nothing_and_keep_the_order,
            a_subscription_tells_how_much_waits,
        );
    };
    ($fresh:expr; $($case:ident),* $(,)?) => {
        $(
            #[test]
            fn $case() {
                $crate::broker_suite::$case(&$fresh());
            }
        )*
    };
}

/// Messages taken at a time where it does not matter.
const MANY: usize = 1_000;

/// Tries before a test has failed; each takes as long as a broker may be quiet, or ends with an error.
const TRIES: usize = 1_000;

/// A test that waits longer for one thing has failed, however few tries that are.
const PATIENCE: Duration = Duration::from_mins(3);

/// A broker that fails at once gets a thousand tries, one that is slow as many as fit into three minutes.
#[expect(clippy::disallowed_methods, reason = "a test that has failed must end")]
pub fn tries() -> impl Iterator<Item = usize> {
    let start = Instant::now();
    (0..TRIES).take_while(move |_| start.elapsed() < PATIENCE)
}

/// One that listens.
struct Ear {
    subscription: Box<dyn Subscription>,
    quiet: Duration,
}

impl Ear {
    fn new(broker: &dyn BrokerUnderTest, group: &str, topics: &[&str]) -> Self {
        let topics: Vec<String> = topics.iter().map(|topic| (*topic).to_owned()).collect();
        let subscription = broker.connect().subscribe(group, &topics).expect("a group and topics that there are");
        let mut ear = Self { subscription, quiet: broker.differences().quiet };
        for _ in tries() {
            // From here on the group is known to the broker, also to one that keeps nothing for strangers.
            if ear.subscription.poll(0, ear.quiet).is_ok() {
                return ear;
            }
        }
        panic!("{group} cannot listen")
    }

    /// Polls until so many messages have come.
    fn hears(&mut self, count: usize) -> Vec<Incoming> {
        let mut heard = Vec::new();
        for _ in tries() {
            if heard.len() >= count {
                return heard;
            }
            // A broker that cannot be reached just now is asked again.
            heard.extend(self.subscription.poll(MANY, self.quiet).unwrap_or_default());
        }
        panic!("{count} messages were expected, and {} came: {:?}", heard.len(), bodies(&heard))
    }

    /// Polls until this body has come.
    fn hears_until(&mut self, body: &str) -> Vec<Incoming> {
        let mut heard = Vec::new();
        while heard.last().is_none_or(|last: &Incoming| last.message.body() != body.as_bytes()) {
            let more = self.subscription.poll(1, self.quiet).unwrap_or_default();
            assert!(heard.len() < TRIES, "{body} does not come: {:?}", bodies(&heard));
            heard.extend(more);
        }
        heard
    }

    /// Hears so many messages and acknowledges them.
    fn takes(&mut self, count: usize) -> Vec<Incoming> {
        let heard = self.hears(count);
        self.acknowledges(&heard);
        heard
    }

    fn acknowledges(&mut self, messages: &[Incoming]) {
        let positions: Vec<Position> = messages.iter().map(|message| message.position.clone()).collect();
        let taken = tries().any(|_| self.subscription.acknowledge(&positions).is_ok());
        assert!(taken, "an acknowledgement is taken in the end");
    }

    fn hears_nothing(&mut self) {
        let heard = self.subscription.poll(MANY, self.quiet).expect("the broker answers");
        assert_eq!(bodies(&heard), [""; 0], "nothing more was expected");
    }
}

/// A topic of this test.
fn topic(broker: &dyn BrokerUnderTest, name: &str) -> String {
    let topic = broker.name(name);
    broker.make_topic(&topic);
    topic
}

fn message(topic: &str, key: &str, body: &str) -> BrokerMessage {
    BrokerMessage::new(topic, body).with_key(key)
}

/// Messages of one key with these bodies.
fn messages(topic: &str, bodies: &[&str]) -> Vec<BrokerMessage> {
    bodies.iter().map(|body| message(topic, "key", body)).collect()
}

/// Publishes, and again what was not acknowledged, as the relay does.
fn publishes(broker: &mut dyn Broker, messages: &[BrokerMessage]) {
    let mut done = 0;
    for _ in tries() {
        match broker.publish(&messages[done..]) {
            Ok(()) => return,
            Err((more, _)) => {
                done += more;
                assert!(done <= messages.len(), "no more are acknowledged than were published");
            }
        }
    }
    panic!("{done} of {} messages could be published", messages.len())
}

fn bodies(messages: &[Incoming]) -> Vec<String> {
    messages.iter().map(|incoming| String::from_utf8_lossy(incoming.message.body()).into_owned()).collect()
}

/// Each body once, where it came first.
fn first_bodies(messages: &[Incoming]) -> Vec<String> {
    let mut firsts: Vec<String> = Vec::new();
    for body in bodies(messages) {
        if !firsts.contains(&body) {
            firsts.push(body);
        }
    }
    firsts
}
