//! A backup in the place of the store that it was made of: it is a shop like any other, and no event has the id of one
//! that the shop had published since.

use std::{collections::BTreeSet, fs};

use serde_json::Value;

use super::buyers::{Life, Shop};

/// The ids of all events in the log.
fn ids(shop: &Shop) -> BTreeSet<String> {
    let events = shop.run(&["events", "--store", "shop.db", "--json", "-n", "1000000"]);
    let id = |line: &str| serde_json::from_str::<Value>(line).unwrap()["id"].as_str().unwrap().to_owned();
    events.lines().map(id).collect()
}

async fn sell(shop: &mut Shop, life: &Life, seed: u64) {
    let mut crowd = shop.crowd(life, seed);
    crowd.answers(20).await;
    crowd.enough();
    let sent = crowd.leave().await;
    shop.check(life, sent).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_restored_shop_gives_no_event_an_id_that_was_given_before() {
    // A provider would know of the lost time, and the audit would say so.
    let mut shop = Shop::new();
    shop.takes_cards = false;
    let mut life = shop.open().await;
    sell(&mut shop, &life, 1).await;
    let orders = shop.orders_so_far();
    shop.run(&["backup", "--store", "shop.db", "copy.db"]);
    sell(&mut shop, &life, 2).await;
    shop.stop(&mut life).await;
    let published = ids(&shop);

    fs::rename(shop.folder().join("copy.db"), shop.folder().join("shop.db")).unwrap();
    let kept = ids(&shop);
    assert!(kept.len() < published.len() && kept.is_subset(&published));
    shop.forgets_all_but(orders);
    life = shop.begin().await;
    sell(&mut shop, &life, 3).await;
    let now = ids(&shop);
    assert!(now.len() > kept.len() && kept.is_subset(&now), "the log is whole, over its gap");
    let twice: Vec<_> = now.difference(&kept).filter(|id| published.contains(*id)).collect();
    assert!(twice.is_empty(), "{twice:?}");
    shop.stop(&mut life).await;
    shop.run(&["rebuild", "--store", "shop.db"]);
    life = shop.begin().await;
    shop.close(life).await;
}
