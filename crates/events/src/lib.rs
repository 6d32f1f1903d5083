//! What crosses a process or a point in time: the canonical events by service, their envelope, ids, money and
//! times, and how a value stands in a typed column. The only home of wire types.
//!
//! Not here: what a service does with an event (`services/`), or how one travels (`crates/engine`, the adapters).

// The derives name this crate by its full name, also from inside it.
extern crate self as tradewind_events;

/// For the derives: they name these through this crate.
#[doc(hidden)]
pub use {schemars, serde};

pub mod broker;
pub mod carts;
pub mod catalog;
pub mod identity;
pub mod inventory;
pub mod jobs;
pub mod notifications;
pub mod orders;
pub mod payments;
pub mod samples;
pub mod shipping;

mod binary;
mod cart_snapshot;
mod column;
mod envelope;
mod event;
mod fingerprint;
mod free_json;
mod id;
mod key;
mod money;
mod personal;
mod registry;
#[doc(hidden)]
pub mod schema;
mod size;
mod source;
mod time;
mod values;

pub use cart_snapshot::CartSnapshot;
pub use column::{
    Column, ColumnDef, ColumnError, ColumnKind, Columns, JSON_COLUMN_WEIGHT, Value, all_columns, id_rank,
    json_from_value, json_to_value, read_column,
};
pub use envelope::{DecodeError, Envelope, RawEnvelope, SPEC_VERSION};
pub use event::{AnyEvent, Event, EventKind, Party, Registry, Subject};
pub use fingerprint::Fingerprint;
pub use free_json::{FREE_JSON_DEPTH_MAX, FreeJson, InvalidJson, JsonKind};
pub use id::{ID_BYTES_MAX, Id, InvalidId, id};
pub use key::{
    AsKey, InvalidKey, InvalidKeyText, KEY_PARTS_MAX, KEY_TEXT_BYTES_MAX, Key, KeyPart, KeyText, Part, is_key_text,
    row_key,
};
pub use money::{AmountOverflow, Currency, InvalidCurrency, Money, basis_points, minus, plus, times};
pub use personal::{Personal, mask};
pub use registry::registry;
pub use size::ESCAPED_FACTOR_MAX;
pub use source::{bridge_and_role, emitting_service};
pub use time::{InvalidTimestamp, Timestamp};
pub use tradewind_macros::{Event, TextEnum};
pub use values::{
    Address, AdjustmentType, Attributes, CancelledBy, Change, Check, InvalidLines, LINES_MAX, Line, Lines, LowLevel,
    Media, ORDER_PIECES_MAX, OrderSummary, PaymentMethod, Price, Product, ProductStatus, QUANTITY_MAX, ScheduledPrice,
    StockCause, StockLevel, Variant, VariantStatus,
};

/// A closed set of names: each variant has one wire name, written out.
///
/// Derive it with `#[derive(TextEnum)]` and `#[text("name")]` on every variant; the derive also gives `Display`,
/// `FromStr`, serde's traits and [`Column`].
pub trait TextEnum: Sized + Copy + 'static {
    /// Every variant, in the order of its declaration.
    const ALL: &'static [Self];

    fn as_str(self) -> &'static str;
}

/// A text is none of the names of a [`TextEnum`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is none of {expected}")]
pub struct UnknownName {
    pub text: String,
    /// The names that there are, with commas.
    pub expected: String,
}

impl UnknownName {
    pub fn among<E: TextEnum>(text: &str) -> Self {
        let names: Vec<_> = E::ALL.iter().map(|name| name.as_str()).collect();
        Self { text: text.to_owned(), expected: names.join(", ") }
    }
}
