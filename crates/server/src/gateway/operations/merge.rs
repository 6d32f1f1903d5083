//! Lists of several stores as one. Each page of the merged list has the rows that come first in all stores, and the
//! cursor of each store stands exactly behind the rows that were shown.

use serde::Deserialize;
use serde_json::{Value, value::RawValue};
use tradewind_events::Timestamp;

use super::STORE;
use crate::http::Failure;

/// By which moment a list is ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    field: &'static str,
    descending: bool,
}

/// A page of a store.
#[derive(Deserialize)]
pub struct PageIn {
    pub items: Vec<Box<RawValue>>,
    #[serde(default)]
    pub next_cursor: Option<String>,
}

impl Order {
    pub const fn ascending(field: &'static str) -> Self {
        Self { field, descending: false }
    }

    pub const fn descending(field: &'static str) -> Self {
        Self { field, descending: true }
    }

    /// The stores from which the first rows of the merged list come, in its order: at most `limit` of them. The rows of
    /// one store keep their order.
    pub fn turns(self, pages: &[&[Box<RawValue>]], limit: usize) -> Result<Vec<usize>, Failure> {
        let moments = |rows: &&[Box<RawValue>]| rows.iter().map(|row| self.moment(row)).collect::<Result<Vec<_>, _>>();
        let moments: Vec<Vec<i64>> = pages.iter().map(moments).collect::<Result<_, _>>()?;
        let mut taken = vec![0; moments.len()];
        let mut turns = Vec::new();
        while turns.len() < limit {
            let heads = moments.iter().zip(&taken).map(|(rows, taken)| rows.get(*taken));
            let heads = heads.enumerate().filter_map(|(store, moment)| Some((*moment?, store)));
            // Of equal moments the first store comes first.
            let first = if self.descending {
                heads.max_by_key(|(moment, store)| (*moment, std::cmp::Reverse(*store)))
            } else {
                heads.min()
            };
            let Some((_, store)) = first else { break };
            taken[store] += 1;
            turns.push(store);
        }
        Ok(turns)
    }

    fn moment(self, row: &RawValue) -> Result<i64, Failure> {
        let row: Value = serde_json::from_str(row.get()).unwrap_or_default();
        let moment = row.get(self.field).and_then(Value::as_str).and_then(|text| text.parse::<Timestamp>().ok());
        let moment = moment.map(Timestamp::as_millis);
        moment.ok_or_else(|| Failure::internal("merging lists", &format_args!("a row has no {}", self.field)))
    }
}

/// An item with the store that it is in. The rest of it stays byte for byte as the store has written it.
pub fn of_store(item: &RawValue, store: &str) -> String {
    let rest = item.get().trim_start().strip_prefix('{').map_or("}", str::trim_start);
    let comma = if rest.starts_with('}') { "" } else { "," };
    // The name of a peer has letters, digits and hyphens.
    format!("{{\"{STORE}\":\"{store}\"{comma}{rest}")
}

/// A page of the merged list.
pub fn page(items: &[String], next_cursor: Option<&str>) -> String {
    // A cursor is base64.
    let next = next_cursor.map(|cursor| format!(",\"next_cursor\":\"{cursor}\"")).unwrap_or_default();
    format!("{{\"items\":[{}]{next}}}", items.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(moments: &[&str]) -> Vec<Box<RawValue>> {
        moments.iter().map(|at| RawValue::from_string(format!("{{\"at\":\"{at}\"}}")).unwrap()).collect()
    }

    #[test]
    fn rows_come_in_the_order_of_their_moments_and_a_store_keeps_its_own_order() {
        let (front, back) = (
            rows(&["2026-01-01T00:00:03Z", "2026-01-01T00:00:01Z"]),
            rows(&["2026-01-01T00:00:03Z", "2026-01-01T00:00:02.5Z", "2026-01-01T00:00:00Z"]),
        );
        let order = Order::descending("at");
        assert_eq!(order.turns(&[&front, &back], 10).unwrap(), [0, 1, 1, 0, 1]);
        assert_eq!(order.turns(&[&front, &back], 2).unwrap(), [0, 1]);
        let (early, late) = (rows(&["2026-01-01T00:00:01Z"]), rows(&["2026-01-01T00:00:02Z"]));
        assert_eq!(Order::ascending("at").turns(&[&late, &early, &[]], 10).unwrap(), [1, 0]);
        assert!(Order::ascending("due_at").turns(&[&late], 1).is_err());
    }

    #[test]
    fn an_item_names_its_store_and_is_otherwise_what_it_was() {
        let item = |text: &str| of_store(&RawValue::from_string(text.into()).unwrap(), "back");
        assert_eq!(
            item(r#"{ "n": 1.50, "m": 12345678901234567890 }"#),
            r#"{"store":"back","n": 1.50, "m": 12345678901234567890 }"#
        );
        assert_eq!(item("{}"), r#"{"store":"back"}"#);
        assert_eq!(page(&[item("{}")], Some("abc")), r#"{"items":[{"store":"back"}],"next_cursor":"abc"}"#);
        assert_eq!(page(&[], None), r#"{"items":[]}"#);
    }
}
