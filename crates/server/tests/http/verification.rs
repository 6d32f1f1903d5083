//! `tradewind verify` on a shop that is split over several stores.

use std::{
    collections::BTreeSet,
    path::Path,
    process::{Command, Output},
};

use serde_json::Value;

use crate::town::{ONE_STORE, THREE_STORES, Town, order_of};

const STORES: [&str; 3] = ["store-0.db", "store-1.db", "store-2.db"];

fn verify(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tradewind"));
    command.current_dir(folder).env_clear().arg("verify").args(arguments).output().unwrap()
}

/// The arguments that name these stores.
fn named<'a>(stores: &[&'a str]) -> Vec<&'a str> {
    stores.iter().flat_map(|store| ["--store", store]).collect()
}

/// What is printed, without line breaks.
fn told(output: &[u8]) -> String {
    String::from_utf8_lossy(output).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn violations(report: &Value) -> Vec<&Value> {
    let checks = report["checks"].as_array().unwrap().iter();
    checks.flat_map(|check| check["violations"].as_array().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_split_shop_is_audited_while_it_runs() {
    let town = Town::laid_out(THREE_STORES, &[]).await;
    town.stocks("tea", 1_000).await;
    let ada = town.buyer("ada", 1_000_000).await;
    town.settles().await;
    let arguments: Vec<&str> = named(&STORES).into_iter().chain(["--json"]).collect();
    for nth in 0..3 {
        let (folder, owned) = (town.folder().to_owned(), arguments.iter().map(ToString::to_string));
        let owned: Vec<String> = owned.collect();
        let audit =
            tokio::task::spawn_blocking(move || verify(&folder, &owned.iter().map(String::as_str).collect::<Vec<_>>()));
        // Its stores move as long as they are copied.
        while !audit.is_finished() {
            let order = town.places(&ada, order_of("tea", 1, "balance")).await;
            if nth == 1 {
                order.cancels().await;
            }
        }
        let done = audit.await.unwrap();
        let report: Value = serde_json::from_slice(&done.stdout).unwrap();
        assert_eq!((violations(&report), &report["owed"]), (vec![], &Value::Array(vec![])), "{report}");
    }
    town.settles().await;
    let done = verify(town.folder(), &arguments);
    let report: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!((done.status.code(), &report["clean"]), (Some(0), &Value::Bool(true)), "{report}");
    assert_eq!((&report["set_aside"], &report["in_flight"]), (&Value::from(0), &Value::from(0)), "{report}");
    let examined = |nth: usize| report["checks"][nth - 1]["examined"].as_u64().unwrap();
    assert!((1..=10).all(|nth| examined(nth) > 0), "{report}");
    for (store, path) in report["stores"].as_array().unwrap().iter().zip(STORES) {
        assert!(store["path"] == path && store["last_segment"].as_u64() > Some(0), "{store}");
    }
    let done = verify(town.folder(), &named(&STORES));
    let text = told(&done.stdout);
    assert!(
        text.starts_with("Audit of 3 stores at ") && text.contains("In flight between the stores: nothing"),
        "{text}"
    );
    assert!(text.contains(" store-1.db notifications, orders"), "{text}");
}

#[tokio::test]
async fn a_store_of_a_split_shop_is_audited_for_what_it_can_show() {
    let town = Town::laid_out(THREE_STORES, &[]).await;
    town.stocks("tea", 9).await;
    let ada = town.buyer("ada", 5_000).await;
    town.settles_order(&ada, order_of("tea", 1, "balance")).await;
    for (nth, store) in STORES.iter().enumerate() {
        let done = verify(town.folder(), &named(&[store]));
        let text = told(&done.stdout);
        assert_eq!(done.status.code(), Some(0), "{text}");
        assert!(text.contains("Not looked at, because this store does not have them: "), "{text}");
        let unseen = text.split("does not have them: ").nth(1).unwrap();
        let unseen = unseen.split(" 1 ").next().unwrap();
        assert!(THREE_STORES[nth].iter().all(|service| !unseen.contains(service)), "{unseen}");
    }
    let done = verify(town.folder(), &named(&STORES[..2]));
    let text = told(&done.stdout);
    assert_eq!(done.status.code(), Some(0), "{text}");
    let unseen = "Not looked at, because none of these stores has them: inventory, payments, shipping";
    assert!(text.contains(unseen), "{text}");
}

/// The events of a story, each with its number, its cause and its id.
fn story(folder: &Path, order_id: &str, stores: &[&str]) -> Vec<(u64, Option<u64>, String)> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tradewind"));
    command.current_dir(folder).env_clear().args(["story", order_id, "--json"]).args(named(stores));
    let done = command.output().unwrap();
    assert_eq!(done.status.code(), Some(0), "{}", told(&done.stderr));
    let story: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(story["order"]["status"], "confirmed", "{story}");
    let events = story["events"].as_array().unwrap().iter();
    events
        .map(|event| {
            let id = event["event_id"].as_str().unwrap_or_else(|| panic!("{event}")).to_owned();
            (event["number"].as_u64().unwrap(), event["caused_by"].as_u64(), id)
        })
        .collect()
}

#[tokio::test]
async fn the_story_of_an_order_is_told_from_the_logs_of_several_stores() {
    let town = Town::laid_out(THREE_STORES, &[]).await;
    town.stocks("tea", 9).await;
    let ada = town.buyer("ada", 5_000).await;
    let order = town.settles_order(&ada, order_of("tea", 1, "balance")).await;
    town.settles_order(&ada, order_of("tea", 1, "balance")).await;
    let ids = |events: &[(u64, Option<u64>, String)]| -> BTreeSet<String> {
        events.iter().map(|(.., id)| id.clone()).collect()
    };
    let shown = story(town.folder(), &order.order_id, &STORES[..1]);
    let merged = story(town.folder(), &order.order_id, &STORES);
    let without_query = story(town.folder(), &order.order_id, &STORES[1..]);
    assert_eq!(ids(&merged), ids(&shown));
    // Carts and catalog live where query does.
    assert!(without_query.len() > 10 && ids(&without_query).is_subset(&ids(&shown)));
    for events in [&merged, &without_query] {
        let causes: Vec<_> = events.iter().filter_map(|(number, cause, _)| Some((number, (*cause)?))).collect();
        assert!(causes.len() > 8 && causes.iter().all(|(number, cause)| cause < number), "{events:?}");
    }
}

#[tokio::test]
async fn stores_that_are_not_those_of_one_shop_are_refused() {
    let (town, whole) = (Town::laid_out(THREE_STORES, &[]).await, Town::laid_out(ONE_STORE, &[]).await);
    let other = whole.folder().join("store-0.db").display().to_string();
    let mut backup = Command::new(env!("CARGO_BIN_EXE_tradewind"));
    backup.current_dir(town.folder()).env_clear().args(["backup", "copy.db", "--store", "store-1.db"]);
    assert_eq!(backup.output().unwrap().status.code(), Some(0));
    for (stores, expected) in [
        (["store-1.db", "./store-1.db"], "--store ./store-1.db is given twice: give each store once"),
        (["store-1.db", "copy.db"], "one is a copy of the other, give one of them"),
        (["store-1.db", &other], "they belong to different shops, audit one at a time"),
    ] {
        let refused = verify(town.folder(), &named(&stores));
        let text = told(&refused.stderr);
        assert_eq!(refused.status.code(), Some(2), "{text}");
        assert!(text.contains(expected), "{text}");
    }
    let missing = verify(town.folder(), &named(&["store-1.db", "none.db"]));
    assert_eq!(missing.status.code(), Some(3));
    let left: Vec<_> = std::fs::read_dir(town.folder()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().contains("audit")), "{left:?}");
}
