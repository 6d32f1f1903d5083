//! Catalog on a stage: every command, everything that it hears, every timer.

mod availability;
mod categories;
mod prices;
mod products;
mod quotes;
mod variants;

use tradewind_catalog::{
    Catalog,
    commands::{AddVariant, CreateProduct, NewVariant, PublishProduct},
    service,
};
use tradewind_engine::Command;
use tradewind_events::{self as events, Attributes, Currency, Id, id};
use tradewind_testkit::Stage;

fn stage() -> Stage {
    stage_with(Catalog::default())
}

fn stage_with(settings: Catalog) -> Stage {
    Stage::new([service(settings).into()])
}

fn eur() -> Currency {
    "EUR".parse().expect("EUR is a currency")
}

fn new_variant(sku: &str, amount_minor: i64) -> NewVariant {
    NewVariant { sku: id(sku), attributes: Attributes::default(), amount_minor, currency: eur() }
}

fn new_product(product_id: &str, variants: Vec<NewVariant>) -> CreateProduct {
    CreateProduct {
        product_id: Some(id(product_id)),
        name: "Tea".into(),
        description: "Green, loose.".into(),
        brand: None,
        category_ids: [].into(),
        attributes: Attributes::default(),
        media: vec![],
        variants,
    }
}

/// Commands of which a test asserts only that they are followed.
trait Follow {
    fn follow<C: Command>(&mut self, command: C) -> C::Answer;
    fn refusal<C: Command<Answer: std::fmt::Debug>>(&mut self, command: C) -> String;
    /// A published product with one variant, and nothing said since.
    fn sells(&mut self, product_id: &str, sku: &str, amount_minor: i64);
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

    fn sells(&mut self, product_id: &str, sku: &str, amount_minor: i64) {
        self.follow(new_product(product_id, vec![new_variant(sku, amount_minor)]));
        self.follow(PublishProduct { product_id: id(product_id) });
        self.clear();
    }

    fn is_clean(&self) {
        assert_eq!(self.dead_letters(), []);
        assert_eq!(self.parked(), []);
    }
}

fn add(product_id: &str, sku: &str) -> AddVariant {
    AddVariant { product_id: id(product_id), variant: new_variant(sku, 100) }
}

fn skus(product: &events::Product) -> Vec<Id> {
    product.variants.iter().map(|variant| variant.sku.clone()).collect()
}

#[test]
fn every_refusal_has_a_page() {
    for refusal in tradewind_catalog::PROBLEMS {
        let page = format!("{}/../../docs/problems/{}.md", env!("CARGO_MANIFEST_DIR"), refusal.code);
        let text = std::fs::read_to_string(&page).unwrap_or_else(|error| panic!("{page}: {error}"));
        assert!(text.starts_with(&format!("# {}\n", refusal.code)), "{page}");
    }
}
