//! A mapping after it was checked: what each line does, with every path resolved.

use serde_json::Value;

use crate::{canonical::Kind, mapping::Path};

/// Where a value comes from on the way out, and where it goes on the way in.
#[derive(Debug, Clone, PartialEq)]
pub enum Place {
    /// A place of the canonical event.
    Root(Path, Kind),
    /// A place of the element of the canonical list that is being mapped; no step is the element itself.
    Element(Path, Kind),
    /// `setting.NAME`
    Setting(String),
    /// `row.ROW.FIELD…`: what a bridge keeps between messages.
    Row(Path),
    /// `event.…`
    Meta(Meta),
    /// `message.…`
    Message(MessageField),
    Literal(Value),
}

/// What stands around a canonical event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meta {
    Id,
    Time,
    CorrelationId,
    CausationId,
    Traceparent,
    Key,
    Subject,
    Source,
    Sequence,
    Type,
    Version,
}

/// What the manifest says about a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageField {
    Name,
    Type,
    Version,
    Producer,
}

/// How an amount stands on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MoneyForm {
    /// A protobuf `float`.
    Float,
    /// A JSON number of whole units with a fraction.
    Number,
    /// A decimal text with as many digits as the currency has.
    Text,
    /// A JSON number in the unit of the setting `price_unit`: `minor` or `major`.
    Unit,
}

/// How a time stands on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeForm {
    /// RFC 3339 with three digits of the second.
    Millis,
    /// RFC 3339 with whole seconds, and three digits only where there are milliseconds.
    Seconds,
    /// A number of milliseconds since 1970.
    UnixMillis,
    /// A number of seconds since 1970.
    UnixSeconds,
}

/// Where the currency of an amount is known on the way in.
#[derive(Debug, Clone, PartialEq)]
pub enum CurrencySource {
    /// In the same object of the message.
    Wire(Path),
    /// At the top of the payload.
    Payload(Path),
    Setting(String),
    Literal(String),
    /// Only when the event is completed from rows.
    Late,
}

/// What one line does.
#[derive(Debug, Clone, PartialEq)]
pub enum Rule {
    Copy(Place),
    /// On the way in the wire must have this value.
    Constant(Value),
    Money {
        form: MoneyForm,
        amount: Place,
        currency: Place,
        inward: CurrencySource,
        nearest: bool,
    },
    Time(Place, TimeForm),
    /// Canonical name to wire value. On the way in the first pair of a value counts.
    Names(Place, Vec<(String, Value)>),
    Prefix(String, Place),
    /// A text that is a UUID, or the UUID that is made of it.
    Uuid(Place),
    /// A whole number as text.
    Text(Place),
    Negate(Place),
    /// The first element of a list.
    First(Place),
    /// Texts with a blank between them; all of it goes into the first.
    Join(Vec<Place>),
    /// The first that there is; it goes into the first.
    Either(Vec<Place>),
    /// A product and its SKU as one id, by the setting `item_key`.
    Item {
        product: Place,
        sku: Place,
    },
    /// A list as an object: a member an element.
    Map {
        list: Place,
        key: Box<Rule>,
        value: Box<Rule>,
        sum: bool,
    },
}

/// A line of a block.
#[derive(Debug, Clone)]
pub struct LineRule {
    pub wire: Vec<Path>,
    pub out: bool,
    pub inward: bool,
    pub rule: Rule,
    pub or: Option<Value>,
    /// The schema demands the first path.
    pub required: bool,
}

/// A list that stands on both sides.
#[derive(Debug, Clone)]
pub struct ListRule {
    pub line: usize,
    pub wire: Path,
    pub list: Place,
    pub out: bool,
    pub inward: bool,
    /// Elements that agree in this are one on the way out, and are joined to what is there on the way in.
    pub by: Option<Path>,
    /// What is added up then.
    pub sum: Option<Path>,
    pub block: Block,
    pub required: bool,
}

/// The lines of one object.
#[derive(Debug, Clone, Default)]
pub struct Block {
    pub lines: Vec<LineRule>,
    pub lists: Vec<ListRule>,
}

/// Where a field comes from that no wire carries.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    Row(Path),
    Setting(String),
    Literal(Value),
    /// The id of the event.
    EventId,
    /// The time of the event.
    Time,
    /// The time of the event and so many seconds of a setting.
    After(String),
    /// Another field of the same object.
    CopyOf(Path),
    /// The five amounts of an order, from those that are known.
    Amounts,
}

/// One line of a fill.
#[derive(Debug, Clone, PartialEq)]
pub struct FillRule {
    pub line: usize,
    /// In the canonical event.
    pub path: Path,
    pub source: Source,
    pub kind: Kind,
    /// It holds for every event of the pack that has such a field.
    pub of_pack: bool,
}

/// How a condition compares, with its right side resolved.
#[derive(Debug, Clone, PartialEq)]
pub enum TestRule {
    Equal(Place),
    Different(Place),
    More(Place),
    Less(Place),
    Present,
    Absent,
}

/// A condition on the canonical event or, where `on_wire`, on the message.
#[derive(Debug, Clone, PartialEq)]
pub struct ConditionRule {
    pub place: Place,
    pub test: TestRule,
}

impl Rule {
    /// The places that the rule writes on the way in.
    pub fn places(&self) -> Vec<&Place> {
        match self {
            Self::Constant(_) => Vec::new(),
            Self::Copy(place)
            | Self::Time(place, _)
            | Self::Names(place, _)
            | Self::Prefix(_, place)
            | Self::Uuid(place)
            | Self::Text(place)
            | Self::Negate(place)
            | Self::First(place)
            | Self::Money { amount: place, .. } => vec![place],
            Self::Join(places) | Self::Either(places) => places.iter().collect(),
            Self::Item { product, sku } => vec![product, sku],
            Self::Map { list, .. } => vec![list],
        }
    }
}
