//! Messages that could not be handled: look into them, send them again, edit them, or decide that they need no effect.

use std::sync::LazyLock;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tradewind_engine::{
    Entity,
    operator::{Action, DEAD_LETTER_NOT_FOUND},
    ports::{Direction, List},
    tables::{DeadLetterKind, DeadLetterRow, DeadLetterState},
};
use tradewind_events::{FreeJson, Id, Registry, TextEnum, Timestamp, Value, mask};

use super::{ActionView, Reason, operate, operator};
use crate::http::{Call, Failure, Json, Okay, Page, PageOf, Path, Query, Sent};

#[derive(Deserialize, JsonSchema)]
pub struct DeadLetterQuery {
    /// dead, redriven or discarded. Default dead.
    #[serde(default)]
    state: Option<DeadLetterState>,
    /// A service; the name of a broker, most often `broker`, for what it delivered and nobody could decode; `relay` for what a
    /// broker refuses.
    #[serde(default)]
    consumer: Option<String>,
    /// An event's name.
    #[serde(default)]
    name: Option<String>,
}

/// A dead letter.
#[derive(Serialize, JsonSchema)]
pub struct DeadLetterView {
    id: Id,
    consumer: String,
    kind: DeadLetterKind,
    name: String,
    message_key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<Id>,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_id: Option<Id>,
    reason: String,
    attempts: u32,
    died_at: Timestamp,
    state: DeadLetterState,
    /// The broker that delivered what could not be decoded, or that refuses the event.
    #[serde(skip_serializing_if = "Option::is_none")]
    broker: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    edited_from: Option<Id>,
}

/// A dead letter with its message. What is personal in it is shown as `***`. A message that cannot be decoded is not
/// shown, as nobody knows what is personal in it: a disclosure shows it.
#[derive(Serialize, JsonSchema)]
pub struct DeadLetterDetail {
    #[serde(flatten)]
    letter: DeadLetterView,
    /// An envelope as CloudEvents JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<serde_json::Value>")]
    message: Option<Box<RawValue>>,
    /// How many bytes the message has as it came.
    message_bytes: usize,
}

/// A dead letter with all that it holds, as it came.
#[derive(Default, Serialize, JsonSchema)]
pub struct DeadLetterDisclosure {
    id: Option<Id>,
    /// The message as it came, where it is JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<serde_json::Value>")]
    message: Option<Box<RawValue>>,
    /// The message as it came, where it is no JSON: its bytes in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    message_hex: Option<String>,
    /// What a broker delivered beside the message: topic, routing key, key, headers with their types, properties, time.
    /// Bytes that are no UTF-8 are `{"base64": "…"}`; `tombstone` says that there was no message at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<serde_json::Value>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// The whole message: an envelope as CloudEvents JSON.
    message: FreeJson,
}

/// The newest first.
pub async fn list(
    call: Call,
    page: Page,
    Query(query): Query<DeadLetterQuery>,
) -> Result<Okay<PageOf<DeadLetterView>>, Failure> {
    let state = query.state.unwrap_or(DeadLetterState::Dead);
    let mut list = List::of(DeadLetterRow::TABLE, page.limit)
        .equal("state", Value::Text(state.as_str().into()))
        .order_by("died_at", Direction::Descending);
    for (column, value) in [("consumer", query.consumer), ("name", query.name)] {
        if let Some(value) = value {
            list = list.equal(column, Value::Text(value.into()));
        }
    }
    call.page(&page, list, |row: DeadLetterRow| DeadLetterView::from(&row)).await
}

pub async fn read(call: Call, Path(id): Path<Id>) -> Result<Okay<DeadLetterDetail>, Failure> {
    let row = letter(&call, &id).await?;
    Ok(Okay(DeadLetterDetail {
        letter: DeadLetterView::from(&row),
        message: masked(&row),
        message_bytes: row.message.len(),
    }))
}

/// The message is not kept under the idempotency key: it is read again for whoever repeats the request.
pub async fn disclose(
    call: Call,
    Path(dead_letter): Path<Id>,
    Json(Reason { reason }): Json<Reason>,
) -> Result<Sent<Okay<DeadLetterDisclosure>>, Failure> {
    let action = Action::Reveal { dead_letter: dead_letter.clone(), reason: reason.into() };
    let operator = operator(&call, action)?;
    let sent = call.operate(operator, |_| Okay(DeadLetterDisclosure::default())).await?;
    let shown = DeadLetterDisclosure::of(&letter(&call, &dead_letter).await?);
    let body = serde_json::to_vec(&shown).map_err(|error| Failure::internal("showing a dead letter", &error))?;
    Ok(sent.map_body(|_| body))
}

async fn letter(call: &Call, id: &Id) -> Result<DeadLetterRow, Failure> {
    Ok(call.load::<DeadLetterRow>(id).await?.ok_or_else(|| DEAD_LETTER_NOT_FOUND.because(id))?)
}

/// The message without what is personal; none when it cannot be decoded.
fn masked(row: &DeadLetterRow) -> Option<Box<RawValue>> {
    let envelope = row.envelope().and_then(|raw| raw.decode(registry())).ok()?;
    mask(|| serde_json::value::to_raw_value(&serde_json::to_value(envelope.to_raw().ok()?).ok()?).ok())
}

/// Every event that there is.
fn registry() -> &'static Registry {
    static REGISTRY: LazyLock<Registry> = LazyLock::new(tradewind_events::registry);
    &REGISTRY
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|half| char::from(DIGITS[usize::from(half)])).collect()
}

pub async fn redrive(call: Call, Path(dead_letter): Path<Id>) -> Result<Sent<Okay<ActionView>>, Failure> {
    operate(&call, Action::Redrive { dead_letter }).await
}

pub async fn edit_and_redrive(
    call: Call,
    Path(dead_letter): Path<Id>,
    Json(edit): Json<Edit>,
) -> Result<Sent<Okay<ActionView>>, Failure> {
    operate(&call, Action::EditAndRedrive { dead_letter, message: edit.message.get().as_bytes().into() }).await
}

pub async fn discard(
    call: Call,
    Path(dead_letter): Path<Id>,
    Json(Reason { reason }): Json<Reason>,
) -> Result<Sent<Okay<ActionView>>, Failure> {
    operate(&call, Action::Discard { dead_letter, reason: reason.into() }).await
}

impl DeadLetterDisclosure {
    fn of(row: &DeadLetterRow) -> Self {
        let text = std::str::from_utf8(&row.message).ok();
        let message: Option<Box<RawValue>> = text.and_then(|text| serde_json::from_str(text).ok());
        Self {
            id: Some(row.id.clone()),
            message_hex: message.is_none().then(|| hex(&row.message)),
            message,
            record: row
                .record
                .as_deref()
                .map(|record| serde_json::from_str(record).unwrap_or_else(|_| record.to_owned().into())),
        }
    }
}

impl From<&DeadLetterRow> for DeadLetterView {
    fn from(row: &DeadLetterRow) -> Self {
        Self {
            id: row.id.clone(),
            consumer: row.consumer.to_string(),
            kind: row.kind,
            name: row.name.to_string(),
            message_key: row.message_key.to_string(),
            event_id: row.event_id.clone(),
            correlation_id: row.correlation_id.clone(),
            reason: row.reason.to_string(),
            attempts: row.attempts,
            died_at: row.died_at,
            state: row.state,
            broker: row.broker.as_deref().map(str::to_owned),
            position: row.position.as_deref().map(str::to_owned),
            edited_from: row.edited_from.clone(),
        }
    }
}
