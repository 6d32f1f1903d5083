//! An operator gives our exchanges an alternate exchange, as for messages that no queue takes.

use std::time::Duration;

use tradewind_engine::ports::Broker;

use crate::bench::{Bench, bodies, fails, messages, publish, receive, refusal, subscribe};

/// O14: with an alternate exchange a broker counts a message as routed that reaches no queue.
#[test]
fn an_alternate_exchange_without_a_queue_swallows_nothing() {
    let bench = Bench::new();
    let (topic, group, alternate) = (bench.name("topic"), bench.name("group"), bench.name("alternate"));
    let mut publisher = bench.broker();
    let mut subscription = subscribe(&publisher, &group, &topic);
    let exchange = format!(
        "rabbit_exchange:declare(rabbit_misc:r(<<\"/\">>, exchange, <<\"{alternate}\">>), fanout, true, false, false, [], \
         <<>>)."
    );
    bench.ctl(&["eval", &exchange]);
    let (pattern, definition) = (format!("^{topic}$"), format!("{{\"alternate-exchange\":\"{alternate}\"}}"));
    bench.ctl(&["set_policy", "--apply-to", "exchanges", &alternate, &pattern, &definition]);
    let exchanges = bench.ctl(&["list_exchanges", "name", "policy"]);
    let policed = exchanges.lines().any(|line| line.contains(&topic) && line.contains(&alternate));
    assert!(policed, "{exchanges}");
    publish(&mut publisher, &messages(&topic, [1]));
    assert_eq!(bodies(&receive(&mut *subscription, 1)), ["1"]);
    bench.ctl(&["delete_queue", &group]);
    for _ in 0..2 {
        let (count, error) = publisher.publish(&messages(&topic, [2])).expect_err("no queue takes it");
        assert!(count == 0 && refusal(error.clone()).contains(&topic), "{count}: {error}");
    }
    fails(&mut *subscription, 1);
    assert!(subscription.poll(0, Duration::ZERO).is_ok(), "the queue is declared again");
    publish(&mut publisher, &messages(&topic, [2]));
    assert_eq!(bodies(&receive(&mut *subscription, 1)), ["2"]);
    bench.ctl(&["clear_policy", &alternate]);
}
