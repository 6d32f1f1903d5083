//! Carts: collects lines, prices them from what catalog has told, and hands a signed snapshot to whoever places an
//! order. Not here: what a thing really costs (catalog quotes the order), whether there is enough (inventory).

pub mod commands;
mod model;
mod reactions;

use std::{sync::Arc, time::Duration};

use tradewind_engine::{Refusal, Service, Settings, Timer};
use tradewind_events::Currency;

pub use model::{
    CART_NOT_FOUND, Cart, CartOrder, CartOrderState, CartState, Customer, KnownProduct, KnownSku, OPEN_CARTS_MAX,
    UPCOMING_PRICES_MAX, Who,
};

/// The configuration of carts.
pub struct Carts {
    /// Of every cart: only what is priced in it can lie in one. Default EUR.
    pub currency: Currency,
    /// How long a cart is kept that nobody touches. Default 30 days.
    pub cart_ttl: Duration,
    /// How long a signed snapshot can be placed. Default 15 minutes.
    pub snapshot_ttl: Duration,
    /// Signs snapshots; orders knows it too. Without one (the default) no cart is checked out.
    pub secret: Arc<[u8]>,
}

impl Settings for Carts {
    const SERVICE: &'static str = "carts";
}

impl Default for Carts {
    fn default() -> Self {
        Self {
            currency: "EUR".parse().expect("EUR is a currency"),
            cart_ttl: Duration::from_hours(30 * 24),
            snapshot_ttl: Duration::from_mins(15),
            secret: Arc::default(),
        }
    }
}

/// All that a command of carts may refuse with.
pub const PROBLEMS: &[Refusal] = &[
    model::CART_ANONYMOUS,
    model::CART_CHANGED,
    model::CART_CLOSED,
    model::CART_CURRENCY_CHANGED,
    model::CART_CUSTOMER_DELETED,
    model::CART_EMPTY,
    model::CART_FULL,
    model::CART_LINE_NOT_FOUND,
    model::CART_NOT_FOUND,
    model::CART_QUANTITY,
    model::CART_SIGNING_UNAVAILABLE,
    model::CARTS_NOT_MERGEABLE,
    model::NOT_FOR_SALE,
    model::TOO_MANY_CARTS,
];

/// Nobody has touched the cart for too long.
const EXPIRE: Timer<Carts> = Timer::new("expire");

pub fn service(settings: Carts) -> Service<Carts> {
    Service::new(settings)
        .owns::<Cart>()
        .owns::<CartOrder>()
        .owns::<Customer>()
        .owns::<KnownProduct>()
        .owns::<KnownSku>()
        .command(commands::create_cart)
        .command(commands::add_line)
        .command(commands::set_quantity)
        .command(commands::remove_line)
        .command(commands::delete_cart)
        .command(commands::merge_carts)
        .command(commands::checkout)
        .on(reactions::know_created) // product.created
        .on(reactions::know_updated) // product.updated
        .on(reactions::know_published) // product.published
        .on(reactions::know_unpublished) // product.unpublished
        .on(reactions::know_archived) // product.archived
        .on(reactions::know_new_variant) // variant.created
        .on(reactions::know_variant) // variant.updated
        .on(reactions::know_discontinued) // variant.discontinued
        .on(reactions::know_price) // price.changed
        .on(reactions::close) // order.placed
        .on(reactions::reopen) // order.rejected
        .on(reactions::forget) // user.deleted
        .timer(EXPIRE, reactions::expire)
}
