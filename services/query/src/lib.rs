//! Query: what people look at. Read models that are made from events alone, and can be made again at any time.
//! Not here: any decision. Nothing listens to query, and it takes no commands.

mod model;
mod reactions;
pub mod rebuild;
pub mod words;

pub use model::{
    ADDRESSES_MAX, Addresses, Availability, CategoryView, Ending, OrderStatus, OrderView, PaymentState,
    ProductCategory, ProductPrice, ProductView, RefundView, ReservationState, SalesDay, ShipmentState, StockView,
    TimelineRest, VariantMark,
};
pub use reactions::order_of;

use reactions::{goods, orders, payments, reservations, shipments, stock};
use tradewind_engine::{Refusal, Service, Settings};

/// There is nothing to configure.
#[derive(Debug, Clone, Copy, Default)]
pub struct Query;

impl Settings for Query {
    const SERVICE: &'static str = "query";
}

/// Query refuses nothing, as nobody asks it for anything.
pub const PROBLEMS: &[Refusal] = &[];

/// Events that change no read model, each with the reason.
pub const WITHOUT_READ_MODEL: &[(&str, &str)] = &[
    ("user.registered", "read models hold nothing about people but their ids"),
    ("user.signed_in", "read models hold nothing about people but their ids"),
    ("user.signed_out", "read models hold nothing about people but their ids"),
    ("user.email_verified", "read models hold nothing about people but their ids"),
    ("user.profile_updated", "read models hold nothing about people but their ids"),
    ("user.email_changed", "read models hold nothing about people but their ids"),
    ("user.deleted", "read models hold nothing about people but their ids"),
    ("service_client.revoked", "service clients are looked up where they are kept, in identity"),
    ("signing_key.published", "keys are looked up where they are kept, in identity"),
    ("signing_key.retired", "keys are looked up where they are kept, in identity"),
    ("product.out_of_stock", "availability is read from stock events, which say more"),
    ("product.back_in_stock", "availability is read from stock events, which say more"),
    ("account.opened", "accounts are looked up where they are kept, in payments"),
    ("account.closed", "accounts are looked up where they are kept, in payments"),
    ("cart.deleted", "a cart that became no order is looked up where it is kept, in carts"),
    ("cart.expired", "a cart that became no order is looked up where it is kept, in carts"),
];

pub fn service(settings: Query) -> Service<Query> {
    Service::new(settings)
        .owns::<OrderView>()
        .owns::<TimelineRest>()
        .owns::<RefundView>()
        .owns::<SalesDay>()
        .owns::<ProductView>()
        .owns::<ProductPrice>()
        .owns::<ProductCategory>()
        .owns::<CategoryView>()
        .owns::<StockView>()
        .on_every(reactions::keep) // the timeline of an order: all that belongs to it
        .on(orders::placed)
        .on(orders::priced)
        .on(orders::validated)
        .on(orders::confirmed)
        .on(orders::rejected)
        .on(orders::cancel_requested)
        .on(orders::cancelled)
        .on(orders::refunded)
        .on(orders::completed)
        .on(reservations::made)
        .on(reservations::refused)
        .on(reservations::committed)
        .on(reservations::released)
        .on(reservations::expired)
        .on(reservations::restocked)
        .on(payments::requested)
        .on(payments::authorized)
        .on(payments::failed)
        .on(payments::captured)
        .on(payments::capture_failed)
        .on(payments::voided)
        .on(payments::refunded)
        .on(shipments::allocated)
        .on(shipments::refused)
        .on(shipments::ready)
        .on(shipments::released)
        .on(shipments::release_refused)
        .on(shipments::dispatched)
        .on(shipments::delivered)
        .on(goods::created)
        .on(goods::updated)
        .on(goods::published)
        .on(goods::unpublished)
        .on(goods::archived)
        .on(goods::variant_created)
        .on(goods::variant_updated)
        .on(goods::variant_discontinued)
        .on(goods::price_changed)
        .on(goods::category_created)
        .on(goods::category_updated)
        .on(goods::category_deleted)
        .on(stock::created)
        .on(stock::adjusted)
        .on(stock::changed)
        .on(stock::low)
        .on(stock::depleted)
        .on(stock::replenished)
}
