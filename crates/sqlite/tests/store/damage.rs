//! What a crash or a bad disk leaves behind: a prefix of the commits, or a clear word.

use std::{
    fs::{self, OpenOptions},
    path::Path,
    thread,
};

use rusqlite::{Connection, OpenFlags};
use tradewind_engine::{
    Entity, StoredRow,
    ports::{CommitError, List, Reader, StoreError},
    segment::Segment,
    tables::AuditRow,
};
use tradewind_sqlite::{BackupError, OpenError, Sqlite};

use crate::scratch::{Scratch, commit, commits, exists, options};

#[test]
fn a_file_of_garbage_is_called_damaged() {
    let scratch = Scratch::new();
    fs::write(scratch.store(), "this was never a store ".repeat(1_000)).unwrap();
    let refused = scratch.refusal();
    assert!(matches!(refused, OpenError::Corrupt { .. }), "{refused}");
    assert!(refused.to_string().contains("restore the last backup"), "{refused}");
    assert!(matches!(Sqlite::open_reader(&scratch.store()), Err(OpenError::Corrupt { .. })));
}

#[test]
fn a_file_that_was_cut_off_is_called_damaged() {
    let scratch = Scratch::new();
    let mut opened = scratch.open().expect("a store");
    for nth in 1..=20 {
        commit(&mut opened, nth).expect("it owns the store");
    }
    drop(opened);
    let length = fs::metadata(scratch.store()).unwrap().len();
    for cut in [length - 10_000, length / 2, 50_000, 150] {
        let copy = scratch.copy("cut.db");
        OpenOptions::new().write(true).open(&copy).unwrap().set_len(cut).unwrap();
        let refused = Sqlite::open(&copy, &options()).err();
        assert!(matches!(refused, Some(OpenError::Corrupt { .. })), "cut to {cut} bytes: {refused:?}");
    }
}

/// Overwritten pages are found when they are read, by a check, and at the start after a crash.
#[test]
fn damage_inside_is_found_and_stops_the_writer() {
    let scratch = Scratch::new();
    let mut opened = scratch.open().expect("a store");
    for nth in 1..=20 {
        commit(&mut opened, nth).expect("it owns the store");
    }
    assert_eq!(opened.reader.check(), Ok(Vec::new()));
    drop(opened);
    let connection = Connection::open(scratch.store()).unwrap();
    let root: u32 = connection
        .query_row("SELECT rootpage FROM sqlite_schema WHERE name = 'audit'", [], |row| row.get(0))
        .expect("its first page");
    drop(connection);
    let mut bytes = fs::read(scratch.store()).unwrap();
    let page = usize::from(u16::from_be_bytes([bytes[16], bytes[17]]));
    let start = (usize::try_from(root).unwrap() - 1) * page;
    bytes[start..start + page].fill(0x5a);
    fs::write(scratch.store(), bytes).unwrap();

    let mut opened = scratch.open().expect("a start does not read everything");
    assert!(!opened.reader.check().expect("findings").is_empty());
    let list =
        tradewind_engine::ports::List::of(<tradewind_engine::tables::AuditRow as tradewind_engine::Entity>::TABLE, 10);
    assert!(matches!(opened.reader.list(&list), Err(StoreError::Corrupt(_))));
    for _ in 0..2 {
        let failed = commit(&mut opened, 21);
        assert!(matches!(failed, Err(CommitError::Store(StoreError::Corrupt(_)))), "{failed:?}");
    }
    // A log beside it says that its owner died.
    scratch.tampers("PRAGMA wal_checkpoint(TRUNCATE)");
    scratch.tampers("UPDATE store_meta SET created_at = created_at + 1");
    let copy = scratch.copy("crashed.db");
    assert!(exists(&copy, "-wal"));
    let refused = Sqlite::open(&copy, &options()).err();
    assert!(matches!(refused, Some(OpenError::Corrupt { .. })), "{refused:?}");
}

#[test]
fn what_was_not_committed_is_not_there_after_a_crash() {
    let scratch = Scratch::new();
    let mut opened = scratch.open().expect("a store");
    for nth in 1..=5 {
        commit(&mut opened, nth).expect("it owns the store");
    }
    // Another writer in the middle of a large transaction, whose pages overflow its cache into the log.
    let connection = Connection::open(scratch.store()).unwrap();
    connection.execute_batch("PRAGMA cache_size = 5; BEGIN IMMEDIATE").unwrap();
    let before = fs::metadata(scratch.file("store.db-wal")).unwrap().len();
    for nth in 6..8_000 {
        let sql = "INSERT INTO audit VALUES (?1, 0, 'a', 'b', 'c', 'd', 1, 0)";
        connection.execute(sql, [format!("audit-{nth:06}")]).unwrap();
    }
    assert!(fs::metadata(scratch.file("store.db-wal")).unwrap().len() > before, "half of it is on the disk");
    let copy = scratch.copy("crashed.db");
    let mut survivor = Sqlite::open(&copy, &options()).expect("a store after a crash");
    assert_eq!(commits(&survivor.reader), 5);
    assert_eq!(survivor.reader.check(), Ok(Vec::new()));
    commit(&mut survivor, 6).expect("it goes on");
}

/// A flush of the log may have failed at the end of its owner: what can be read of it is written anew before anything
/// is built on it.
#[test]
fn a_log_that_a_crash_has_left_is_copied_into_the_file_at_the_start() {
    let scratch = Scratch::new();
    let mut opened = scratch.open().expect("a store");
    for nth in 1..=5 {
        commit(&mut opened, nth).expect("it owns the store");
    }
    let crashed = scratch.copy("crashed.db");
    let survivor = Sqlite::open(&crashed, &options()).expect("a store after a crash");
    let alone = scratch.file("alone.db");
    fs::copy(&crashed, &alone).unwrap();
    assert_eq!(commits(&Sqlite::open_reader(&alone).expect("a store").0), 5, "without its log");
    assert_eq!(commits(&survivor.reader), 5);
    // Who reads meanwhile holds up nobody.
    let crashed = scratch.copy("read.db");
    let reading = Connection::open(&crashed).unwrap();
    reading.execute_batch("BEGIN; SELECT count(*) FROM audit").unwrap();
    let mut survivor = Sqlite::open(&crashed, &options()).expect("a store after a crash");
    commit(&mut survivor, 6).expect("it goes on");
}

/// Wherever the end of the log was when the power failed, the store has the first so many commits, each whole.
#[test]
fn a_torn_log_leaves_the_first_commits() {
    let scratch = Scratch::new();
    let mut opened = scratch.open().expect("a store");
    let empty = fs::metadata(scratch.file("store.db-wal")).unwrap().len();
    for nth in 1..=8 {
        commit(&mut opened, nth).expect("it owns the store");
    }
    let whole = fs::metadata(scratch.file("store.db-wal")).unwrap().len();
    let mut most = 0;
    for cut in (empty..=whole).step_by(4_999).chain([whole]) {
        let copy = scratch.copy("torn.db");
        OpenOptions::new().write(true).open(scratch.file("torn.db-wal")).unwrap().set_len(cut).unwrap();
        let survivor = Sqlite::open(&copy, &options()).expect("a store after a crash");
        let there = commits(&survivor.reader);
        assert!(there >= most, "more of the log is no less of the store");
        most = there;
    }
    assert_eq!(most, 8);
    // Noise in place of the last pages that were not flushed.
    let copy = scratch.copy("noise.db");
    let mut log = fs::read(scratch.file("noise.db-wal")).unwrap();
    let middle = usize::try_from(empty.midpoint(whole)).unwrap();
    log[middle..].fill(0xa5);
    fs::write(scratch.file("noise.db-wal"), log).unwrap();
    let survivor = Sqlite::open(&copy, &options()).expect("a store after a crash");
    assert!((1..8).contains(&commits(&survivor.reader)));
}

/// All that the store says, or the first error.
fn read_all(store: &Path) -> Result<(Vec<StoredRow>, Vec<Segment>), StoreError> {
    let opened = Sqlite::open_reader(store);
    let (reader, _) = opened.map_err(|refused| match refused {
        OpenError::Corrupt { reason, .. } => StoreError::Corrupt(reason),
        other => StoreError::Corrupt(format!("refused: {other}")),
    })?;
    let rows = reader.list(&List::of(AuditRow::TABLE, u32::MAX))?;
    Ok((rows, reader.segments(1, u32::MAX)?))
}

/// The pages of a store that is whole match, however often they are written meanwhile.
#[test]
fn a_scrub_finds_nothing_wrong_with_a_store_that_is_written() {
    let scratch = Scratch::new();
    let mut opened = scratch.open().expect("a store");
    let reader = opened.reader.clone();
    thread::scope(|scope| {
        let writing = scope.spawn(move || {
            for nth in 1..=400 {
                commit(&mut opened, nth).expect("it owns the store");
                if nth % 20 == 0 {
                    scratch.tampers("PRAGMA wal_checkpoint(PASSIVE)");
                }
            }
            (scratch, opened)
        });
        let mut parts = 0;
        while !writing.is_finished() || parts == 0 {
            let mut next = Some(0);
            while let Some(from) = next {
                next = reader.scrub(from).expect("no damage");
                parts += 1;
            }
        }
        let (_scratch, opened) = writing.join().expect("it does not panic");
        assert_eq!(opened.reader.scrub(0), Ok(Some(1024 * 1024)), "there is more than one part");
        assert_eq!(opened.reader.fault(), None);
    });
}

/// After a clean stop, wherever it is: in a row, in an index, in the log, between them.
#[test]
fn one_byte_that_the_disk_has_changed_is_never_part_of_an_answer() {
    let scratch = Scratch::new();
    let mut opened = scratch.open().expect("a store");
    assert!(opened.has_checksums);
    for nth in 1..=60 {
        commit(&mut opened, nth).expect("it owns the store");
    }
    drop(opened);
    let right = read_all(&scratch.store()).expect("it is whole");
    let bytes = fs::read(scratch.store()).unwrap();
    let (copy, page) = (scratch.file("copy.db"), 4_096);
    let mut found = 0;
    for (nth, start) in (0..bytes.len()).step_by(page).enumerate() {
        // Another place in each page: its head, its cells, its checksum.
        for at in [start + nth * 61 % page, start + page - 1 - nth * 7 % page, start + page - 1] {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x10;
            fs::write(&copy, damaged).unwrap();
            match read_all(&copy) {
                Ok(read) => assert!(read == right, "byte {at} is part of a wrong answer"),
                Err(StoreError::Corrupt(_)) => found += 1,
                Err(other) => panic!("byte {at}: {other}"),
            }
        }
    }
    assert!(found > 100, "most pages are read: {found}");
}

/// What a disk does to more than a byte: the end of a page is zeros, with its checksum; a page is noise; the file ends
/// anywhere; the header says something else. Each with another place each time, and the same ones in each run.
#[test]
fn lost_parts_of_pages_are_never_part_of_an_answer() {
    let scratch = Scratch::new();
    let mut opened = scratch.open().expect("a store");
    for nth in 1..=60 {
        commit(&mut opened, nth).expect("it owns the store");
    }
    drop(opened);
    let right = read_all(&scratch.store()).expect("it is whole");
    let bytes = fs::read(scratch.store()).unwrap();
    let (copy, page, pages) = (scratch.file("copy.db"), 4_096, bytes.len() / 4_096);
    let try_out = |damaged: &[u8], what: &str| {
        fs::write(&copy, damaged).unwrap();
        match read_all(&copy) {
            Ok(read) => assert!(read == right, "{what}: it is part of a wrong answer"),
            Err(StoreError::Corrupt(_)) => {}
            Err(other) => panic!("{what}: {other}"),
        }
    };
    let mut state = 0x5eed_u64;
    let mut draw = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % below
    };
    for nth in 0..pages {
        // Pages of trees: what another program has put back has no checksum either, and no other page shows its end.
        let head = nth * page + if nth == 0 { 100 } else { 0 };
        if matches!(bytes[head], 2 | 5 | 10 | 13) {
            for lost in [72, 512, 1_024, 2_048] {
                let mut damaged = bytes.clone();
                damaged[(nth + 1) * page - lost..(nth + 1) * page].fill(0);
                try_out(&damaged, &format!("page {} without its last {lost} bytes", nth + 1));
            }
        }
        let mut damaged = bytes.clone();
        let (from, to) = (draw(page), draw(page));
        for byte in &mut damaged[nth * page + from.min(to)..=nth * page + from.max(to)] {
            *byte = u8::try_from(draw(256)).unwrap();
        }
        try_out(&damaged, &format!("page {} with noise from {from} to {to}", nth + 1));
        let end = nth * page + 1 + draw(page - 1);
        try_out(&bytes[..end], &format!("a file that was cut to {end} bytes"));
    }
    for bit in 0..100 * 8 {
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        fs::write(&copy, &damaged).unwrap();
        let refused = Sqlite::open_reader(&copy).err();
        assert!(refused.is_some(), "bit {bit} of the header has changed");
    }
}

/// The header says that pages have no checksums: it is damage, and not a store of another program.
#[test]
fn a_scrub_finds_a_header_that_hides_the_checksums_and_pages_that_have_lost_their_ends() {
    for (at, length) in [(20, 1), (3 * 4_096 - 512, 512)] {
        let scratch = Scratch::new();
        let mut opened = scratch.open().expect("a store");
        commit(&mut opened, 1).expect("it owns the store");
        drop(opened);
        let (reader, _) = Sqlite::open_reader(&scratch.store()).expect("a reader");
        let mut bytes = fs::read(scratch.store()).unwrap();
        bytes[at..at + length].fill(0);
        // In place: it is the same file.
        fs::write(scratch.store(), bytes).unwrap();
        assert!(matches!(reader.scrub(0), Err(StoreError::Corrupt(_))), "byte {at}");
    }
}

#[test]
fn damage_that_a_read_has_met_is_remembered_and_not_copied() {
    let scratch = Scratch::new();
    let mut opened = scratch.open().expect("a store");
    for nth in 1..=60 {
        commit(&mut opened, nth).expect("it owns the store");
    }
    drop(opened);
    // In the middle of a segment: SQLite itself sees nothing wrong with it.
    let mut bytes = fs::read(scratch.store()).unwrap();
    let segment = 30_u64.to_le_bytes().repeat(4);
    let at = bytes.windows(segment.len()).position(|window| window == segment).expect("it is in the file");
    bytes[at] ^= 1;
    fs::write(scratch.store(), bytes).unwrap();
    let opened = scratch.open().expect("a start does not read everything");
    assert_eq!(opened.reader.fault(), None);
    let (looked, _) = Sqlite::open_reader(&scratch.store()).expect("a reader");
    assert!(matches!(looked.scrub(0), Err(StoreError::Corrupt(_))), "it is found before anything is read");
    assert!(matches!(looked.fault(), Some(StoreError::Corrupt(_))));
    assert_eq!(opened.reader.segments(1, 10).expect("other pages").len(), 10);
    assert!(matches!(opened.reader.segments(20, 20), Err(StoreError::Corrupt(_))));
    assert!(matches!(opened.reader.fault(), Some(StoreError::Corrupt(_))));
    let copied = opened.reader.back_up(&scratch.file("copy.db"), &mut |_| {});
    assert_eq!(
        copied,
        Err(BackupError::Store(StoreError::Corrupt(String::from("a page of it is not what was written"))))
    );
    assert!(!exists(&scratch.file("copy.db"), "") && !exists(&scratch.file("copy.db"), ".partial"));
}

#[test]
fn a_page_in_the_place_of_another_is_found() {
    let scratch = Scratch::new();
    let mut opened = scratch.open().expect("a store");
    for nth in 1..=60 {
        commit(&mut opened, nth).expect("it owns the store");
    }
    drop(opened);
    let mut bytes = fs::read(scratch.store()).unwrap();
    let place = |bytes: &[u8], nth: u64| {
        let segment = nth.to_le_bytes().repeat(400);
        bytes.windows(segment.len()).position(|window| window == segment).expect("it is in the file") / 4_096 * 4_096
    };
    let (one, other) = (place(&bytes, 30), place(&bytes, 31));
    bytes.copy_within(one..one + 4_096, other);
    fs::write(scratch.store(), bytes).unwrap();
    assert!(matches!(read_all(&scratch.store()), Err(StoreError::Corrupt(_))));
}

/// As `sqlite3` on a command line does, which knows nothing of the checksums.
fn without_checksums(scratch: &Scratch) -> Connection {
    Connection::open_with_flags_and_vfs(scratch.store(), OpenFlags::SQLITE_OPEN_READ_WRITE, "unix").expect("a database")
}

#[test]
fn another_program_that_puts_a_log_back_does_no_harm_and_one_that_edits_is_found() {
    let scratch = Scratch::new();
    let mut opened = scratch.open().expect("a store");
    for nth in 1..=20 {
        commit(&mut opened, nth).expect("it owns the store");
    }
    let crashed = Scratch::new();
    for end in ["", "-wal"] {
        fs::copy(scratch.file(&format!("store.db{end}")), crashed.file(&format!("store.db{end}"))).unwrap();
    }
    let rows: u32 = without_checksums(&crashed).query_row("SELECT count(*) FROM audit", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 20);
    assert!(!exists(&crashed.store(), "-wal"), "the other program has put the log back");
    let mut survivor = crashed.open().expect("a store");
    assert_eq!(commits(&survivor.reader), 20);
    commit(&mut survivor, 21).expect("it goes on");
    drop(survivor);
    without_checksums(&crashed).execute("UPDATE audit SET detail = 'edited' WHERE id = 'audit-000003'", []).unwrap();
    assert!(matches!(read_all(&crashed.store()), Err(StoreError::Corrupt(_))));
}
