//! Messages that no queue takes: refused, unless it is known that no store consumes them.

use tradewind_engine::ports::{Broker, BrokerMessage};
use tradewind_rabbitmq::{Queue, RabbitConfig, Topology};

use crate::bench::{Bench, bodies, broker, publish, receive, refusal, takes, texts};

fn typed(topic: &str, routing_key: &str, body: u32) -> BrokerMessage {
    let message = BrokerMessage::new(topic, body.to_string()).with_key("key");
    BrokerMessage { routing_key: Some(routing_key.to_owned()), ..message }
}

/// A store that was never started has its queue, and gets what its types are.
#[test]
fn the_queues_of_all_groups_are_there_and_get_their_types_alone() {
    let bench = Bench::new();
    let (topic, one, other) = (bench.name("topic"), bench.name("one"), bench.name("other"));
    let queue =
        |group: &str, key: &str| Queue { group: group.to_owned(), bindings: vec![(topic.clone(), key.to_owned())] };
    let queues = vec![queue(&one, "order.confirmed"), queue(&other, "order.*")];
    let topology = Topology { exchanges: [topic.clone()].into(), queues };
    let config = RabbitConfig { topology, ..bench.config() };
    let mut publisher = broker(&config);
    let keys = ["order.confirmed", "cart.closed", "order.shipped", "cart.closed"];
    let all: Vec<_> = keys.iter().zip(1..).map(|(key, body)| typed(&topic, key, body)).collect();
    assert_eq!(publisher.publish(&all), Ok(()), "no store consumes carts, which costs nothing");
    let subscribe = |group: &str| broker(&config).subscribe(group, std::slice::from_ref(&topic)).expect("a group");
    let (mut one, mut other) = (subscribe(&one), subscribe(&other));
    assert_eq!(bodies(&receive(&mut *one, 1)), ["1"]);
    let received = receive(&mut *other, 2);
    assert_eq!(bodies(&received), ["1", "3"]);
    assert_eq!(received[1].message.routing_key.as_deref(), Some("order.shipped"));
    let without = BrokerMessage { routing_key: None, ..all[0].clone() };
    assert!(publisher.publish(&[without]).is_err(), "its type is unknown");
}

/// Returns have no number: they are told apart by what they are, whatever confirm comes beside them.
#[test]
fn a_returned_message_is_found_among_thousands() {
    let bench = Bench::new();
    let (bound, unbound, group) = (bench.name("bound"), bench.name("unbound"), bench.name("group"));
    let mut publisher = bench.broker();
    let mut subscription = crate::bench::subscribe(&publisher, &group, &bound);
    let mut all: Vec<_> = (0..5_000).map(|body| typed(&bound, "t", body)).collect();
    for nth in [2_345, 2_346, 4_999] {
        all[nth] = typed(&unbound, "t", 7);
    }
    let (count, error) = publisher.publish(&all).expect_err("nothing is bound to one of them");
    assert_eq!(count, 2_345, "{error}");
    assert_eq!(publisher.returned(), 2, "the third is of a later window, which was not sent");
    let error = refusal(error);
    assert!(error.contains(&unbound) && error.contains("312"), "{error}");
    publish(&mut publisher, &all[2_347..4_999]);
    let mut received = takes(&mut *subscription, 1);
    while received.last().is_none_or(|last| last != "4998") {
        received.extend(takes(&mut *subscription, 1));
    }
    received.sort_by_key(|body| body.parse::<u32>().expect("a number"));
    received.dedup();
    assert_eq!(received, texts((0..2_345).chain(2_347..4_999)));
}
