//! Events to messages: payload, envelope, headers, key and address.

use serde_json::{Map, Value};
use tradewind_events::broker::{BrokerMessage, Bytes, HeaderValue, Properties};

use super::Exported;
use crate::{
    convert::Note,
    envelope::EventMeta,
    manifest::Broker,
    outward::Out,
    pack::{Form, Message, Pack, Routed, WireSchema, validate},
    proto,
    refusal::{Reason, Refusal},
    rule::{Place, Rule},
    settings::Settings,
    value::{get, put},
};

impl Pack {
    /// Writes an event as the messages that the contract has for it; none if it has none. `rows` has an object for each
    /// row of a bridge that is known: `{"order": {…}}`.
    pub fn export(
        &self,
        event: &Value,
        meta: &EventMeta,
        rows: &Value,
        settings: &Settings,
    ) -> Result<Vec<Exported<'_>>, Refusal> {
        let mut exported = Vec::new();
        let mut done = None;
        for (nth, form) in self.by_event.get(meta.name.as_str()).into_iter().flatten() {
            let (message, form) = (&self.messages[*nth], &self.messages[*nth].forms[*form]);
            let out = Out { data: event, element: None, meta, rows, settings, message: &message.info };
            if done == Some(*nth) || !out.holds(&form.when) {
                continue;
            }
            done = Some(*nth);
            exported.extend(self.export_as(message, form, event, (meta, rows, settings))?);
        }
        Ok(exported)
    }

    /// Writes an event in one form, whatever its conditions say.
    pub(crate) fn export_as<'p>(
        &'p self,
        message: &'p Message,
        form: &'p Form,
        event: &Value,
        (meta, rows, settings): (&EventMeta, &Value, &Settings),
    ) -> Result<Vec<Exported<'p>>, Refusal> {
        let out = Out { data: event, element: None, meta, rows, settings, message: &message.info };
        let Some(each) = &form.each else { return Ok(vec![self.export_one(message, form, &out)?]) };
        let elements = get(event, each).and_then(Value::as_array).into_iter().flatten();
        elements.map(|element| self.export_one(message, form, &Out { element: Some(element), ..out })).collect()
    }

    fn export_one<'p>(&'p self, message: &'p Message, form: &'p Form, out: &Out<'_>) -> Result<Exported<'p>, Refusal> {
        let mut notes = Vec::new();
        let payload = if form.identity {
            out.data.clone()
        } else {
            let mut payload = Value::Object(Map::new());
            out.block(&form.block, &mut payload, &mut notes)?;
            payload
        };
        let body = match &message.schema {
            WireSchema::Protobuf(descriptor) => proto::encode(descriptor, &payload)?,
            schema => {
                if let WireSchema::Json(schema, _) = schema {
                    validate(schema, &payload, "")?;
                }
                let document = self.enclose(message, payload, out, &mut notes)?;
                serde_json::to_vec(&document).map_err(|_| Refusal::new(Reason::ContractCannotCarry, "", "no JSON"))?
            }
        };
        let key = text(out.rule_of(&message.key)?);
        let once = match &form.once {
            Some(place) => text(out.rule_of(place)?),
            None => None,
        };
        let message_out = self.addressed(message, (key, body), out, &mut notes)?;
        Ok(Exported { info: &message.info, message: message_out, once, notes })
    }

    /// The document around a payload.
    fn enclose(
        &self,
        message: &Message,
        payload: Value,
        out: &Out<'_>,
        notes: &mut Vec<Note>,
    ) -> Result<Value, Refusal> {
        let Some(envelope) = message.envelope.map(|nth| &self.envelopes[nth]) else { return Ok(payload) };
        let mut document = Value::Object(Map::new());
        out.block(&envelope.block, &mut document, notes)?;
        match &envelope.payload {
            Some(path) => put(&mut document, path, payload),
            None => document = payload,
        }
        if let Some(schema) = &envelope.schema {
            validate(schema, &document, "")?;
        }
        Ok(document)
    }

    fn addressed(
        &self,
        message: &Message,
        (key, body): (Option<String>, Vec<u8>),
        out: &Out<'_>,
        notes: &mut Vec<Note>,
    ) -> Result<BrokerMessage, Refusal> {
        let mut written = Value::Object(Map::new());
        out.block(&self.headers, &mut written, notes)?;
        let texts = |members: Map<String, Value>| {
            members.into_iter().filter_map(|(name, value)| match value {
                Value::String(text) => Some((name, text)),
                Value::Null => None,
                other => Some((name, other.to_string())),
            })
        };
        let headers = match written {
            Value::Object(members) => {
                texts(members).map(|(name, text)| (name, HeaderValue::Text(Bytes(text.into_bytes())))).collect()
            }
            _ => Vec::new(),
        };
        let channel = message.info.channel.clone();
        let (topic, routing_key) = match message.routed {
            Routed::Log => (channel, None),
            Routed::ByType => (channel, message.info.kind.clone()),
            Routed::Queue => (String::new(), Some(channel)),
        };
        let properties = if message.info.broker == Broker::RabbitMq {
            Properties {
                content_type: Some("application/json".to_owned()),
                delivery_mode: Some(2),
                correlation_id: out.meta.correlation_id.clone().filter(|text| text.len() <= 255),
                ..Properties::default()
            }
        } else {
            Properties::default()
        };
        let key = key.filter(|_| message.routed == Routed::Log).map(|key| match &self.key_around {
            Some((before, behind)) => format!("{before}{}{behind}", Value::String(key)),
            None => key,
        });
        let key = key.map(|key| Bytes(key.into_bytes()));
        Ok(BrokerMessage { topic, routing_key, key, headers, properties, time: Some(out.meta.time), body: Some(body) })
    }
}

fn text(value: Option<Value>) -> Option<String> {
    match value? {
        Value::String(text) => Some(text),
        Value::Null => None,
        other => Some(other.to_string()),
    }
}

impl Out<'_> {
    /// The value of a place, in the form of the wire.
    fn rule_of(&self, place: &Place) -> Result<Option<Value>, Refusal> {
        let rule = Rule::Copy(place.clone());
        let own = Out { ..*self };
        own.rule(&rule, "key", &mut Vec::new())
    }
}
