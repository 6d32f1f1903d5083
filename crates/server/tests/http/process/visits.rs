//! `tradewind demo --url`: the demo sends its orders to a shop that another process runs.

use std::fs;

use super::{run, serve_with, terminated, tradewind};
use crate::world::Directory;

#[test]
fn the_demo_sends_its_orders_to_a_new_shop_that_runs() {
    let directory = Directory::new();
    let settings = run(tradewind(&directory).args(["demo", "--settings"]));
    fs::write(directory.0.join("shop.toml"), settings.stdout).unwrap();
    let (child, address, token) = serve_with(&directory, &["--config", "shop.toml", "--log", "warn"]);
    let url = format!("http://{address}");
    let demo = || {
        let mut demo = tradewind(&directory);
        demo.args(["demo", "--orders", "100", "--url", &url]);
        demo
    };

    let without_token = run(&mut demo());
    assert_eq!(without_token.status.code(), Some(2));
    let told = String::from_utf8_lossy(&without_token.stderr).into_owned();
    assert!(told.contains("TRADEWIND_FIRST_ADMIN_TOKEN: set it"), "{told}");
    let wrong_token = run(demo().env("TRADEWIND_FIRST_ADMIN_TOKEN", "x"));
    assert_eq!(wrong_token.status.code(), Some(1));

    let done = run(demo().env("TRADEWIND_FIRST_ADMIN_TOKEN", token));
    let told = String::from_utf8_lossy(&done.stdout).into_owned();
    assert_eq!(done.status.code(), Some(0), "{told}{}", String::from_utf8_lossy(&done.stderr));
    assert!(told.contains("An order that was compensated: "), "{told}");
    let audited = run(tradewind(&directory).args(["verify"]));
    assert_eq!(audited.status.code(), Some(0), "{}", String::from_utf8_lossy(&audited.stdout));
    assert_eq!(terminated(child), Some(0));
}
