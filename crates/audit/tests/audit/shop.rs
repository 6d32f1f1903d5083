//! All nine services in one store, with goods on the shelves and money in the accounts.

use std::sync::Arc;

use tradewind_audit::{Audit, Charges, Report, StoreView};
use tradewind_catalog::commands::{CreateProduct, NewVariant, PublishProduct};
use tradewind_engine::AnyService;
use tradewind_events::{AdjustmentType, Attributes, Currency, Id, Line, PaymentMethod, id};
use tradewind_inventory::AdjustStock;
use tradewind_orders::{Basket, Order, PlaceOrder, PlacedBy};
use tradewind_payments::commands::CreditAccount;
use tradewind_testkit::Stage;

pub fn services() -> Vec<AnyService> {
    vec![
        tradewind_identity::service(tradewind_identity::Identity::default()).into(),
        tradewind_catalog::service(tradewind_catalog::Catalog::default()).into(),
        tradewind_inventory::service(tradewind_inventory::Inventory::default()).into(),
        tradewind_carts::service(tradewind_carts::Carts::default()).into(),
        tradewind_orders::service(tradewind_orders::Orders::default()).into(),
        tradewind_payments::service(tradewind_payments::Payments::default()).into(),
        tradewind_shipping::service(tradewind_shipping::Shipping::default()).into(),
        tradewind_notifications::service(tradewind_notifications::Notifications::default()).into(),
        tradewind_query::service(tradewind_query::Query).into(),
    ]
}

pub fn eur() -> Currency {
    "EUR".parse().expect("EUR is a currency")
}

pub struct Shop {
    pub stage: Stage,
}

impl Shop {
    pub fn open() -> Self {
        Self { stage: Stage::new(services()) }
    }

    pub fn stocks(&mut self, sku: &str, quantity: i64) {
        let variant =
            NewVariant { sku: id(sku), attributes: Attributes::default(), amount_minor: 1_000, currency: eur() };
        let product = CreateProduct {
            product_id: Some(id(&format!("product-{sku}"))),
            name: sku.into(),
            description: "".into(),
            brand: None,
            category_ids: Arc::default(),
            attributes: Attributes::default(),
            media: Vec::new(),
            variants: vec![variant],
        };
        let product = self.stage.ask(product).expect("a product can be created");
        self.stage.ask(PublishProduct { product_id: product.product_id }).expect("a product can be published");
        let adjust = AdjustStock {
            sku: id(sku),
            location_id: None,
            delta: quantity,
            adjustment_type: AdjustmentType::Restock,
            reason: None,
            reference: None,
            source: None,
            actor: None,
        };
        self.stage.ask(adjust).expect("stock can come in");
    }

    pub fn credits(&mut self, customer: &str, amount_minor: i64) {
        let credit = CreditAccount {
            customer_id: id(customer),
            currency: eur(),
            amount_minor,
            cause: "top_up".into(),
            reference: None,
            actor: "staff".into(),
        };
        self.stage.ask(credit).expect("an account can be credited");
    }

    pub fn orders(&mut self, customer: &str, sku: &str, quantity: u32, payment_method: PaymentMethod) -> Id {
        let line = Line {
            product_id: id(&format!("product-{sku}")),
            sku: id(sku),
            quantity,
            unit_price_minor: None,
            location_id: None,
            reservation_id: None,
        };
        let basket = Basket::Lines { order_id: None, currency: None, lines: [line].into_iter().collect() };
        let order = PlaceOrder {
            by: PlacedBy::Customer,
            customer_id: id(customer),
            basket,
            payment_method,
            shipping_address: None,
            billing_address: None,
            reservation_ttl_seconds: None,
        };
        self.stage.ask(order).expect("an order can be placed").order_id
    }

    pub fn order(&self, order_id: &Id) -> Order {
        self.stage.row(order_id).expect("the order is there")
    }

    pub fn audit(&self) -> Report {
        self.audit_with(&Charges::default())
    }

    /// Audits it beside these charges of the provider.
    pub fn audit_with(&self, charges: &Charges) -> Report {
        let services = services();
        let stores = [StoreView::new("stage", self.stage.store(), &services)];
        let registry = tradewind_events::registry();
        let audit = Audit { stores: &stores, registry: &registry, charges: Some(charges), now: self.stage.now() };
        audit.run().expect("the store in memory can be audited")
    }
}
