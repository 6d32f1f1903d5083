//! The subscriber by hand: with a broker in memory, and a clock that is moved by hand.

use std::{sync::Arc, time::Duration};

use tradewind_engine::{
    Admission, Limits, Message, Receipt, Received, Subscriber, SubscriberSetup, SubscriberStep,
    ports::{Broker, BrokerMessage, Subscription},
};
use tradewind_events::id;
use tradewind_testkit::{BrokerFaults, BrokerKind, MemoryBroker};

use crate::toy::{self, Happened};

/// A subscriber with its subscription. What it receives waits to be committed.
struct Bench {
    broker: MemoryBroker,
    subscription: Option<Box<dyn Subscription>>,
    subscriber: Subscriber,
    now: Duration,
    admission: Admission,
    received: Vec<Message>,
    /// The bounds of the polls, and how many acknowledgements were tried.
    polls: Vec<usize>,
    acknowledgements: usize,
    caught_up: usize,
    /// When it has last polled in vain: the time, and what had happened until then.
    polled_in_vain: Option<(Duration, usize, usize)>,
    events: usize,
}

impl Bench {
    fn new(limits: Limits) -> Self {
        let broker = MemoryBroker::of(BrokerKind::Log);
        let subscription = broker.subscribe("m", &["test.far".to_owned()]).expect("the broker is there");
        let setup = SubscriberSetup { number: 0, registry: toy::registry(), limits, observer: Arc::new(()) };
        Self {
            broker,
            subscription: Some(subscription),
            subscriber: Subscriber::new(setup),
            now: Duration::ZERO,
            admission: Admission { takes: true, resumes: 0 },
            received: Vec::new(),
            polls: Vec::new(),
            acknowledgements: 0,
            caught_up: 0,
            polled_in_vain: None,
            events: 0,
        }
    }

    fn faults(&self, faults: BrokerFaults) {
        self.broker.set_faults(faults);
    }

    /// Events of this many bytes are published by another store.
    fn publish(&mut self, events: usize, bytes: usize) {
        for _ in 0..events {
            self.events += 1;
            let happened = Happened { name: id(&format!("e{}", self.events)), after: None };
            let mut body = toy::stage().envelope(&format!("far-{}", self.events), happened).to_json().expect("JSON");
            body.resize(body.len().max(bytes), b' ');
            self.broker.inject(BrokerMessage::new("test.far", body).with_key("k"));
        }
    }

    /// Does the next step; `None` when that is to wait, or the subscription has ended.
    fn step(&mut self) -> Option<()> {
        let subscription = self.subscription.as_mut()?;
        match self.subscriber.next(self.now, self.admission) {
            SubscriberStep::Acknowledge => {
                self.acknowledgements += 1;
                let answer = subscription.acknowledge(self.subscriber.committed());
                self.subscriber.acknowledged(answer, self.now);
            }
            SubscriberStep::Release => {
                self.polled_in_vain = None;
                let messages = self.subscriber.release(self.now);
                self.received.extend(messages);
            }
            SubscriberStep::Poll { max, .. } => {
                self.polls.push(max);
                let messages = subscription.poll(max, Duration::ZERO);
                let came = messages.as_ref().map_or(0, Vec::len);
                self.received.extend(self.subscriber.polled(messages, self.now));
                // It would poll for ever.
                let polled_at = (self.now, self.acknowledgements, self.caught_up);
                if came == 0 && self.polled_in_vain.replace(polled_at) == Some(polled_at) {
                    return None;
                }
            }
            SubscriberStep::AskCaughtUp => {
                let answer = subscription.caught_up();
                self.caught_up += usize::from(self.subscriber.caught_up(answer, self.now));
            }
            SubscriberStep::Wait { .. } => return None,
            SubscriberStep::Leave => self.subscription = None,
        }
        Some(())
    }

    fn runs(&mut self) {
        while self.step().is_some() {}
    }

    /// So many of the messages that were received first are committed.
    fn commits(&mut self, messages: usize) {
        let receipts: Vec<Receipt> = self.received.drain(..messages).filter_map(receipt).collect();
        assert_eq!(receipts.len(), messages);
        self.subscriber.commit(receipts);
    }

    fn passes(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }
}

fn receipt(message: Message) -> Option<Receipt> {
    match message {
        Message::Received(Received { receipt, .. }) => receipt,
        Message::Undecodable(undecodable) => Some(undecodable.receipt()),
        _ => None,
    }
}

#[test]
fn what_is_committed_is_acknowledged_and_nothing_else() {
    let mut bench = Bench::new(Limits::default());
    bench.publish(5, 0);
    bench.runs();
    assert_eq!((bench.received.len(), bench.broker.owed("m"), bench.acknowledgements), (5, 5, 0));
    bench.commits(3);
    bench.runs();
    assert_eq!((bench.broker.owed("m"), bench.subscriber.committed()), (2, &[][..]));
}

#[test]
fn a_failed_acknowledgement_does_not_stop_polling() {
    let mut bench = Bench::new(Limits::default());
    bench.publish(1, 0);
    bench.runs();
    bench.commits(1);
    bench.faults(BrokerFaults { acknowledging_fails: true, ..BrokerFaults::default() });
    bench.publish(1, 0);
    bench.runs();
    assert_eq!((bench.acknowledgements, bench.received.len()), (1, 1), "the next event has come all the same");
    for nth in 2..6 {
        let polls = bench.polls.len();
        bench.passes(10);
        bench.runs();
        assert_eq!(bench.acknowledgements, nth, "it tries again after a while");
        assert!(bench.polls.len() > polls, "and polls in between");
    }
    bench.faults(BrokerFaults::default());
    bench.passes(10);
    bench.runs();
    assert_eq!(bench.broker.owed("m"), 1);
}

#[test]
fn events_that_cannot_be_acknowledged_are_bounded_and_polling_goes_on() {
    let limits = Limits { intake_max: 40, ..Limits::default() };
    let mut bench = Bench::new(limits);
    bench.faults(BrokerFaults { acknowledging_fails: true, ..BrokerFaults::default() });
    bench.publish(100, 0);
    for _ in 0..20 {
        bench.runs();
        bench.commits(bench.received.len());
        bench.passes(10);
    }
    assert_eq!(bench.subscriber.committed().len(), 10);
    assert_eq!(bench.polls.last(), Some(&0));
    bench.faults(BrokerFaults::default());
    for _ in 0..20 {
        bench.passes(10);
        bench.runs();
        bench.commits(bench.received.len());
    }
    assert_eq!(bench.broker.owed("m"), 0);
}

#[test]
fn a_subscriber_takes_its_share_of_messages_and_no_more() {
    let limits = Limits { intake_max: 400, ..Limits::default() };
    let mut bench = Bench::new(limits);
    bench.publish(1_000, 0);
    bench.runs();
    assert_eq!(bench.received.len(), 100);
    assert_eq!(bench.polls.last(), Some(&0), "it stays a member");
    let polls = bench.polls.len();
    bench.runs();
    assert_eq!(bench.polls.len(), polls, "and does not spin");
    bench.commits(30);
    bench.runs();
    assert_eq!(bench.received.len(), 100);
}

#[test]
fn large_messages_are_bounded_by_their_bytes() {
    let mut bench = Bench::new(Limits::default());
    bench.publish(200, 512 * 1024 - "test.far".len() - "k".len());
    let mut most = 0;
    while bench.broker.owed("m") > 0 {
        bench.runs();
        most = most.max(bench.subscriber.uncommitted().1);
        assert_eq!(bench.subscriber.uncommitted().0, bench.received.len());
        bench.commits(1);
        bench.runs();
    }
    assert_eq!(most, 8 * 1_024 * 1_024);
}

#[test]
fn messages_that_are_suddenly_larger_exceed_the_bound_once() {
    let mut bench = Bench::new(Limits::default());
    bench.publish(600, 0);
    bench.runs();
    bench.commits(600);
    bench.publish(300, 512 * 1_024);
    bench.runs();
    // It has expected 64 KiB a message.
    assert_eq!((bench.received.len(), bench.polls.last()), (128, Some(&0)));
    bench.commits(120);
    bench.runs();
    assert_eq!(bench.received.len(), 16);
}

#[test]
fn a_full_engine_takes_nothing_and_stays_a_member() {
    let mut bench = Bench::new(Limits::default());
    bench.publish(3, 0);
    bench.admission.takes = false;
    bench.runs();
    assert_eq!((bench.received.len(), &*bench.polls), (0, &[0][..]));
    bench.passes(1);
    bench.admission.takes = true;
    bench.runs();
    assert_eq!(bench.received.len(), 3);
}

#[test]
fn after_a_failed_poll_it_waits_and_polls_again() {
    let mut bench = Bench::new(Limits::default());
    bench.faults(BrokerFaults { down: true, ..BrokerFaults::default() });
    bench.publish(1, 0);
    bench.runs();
    bench.runs();
    assert_eq!(bench.polls.len(), 1);
    bench.faults(BrokerFaults::default());
    bench.passes(1);
    bench.runs();
    assert_eq!(bench.received.len(), 1);
}

#[test]
fn it_tells_once_that_it_has_caught_up() {
    let mut bench = Bench::new(Limits { intake_max: 8, ..Limits::default() });
    bench.publish(3, 0);
    bench.runs();
    assert_eq!((bench.received.len(), bench.caught_up), (2, 1), "the past ended before it joined");
    bench.commits(2);
    bench.runs();
    assert_eq!(bench.caught_up, 1);
}

#[test]
fn after_a_lost_connection_it_may_have_fallen_behind_and_tells_once_more_that_it_has_caught_up() {
    let mut bench = Bench::new(Limits::default());
    bench.runs();
    assert!(bench.subscriber.fell_behind(), "it has connected");
    assert!(!bench.subscriber.fell_behind() && bench.caught_up == 1);
    bench.faults(BrokerFaults { down: true, ..BrokerFaults::default() });
    bench.passes(1);
    bench.runs();
    assert!(!bench.subscriber.fell_behind(), "it has not connected again");
    bench.faults(BrokerFaults::default());
    bench.broker.disconnect("m");
    bench.publish(3, 0);
    bench.passes(10);
    bench.runs();
    assert!(bench.subscriber.fell_behind() && !bench.subscriber.fell_behind());
    assert_eq!((bench.received.len(), bench.caught_up, bench.subscriber.is_catching_up()), (3, 2, false));
}

#[test]
fn a_stop_takes_nothing_more_and_acknowledges_the_last_receipts_before_it_leaves() {
    let mut bench = Bench::new(Limits::default());
    bench.publish(5, 0);
    bench.runs();
    bench.subscriber.stop();
    bench.publish(5, 0);
    bench.passes(1);
    bench.runs();
    assert_eq!(bench.received.len(), 5);
    bench.commits(4);
    bench.subscriber.leave(bench.now);
    bench.runs();
    assert!(bench.subscription.is_none());
    assert_eq!(bench.broker.owed("m"), 6);
}

#[test]
fn a_stop_does_not_wait_for_ever_for_a_broker_that_takes_no_acknowledgement() {
    let limits = Limits { broker_stop_wait: Duration::from_secs(2), ..Limits::default() };
    let mut bench = Bench::new(limits);
    bench.publish(1, 0);
    bench.runs();
    bench.commits(1);
    bench.faults(BrokerFaults { acknowledging_fails: true, ..BrokerFaults::default() });
    bench.runs();
    bench.subscriber.stop();
    bench.subscriber.leave(bench.now);
    for _ in 0..19 {
        bench.now += Duration::from_millis(100);
        bench.runs();
        assert!(bench.subscription.is_some());
    }
    assert!(bench.acknowledgements >= 3, "{} tries", bench.acknowledgements);
    bench.now += Duration::from_millis(100);
    bench.runs();
    assert!(bench.subscription.is_none());
}

#[test]
fn bytes_that_nobody_understands_go_on_as_they_came() {
    let mut bench = Bench::new(Limits::default());
    let body = b"{ not json".to_vec();
    bench.broker.inject(BrokerMessage::new("test.far", body.clone()).with_key("k"));
    bench.runs();
    assert!(matches!(&*bench.received, [Message::Undecodable(kept)] if kept.incoming.message.body() == body));
    bench.commits(1);
    bench.runs();
    assert_eq!((bench.broker.owed("m"), bench.subscriber.uncommitted()), (0, (0, 0)));
}

/// What is received in the tests of the brake.
fn kinds(bench: &Bench) -> Vec<&'static str> {
    let kind = |message: &Message| match message {
        Message::Received(_) => "event",
        Message::Undecodable(_) => "undecodable",
        Message::Command(_) => "pause",
        _ => "?",
    };
    bench.received.iter().map(kind).collect()
}

fn unknown(version: u16, name: &str) -> BrokerMessage {
    let happened = Happened { name: id("e"), after: None };
    let body = String::from_utf8(toy::stage().envelope("far-x", happened).to_json().expect("JSON")).expect("JSON");
    let body = body.replace("far.happened", name).replace("\"dataversion\":1", &format!("\"dataversion\":{version}"));
    BrokerMessage::new("test.far", body).with_key("k")
}

#[test]
fn too_many_undecodable_messages_pause_the_subscription_and_the_rest_stays_at_the_broker() {
    let mut bench = Bench::new(Limits { dead_letters_a_minute_max: 3, ..Limits::default() });
    bench.publish(1, 0);
    for nth in 0..20 {
        bench.broker.inject(BrokerMessage::new("test.far", format!("{{ no JSON {nth}")).with_key("k"));
    }
    bench.publish(1, 0);
    bench.runs();
    // The one that exceeds the bound, and none after it.
    assert_eq!(kinds(&bench), ["event", "undecodable", "undecodable", "undecodable", "undecodable", "pause"]);
    bench.received.truncate(5);
    bench.commits(5);
    bench.publish(3, 0);
    bench.runs();
    bench.passes(600);
    bench.runs();
    assert_eq!((kinds(&bench), bench.broker.owed("m")), (vec![], 20));
    // Each resumption gets so many more through; no time but that of the minute counts.
    for _ in 0..4 {
        bench.admission.resumes += 1;
        bench.runs();
        let taken = kinds(&bench).len();
        assert_eq!(kinds(&bench), ["undecodable", "undecodable", "undecodable", "undecodable", "pause"]);
        bench.received.truncate(taken - 1);
        bench.commits(taken - 1);
        bench.runs();
    }
    bench.admission.resumes += 1;
    bench.runs();
    assert_eq!(kinds(&bench), ["event"; 4]);
    bench.commits(4);
    bench.runs();
    assert_eq!(bench.broker.owed("m"), 0);
}

#[test]
fn few_undecodable_messages_a_minute_pause_nothing() {
    let mut bench = Bench::new(Limits { dead_letters_a_minute_max: 3, ..Limits::default() });
    for nth in 0..30 {
        bench.broker.inject(BrokerMessage::new("test.far", format!("{{ no JSON {nth}")).with_key("k"));
        bench.passes(20);
        bench.runs();
    }
    assert_eq!(kinds(&bench), ["undecodable"; 30]);
}

#[test]
fn an_event_that_this_build_does_not_know_waits_at_the_broker_until_an_operator_gives_it_up() {
    for (version, name) in [(2, "far.happened"), (1, "far.changed")] {
        let mut bench = Bench::new(Limits::default());
        bench.publish(2, 0);
        bench.broker.inject(unknown(version, name));
        bench.publish(1, 0);
        bench.broker.inject(unknown(version, name));
        bench.runs();
        assert_eq!(kinds(&bench), ["event", "event", "pause"], "{name} {version}");
        bench.received.truncate(2);
        bench.commits(2);
        bench.runs();
        assert_eq!(bench.broker.owed("m"), 3, "a build that knows it gets all of them");
        // The same kind goes through from then on, another does not.
        bench.admission.resumes += 1;
        bench.broker.inject(unknown(version + 5, name));
        bench.broker.inject(unknown(1, "far.other"));
        bench.runs();
        let expected: &[&str] = if version == 2 {
            &["undecodable", "event", "undecodable", "pause"]
        } else {
            &["undecodable", "event", "undecodable", "undecodable", "pause"]
        };
        assert_eq!(kinds(&bench), expected, "{name} {version}");
    }
}
