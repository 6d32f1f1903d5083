//! How much waits for a subscription, for figures.

use super::{BrokerUnderTest, Ear, bodies, messages, publishes, topic, tries};

pub fn a_subscription_tells_how_much_waits(broker: &dyn BrokerUnderTest) {
    let (topic, group) = (topic(broker, "topic"), broker.name("group"));
    let mut ear = Ear::new(broker, &group, &[&topic]);
    tells(&mut ear, 0);
    publishes(&mut *broker.connect(), &messages(&topic, &["1", "2", "3"]));
    tells(&mut ear, 3);
    let mut heard = ear.hears_until("1");
    tells(&mut ear, 2);
    heard.extend(ear.hears_until("3"));
    // What is handed out waits no longer, acknowledged or not.
    tells(&mut ear, 0);
    ear.acknowledges(&heard);
    tells(&mut ear, 0);
    assert_eq!(bodies(&heard), ["1", "2", "3"]);
}

/// Asks, with polls that take nothing in between, until the answer is so.
fn tells(ear: &mut Ear, waiting: u64) {
    let mut told = None;
    for _ in tries() {
        told = ear.subscription.backlog().expect("the broker answers");
        if told == Some(waiting) {
            return;
        }
        ear.subscription.poll(0, ear.quiet).expect("the broker answers");
    }
    panic!("{waiting} wait, and it tells {told:?}")
}
