//! What is explored: one order in a small shop, and what is the case in it. The shop is set up by the real commands.

use std::{fmt, sync::Arc};

use tradewind_catalog::{
    Catalog,
    commands::{CreateProduct, NewVariant, PublishProduct},
};
use tradewind_engine::AnyService;
use tradewind_events::{
    Address, AdjustmentType, Attributes, Currency, Id, Line, PaymentMethod, Personal, TextEnum, id,
    identity::UserDeleted,
};
use tradewind_inventory::{AdjustStock, CreateLocation, Inventory};
use tradewind_orders::{Basket, Orders, PlaceOrder, PlacedBy};
use tradewind_payments::{Payments, commands::CreditAccount};
use tradewind_shipping::Shipping;

use crate::stimulus::{Wish, wish};

/// What is the case when the order is placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, TextEnum)]
pub enum Case {
    /// Everything is there. One line comes from two locations.
    #[text("plain")]
    Plain,
    /// One line cannot be served.
    #[text("out-of-stock")]
    OutOfStock,
    /// The customer saw another price.
    #[text("price-changed")]
    PriceChanged,
    #[text("unknown-sku")]
    UnknownSku,
    /// Shipping does not serve the country.
    #[text("refused-shipping")]
    RefusedShipping,
    /// The account is short of a little.
    #[text("no-money")]
    NoMoney,
    /// The order costs nothing.
    #[text("free")]
    Free,
    /// The customer's account is deleted at some moment.
    #[text("customer-leaves")]
    CustomerLeaves,
}

/// One exploration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scenario {
    pub method: PaymentMethod,
    pub case: Case,
    /// Whether shipping can be asked to stop a confirmed order.
    pub recall: bool,
}

/// Where shipping refuses to go, where it refuses.
const FAR: &str = "AQ";

const PRODUCT: &str = "product-1";
/// Of this SKU one unit is at the main location, and the rest elsewhere.
const SPREAD_SKU: &str = "SPREAD";
const OTHER_SKU: &str = "OTHER";
const ELSEWHERE: &str = "elsewhere";
const CUSTOMER: &str = "customer-1";

const SPREAD_MINOR: i64 = 1_000;
const OTHER_MINOR: i64 = 250;
/// Two of one and one of the other.
pub const TOTAL_MINOR: i64 = 2 * SPREAD_MINOR + OTHER_MINOR;

/// The one order.
pub fn order_id() -> Id {
    id("order-1")
}

pub fn customer_id() -> Id {
    id(CUSTOMER)
}

/// The currency of the shop.
///
/// # Panics
/// Never.
pub fn eur() -> Currency {
    "EUR".parse().expect("EUR is a currency")
}

impl Scenario {
    /// Whether there is such a case with this method.
    pub fn is_there(self) -> bool {
        self.case != Case::NoMoney || self.method == PaymentMethod::Balance
    }

    /// The services that take part, as they are configured here.
    pub fn services(self) -> Vec<AnyService> {
        let orders = Orders { shipping_can_recall: self.recall, ..Orders::default() };
        let payments = Payments { shipping_recalls: self.recall, ..Payments::default() };
        let countries = if self.case == Case::RefusedShipping { vec!["DE".into()] } else { Vec::new() };
        vec![
            tradewind_orders::service(orders).into(),
            tradewind_catalog::service(Catalog::default()).into(),
            tradewind_inventory::service(Inventory::default()).into(),
            tradewind_shipping::service(Shipping { countries }).into(),
            tradewind_payments::service(payments).into(),
        ]
    }

    /// Whether handlers that are to be left out, by service and event, are there at all.
    ///
    /// # Errors
    /// Which one is not, as a sentence without its full stop.
    pub fn knows(self, deaf: &[(String, String)]) -> Result<(), String> {
        let services = self.services();
        for (service, event) in deaf {
            let Some(known) = services.iter().find(|known| known.name == service) else {
                let names: Vec<&str> = services.iter().map(|service| service.name).collect();
                return Err(format!("there is no service {service} here; there are {}", names.join(", ")));
            };
            if !known.consumed_events().any(|heard| heard == Some(event.as_str())) {
                return Err(format!("{service} does not hear {event}"));
            }
        }
        Ok(())
    }

    /// What is done before the order is placed, in this order, and of which service.
    pub fn setup(self) -> Vec<(&'static str, Arc<dyn Wish>)> {
        let spread = if self.case == Case::Free { 0 } else { SPREAD_MINOR };
        let other = if self.case == Case::Free { 0 } else { OTHER_MINOR };
        let variant = |sku: &str, amount_minor: i64| NewVariant {
            sku: id(sku),
            attributes: Attributes::default(),
            amount_minor,
            currency: eur(),
        };
        let product = CreateProduct {
            product_id: Some(id(PRODUCT)),
            name: "A product".into(),
            description: "".into(),
            brand: None,
            category_ids: Arc::default(),
            attributes: Attributes::default(),
            media: Vec::new(),
            variants: vec![variant(SPREAD_SKU, spread), variant(OTHER_SKU, other)],
        };
        let location =
            CreateLocation { location_id: Some(id(ELSEWHERE)), name: "Elsewhere".into(), priority: Some(200) };
        let mut setup = vec![
            ("catalog", wish("a product", product)),
            ("catalog", wish("for sale", PublishProduct { product_id: id(PRODUCT) })),
            ("inventory", wish("a location", location)),
            ("inventory", stock(SPREAD_SKU, None, 1)),
            ("inventory", stock(SPREAD_SKU, Some(ELSEWHERE), 5)),
        ];
        if self.case != Case::OutOfStock {
            setup.push(("inventory", stock(OTHER_SKU, None, 5)));
        }
        if self.method == PaymentMethod::Balance {
            let amount_minor = if self.case == Case::NoMoney { TOTAL_MINOR - 1 } else { 3 * TOTAL_MINOR };
            let credit = CreditAccount {
                customer_id: customer_id(),
                currency: eur(),
                amount_minor,
                cause: "top_up".into(),
                reference: None,
                actor: "staff".into(),
            };
            setup.push(("payments", wish("money", credit)));
        }
        setup
    }

    /// The request that begins it all.
    pub fn request(self) -> Arc<dyn Wish> {
        let sku = if self.case == Case::UnknownSku { "UNKNOWN" } else { OTHER_SKU };
        let seen_minor = (self.case == Case::PriceChanged).then_some(OTHER_MINOR - 1);
        let line = |sku: &str, quantity: u32, unit_price_minor: Option<i64>| Line {
            product_id: id(PRODUCT),
            sku: id(sku),
            quantity,
            unit_price_minor,
            location_id: None,
            reservation_id: None,
        };
        let lines = [line(SPREAD_SKU, 2, None), line(sku, 1, seen_minor)];
        let personal = |text: &str| Personal::new(text.to_owned());
        let address = Address {
            street: personal("Street 1"),
            city: personal("City"),
            state: None,
            zip: personal("12345"),
            country: personal(FAR),
        };
        let place = PlaceOrder {
            by: PlacedBy::Customer,
            customer_id: customer_id(),
            basket: Basket::Lines { order_id: Some(order_id()), currency: None, lines: lines.into_iter().collect() },
            payment_method: self.method,
            shipping_address: Some(Arc::new(address)),
            billing_address: None,
            reservation_ttl_seconds: None,
        };
        wish("the customer places the order", place)
    }
}

impl Scenario {
    /// What identity says when the customer leaves.
    pub fn farewell(self) -> UserDeleted {
        UserDeleted { user_id: customer_id(), email: Personal::new("customer@example.org".to_owned()) }
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let recall = if self.recall { "" } else { ", no recall" };
        write!(f, "{}, {}{recall}", self.method, self.case)
    }
}

fn stock(sku: &str, location: Option<&str>, delta: i64) -> Arc<dyn Wish> {
    let adjust = AdjustStock {
        sku: id(sku),
        location_id: location.map(id),
        delta,
        adjustment_type: AdjustmentType::Restock,
        reason: None,
        reference: None,
        source: None,
        actor: None,
    };
    wish("stock", adjust)
}
