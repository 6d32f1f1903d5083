//! The documents that are made from the running code, and the code held against what was decided.
//!
//! After a change that is meant: `cargo xtask docs`.
#![expect(clippy::unwrap_used, reason = "the helpers of a test fail as the test does")]

mod events;
mod hears;
mod problems;

use std::{fs, path::Path};

use tradewind_engine::AnyService;

/// The nine services, as they are configured by default.
fn services() -> [AnyService; 9] {
    [
        tradewind_identity::service(tradewind_identity::Identity::default()).build(),
        tradewind_catalog::service(tradewind_catalog::Catalog::default()).build(),
        tradewind_inventory::service(tradewind_inventory::Inventory::default()).build(),
        tradewind_carts::service(tradewind_carts::Carts::default()).build(),
        tradewind_orders::service(tradewind_orders::Orders::default()).build(),
        tradewind_payments::service(tradewind_payments::Payments::default()).build(),
        tradewind_shipping::service(tradewind_shipping::Shipping::default()).build(),
        tradewind_notifications::service(tradewind_notifications::Notifications::default()).build(),
        tradewind_query::service(tradewind_query::Query).build(),
    ]
}

/// A file of the repository.
fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_default()
}

fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// Compares what is committed with what the code says now, or writes it anew.
fn expect_fresh(path: &str, now: &str) {
    #[expect(clippy::disallowed_methods, reason = "a test asks whether to write its document anew")]
    let refresh = std::env::var("TRADEWIND_REFRESH").is_ok();
    if refresh {
        fs::write(root().join(path), now).unwrap();
    }
    let committed = read(path);
    let line = committed.lines().zip(now.lines()).position(|(before, after)| before != after);
    let at = line.unwrap_or_else(|| committed.lines().count().min(now.lines().count())) + 1;
    assert!(committed == now, "{path} is not fresh from line {at} on: cargo xtask docs");
}
