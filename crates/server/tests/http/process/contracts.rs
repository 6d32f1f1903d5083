//! `tradewind contracts`: packs are checked, single messages are translated, and a new pack begins whole.

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Output, Stdio},
};

use serde_json::{Value, json};

use super::{run, tradewind};
use crate::world::Directory;

fn contracts(directory: &Directory, flags: &[&str]) -> Output {
    run(tradewind(directory).arg("contracts").args(flags))
}

fn translated(directory: &Directory, flags: &[&str], input: &[u8]) -> Output {
    let mut command = tradewind(directory);
    command.args(["contracts", "translate"]).args(flags).stdin(Stdio::piped());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

fn told(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

fn example(path: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts").join(path)).unwrap()
}

#[test]
fn all_packs_of_the_binary_are_whole() {
    let checked = contracts(&Directory::new(), &["check", "--json"]);
    assert!(checked.status.success(), "{checked:?}");
    let packs: Vec<_> = told(&checked)["packs"].as_array().unwrap().iter().map(|pack| pack["pack"].clone()).collect();
    assert_eq!(packs, ["native", "queues", "stocklet"]);
    let unknown = contracts(&Directory::new(), &["check", "nope"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("native, queues, stocklet"), "{unknown:?}");
}

#[test]
fn a_message_is_shown_as_the_event_that_it_means() {
    let directory = Directory::new();
    let placed = translated(&directory, &["queues", "order_events"], &example("queues/examples/OrderPlaced.json"));
    let event = told(&placed);
    assert_eq!((&event["event"], &event["role"]), (&json!("order.priced"), &json!("order")));
    assert_eq!(event["data"]["lines"][0]["quantity"], 10);
    let hex = example("stocklet/examples/OrderCreatedEvent.hex");
    let event = told(&translated(&directory, &["stocklet", "order.state.created", "--hex"], &hex));
    assert_eq!((&event["event"], &event["data"]["order_id"]), (&json!("order.placed"), &json!("1001")));
}

#[test]
fn a_message_that_cannot_be_translated_is_refused_with_its_reason() {
    let directory = Directory::new();
    let deep = "[".repeat(100_000);
    let cases: [(&str, &[u8], &str); 4] = [
        ("order_events", b"{\"type\":\"OrderPlaced\"", "not_json"),
        ("order_events", b"{\"type\":\"OrderPlaced\",\"data\":{}}", "schema_mismatch"),
        ("order_events", b"", "empty"),
        ("user_events", deep.as_bytes(), "too_deep"),
    ];
    for (channel, input, reason) in cases {
        let refused = translated(&directory, &["queues", channel, "--json"], input);
        assert_eq!(refused.status.code(), Some(1), "{refused:?}");
        assert_eq!(told(&refused)["refused"]["reason"], reason);
        assert!(String::from_utf8_lossy(&refused.stderr).contains(reason), "{refused:?}");
    }
}

#[test]
fn a_new_pack_is_whole_until_a_line_of_it_is_wrong() {
    let directory = Directory::new();
    assert!(contracts(&directory, &["new", "mine"]).status.success());
    assert!(contracts(&directory, &["check", "./mine"]).status.success());
    let again = contracts(&directory, &["new", "mine"]);
    assert_eq!(again.status.code(), Some(1), "nothing is overwritten");
    let path = directory.0.join("mine/messages/orders.toml");
    let mapping = fs::read_to_string(&path).unwrap();
    fs::write(&path, mapping.replacen("order.order_id", "order.ordr_id", 1)).unwrap();
    let checked = contracts(&directory, &["check", "./mine"]);
    assert_eq!(checked.status.code(), Some(1));
    let faults = String::from_utf8(checked.stdout).unwrap();
    let first = faults.lines().find(|line| line.contains("ordr_id")).unwrap_or_else(|| panic!("{faults}"));
    assert!(first.starts_with("mine/messages/orders.toml:") && first.contains("order.priced"), "{first}");
}
