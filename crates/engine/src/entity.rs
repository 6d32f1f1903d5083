//! Entities: one struct is one table is one row of typed columns. Derived, so that no mapping is written by hand.

use std::{
    any::Any,
    fmt,
    hash::{Hash, Hasher},
};

use rustc_hash::FxHasher;

pub use tradewind_events::ColumnDef;
use tradewind_events::{ColumnError, ColumnKind, InvalidKey, Key, Value, id_rank};

/// A row that a service owns. Derive it: `#[derive(Clone, Entity)] #[entity(owner = Inventory, table = "stock",
/// key = (sku, location_id))]`.
///
/// A clone is what a handler works on, so fields share their text ([`tradewind_events::Id`], `Arc<str>`, `Lines`).
///
/// Fields are private to the model: only its transitions change them. The derive generates an accessor for each:
///
/// ```
/// mod model {
///     use tradewind_engine::Entity;
///     use tradewind_events::{Id, VariantStatus};
///
///     # pub struct Inventory;
///     #[derive(Clone, Entity)]
///     #[entity(owner = Inventory, table = "stock", key = sku)]
///     pub struct Stock {
///         sku: Id,
///         on_hand: i64,
///         low: Option<i64>,
///         shelf: Option<Id>,
///         #[column(copy)]
///         status: VariantStatus,
///         #[column(no_accessor)]
///         sold: i64,
///     }
///
///     impl Stock {
///         pub fn open(sku: Id) -> Self {
///             Self { sku, on_hand: 0, low: None, shelf: None, status: VariantStatus::Active, sold: 0 }
///         }
///
///         pub fn receive(&mut self, quantity: i64) {
///             self.on_hand += quantity;
///         }
///     }
/// }
///
/// let mut stock = model::Stock::open(tradewind_events::id("SKU-1"));
/// stock.receive(3);
/// assert_eq!(stock.sku().as_str(), "SKU-1");
/// assert_eq!((stock.on_hand(), stock.low(), stock.shelf()), (3, None, None));
/// assert_eq!(stock.status(), tradewind_events::VariantStatus::Active);
/// ```
///
/// A handler that writes a field does not compile:
///
/// ```compile_fail,E0451
/// # use tradewind_engine::{Outcome, Uow};
/// # use tradewind_events::Id;
/// # mod model {
/// #     use tradewind_engine::{Entity, Settings};
/// #     use tradewind_events::Id;
/// #     pub struct Inventory;
/// #     impl Settings for Inventory { const SERVICE: &'static str = "inventory"; }
/// #     #[derive(Clone, Entity)]
/// #     #[entity(owner = Inventory, table = "stock", key = sku)]
/// #     pub struct Stock { sku: Id, on_hand: i64 }
/// # }
/// # use model::{Inventory, Stock};
/// fn sold_out(uow: &mut Uow<Inventory>, sku: &Id) -> Outcome {
///     let stock = uow.load::<Stock>(sku)?;
///     uow.put(Stock { on_hand: 0, ..stock });
///     Ok(())
/// }
/// ```
pub trait Entity: Clone + Send + Sync + 'static {
    /// The service that may name it in its unit of work; any other does not compile.
    type Owner;
    const TABLE: &'static Table;

    fn key(&self) -> Key;
    /// The columns, in the order of [`Table::columns`].
    fn to_row(&self) -> Vec<Value>;
    fn from_row(row: &[Value]) -> Result<Self, ColumnError>;
    /// About how many bytes it takes in memory, for the bound of the cache.
    fn weight(&self) -> usize;
}

/// What a store must know of a table. Beside these columns every table has `version` (counts the commits that
/// changed the row, from 1) and `events` (counts the events that are about the row).
#[derive(Debug, PartialEq, Eq)]
pub struct Table {
    pub name: &'static str,
    /// Columns of the primary key, all text.
    pub key: &'static [&'static str],
    pub columns: &'static [ColumnDef],
    /// Rows stay in memory once they are written. Not for what is written once and hardly read.
    pub cached: bool,
}

impl Table {
    /// The place of a column in a row.
    pub fn position(&self, column: &str) -> Option<usize> {
        self.columns.iter().position(|known| known.name == column)
    }
}

impl Table {
    /// The key of a row as a store keeps it.
    pub fn key_of(&self, row: &[Value]) -> Result<Key, InvalidKey> {
        // What is no text is no part of a key, and refused like an empty one.
        Key::checked(self.key.iter().map(|column| match self.position(column).and_then(|place| row.get(place)) {
            Some(Value::Text(text)) => &**text,
            _ => "",
        }))
    }
}

impl Table {
    /// A text that compares as stores compare keys: part by part, ids as [`id_rank`] says. No part of a key has a
    /// character as small as the one that ends it here.
    pub(crate) fn rank(&self, key: &Key) -> Box<str> {
        let mut rank = String::with_capacity(key.as_str().len() + 2 * self.key.len());
        for (name, part) in self.key.iter().zip(key.parts()) {
            let is_id = self.position(name).is_some_and(|place| self.columns[place].kind == ColumnKind::Id);
            if is_id {
                rank.push(if id_rank(part).0 { '1' } else { '0' });
            }
            rank.push_str(part);
            rank.push('\u{1f}');
        }
        rank.into()
    }
}

/// A row as its entity. One that cannot be read is logged and left where it is: the others go on without it.
pub(crate) fn readable<E: Entity>(row: &StoredRow) -> Option<E> {
    let read = E::from_row(&row.values);
    if let Err(error) = &read {
        let key = E::TABLE.key_of(&row.values).map_or_else(|error| error.to_string(), |key| key.to_string());
        tracing::error!(table = E::TABLE.name, key, %error, "a row cannot be read");
    }
    read.ok()
}

/// A row as a store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRow {
    pub values: Vec<Value>,
    pub version: u64,
    pub events: u64,
}

/// Which row of which table.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntityRef {
    pub table: &'static str,
    pub key: Key,
}

impl fmt::Display for EntityRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.table, self.key)
    }
}

impl fmt::Debug for EntityRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An [`EntityRef`] that is looked up often: it knows its hash.
#[derive(Clone)]
pub(crate) struct RowRef {
    pub row: EntityRef,
    hash: u64,
}

impl RowRef {
    pub fn new(table: &'static str, key: Key) -> Self {
        let mut hasher = FxHasher::default();
        table.hash(&mut hasher);
        key.hash(&mut hasher);
        Self { row: EntityRef { table, key }, hash: hasher.finish() }
    }
}

impl PartialEq for RowRef {
    fn eq(&self, other: &Self) -> bool {
        // Most names of tables are one and the same text, which is told faster by its place.
        self.hash == other.hash
            && (std::ptr::eq(self.row.table, other.row.table) || self.row.table == other.row.table)
            && self.row.key == other.row.key
    }
}

impl Eq for RowRef {}

impl Hash for RowRef {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// An [`Entity`] behind a pointer, as it waits for its commit.
pub trait AnyEntity: Send + Sync + 'static {
    fn table(&self) -> &'static Table;
    fn row_key(&self) -> Key;
    fn row(&self) -> Vec<Value>;
    fn bytes(&self) -> usize;
    fn as_any(&self) -> &dyn Any;
}

impl<E: Entity> AnyEntity for E {
    fn table(&self) -> &'static Table {
        E::TABLE
    }
    fn row_key(&self) -> Key {
        self.key()
    }
    fn row(&self) -> Vec<Value> {
        self.to_row()
    }
    fn bytes(&self) -> usize {
        self.weight()
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}
