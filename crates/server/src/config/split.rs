//! Settings of a shop that is split: which services run here, and the broker between the processes.

use std::{fmt, net::Ipv6Addr, sync::Arc};

use tradewind_events::TextEnum;

use super::value::{Value, words};
use crate::services;

/// The services of a process, in the order of [`services::NAMES`], each once. At least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceNames(Vec<&'static str>);

/// Where a broker listens. It has no password: a command line is visible to everyone on a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerUrl {
    pub kind: BrokerKind,
    /// Over TLS.
    pub secure: bool,
    pub user: Option<Arc<str>>,
    /// At least one. An IPv6 address stands here without its brackets. RabbitMQ has exactly one.
    pub hosts: Vec<(Arc<str>, u16)>,
    /// Of RabbitMQ, decoded; `/` is the default one.
    pub virtual_host: Option<Arc<str>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, TextEnum)]
pub enum BrokerKind {
    #[text("kafka")]
    Kafka,
    #[text("rabbitmq")]
    RabbitMq,
}

/// How a user signs in to Kafka.
#[derive(Debug, Clone, Copy, PartialEq, Eq, TextEnum)]
pub enum KafkaSasl {
    #[text("plain")]
    Plain,
    #[text("scram-sha-256")]
    ScramSha256,
    #[text("scram-sha-512")]
    ScramSha512,
}

/// Scheme, kind, TLS, and the port where a URL names none.
const SCHEMES: [(&str, BrokerKind, bool, u16); 4] = [
    ("kafka", BrokerKind::Kafka, false, 9092),
    ("kafkas", BrokerKind::Kafka, true, 9093),
    ("amqp", BrokerKind::RabbitMq, false, 5672),
    ("amqps", BrokerKind::RabbitMq, true, 5671),
];

/// Characters of a URL that a user or a virtual host may have as they are; others are percent-encoded.
const UNRESERVED: &[u8] = b"-._~";

/// The virtual host of RabbitMQ where a URL names none.
const VIRTUAL_HOST: &str = "/";

impl ServiceNames {
    pub fn names(&self) -> &[&'static str] {
        &self.0
    }

    /// Whether these are all services.
    pub fn are_all(&self) -> bool {
        self.0.len() == services::NAMES.len()
    }
}

impl Value for ServiceNames {
    const EXPECTED: &'static str = "names of services with commas between them: identity, catalog, inventory, carts, \
                                    orders, payments, shipping, notifications, query";
    const KIND: &'static str = "NAMES";
    fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self(services::NAMES.to_vec()));
        }
        let given: Vec<&str> = words(text).collect();
        let known = given.iter().all(|name| services::NAMES.contains(name));
        let names: Vec<&'static str> = services::NAMES.into_iter().filter(|name| given.contains(name)).collect();
        (known && !names.is_empty()).then_some(Self(names))
    }
    fn show(&self) -> String {
        self.0.join(",")
    }
}

impl Value for BrokerUrl {
    const EXPECTED: &'static str = "kafka://HOST:PORT,HOST:PORT, kafkas://…, amqp://HOST:PORT/VHOST or amqps://…, perhaps \
                                    with USER@ before the host; broker_password has the password";
    const KIND: &'static str = "URL";
    fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let (_, kind, secure, port) = SCHEMES.into_iter().find(|(name, ..)| name.eq_ignore_ascii_case(scheme))?;
        let (user, rest) = match rest.rsplit_once('@') {
            Some((user, rest)) => (Some(decoded(user).filter(|user| !user.is_empty())?), rest),
            None => (None, rest),
        };
        let (hosts, path) = rest.split_once('/').map_or((rest, None), |(hosts, path)| (hosts, Some(path)));
        let virtual_host = match (kind, path) {
            (BrokerKind::Kafka, None | Some("")) => None,
            (BrokerKind::Kafka, Some(_)) => return None,
            (BrokerKind::RabbitMq, None | Some("")) => Some(VIRTUAL_HOST.into()),
            (BrokerKind::RabbitMq, Some(path)) => Some(decoded(path)?),
        };
        let hosts: Vec<_> = hosts.split(',').map(|host| host_and_port(host, port)).collect::<Option<_>>()?;
        let one = hosts.len() == 1 || kind == BrokerKind::Kafka;
        one.then_some(Self { kind, secure, user, hosts, virtual_host })
    }
    fn show(&self) -> String {
        self.to_string()
    }
    fn quote(text: &str) -> String {
        let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
        match rest.rsplit_once('@') {
            Some((user, rest)) => {
                let user = user.split_once(':').map_or(user, |(user, _)| user);
                format!("{scheme}://{user}:***@{rest}")
            }
            None => text.to_owned(),
        }
    }
}

impl BrokerUrl {
    /// The hosts as Kafka lists them: `HOST:PORT,HOST:PORT`.
    pub fn authority(&self) -> String {
        let shown = |(host, port): &(Arc<str>, u16)| {
            if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
        };
        self.hosts.iter().map(shown).collect::<Vec<_>>().join(",")
    }
}

impl fmt::Display for BrokerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = SCHEMES.into_iter().find(|(_, kind, secure, _)| (*kind, *secure) == (self.kind, self.secure));
        f.write_str(scheme.map_or("", |(scheme, ..)| scheme))?;
        f.write_str("://")?;
        if let Some(user) = &self.user {
            write!(f, "{}@", encoded(user))?;
        }
        f.write_str(&self.authority())?;
        match self.virtual_host.as_deref() {
            None | Some(VIRTUAL_HOST) => Ok(()),
            Some(virtual_host) => write!(f, "/{}", encoded(virtual_host)),
        }
    }
}

impl Value for KafkaSasl {
    const EXPECTED: &'static str = "plain, scram-sha-256 or scram-sha-512";
    const KIND: &'static str = "WORD";
    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }
    fn show(&self) -> String {
        self.to_string()
    }
}

fn host_and_port(text: &str, usual: u16) -> Option<(Arc<str>, u16)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            let _address: Ipv6Addr = host.parse().ok()?;
            (host, if port.is_empty() { None } else { Some(port.strip_prefix(':')?) })
        }
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte);
    let port = match port {
        None => usual,
        Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => port.parse().ok().filter(|port| *port > 0)?,
        Some(_) => return None,
    };
    (!host.is_empty() && host.bytes().all(is_host)).then(|| (host.into(), port))
}

/// A part of a URL without its percent-encoding (RFC 3986); none when it has a character that must be encoded.
fn decoded(text: &str) -> Option<Arc<str>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match first {
            b'%' => {
                let (digits, after) = rest.split_at_checked(2)?;
                let digits = str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'))?;
                bytes.push(u8::from_str_radix(digits, 16).ok()?);
                rest = after;
            }
            plain if plain.is_ascii_alphanumeric() || UNRESERVED.contains(plain) => bytes.push(*plain),
            _ => return None,
        }
    }
    String::from_utf8(bytes).ok().map(Into::into)
}

fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        plain if plain.is_ascii_alphanumeric() || UNRESERVED.contains(&plain) => char::from(plain).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(url: &str) -> Option<String> {
        BrokerUrl::parse(url).map(|url| url.show())
    }

    #[test]
    fn a_broker_has_a_kind_hosts_perhaps_a_user_and_no_password() {
        for (text, expected) in [
            ("kafka://localhost", "kafka://localhost:9092"),
            ("KAFKAS://a:1,b,[::1]:3/", "kafkas://a:1,b:9093,[::1]:3"),
            ("kafka://shop@a", "kafka://shop@a:9092"),
            ("amqp://localhost", "amqp://localhost:5672"),
            ("amqps://me%40shop@mq/", "amqps://me%40shop@mq:5671"),
            ("amqp://mq:1234/shop%2Fone", "amqp://mq:1234/shop%2Fone"),
        ] {
            assert_eq!(shown(text).as_deref(), Some(expected), "{text}");
            assert_eq!(shown(expected).as_deref(), Some(expected));
        }
        let url = BrokerUrl::parse("amqp://mq/%2f").unwrap();
        assert_eq!((url.virtual_host.as_deref(), url.show().as_str()), (Some("/"), "amqp://mq:5672"));
        for wrong in [
            "",
            "localhost:9092",
            "nats://a",
            "kafka:/a",
            "kafka://",
            "kafka://a,",
            "kafka://a:0",
            "kafka://a:+1",
            "kafka://a:99999",
            "kafka://a/topic",
            "kafka://a b",
            "kafka://[::1",
            "amqp://a,b",
            "amqp://@a",
            "amqp://me:secret@a",
            "amqp://a/b/c",
            "amqp://a/%zz",
            "amqp://a/%+1",
            "amqp://a/%",
            "amqp://a/%ff",
            "amqp://a?x=1",
        ] {
            assert_eq!(shown(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn an_error_does_not_quote_a_password() {
        assert_eq!(BrokerUrl::quote("amqp://me:a@b:c@host/v"), "amqp://me:***@host/v");
        assert_eq!(BrokerUrl::quote("me:secret@host"), "://me:***@host");
        assert_eq!(BrokerUrl::quote("redis://host"), "redis://host");
    }

    #[test]
    fn services_are_put_in_order_and_unknown_ones_refused() {
        let shown = |text: &str| ServiceNames::parse(text).map(|names| names.show());
        assert_eq!(shown("query, orders,orders").as_deref(), Some("orders,query"));
        assert_eq!(shown(&services::NAMES.join(",")).as_deref(), Some(services::NAMES.join(",").as_str()));
        assert!(ServiceNames::parse(&services::NAMES.join(",")).unwrap().are_all());
        assert_eq!(shown(""), shown(&services::NAMES.join(",")));
        assert_eq!([shown(","), shown("orders,billing"), shown("Orders")], [None, None, None]);
    }
}
