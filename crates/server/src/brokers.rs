//! The broker between the processes of a split shop: what this process publishes there and receives from it. Its
//! configuration is checked before the store is opened, and the engine is the first to reach it: a broker that is down at
//! the start stops no process.

#[cfg(feature = "kafka")]
mod kafka;
#[cfg(feature = "rabbitmq")]
mod rabbitmq;

#[cfg(any(feature = "kafka", feature = "rabbitmq"))]
use tradewind_engine::Routing;

use crate::{
    config::{BrokerKind, Config},
    split::{OpenBrokers, Split, SplitError},
};

/// The features of this build that bring brokers.
pub const FEATURES: &[&str] = &[
    #[cfg(feature = "kafka")]
    "kafka",
    #[cfg(feature = "kafka-tls")]
    "kafka-tls",
    #[cfg(feature = "rabbitmq")]
    "rabbitmq",
];

/// What opens the broker that is configured; none without one.
pub fn configured(config: &Config, split: Option<&Split>) -> Result<Option<OpenBrokers>, SplitError> {
    let Some(url) = &config.broker else { return Ok(None) };
    let opened = match url.kind {
        BrokerKind::Kafka => kafka::open(config, url, split),
        BrokerKind::RabbitMq => rabbitmq::open(config, url, split),
    };
    opened.map(Some).map_err(|reason| SplitError::Broker { url: url.to_string(), reason })
}

/// A topic for each service, and those of other processes that have something for this one.
#[cfg(any(feature = "kafka", feature = "rabbitmq"))]
fn routing(config: &Config) -> Routing {
    let consumed = crate::split::consumed(config, config.services.names());
    Routing::by_source(&*config.broker_prefix).consume(consumed.into_keys())
}

/// In the place of an adapter that this build does not have. The check of the configuration says so before.
macro_rules! absent {
    ($($name:ident: $feature:literal;)*) => {$(
        #[cfg(not(feature = $feature))]
        mod $name {
            use crate::{
                config::{BrokerUrl, Config},
                split::{OpenBrokers, Split},
            };

            pub fn open(_: &Config, _: &BrokerUrl, _: Option<&Split>) -> Result<OpenBrokers, String> {
                Err(concat!("build Tradewind with `--features ", $feature, "`").to_owned())
            }
        }
    )*};
}

absent! {
    kafka: "kafka";
    rabbitmq: "rabbitmq";
}
