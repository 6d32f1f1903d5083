//! What settings may be beyond their kind, and to each other. A limit of zero that would stop the shop is refused.

use std::time::Duration;

use tradewind_orders::UNPAID_ORDERS_MAX_MAX;

use super::{BrokerKind, Config, ConfigError, SETTINGS};

/// A value beyond a bound: the setting's name, and what it must be.
type Found = Vec<(&'static str, String)>;

impl Config {
    /// The error lists every value that is out of bounds.
    pub(super) fn check_bounds(&self) -> Result<(), Vec<ConfigError>> {
        let mut found = Found::new();
        self.check_counts(&mut found);
        self.check_durations(&mut found);
        self.check_relations(&mut found);
        self.check_split(&mut found);
        self.check_broker(&mut found);
        if found.is_empty() {
            return Ok(());
        }
        let error = |(name, expected): (&'static str, String)| {
            let nth = SETTINGS.iter().position(|setting| setting.name == name).unwrap_or_default();
            let text = self.texts().swap_remove(nth);
            ConfigError::OutOfBounds { name, text, origin: self.origin(name).clone(), expected }
        };
        Err(found.into_iter().map(error).collect())
    }

    fn check_counts(&self, found: &mut Found) {
        let counts = [
            ("connections_max", self.connections_max),
            ("requests_max", self.requests_max),
            ("peer_connections_max", self.peer_connections_max),
            ("waits_max", self.waits_max),
            ("password_threads", self.password_threads),
            ("password_queue_max", self.password_queue_max),
            ("password_chars_min", self.password_chars_min),
            ("sessions_max", self.sessions_max),
            ("batch_messages_max", self.batch_messages_max),
            ("intake_max", self.intake_max),
            ("jobs_running_max", self.jobs_running_max),
            ("readers_max", self.readers_max),
            ("unpaid_orders_max", self.unpaid_orders_max),
            ("traces_queue_max", self.traces_queue_max),
            ("password_passes", self.password_passes as usize),
            ("sign_in_failures_max", self.sign_in_failures_max as usize),
            ("job_attempts_max", self.job_attempts_max as usize),
        ];
        found.extend(
            counts.iter().filter(|(_, count)| *count == 0).map(|(name, _)| (*name, String::from("at least 1"))),
        );
        let shares = [("discount_bp", self.discount_bp), ("tax_bp", self.tax_bp)];
        let too_much = shares.iter().filter(|(_, share)| *share > 10_000);
        found.extend(too_much.map(|(name, _)| (*name, String::from("at most 10000: the whole"))));
        if self.shipping_minor < 0 {
            found.push(("shipping_minor", String::from("no negative amount")));
        }
        if self.amount_minor_max < 1 {
            found.push(("amount_minor_max", String::from("at least 1")));
        }
        if self.unpaid_orders_max > UNPAID_ORDERS_MAX_MAX {
            found.push((
                "unpaid_orders_max",
                format!("at most {UNPAID_ORDERS_MAX_MAX}: a placed order may look at all of them"),
            ));
        }
        if self.password_memory.0 < 8 * 1024 {
            found.push(("password_memory", String::from("at least 8KiB")));
        }
        if self.body_max.0 < 1024 {
            found.push(("body_max", String::from("at least 1KiB")));
        }
        if self.caller_share.of(usize::MAX) == 0 {
            found.push(("caller_share", String::from("more than 0")));
        }
    }

    fn check_durations(&self, found: &mut Found) {
        let durations = [
            ("head_timeout", self.head_timeout),
            ("body_timeout", self.body_timeout),
            ("body_pause_max", self.body_pause_max),
            ("answer_timeout", self.answer_timeout),
            ("keep_alive_timeout", self.keep_alive_timeout),
            ("request_timeout", self.request_timeout),
            ("peer_connect_timeout", self.peer_connect_timeout),
            ("peer_pause_max", self.peer_pause_max),
            ("reservation_ttl", self.reservation_ttl),
            ("cart_ttl", self.cart_ttl),
            ("snapshot_ttl", self.snapshot_ttl),
            ("provider_wait_min", self.provider_wait_min),
            ("session_ttl", self.session_ttl),
            ("access_token_ttl", self.access_token_ttl),
            ("signing_key_age_max", self.signing_key_age_max),
            ("idempotency_kept", self.idempotency_kept),
            ("clock_jump_max", self.clock_jump_max),
            ("traces_interval", self.traces_interval),
            ("traces_timeout", self.traces_timeout),
        ];
        let none = durations.iter().filter(|(_, duration)| *duration == Duration::ZERO);
        found.extend(none.map(|(name, _)| (*name, String::from("more than 0s"))));
    }

    fn check_relations(&self, found: &mut Found) {
        if self.order_deadline < self.reservation_ttl {
            found.push(("order_deadline", String::from("no less than reservation_ttl")));
        }
        if self.wait_max >= self.request_timeout {
            found.push(("wait_max", String::from("less than request_timeout")));
        }
        if self.provider_wait_max < self.provider_wait_min {
            found.push(("provider_wait_max", String::from("no less than provider_wait_min")));
        }
        let all_or_some = self.cors_origins.len() == 1 || !self.cors_origins.iter().any(|origin| **origin == *"*");
        if !all_or_some || !self.cors_origins.iter().all(|origin| is_origin(origin)) {
            let expected = "origins as browsers send them (https://shop.example:8443, without a path), or * alone";
            found.push(("cors_origins", String::from(expected)));
        }
        if self.tls_certificate.is_some() != self.tls_key.is_some() {
            let missing = if self.tls_key.is_none() { "tls_key" } else { "tls_certificate" };
            found.push((missing, String::from("a file: a certificate and its key go together")));
        }
    }
}

/// The most partitions and replicas of a topic that are asked for: far more than a shop can use.
const PARTITIONS_MAX: u32 = 1_000;
const REPLICAS_MAX: u32 = 100;

/// The longest prefix of topics, in characters. Kafka allows 249 for a name, which the longest source needs a part of.
const PREFIX_CHARS_MAX: usize = 64;

impl Config {
    /// What a process needs that runs some of the services.
    fn check_split(&self, found: &mut Found) {
        if self.services.are_all() {
            return;
        }
        let needed = [
            ("broker", self.broker.is_none(), "the URL of the broker that carries events to the other services"),
            ("peers", self.peers.is_none(), "the peers file, which says where the other services run"),
        ];
        found.extend(
            needed
                .iter()
                .filter(|(_, is_missing, _)| *is_missing)
                .map(|(name, _, what)| (*name, format!("{what}: services lists some of the services"))),
        );
    }

    fn check_broker(&self, found: &mut Found) {
        let mut must = |is_so: bool, name: &'static str, expected: String| {
            if !is_so {
                found.push((name, expected));
            }
        };
        let within = |most: u32| format!("a number from 1 to {most}");
        must((1..=PARTITIONS_MAX).contains(&self.kafka_partitions), "kafka_partitions", within(PARTITIONS_MAX));
        must((1..=REPLICAS_MAX).contains(&self.kafka_replicas), "kafka_replicas", within(REPLICAS_MAX));
        let in_sync = (1..=self.kafka_replicas).contains(&self.kafka_replicas_in_sync);
        must(in_sync, "kafka_replicas_in_sync", String::from("a number from 1 to kafka_replicas"));
        for (name, duration) in [("kafka_retention", self.kafka_retention), ("kafka_segment", self.kafka_segment)] {
            must(duration >= Duration::from_secs(1), name, String::from("at least 1s"));
        }
        let prefix = self.broker_prefix.as_bytes();
        let usable = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_".contains(byte);
        let expected = format!("1 to {PREFIX_CHARS_MAX} letters, digits, hyphens and underscores");
        must(prefix.len() <= PREFIX_CHARS_MAX && prefix.iter().all(usable), "broker_prefix", expected);
        let (user, secure) = self.broker.as_ref().map_or((false, false), |url| (url.user.is_some(), url.secure));
        let together = String::from("set if and only if the URL of the broker has a user");
        must(user == self.broker_password.is_some(), "broker_password", together);
        let trusted = String::from("set only if the URL of the broker begins with kafkas:// or amqps://");
        must(secure || self.broker_trusted.is_none(), "broker_trusted", trusted);
        let Some(url) = &self.broker else { return };
        let (feature, is_there) = match url.kind {
            // OpenSSL takes minutes to build, and nothing else needs it.
            BrokerKind::Kafka if url.secure || user => ("kafka-tls", cfg!(feature = "kafka-tls")),
            BrokerKind::Kafka => ("kafka", cfg!(feature = "kafka")),
            BrokerKind::RabbitMq => ("rabbitmq", cfg!(feature = "rabbitmq")),
        };
        must(is_there, "broker", format!("a broker of this build; for this one build with `--features {feature}`"));
    }
}

/// A scheme, a host and perhaps a port, in lower case: what a browser sends as `Origin`.
fn is_origin(text: &str) -> bool {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let of_origin = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-:[]".contains(&byte);
    // A browser leaves the usual port of a scheme out.
    let usual_port =
        (text.starts_with("https:") && text.ends_with(":443")) || (text.starts_with("http:") && text.ends_with(":80"));
    text == "*" || host.is_some_and(|host| !host.is_empty() && !usual_port && host.bytes().all(of_origin))
}
