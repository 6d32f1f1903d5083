//! The URL of a Kafka cluster. Whatever is wrong with it names itself.

use std::{path::PathBuf, time::Duration};

use super::{Compression, ConfigError, KafkaConfig, Sasl, SaslMechanism, Secret, Security, Tls};

const SCHEME: &str = "kafka://";

/// The options of a URL, each with its meaning. Their values are percent-encoded.
pub const URL_OPTIONS: [(&str, &str); 15] = [
    ("tls", "`true`: connections use TLS"),
    ("ca_file", "with `tls`: the certificates of the authorities, in PEM; by default those of the system"),
    ("sasl", "`plain`, `scram-sha-256` or `scram-sha-512`: how `user` logs in"),
    ("user", "with `sasl`: the name of the user; the password is configured apart from the URL"),
    ("client_id", "what the brokers call this process; by default `tradewind`"),
    ("compression", "`lz4` (by default) or `zstd`"),
    ("create_topics", "`false`: a topic that is missing is an error"),
    ("partitions", "of new topics, by default 12"),
    ("replication", "copies of each partition, by default 3; 1 for a single broker"),
    ("min_insync_replicas", "copies before a message is acknowledged, by default 2; 1 for a single broker"),
    ("retention_ms", "how long new topics keep messages, by default 6 days"),
    ("segment_ms", "how long messages stay beyond that, by default 1 day"),
    ("message_bytes_max", "the largest message, by default 2 MiB"),
    ("answer_within_ms", "after so long without an answer a connection is lost, by default 10 s"),
    ("publish_within_ms", "how long publishing waits for the next acknowledgement, by default 10 s"),
];

const PARTITIONS_MAX: i32 = 10_000;
const REPLICATION_MAX: i32 = 1_000;
/// Kafka takes no message that is larger than it can address.
const MESSAGE_BYTES_MIN: i32 = 64 * 1_024;
const MESSAGE_BYTES_MAX: i32 = 64 * 1_024 * 1_024;
const WAIT_MS_MIN: i32 = 1_000;
const WAIT_MS_MAX: i32 = 300_000;
/// A hundred years: what a topic may be asked to keep.
const KEPT_MS_MAX: u64 = 100 * 365 * 24 * 3_600_000;

/// What the options of security say, until all of them are known.
#[derive(Default)]
struct Login {
    tls: Option<bool>,
    ca_file: Option<PathBuf>,
    mechanism: Option<SaslMechanism>,
    user: Option<String>,
}

pub(super) fn parse(url: &str, secret: Option<Secret>) -> Result<KafkaConfig, ConfigError> {
    let rest = url.strip_prefix(SCHEME).ok_or_else(|| ConfigError::new("scheme", "must be `kafka://`"))?;
    let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
    let brokers = address.strip_suffix('/').unwrap_or(address);
    if brokers.contains('@') {
        let reason = "must not contain a user or a password: name the user as `user`, and configure the password apart";
        return Err(ConfigError::new("host", reason));
    }
    let bootstrap = brokers.split(',').map(broker).collect::<Result<_, _>>()?;
    let (mut config, mut login, mut seen) = (KafkaConfig::new(bootstrap), Login::default(), Vec::new());
    for option in query.split('&').filter(|option| !option.is_empty()) {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        if seen.contains(&name) {
            return Err(ConfigError::new(name, "is there twice"));
        }
        seen.push(name);
        let value = decode(value).ok_or_else(|| ConfigError::new(name, "is not percent-encoded UTF-8"))?;
        set(&mut config, &mut login, name, &value)?;
    }
    config.security = login.security(secret)?;
    let topics = &config.topics;
    if topics.min_insync_replicas > topics.replication {
        return Err(ConfigError::new("min_insync_replicas", "must not be larger than `replication`"));
    }
    Ok(config)
}

/// `HOST:PORT`, where an IPv6 address stands in brackets.
fn broker(text: &str) -> Result<String, ConfigError> {
    let reason =
        || ConfigError::new("host", format!("must be HOST:PORT, with commas between several; `{text}` is not"));
    let (host, port) = text.rsplit_once(':').ok_or_else(reason)?;
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let fits = match bare {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_')),
    };
    let port_fits = port.parse::<u16>().is_ok_and(|port| port > 0);
    if fits && port_fits { Ok(text.to_owned()) } else { Err(reason()) }
}

fn set(config: &mut KafkaConfig, login: &mut Login, name: &str, value: &str) -> Result<(), ConfigError> {
    let topics = &mut config.topics;
    match name {
        "tls" => login.tls = Some(truth(name, value)?),
        "ca_file" => login.ca_file = Some(PathBuf::from(text(name, value)?)),
        "sasl" => login.mechanism = Some(mechanism(name, value)?),
        "user" => login.user = Some(text(name, value)?),
        "client_id" => config.client_id = text(name, value)?,
        "compression" => {
            config.compression = match value {
                "lz4" => Compression::Lz4,
                "zstd" => Compression::Zstd,
                _ => return Err(ConfigError::new(name, "must be `lz4` or `zstd`")),
            }
        }
        "create_topics" => topics.create = truth(name, value)?,
        "partitions" => topics.partitions = number(name, value, (1, PARTITIONS_MAX))?,
        "replication" => topics.replication = number(name, value, (1, REPLICATION_MAX))?,
        "min_insync_replicas" => topics.min_insync_replicas = number(name, value, (1, REPLICATION_MAX))?,
        "retention_ms" => topics.retention = kept(name, value)?,
        "segment_ms" => topics.segment = kept(name, value)?,
        "message_bytes_max" => {
            topics.message_bytes_max = number(name, value, (MESSAGE_BYTES_MIN, MESSAGE_BYTES_MAX))?;
        }
        "answer_within_ms" => config.answer_within = wait(name, value)?,
        "publish_within_ms" => config.publish_within = wait(name, value)?,
        _ => {
            let known = URL_OPTIONS.map(|(option, _)| option).join(", ");
            return Err(ConfigError::new(name, format!("is no option; there are {known}")));
        }
    }
    Ok(())
}

impl Login {
    fn security(self, secret: Option<Secret>) -> Result<Security, ConfigError> {
        let tls = if self.tls == Some(true) {
            Some(Tls { ca_file: self.ca_file })
        } else if self.ca_file.is_some() {
            return Err(ConfigError::new("ca_file", "has no effect without `tls=true`"));
        } else {
            None
        };
        let sasl = match (self.mechanism, self.user, secret) {
            (None, None, None) => None,
            (Some(mechanism), Some(user), Some(secret)) => Some(Sasl { mechanism, user, secret }),
            (None, Some(_), _) => return Err(ConfigError::new("user", "has no effect without `sasl`")),
            (None, None, Some(_)) => {
                return Err(ConfigError::new("sasl", "is missing, and a password is configured"));
            }
            (Some(_), None, _) => return Err(ConfigError::new("user", "is missing, which `sasl` needs")),
            (Some(_), Some(_), None) => {
                return Err(ConfigError::new("sasl", "needs a password, and none is configured"));
            }
        };
        Ok(Security { tls, sasl })
    }
}

fn mechanism(name: &str, value: &str) -> Result<SaslMechanism, ConfigError> {
    match value {
        "plain" => Ok(SaslMechanism::Plain),
        "scram-sha-256" => Ok(SaslMechanism::ScramSha256),
        "scram-sha-512" => Ok(SaslMechanism::ScramSha512),
        _ => Err(ConfigError::new(name, "must be `plain`, `scram-sha-256` or `scram-sha-512`")),
    }
}

fn truth(name: &str, value: &str) -> Result<bool, ConfigError> {
    value.parse().map_err(|_| ConfigError::new(name, "must be `true` or `false`"))
}

/// librdkafka takes no text with a zero byte.
fn text(name: &str, value: &str) -> Result<String, ConfigError> {
    if value.is_empty() || value.contains('\0') {
        return Err(ConfigError::new(name, "must not be empty or contain a zero byte"));
    }
    Ok(value.to_owned())
}

fn number(name: &str, value: &str, (least, most): (i32, i32)) -> Result<i32, ConfigError> {
    let number = value.parse().ok().filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| ConfigError::new(name, format!("must be a number between {least} and {most}")))
}

fn wait(name: &str, value: &str) -> Result<Duration, ConfigError> {
    let wait_ms = number(name, value, (WAIT_MS_MIN, WAIT_MS_MAX))?;
    Ok(Duration::from_millis(wait_ms.unsigned_abs().into()))
}

fn kept(name: &str, value: &str) -> Result<Duration, ConfigError> {
    let kept_ms = value.parse().ok().filter(|kept_ms| (1..=KEPT_MS_MAX).contains(kept_ms));
    let reason =
        || format!("must be a number of milliseconds between 1 and {KEPT_MS_MAX}: no topic keeps messages for ever");
    kept_ms.map(Duration::from_millis).ok_or_else(|| ConfigError::new(name, reason()))
}

/// Percent-decoded; none if that is no UTF-8.
fn decode(value: &str) -> Option<String> {
    let (mut bytes, mut rest) = (Vec::with_capacity(value.len()), value.as_bytes());
    while let Some((first, after)) = rest.split_first() {
        if *first == b'%' {
            let digits = str::from_utf8(after.get(..2)?).ok()?;
            if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return None;
            }
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(url: &str, secret: Option<&str>) -> String {
        parse(url, secret.map(Secret::new)).expect_err(url).to_string()
    }

    #[test]
    fn a_url_says_where_and_how() {
        let url = "kafka://a.example:9092,[::1]:9093/?tls=true&ca_file=/etc/a%20b.pem&sasl=scram-sha-512&user=%C3%BC%26\
                   &client_id=east&compression=zstd&create_topics=false&partitions=24&replication=5\
                   &min_insync_replicas=3&retention_ms=3600000&segment_ms=60000&message_bytes_max=1000000\
                   &answer_within_ms=5000&publish_within_ms=20000";
        let config = parse(url, Some(Secret::new("s3cr3t"))).unwrap();
        assert_eq!(config.bootstrap, ["a.example:9092", "[::1]:9093"]);
        assert_eq!(config.security.tls, Some(Tls { ca_file: Some(PathBuf::from("/etc/a b.pem")) }));
        let sasl = config.security.sasl.as_ref().unwrap();
        assert_eq!((sasl.mechanism, &*sasl.user), (SaslMechanism::ScramSha512, "ü&"));
        assert_eq!((&*config.client_id, config.compression), ("east", Compression::Zstd));
        let topics = &config.topics;
        assert_eq!((topics.create, topics.partitions), (false, 24));
        assert_eq!((topics.replication, topics.min_insync_replicas), (5, 3));
        assert_eq!((topics.retention, topics.segment), (Duration::from_hours(1), Duration::from_mins(1)));
        assert_eq!(topics.message_bytes_max, 1_000_000);
        assert_eq!((config.answer_within, config.publish_within), (Duration::from_secs(5), Duration::from_secs(20)));
        assert!(!format!("{config:?}").contains("s3cr3t"), "a secret is not shown");
    }

    #[test]
    fn what_a_url_does_not_say_is_as_it_is_by_default() {
        for url in ["kafka://h:1", "kafka://h:1/", "kafka://h:1/?"] {
            assert_eq!(parse(url, None), Ok(KafkaConfig::new(vec!["h:1".to_owned()])), "{url}");
        }
    }

    #[test]
    fn what_is_wrong_names_itself() {
        for (url, option) in [
            ("amqp://h:1", "scheme"),
            ("kafka://", "host"),
            ("kafka://h", "host"),
            ("kafka://h:0", "host"),
            ("kafka://h:1,", "host"),
            ("kafka://[h]:1", "host"),
            ("kafka://h:1/path", "host"),
            ("kafka://user:s3cr3t@h:1", "host"),
            ("kafka://h:1/?colour=red", "colour"),
            ("kafka://h:1/?partitions=0", "partitions"),
            ("kafka://h:1/?partitions=many", "partitions"),
            ("kafka://h:1/?partitions=1&partitions=2", "partitions"),
            ("kafka://h:1/?replication=1", "min_insync_replicas"),
            ("kafka://h:1/?retention_ms=-1", "retention_ms"),
            ("kafka://h:1/?tls=yes", "tls"),
            ("kafka://h:1/?ca_file=%2", "ca_file"),
            ("kafka://h:1/?ca_file=%ff", "ca_file"),
            ("kafka://h:1/?ca_file=/a", "ca_file"),
            ("kafka://h:1/?client_id=", "client_id"),
            ("kafka://h:1/?client_id=%00", "client_id"),
            ("kafka://h:1/?compression=rar", "compression"),
            ("kafka://h:1/?sasl=kerberos", "sasl"),
            ("kafka://h:1/?sasl=plain&user=u", "sasl"),
            ("kafka://h:1/?sasl=plain", "user"),
            ("kafka://h:1/?user=u", "user"),
            ("kafka://h:1/?answer_within_ms=1", "answer_within_ms"),
        ] {
            let reason = reason(url, None);
            assert!(reason.starts_with(&format!("`{option}` ")), "{url}: {reason}");
            assert!(!reason.contains("s3cr3t"), "a secret is not repeated");
        }
        assert!(reason("kafka://h:1", Some("s3cr3t")).starts_with("`sasl` "), "a password that nothing uses");
    }

    #[test]
    fn every_option_is_listed() {
        for (option, _) in URL_OPTIONS {
            let reason = reason(&format!("kafka://h:1/?{option}=%00"), None);
            assert!(!reason.contains("is no option"), "{reason}");
        }
    }
}
