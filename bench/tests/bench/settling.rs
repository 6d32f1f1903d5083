//! Orders settle inside one process, and what is told of them adds up.

use std::process::Command;

use serde_json::Value;

#[test]
fn every_order_that_is_measured_settles_and_the_audit_is_clean() {
    for market in [&["--skus", "30"][..], &["--skus", "1", "--threads", "3", "--under-way", "7"]] {
        let told = settle(market);
        assert_eq!((&told["orders"], &told["settled"]), (&300.into(), &300.into()), "{told}");
        assert_eq!([&told["violations"], &told["set_aside"], &told["owed"]], [0, 0, 0], "{told}");
        assert!(told["events_an_order"].as_f64().unwrap() >= 13.0, "{told}");
        assert!(told["bytes_an_order_by_table"]["order_view"].as_f64().unwrap() > 0.0, "{told}");
    }
}

fn settle(market: &[&str]) -> Value {
    let mut bench = Command::new(env!("CARGO_BIN_EXE_tradewind-bench"));
    bench.args(["in-process", "--json", "--orders", "300", "--warm-up", "20", "--customers", "20"]);
    let output = bench.args(market).output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("it prints JSON")
}
