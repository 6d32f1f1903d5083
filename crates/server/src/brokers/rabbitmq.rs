//! RabbitMQ: a topic exchange for each service, and a queue for each process. Every process declares all of them, with the
//! bindings of what each one consumes, so nothing is lost to a process that was never started.

use tradewind_engine::BrokerParts;
use tradewind_rabbitmq::{Password, Queue, RabbitBroker, RabbitConfig, Timing, Topology};

use super::routing;
use crate::{
    config::{BrokerUrl, Config},
    peers::Peer,
    services,
    split::{OpenBrokers, Split, consumed},
};

/// The user that RabbitMQ has by default, and its password. It may connect from the machine of the server only.
const GUEST: &str = "guest";

/// Messages that are delivered and not acknowledged, at most: two polls of the engine.
const PREFETCH: u16 = 1_000;

pub fn open(config: &Config, url: &BrokerUrl, split: Option<&Split>) -> Result<OpenBrokers, String> {
    let broker = RabbitBroker::new(&rabbit_config(config, url, split)?).map_err(|error| error.to_string())?;
    let routing = routing(config).route_by_type();
    // A process that runs all services consumes nothing, and has no queue.
    let group = queue_name(config, split.map_or("", |split| &split.own().name));
    Ok(Box::new(move |_| Ok(vec![BrokerParts::only(broker, routing, group)])))
}

fn rabbit_config(config: &Config, url: &BrokerUrl, split: Option<&Split>) -> Result<RabbitConfig, String> {
    let (host, port) = url.hosts.first().ok_or("it has no host")?;
    let password = config.broker_password.as_ref().map_or(GUEST, |password| password.expose());
    Ok(RabbitConfig {
        host: host.to_string(),
        port: *port,
        user: url.user.as_deref().unwrap_or(GUEST).to_owned(),
        password: Password::new(password),
        vhost: url.virtual_host.as_deref().unwrap_or("/").to_owned(),
        tls: url.secure,
        ca_file: config.broker_trusted.clone(),
        prefetch: PREFETCH,
        timing: Timing::default(),
        topology: topology(config, split),
    })
}

/// All exchanges, and the queues of all peers.
fn topology(config: &Config, split: Option<&Split>) -> Topology {
    let exchange = |source: &str| format!("{}.{source}", config.broker_prefix);
    let queue = |peer: &Peer| {
        let mut bindings = Vec::new();
        for (source, events) in consumed(config, &peer.services) {
            bindings.extend(events.into_iter().map(|event| (exchange(source), event.to_owned())));
        }
        Queue { group: queue_name(config, &peer.name), bindings }
    };
    let peers = split.map_or(&[][..], |split| split.peers().all());
    let queues = peers.iter().map(queue).filter(|queue| !queue.bindings.is_empty()).collect();
    Topology { exchanges: services::NAMES.into_iter().map(exchange).collect(), queues }
}

fn queue_name(config: &Config, peer: &str) -> String {
    format!("{}.{peer}", config.broker_prefix)
}
