//! A store that cannot be used: the shop says what is wrong and what to do, ends with the status for it, and has changed
//! nothing.

use std::fs;

use rusqlite::Connection;

use super::{run, serve, terminated, tradewind};
use crate::world::Directory;

/// The store cannot be opened.
const NO_STORE: i32 = 3;

/// A shop that was opened and closed.
fn closed() -> Directory {
    let directory = Directory::new();
    let (child, ..) = serve(&directory);
    assert_eq!(terminated(child), Some(0));
    directory
}

fn tampers(directory: &Directory, sql: &str) {
    Connection::open(directory.0.join("tradewind.db")).unwrap().execute_batch(sql).unwrap();
}

/// Every word of it is in what `serve` says at its end.
fn is_refused(directory: &Directory, store: &str, says: &[&str]) {
    let before = fs::read(directory.0.join(store)).ok();
    let refused = run(tradewind(directory).args(["serve", "--listen", "127.0.0.1:0", "--store", store]));
    let told = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(NO_STORE), "{told}");
    assert!(says.iter().all(|words| told.contains(words)), "{told}");
    assert!(fs::read(directory.0.join(store)).ok() == before, "not a byte was changed");
}

#[test]
fn a_store_of_a_newer_version_is_not_touched() {
    let directory = closed();
    tampers(&directory, "INSERT INTO store_migration VALUES (9999, 'next', 'x', 0)");
    is_refused(&directory, "tradewind.db", &["newer version", "start that version, or restore a backup"]);
}

#[test]
fn a_store_for_other_services_is_not_touched() {
    let directory = closed();
    tampers(&directory, "UPDATE store_meta SET services = 'orders,payments'");
    is_refused(&directory, "tradewind.db", &["the services orders, payments", "choose another store"]);
}

#[test]
fn a_damaged_store_is_not_touched() {
    let directory = closed();
    let path = directory.0.join("tradewind.db");
    let whole = fs::read(&path).unwrap();
    let mut torn = whole.clone();
    torn[..4_096].fill(0x5a);
    let garbage = b"this was never a store ".repeat(1_000);
    for damaged in [&whole[..whole.len() / 2], &whole[..20_000], &torn, &garbage] {
        fs::write(&path, damaged).unwrap();
        is_refused(&directory, "tradewind.db", &["is damaged", "restore the last backup in its place"]);
    }
    fs::write(&path, whole).unwrap();
    let (child, ..) = serve(&directory);
    assert_eq!(terminated(child), Some(0));
}

#[test]
fn a_database_of_another_program_is_not_touched() {
    let directory = Directory::new();
    Connection::open(directory.0.join("other.db")).unwrap().execute_batch("CREATE TABLE theirs (x)").unwrap();
    is_refused(&directory, "other.db", &["a database of another program", "choose another path"]);
}

#[test]
fn a_folder_that_is_not_there_or_cannot_be_written_is_named() {
    let directory = Directory::new();
    is_refused(&directory, "none/shop.db", &["none does not exist", "create it"]);
    // To the superuser, whom permissions do not stop, this one is closed.
    is_refused(&directory, "/sys/shop.db", &["/sys/shop.db", "cannot be written", "the right to write"]);
}
