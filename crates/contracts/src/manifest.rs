//! The manifest as it is written: `pack.toml` and `messages/*.toml`.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use crate::{
    fault::{Fault, line_at},
    rule::TimeForm,
};

/// `pack.toml`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackToml {
    /// The same as the name of the folder.
    pub name: Spanned<String>,
    pub title: String,
    /// Of the pack: the newest heading of its changelog.
    pub version: Spanned<String>,
    /// Where the contract is published.
    pub document: String,
    pub broker: Broker,
    #[serde(default)]
    pub encoding: Encoding,
    /// Bytes before each body that the contract adds.
    #[serde(default)]
    pub framing: Framing,
    /// How a key is written: `$key` stands for it as JSON. Absent: the key itself.
    pub key: Option<Spanned<String>>,
    /// How times are written.
    #[serde(default = "millis")]
    pub times: TimeForm,
    /// What makes an event id of an imported message: `event.id`, `header.NAME`, `payload`, `key` or a path of the payload.
    #[serde(default)]
    pub id: Vec<Spanned<String>>,
    /// How long a topic keeps messages, such as `7d`.
    pub retention: Option<Spanned<String>>,
    /// Headers of every message, as lines.
    pub headers: Option<Spanned<String>>,
    /// What completes every event on the way in.
    pub fill: Option<Spanned<String>>,
    /// Every canonical event as itself, one channel a service.
    pub canonical: Option<Canonical>,
    #[serde(default)]
    pub settings: BTreeMap<String, Setting>,
    #[serde(default)]
    pub envelopes: BTreeMap<String, EnvelopeToml>,
    #[serde(default)]
    pub channels: BTreeMap<String, Channel>,
    #[serde(default)]
    pub roles: BTreeMap<String, Role>,
}

fn millis() -> TimeForm {
    TimeForm::Millis
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Broker {
    Kafka,
    RabbitMq,
    /// Either, as the bridge's address says.
    Any,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    #[default]
    Json,
    Protobuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Framing {
    #[default]
    None,
    /// The magic byte 0, a schema id of four bytes, for protobuf also message indexes.
    Confluent,
}

/// Canonical events as they are.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Canonical {
    /// `{source}` stands for the service.
    pub channel: String,
    pub envelope: String,
}

/// What a contract never says.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setting {
    pub about: String,
    /// Absent: the configuration must name it.
    pub default: Option<toml::Value>,
    /// The values that it may have; any, if there are none.
    #[serde(default)]
    pub values: Vec<String>,
}

/// What stands around the payload.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnvelopeToml {
    /// `FILE` or `FILE#NAME` below `schemas/`, without the payload.
    pub schema: Option<Spanned<String>>,
    /// Where the type stands. Absent: the channel says it.
    #[serde(rename = "type")]
    pub kind: Option<Spanned<String>>,
    /// Where the version stands; the number before its dot is the major.
    pub version: Option<Spanned<String>>,
    /// Where the payload stands. Absent: there is no envelope.
    pub payload: Option<Spanned<String>>,
    pub map: Option<Spanned<String>>,
}

/// How a channel is called at a broker.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Channel {
    /// A Kafka topic, a RabbitMQ queue or exchange.
    pub address: String,
    /// On RabbitMQ: `topic` exchange or plain `queue`.
    pub kind: Option<ChannelKind>,
    /// If it is not the broker of the pack.
    pub broker: Option<Broker>,
    /// The environment variable by which the document lets a role name it.
    pub variable: Option<String>,
    /// What consumers bind, by role.
    #[serde(default)]
    pub queues: BTreeMap<String, Queue>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChannelKind {
    Topic,
    Queue,
}

/// A queue that a consumer binds to an exchange.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Queue {
    pub name: String,
    pub variable: Option<String>,
    pub bindings: Vec<String>,
}

/// A service of the contract.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// Services of ours whose part it plays.
    pub plays: Vec<Spanned<String>>,
    /// Messages by which it learns that an order has ended.
    #[serde(default)]
    pub told_of_end_by: Vec<Spanned<String>>,
    /// What it keeps when it is not told, or too late.
    pub keeps: Option<String>,
    #[serde(default)]
    pub duties: Vec<Duty>,
}

/// Where events come from that our services need and no message of the role carries.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Duty {
    pub events: Vec<Spanned<String>>,
    /// The bridge emits the event when all of these have been seen. `A|B` is either.
    #[serde(default)]
    pub implied_when: Vec<Spanned<String>>,
    /// … and none of these.
    #[serde(default)]
    pub unless: Vec<Spanned<String>>,
    /// Our service runs as a replica, or does it all the same.
    #[serde(default)]
    pub ours: bool,
    /// Nothing emits it, for this reason.
    pub none: Option<String>,
}

/// `messages/*.toml`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MessagesToml {
    #[serde(default)]
    pub message: Vec<MessageToml>,
}

/// One message of the contract.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MessageToml {
    pub name: Spanned<String>,
    /// As it stands in the envelope.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Other spellings that are accepted.
    #[serde(default)]
    pub also: Vec<String>,
    /// A name of `[channels]`, or an address.
    pub channel: Spanned<String>,
    pub producer: Spanned<String>,
    #[serde(default)]
    pub consumers: Vec<Spanned<String>>,
    /// `FILE` or `FILE#NAME` below `schemas/`; for protobuf `FILE#full.name.of.Message`.
    pub schema: Spanned<String>,
    /// A name of `[envelopes]`; absent: `default`, if there is one.
    pub envelope: Option<Spanned<String>>,
    /// The version as it is written.
    #[serde(default = "one")]
    pub version: String,
    /// What orders it: a path as on the right side of a mapping.
    pub key: Spanned<String>,
    /// Overrides that of the pack.
    #[serde(default)]
    pub id: Vec<Spanned<String>>,
    pub retention: Option<Spanned<String>>,
    /// The document marks it as unused or deprecated.
    #[serde(default)]
    pub unused: bool,
    #[serde(default)]
    pub about: String,
    /// Files below `examples/`.
    #[serde(default)]
    pub examples: Vec<Spanned<String>>,
    #[serde(rename = "form")]
    pub forms: Vec<FormToml>,
}

fn one() -> String {
    "1".to_owned()
}

/// One meaning of a message.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FormToml {
    /// In both directions.
    pub event: Option<Spanned<String>>,
    /// What an import makes, if it differs.
    pub imports: Option<Spanned<String>>,
    /// What is exported as this message, if it differs.
    #[serde(default)]
    pub exports: Vec<Spanned<String>>,
    /// What must hold of the event to be exported.
    #[serde(default)]
    pub when: Vec<Spanned<String>>,
    /// What must hold of the payload to be imported in this form.
    #[serde(default)]
    pub when_wire: Vec<Spanned<String>>,
    /// One message an element of this list; on the way in they are gathered.
    pub each: Option<Spanned<String>>,
    /// Exported once for each value of this path.
    pub once: Option<Spanned<String>>,
    pub map: Spanned<String>,
    pub fill: Option<Spanned<String>>,
}

/// Reads a file of the manifest.
pub fn parse<'a, T: Deserialize<'a>>(file: &str, text: &'a str) -> Result<T, Fault> {
    toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(0, |span| line_at(text, span.start));
        Fault::new(file, line, error.message().lines().collect::<Vec<_>>().join(" "))
    })
}

/// The line of the file on which the first line of a multi-line string stands.
pub fn first_line(file: &str, text: &Spanned<String>) -> usize {
    let start = text.span().start;
    let raw = file.get(start..).unwrap_or_default();
    let opening = ["'''\r\n", "'''\n", "\"\"\"\r\n", "\"\"\"\n"].iter().any(|opening| raw.starts_with(opening));
    line_at(file, start) + usize::from(opening)
}
