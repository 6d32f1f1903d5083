//! The Kafka adapter: the engine's broker port over Kafka 3.x and 4.x, by librdkafka. It knows topics, partitions and
//! offsets, and nothing of what messages say.
//!
//! How it keeps what the port promises:
//!
//! - **At least once, in the order of each key.** The producer is idempotent, with `acks=all`, and lets no message pass one
//!   of its partition that was refused (`enable.gapless.guarantee`). The key decides the partition, as a stock Java client
//!   would (`partitioner=murmur2_random`). [`Broker::publish`] counts the first messages that are acknowledged without a
//!   hole before them.
//! - **A bounded call, without gaps.** Messages never expire in librdkafka (`message.timeout.ms=0`), because an idempotent
//!   producer with expired messages leaves gaps, and one request at a time is on its way to a broker, because librdkafka
//!   may otherwise acknowledge a message that the broker has refused. When no message was acknowledged for
//!   [`KafkaConfig::publish_within`], and after every error, a fatal one too, the producer is purged and left, and the next
//!   call begins with another. What the old one had sent may
//!   still arrive; it is a prefix of what the new one sends, so what comes first of each key comes in order. The inbox of
//!   the consumer drops the repeats.
//! - **One owner.** A subscription assigns itself all partitions of its topics, reads from the group's committed offsets on,
//!   from the earliest where there are none, and commits under the group's name. It never joins the group: there is no
//!   rebalance, no `max.poll.interval.ms` and no wait for a dead member. Which process may have effects is decided by the
//!   epoch of the store. Stock tools show the group's lag.
//! - **Nothing is skipped in silence.** `auto.offset.reset=error`; the group's offsets are compared with what the partitions
//!   have at every connect, and so is the first offset that comes. A gap stops the subscription, [`Gaps`] says which
//!   messages are missing, and [`Gaps::skip`] lets it continue.
//! - **Lost connections.** librdkafka connects again by itself and goes on where it was; nothing comes again. Whenever it
//!   reports an error of a connection, the subscription asks the leaders of all partitions for their ends before it says
//!   that it works, and these are what it then has to catch up with. A broker that stays silent is noticed after
//!   [`KafkaConfig::answer_within`].
//! - **The inbox outlives the topics.** A topic that is compacted, keeps messages without a limit, or keeps them for longer
//!   than the inbox remembers is refused, at every connect. A message counts as kept for `retention.ms` and `segment.ms`.
//! - **Bounded memory.** librdkafka holds at most 16 MiB to be sent, and fetches at most 8 MiB ahead and one answer of 4 MiB
//!   on top; the subscription holds 1 MiB and one message that are taken and not handed out.
//! - **No hanging.** What librdkafka does without a deadline, commits and the end of a client, runs on a thread of its own,
//!   which is waited for no longer than [`KafkaConfig::answer_within`], and a second for an end.
//!
//! Limits: a subscription to a topic of *transactional* producers does not catch up ([`Subscription::caught_up`]) while the
//! last record of a partition is a marker of a transaction. The name of a header that is no UTF-8 cannot be read: the header
//! comes as `\u{fffd}` without a value. That a topic was deleted and created again is noticed by a subscription that runs
//! meanwhile, not by a process that starts later.
//!
//! TLS and SASL need the cargo feature `tls`, which builds OpenSSL into librdkafka.

mod client;
mod config;
mod gaps;
mod message;
mod publisher;
mod subscription;
mod topics;

use std::{sync::Arc, time::Duration};

use tradewind_engine::ports::{self, Broker, BrokerError, BrokerMessage, Subscription};

pub use config::{
    Compression, ConfigError, KafkaConfig, Sasl, SaslMechanism, Secret, Security, Tls, TopicSettings, URL_OPTIONS,
};
pub use gaps::{Gap, GapReason, Gaps};

use client::{Calls, Cluster, Deadline};
use publisher::Publisher;
use subscription::KafkaSubscription;
use topics::Topics;

/// A Kafka cluster, as one store uses it. It connects when it is used, and again whenever it has to.
pub struct KafkaBroker {
    cluster: Arc<Cluster>,
    publisher: Publisher,
    gaps: Gaps,
}

impl KafkaBroker {
    /// Nothing is connected yet: a cluster that is down is no error here.
    pub fn new(config: KafkaConfig) -> Result<Self, ConfigError> {
        config.check()?;
        let cluster = Arc::new(Cluster { config, calls: Calls::default() });
        Ok(Self { publisher: Publisher::new(Arc::clone(&cluster)), gaps: Gaps::new(Arc::clone(&cluster)), cluster })
    }

    /// What its subscriptions cannot read any more, and how they continue.
    pub fn gaps(&self) -> Gaps {
        self.gaps.clone()
    }
}

impl Broker for KafkaBroker {
    fn publish(&mut self, messages: &[BrokerMessage]) -> Result<(), (usize, BrokerError)> {
        self.publisher.publish(messages)
    }

    fn subscribe(&self, group: &str, topics: &[String]) -> Result<Box<dyn Subscription>, BrokerError> {
        Ok(Box::new(KafkaSubscription::new(Arc::clone(&self.cluster), group, topics, self.gaps())))
    }

    fn retention(&self, topics: &[String]) -> Result<Option<Duration>, BrokerError> {
        let config = &self.cluster.config;
        let administrator = Topics::connect(&self.cluster)?;
        let mut longest = None;
        for name in topics {
            let found = administrator.find(name, Deadline::after(config.answer_within))?;
            // One that is missing is created as it is configured.
            let kept = found.map_or_else(|| Ok(config.topics.retention + config.topics.segment), |t| t.kept())?;
            longest = longest.max(Some(kept));
        }
        Ok(longest)
    }

    fn gaps(&self) -> Option<Arc<dyn ports::Gaps>> {
        Some(Arc::new(self.gaps.clone()))
    }
}
