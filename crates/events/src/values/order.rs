//! What events say about an order: its summary, how it is paid, where it goes, who ended it.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Column, ColumnDef, ColumnError, Columns, Currency, Id, JSON_COLUMN_WEIGHT, Personal, TextEnum, Timestamp, Value,
    column::json_columns, read_column,
};

/// What rides along in every event of the saga, so that nobody has to look the order up.
///
/// The five amounts, in minor units of `currency`, are absent until the order is quoted, never after.
/// `total = items − discount + shipping + tax`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OrderSummary {
    pub order_id: Id,
    pub customer_id: Id,
    pub currency: Currency,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items_total_minor: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discount_minor: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shipping_minor: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tax_minor: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_minor: Option<i64>,
    pub payment_method: PaymentMethod,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cart_id: Option<Id>,
}

/// Who holds the money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, TextEnum)]
pub enum PaymentMethod {
    /// A prepaid account in our ledger.
    #[text("balance")]
    Balance,
    /// A payment provider.
    #[text("card")]
    Card,
    /// Someone else, who says so through the API or a contract.
    #[text("external")]
    External,
}

/// A postal address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Address {
    pub street: Personal<String>,
    pub city: Personal<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<Personal<String>>,
    pub zip: Personal<String>,
    pub country: Personal<String>,
}

/// Who ended an order, or asks to end it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, TextEnum)]
pub enum CancelledBy {
    #[text("customer")]
    Customer,
    #[text("operator")]
    Operator,
    /// It was not confirmed in time.
    #[text("deadline")]
    Deadline,
    /// A check was lost.
    #[text("system")]
    System,
}

/// A check that an order has passed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Check {
    pub name: Arc<str>,
    pub passed_at: Timestamp,
    /// What shows it: the id of the reservation, of the shipment.
    pub reference: Arc<str>,
}

/// Reads the columns of [`OrderSummary`] one after the other.
struct Summarized<'a> {
    columns: &'a [Value],
    nth: usize,
}

impl Summarized<'_> {
    fn next<T: Column>(&mut self) -> Result<T, ColumnError> {
        let name = <Arc<OrderSummary> as Columns>::COLUMNS.get(self.nth).map_or("", |column| column.name);
        self.nth += 1;
        read_column(self.columns, self.nth - 1, name, T::from_value)
    }
}

/// All but the order's id, which names the row.
impl Columns for Arc<OrderSummary> {
    const COLUMNS: &'static [ColumnDef] = &[
        ColumnDef::of::<Id>("customer_id"),
        ColumnDef::of::<Currency>("currency"),
        ColumnDef::of::<Option<i64>>("items_total_minor"),
        ColumnDef::of::<Option<i64>>("discount_minor"),
        ColumnDef::of::<Option<i64>>("shipping_minor"),
        ColumnDef::of::<Option<i64>>("tax_minor"),
        ColumnDef::of::<Option<i64>>("total_minor"),
        ColumnDef::of::<PaymentMethod>("payment_method"),
        ColumnDef::of::<Option<Id>>("cart_id"),
    ];

    fn write_to(&self, row: &mut Vec<Value>) {
        row.extend([
            self.customer_id.to_value(),
            self.currency.to_value(),
            self.items_total_minor.to_value(),
            self.discount_minor.to_value(),
            self.shipping_minor.to_value(),
            self.tax_minor.to_value(),
            self.total_minor.to_value(),
            self.payment_method.to_value(),
            self.cart_id.to_value(),
        ]);
    }

    fn read_from(key: &Id, columns: &[Value]) -> Result<Self, ColumnError> {
        let mut columns = Summarized { columns, nth: 0 };
        Ok(Self::new(OrderSummary {
            order_id: key.clone(),
            customer_id: columns.next()?,
            currency: columns.next()?,
            items_total_minor: columns.next()?,
            discount_minor: columns.next()?,
            shipping_minor: columns.next()?,
            tax_minor: columns.next()?,
            total_minor: columns.next()?,
            payment_method: columns.next()?,
            cart_id: columns.next()?,
        }))
    }

    fn weight(&self) -> usize {
        size_of::<OrderSummary>()
    }
}

json_columns!(
    Address: |_| JSON_COLUMN_WEIGHT,
    Arc<Address>: |_| JSON_COLUMN_WEIGHT
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::Sample;

    #[test]
    fn an_address_and_a_summary_come_back_from_their_columns() {
        let address = Some(Address::sample());
        assert_eq!(Option::<Address>::from_value(&address.to_value()).unwrap(), address);
        assert_eq!(Option::<Arc<Address>>::from_value(&address.to_value()).unwrap().as_deref(), address.as_ref());
        assert_eq!(Option::<Address>::from_value(&Value::Null).unwrap(), None);
        for order in [Arc::<OrderSummary>::sample(), Arc::new(OrderSummary { total_minor: None, ..summary() })] {
            let mut row = Vec::new();
            order.write_to(&mut row);
            assert_eq!(row.len(), Arc::<OrderSummary>::COLUMNS.len());
            assert_eq!(Arc::<OrderSummary>::read_from(&order.order_id, &row).unwrap(), order);
            let refused = Arc::<OrderSummary>::read_from(&order.order_id, &row[..3]).unwrap_err().to_string();
            assert_eq!(refused, "column discount_minor is missing");
        }
    }

    fn summary() -> OrderSummary {
        OrderSummary::clone(&Arc::<OrderSummary>::sample())
    }

    #[test]
    fn a_column_that_does_not_fit_is_refused_without_quoting_it() {
        for value in [Value::Null, Value::Int(1), Value::Text("ada@example.org".into()), Value::Text("\"ada\"".into())]
        {
            let refused = Address::from_value(&value).unwrap_err().to_string();
            assert!(!refused.contains("ada"), "{refused}");
        }
    }
}
