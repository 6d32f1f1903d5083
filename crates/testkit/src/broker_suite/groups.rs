//! Groups: each hears everything, and each message is for one of its members.

use super::{BrokerUnderTest, Ear, Manner, bodies, message, messages, publishes, topic, tries};

pub fn every_message_reaches_every_group(broker: &dyn BrokerUnderTest) {
    let topic = topic(broker, "topic");
    let groups = ["orders", "query", "payments"].map(|group| broker.name(group));
    let mut ears = groups.each_ref().map(|group| Ear::new(broker, group, &[&topic]));
    publishes(&mut *broker.connect(), &messages(&topic, &["1", "2", "3"]));
    for ear in &mut ears {
        assert_eq!(bodies(&ear.takes(3)), ["1", "2", "3"]);
    }
    for ear in &mut ears {
        ear.hears_nothing();
    }
}

/// How they share is the broker's business: one of them may get everything. Where a group has one owner, others may get
/// the same: the store says whose effects count.
pub fn only_one_member_of_a_group_gets_a_message(broker: &dyn BrokerUnderTest) {
    let (topic, group) = (topic(broker, "topic"), broker.name("group"));
    let mut ears = [Ear::new(broker, &group, &[&topic]), Ear::new(broker, &group, &[&topic])];
    let all: Vec<_> = (0..100).map(|nth| message(&topic, &format!("key-{}", nth % 10), &format!("{nth:02}"))).collect();
    publishes(&mut *broker.connect(), &all);
    let has_one_owner = broker.differences().include(Manner::HasOneOwner);
    let expected = if has_one_owner { all.len() * 2 } else { all.len() };
    let mut heard: Vec<String> = Vec::new();
    for turn in tries() {
        let ear = &mut ears[turn % 2];
        let some = ear.subscription.poll(7, ear.quiet).unwrap_or_default();
        ear.acknowledges(&some);
        heard.extend(bodies(&some));
        if heard.len() >= expected {
            break;
        }
    }
    for ear in &mut ears {
        ear.hears_nothing();
    }
    heard.sort();
    if has_one_owner {
        heard.dedup();
    }
    assert_eq!(heard, (0..100).map(|nth| format!("{nth:02}")).collect::<Vec<_>>());
}

pub fn what_a_member_held_that_is_gone_goes_to_another(broker: &dyn BrokerUnderTest) {
    let (topic, group) = (topic(broker, "topic"), broker.name("group"));
    let mut first = Ear::new(broker, &group, &[&topic]);
    publishes(&mut *broker.connect(), &messages(&topic, &["1", "2", "3"]));
    let heard = first.hears(3);
    first.acknowledges(&heard[..1]);
    let mut second = if broker.differences().include(Manner::HasOneOwner) {
        // Where nobody shares the group, the next owner begins after the one before it.
        drop(first);
        Ear::new(broker, &group, &[&topic])
    } else {
        let second = Ear::new(broker, &group, &[&topic]);
        drop(first);
        second
    };
    assert_eq!(bodies(&second.takes(2)), ["2", "3"]);
    second.hears_nothing();
}

pub fn a_group_hears_only_its_topics(broker: &dyn BrokerUnderTest) {
    let [one, other] = ["one", "other"].map(|name| topic(broker, name));
    let mut ear = Ear::new(broker, &broker.name("group"), &[&one]);
    let mut second = Ear::new(broker, &broker.name("second"), &[&one, &other]);
    let both = [message(&other, "key", "other"), message(&one, "key", "one")];
    publishes(&mut *broker.connect(), &both);
    assert_eq!(bodies(&ear.takes(1)), ["one"]);
    ear.hears_nothing();
    let mut heard = second.takes(2);
    heard.sort_by(|left, right| left.message.body().cmp(right.message.body()));
    assert_eq!(bodies(&heard), ["one", "other"]);
    assert_eq!(heard.iter().map(|heard| &*heard.message.topic).collect::<Vec<_>>(), [&*one, &*other]);
}
