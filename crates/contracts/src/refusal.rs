//! Why a message cannot be translated. A refusal names a place and a rule, never a value: values may be about a person.

use std::fmt;

use tradewind_events::TextEnum;

/// The rule that a message breaks. The names stand in dead letters, figures and answers of the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, TextEnum)]
pub enum Reason {
    /// The record has no value.
    #[text("tombstone")]
    Tombstone,
    /// The body has no byte.
    #[text("empty")]
    Empty,
    /// The body begins with the magic byte and schema id of a schema registry, which the pack does not declare.
    #[text("schema_registry_framing")]
    SchemaRegistryFraming,
    #[text("too_large")]
    TooLarge,
    #[text("too_deep")]
    TooDeep,
    #[text("too_many_entries")]
    TooManyEntries,
    #[text("too_many_lines")]
    TooManyLines,
    #[text("utf8_invalid")]
    Utf8Invalid,
    #[text("not_json")]
    NotJson,
    #[text("not_protobuf")]
    NotProtobuf,
    #[text("duplicate_key")]
    DuplicateKey,
    /// NaN or an infinity.
    #[text("number_not_finite")]
    NumberNotFinite,
    /// A number that 64 bits do not hold exactly, where its value counts.
    #[text("number_not_exact")]
    NumberNotExact,
    #[text("channel_unknown")]
    ChannelUnknown,
    #[text("type_unknown")]
    TypeUnknown,
    #[text("major_unknown")]
    MajorUnknown,
    #[text("schema_mismatch")]
    SchemaMismatch,
    #[text("enum_unknown")]
    EnumUnknown,
    /// An enumeration that decides the meaning of the message is absent or zero.
    #[text("type_unspecified")]
    TypeUnspecified,
    /// The message is valid, and the pack gives its values no meaning.
    #[text("form_unknown")]
    FormUnknown,
    #[text("amount_not_exact")]
    AmountNotExact,
    #[text("time_invalid")]
    TimeInvalid,
    #[text("id_too_long")]
    IdTooLong,
    /// What must have a value has none on the wire.
    #[text("field_missing")]
    FieldMissing,
    /// The canonical event does not accept what the mapping made.
    #[text("event_invalid")]
    EventInvalid,
    /// A canonical value has no form in the contract.
    #[text("contract_cannot_carry")]
    ContractCannotCarry,
    /// A value of a row is not there yet.
    #[text("row_missing")]
    RowMissing,
}

/// A message that is not translated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Refusal {
    pub reason: Reason,
    /// A path into the message or the canonical event; empty for the message as a whole.
    pub at: String,
    /// What is wrong, in words of the pack or its schema.
    pub detail: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.reason)?;
        if !self.at.is_empty() {
            write!(f, " at {}", self.at)?;
        }
        if self.detail.is_empty() { Ok(()) } else { write!(f, ": {}", self.detail) }
    }
}

impl Refusal {
    pub(crate) fn new(reason: Reason, at: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { reason, at: at.into(), detail: detail.into() }
    }

    pub(crate) fn whole(reason: Reason) -> Self {
        Self::new(reason, "", "")
    }
}
