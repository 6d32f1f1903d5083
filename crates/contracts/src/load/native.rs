//! A pack that carries canonical events as they are.

use crate::{
    canonical,
    manifest::{Broker, Canonical, PackToml},
    pack::{Form, IdPart, Message, MessageInfo, Routed, WireSchema},
    rule::{Block, Meta, Place},
};

/// One message for every canonical event.
pub fn messages(canonical: &Canonical, manifest: &PackToml, envelopes: &[&String]) -> Result<Vec<Message>, String> {
    let envelope = envelopes.iter().position(|name| **name == canonical.envelope);
    let envelope = envelope.ok_or_else(|| format!("the pack has no envelope `{}`", canonical.envelope))?;
    let message = |event: &'static std::sync::Arc<canonical::EventShape>| {
        let info = MessageInfo {
            name: event.name.to_owned(),
            kind: Some(event.name.to_owned()),
            also: Vec::new(),
            channel: canonical.channel.replace("{source}", event.source),
            broker: manifest.broker,
            producer: event.source.to_owned(),
            consumers: Vec::new(),
            version: event.version.to_string(),
            about: String::new(),
            unused: false,
            retention: manifest.retention.as_ref().map(|text| text.get_ref().clone()),
            examples: Vec::new(),
        };
        let form = Form {
            imports: Some(event),
            exports: vec![event],
            when: Vec::new(),
            when_wire: Vec::new(),
            each: None,
            once: None,
            block: Block::default(),
            fills: Vec::new(),
            identity: true,
            line: 0,
        };
        Message {
            info,
            envelope: Some(envelope),
            schema: WireSchema::Canonical,
            key: Place::Meta(Meta::Key),
            id: vec![IdPart::WireId],
            routed: if manifest.broker == Broker::RabbitMq { Routed::ByType } else { Routed::Log },
            forms: vec![form],
            file: super::MANIFEST.to_owned(),
            line: 0,
        }
    };
    Ok(canonical::events().map(message).collect())
}
