//! What the server does not allow: the error names the object and what to do.

use tradewind_engine::ports::Broker;
use tradewind_rabbitmq::{Password, Queue, RabbitConfig, Topology};

use crate::bench::{Bench, broker, fails, messages, receive, refusal, subscribe};

fn refused(config: &RabbitConfig, group: &str, topic: &str) -> String {
    let mut subscription = broker(config).subscribe(group, &[topic.to_owned()]).expect("a group and a topic");
    refusal(subscription.poll(1, std::time::Duration::ZERO).expect_err("a refusal"))
}

#[test]
fn a_queue_with_other_arguments_is_named() {
    let bench = Bench::new();
    let (group, topic) = (bench.name("group"), bench.name("topic"));
    bench.ctl(&[
        "eval",
        &format!(
            "rabbit_amqqueue:declare(rabbit_misc:r(<<\"/\">>, queue, <<\"{group}\">>), true, false, [], none, <<>>)."
        ),
    ]);
    for _ in 0..2 {
        let error = refused(&bench.config(), &group, &topic);
        assert!(error.contains(&group) && error.contains("inequivalent arg") && error.contains("delete it"), "{error}");
    }
    // As a part of the topology it holds up the publisher, which says the same.
    let queues = vec![Queue { group: group.clone(), bindings: Vec::new() }];
    let topology = Topology { queues, ..Topology::default() };
    let mut publisher = broker(&RabbitConfig { topology, ..bench.config() });
    let (count, error) = publisher.publish(&messages(&topic, [1])).expect_err("a queue with other arguments");
    assert!(count == 0 && error.to_string().contains(&group), "{count}: {error}");
}

#[test]
fn an_exchange_with_other_settings_is_named() {
    let bench = Bench::new();
    let topic = bench.name("topic");
    bench.ctl(&[
        "eval",
        &format!(
            "rabbit_exchange:declare(rabbit_misc:r(<<\"/\">>, exchange, <<\"{topic}\">>), fanout, true, false, false, [], \
             <<>>)."
        ),
    ]);
    let error = refused(&bench.config(), &bench.name("group"), &topic);
    assert!(error.contains(&topic) && error.contains("'topic'"), "{error}");
    let (count, error) = bench.broker().publish(&messages(&topic, [1])).expect_err("an exchange of another type");
    assert!(count == 0 && refusal(error.clone()).contains(&topic), "{count}: {error}");
}

#[test]
fn a_user_that_may_not_is_named_and_may_later() {
    let bench = Bench::new();
    let (user, group, topic) = (bench.name("user"), bench.name("group"), bench.name("topic"));
    let config = |password: &str, vhost: &str| RabbitConfig {
        user: user.clone(),
        password: Password::new(password),
        vhost: vhost.to_owned(),
        ..bench.config()
    };
    bench.ctl(&["add_user", &user, "secret-1"]);
    let error = refused(&config("secret-2", "/"), &group, &topic);
    assert!(error.contains(&user) && error.contains("password") && !error.contains("secret"), "{error}");
    let error = refused(&config("secret-1", "nowhere"), &group, &topic);
    assert!(error.contains("nowhere"), "{error}");
    let error = refused(&config("secret-1", "/"), &group, &topic);
    assert!(error.contains(&user) && error.contains("set_permissions"), "{error}");
    bench.ctl(&["set_permissions", &user, "^none$", ".*", ".*"]);
    let error = refused(&config("secret-1", "/"), &group, &topic);
    assert!(error.contains(&topic) && error.contains("set_permissions"), "{error}");
    bench.ctl(&["set_permissions", &user, ".*", ".*", ".*"]);
    let mut adapter = broker(&config("secret-1", "/"));
    let mut subscription = subscribe(&adapter, &group, &topic);
    adapter.publish(&messages(&topic, [1])).expect("it may");
    assert_eq!(receive(&mut *subscription, 1).len(), 1);
}

#[test]
fn a_queue_that_is_deleted_is_an_error_and_is_there_again() {
    let bench = Bench::new();
    let (group, topic, mut publisher) = (bench.name("group"), bench.name("topic"), bench.broker());
    let mut subscription = subscribe(&publisher, &group, &topic);
    publisher.publish(&messages(&topic, [1])).expect("a queue");
    assert_eq!(receive(&mut *subscription, 1).len(), 1);
    bench.ctl(&["delete_queue", &group]);
    let error = fails(&mut *subscription, 1).to_string();
    assert!(error.contains(&group), "{error}");
    let returned = publisher.publish(&messages(&topic, [2])).expect_err("nothing is bound").1;
    assert!(refusal(returned).contains(&topic));
    assert!(subscription.poll(0, std::time::Duration::ZERO).is_ok(), "the queue is declared again");
    publisher.publish(&messages(&topic, [2])).expect("a queue");
    assert_eq!(receive(&mut *subscription, 1)[0].message.body(), b"2");
}

#[test]
fn a_queue_has_the_arguments_that_keep_its_messages() {
    let bench = Bench::new();
    let group = bench.name("group");
    drop(subscribe(&bench.broker(), &group, &bench.name("topic")));
    let queues = bench.ctl(&["list_queues", "name", "type", "durable", "arguments"]);
    let line = queues.lines().find(|line| line.contains(&group)).expect("the queue");
    for part in ["quorum", "true", "\"x-delivery-limit\",1000000000", "\"x-single-active-consumer\",true"] {
        assert!(line.contains(part), "{part}: {line}");
    }
}
