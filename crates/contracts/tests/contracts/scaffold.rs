//! `contracts new`, and the page that teaches it.

use std::{collections::BTreeMap, path::Path};

use serde_json::json;
use tradewind_contracts::{Arrival, CONVERTERS, Fault, Pack, PackFiles, scaffold};

fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/contracts.md");
    std::fs::read_to_string(path).expect("the page can be read")
}

/// The files that the page shows: a line with the path, then the text in a fence.
fn shown() -> Vec<(String, Vec<u8>)> {
    let page = page();
    let mut files = Vec::new();
    let mut rest = page.as_str();
    while let Some((before, after)) = rest.split_once("`:\n\n```") {
        let name = before.rsplit('`').next().expect("a path stands before it");
        let (_, body) = after.split_once('\n').expect("a fence has lines");
        let (body, after) = body.split_once("\n```\n").expect("a fence ends");
        files.push((name.to_owned(), format!("{body}\n").into_bytes()));
        rest = after;
    }
    files
}

/// The pack of the page, with one file changed.
fn with(path: &str, from: &str, to: &str) -> Vec<Fault> {
    let files = shown().into_iter().map(|(name, bytes)| {
        let text = String::from_utf8(bytes).expect("the page is text");
        let text = if name == path {
            assert!(text.contains(from), "{path} has no {from:?}");
            text.replacen(from, to, 1)
        } else {
            text
        };
        (name, text.into_bytes())
    });
    match Pack::load(&PackFiles::new("example", files).expect("the files are small")) {
        Ok(_) => panic!("{to:?} for {from:?} in {path} is taken"),
        Err(faults) => faults,
    }
}

#[test]
fn the_pack_of_the_page_is_what_new_writes_and_it_is_whole() {
    let files = PackFiles::new("example", shown()).unwrap();
    assert_eq!(files, scaffold("example").unwrap());
    assert!(Pack::load(&files).is_ok(), "{:?}", Pack::load(&files).err());
    assert!(Pack::load(&scaffold("mine-2").unwrap()).is_ok());
    for bad in ["", "Mine", "a b", "../up", &"x".repeat(31)] {
        assert!(scaffold(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn the_page_teaches_every_converter() {
    let page = page();
    for (name, _) in CONVERTERS {
        assert!(page.contains(&format!("`{name}(")), "docs/contracts.md says nothing of {name}");
    }
}

#[test]
fn a_sixth_pack_translates_both_ways() {
    let pack = Pack::load(&scaffold("example").unwrap()).unwrap_or_else(|faults| panic!("{faults:?}"));
    let settings = pack.settings(&BTreeMap::new()).unwrap();
    let body = scaffold("example").unwrap().get("examples/order_priced.json").unwrap().to_vec();
    let arrival = Arrival { bridge: "example", ..Arrival::default() };
    let event = pack.translate_in("shop.orders", body, &arrival, &settings).unwrap();
    assert_eq!(event["event"], "order.priced");
    assert_eq!(event["data"]["order"]["total_minor"], 5_488);
    assert_eq!(event["data"]["order"]["shipping_minor"], 490);
    assert_eq!(
        event["data"]["lines"][0],
        json!({
            "product_id": "SKU-1", "sku": "SKU-1", "quantity": 2, "unit_price_minor": 2_499,
        })
    );
    assert_eq!(event["data"]["deadline"], "2026-01-31T12:30:00.000Z");
}

/// File, line and a part of the reason.
#[test]
fn every_fault_has_its_file_its_line_and_its_reason() {
    let orders = "messages/orders.toml";
    for (path, from, to, line, reason) in [
        (orders, "order_id           = order.order_id", "order_id = order.orderid", 13, "no field `order.orderid`"),
        (orders, "customer_id        =", "customerid =", 14, "no place `customerid`"),
        (orders, "total              = money_text(", "total = money_number(", 16, "the schema wants a text"),
        (orders, "items[].quantity   = lines[].quantity", "items[].quantity = lines[].sku", 18, "wants an integer"),
        (orders, "= money_text(lines", "= money(lines", 19, "no converter `money`"),
        (orders, "customer_id        = order.customer_id\n", "", 12, "needs `order.customer_id`"),
        (orders, "items[].sku        = item(lines[].product_id, lines[].sku)\n", "", 17, "demands `sku`"),
        (
            orders,
            "order.payment_method = setting.payment_method",
            "order.payment_method = setting.method",
            22,
            "no setting",
        ),
        (orders, "deadline             =", "order.order_id = \"x\"\ndeadline =", 24, "two sources"),
        (orders, "event = \"order.priced\"", "event = \"order.prized\"", 11, "no canonical event"),
        (orders, "producer = \"shop\"", "producer = \"store\"", 5, "no role `store`"),
        (orders, "orders.json#OrderPriced", "orders.json#Priced", 6, "no definition `Priced`"),
        (orders, "[[message.form]]", "[[message.form", 10, ""),
        ("pack.toml", "broker = \"kafka\"", "broker = \"kafka\"\nbrocker = 1", 7, "brocker"),
        ("pack.toml", "plays = [\"orders\"]", "plays = [\"orders\", \"shipping\"]", 37, "where shipment."),
        ("pack.toml", "\"reservation.committed\"]", "\"order.confirmed\"]", 47, "wait for itself"),
        ("pack.toml", "version = \"1.0.0\"", "version = \"1.1.0\"", 4, "CHANGELOG.md"),
        ("schemas/orders.json", "\"minimum\": 1", "\"minimum\": \"1\"", 6, "no JSON Schema"),
        ("examples/order_priced.json", "54.88", "54.880", 0, "different at data.total"),
        ("examples/order_priced.json", "54.88", "54.888", 0, "amount_not_exact at data.total"),
    ] {
        let faults = with(path, from, to);
        let found = faults.iter().any(|fault| {
            (fault.file == path || path.starts_with("schemas/")) && fault.line == line && fault.reason.contains(reason)
        });
        assert!(found, "{to:?} for {from:?}: {faults:?}");
    }
}
