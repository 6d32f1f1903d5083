//! What carts has heard of what is for sale.
//!
//! Events of one product may come in any order, twice and late; each says what was so when it was said. So every fact
//! is kept with what ranks it: the state of a product with the event's number among those of the product, a price with
//! its moment and then that number, and that a variant is discontinued for good. Hearing is taking the greater: the
//! order of hearing cannot matter, and nothing needs to be waited for.

use std::sync::Arc;

use tradewind_engine::{Entity, Problem, Refusal};
use tradewind_events::{Currency, Id, Price, ProductStatus, Timestamp, VariantStatus};

use crate::Carts;

/// The most prices of one SKU that are known before their moment; of more, the earliest are kept.
pub const UPCOMING_PRICES_MAX: usize = 20;

pub const NOT_FOR_SALE: Refusal = Refusal::conflict("not_for_sale", "Something is not for sale now.");

/// Whether a product is for sale.
#[derive(Debug, Clone, PartialEq, Eq, Entity)]
#[entity(owner = Carts, table = "cart_product", key = product_id)]
pub struct KnownProduct {
    product_id: Id,
    #[column(copy)]
    status: ProductStatus,
    /// Of the event that said it, among those of the product.
    sequence: u64,
}

/// What one SKU costs.
#[derive(Debug, Clone, PartialEq, Eq, Entity)]
#[entity(owner = Carts, table = "cart_sku", key = sku)]
pub struct KnownSku {
    sku: Id,
    product_id: Id,
    discontinued: bool,
    /// The latest price whose moment had come when it was heard; these three are known together.
    unit_price_minor: Option<i64>,
    currency: Option<Currency>,
    effective_at: Option<Timestamp>,
    /// Of the event that told this price, among those of the product.
    sequence: u64,
    /// Prices that were told before their moment, each with the number of its event; the next one first.
    #[column(json)]
    upcoming: Arc<[(u64, Price)]>,
}

/// A price as it is compared: a later moment wins, at one moment the later word.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Ranked {
    effective_at: Timestamp,
    sequence: u64,
    amount_minor: i64,
    currency: Currency,
}

impl KnownProduct {
    pub fn unheard(product_id: &Id) -> Self {
        Self { product_id: product_id.clone(), status: ProductStatus::Draft, sequence: 0 }
    }

    /// Takes a newer state over. False when it is not.
    pub fn hear(&mut self, status: ProductStatus, sequence: u64) -> bool {
        let newer = sequence > self.sequence;
        if newer {
            (self.status, self.sequence) = (status, sequence);
        }
        newer
    }
}

impl KnownSku {
    pub fn unheard(sku: &Id, product_id: &Id) -> Self {
        Self {
            sku: sku.clone(),
            product_id: product_id.clone(),
            discontinued: false,
            unit_price_minor: None,
            currency: None,
            effective_at: None,
            sequence: 0,
            upcoming: Arc::default(),
        }
    }

    /// The catalog has ended it.
    pub fn discontinue(&mut self) {
        self.discontinued = true;
    }

    /// The catalog says how it stands. A SKU that was discontinued stays so, whichever was heard first.
    pub fn hear_status(&mut self, status: VariantStatus) {
        self.discontinued |= status == VariantStatus::Discontinued;
    }

    /// A price was told. Only what may still be asked for is kept.
    pub fn hear_price(&mut self, price: &Price, sequence: u64, now: Timestamp) {
        let mut known: Vec<(u64, Price)> = self.upcoming.to_vec();
        known.push((sequence, price.clone()));
        let (come, mut upcoming): (Vec<_>, Vec<_>) =
            known.into_iter().partition(|(_, price)| price.effective_at <= now);
        let ranked = come.iter().map(|(sequence, price)| Ranked::of(*sequence, price));
        if let Some(best) = ranked.chain(self.current()).max() {
            self.unit_price_minor = Some(best.amount_minor);
            self.currency = Some(best.currency);
            self.effective_at = Some(best.effective_at);
            self.sequence = best.sequence;
        }
        // The later word on a moment comes first, and is the one that stays.
        upcoming.sort_by_key(|(sequence, price)| (price.effective_at, std::cmp::Reverse(*sequence)));
        upcoming.dedup_by_key(|(_, price)| price.effective_at);
        upcoming.truncate(UPCOMING_PRICES_MAX);
        self.upcoming = upcoming.into();
    }

    /// What it costs at a moment that is not past, in minor units of whatever currency it is priced in.
    pub fn amount_at(&self, now: Timestamp) -> Option<i64> {
        self.price_at(now).map(|price| price.amount_minor)
    }

    fn price_at(&self, now: Timestamp) -> Option<Ranked> {
        let come = self.upcoming.iter().filter(|(_, price)| price.effective_at <= now);
        come.map(|(sequence, price)| Ranked::of(*sequence, price)).chain(self.current()).max()
    }

    fn current(&self) -> Option<Ranked> {
        Some(Ranked {
            effective_at: self.effective_at?,
            sequence: self.sequence,
            amount_minor: self.unit_price_minor?,
            currency: self.currency?,
        })
    }
}

impl Ranked {
    fn of(sequence: u64, price: &Price) -> Self {
        let Price { amount_minor, currency, effective_at, .. } = *price;
        Self { effective_at, sequence, amount_minor, currency }
    }
}

/// What a SKU costs now, in this currency, or why it cannot be had.
pub fn unit_price(
    sku: Option<&KnownSku>,
    product: Option<&KnownProduct>,
    currency: Currency,
    now: Timestamp,
) -> Result<i64, Problem> {
    let refuse = |why: &str| Err(NOT_FOR_SALE.because(why));
    let (Some(sku), Some(product)) = (sku, product) else { return refuse("no such SKU is known") };
    match product.status {
        ProductStatus::Published => {}
        ProductStatus::Draft | ProductStatus::Unpublished => return refuse("its product is not published"),
        ProductStatus::Archived => return refuse("its product is archived"),
    }
    match sku.price_at(now) {
        _ if sku.discontinued => refuse("it is discontinued"),
        None => refuse("it has no price yet"),
        Some(price) if price.currency != currency => {
            refuse(&format!("it is priced in {}, not in {currency}", price.currency))
        }
        Some(price) => Ok(price.amount_minor),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tradewind_events::id;

    use super::*;

    fn price(amount_minor: i64, effective_at: i64) -> Price {
        Price {
            price_id: id("price-1"),
            amount_minor,
            currency: "EUR".parse().unwrap(),
            effective_at: Timestamp::from_millis(effective_at),
        }
    }

    fn cost_at(sku: &KnownSku, now: i64) -> Option<i64> {
        sku.amount_at(Timestamp::from_millis(now))
    }

    #[test]
    fn a_price_that_is_told_early_counts_from_its_moment_on() {
        let mut sku = KnownSku::unheard(&id("SKU-1"), &id("product-1"));
        sku.hear_price(&price(100, 10), 1, Timestamp::from_millis(10));
        sku.hear_price(&price(80, 50), 2, Timestamp::from_millis(11));
        assert_eq!((cost_at(&sku, 49), cost_at(&sku, 50)), (Some(100), Some(80)));
    }

    #[test]
    fn known_prices_are_bounded() {
        let mut sku = KnownSku::unheard(&id("SKU-1"), &id("product-1"));
        for nth in 0..100_u32 {
            sku.hear_price(&price(i64::from(nth), 1_000 - i64::from(nth)), u64::from(nth), Timestamp::from_millis(0));
        }
        assert_eq!(sku.upcoming.len(), UPCOMING_PRICES_MAX);
        assert_eq!(cost_at(&sku, 901), Some(99), "the earliest are kept");
    }

    proptest! {
        #[test]
        fn the_order_in_which_prices_are_heard_does_not_matter(
            facts in prop::collection::vec((0..1_000_i64, 0..60_i64, 0..80_i64), 1..8),
            order in prop::collection::vec(any::<prop::sample::Index>(), 8),
            ask_at in 80..100_i64,
        ) {
            let facts: Vec<_> = facts.into_iter().zip(1_u64..).collect();
            let expected = facts.iter().max_by_key(|((_, at, _), sequence)| (*at, *sequence)).map(|((cost, ..), _)| *cost);
            let mut shuffled = facts.clone();
            for (nth, index) in order.iter().enumerate().take(facts.len()) {
                let other = index.index(facts.len());
                shuffled.swap(nth, other);
            }
            shuffled.extend(facts);
            let mut sku = KnownSku::unheard(&id("SKU-1"), &id("product-1"));
            let mut now = 0;
            for ((cost, at, heard_at), sequence) in shuffled {
                now = now.max(heard_at);
                sku.hear_price(&price(cost, at), sequence, Timestamp::from_millis(now));
            }
            prop_assert_eq!(cost_at(&sku, ask_at), expected);
        }
    }
}
