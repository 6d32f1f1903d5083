//! Catalog: what is for sale, at which price, and the one quote of each order.
//! Not here: how much there is of it (inventory), what lies in a cart (carts), how products are found (query).

pub mod commands;
mod model;
mod reactions;

use std::collections::BTreeMap;

use tradewind_engine::{Refusal, Service, Settings, Timer};
use tradewind_events::{Currency, Id};

pub use model::{
    ATTRIBUTE_BYTES_MAX, ATTRIBUTE_NAME_BYTES_MAX, ATTRIBUTES_BYTES_MAX, ATTRIBUTES_MAX, Availability, BRAND_BYTES_MAX,
    CATEGORIES_PER_PRODUCT_MAX, CATEGORY_DEPTH_MAX, CATEGORY_NOT_FOUND, Category, DESCRIPTION_BYTES_MAX,
    LocationAvailability, MEDIA_MAX, NAME_BYTES_MAX, PRICE_MINOR_MAX, PRODUCT_NOT_FOUND, Product, Quote, QuoteState,
    REASON_BYTES_MAX, SCHEDULED_PRICES_MAX, URL_BYTES_MAX, VARIANT_NOT_FOUND, VARIANTS_MAX, Variant,
};

/// The configuration of catalog.
pub struct Catalog {
    /// In which every price is. Default EUR.
    pub currency: Currency,
    /// Off the items of every order, in basis points: 500 is 5 %. More than 10,000 counts as that. Default 0.
    pub discount_bp: u32,
    /// On top of every order, in minor units of `currency`; not negative. Default 0.
    pub shipping_minor: i64,
    /// On top of what no category says otherwise, in basis points. Default 0.
    pub tax_bp: u32,
    /// By category, in basis points; a category without an entry has the rate of its parent. Default none.
    pub category_tax_bp: BTreeMap<Id, u32>,
}

impl Settings for Catalog {
    const SERVICE: &'static str = "catalog";
}

impl Default for Catalog {
    fn default() -> Self {
        Self {
            currency: "EUR".parse().expect("EUR is a currency"),
            discount_bp: 0,
            shipping_minor: 0,
            tax_bp: 0,
            category_tax_bp: BTreeMap::new(),
        }
    }
}

/// All that a command of catalog may refuse with.
pub const PROBLEMS: &[Refusal] = &[
    model::CATEGORY_CYCLE,
    model::CATEGORY_EXISTS,
    model::CATEGORY_NOT_EMPTY,
    model::CATEGORY_NOT_FOUND,
    model::CATEGORY_TOO_DEEP,
    model::INVALID_CATEGORY,
    model::INVALID_PRICE,
    model::INVALID_PRODUCT,
    model::PRODUCT_ARCHIVED,
    model::PRODUCT_EXISTS,
    model::PRODUCT_NOT_FOUND,
    model::PRODUCT_NOT_PUBLISHED,
    model::PRODUCT_WITHOUT_VARIANT,
    model::SCHEDULED_PRICE_NOT_FOUND,
    model::SKU_TAKEN,
    model::TOO_MANY_SCHEDULED_PRICES,
    model::TOO_MANY_VARIANTS,
    model::UNKNOWN_CATEGORY,
    model::VARIANT_DISCONTINUED,
    model::VARIANT_NOT_FOUND,
];

/// The next scheduled price of a SKU takes effect.
const TAKE_EFFECT: Timer<Catalog> = Timer::new("take_effect");

pub fn service(settings: Catalog) -> Service<Catalog> {
    Service::new(settings)
        .owns::<Product>()
        .owns::<Variant>()
        .owns::<Category>()
        .owns::<Availability>()
        .owns::<LocationAvailability>()
        .owns::<Quote>()
        .command(commands::create_product)
        .command(commands::update_product)
        .command(commands::publish_product)
        .command(commands::unpublish_product)
        .command(commands::archive_product)
        .command(commands::add_variant)
        .command(commands::update_variant)
        .command(commands::discontinue_variant)
        .command(commands::set_price)
        .command(commands::cancel_price)
        .command(commands::create_category)
        .command(commands::update_category)
        .command(commands::delete_category)
        .on(reactions::quote) // order.placed
        .on(reactions::deplete) // stock.depleted
        .on(reactions::replenish) // stock.replenished
        .timer(TAKE_EFFECT, reactions::take_effect)
}
