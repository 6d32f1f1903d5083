//! The signed cart: what carts hands to a shopper, and what orders takes from one in its place.
//!
//! It travels through the hands of a client, so it carries a signature over all that it says. Not here: where the
//! secret comes from (configuration), and whether the snapshot may still be used (orders asks the clock).

use std::{fmt::Write, sync::Arc};

use hmac::{Hmac, KeyInit, Mac};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::{Currency, Id, Lines, Timestamp};

/// First in what is signed, so that no other signature under the same secret can stand for a snapshot.
const DOMAIN: &str = "tradewind cart snapshot 1";

/// A cart at one version, priced, for one customer, until `expires_at`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CartSnapshot {
    pub cart_id: Id,
    /// Minted by carts: placing the same snapshot again is the same order.
    pub order_id: Id,
    pub customer_id: Id,
    /// Of the cart: grows with every change of it.
    pub version: u64,
    pub currency: Currency,
    /// At the prices that the shopper saw: each has its `unit_price_minor`.
    pub lines: Lines,
    pub expires_at: Timestamp,
    /// HMAC-SHA-256 over all other fields, in lower-case hexadecimal digits; empty until it is signed.
    pub signature: Arc<str>,
}

impl CartSnapshot {
    /// The same snapshot with its signature.
    #[must_use]
    pub fn sign(mut self, secret: &[u8]) -> Self {
        let signature = self.authenticated(secret).finalize().into_bytes();
        let mut digits = String::with_capacity(2 * signature.len());
        for byte in signature {
            // Writing to a string cannot fail.
            write!(digits, "{byte:02x}").unwrap_or_default();
        }
        self.signature = digits.into();
        self
    }

    /// Whether this secret signed exactly this. Takes as long for a good signature as for a bad one.
    pub fn verify(&self, secret: &[u8]) -> bool {
        decoded(&self.signature).is_some_and(|signature| self.authenticated(secret).verify_slice(&signature).is_ok())
    }

    /// Whether it is too late to place it.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        now >= self.expires_at
    }

    /// Every field but the signature, in this order: a text with its length before it, a number in eight bytes, a
    /// field that may be absent with one byte before it. So no two snapshots are encoded alike.
    fn authenticated(&self, secret: &[u8]) -> Encoder {
        let mut encoder = Encoder::new(secret);
        encoder.text(DOMAIN);
        encoder.text(self.cart_id.as_str());
        encoder.text(self.order_id.as_str());
        encoder.text(self.customer_id.as_str());
        encoder.number(self.version);
        encoder.text(self.currency.as_str());
        encoder.number(self.lines.len() as u64);
        for line in &self.lines {
            encoder.text(line.product_id.as_str());
            encoder.text(line.sku.as_str());
            encoder.number(u64::from(line.quantity));
            encoder.option(line.unit_price_minor, |encoder, price_minor| encoder.number(price_minor.cast_unsigned()));
            encoder.option(line.location_id.as_ref(), |encoder, location_id| encoder.text(location_id.as_str()));
            encoder.option(line.reservation_id.as_ref(), |encoder, id| encoder.text(id.as_str()));
        }
        encoder.number(self.expires_at.as_millis().cast_unsigned());
        encoder
    }
}

/// Feeds fields into the authentication code.
struct Encoder(Hmac<Sha256>);

impl Encoder {
    fn new(secret: &[u8]) -> Self {
        Self(Hmac::new_from_slice(secret).expect("HMAC takes a key of any length"))
    }

    fn number(&mut self, number: u64) {
        self.0.update(&number.to_be_bytes());
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.0.update(text.as_bytes());
    }

    fn option<T>(&mut self, field: Option<T>, encode: impl FnOnce(&mut Self, T)) {
        self.0.update(&[u8::from(field.is_some())]);
        if let Some(field) = field {
            encode(self, field);
        }
    }

    fn finalize(self) -> hmac::digest::CtOutput<Hmac<Sha256>> {
        self.0.finalize()
    }

    fn verify_slice(self, signature: &[u8]) -> Result<(), hmac::digest::MacError> {
        self.0.verify_slice(signature)
    }
}

/// The bytes of lower-case hexadecimal digits; `None` for any other text, so that a signature has one spelling.
fn decoded(digits: &str) -> Option<Vec<u8>> {
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let pairs = digits.as_bytes().chunks_exact(2);
    if !pairs.remainder().is_empty() {
        return None;
    }
    pairs.map(|pair| Some(value(pair[0])? << 4 | value(pair[1])?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Line, id};

    fn snapshot() -> CartSnapshot {
        let line = |sku: &str, price_minor| Line {
            product_id: id("product-1"),
            sku: id(sku),
            quantity: 2,
            unit_price_minor: Some(price_minor),
            location_id: None,
            reservation_id: None,
        };
        CartSnapshot {
            cart_id: id("cart-1"),
            order_id: id("order-1"),
            customer_id: id("user-1"),
            version: 3,
            currency: "EUR".parse().unwrap(),
            lines: vec![line("SKU-1", 2_499), line("SKU-2", 100)].into(),
            expires_at: Timestamp::from_millis(1_769_860_800_000),
            signature: "".into(),
        }
    }

    #[test]
    fn a_signed_snapshot_verifies_also_after_it_has_travelled_as_json() {
        let signed = snapshot().sign(b"secret");
        assert_eq!(signed.signature.len(), 64);
        let travelled: CartSnapshot = serde_json::from_str(&serde_json::to_string(&signed).unwrap()).unwrap();
        assert!(travelled.verify(b"secret"));
        assert!(!travelled.verify(b"another secret"));
    }

    #[test]
    fn a_snapshot_that_says_anything_else_does_not_verify() {
        let signed = snapshot().sign(b"secret");
        let edit = |edit: fn(&mut CartSnapshot)| {
            let mut edited = signed.clone();
            edit(&mut edited);
            edited
        };
        let line = |edit: fn(&mut Line)| {
            let mut lines = signed.lines.to_vec();
            edit(&mut lines[1]);
            CartSnapshot { lines: lines.into(), ..signed.clone() }
        };
        let forged = [
            edit(|snapshot| snapshot.cart_id = id("cart-2")),
            edit(|snapshot| snapshot.order_id = id("order-2")),
            edit(|snapshot| snapshot.customer_id = id("user-2")),
            edit(|snapshot| snapshot.version += 1),
            edit(|snapshot| snapshot.currency = "USD".parse().unwrap()),
            edit(|snapshot| snapshot.lines = snapshot.lines[..1].to_vec().into()),
            edit(|snapshot| snapshot.expires_at = snapshot.expires_at.plus(std::time::Duration::from_millis(1))),
            // The boundary between two fields moves, their concatenation stays.
            edit(|snapshot| (snapshot.cart_id, snapshot.order_id) = (id("cart-1o"), id("rder-1"))),
            line(|line| line.product_id = id("product-2")),
            line(|line| line.sku = id("SKU-3")),
            line(|line| line.quantity = 1),
            line(|line| line.unit_price_minor = Some(1)),
            line(|line| line.unit_price_minor = None),
            line(|line| line.location_id = Some(id("location-1"))),
            line(|line| line.reservation_id = Some(id("reservation-1"))),
        ];
        for forged in forged {
            assert!(!forged.verify(b"secret"), "{forged:?}");
        }
    }

    #[test]
    fn a_signature_that_is_none_is_refused() {
        let signed = snapshot().sign(b"secret");
        let upper = signed.signature.to_uppercase();
        for bad in ["", "0", "zz", &signed.signature[..62], &upper, &format!("{}00", signed.signature)] {
            assert!(!CartSnapshot { signature: bad.into(), ..signed.clone() }.verify(b"secret"), "{bad}");
        }
        assert!(!snapshot().verify(b"secret"));
    }

    #[test]
    fn a_snapshot_is_expired_from_its_moment_on() {
        let snapshot = snapshot();
        assert!(snapshot.is_expired(snapshot.expires_at));
        assert!(!snapshot.is_expired(Timestamp::from_millis(snapshot.expires_at.as_millis() - 1)));
    }
}
