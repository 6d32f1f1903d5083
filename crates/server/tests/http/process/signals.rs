//! The real binary under load is killed, stopped and told to end: what was answered is there, what is repeated is
//! answered the same, and the audit is clean. The moments come from a seed: after so many answers, while others are on
//! their way.

use std::fs;

use super::buyers::{Chance, Shop, signal};

/// Kills, unless `TRADEWIND_KILLS` says how many.
const KILLS: u64 = 3;

const SEED: u64 = 0x7261_6465_7769_6e64;

/// A kill comes after at most so many answers.
pub const ANSWERS_MAX: u64 = 150;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_that_was_answered_is_lost_and_nothing_is_done_twice_however_often_it_is_killed() {
    let (mut shop, mut chance) = (Shop::new(), Chance(SEED));
    let mut life = shop.open().await;
    for round in 0..kills() {
        let answers = chance.up_to(ANSWERS_MAX);
        let mut crowd = shop.crowd(&life, chance.draw());
        crowd.answers(answers).await;
        // SIGKILL
        life.child.kill().unwrap();
        life.child.wait().unwrap();
        let sent = crowd.leave().await;
        println!("round {round}: killed after {answers} answers, {} requests were under way", sent.open());
        life = shop.begin().await;
        shop.check(&life, sent).await;
        shop.audit(&[]);
    }
    shop.close(life).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_shop_that_is_told_to_end_finishes_what_it_has_taken_and_leaves_its_store_in_one_file() {
    let (mut shop, mut chance) = (Shop::new(), Chance(SEED));
    let mut life = shop.open().await;
    for _ in 0..3 {
        let mut crowd = shop.crowd(&life, chance.draw());
        crowd.answers(chance.up_to(ANSWERS_MAX)).await;
        shop.stop(&mut life).await;
        let sent = crowd.leave().await;
        let left: Vec<_> = shop.files().into_iter().filter(|name| name.contains('-')).collect();
        assert!(left.is_empty(), "a log is left beside the store: {left:?}");
        shop.audit(&[]);
        life = shop.begin().await;
        shop.check(&life, sent).await;
    }
    shop.close(life).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_shop_that_stands_still_for_a_while_goes_on_where_it_was() {
    let mut shop = Shop::new();
    let life = shop.open().await;
    let mut crowd = shop.crowd(&life, SEED);
    for _ in 0..5 {
        crowd.answers(20).await;
        signal(&life, "STOP");
        let stat = format!("/proc/{}/stat", life.child.id());
        shop.until("still", async || fs::read_to_string(&stat).unwrap().contains(") T ")).await;
        // Somebody else may look at its store meanwhile.
        shop.audit(&[]);
        signal(&life, "CONT");
    }
    crowd.answers(20).await;
    crowd.enough();
    let sent = crowd.leave().await;
    assert_eq!(sent.open(), 0, "everybody was answered");
    shop.check(&life, sent).await;
    shop.close(life).await;
}

#[expect(clippy::disallowed_methods, reason = "a test asks how long it may take")]
pub fn kills() -> u64 {
    std::env::var("TRADEWIND_KILLS").ok().map_or(KILLS, |kills| kills.parse().expect("TRADEWIND_KILLS is a number"))
}
