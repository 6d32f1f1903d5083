//! Who may open a store, and what is said to whoever may not.

use std::fs;

use rusqlite::Connection;
use tradewind_engine::{
    ports::{Commit, CommitError, StoreError, Writer},
    segment::Segment,
};
use tradewind_events::Timestamp;
use tradewind_sqlite::{OpenError, Options, Sqlite};

use crate::scratch::{SERVICES, Scratch, commit, commits, exists, options};

#[test]
fn a_new_store_says_what_it_is_and_counts_its_owners() {
    let scratch = Scratch::new();
    let first = scratch.open().expect("a store").meta;
    assert_eq!((first.name.as_str(), first.epoch, first.created_at), ("tw-test", 1, options().now));
    assert_eq!(first.services, ["catalog", "orders"]);
    let later = Options { new_name: String::from("other"), now: Timestamp::from_millis(0), ..options() };
    let second = Sqlite::open(&scratch.store(), &later).expect("a store").meta;
    assert_eq!(
        (second.epoch, &second.name, second.created_at, second.schema),
        (2, &first.name, options().now, first.schema)
    );
}

#[test]
fn a_store_that_was_closed_is_one_file() {
    let scratch = Scratch::new();
    let mut opened = scratch.open().expect("a store");
    commit(&mut opened, 1).expect("it owns the store");
    assert_eq!(commits(&opened.reader), 1);
    assert!(exists(&scratch.store(), "-wal"));
    drop(opened);
    assert!(!exists(&scratch.store(), "-wal") && !exists(&scratch.store(), "-shm"));
    let connection = Connection::open(scratch.store()).unwrap();
    let page: u32 = connection.pragma_query_value(None, "page_size", |row| row.get(0)).unwrap();
    assert_eq!(page, 4_096);
}

#[test]
fn a_store_whose_owner_has_gone_is_one_file_whoever_holds_a_reader() {
    let scratch = Scratch::new();
    let mut opened = scratch.open().expect("a store");
    commit(&mut opened, 1).expect("it owns the store");
    let reader = opened.reader.clone();
    assert_eq!(commits(&reader), 1);
    drop(opened);
    assert!(!exists(&scratch.store(), "-wal") && !exists(&scratch.store(), "-shm"));
    assert_eq!(commits(&reader), 1, "it can still be read");
    assert!(!exists(&scratch.store(), "-wal") && !exists(&scratch.store(), "-shm"));
}

#[test]
fn a_store_has_one_owner_at_a_time_and_readers_beside() {
    let scratch = Scratch::new();
    let mut owner = scratch.open().expect("a store");
    commit(&mut owner, 1).expect("it owns the store");
    let refused = scratch.refusal();
    assert_eq!(
        refused,
        OpenError::Locked {
            store: fs::canonicalize(scratch.store()).unwrap().display().to_string(),
            process: Some(std::process::id())
        }
    );
    assert!(refused.to_string().contains(&format!("(process {})", std::process::id())), "{refused}");
    // By whatever name it is called.
    std::os::unix::fs::symlink(scratch.store(), scratch.file("link.db")).unwrap();
    assert!(matches!(Sqlite::open(&scratch.file("link.db"), &options()), Err(OpenError::Locked { .. })));

    let (reader, meta) = Sqlite::open_reader(&scratch.store()).expect("a reader beside the owner");
    assert_eq!(meta, owner.meta);
    assert_eq!(commits(&reader), 1);
    commit(&mut owner, 2).expect("it owns the store, refusals or not");
    assert_eq!(commits(&reader), 2);
    drop(owner);
    assert_eq!(scratch.open().expect("free at once").meta.epoch, 2, "a refused start has changed nothing");
}

#[test]
fn a_store_of_a_newer_version_is_refused() {
    let scratch = Scratch::new();
    let schema = scratch.open().expect("a store").meta.schema;
    scratch.tampers("INSERT INTO store_migration VALUES (9999, 'next', 'x', 0)");
    let refused = scratch.refusal();
    assert!(matches!(refused, OpenError::NewerVersion { theirs: 9999, ours, .. } if ours == schema), "{refused}");
    assert!(matches!(Sqlite::open_reader(&scratch.store()), Err(OpenError::NewerVersion { .. })));
}

#[test]
fn other_migrations_are_refused() {
    let scratch = Scratch::new();
    drop(scratch.open().expect("a store"));
    scratch.tampers("UPDATE store_migration SET checksum = 'edited' WHERE number = 2");
    let refused = scratch.refusal();
    assert!(matches!(refused, OpenError::WrongMigrations { number: 2, .. }), "{refused}");
    scratch.tampers("DELETE FROM store_migration WHERE number = 2");
    assert!(matches!(scratch.refusal(), OpenError::WrongMigrations { number: 3, .. }));
}

/// What takes back the last migration, the last statement first.
fn undo() -> Vec<String> {
    let files = fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations"))
        .expect("migrations")
        .map(|file| file.expect("migrations").path());
    let last = files.filter(|path| path.extension().is_some_and(|end| end == "sql")).max().expect("there are some");
    let sql = fs::read_to_string(last).expect("migrations");
    let undo = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["CREATE", "TABLE", table, ..] | ["CREATE", "VIRTUAL", "TABLE", table, ..] => {
                Some(format!("DROP TABLE {table}"))
            }
            ["CREATE", "INDEX", index, ..] => Some(format!("DROP INDEX {index}")),
            ["ALTER", "TABLE", table, "ADD", "COLUMN", column, ..] => {
                Some(format!("ALTER TABLE {table} DROP COLUMN {column}"))
            }
            ["ALTER", "TABLE", old, "RENAME", "TO", new] => {
                Some(format!("ALTER TABLE {} RENAME TO {old}", new.trim_end_matches(';')))
            }
            ["ALTER", "TABLE", table, "RENAME", "COLUMN", old, "TO", new] => {
                Some(format!("ALTER TABLE {table} RENAME COLUMN {} TO {old}", new.trim_end_matches(';')))
            }
            _ => None,
        }
    };
    sql.lines().rev().filter_map(undo).collect()
}

#[test]
fn an_older_store_is_brought_up_to_date_by_its_owner_and_not_by_a_reader() {
    let scratch = Scratch::new();
    let schema = scratch.open().expect("a store").meta.schema;
    scratch.tampers("DELETE FROM store_migration WHERE number = (SELECT max(number) FROM store_migration)");
    for statement in undo() {
        scratch.tampers(&statement);
    }
    let refused = Sqlite::open_reader(&scratch.store()).err();
    assert!(
        matches!(&refused, Some(OpenError::OlderVersion { theirs, ours, .. }) if theirs + 1 == *ours),
        "{refused:?}"
    );
    assert_eq!(scratch.open().expect("an upgrade").meta.schema, schema);
    assert_eq!(scratch.open().expect("nothing to do").meta.schema, schema);
}

#[test]
fn other_services_are_refused_with_what_to_do() {
    let scratch = Scratch::new();
    drop(scratch.open().expect("a store"));
    for services in [vec!["orders"], vec!["orders", "catalog", "carts"], vec![]] {
        let asked = Options::new("tw-test", services.clone(), options().now);
        let Err(refused) = Sqlite::open(&scratch.store(), &asked) else { panic!("{services:?} are others") };
        assert!(matches!(refused, OpenError::OtherServices { .. }), "{refused}");
        assert!(refused.to_string().contains("catalog, orders"), "{refused}");
    }
    let reversed = Options::new("tw-test", SERVICES.into_iter().rev(), options().now);
    assert_eq!(Sqlite::open(&scratch.store(), &reversed).expect("the same in another order").meta.epoch, 2);
}

#[test]
fn another_part_of_a_shop_is_refused_with_what_to_do() {
    let scratch = Scratch::new();
    let named = |peer: &str| Options { peer: Some(peer.to_owned()), ..options() };
    drop(scratch.open().expect("a shop that is not split"));
    drop(Sqlite::open(&scratch.store(), &named("front")).expect("from now on it is"));
    let refused = Sqlite::open(&scratch.store(), &named("back")).err();
    assert!(matches!(&refused, Some(OpenError::OtherPeer { recorded, .. }) if recorded == "front"), "{refused:?}");
    assert!(refused.unwrap().to_string().contains("give the process its name back"));
    assert_eq!(Sqlite::open(&scratch.store(), &named("front")).expect("the same").meta.epoch, 3);

    scratch.tampers("UPDATE store_meta SET shard = '1 of 2'");
    let refused = scratch.refusal();
    assert!(matches!(&refused, OpenError::OtherShard { recorded, .. } if recorded == "1 of 2"), "{refused}");
    assert!(refused.to_string().contains("runs shard 1 of 1"), "{refused}");
    scratch.tampers("UPDATE store_meta SET shard = '1 of 1'");
    assert_eq!(scratch.open().expect("whole again").meta.epoch, 4, "a refused start has changed nothing");
}

#[test]
fn what_is_no_store_is_left_alone() {
    let scratch = Scratch::new();
    let missing = Sqlite::open_reader(&scratch.store()).err();
    assert!(matches!(missing, Some(OpenError::Missing { .. })), "{missing:?}");
    assert!(!exists(&scratch.store(), ""), "looking creates nothing");
    let nowhere = Sqlite::open(&scratch.file("none/store.db"), &options()).err();
    assert!(matches!(nowhere, Some(OpenError::NoDirectory { .. })), "{nowhere:?}");
    for name in ["", "seventeen-letters", "white space", "é"] {
        let asked = Options { new_name: name.to_owned(), ..options() };
        let refused = Sqlite::open(&scratch.store(), &asked).err();
        assert!(matches!(refused, Some(OpenError::InvalidName { .. })), "{name}: {refused:?}");
    }
    // What was refused in its creation is created by the next.
    drop(scratch.open().expect("a store"));

    let other = scratch.file("other.db");
    Connection::open(&other).unwrap().execute_batch("CREATE TABLE theirs (x)").unwrap();
    let before = fs::read(&other).unwrap();
    let refused = Sqlite::open(&other, &options()).err();
    assert!(matches!(refused, Some(OpenError::NotOurs { .. })), "{refused:?}");
    assert!(matches!(Sqlite::open_reader(&other), Err(OpenError::NotOurs { .. })));
    assert!(fs::read(&other).unwrap() == before, "not a byte was changed");
}

#[test]
fn a_directory_that_cannot_be_written_is_named() {
    // To the superuser, whom permissions do not stop, this one is closed.
    let Err(refused) = Sqlite::open("/sys/store.db".as_ref(), &options()) else { panic!("/sys takes no files") };
    assert!(matches!(&refused, OpenError::ReadOnly { path, .. } if path.starts_with("/sys/")), "{refused}");
}

#[test]
fn a_full_store_says_so_and_goes_on_with_more_room() {
    let scratch = Scratch::new();
    let limited = Options { bytes_max: Some(2 * 1024 * 1024), ..options() };
    let mut opened = Sqlite::open(&scratch.store(), &limited).expect("a store");
    let mut done = 0;
    let full = loop {
        match commit(&mut opened, done + 1) {
            Ok(()) => done += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(full, CommitError::Store(StoreError::Full(_))), "{full}");
    assert_eq!(commits(&opened.reader), done, "nothing of what found no room is there");
    assert!(matches!(commit(&mut opened, done + 1), Err(CommitError::Store(StoreError::Full(_)))));
    // It still does what needs no room.
    let nothing = Commit { epoch: opened.meta.epoch, at: options().now, rows: Vec::new(), segment: None };
    opened.writer.commit(&nothing).expect("nothing to do");
    drop(opened);

    let mut opened = scratch.open().expect("more room");
    commit(&mut opened, done + 1).expect("more room");
    assert_eq!(commits(&opened.reader), done + 1);
    drop(opened);

    let tiny = Options { bytes_max: Some(16 * 1024), ..options() };
    let refused = Sqlite::open(&scratch.file("tiny.db"), &tiny).err();
    assert!(matches!(refused, Some(OpenError::Full { .. })), "{refused:?}");
}

#[test]
fn segments_stand_in_a_table_a_month() {
    let scratch = Scratch::new();
    let mut opened = scratch.open().expect("a store");
    let times = ["2026-01-31T23:59:59Z", "2026-02-01T00:00:00Z", "2026-01-31T00:00:00Z", "2026-03-05T00:00:00Z"];
    for (at, number) in times.iter().zip(1..) {
        let committed_at = at.parse().expect("a time");
        let segment = Segment { number, committed_at, events: 1, directory: Vec::new(), blocks: vec![1] };
        let commit = Commit { epoch: 1, at: committed_at, rows: Vec::new(), segment: Some(segment) };
        opened.writer.commit(&commit).expect("the next segment");
    }
    let connection = Connection::open(scratch.store()).unwrap();
    let numbers = |month: u32| -> Vec<i64> {
        let mut statement = connection.prepare(&format!("SELECT number FROM segment_{month}")).expect("its month");
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    assert_eq!([202_601, 202_602, 202_603].map(numbers), [vec![1], vec![2, 3], vec![4]]);
}
