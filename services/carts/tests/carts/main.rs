//! Carts on a stage: every command, everything that it hears in any order, every timer.

mod checkout;
mod customers;
mod expiry;
mod goods;
mod lines;
mod merging;
mod orders;

use std::sync::Arc;

use tradewind_carts::{
    Cart, Carts, Who,
    commands::{AddLine, Checkout, CreateCart},
    service,
};
use tradewind_engine::Command;
use tradewind_events::{
    Attributes, CartSnapshot, Currency, Id, OrderSummary, PaymentMethod, Price, Product, ProductStatus, Variant,
    VariantStatus,
    catalog::{PriceChanged, ProductCreated, ProductPublished},
    id,
    orders::{OrderPlaced, OrderRejected},
};
use tradewind_testkit::Stage;

const SECRET: &[u8] = b"a secret that orders knows";

fn stage() -> Stage {
    Stage::new([service(Carts { secret: SECRET.into(), ..Carts::default() }).into()])
}

fn eur() -> Currency {
    "EUR".parse().expect("EUR is a currency")
}

fn ada() -> Who {
    Who::Customer(id("ada"))
}

fn price(stage: &Stage, amount_minor: i64) -> Price {
    Price { price_id: id("price-1"), amount_minor, currency: eur(), effective_at: stage.now() }
}

fn variant(stage: &Stage, sku: &str, amount_minor: i64) -> Variant {
    Variant {
        variant_id: id(&format!("variant-of-{sku}")),
        sku: id(sku),
        status: VariantStatus::Active,
        attributes: Attributes::default(),
        price: price(stage, amount_minor),
    }
}

/// `product-of-SKU` with that one variant.
fn product(stage: &Stage, sku: &str, amount_minor: i64, status: ProductStatus) -> Product {
    Product {
        product_id: product_id(sku),
        name: "Tea".into(),
        description: "Green, loose.".into(),
        brand: None,
        category_ids: [].into(),
        status,
        attributes: Attributes::default(),
        media: [].into(),
        variants: [variant(stage, sku, amount_minor)].into(),
        created_at: stage.now(),
    }
}

fn product_id(sku: &str) -> Id {
    id(&format!("product-of-{sku}"))
}

fn repriced(stage: &Stage, sku: &str, amount_minor: i64) -> PriceChanged {
    PriceChanged {
        product_id: product_id(sku),
        name: "Tea".into(),
        category_ids: [].into(),
        variant_id: id(&format!("variant-of-{sku}")),
        sku: id(sku),
        old_price: None,
        new_price: price(stage, amount_minor),
        reason: None,
    }
}

fn add(cart: &Cart, sku: &str, quantity: u32) -> AddLine {
    let who = cart.customer_id().cloned().map_or(Who::Anyone, Who::Customer);
    AddLine { cart_id: cart.cart_id().clone(), who, sku: id(sku), quantity }
}

fn checkout(cart: &Cart) -> Checkout {
    let who = cart.customer_id().cloned().map_or(Who::Anyone, Who::Customer);
    Checkout { cart_id: cart.cart_id().clone(), who, revision: None }
}

/// What orders says when the snapshot is placed.
fn placed(snapshot: &CartSnapshot) -> OrderPlaced {
    OrderPlaced {
        order_id: snapshot.order_id.clone(),
        customer_id: snapshot.customer_id.clone(),
        currency: snapshot.currency,
        lines: snapshot.lines.clone(),
        shipping_address: None,
        billing_address: None,
        payment_method: PaymentMethod::Card,
        cart_id: Some(snapshot.cart_id.clone()),
        reservation_ttl_seconds: None,
    }
}

fn rejected(snapshot: &CartSnapshot) -> OrderRejected {
    OrderRejected {
        order: Arc::new(OrderSummary {
            order_id: snapshot.order_id.clone(),
            customer_id: snapshot.customer_id.clone(),
            currency: snapshot.currency,
            items_total_minor: None,
            discount_minor: None,
            shipping_minor: None,
            tax_minor: None,
            total_minor: None,
            payment_method: PaymentMethod::Card,
            cart_id: Some(snapshot.cart_id.clone()),
        }),
        reason: "changed".into(),
        step: "quote".into(),
        payment_id: None,
        shipment_id: None,
        reservation_id: None,
    }
}

trait Follow {
    fn follow<C: Command>(&mut self, command: C) -> C::Answer;
    fn refusal<C: Command<Answer: std::fmt::Debug>>(&mut self, command: C) -> String;
    /// Catalog sells this SKU.
    fn knows(&mut self, sku: &str, amount_minor: i64);
    /// A cart of Ada's with so many of a SKU.
    fn cart_with(&mut self, sku: &str, quantity: u32) -> Cart;
    fn cart(&self, cart_id: &Id) -> Cart;
    fn is_clean(&self);
}

impl Follow for Stage {
    fn follow<C: Command>(&mut self, command: C) -> C::Answer {
        self.ask(command).unwrap_or_else(|problem| panic!("{problem}"))
    }

    /// The code and the field at fault; a refused command says nothing.
    fn refusal<C: Command<Answer: std::fmt::Debug>>(&mut self, command: C) -> String {
        let said = self.said_names().len();
        let problem = self.ask(command).expect_err("it should be refused");
        assert_eq!(self.said_names().len(), said);
        match problem.field {
            Some(field) => format!("{} at {field}", problem.refusal.code),
            None => problem.refusal.code.to_owned(),
        }
    }

    fn knows(&mut self, sku: &str, amount_minor: i64) {
        let draft = product(self, sku, amount_minor, ProductStatus::Draft);
        let published = product(self, sku, amount_minor, ProductStatus::Published);
        self.hear(ProductCreated { product: draft });
        self.hear(ProductPublished { product: published });
    }

    fn cart_with(&mut self, sku: &str, quantity: u32) -> Cart {
        let cart = self.follow(CreateCart { customer_id: Some(id("ada")) });
        self.follow(add(&cart, sku, quantity))
    }

    fn cart(&self, cart_id: &Id) -> Cart {
        self.row(cart_id).expect("the cart is there")
    }

    fn is_clean(&self) {
        assert_eq!(self.dead_letters(), []);
        assert_eq!(self.parked(), []);
    }
}

#[test]
fn every_refusal_has_a_page() {
    for refusal in tradewind_carts::PROBLEMS {
        let page = format!("{}/../../docs/problems/{}.md", env!("CARGO_MANIFEST_DIR"), refusal.code);
        let text = std::fs::read_to_string(&page).unwrap_or_else(|error| panic!("{page}: {error}"));
        assert!(text.starts_with(&format!("# {}\n", refusal.code)), "{page}");
    }
}
