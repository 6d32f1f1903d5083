//! A quote as orders needs it: complete, and its amounts in agreement.

use std::{collections::BTreeMap, fmt, sync::Arc};

use tradewind_events::{Id, Line, Lines, OrderSummary, catalog::QuoteIssued, minus, plus, times};

use super::{CONTRACT_CANNOT_CARRY, Lost, Order, OrderState};
use crate::Orders;

/// The quote is for something else.
const MISMATCH: (Lost, &str) = (Lost::QuoteMismatched, "quote_mismatched");

/// Prices for every line and all five amounts.
#[derive(Debug, Clone, PartialEq)]
pub struct Quote {
    /// Whose amounts are all there.
    pub order: Arc<OrderSummary>,
    /// Each with its price.
    pub lines: Lines,
}

/// A quote that cannot be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadQuote(&'static str);

impl fmt::Display for BadQuote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl TryFrom<&QuoteIssued> for Quote {
    type Error = BadQuote;

    /// Takes a quote only whole: what is missing or does not add up would become the price of the order.
    fn try_from(quote: &QuoteIssued) -> Result<Self, BadQuote> {
        let order = &*quote.order;
        let (Some(items), Some(discount), Some(shipping), Some(tax), Some(total)) =
            (order.items_total_minor, order.discount_minor, order.shipping_minor, order.tax_minor, order.total_minor)
        else {
            return Err(BadQuote("an amount is missing in the quote"));
        };
        if [items, discount, shipping, tax, total].iter().any(|amount| *amount < 0) {
            return Err(BadQuote("an amount of the quote is negative"));
        }
        let mut sum = Ok(0);
        for line in &quote.lines {
            let price_minor = line.unit_price_minor.ok_or(BadQuote("a price is missing in the quote"))?;
            if price_minor < 0 {
                return Err(BadQuote("a price of the quote is negative"));
            }
            sum = sum.and_then(|sum| plus(sum, times(price_minor, line.quantity)?));
        }
        if sum != Ok(items) {
            return Err(BadQuote("the items of the quote do not add up"));
        }
        let due = minus(items, discount).and_then(|rest| plus(rest, shipping)).and_then(|rest| plus(rest, tax));
        if due != Ok(total) {
            return Err(BadQuote("the total of the quote does not add up"));
        }
        Ok(Self { order: Arc::clone(&quote.order), lines: quote.lines.clone() })
    }
}

impl Order {
    /// Takes over prices and total, which are final from now on. If they cannot be those of this order, its check is
    /// lost.
    pub(super) fn take_quote(&mut self, quote: &Quote, settings: &Orders) {
        match self.state {
            OrderState::Unheard => (self.summary, self.lines) = (Arc::clone(&quote.order), quote.lines.clone()),
            OrderState::Placed => {
                if let Err((lost, reason)) = self.take_prices(quote, settings) {
                    self.remember(lost, &reason.into());
                }
            }
            // Ended before it was quoted.
            _ => {}
        }
    }

    fn take_prices(&mut self, quote: &Quote, settings: &Orders) -> Result<(), (Lost, &'static str)> {
        if quote.order.currency != self.summary.currency {
            return Err(MISMATCH);
        }
        let lines = priced(&self.lines, &quote.lines)?;
        let amounts = &*quote.order;
        let prices = lines.iter().map(|line| line.unit_price_minor);
        let largest = prices.chain([amounts.items_total_minor, amounts.total_minor]).flatten().max();
        if largest > Some(settings.amount_minor_max) {
            return Err((Lost::QuoteNotCarried, CONTRACT_CANNOT_CARRY.code));
        }
        self.lines = lines;
        self.summary = Arc::new(OrderSummary {
            items_total_minor: amounts.items_total_minor,
            discount_minor: amounts.discount_minor,
            shipping_minor: amounts.shipping_minor,
            tax_minor: amounts.tax_minor,
            total_minor: amounts.total_minor,
            ..(*self.summary).clone()
        });
        Ok(())
    }
}

/// The order's own lines with the prices of the quote. A price that the cart showed must be the quoted one.
fn priced(lines: &Lines, quoted: &Lines) -> Result<Lines, (Lost, &'static str)> {
    if lines.len() != quoted.len() {
        return Err(MISMATCH);
    }
    let in_order = lines.iter().zip(quoted).all(|(line, quote)| line.sku == quote.sku);
    let by_sku: BTreeMap<&Id, &Line> =
        if in_order { BTreeMap::new() } else { quoted.iter().map(|quote| (&quote.sku, quote)).collect() };
    let mut priced = Vec::with_capacity(lines.len());
    for (nth, line) in lines.iter().enumerate() {
        let quote = if in_order { &quoted[nth] } else { by_sku.get(&line.sku).ok_or(MISMATCH)? };
        if quote.quantity != line.quantity {
            return Err(MISMATCH);
        }
        if line.unit_price_minor.is_some() && line.unit_price_minor != quote.unit_price_minor {
            return Err((Lost::QuoteMismatched, "price_changed"));
        }
        priced.push(Line { unit_price_minor: quote.unit_price_minor, ..line.clone() });
    }
    Ok(priced.into())
}
