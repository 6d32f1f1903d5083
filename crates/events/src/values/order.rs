//! What events say about an order: its summary, how it is paid, where it goes, who ended it.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Currency, Id, JSON_COLUMN_WEIGHT, Personal, TextEnum, Timestamp, column::json_columns};

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

json_columns!(
    Arc<OrderSummary>: |_| size_of::<OrderSummary>(),
    Address: |_| JSON_COLUMN_WEIGHT,
    Arc<Address>: |_| JSON_COLUMN_WEIGHT
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Column, Value, samples::Sample};

    #[test]
    fn an_address_and_a_summary_come_back_from_their_columns() {
        let address = Some(Address::sample());
        assert_eq!(Option::<Address>::from_value(&address.to_value()).unwrap(), address);
        assert_eq!(Option::<Arc<Address>>::from_value(&address.to_value()).unwrap().as_deref(), address.as_ref());
        assert_eq!(Option::<Address>::from_value(&Value::Null).unwrap(), None);
        let order = Arc::<OrderSummary>::sample();
        assert_eq!(Arc::<OrderSummary>::from_value(&order.to_value()).unwrap(), order);
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
