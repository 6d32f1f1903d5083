//! What is written to whom: short plain texts. They name the order and its amounts, and nothing else of a person.

use tradewind_events::{
    CancelledBy, Money, OrderSummary,
    inventory::StockLow,
    orders::{OrderCancelled, OrderConfirmed, OrderRefunded, OrderRejected},
    payments::PaymentVoided,
    shipping::ShipmentDispatched,
};

use crate::model::Text;

pub fn confirmed(said: &OrderConfirmed, shop: &str) -> Text {
    let order = &said.order;
    let total = order.total_minor.map(|total| format!(" The total is {}.", money(order, total))).unwrap_or_default();
    text(
        &format!("Your order {} is confirmed", order.order_id),
        &format!(
            "Thank you for your order {} of {}.{total}\nWe tell you when it is on its way.",
            order.order_id,
            units(said.lines.iter().map(|line| u64::from(line.quantity)).sum())
        ),
        shop,
    )
}

pub fn rejected(said: &OrderRejected, shop: &str) -> Text {
    let order_id = &said.order.order_id;
    text(
        &format!("Your order {order_id} could not be taken"),
        &format!("We are sorry: your order {order_id} could not be taken.\nReason: {}.", plain(&said.reason)),
        shop,
    )
}

pub fn cancelled(said: &OrderCancelled, shop: &str) -> Text {
    let order_id = &said.order.order_id;
    let by = match said.cancelled_by {
        CancelledBy::Customer => "was cancelled, as you asked",
        CancelledBy::Operator => "was cancelled by the shop",
        CancelledBy::Deadline => "was cancelled, because it could not be completed in time",
        CancelledBy::System => "had to be cancelled",
    };
    let back = if said.refund_required && said.refund_amount_minor > 0 {
        format!("\nYou get {} back. We tell you when it is done.", money(&said.order, said.refund_amount_minor))
    } else {
        String::new()
    };
    text(
        &format!("Your order {order_id} is cancelled"),
        &format!("Your order {order_id} {by}.\nReason: {}.{back}", plain(&said.reason)),
        shop,
    )
}

pub fn refunded(said: &OrderRefunded, shop: &str) -> Text {
    let order_id = &said.order.order_id;
    text(
        &format!("A refund for your order {order_id}"),
        &format!("We have returned {} for your order {order_id}.", money(&said.order, said.amount_minor)),
        shop,
    )
}

pub fn not_charged(said: &PaymentVoided, shop: &str) -> Text {
    let order_id = &said.order.order_id;
    text(
        &format!("You are not charged for your order {order_id}"),
        &format!(
            "You are not charged for your order {order_id}: the {} that were set aside for it are yours again.",
            money(&said.order, said.amount_minor)
        ),
        shop,
    )
}

pub fn dispatched(said: &ShipmentDispatched, shop: &str) -> Text {
    let order_id = &said.order.order_id;
    let carrier = said.carrier.as_ref().map(|carrier| format!(" with {carrier}")).unwrap_or_default();
    let tracking = said.tracking.as_ref().map(|number| format!("\nTracking number: {number}")).unwrap_or_default();
    text(
        &format!("Your order {order_id} is on its way"),
        &format!("Your order {order_id} is on its way{carrier}.{tracking}"),
        shop,
    )
}

pub fn stock_low(said: &StockLow, shop: &str) -> Text {
    let stock = &said.stock;
    text(
        &format!("Stock of {} at {} is low ({})", stock.sku, stock.location_id, said.level),
        &format!(
            "{} of {} at {} can still be sold; the threshold is {}.\nAt all locations together: {}.",
            stock.available, stock.sku, stock.location_id, said.threshold, stock.available_everywhere
        ),
        shop,
    )
}

fn text(title: &str, body: &str, shop: &str) -> Text {
    Text { title: title.into(), body: format!("{body}\n\n{shop}\n").into() }
}

fn money(order: &OrderSummary, amount_minor: i64) -> Money {
    Money { amount_minor, currency: order.currency }
}

fn units(count: u64) -> String {
    if count == 1 { "1 item".to_owned() } else { format!("{count} items") }
}

/// A code as words; whatever else it may be, one line.
fn plain(reason: &str) -> String {
    reason.replace('_', " ").split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use tradewind_events::samples::Sample;

    use super::*;

    fn check(text: &Text, title: &str, body: &str) {
        assert_eq!((&*text.title, &*text.body), (title, format!("{body}\n\nAda's Shop\n").as_str()));
    }

    #[test]
    fn every_text_names_its_order_and_shows_money_in_its_currency() {
        let shop = "Ada's Shop";
        let mut said = OrderConfirmed::sample();
        check(
            &confirmed(&said, shop),
            "Your order order-1 is confirmed",
            "Thank you for your order order-1 of 2 items. The total is 59.36 EUR.\nWe tell you when it is on its way.",
        );
        said.order = OrderSummary { total_minor: None, ..(*said.order).clone() }.into();
        check(
            &confirmed(&said, shop),
            "Your order order-1 is confirmed",
            "Thank you for your order order-1 of 2 items.\nWe tell you when it is on its way.",
        );
        check(
            &rejected(&OrderRejected { reason: "price_changed".into(), ..OrderRejected::sample() }, shop),
            "Your order order-1 could not be taken",
            "We are sorry: your order order-1 could not be taken.\nReason: price changed.",
        );
        check(
            &refunded(&OrderRefunded::sample(), shop),
            "A refund for your order order-1",
            "We have returned 59.36 EUR for your order order-1.",
        );
        check(
            &not_charged(&PaymentVoided { amount_minor: 5_936, ..PaymentVoided::sample() }, shop),
            "You are not charged for your order order-1",
            "You are not charged for your order order-1: the 59.36 EUR that were set aside for it are yours again.",
        );
        check(
            &dispatched(&ShipmentDispatched::sample(), shop),
            "Your order order-1 is on its way",
            "Your order order-1 is on its way with post.\nTracking number: RR123456785DE",
        );
    }

    #[test]
    fn a_cancelled_order_says_by_whom_and_what_comes_back() {
        let said = OrderCancelled::sample();
        check(
            &cancelled(&said, "Ada's Shop"),
            "Your order order-1 is cancelled",
            "Your order order-1 was cancelled, because it could not be completed in time.\nReason: deadline.\n\
             You get 59.36 EUR back. We tell you when it is done.",
        );
        let said = OrderCancelled { refund_required: false, cancelled_by: CancelledBy::Customer, ..said };
        check(
            &cancelled(&said, "Ada's Shop"),
            "Your order order-1 is cancelled",
            "Your order order-1 was cancelled, as you asked.\nReason: deadline.",
        );
    }

    #[test]
    fn what_another_system_says_cannot_add_lines() {
        let said = OrderRejected { reason: "bad\r\n\r\nClick here".into(), ..OrderRejected::sample() };
        assert!(rejected(&said, "Ada's Shop").body.contains("Reason: bad Click here.\n"));
    }
}
