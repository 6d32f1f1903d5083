//! What the command line does with one message: the answers as JSON.

use serde_json::{Map, Value, json};
use tradewind_events::{Registry, broker::BrokerMessage, registry};

use crate::{
    canonical,
    envelope::EventMeta,
    pack::{Pack, Routed},
    refusal::{Reason, Refusal},
    settings::Settings,
    translate::{Arrival, Draft},
};

/// A draft as JSON: the event, and which of its fields a row would add.
pub fn shown(draft: &Draft<'_>) -> Value {
    let notes: Vec<&str> = draft.notes.iter().map(|note| note.as_str()).collect();
    json!({
        "message": draft.message.name,
        "role": draft.message.producer,
        "event": draft.event.name,
        "version": draft.event.version,
        "id": draft.id,
        "time": draft.time.to_string(),
        "correlation_id": draft.meta.correlation_id,
        "causation_id": draft.meta.causation_id,
        "data": draft.data,
        "from_rows": draft.wanted(),
        "remembered": draft.remembered,
        "is_part": draft.is_part,
        "notes": notes,
    })
}

impl Pack {
    /// The address of a channel: by its name in the manifest, or as it is.
    pub fn address<'a>(&'a self, channel: &'a str) -> &'a str {
        self.channels.get(channel).map_or(channel, |known| known.address.as_str())
    }

    /// Imports the bytes of one message as JSON. An event that needs no row is decoded too.
    pub fn translate_in(
        &self,
        channel: &str,
        body: Vec<u8>,
        arrival: &Arrival<'_>,
        settings: &Settings,
    ) -> Result<Value, Refusal> {
        let address = self.address(channel);
        let routed = self.by_channel.get(address).and_then(|nth| nth.first()).map(|nth| self.messages[*nth].routed);
        let mut received = BrokerMessage::new(address, body);
        if routed == Some(Routed::Queue) {
            received = BrokerMessage { topic: String::new(), routing_key: Some(address.to_owned()), ..received };
        }
        let draft = self.import(&received, arrival, settings)?;
        match draft.complete(&Value::Null, settings) {
            Ok(_) => Ok(shown(&draft)),
            Err(refusal) if refusal.reason == Reason::RowMissing => Ok(shown(&draft)),
            Err(refusal) => Err(refusal),
        }
    }

    /// Exports one event, a CloudEvents envelope as JSON, to the messages of one channel. `rows` has what a bridge knows.
    pub fn translate_out(
        &self,
        channel: &str,
        envelope: &[u8],
        rows: &Value,
        settings: &Settings,
    ) -> Result<Vec<BrokerMessage>, Refusal> {
        let registry: Registry = registry();
        let invalid = |error: tradewind_events::DecodeError| Refusal::new(Reason::EventInvalid, "", error.to_string());
        let envelope = tradewind_events::Envelope::from_json(envelope, &registry).map_err(invalid)?;
        let mut data = Vec::new();
        let unwritten = |_| Refusal::whole(Reason::EventInvalid);
        envelope.event.encode(&mut data).map_err(unwritten)?;
        let data: Value = serde_json::from_slice(&data).map_err(unwritten)?;
        let exported = self.export(&data, &EventMeta::of(&envelope), rows, settings)?;
        let address = self.address(channel);
        let of_channel = exported.into_iter().filter(|one| one.info.channel == address);
        let messages: Vec<_> = of_channel.map(|one| one.message).collect();
        if messages.is_empty() {
            let detail = format!("{} is no message of {address}", envelope.event.name());
            return Err(Refusal::new(Reason::FormUnknown, "", detail));
        }
        Ok(messages)
    }

    /// The pack in one object: its messages with their events, its roles.
    pub fn summary(&self) -> Value {
        let mut messages = Map::new();
        for message in self.messages() {
            let (exports, imports) = self.events_of(&message.name);
            messages.insert(
                message.name.clone(),
                json!({"producer": message.producer, "consumers": message.consumers, "exports": exports, "imports": imports}),
            );
        }
        let roles: Vec<&String> = self.roles.keys().collect();
        json!({
            "pack": self.name, "title": self.title, "version": self.version, "messages": messages, "roles": roles,
            "canonical_events": canonical::events().count(),
        })
    }
}
