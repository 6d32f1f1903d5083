//! Zstandard (RFC 8878), as the log and kept answers use it.

use std::{
    cell::RefCell,
    io::{self, Read},
    thread::LocalKey,
};

use zstd::{
    bulk::{Compressor, Decompressor},
    stream::read::Decoder,
};

/// The fastest of Zstandard's usual levels. What is alike in the events of an order it finds as well as a higher one.
const LEVEL: i32 = 1;

/// What short texts of ours have in common: alone they are too short to have anything twice. It is part of the format of
/// kept answers, and never changed: what was packed with it is unpacked with it.
const DICTIONARY: &[u8] = br#"{"user_id":"","email":"","product_id":"","sku":"","quantity":1,"cart_id":"","version":1,"expires_at":"","currency":"EUR","amount_minor":0,"balance_minor":0,"held_minor":0,"opened_at":"","shipment_id":"","payment_id":"","refund_id":"","state":"captured","outcome":"confirmed","cancelling"}202 /v1/carts/200 /v1/products/201 /v1/orders/019a0000-0000-7000-8000-000000000000
{"order_id":"019a0000-0000-7000-8000-000000000000","customer_id":"019a0000-0000-7000-8000-000000000000","status":"placed","placed_at":"2026-01-01T00:00:00.000Z","deadline_at":"2026-01-01T00:30:00.000Z"}"#;

thread_local! {
    /// Their tables are larger than most of what they pack: one for each thread, not one for each time.
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static SHORT_COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// Runs with what this thread keeps, which is made when it is wanted first.
fn with<T, R>(
    kept: &'static LocalKey<RefCell<Option<T>>>,
    make: impl FnOnce() -> io::Result<T>,
    run: impl FnOnce(&mut T) -> io::Result<R>,
) -> io::Result<R> {
    kept.with_borrow_mut(|kept| match kept {
        Some(kept) => run(kept),
        none => run(none.insert(make()?)),
    })
}

/// One frame. Fails only where memory is at its end.
pub fn compress(plain: &[u8]) -> io::Result<Vec<u8>> {
    with(&COMPRESSOR, || Compressor::new(LEVEL), |compressor| compressor.compress(plain))
}

/// The reverse of [`compress`]. What would be longer than `plain` bytes is an error.
pub fn decompress(packed: &[u8], plain: usize) -> io::Result<Vec<u8>> {
    with(&DECOMPRESSOR, Decompressor::new, |decompressor| decompressor.decompress(packed, plain))
}

/// One frame, by the dictionary: for a short text of ours that stands alone. Fails only where memory is at its end.
pub(crate) fn compress_short(plain: &[u8]) -> io::Result<Vec<u8>> {
    let make = || Compressor::with_dictionary(LEVEL, DICTIONARY);
    with(&SHORT_COMPRESSOR, make, |compressor| compressor.compress(plain))
}

/// The reverse of [`compress_short`]. What would be longer than `max` bytes is an error.
pub(crate) fn decompress_short(packed: &[u8], max: u64) -> io::Result<Vec<u8>> {
    let mut plain = Vec::new();
    Decoder::with_dictionary(packed, DICTIONARY)?.take(max + 1).read_to_end(&mut plain)?;
    if plain.len() as u64 > max { Err(io::ErrorKind::InvalidData.into()) } else { Ok(plain) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_text_of_ours_is_packed_to_less_than_half_and_comes_back() {
        let plain = br#"201 /v1/orders/01a20047-9171-75e5-8c21-6168f223635a
{"order_id":"01a20047-9171-75e5-8c21-6168f223635a","customer_id":"ada","status":"placed","placed_at":"2026-11-21T22:43:40.017Z","deadline_at":"2026-11-21T23:13:40.017Z"}"#;
        let packed = compress_short(plain).unwrap();
        assert!(packed.len() * 2 < plain.len(), "{} of {} bytes", packed.len(), plain.len());
        assert_eq!(decompress_short(&packed, 1_000).unwrap(), plain);
        assert!(decompress_short(&packed, 100).is_err(), "it is longer");
    }

    #[test]
    fn what_is_no_frame_is_an_error() {
        for damaged in [&b"x"[..], b"201\n{}", &[0x28, 0xb5, 0x2f, 0xfd, 0xff]] {
            assert!(decompress_short(damaged, 1_000).is_err());
            assert!(decompress(damaged, 1_000).is_err());
        }
    }
}
