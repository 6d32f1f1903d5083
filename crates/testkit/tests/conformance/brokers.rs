//! The broker in memory passes the suite of all brokers, as either kind.

use std::time::Duration;

use tradewind_engine::ports::{Broker, BrokerMessage};
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

    fn refused(&self) -> BrokerMessage {
        BrokerMessage::new("topic", vec![0; MEMORY_BODY_BYTES_MAX + 1]).with_key("key")
    }

    fn differences(&self) -> Differences {
        let manners: &[Manner] = match self.1 {
            BrokerKind::Log => &[Manner::HearsThePast, Manner::KeepsPositions, Manner::KeepsRecords],
            BrokerKind::Queues => &[Manner::AcknowledgesSingly, Manner::RefusesTheUnheard, Manner::RoutesMessages],
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
