//! The one quote of an order: every line at its price of this moment, with discount, shipping and tax; or why not.
//!
//! All amounts are whole minor units. The only roundings are these, each half up and each from amounts that are
//! themselves not rounded again:
//! - the discount, once an order, of the sum of its items;
//! - the tax, once a rate, of the items of that rate less their share of the discount. The shares are cut so that they
//!   add up to the discount exactly. Shipping is not taxed.

use std::{collections::BTreeMap, sync::Arc};

use tradewind_engine::{Entity, Events};
use tradewind_events::{
    AmountOverflow, Currency, Id, Line, Lines, OrderSummary, ProductStatus, TextEnum, Timestamp, VariantStatus,
    basis_points,
    catalog::{ChangedPrice, QuoteIssued, QuoteRefused, Unavailable},
    minus,
    orders::OrderPlaced,
    plus, times,
};

use super::{Product, Variant};
use crate::Catalog;

/// The whole, in basis points.
const WHOLE_BP: u32 = 10_000;

/// That an order was quoted, and how. There is at most one an order: what was said is not said again.
#[derive(Debug, Clone, PartialEq, Eq, Entity)]
#[entity(owner = Catalog, table = "quote", key = order_id, transient)]
pub struct Quote {
    order_id: Id,
    #[column(copy)]
    state: QuoteState,
    currency: Currency,
    /// Of an issued quote.
    total_minor: Option<i64>,
    quoted_at: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, TextEnum)]
pub enum QuoteState {
    #[text("issued")]
    Issued,
    #[text("refused")]
    Refused,
}

/// What a line can be had for.
#[derive(Debug, Clone)]
pub struct Offer {
    pub product: Product,
    pub variant: Variant,
    pub tax_bp: u32,
}

/// What is added to and taken off every order.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    pub currency: Currency,
    pub discount_bp: u32,
    pub shipping_minor: i64,
}

/// The amounts of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_field_names, reason = "an amount says its unit")]
struct Totals {
    items_minor: i64,
    discount_minor: i64,
    shipping_minor: i64,
    tax_minor: i64,
    total_minor: i64,
}

impl Quote {
    /// Quotes the lines, each with its offer beside it, as far as there is one.
    pub fn decide(
        placed: &OrderPlaced,
        lines: &Lines,
        offers: &[Option<Offer>],
        terms: Terms,
        now: Timestamp,
    ) -> (Self, Events) {
        let (mut unavailable, mut changed, mut priced, mut items) = (vec![], vec![], vec![], vec![]);
        for (line, offer) in lines.iter().zip(offers) {
            let (price_minor, tax_bp) = match price(line, offer.as_ref(), (placed.currency, terms.currency), now) {
                Ok(priced) => priced,
                Err(reason) => {
                    unavailable.push(refused(line, reason));
                    continue;
                }
            };
            if let Some(expected_minor) = line.unit_price_minor.filter(|expected_minor| *expected_minor != price_minor)
            {
                changed.push(ChangedPrice {
                    product_id: line.product_id.clone(),
                    sku: line.sku.clone(),
                    expected_minor,
                    unit_price_minor: price_minor,
                });
            }
            items.push((price_minor, line.quantity, tax_bp));
            priced.push(Line { unit_price_minor: Some(price_minor), ..line.clone() });
        }
        if !unavailable.is_empty() || !changed.is_empty() || priced.is_empty() {
            return Self::refuse(placed, unavailable, changed, now);
        }
        match Totals::of(&items, terms) {
            Ok(totals) => Self::issue(placed, priced.into(), totals, now),
            Err(AmountOverflow) => Self::refuse_all(placed, "amount_too_large", now),
        }
    }

    /// None of the lines can be sold in this order.
    pub fn refuse_all(placed: &OrderPlaced, reason: &str, now: Timestamp) -> (Self, Events) {
        let unavailable = placed.lines.iter().map(|line| refused(line, reason)).collect();
        Self::refuse(placed, unavailable, vec![], now)
    }

    fn refuse(
        placed: &OrderPlaced,
        unavailable: Vec<Unavailable>,
        changed: Vec<ChangedPrice>,
        now: Timestamp,
    ) -> (Self, Events) {
        let quote = Self::new(placed, QuoteState::Refused, None, now);
        let order = Arc::new(summary(placed, None));
        (quote, QuoteRefused { order, unavailable: unavailable.into(), changed: changed.into() }.into())
    }

    fn issue(placed: &OrderPlaced, lines: Lines, totals: Totals, now: Timestamp) -> (Self, Events) {
        let quote = Self::new(placed, QuoteState::Issued, Some(totals.total_minor), now);
        (quote, QuoteIssued { order: Arc::new(summary(placed, Some(totals))), lines }.into())
    }

    fn new(placed: &OrderPlaced, state: QuoteState, total_minor: Option<i64>, now: Timestamp) -> Self {
        Self { order_id: placed.order_id.clone(), state, currency: placed.currency, total_minor, quoted_at: now }
    }
}

/// The unit price and tax rate of a line, or why it cannot be sold.
fn price(
    line: &Line,
    offer: Option<&Offer>,
    (asked, ours): (Currency, Currency),
    now: Timestamp,
) -> Result<(i64, u32), &'static str> {
    let offer = offer.filter(|offer| *offer.variant.product_id() == line.product_id).ok_or("unknown")?;
    match (offer.product.status(), offer.variant.status()) {
        (ProductStatus::Published, VariantStatus::Active) => {}
        (ProductStatus::Published, VariantStatus::Discontinued) => return Err("discontinued"),
        (ProductStatus::Draft | ProductStatus::Unpublished, _) => return Err("unpublished"),
        (ProductStatus::Archived, _) => return Err("archived"),
    }
    let price = offer.variant.price_at(now, ours);
    // Shipping is in our currency: an order in another cannot be added up, even if its prices could.
    if price.currency == asked && asked == ours { Ok((price.amount_minor, offer.tax_bp)) } else { Err("currency") }
}

fn refused(line: &Line, reason: &str) -> Unavailable {
    Unavailable { product_id: line.product_id.clone(), sku: line.sku.clone(), reason: Some(reason.into()) }
}

fn summary(placed: &OrderPlaced, totals: Option<Totals>) -> OrderSummary {
    OrderSummary {
        order_id: placed.order_id.clone(),
        customer_id: placed.customer_id.clone(),
        currency: placed.currency,
        items_total_minor: totals.map(|totals| totals.items_minor),
        discount_minor: totals.map(|totals| totals.discount_minor),
        shipping_minor: totals.map(|totals| totals.shipping_minor),
        tax_minor: totals.map(|totals| totals.tax_minor),
        total_minor: totals.map(|totals| totals.total_minor),
        payment_method: placed.payment_method,
        cart_id: placed.cart_id.clone(),
    }
}

impl Totals {
    /// Of items as unit price, quantity and tax rate.
    fn of(items: &[(i64, u32, u32)], terms: Terms) -> Result<Self, AmountOverflow> {
        let mut items_minor = 0;
        let mut by_rate: BTreeMap<u32, i64> = BTreeMap::new();
        for (price_minor, quantity, tax_bp) in items {
            let line_minor = times(*price_minor, *quantity)?;
            items_minor = plus(items_minor, line_minor)?;
            let of_rate = by_rate.entry(*tax_bp).or_default();
            *of_rate = plus(*of_rate, line_minor)?;
        }
        let discount_minor = basis_points(items_minor, terms.discount_bp.min(WHOLE_BP))?;
        let (mut tax_minor, mut so_far_minor, mut discounted_minor) = (0, 0, 0);
        for (tax_bp, of_rate_minor) in by_rate {
            so_far_minor = plus(so_far_minor, of_rate_minor)?;
            let discount_so_far_minor = share(discount_minor, so_far_minor, items_minor)?;
            let share_minor = minus(discount_so_far_minor, discounted_minor)?;
            discounted_minor = discount_so_far_minor;
            tax_minor = plus(tax_minor, basis_points(minus(of_rate_minor, share_minor)?, tax_bp)?)?;
        }
        let shipping_minor = terms.shipping_minor.max(0);
        let total_minor = plus(plus(minus(items_minor, discount_minor)?, shipping_minor)?, tax_minor)?;
        Ok(Self { items_minor, discount_minor, shipping_minor, tax_minor, total_minor })
    }
}

/// `amount × part / whole`, rounded half up; nothing of nothing.
fn share(amount_minor: i64, part_minor: i64, whole_minor: i64) -> Result<i64, AmountOverflow> {
    if whole_minor == 0 {
        return Ok(0);
    }
    let (exact, whole) = (i128::from(amount_minor) * i128::from(part_minor), i128::from(whole_minor));
    i64::try_from((2 * exact + whole) / (2 * whole)).map_err(|_| AmountOverflow)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn terms(discount_bp: u32, shipping_minor: i64) -> Terms {
        Terms { currency: "EUR".parse().unwrap(), discount_bp, shipping_minor }
    }

    #[test]
    fn an_order_of_two_rates_adds_up() {
        // 3 × 9.99 at 19 % and 2 × 2.49 at 7 %, 5 % off, 4.90 for shipping.
        let totals = Totals::of(&[(999, 3, 1_900), (249, 2, 700)], terms(500, 490)).unwrap();
        let expected = Totals {
            items_minor: 3_495,
            discount_minor: 175, // 174.75
            shipping_minor: 490,
            // The rate of 7 % has 498 of 3,495, so 25 (24.94) of the discount: 33 (33.11) of 473. The rest has 150:
            // 541 (540.93) of 2,847.
            tax_minor: 574,
            total_minor: 4_384,
        };
        assert_eq!(totals, expected);
    }

    #[test]
    fn an_order_for_nothing_costs_its_shipping() {
        let totals = Totals::of(&[(0, 5, 1_900)], terms(500, 490)).unwrap();
        assert_eq!((totals.items_minor, totals.discount_minor, totals.tax_minor), (0, 0, 0));
        assert_eq!(totals.total_minor, 490);
    }

    #[test]
    fn a_discount_above_the_whole_counts_as_the_whole() {
        let totals = Totals::of(&[(1_000, 1, 1_900)], terms(20_000, 0)).unwrap();
        assert_eq!((totals.discount_minor, totals.tax_minor, totals.total_minor), (1_000, 0, 0));
    }

    #[test]
    fn a_sum_that_cannot_be_carried_is_an_error() {
        assert_eq!(Totals::of(&[(i64::MAX, 2, 0)], terms(0, 0)), Err(AmountOverflow));
        assert_eq!(Totals::of(&[(i64::MAX, 1, 0)], terms(0, 1)), Err(AmountOverflow));
    }

    proptest! {
        #[test]
        fn the_parts_of_a_total_add_up_and_stay_within_a_unit_of_the_exact_value(
            items in prop::collection::vec((0..100_000_i64, 1..1_000_u32, 0..5_u32), 1..20),
            discount_bp in 0..=10_000_u32,
            shipping_minor in 0..10_000_i64,
        ) {
            let items: Vec<_> = items.into_iter().map(|(price, quantity, rate)| (price, quantity, rate * 475)).collect();
            let totals = Totals::of(&items, terms(discount_bp, shipping_minor)).unwrap();
            let Totals { items_minor, discount_minor, tax_minor, total_minor, .. } = totals;
            prop_assert_eq!(total_minor, items_minor - discount_minor + shipping_minor + tax_minor);
            prop_assert!((0..=items_minor).contains(&discount_minor));
            // In units of 1 / 10,000² of a minor unit: exact in 128 bits.
            let kept = i128::from(10_000 - discount_bp);
            let exact: i128 = items
                .iter()
                .map(|(price, quantity, rate)| i128::from(price * i64::from(*quantity)) * i128::from(*rate) * kept)
                .sum();
            let rates = items.iter().map(|item| item.2).collect::<std::collections::BTreeSet<_>>().len();
            let error = (i128::from(tax_minor) * 100_000_000 - exact).unsigned_abs();
            prop_assert!(error <= 100_000_000 * rates as u128, "{} rates are off by {}", rates, error);
            // The order of the lines does not matter.
            let reversed: Vec<_> = items.into_iter().rev().collect();
            prop_assert_eq!(Totals::of(&reversed, terms(discount_bp, shipping_minor)).unwrap(), totals);
        }
    }
}
