//! TLS with the authority of a file, and no other.

use tradewind_engine::ports::Broker;
use tradewind_rabbitmq::{Password, RabbitBroker, RabbitConfig};

use crate::bench::{Bench, broker, messages, receive, subscribe};

#[test]
fn a_server_is_trusted_by_the_authority_of_a_file() {
    let bench = Bench::new();
    let (address, folder) = (bench.server.run(&["tls"], &[]), bench.server.folder());
    let (group, topic) = (bench.name("group"), bench.name("topic"));
    let url = format!("{address}?ca_file={}", folder.join("tls/ca.pem").display());
    let mut adapter = broker(&RabbitConfig::parse(&url, Some(Password::new("guest"))).expect("an address"));
    let mut subscription = subscribe(&adapter, &group, &topic);
    adapter.publish(&messages(&topic, [1])).expect("a queue");
    assert_eq!(receive(&mut *subscription, 1).len(), 1);
    let mut stranger = broker(&RabbitConfig::parse(&address, None).expect("an address"));
    let error = stranger.publish(&messages(&topic, [2])).expect_err("nobody has vouched for it").1.to_string();
    assert!(error.contains("UnknownIssuer"), "{error}");
    let none = RabbitConfig::parse(&format!("{address}?ca_file=/nowhere.pem"), None).expect("an address");
    let error = RabbitBroker::new(&none).err().expect("no such file").to_string();
    assert!(error.contains("/nowhere.pem"), "{error}");
}
