//! Exchanges, queues and bindings: what there must be at the server. Every process declares all of it, at its start and
//! whenever it connects again, so that nothing is lost to a consumer that was never started.

use std::{collections::BTreeSet, time::Duration};

use tradewind_engine::ports::{BrokerError, Bytes, HeaderValue};

use crate::{
    connection::{Connection, Fault, expect},
    wire::{self, Method, Uncarried},
};

/// Returns of a message to its queue before the server drops it. From RabbitMQ 4.0 on the default is 20, and each lost
/// connection counts: only the queue's own argument helps.
pub const DELIVERY_LIMIT: i64 = 1_000_000_000;

/// The binding for everything that is published to an exchange.
const EVERYTHING: &str = "#";

/// What is declared of a deployment: all exchanges and the queues of all groups, not only of this process.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Topology {
    /// Names of durable topic exchanges. What is published to one of them with a routing key for which no queue below
    /// is bound is not refused: no store consumes it.
    pub exchanges: BTreeSet<String>,
    pub queues: Vec<Queue>,
}

/// The queue of a consumer group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// The name of the group and of its queue.
    pub group: String,
    /// Exchanges with the routing keys, or patterns of them, that the group consumes.
    pub bindings: Vec<(String, String)>,
}

/// A topology that contradicts itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTopology {
    #[error("the queue {group} is bound to {exchange}, which is no exchange of the topology")]
    NoExchange { group: String, exchange: String },
    #[error("the queue {group} is there twice")]
    Twice { group: String },
    #[error("{what} has {bytes} bytes, and must have from 1 to 255")]
    Name { what: String, bytes: usize },
}

impl Topology {
    /// Looks for contradictions.
    pub fn check(&self) -> Result<(), InvalidTopology> {
        let named = |what: String, name: &str| match name.len() {
            1..=255 => Ok(()),
            bytes => Err(InvalidTopology::Name { what, bytes }),
        };
        for exchange in &self.exchanges {
            named("the name of an exchange".to_owned(), exchange)?;
        }
        let mut groups = BTreeSet::new();
        for Queue { group, bindings } in &self.queues {
            named("the name of a queue".to_owned(), group)?;
            if !groups.insert(group) {
                return Err(InvalidTopology::Twice { group: group.clone() });
            }
            for (exchange, routing_key) in bindings {
                named(format!("a routing key of {group}"), routing_key)?;
                if !self.exchanges.contains(exchange) {
                    return Err(InvalidTopology::NoExchange { group: group.clone(), exchange: exchange.clone() });
                }
            }
        }
        Ok(())
    }

    /// The queue of this group for these topics: as it is configured, or bound to everything of the topics.
    pub fn queue(&self, group: &str, topics: &[String]) -> Result<Queue, BrokerError> {
        let Some(queue) = self.queues.iter().find(|queue| queue.group == group) else {
            let bindings = topics.iter().map(|topic| (topic.clone(), EVERYTHING.to_owned())).collect();
            return Ok(Queue { group: group.to_owned(), bindings });
        };
        match topics.iter().find(|topic| !queue.bindings.iter().any(|(exchange, _)| exchange == *topic)) {
            None => Ok(queue.clone()),
            Some(topic) => Err(BrokerError::Refused(format!(
                "the topology binds the queue {group} to nothing of {topic}, which is subscribed to"
            ))),
        }
    }

    /// Whether a message must reach a queue. Only where the topology knows the exchange can it know that no store
    /// consumes it; without a routing key it cannot.
    pub fn is_mandatory(&self, exchange: &str, routing_key: Option<&str>) -> bool {
        let Some(routing_key) = routing_key.filter(|_| self.exchanges.contains(exchange)) else { return true };
        let bindings = self.queues.iter().flat_map(|queue| &queue.bindings);
        bindings.into_iter().any(|(bound, pattern)| bound == exchange && matches(pattern, routing_key))
    }

    /// Declares everything.
    pub fn declare(&self, connection: &Connection, wait: Duration) -> Result<(), Fault> {
        for exchange in &self.exchanges {
            declare_exchange(connection, exchange, wait)?;
        }
        for queue in &self.queues {
            queue.declare(connection, wait)?;
            queue.bind(connection, wait)?;
        }
        Ok(())
    }
}

/// What a queue has at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Depth {
    /// Messages that are ready to be delivered.
    pub messages: u64,
    /// Whether a consumer is active, which may have more of them.
    pub is_consumed: bool,
}

impl Queue {
    /// Declares the queue; what it has.
    pub fn declare(&self, connection: &Connection, wait: Duration) -> Result<Depth, Fault> {
        let text = |text: &str| HeaderValue::Text(Bytes::from(text));
        let arguments = [
            ("x-queue-type".to_owned(), text("quorum")),
            ("x-single-active-consumer".to_owned(), HeaderValue::Bool(true)),
            ("x-delivery-limit".to_owned(), HeaderValue::I64(DELIVERY_LIMIT)),
        ];
        let request = wire::declare_queue(&self.group, &arguments);
        match declare(connection, request, wait).map_err(|fault| explain(fault, "queue", &self.group))? {
            Method::QueueDeclareOk { messages, consumers } => {
                Ok(Depth { messages: u64::from(messages), is_consumed: consumers > 0 })
            }
            other => Err(crate::connection::unexpected(&other)),
        }
    }

    pub fn bind(&self, connection: &Connection, wait: Duration) -> Result<(), Fault> {
        for (exchange, routing_key) in &self.bindings {
            let request = wire::bind_queue(&self.group, exchange, routing_key);
            let bound = declare(connection, request, wait);
            let bound = bound.map_err(|fault| explain(fault, "queue", &format!("{} at {exchange}", self.group)))?;
            expect(bound, |method| matches!(method, Method::QueueBindOk))?;
        }
        Ok(())
    }
}

/// Declares a durable topic exchange.
pub fn declare_exchange(connection: &Connection, exchange: &str, wait: Duration) -> Result<(), Fault> {
    let declared = declare(connection, wire::declare_exchange(exchange), wait);
    let declared = declared.map_err(|fault| explain(fault, "exchange", exchange))?;
    expect(declared, |method| matches!(method, Method::ExchangeDeclareOk)).map(drop)
}

fn declare(connection: &Connection, request: Result<Vec<u8>, Uncarried>, wait: Duration) -> Result<Method, Fault> {
    connection.call(request.map_err(Fault::lost)?, wait)
}

/// Says which object it is and what to do.
pub fn explain(fault: Fault, kind: &str, name: &str) -> Fault {
    let todo = match fault.code {
        Some(406) => format!("the {kind} exists with other settings: delete it once it is empty, or use another name"),
        Some(403) => format!("let the user configure, write and read the {kind} (rabbitmqctl set_permissions)"),
        Some(405) => format!("another connection owns the {kind}: use another name"),
        _ => return fault,
    };
    Fault { text: format!("{kind} {name}: {}; {todo}", fault.text), ..fault }
}

/// Whether a pattern of a topic exchange fits: `*` is one word, `#` any number of them.
fn matches(pattern: &str, routing_key: &str) -> bool {
    let words: Vec<&str> = routing_key.split('.').collect();
    // Whether the pattern so far fits the first words, by their number. No pattern takes longer than words × words.
    let mut fits = vec![false; words.len() + 1];
    fits[0] = true;
    for part in pattern.split('.') {
        let mut next = vec![false; words.len() + 1];
        for count in 0..=words.len() {
            next[count] = match part {
                "#" => fits[count] || (count > 0 && next[count - 1]),
                _ => count > 0 && fits[count - 1] && (part == "*" || part == words[count - 1]),
            };
        }
        fits = next;
    }
    fits[words.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topology() -> Topology {
        let bindings = [("town.orders", "order.confirmed"), ("town.orders", "payment.#"), ("town.carts", "*.closed")];
        let bindings = bindings.map(|(exchange, key)| (exchange.to_owned(), key.to_owned())).to_vec();
        Topology {
            exchanges: ["town.orders", "town.carts"].map(str::to_owned).into(),
            queues: vec![Queue { group: "query".to_owned(), bindings }],
        }
    }

    #[test]
    fn patterns_fit_as_those_of_a_topic_exchange() {
        for (pattern, key, fits) in [
            ("a.b", "a.b", true),
            ("a.b", "a.b.c", false),
            ("a.*", "a.b", true),
            ("a.*", "a", false),
            ("#", "", true),
            ("#", "a.b.c", true),
            ("a.#", "a", true),
            ("a.#.d", "a.b.c.d", true),
            ("a.#.d", "a.b.c", false),
            ("#.*.#", "a", true),
        ] {
            assert_eq!(matches(pattern, key), fits, "{pattern} {key}");
        }
    }

    #[test]
    fn a_message_is_mandatory_unless_it_is_known_that_no_store_consumes_it() {
        let topology = topology();
        for (exchange, key, mandatory) in [
            ("town.orders", Some("order.confirmed"), true),
            ("town.orders", Some("payment.x.y"), true),
            ("town.orders", Some("order.expired"), false),
            ("town.carts", Some("cart.closed"), true),
            ("town.carts", Some("order.confirmed"), false),
            ("town.orders", None, true),
            ("elsewhere", Some("order.expired"), true),
        ] {
            assert_eq!(topology.is_mandatory(exchange, key), mandatory, "{exchange} {key:?}");
        }
    }

    #[test]
    fn a_topology_that_contradicts_itself_is_named() {
        assert_eq!(topology().check(), Ok(()));
        let mut without = topology();
        without.exchanges.remove("town.carts");
        assert!(without.check().unwrap_err().to_string().contains("town.carts"));
        let mut twice = topology();
        twice.queues.extend(topology().queues);
        assert!(twice.check().unwrap_err().to_string().contains("query"));
        let mut long = topology();
        long.exchanges.insert("x".repeat(256));
        assert!(long.check().unwrap_err().to_string().contains("256"));
        assert!(topology().queue("query", &["town.other".to_owned()]).is_err());
        assert_eq!(topology().queue("own", &["t".to_owned()]).unwrap().bindings, [("t".to_owned(), "#".to_owned())]);
    }
}
