//! The disk of the real binary fails under load, and its power does: it ends clearly, or goes on, and nothing that was
//! answered is lost.

use std::process::ExitStatus;

use super::{
    buyers::{Chance, Life, Shop, signal},
    disk::{Disk, Fault, Strike},
    signals::{ANSWERS_MAX, kills},
};

const SEED: u64 = 0x6469_736b_2062_6164;

/// Where commits go.
const LOG: &str = "shop.db-wal";

/// What is smaller is no frame of the log. Behind a commit stands a mark of 24 bytes, without which it is none the worse: a
/// disk that fails just there ends no shop.
const FRAME_BYTES_MIN: u32 = 512;

/// What a log is copied back into.
const STORE: &str = "shop.db";

/// The shop has ended because of its store.
const STORE_FAILED: i32 = 3;

fn disk(shop: &Shop) -> &Disk {
    shop.disk.as_ref().unwrap()
}

fn killed(life: &mut Life) -> ExitStatus {
    life.child.kill().unwrap();
    life.child.wait().unwrap()
}

/// Of what was not flushed nothing, half of the sectors, or almost everything reaches the disk.
fn power_fails(shop: &Shop, chance: &mut Chance) {
    let of_sixteen = [0, 8, 15][usize::try_from(chance.draw() % 3).unwrap()];
    disk(shop).power_fails(|| chance.draw() % 16 < of_sixteen);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_that_was_answered_is_lost_however_often_the_power_fails() {
    let (mut shop, mut chance) = (Shop::on_a_disk(), Chance(SEED));
    let mut life = shop.open().await;
    for round in 0..kills() {
        let answers = chance.up_to(ANSWERS_MAX);
        let mut crowd = shop.crowd(&life, chance.draw());
        crowd.answers(answers).await;
        killed(&mut life);
        let sent = crowd.leave().await;
        println!("round {round}: the power failed after {answers} answers, {} were under way", sent.open());
        power_fails(&shop, &mut chance);
        life = shop.begin().await;
        shop.check(&life, sent).await;
        shop.audit(&[]);
    }
    shop.close(life).await;
}

/// Each fault, the first words of what is said, and what the operator is told to do.
const FATAL: [(Fault, &str, &str); 3] = [
    (Fault::SyncFails, "the shop has stopped: the store cannot be used (disk I/O error)", "remove the cause"),
    (Fault::WriteFails, "the shop has stopped: the store cannot be used (disk I/O error)", "remove the cause"),
    (Fault::Full, "the shop has stopped: the store is full", "free space on its disk"),
];

/// A commit that may or may not be on the disk is not tried again: the shop ends, and finds out at its next start.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_commit_that_fails_on_the_disk_ends_the_shop_and_loses_nothing() {
    let (mut shop, mut chance) = (Shop::on_a_disk(), Chance(SEED));
    let mut life = shop.open().await;
    for (fault, says, advises) in FATAL {
        let mut crowd = shop.crowd(&life, chance.draw());
        crowd.answers(chance.up_to(ANSWERS_MAX)).await;
        // Only once, and then the disk is well: whoever tried again would be told that all is good.
        disk(&shop).strikes(Strike { fault, files: LOG, after: 0, times: 1, least_bytes: FRAME_BYTES_MIN });
        assert_eq!(shop.ended(&mut life).await, Some(STORE_FAILED), "{fault:?} {}", shop.log());
        let sent = crowd.leave().await;
        let log = shop.log();
        let last = log.lines().last().unwrap();
        assert!(last.contains(says) && last.contains(advises), "{fault:?} {last}");
        power_fails(&shop, &mut chance);
        life = shop.begin().await;
        shop.check(&life, sent).await;
        shop.audit(&[]);
    }
    shop.close(life).await;
}

/// What a failed flush has left is readable, and is not on the disk. Whoever goes on after it must bring it there.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_answered_after_a_failed_flush_and_a_restart_survives_the_next_power_failure() {
    let (mut shop, mut chance) = (Shop::on_a_disk(), Chance(SEED));
    let mut life = shop.open().await;
    for after in 0..3 {
        let mut crowd = shop.crowd(&life, chance.draw());
        crowd.answers(40).await;
        disk(&shop).strikes(Strike { fault: Fault::SyncFails, files: "", after, times: 0, least_bytes: 0 });
        assert_eq!(shop.ended(&mut life).await, Some(STORE_FAILED), "{}", shop.log());
        let before = crowd.leave().await;
        disk(&shop).heals();
        life = shop.begin().await;
        let mut crowd = shop.crowd(&life, chance.draw());
        crowd.answers(40).await;
        killed(&mut life);
        let since = crowd.leave().await;
        disk(&shop).power_fails(|| false);
        life = shop.begin().await;
        shop.check(&life, before).await;
        shop.check(&life, since).await;
        shop.audit(&[]);
    }
    shop.close(life).await;
}

/// What was copied out of the log and could not be flushed is not copied once more: from now on the log alone has it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_checkpoint_that_cannot_be_flushed_ends_the_shop_and_loses_nothing() {
    let (mut shop, mut chance) = (Shop::on_a_disk(), Chance(SEED));
    let mut life = shop.open().await;
    for after in 0..2 {
        // Nothing else flushes the store while a shop runs.
        disk(&shop).strikes(Strike { fault: Fault::SyncFails, files: STORE, after, times: 1, least_bytes: 0 });
        let crowd = shop.crowd(&life, chance.draw());
        assert_eq!(shop.ended(&mut life).await, Some(STORE_FAILED), "{}", shop.log());
        let sent = crowd.leave().await;
        assert!(shop.log().lines().last().unwrap().contains("remove the cause"), "{}", shop.log());
        disk(&shop).power_fails(|| false);
        life = shop.begin().await;
        shop.check(&life, sent).await;
        shop.audit(&[]);
    }
    shop.close(life).await;
}

/// The log is copied back again and again until it is on the disk; before that nothing of it goes.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_log_that_cannot_be_copied_back_is_kept() {
    for fault in [Fault::SyncFails, Fault::WriteFails, Fault::Full] {
        let (mut shop, mut chance) = (Shop::on_a_disk(), Chance(SEED));
        let mut life = shop.open().await;
        disk(&shop).strikes(Strike { fault, files: STORE, after: 0, times: 0, least_bytes: 0 });
        let mut crowd = shop.crowd(&life, chance.draw());
        crowd.answers(100).await;
        signal(&life, "TERM");
        shop.ended(&mut life).await;
        let sent = crowd.leave().await;
        assert!(shop.files().contains(LOG), "{fault:?}");
        disk(&shop).heals();
        disk(&shop).power_fails(|| false);
        life = shop.begin().await;
        shop.check(&life, sent).await;
        shop.close(life).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_shop_on_a_full_disk_does_not_start_and_does_once_there_is_room() {
    let (mut shop, mut chance) = (Shop::on_a_disk(), Chance(SEED));
    let full = |after| Strike { fault: Fault::Full, files: "", after, times: 0, least_bytes: 0 };
    // A shop that was never opened, at every point of its first start.
    for after in 0..6 {
        disk(&shop).strikes(full(after));
        let refused = shop.serve().output().unwrap();
        assert_eq!(refused.status.code(), Some(STORE_FAILED), "{after} {}", shop.log());
        let log = shop.log();
        let last = log.lines().last().unwrap();
        assert!(last.contains("there is no room for") && last.contains("free space on its disk"), "{after} {last}");
    }
    disk(&shop).heals();
    let mut life = shop.open().await;
    // One that was full when it ran.
    let mut crowd = shop.crowd(&life, chance.draw());
    crowd.answers(chance.up_to(ANSWERS_MAX)).await;
    disk(&shop).strikes(full(0));
    assert_eq!(shop.ended(&mut life).await, Some(STORE_FAILED), "{}", shop.log());
    let sent = crowd.leave().await;
    for after in 0..3 {
        disk(&shop).strikes(full(after));
        assert_eq!(shop.serve().output().unwrap().status.code(), Some(STORE_FAILED), "{after} {}", shop.log());
        assert!(shop.log().lines().last().unwrap().contains("there is no room for"), "{after} {}", shop.log());
    }
    disk(&shop).heals();
    life = shop.begin().await;
    shop.check(&life, sent).await;
    shop.close(life).await;
}
