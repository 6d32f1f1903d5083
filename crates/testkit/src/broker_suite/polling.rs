//! Polling: as much as may come, as soon as it comes, and from where.

use std::{sync::mpsc, thread, time::Duration};

use super::{BrokerUnderTest, Ear, MANY, Manner, TRIES, bodies, first_bodies, messages, publishes, topic, tries};

/// A test that waits longer than this has failed.
const PATIENCE: Duration = Duration::from_secs(20);

pub fn a_subscription_may_come_before_the_messages(broker: &dyn BrokerUnderTest) {
    let (topic, group) = (topic(broker, "topic"), broker.name("group"));
    let mut ear = Ear::new(broker, &group, &[&topic]);
    ear.hears_nothing();
    publishes(&mut *broker.connect(), &messages(&topic, &["1"]));
    assert_eq!(bodies(&ear.hears(1)), ["1"]);
}

pub fn a_new_group_hears_the_past_where_it_is_kept(broker: &dyn BrokerUnderTest) {
    let topic = topic(broker, "topic");
    // Somebody listens, so that every broker takes it.
    let mut first = Ear::new(broker, &broker.name("first"), &[&topic]);
    publishes(&mut *broker.connect(), &messages(&topic, &["1", "2"]));
    assert_eq!(bodies(&first.takes(2)), ["1", "2"]);
    let group = broker.name("second");
    drop(Ear::new(broker, &group, &[&topic]));
    publishes(&mut *broker.connect(), &messages(&topic, &["3"]));
    let heard = first_bodies(&Ear::new(broker, &group, &[&topic]).hears_until("3"));
    let expected: &[&str] = if broker.differences().include(Manner::HearsThePast) { &["1", "2", "3"] } else { &["3"] };
    assert_eq!(heard, expected, "also what came while it was away");
}

pub fn a_poll_that_waits_returns_as_soon_as_something_comes(broker: &dyn BrokerUnderTest) {
    let (topic, group) = (topic(broker, "topic"), broker.name("group"));
    let mut ear = Ear::new(broker, &group, &[&topic]);
    ear.hears_nothing();
    let (tell, told) = mpsc::channel();
    let polling = thread::spawn(move || {
        for _ in 0..3 {
            let heard = ear.subscription.poll(MANY, PATIENCE * 100).expect("the broker answers");
            tell.send(bodies(&heard)).expect("the test listens");
            ear.acknowledges(&heard);
        }
        // Nothing is there now, and it does not wait for it.
        tell.send(bodies(&ear.subscription.poll(MANY, Duration::ZERO).expect("the broker answers")))
            .expect("it listens");
    });
    let mut publisher = broker.connect();
    for body in ["1", "2", "3"] {
        publishes(&mut *publisher, &messages(&topic, &[body]));
        assert_eq!(told.recv_timeout(PATIENCE).as_deref(), Ok(&[body.to_owned()][..]));
    }
    assert_eq!(told.recv_timeout(PATIENCE), Ok(Vec::new()));
    polling.join().expect("it saw nothing wrong");
}

pub fn a_poll_takes_no_more_than_it_may(broker: &dyn BrokerUnderTest) {
    let (topic, group) = (topic(broker, "topic"), broker.name("group"));
    let mut ear = Ear::new(broker, &group, &[&topic]);
    let all: Vec<String> = (100..150).map(|nth| nth.to_string()).collect();
    publishes(&mut *broker.connect(), &messages(&topic, &all.iter().map(String::as_str).collect::<Vec<_>>()));
    let mut heard = Vec::new();
    for max in (0..4).cycle().take(TRIES) {
        let some = ear.subscription.poll(max, ear.quiet).expect("the broker answers");
        assert!(some.len() <= max, "{} of at most {max}", some.len());
        heard.extend(bodies(&some));
        if heard.len() >= all.len() {
            break;
        }
    }
    assert_eq!(heard, all);
}

pub fn a_subscription_says_when_it_has_caught_up(broker: &dyn BrokerUnderTest) {
    let (topic, group) = (topic(broker, "topic"), broker.name("group"));
    let mut ear = Ear::new(broker, &group, &[&topic]);
    assert!(catches_up(&mut ear), "nothing was there");
    drop(ear);
    let mut publisher = broker.connect();
    publishes(&mut *publisher, &messages(&topic, &["1", "2", "3"]));
    let topics = std::slice::from_ref(&topic);
    let subscription = broker.connect().subscribe(&group, topics).expect("a group and a topic that there are");
    let mut ear = Ear { subscription, quiet: broker.differences().quiet };
    assert_ne!(ear.subscription.caught_up(), Ok(true), "nothing was handed out yet");
    let mut heard = Vec::new();
    while heard.len() < 3 {
        assert_ne!(ear.subscription.caught_up(), Ok(true), "{} of three were handed out", heard.len());
        heard.extend(ear.subscription.poll(1, ear.quiet).expect("the broker answers"));
    }
    assert!(catches_up(&mut ear), "all was handed out, acknowledged or not");
    publishes(&mut *publisher, &messages(&topic, &["4"]));
    assert_eq!(ear.subscription.caught_up(), Ok(true), "what comes later was not there when it began");
}

pub fn a_subscription_that_was_cut_off_has_to_catch_up_again(broker: &dyn BrokerUnderTest) {
    let (topic, group) = (topic(broker, "topic"), broker.name("group"));
    let mut ear = Ear::new(broker, &group, &[&topic]);
    assert!(catches_up(&mut ear), "nothing was there");
    publishes(&mut *broker.connect(), &messages(&topic, &["1", "2", "3"]));
    broker.cut();
    for _ in tries() {
        // It connects, and takes nothing.
        if ear.subscription.poll(0, ear.quiet).is_ok() {
            break;
        }
    }
    assert_ne!(ear.subscription.caught_up(), Ok(true), "three were there when it connected");
    ear.hears(3);
    assert!(catches_up(&mut ear));
}

/// A broker may have to assign something first.
fn catches_up(ear: &mut Ear) -> bool {
    tries().any(|_| {
        let seen_to = ear.subscription.poll(0, ear.quiet);
        seen_to.is_ok() && ear.subscription.caught_up() == Ok(true)
    })
}

pub fn the_retention_can_be_asked_for(broker: &dyn BrokerUnderTest) {
    let topic = topic(broker, "topic");
    let retention = broker.connect().retention(&[topic]).expect("the broker answers");
    assert!(retention.is_none_or(|kept| !kept.is_zero()), "what is kept for no time is not kept");
}
