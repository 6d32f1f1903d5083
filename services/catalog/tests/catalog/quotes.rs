//! The one quote of each order: its prices, its amounts, and why it is refused.

use std::{collections::BTreeMap, time::Duration};

use tradewind_catalog::{
    CATEGORIES_PER_PRODUCT_MAX, CATEGORY_DEPTH_MAX, PRICE_MINOR_MAX, Quote, QuoteState,
    commands::{ArchiveProduct, CreateCategory, CreateProduct, DiscontinueVariant, SetPrice, UnpublishProduct},
};
use tradewind_engine::Limits;
use tradewind_events::{
    Line, Lines, PaymentMethod, QUANTITY_MAX,
    catalog::{ChangedPrice, QuoteIssued, QuoteRefused},
    orders::OrderPlaced,
};

use super::*;

fn line(product_id: &str, sku: &str, quantity: u32, price_minor: Option<i64>) -> Line {
    Line {
        product_id: id(product_id),
        sku: id(sku),
        quantity,
        unit_price_minor: price_minor,
        location_id: None,
        reservation_id: None,
    }
}

fn placed(order_id: &str, lines: Vec<Line>) -> OrderPlaced {
    OrderPlaced {
        order_id: id(order_id),
        customer_id: id("user-1"),
        currency: eur(),
        lines: lines.into(),
        shipping_address: None,
        billing_address: None,
        payment_method: PaymentMethod::Card,
        cart_id: Some(id("cart-1")),
        reservation_ttl_seconds: None,
    }
}

/// Each line that was refused, with its reason.
fn unavailable(stage: &Stage) -> Vec<(Id, String)> {
    let [refused] = &stage.said::<QuoteRefused>()[..] else { panic!("{:?}", stage.said_names()) };
    refused
        .unavailable
        .iter()
        .map(|line| (line.sku.clone(), line.reason.as_deref().unwrap_or_default().to_owned()))
        .collect()
}

#[test]
fn an_order_is_quoted_line_by_line_with_every_amount_filled() {
    let rates = BTreeMap::from([(id("food"), 700)]);
    let settings =
        Catalog { discount_bp: 500, shipping_minor: 490, tax_bp: 1_900, category_tax_bp: rates, ..Catalog::default() };
    let mut stage = stage_with(settings);
    let category = |name: &str, parent: Option<&str>| CreateCategory {
        category_id: Some(id(name)),
        name: name.into(),
        parent_id: parent.map(id),
    };
    stage.follow(category("food", None));
    stage.follow(category("teas", Some("food")));
    stage.follow(category("gifts", None));
    stage.sells("product-1", "SKU-1", 999);
    stage.follow(CreateProduct {
        // The first has no rate; the second has that of its parent.
        category_ids: [id("gifts"), id("teas")].into(),
        ..new_product("product-2", vec![new_variant("SKU-2", 249)])
    });
    stage.follow(PublishProduct { product_id: id("product-2") });
    stage.clear();
    stage.hear(placed("order-1", vec![line("product-1", "SKU-1", 3, Some(999)), line("product-2", "SKU-2", 2, None)]));
    let [QuoteIssued { order, lines }] = &stage.said()[..] else { panic!("{:?}", stage.said_names()) };
    assert_eq!(lines.iter().map(|line| line.unit_price_minor).collect::<Vec<_>>(), [Some(999), Some(249)]);
    let amounts =
        [order.items_total_minor, order.discount_minor, order.shipping_minor, order.tax_minor, order.total_minor];
    assert_eq!(amounts, [3_495, 175, 490, 574, 4_384].map(Some));
    assert_eq!((&order.order_id, &order.cart_id), (&id("order-1"), &Some(id("cart-1"))));
    let quote = stage.row::<Quote>(id("order-1")).unwrap();
    assert_eq!((quote.state(), quote.total_minor()), (QuoteState::Issued, Some(4_384)));
    stage.is_clean();
}

#[test]
fn an_order_is_quoted_at_most_once() {
    let mut stage = stage();
    stage.sells("product-1", "SKU-1", 100);
    let order = placed("order-1", vec![line("product-1", "SKU-1", 1, None)]);
    stage.hear(order.clone());
    stage.hear(order.clone());
    stage.follow(SetPrice { sku: id("SKU-1"), amount_minor: 90, currency: eur(), effective_at: None, reason: None });
    stage.hear(order);
    assert_eq!(stage.said::<QuoteIssued>().len(), 1);
    let refused = placed("order-2", vec![line("product-1", "SKU-9", 1, None)]);
    stage.hear(refused.clone());
    stage.hear(refused);
    assert_eq!(stage.said::<QuoteRefused>().len(), 1);
    stage.is_clean();
}

#[test]
fn every_line_that_cannot_be_sold_is_named_with_its_reason() {
    let mut stage = stage();
    for nth in 1..=4 {
        stage.sells(&format!("product-{nth}"), &format!("SKU-{nth}"), 100);
    }
    stage.follow(new_product("product-5", vec![new_variant("SKU-5", 100)]));
    stage.follow(UnpublishProduct { product_id: id("product-2") });
    stage.follow(ArchiveProduct { product_id: id("product-3"), reason: "gone".into() });
    stage.follow(DiscontinueVariant { sku: id("SKU-4") });
    stage.hear(placed(
        "order-1",
        vec![
            line("product-1", "SKU-1", 1, None),
            line("product-2", "SKU-2", 1, None),
            line("product-3", "SKU-3", 1, None),
            line("product-4", "SKU-4", 1, None),
            line("product-5", "SKU-5", 1, None),
            line("product-6", "SKU-6", 1, None),
        ],
    ));
    let expected = [
        ("SKU-2", "unpublished"),
        ("SKU-3", "archived"),
        ("SKU-4", "discontinued"),
        ("SKU-5", "unpublished"),
        ("SKU-6", "unknown"),
    ];
    assert_eq!(unavailable(&stage), expected.map(|(sku, reason)| (id(sku), reason.to_owned())));
    let [refused] = &stage.said::<QuoteRefused>()[..] else { panic!() };
    assert_eq!(refused.order.total_minor, None);
    assert_eq!(stage.row::<Quote>(id("order-1")).unwrap().state(), QuoteState::Refused);
    stage.is_clean();
}

#[test]
fn a_line_that_names_the_product_of_another_sku_is_unknown() {
    let mut stage = stage();
    stage.sells("product-1", "SKU-1", 100);
    stage.sells("product-2", "SKU-2", 100);
    stage.hear(placed("order-1", vec![line("product-1", "SKU-2", 1, None)]));
    assert_eq!(unavailable(&stage), [(id("SKU-2"), "unknown".to_owned())]);
}

#[test]
fn an_order_in_another_currency_is_refused() {
    let mut stage = stage();
    stage.sells("product-1", "SKU-1", 100);
    let lines = vec![line("product-1", "SKU-1", 1, None)];
    stage.hear(OrderPlaced { currency: "USD".parse().unwrap(), ..placed("order-1", lines) });
    assert_eq!(unavailable(&stage), [(id("SKU-1"), "currency".to_owned())]);
}

#[test]
fn a_price_that_is_not_the_carts_is_named_with_both() {
    let mut stage = stage();
    stage.sells("product-1", "SKU-1", 100);
    stage.sells("product-2", "SKU-2", 250);
    stage.hear(placed(
        "order-1",
        vec![line("product-1", "SKU-1", 1, Some(90)), line("product-2", "SKU-2", 1, Some(250))],
    ));
    let [refused] = &stage.said::<QuoteRefused>()[..] else { panic!("{:?}", stage.said_names()) };
    let changed =
        ChangedPrice { product_id: id("product-1"), sku: id("SKU-1"), expected_minor: 90, unit_price_minor: 100 };
    assert_eq!(*refused.changed, [changed]);
    assert!(refused.unavailable.is_empty());
    stage.is_clean();
}

#[test]
fn a_scheduled_price_holds_from_its_moment_on() {
    let mut stage = stage();
    stage.sells("product-1", "SKU-1", 100);
    let later = Duration::from_hours(1);
    let effective_at = Some(stage.now().plus(later));
    stage.follow(SetPrice { sku: id("SKU-1"), amount_minor: 80, currency: eur(), effective_at, reason: None });
    let total = |stage: &mut Stage, order_id: &str| {
        stage.clear();
        stage.hear(placed(order_id, vec![line("product-1", "SKU-1", 2, None)]));
        stage.said::<QuoteIssued>()[0].order.total_minor
    };
    assert_eq!(total(&mut stage, "order-1"), Some(200));
    stage.advance(later);
    assert_eq!(total(&mut stage, "order-2"), Some(160));
}

#[test]
fn lines_of_one_sku_are_quoted_as_one() {
    let mut stage = stage();
    stage.sells("product-1", "SKU-1", 100);
    stage.hear(placed("order-1", vec![line("product-1", "SKU-1", 1, None), line("product-1", "SKU-1", 2, None)]));
    let [QuoteIssued { lines, .. }] = &stage.said()[..] else { panic!("{:?}", stage.said_names()) };
    assert_eq!(lines.iter().map(|line| line.quantity).collect::<Vec<_>>(), [3]);
}

#[test]
fn an_order_that_cannot_be_read_as_one_is_refused_and_not_dead() {
    let mut stage = stage();
    stage.sells("product-1", "SKU-1", 100);
    let differing = vec![line("product-1", "SKU-1", 1, Some(100)), line("product-1", "SKU-1", 1, Some(90))];
    stage.hear(placed("order-1", differing));
    assert_eq!(unavailable(&stage)[0].1, "invalid_line");
    stage.clear();
    stage.hear(OrderPlaced { lines: Lines::default(), ..placed("order-2", vec![]) });
    assert_eq!(unavailable(&stage), []);
    stage.is_clean();
}

#[test]
fn an_order_whose_sum_cannot_be_carried_is_refused() {
    let mut stage = stage();
    let mut lines = vec![];
    for nth in 0..10 {
        stage.sells(&format!("product-{nth}"), &format!("SKU-{nth}"), PRICE_MINOR_MAX);
        lines.push(line(&format!("product-{nth}"), &format!("SKU-{nth}"), QUANTITY_MAX, None));
    }
    stage.hear(placed("order-1", lines));
    assert_eq!(unavailable(&stage)[0].1, "amount_too_large");
    stage.is_clean();
}

/// A product in as many categories as it may be in, each as deep as can be. Only the last one's root has a rate.
fn deep_product(stage: &mut Stage) {
    let mut leaves = Vec::new();
    for branch in 0..CATEGORIES_PER_PRODUCT_MAX {
        let mut parent_id = None;
        for level in 0..CATEGORY_DEPTH_MAX {
            let category_id = Some(id(&format!("category-{branch}-{level}")));
            stage.follow(CreateCategory { category_id: category_id.clone(), name: "deep".into(), parent_id });
            parent_id = category_id;
        }
        leaves.extend(parent_id);
    }
    let variants = vec![new_variant("DEEP", 1_000)];
    stage.follow(CreateProduct { category_ids: leaves.into(), ..new_product("deep", variants) });
    stage.follow(PublishProduct { product_id: id("deep") });
}

#[test]
fn an_order_is_quoted_though_none_of_its_many_categories_is_in_memory() {
    let last = format!("category-{}-0", CATEGORIES_PER_PRODUCT_MAX - 1);
    let settings =
        || Catalog { tax_bp: 1_900, category_tax_bp: BTreeMap::from([(id(&last), 700)]), ..Catalog::default() };
    for forgets in [false, true] {
        let mut stage = stage_with(settings());
        deep_product(&mut stage);
        let limits = Limits { cache_forgets: forgets, ..Limits::default() };
        let mut stage =
            Stage::over(stage.store().clone(), [service(settings()).into()], tradewind_events::registry(), limits);
        for order_id in ["order-1", "order-2"] {
            stage.hear(placed(order_id, vec![line("deep", "DEEP", 1, None)]));
        }
        let taxes: Vec<_> = stage.said::<QuoteIssued>().into_iter().map(|quote| quote.order.tax_minor).collect();
        assert_eq!(taxes, [Some(70), Some(70)]);
        stage.is_clean();
    }
}
