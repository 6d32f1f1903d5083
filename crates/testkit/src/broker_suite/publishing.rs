//! Publishing: at least once and in order, whatever fails in between.

use tradewind_engine::ports::BrokerError;

use super::{BrokerUnderTest, Ear, Manner, bodies, first_bodies, messages, publishes, topic};

pub fn publishing_nothing_is_no_error(broker: &dyn BrokerUnderTest) {
    assert_eq!(broker.connect().publish(&[]), Ok(()));
}

pub fn what_could_not_be_published_is_published_again_in_order(broker: &dyn BrokerUnderTest) {
    let (topic, group) = (topic(broker, "topic"), broker.name("group"));
    let mut ear = Ear::new(broker, &group, &[&topic]);
    let mut publisher = broker.connect();
    publishes(&mut *publisher, &messages(&topic, &["1", "2"]));
    broker.set_reachable(false);
    let next = messages(&topic, &["3", "4", "5"]);
    for _ in 0..2 {
        let failed = publisher.publish(&next);
        assert!(matches!(failed, Err((0, BrokerError::Unavailable(_)))), "nobody was there to take it: {failed:?}");
    }
    broker.set_reachable(true);
    publishes(&mut *publisher, &next);
    publishes(&mut *publisher, &messages(&topic, &["6"]));
    assert_eq!(first_bodies(&ear.hears_until("6")), ["1", "2", "3", "4", "5", "6"]);
}

pub fn publishing_goes_on_after_a_lost_connection(broker: &dyn BrokerUnderTest) {
    let (topic, group) = (topic(broker, "topic"), broker.name("group"));
    let mut ear = Ear::new(broker, &group, &[&topic]);
    let mut publisher = broker.connect();
    let all: Vec<String> = (10..40).map(|nth| nth.to_string()).collect();
    for three in all.chunks(3) {
        let three: Vec<&str> = three.iter().map(String::as_str).collect();
        publishes(&mut *publisher, &messages(&topic, &three));
        broker.cut();
    }
    publishes(&mut *publisher, &messages(&topic, &["end"]));
    let mut heard = first_bodies(&ear.hears_until("end"));
    assert_eq!(heard.pop().as_deref(), Some("end"));
    assert_eq!(heard, all);
}

pub fn a_refused_message_is_counted_up_to(broker: &dyn BrokerUnderTest) {
    let (topic, group) = (topic(broker, "topic"), broker.name("group"));
    let mut ear = Ear::new(broker, &group, &[&topic]);
    let mut publisher = broker.connect();
    let mut all = messages(&topic, &["1", "2", "3"]);
    all.insert(2, broker.refused());
    let refused = all[2].clone();
    for _ in 0..2 {
        let place = all.iter().position(|message| *message == refused).expect("it is still there");
        match publisher.publish(&all) {
            Err((known, BrokerError::Refused(_))) => {
                assert!(known <= place, "{known} are acknowledged of which {place} can be");
                all.drain(..known);
            }
            other => panic!("a refusal was expected, not {other:?}"),
        }
    }
    all.retain(|message| *message != refused);
    publishes(&mut *publisher, &all);
    publishes(&mut *publisher, &messages(&topic, &["4"]));
    assert_eq!(first_bodies(&ear.hears_until("4")), ["1", "2", "3", "4"]);
}

pub fn a_message_that_nobody_would_hear_is_kept_or_refused(broker: &dyn BrokerUnderTest) {
    let topic = topic(broker, "topic");
    let mut publisher = broker.connect();
    let outcome = publisher.publish(&messages(&topic, &["1"]));
    if broker.differences().include(Manner::RefusesTheUnheard) {
        assert!(matches!(outcome, Err((0, BrokerError::Refused(_)))), "it would be lost: {outcome:?}");
    } else {
        assert_eq!(outcome, Ok(()));
    }
    let mut ear = Ear::new(broker, &broker.name("group"), &[&topic]);
    publishes(&mut *publisher, &messages(&topic, &["2"]));
    let heard = bodies(&ear.hears_until("2"));
    assert!(heard == ["2"] || heard == ["1", "2"], "{heard:?}");
}
