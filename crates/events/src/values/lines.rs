//! The lines of an order, a cart or a claim on stock: what, how many, at which price, from where.

use std::{collections::HashMap, ops::Deref, sync::Arc};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer, ser::SerializeTuple};

use crate::{Column, ColumnError, ColumnKind, Id, Value, json_from_value, json_to_value};

/// The most lines that an order has, after lines of one SKU are merged.
pub const LINES_MAX: usize = 500;

/// The most pieces in which the goods of one order are held, each a line of its own from one location. No SKU is stocked at
/// so many locations, so an order of one line can have whatever there is.
pub const ORDER_PIECES_MAX: usize = 1_000;

/// The largest quantity of one line; the smallest is 1.
pub const QUANTITY_MAX: u32 = 1_000_000;

/// So many of one SKU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Line {
    pub product_id: Id,
    pub sku: Id,
    /// 1 to [`QUANTITY_MAX`].
    pub quantity: u32,
    /// For one, in the currency of the order; absent until it is priced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit_price_minor: Option<i64>,
    /// Where it is taken from; reservations always say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location_id: Option<Id>,
    /// Of this line alone, where a reservation came in pieces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reservation_id: Option<Id>,
}

/// Lines, shared: a clone costs a counter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Lines(Arc<[Line]>);

/// Why lines cannot stand in an order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLines {
    #[error("an order has at most {max} lines, not {count}", max = LINES_MAX)]
    TooMany { count: usize },
    #[error("the quantity of {sku} must be 1 to {max}, all its lines together", max = QUANTITY_MAX)]
    Quantity { sku: Id },
    #[error("the lines of {sku} name different products")]
    ProductsDiffer { sku: Id },
    #[error("the lines of {sku} name different prices")]
    PricesDiffer { sku: Id },
}

impl Lines {
    /// One line a SKU, in the order in which the SKUs came first.
    ///
    /// A price that only some lines of a SKU name holds for all; a location or reservation is kept only if all
    /// lines of the SKU agree on it. Checks both limits, but not that there is a line at all.
    pub fn merged(&self) -> Result<Self, InvalidLines> {
        let mut merged: Vec<Line> = Vec::with_capacity(self.len().min(LINES_MAX));
        let mut places: HashMap<&Id, usize> = HashMap::with_capacity(self.len().min(LINES_MAX));
        for line in self {
            if let Some(place) = places.get(&line.sku) {
                merged[*place].absorb(line)?;
            } else {
                places.insert(&line.sku, merged.len());
                merged.push(line.clone());
            }
        }
        if let Some(line) = merged.iter().find(|line| !(1..=QUANTITY_MAX).contains(&line.quantity)) {
            return Err(InvalidLines::Quantity { sku: line.sku.clone() });
        }
        match merged.len() {
            count if count > LINES_MAX => Err(InvalidLines::TooMany { count }),
            count if count == self.len() => Ok(self.clone()),
            _ => Ok(merged.into()),
        }
    }
}

impl Line {
    /// Takes another line of the same SKU in.
    fn absorb(&mut self, other: &Self) -> Result<(), InvalidLines> {
        let sku = || self.sku.clone();
        // A line of nothing is an error of its own: it must not hide in the sum.
        if self.quantity == 0 || other.quantity == 0 {
            return Err(InvalidLines::Quantity { sku: sku() });
        }
        if self.product_id != other.product_id {
            return Err(InvalidLines::ProductsDiffer { sku: sku() });
        }
        let price_minor = match (self.unit_price_minor, other.unit_price_minor) {
            (Some(one), Some(another)) if one != another => return Err(InvalidLines::PricesDiffer { sku: sku() }),
            (one, another) => one.or(another),
        };
        let sum = self.quantity.checked_add(other.quantity).ok_or_else(|| InvalidLines::Quantity { sku: sku() })?;
        self.quantity = sum;
        self.unit_price_minor = price_minor;
        if self.location_id != other.location_id {
            self.location_id = None;
        }
        if self.reservation_id != other.reservation_id {
            self.reservation_id = None;
        }
        Ok(())
    }
}

impl Default for Lines {
    fn default() -> Self {
        Self(Arc::from([]))
    }
}

impl Deref for Lines {
    type Target = [Line];
    fn deref(&self) -> &[Line] {
        &self.0
    }
}

impl From<Vec<Line>> for Lines {
    fn from(lines: Vec<Line>) -> Self {
        Self(lines.into())
    }
}

impl FromIterator<Line> for Lines {
    fn from_iter<I: IntoIterator<Item = Line>>(lines: I) -> Self {
        Self(lines.into_iter().collect())
    }
}

impl<'a> IntoIterator for &'a Lines {
    type Item = &'a Line;
    type IntoIter = std::slice::Iter<'a, Line>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

/// In JSON, a line as an array of its fields in their order, without the last ones that are absent: their names would
/// be most of the column. Reading takes both forms.
struct LineInColumn<'a>(&'a Line);

impl Serialize for LineInColumn<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Line { product_id, sku, quantity, unit_price_minor, location_id, reservation_id } = self.0;
        let fields = match (unit_price_minor, location_id, reservation_id) {
            (_, _, Some(_)) => 6,
            (_, Some(_), None) => 5,
            (Some(_), None, None) => 4,
            (None, None, None) => 3,
        };
        let mut line = serializer.serialize_tuple(fields)?;
        line.serialize_element(product_id)?;
        line.serialize_element(sku)?;
        line.serialize_element(quantity)?;
        if fields > 3 {
            line.serialize_element(unit_price_minor)?;
        }
        if fields > 4 {
            line.serialize_element(location_id)?;
        }
        if fields > 5 {
            line.serialize_element(reservation_id)?;
        }
        line.end()
    }
}

impl Column for Lines {
    const KIND: ColumnKind = ColumnKind::Json;
    fn to_value(&self) -> Value {
        json_to_value(&self.iter().map(LineInColumn).collect::<Vec<_>>())
    }
    fn from_value(value: &Value) -> Result<Self, ColumnError> {
        json_from_value(value)
    }
    fn weight(&self) -> usize {
        size_of_val(&**self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id;

    #[test]
    fn lines_stand_in_their_column_without_the_names_of_fields() {
        let plain = Line {
            product_id: id("p"),
            sku: id("s"),
            quantity: 2,
            unit_price_minor: None,
            location_id: None,
            reservation_id: None,
        };
        let priced = Line { unit_price_minor: Some(1_250), ..plain.clone() };
        let placed = Line { location_id: Some(id("main")), ..plain.clone() };
        let claimed = Line { reservation_id: Some(id("r")), ..priced.clone() };
        let lines = Lines::from(vec![plain, priced, placed, claimed]);
        let expected = r#"[["p","s",2],["p","s",2,1250],["p","s",2,null,"main"],["p","s",2,1250,null,"r"]]"#;
        assert_eq!(lines.to_value(), Value::Text(expected.into()));
        assert_eq!(Lines::from_value(&lines.to_value()).unwrap(), lines);
        let by_name = Value::Text(serde_json::to_string(&lines).unwrap().into());
        assert_eq!(Lines::from_value(&by_name).unwrap(), lines);
        for damaged in ["[[]]", r#"[["p","s"]]"#, r#"[["p","s",1,null,null,null,0]]"#, "[1]"] {
            assert!(Lines::from_value(&Value::Text(damaged.into())).is_err(), "{damaged}");
        }
    }
}
