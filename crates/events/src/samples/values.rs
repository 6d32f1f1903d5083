//! Samples of the values that events share.

use super::{Sample, samples};
use crate::{
    Address, Attributes, Change, Check, Currency, FreeJson, Line, Lines, Media, OrderSummary, PaymentMethod, Price,
    Product, ProductStatus, StockLevel, Timestamp, Variant, VariantStatus, id,
};

/// 2026-01-31T12:00:00Z, and so many minutes.
pub(super) fn noon_and(minutes: i64) -> Timestamp {
    Timestamp::from_millis(1_769_860_800_000 + minutes * 60_000)
}

pub(super) fn eur() -> Currency {
    "EUR".parse().expect("EUR is a currency")
}

samples! {
    OrderSummary {
        order_id: id("order-1"),
        customer_id: id("user-1"),
        currency: eur(),
        items_total_minor: Some(4_998),
        discount_minor: Some(500),
        shipping_minor: Some(490),
        tax_minor: Some(948),
        total_minor: Some(5_936),
        payment_method: PaymentMethod::Card,
        cart_id: Some(id("cart-1")),
    }
    Line {
        product_id: id("product-1"),
        sku: id("SKU-1"),
        quantity: 2,
        unit_price_minor: Some(2_499),
        location_id: Some(id("location-1")),
        reservation_id: Some(id("reservation-1-1")),
    }
    Address {
        street: "Musterstraße 1".to_owned().into(),
        city: "Köln".to_owned().into(),
        state: Some("NRW".to_owned().into()),
        zip: "50667".to_owned().into(),
        country: "DE".to_owned().into(),
    }
    Check {
        name: "reservation".into(),
        passed_at: noon_and(1),
        reference: "reservation-1".into(),
    }
    Product {
        product_id: id("product-1"),
        name: "Tea".into(),
        description: "Green, loose.".into(),
        brand: Some("Leaf".into()),
        category_ids: [id("category-1")].into(),
        status: ProductStatus::Published,
        attributes: [("origin", "Shizuoka")].into_iter().collect(),
        media: [Media::sample()].into(),
        variants: [Variant::sample()].into(),
        created_at: noon_and(0),
    }
    Variant {
        variant_id: id("variant-1"),
        sku: id("SKU-1"),
        status: VariantStatus::Active,
        attributes: Attributes::from_iter([("grams", 100)]),
        price: Price::sample(),
    }
    Price {
        price_id: id("price-1"),
        amount_minor: 2_499,
        currency: eur(),
        effective_at: noon_and(0),
    }
    Media {
        media_id: id("media-1"),
        url: "https://media.example.org/tea.jpg".into(),
        sort_order: 1,
        alt_text: Some("A tin of tea".into()),
    }
    Change {
        field: "attributes.origin".into(),
        old_value: FreeJson::default(),
        new_value: "Shizuoka".into(),
    }
    StockLevel {
        sku: id("SKU-1"),
        product_id: id("product-1"),
        location_id: id("location-1"),
        version: 7,
        on_hand: 10,
        reserved: 2,
        available: 8,
        available_everywhere: 20,
    }
}

impl Sample for Lines {
    fn sample() -> Self {
        [Line::sample()].into_iter().collect()
    }
}
