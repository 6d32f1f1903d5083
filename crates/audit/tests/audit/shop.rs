//! All nine services in one store, with goods on the shelves and money in the accounts.

use std::sync::Arc;

use tradewind_audit::{Audit, Charges, Report, StoreView};
use tradewind_catalog::commands::{CreateProduct, NewVariant, PublishProduct};
use tradewind_engine::{AnyService, Entity, StoredRow};
use tradewind_events::{AdjustmentType, Attributes, Currency, Id, Key, Line, PaymentMethod, Value, id};
use tradewind_inventory::AdjustStock;
use tradewind_orders::{Basket, Order, PlaceOrder, PlacedBy};
use tradewind_payments::commands::CreditAccount;
use tradewind_testkit::{MemoryStore, Stage};

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

/// A product `product-SKU` for 10.00 EUR.
pub fn product(sku: &str) -> CreateProduct {
    let variant = NewVariant { sku: id(sku), attributes: Attributes::default(), amount_minor: 1_000, currency: eur() };
    CreateProduct {
        product_id: Some(id(&format!("product-{sku}"))),
        name: sku.into(),
        description: "".into(),
        brand: None,
        category_ids: Arc::default(),
        attributes: Attributes::default(),
        media: Vec::new(),
        variants: vec![variant],
    }
}

pub fn adjustment(sku: &str, quantity: i64) -> AdjustStock {
    AdjustStock {
        sku: id(sku),
        location_id: None,
        delta: quantity,
        adjustment_type: AdjustmentType::Restock,
        reason: None,
        reference: None,
        source: None,
        actor: None,
    }
}

pub fn credit(customer: &str, amount_minor: i64) -> CreditAccount {
    CreditAccount {
        customer_id: id(customer),
        currency: eur(),
        amount_minor,
        cause: "top_up".into(),
        reference: None,
        actor: "staff".into(),
    }
}

pub fn order_of(customer: &str, sku: &str, quantity: u32, payment_method: PaymentMethod) -> PlaceOrder {
    let line = Line {
        product_id: id(&format!("product-{sku}")),
        sku: id(sku),
        quantity,
        unit_price_minor: None,
        location_id: None,
        reservation_id: None,
    };
    PlaceOrder {
        by: PlacedBy::Customer,
        customer_id: id(customer),
        basket: Basket::Lines { order_id: None, currency: None, lines: [line].into_iter().collect() },
        payment_method,
        shipping_address: None,
        billing_address: None,
        reservation_ttl_seconds: None,
    }
}

pub struct Shop {
    pub stage: Stage,
}

impl Shop {
    pub fn open() -> Self {
        Self { stage: Stage::new(services()) }
    }

    pub fn stocks(&mut self, sku: &str, quantity: i64) {
        let product = self.stage.ask(product(sku)).expect("a product can be created");
        self.stage.ask(PublishProduct { product_id: product.product_id }).expect("a product can be published");
        self.stage.ask(adjustment(sku, quantity)).expect("stock can come in");
    }

    pub fn credits(&mut self, customer: &str, amount_minor: i64) {
        self.stage.ask(credit(customer, amount_minor)).expect("an account can be credited");
    }

    pub fn orders(&mut self, customer: &str, sku: &str, quantity: u32, payment_method: PaymentMethod) -> Id {
        self.stage.ask(order_of(customer, sku, quantity, payment_method)).expect("an order can be placed").order_id
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

/// Changes the one row that is meant behind everybody's back; `None` deletes it.
pub fn tamper<E: Entity>(
    store: &MemoryStore,
    which: impl Fn(&E) -> bool,
    change: impl Fn(StoredRow) -> Option<StoredRow>,
) {
    let rows = store.rows(E::TABLE).into_iter();
    let read = rows.map(|row| (E::from_row(&row.values).expect("it can be read"), row));
    let found: Vec<(Key, StoredRow)> = read.filter(|(row, _)| which(row)).map(|(it, row)| (it.key(), row)).collect();
    let [(key, row)] = &found[..] else { panic!("one row of {} is meant", E::TABLE.name) };
    store.tamper(E::TABLE, key, change(row.clone()));
}

pub fn with<E: Entity>(mut row: StoredRow, column: &str, value: Value) -> StoredRow {
    row.values[E::TABLE.position(column).expect("the column is there")] = value;
    row
}
