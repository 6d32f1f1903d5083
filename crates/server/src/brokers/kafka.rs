//! Kafka: a topic for each service, and a consumer group for each store.

use tradewind_engine::BrokerParts;
use tradewind_kafka::{KafkaBroker, KafkaConfig, Sasl, SaslMechanism, Secret, Security, Tls, TopicSettings};

use super::routing;
use crate::{
    config::{BrokerUrl, Config, KafkaSasl},
    services,
    split::{OpenBrokers, Split},
};

pub fn open(config: &Config, url: &BrokerUrl, _: Option<&Split>) -> Result<OpenBrokers, String> {
    let broker = KafkaBroker::new(kafka_config(config, url)?).map_err(|error| error.to_string())?;
    let (routing, prefix) = (routing(config), config.broker_prefix.clone());
    // Offsets belong to a store: a new one begins with the earliest event that Kafka has.
    Ok(Box::new(move |store_name| Ok(vec![BrokerParts::only(broker, routing, format!("{prefix}.{store_name}"))])))
}

fn kafka_config(config: &Config, url: &BrokerUrl) -> Result<KafkaConfig, String> {
    let number = |number: u32| i32::try_from(number).map_err(|error| error.to_string());
    let password = config.broker_password.as_ref().map(|password| Secret::new(password.expose()));
    let sasl = url.user.as_ref().zip(password).map(|(user, secret)| {
        let mechanism = match config.kafka_sasl {
            KafkaSasl::Plain => SaslMechanism::Plain,
            KafkaSasl::ScramSha256 => SaslMechanism::ScramSha256,
            KafkaSasl::ScramSha512 => SaslMechanism::ScramSha512,
        };
        Sasl { mechanism, user: user.to_string(), secret }
    });
    let bootstrap = url.authority().split(',').map(str::to_owned).collect();
    Ok(KafkaConfig {
        security: Security { tls: url.secure.then(|| Tls { ca_file: config.broker_trusted.clone() }), sasl },
        topics: TopicSettings {
            partitions: number(config.kafka_partitions)?,
            replication: number(config.kafka_replicas)?,
            min_insync_replicas: number(config.kafka_replicas_in_sync)?,
            retention: config.kafka_retention,
            segment: config.kafka_segment,
            ..TopicSettings::default()
        },
        inbox_kept: services::limits(config).inbox_kept,
        ..KafkaConfig::new(bootstrap)
    })
}
