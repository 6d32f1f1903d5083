//! A variant: one SKU, what it costs now, and what it will cost.
//!
//! Its price changes in one way only, by [`Variant::reprice`], which says `price.changed`. A scheduled price is in the
//! list until its moment comes and a timer makes it the price. Quotes do not wait for that timer: they ask
//! [`Variant::price_at`].

use std::sync::Arc;

use tradewind_engine::{Entity, Events, Problem, Refusal};
use tradewind_events::{
    self as events, Attributes, Change, Currency, Id, Price, ScheduledPrice, Timestamp, VariantStatus,
    catalog::{PriceChanged, VariantDiscontinued, VariantUpdated},
};

use super::Product;
use crate::Catalog;

/// The most prices of one variant that wait for their moment.
pub const SCHEDULED_PRICES_MAX: usize = 20;

pub const VARIANT_NOT_FOUND: Refusal = Refusal::not_found("variant_not_found", "There is no variant with this SKU.");
pub const SKU_TAKEN: Refusal = Refusal::conflict("sku_taken", "The SKU names another variant.");
pub const VARIANT_DISCONTINUED: Refusal =
    Refusal::conflict("variant_discontinued", "The variant is discontinued for good.");
pub const INVALID_PRICE: Refusal = Refusal::invalid("invalid_price", "The price is out of bounds.");
pub const TOO_MANY_SCHEDULED_PRICES: Refusal =
    Refusal::conflict("too_many_scheduled_prices", "The variant has as many scheduled prices as it can have.");
pub const SCHEDULED_PRICE_NOT_FOUND: Refusal =
    Refusal::not_found("scheduled_price_not_found", "There is no such price, or it has taken effect.");

/// One SKU. The row keeps the SKU for ever: discontinued is its last state.
#[derive(Debug, Clone, PartialEq, Eq, Entity)]
#[entity(owner = Catalog, table = "variant", key = sku)]
pub struct Variant {
    sku: Id,
    product_id: Id,
    variant_id: Id,
    #[column(copy)]
    status: VariantStatus,
    attributes: Attributes,
    /// The price that was told last.
    price_id: Id,
    amount_minor: i64,
    currency: Currency,
    effective_at: Timestamp,
    /// Sorted by moment; no two of one moment.
    #[column(json)]
    scheduled: Arc<[ScheduledPrice]>,
}

impl Variant {
    pub fn new(sku: Id, product_id: Id, variant_id: Id, attributes: Attributes, price: Price) -> Self {
        let Price { price_id, amount_minor, currency, effective_at } = price;
        Self {
            sku,
            product_id,
            variant_id,
            status: VariantStatus::Active,
            attributes,
            price_id,
            amount_minor,
            currency,
            effective_at,
            scheduled: Arc::default(),
        }
    }

    /// The variant as events and the API show it.
    pub fn told(&self) -> events::Variant {
        events::Variant {
            variant_id: self.variant_id.clone(),
            sku: self.sku.clone(),
            status: self.status,
            attributes: self.attributes.clone(),
            price: self.price(),
        }
    }

    /// The price that was told last.
    pub fn price(&self) -> Price {
        Price {
            price_id: self.price_id.clone(),
            amount_minor: self.amount_minor,
            currency: self.currency,
            effective_at: self.effective_at,
        }
    }

    /// What it costs at a moment that is not past: the latest price whose moment has come, told or not. A scheduled price
    /// in another currency than `ours` never takes effect: the shop has changed its currency since.
    pub fn price_at(&self, now: Timestamp, ours: Currency) -> Price {
        let takes_effect = |price: &Price| price.effective_at <= now && price.currency == ours;
        let come = self.scheduled.iter().rev().find(|scheduled| takes_effect(&scheduled.price));
        come.map_or_else(|| self.price(), |scheduled| scheduled.price.clone())
    }

    /// When the next scheduled price takes effect.
    pub fn next_price_at(&self) -> Option<Timestamp> {
        self.scheduled.first().map(|scheduled| scheduled.price.effective_at)
    }

    pub fn sellable(&self) -> Result<(), Problem> {
        match self.status {
            VariantStatus::Active => Ok(()),
            VariantStatus::Discontinued => Err(VARIANT_DISCONTINUED.because(format!("{} is discontinued", self.sku))),
        }
    }

    /// Takes the attributes over. `None` when they are the same.
    pub fn update(&mut self, attributes: Attributes) -> Result<Option<VariantUpdated>, Problem> {
        self.sellable()?;
        let changes = self.attributes.changes(&attributes);
        self.attributes = attributes;
        Ok(self.updated(changes))
    }

    /// Its product is archived: no scheduled price takes effect any more.
    pub fn drop_scheduled(&mut self) {
        self.scheduled = Arc::default();
    }

    /// Ends it for good, with the prices that it was to have. `None` when it is ended.
    pub fn discontinue(&mut self) -> Option<VariantDiscontinued> {
        if self.status == VariantStatus::Discontinued {
            return None;
        }
        self.status = VariantStatus::Discontinued;
        self.scheduled = Arc::default();
        Some(VariantDiscontinued {
            product_id: self.product_id.clone(),
            variant_id: self.variant_id.clone(),
            sku: self.sku.clone(),
        })
    }

    /// What has come due takes effect, in its order. A price that is what it costs already says nothing; one in another
    /// currency than `ours` is taken back, as in [`Variant::price_at`].
    pub fn take_effect(&mut self, product: &Product, now: Timestamp, ours: Currency) -> Events {
        let mut said = Events::new();
        let (due, later): (Vec<_>, Vec<_>) =
            self.scheduled.iter().cloned().partition(|scheduled| scheduled.price.effective_at <= now);
        if due.is_empty() {
            return said;
        }
        self.scheduled = later.into();
        let (due, foreign): (Vec<_>, Vec<_>) = due.into_iter().partition(|scheduled| scheduled.price.currency == ours);
        if !foreign.is_empty() {
            let taken_back = Change::of("scheduled_prices", &*foreign, &[]);
            said.extend(self.updated(taken_back.into_iter().collect()).map(Events::from).unwrap_or_default());
        }
        for ScheduledPrice { price, reason } in due {
            said.extend(self.reprice(product, price, reason));
        }
        said
    }

    /// A price from now on. What was due before is told before.
    pub fn set_price(&mut self, product: &Product, price: Price, reason: Option<Arc<str>>) -> Result<Events, Problem> {
        self.sellable()?;
        let mut said = self.take_effect(product, price.effective_at, price.currency);
        said.extend(self.reprice(product, price, reason));
        Ok(said)
    }

    /// A price for later; one of the same moment gives way to it.
    pub fn schedule(&mut self, price: Price, reason: Option<Arc<str>>) -> Result<Option<VariantUpdated>, Problem> {
        self.sellable()?;
        let others = self.scheduled.iter().filter(|other| other.price.effective_at != price.effective_at);
        let mut scheduled: Vec<_> = others.cloned().collect();
        if scheduled.len() >= SCHEDULED_PRICES_MAX {
            let detail = format!("a variant has at most {SCHEDULED_PRICES_MAX} prices that wait for their moment");
            return Err(TOO_MANY_SCHEDULED_PRICES.because(detail));
        }
        scheduled.push(ScheduledPrice { price, reason });
        scheduled.sort_by_key(|scheduled| scheduled.price.effective_at);
        Ok(self.rescheduled(scheduled))
    }

    /// Takes a price back whose moment has not come.
    pub fn cancel_price(&mut self, price_id: &Id) -> Result<Option<VariantUpdated>, Problem> {
        let kept: Vec<_> = self.scheduled.iter().filter(|other| other.price.price_id != *price_id).cloned().collect();
        if kept.len() == self.scheduled.len() {
            return Err(SCHEDULED_PRICE_NOT_FOUND.because(format!("{} has no scheduled price {price_id}", self.sku)));
        }
        Ok(self.rescheduled(kept))
    }

    fn rescheduled(&mut self, scheduled: Vec<ScheduledPrice>) -> Option<VariantUpdated> {
        let change = Change::of("scheduled_prices", &*self.scheduled, &*scheduled);
        self.scheduled = scheduled.into();
        self.updated(change.into_iter().collect())
    }

    fn updated(&self, changes: Vec<Change>) -> Option<VariantUpdated> {
        (!changes.is_empty()).then(|| VariantUpdated {
            product_id: self.product_id.clone(),
            variant: self.told(),
            changes: changes.into(),
        })
    }

    fn reprice(&mut self, product: &Product, new_price: Price, reason: Option<Arc<str>>) -> Events {
        let old_price = self.price();
        if (old_price.amount_minor, old_price.currency) == (new_price.amount_minor, new_price.currency) {
            return Events::new();
        }
        let Price { price_id, amount_minor, currency, effective_at } = new_price.clone();
        *self = Self { price_id, amount_minor, currency, effective_at, ..self.clone() };
        Events::from(PriceChanged {
            product_id: product.product_id().clone(),
            name: Arc::clone(product.name()),
            category_ids: Arc::clone(product.category_ids()),
            variant_id: self.variant_id.clone(),
            sku: self.sku.clone(),
            old_price: Some(old_price),
            new_price,
            reason,
        })
    }
}

#[cfg(test)]
mod tests {
    use tradewind_events::id;

    use super::*;
    use crate::model::Details;

    fn eur() -> Currency {
        "EUR".parse().unwrap()
    }

    fn price(amount_minor: i64, effective_at: i64) -> Price {
        Price {
            price_id: id(&format!("price-{amount_minor}")),
            amount_minor,
            currency: eur(),
            effective_at: Timestamp::from_millis(effective_at),
        }
    }

    /// At 100 from 10 on, at 80 from 50 on; the timer of that has not fired.
    fn scheduled() -> (Product, Variant) {
        let mut variant =
            Variant::new(id("SKU-1"), id("product-1"), id("variant-1"), Attributes::default(), price(100, 10));
        variant.schedule(price(80, 50), None).unwrap();
        let details = Details {
            name: "Tea".into(),
            description: "".into(),
            brand: None,
            category_ids: [].into(),
            attributes: Attributes::default(),
            media: [].into(),
        };
        let of_it = std::slice::from_ref(&variant);
        let (mut product, _) = Product::create(id("product-1"), details, of_it, Timestamp::default());
        product.publish(of_it).unwrap();
        (product, variant)
    }

    #[test]
    fn a_price_holds_from_its_moment_on_also_before_its_timer_fires() {
        let (_, variant) = scheduled();
        let at = |now| variant.price_at(Timestamp::from_millis(now), eur()).amount_minor;
        assert_eq!((at(49), at(50), at(51)), (100, 80, 80));
        assert_eq!(variant.told().price.amount_minor, 100, "it is told by price.changed only");
    }

    #[test]
    fn a_scheduled_price_in_a_currency_that_the_shop_has_left_never_takes_effect() {
        let (product, mut variant) = scheduled();
        let usd: Currency = "USD".parse().unwrap();
        variant.set_price(&product, Price { currency: usd, ..price(90, 20) }, None).unwrap();
        let later = Timestamp::from_millis(60);
        assert_eq!((variant.price_at(later, usd).amount_minor, variant.price_at(later, usd).currency), (90, usd));
        let said = variant.take_effect(&product, later, usd);
        let told = said.iter().next().unwrap().as_any().downcast_ref::<VariantUpdated>().unwrap();
        assert_eq!((&*told.changes[0].field, told.changes[0].new_value.get()), ("scheduled_prices", "[]"));
        assert_eq!((said.iter().count(), variant.price().currency, variant.next_price_at()), (1, usd, None));
    }

    #[test]
    fn a_price_of_now_does_not_swallow_one_that_is_due() {
        let (product, mut variant) = scheduled();
        let said = variant.set_price(&product, price(90, 60), None).unwrap();
        let said: Vec<_> = said.iter().map(|event| event.as_any().downcast_ref::<PriceChanged>().unwrap()).collect();
        let moments: Vec<_> = said.iter().map(|changed| changed.new_price.effective_at.as_millis()).collect();
        assert_eq!(moments, [50, 60]);
        assert_eq!(said[1].old_price.as_ref().unwrap().amount_minor, 80);
        assert_eq!(variant.next_price_at(), None);
    }
}
