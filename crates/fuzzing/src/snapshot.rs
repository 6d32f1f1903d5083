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
    for other in others(&signed) {
        assert!(other == signed || !other.verify(SECRET), "{other:?}");
    }
}

/// The same cart with one thing changed, under the signature that it had.
fn others(signed: &CartSnapshot) -> Vec<CartSnapshot> {
    let with = |change: &dyn Fn(&mut CartSnapshot)| {
        let mut other = signed.clone();
        change(&mut other);
        other
    };
    let with_lines = |change: &dyn Fn(&mut Vec<Line>)| {
        let mut lines: Vec<Line> = signed.lines.iter().cloned().collect();
        change(&mut lines);
        with(&|cart| cart.lines = lines.clone().into())
    };
    let with_line = |change: &dyn Fn(&mut Line)| with_lines(&|lines| lines.iter_mut().for_each(change));
    vec![
        with(&|cart| cart.cart_id = id("another")),
        with(&|cart| cart.order_id = id("another")),
        with(&|cart| cart.customer_id = id("another")),
        with(&|cart| cart.version = cart.version.wrapping_add(1)),
        with(&|cart| cart.currency = "XTS".parse().expect("XTS is a currency")),
        with(&|cart| cart.expires_at = Timestamp::from_millis(cart.expires_at.as_millis().wrapping_add(1))),
        with_lines(&|lines| drop(lines.pop())),
        with_lines(&|lines| lines.reverse()),
        with_line(&|line| line.product_id = id("another")),
        with_line(&|line| line.sku = id("another")),
        with_line(&|line| line.quantity = line.quantity.wrapping_add(1)),
        with_line(&|line| line.unit_price_minor = line.unit_price_minor.map_or(Some(0), |price| price.checked_sub(1))),
        with_line(&|line| std::mem::swap(&mut line.location_id, &mut line.reservation_id)),
    ]
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
