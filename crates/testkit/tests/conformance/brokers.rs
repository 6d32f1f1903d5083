//! The broker in memory passes the suite of all brokers, as either kind.

use std::time::Duration;

use tradewind_engine::ports::{Broker, Outgoing};
use tradewind_testkit::{
    BrokerFaults, BrokerKind, MEMORY_BODY_BYTES_MAX, MemoryBroker,
    broker_suite::{BrokerUnderTest, Differences, Manner},
};

struct InMemory(MemoryBroker, BrokerKind);

impl BrokerUnderTest for InMemory {
    fn connect(&self) -> Box<dyn Broker> {
        Box::new(self.0.clone())
    }

    fn cut(&self) {
        self.0.disconnect_all();
    }

    fn set_reachable(&self, reachable: bool) {
        self.0.set_faults(BrokerFaults { down: !reachable, ..BrokerFaults::default() });
        self.0.disconnect_all();
    }

    fn refused(&self) -> Outgoing {
        let body = vec![0; MEMORY_BODY_BYTES_MAX + 1];
        Outgoing { topic: "topic".to_owned(), key: "key".to_owned(), headers: Vec::new(), body }
    }

    fn differences(&self) -> Differences {
        let manners: &[Manner] = match self.1 {
            BrokerKind::Log => &[Manner::HearsThePast, Manner::KeepsPositions],
            BrokerKind::Queues => &[Manner::AcknowledgesSingly, Manner::RefusesTheUnheard],
        };
        Differences { manners, quiet: Duration::from_millis(5) }
    }
}

fn of(kind: BrokerKind) -> InMemory {
    InMemory(MemoryBroker::of(kind), kind)
}

mod as_a_log {
    tradewind_testkit::broker_suite!(|| super::of(super::BrokerKind::Log));
}

mod as_queues {
    tradewind_testkit::broker_suite!(|| super::of(super::BrokerKind::Queues));
}
