//! Signed carts, as clients bring them back: whatever can be read has one signature, which fits nothing else.

use tradewind::http;
use tradewind_events::{CartSnapshot, Line, Timestamp, id};

const SECRET: &[u8] = b"a secret of carts";

pub fn check(input: &[u8]) {
    let snapshot: CartSnapshot = match http::read(input) {
        Ok(snapshot) => snapshot,
        Err(failure) => return crate::request::assert_body_refusal(&failure),
    };
    let signed = snapshot.clone().sign(SECRET);
    assert!(signed.verify(SECRET) && !signed.verify(b"another"));
    assert_eq!(snapshot.verify(SECRET), snapshot.signature == signed.signature, "{}", snapshot.signature);
    let written = serde_json::to_vec(&signed).expect("a snapshot can be written");
    let read: CartSnapshot = http::read(&written).expect("what was written can be read");
    assert_eq!(read, signed);
    let later = CartSnapshot { version: signed.version.wrapping_add(1), ..signed.clone() };
    let another = CartSnapshot { order_id: id("another"), ..signed.clone() };
    assert!(!later.verify(SECRET) && (!another.verify(SECRET) || signed.order_id == id("another")));
}

pub fn seeds() -> Vec<Vec<u8>> {
    let line = |sku, unit_price_minor| Line {
        product_id: id("product-1"),
        sku: id(sku),
        quantity: 2,
        unit_price_minor,
        location_id: None,
        reservation_id: None,
    };
    let snapshot = CartSnapshot {
        cart_id: id("cart-1"),
        order_id: id("order-1"),
        customer_id: id("user-1"),
        version: 3,
        currency: "EUR".parse().expect("EUR is a currency"),
        lines: vec![line("SKU-1", Some(2_499)), line("SKU-2", None)].into(),
        expires_at: Timestamp::from_millis(1_769_860_800_000),
        signature: "".into(),
    };
    let unsigned = serde_json::to_vec(&snapshot).expect("a snapshot can be written");
    let signed = serde_json::to_vec(&snapshot.sign(SECRET)).expect("a snapshot can be written");
    vec![unsigned, signed]
}
