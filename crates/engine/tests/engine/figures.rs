//! What the engine tells an observer of the delivery between stores.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use tradewind_engine::{
    Core, Direction, EngineTime, Limits, Message, Observer, Receipt, Received, Relay, RelayBuffer, RelaySetup,
    RelayStep, Routing, Setup, Subscriber, SubscriberSetup,
    ports::{Broker, BrokerError, BrokerMessage, Position, Reader},
};
use tradewind_events::{KeyText, id};
use tradewind_testkit::{BrokerFaults, BrokerKind, CountedIds, ManualClock, MemoryBroker, MemoryStore, Stage};

use crate::toy::{self, Happened, add};

/// Sums by name.
#[derive(Default)]
struct Sums(Mutex<BTreeMap<&'static str, u64>>);

impl Sums {
    fn add(&self, broker: &KeyText, name: &'static str, more: u64) {
        assert_eq!(broker.as_str(), "broker");
        *self.0.lock().expect("no thread has panicked").entry(name).or_default() += more;
    }

    fn of(&self, name: &str) -> u64 {
        self.0.lock().expect("no thread has panicked").get(name).copied().unwrap_or(0)
    }
}

impl Observer for Sums {
    fn published(&self, broker: &KeyText, events: usize) {
        self.add(broker, "published", events as u64);
    }

    fn received(&self, broker: &KeyText, messages: usize) {
        self.add(broker, "received", messages as u64);
    }

    fn duplicates(&self, broker: &KeyText, messages: usize) {
        self.add(broker, "duplicates", messages as u64);
    }

    fn refused(&self, broker: &KeyText) {
        self.add(broker, "refused", 1);
    }

    fn returned(&self, broker: &KeyText, messages: u64) {
        self.add(broker, "returned", messages);
    }

    fn reconnected(&self, broker: &KeyText, direction: Direction) {
        self.add(broker, if direction == Direction::Publish { "publishes again" } else { "receives again" }, 1);
    }

    fn broker_failed(&self, broker: &KeyText, _: &BrokerError) {
        self.add(broker, "failed", 1);
    }
}

/// A relay over the log of a store that has emitted one event.
fn relay(broker: &MemoryBroker, sums: &Arc<Sums>) -> (Relay, RelayBuffer, Stage) {
    let mut stage = Stage::with([toy::tally()], toy::registry(), Limits::default());
    stage.ask(add("a", 1)).expect("it can be done");
    let limits = Limits::default();
    let setup = RelaySetup {
        store_name: "stage".into(),
        broker: KeyText::literal("broker"),
        routing: Routing::by_source("test"),
        limits: (&limits).into(),
        observer: Arc::clone(sums) as Arc<dyn Observer>,
    };
    let mut relay = Relay::new(setup, stage.store()).expect("the store in memory can be read");
    relay.returned(broker.returned());
    (relay, RelayBuffer::new(1, limits.relay_bytes_max), stage)
}

/// Lets the relay do what it can at this time.
fn runs((relay, buffer, stage): &mut (Relay, RelayBuffer, Stage), broker: &mut MemoryBroker, now: Duration) {
    loop {
        relay.take(buffer);
        match relay.next(now) {
            RelayStep::Publish => {
                let answer = broker.publish(relay.call());
                relay.published(answer, now);
                relay.returned(broker.returned());
            }
            RelayStep::Read { from, segments_max } => relay.read(stage.store().segments(from, segments_max), now),
            RelayStep::SaveMark { .. } | RelayStep::Republished { .. } => {}
            RelayStep::Wait { .. } | RelayStep::Ended => return,
        }
    }
}

#[test]
fn an_event_that_is_returned_counts_each_time_and_is_refused_once() {
    let (mut broker, sums) = (MemoryBroker::of(BrokerKind::Queues), Arc::new(Sums::default()));
    // What was returned before the relay has begun is none of its business.
    broker.publish(&[BrokerMessage::new("test.tally", "{}")]).unwrap_err();
    let mut running = relay(&broker, &sums);
    for second in 0..3 {
        runs(&mut running, &mut broker, Duration::from_secs(60 * second));
    }
    assert_eq!((sums.of("returned"), sums.of("refused"), sums.of("failed")), (3, 1, 3));
    assert_eq!((sums.of("published"), sums.of("publishes again")), (0, 0));
    let _queue = broker.subscribe("group", &["test.tally".to_owned()]).unwrap();
    runs(&mut running, &mut broker, Duration::from_mins(10));
    assert_eq!((sums.of("published"), sums.of("returned")), (1, 3));
}

#[test]
fn a_broker_that_was_down_counts_as_one_reconnect_however_often_it_was_tried() {
    let (mut broker, sums) = (MemoryBroker::new(), Arc::new(Sums::default()));
    let mut running = relay(&broker, &sums);
    broker.set_faults(BrokerFaults { down: true, ..BrokerFaults::default() });
    for minute in 0..3 {
        runs(&mut running, &mut broker, Duration::from_mins(minute));
    }
    assert_eq!((sums.of("failed"), sums.of("publishes again")), (3, 0));
    broker.set_faults(BrokerFaults::default());
    runs(&mut running, &mut broker, Duration::from_mins(10));
    assert_eq!((sums.of("publishes again"), sums.of("published")), (1, 1));
}

#[test]
fn a_subscription_that_polls_again_counts_as_one_reconnect() {
    let sums = Arc::new(Sums::default());
    let mut subscriber = Subscriber::new(SubscriberSetup {
        number: 0,
        broker: KeyText::literal("broker"),
        registry: toy::registry(),
        limits: (&Limits::default()).into(),
        observer: Arc::clone(&sums) as Arc<dyn Observer>,
    });
    for _ in 0..3 {
        subscriber.polled(Err(BrokerError::Unavailable("down".to_owned())), Duration::ZERO);
    }
    assert_eq!((sums.of("failed"), sums.of("receives again")), (3, 0));
    for _ in 0..3 {
        subscriber.polled(Ok(Vec::new()), Duration::ZERO);
    }
    assert_eq!((sums.of("receives again"), sums.of("received")), (1, 0));
}

#[test]
fn a_duplicate_counts_when_its_commit_is_durable() {
    let (store, sums) = (MemoryStore::new(), Arc::new(Sums::default()));
    let (epoch, mut writer) = store.own();
    let mut core = Core::new(Setup {
        store_name: "t".into(),
        epoch,
        services: toy::services().into(),
        registry: toy::registry(),
        reader: Arc::new(store),
        clock: EngineTime::new(Arc::new(ManualClock::default())),
        ids: Box::new(CountedIds::new("id")),
        limits: Limits::default(),
        observer: Arc::clone(&sums) as Arc<dyn Observer>,
        log_remote: false,
    })
    .unwrap();
    for (nth, expected) in [0, 1, 2].into_iter().enumerate() {
        let envelope = toy::stage().envelope("far-1-1", Happened { name: id("x"), after: None });
        let receipt = Some(Receipt { subscription: 0, position: Position(nth.to_string()), bytes: 1 });
        core.accept(Message::Received(Received { envelope: Arc::new(envelope), receipt }));
        match core.form().unwrap() {
            tradewind_engine::Formed::Batch(sealed) => {
                sealed.write(&mut writer).unwrap();
                assert_eq!(core.committed().len(), 1);
            }
            tradewind_engine::Formed::Unchanged => assert_eq!(core.settled().len(), 1),
            tradewind_engine::Formed::Nothing => unreachable!("a message waits"),
        }
        assert_eq!(sums.of("duplicates"), expected);
    }
}
