//! Where the files of a store are: one owner by whatever name, a commit that is kept or not acknowledged, and files that
//! their owner alone may read.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
    process::Command,
};

use tradewind_engine::ports::{CommitError, Reader, StoreError};
use tradewind_sqlite::{OpenError, Opened, Sqlite};

use crate::scratch::{Scratch, commit, commits, exists, options};

fn begun() -> (Scratch, Opened) {
    let scratch = Scratch::new();
    let mut opened = scratch.open().expect("a store");
    commit(&mut opened, 1).expect("it owns the store");
    (scratch, opened)
}

/// Why the next commit is not acknowledged.
fn refusal(opened: &mut Opened, next: u64) -> String {
    match commit(opened, next) {
        Err(CommitError::Store(StoreError::Unusable(reason))) => {
            let again = commit(opened, next);
            assert!(matches!(again, Err(CommitError::Store(StoreError::Unusable(_)))), "it stays so: {again:?}");
            reason
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_commit_into_files_that_are_gone_is_not_acknowledged() {
    let cut = |path: &Path, bytes: u64| OpenOptions::new().write(true).open(path).unwrap().set_len(bytes).unwrap();
    type Harm<'a> = &'a dyn Fn(&Path);
    let harms: [(&str, &str, Harm<'_>); 9] = [
        ("", "was deleted", &|path| fs::remove_file(path).unwrap()),
        ("", "moved away", &|path| fs::rename(path, path.with_extension("away")).unwrap()),
        ("", "was replaced", &|path| {
            fs::rename(path, path.with_extension("away")).unwrap();
            fs::copy(path.with_extension("away"), path).unwrap();
        }),
        ("", "was cut off", &|path| cut(path, 0)),
        ("", "was cut off", &|path| cut(path, 8192)),
        ("-wal", "was deleted", &|path| fs::remove_file(path).unwrap()),
        ("-wal", "was emptied", &|path| cut(path, 0)),
        ("-wal", "was cut off", &|path| cut(path, 5_000)),
        ("-shm", "was deleted", &|path| fs::remove_file(path).unwrap()),
    ];
    for (end, reason, harm) in harms {
        let (scratch, opened) = begun();
        // So that there is something in the file itself.
        drop(opened);
        let mut opened = scratch.open().expect("a store");
        commit(&mut opened, 2).expect("it owns the store");
        let path = scratch.file(&format!("store.db{end}"));
        harm(&path);
        let told = refusal(&mut opened, 3);
        assert!(told.contains(reason) && told.contains(&format!("store.db{end}")), "{end} {reason}: {told}");
    }
}

#[test]
fn the_folder_of_a_store_may_not_be_exchanged() {
    let scratch = Scratch::new();
    let folder = scratch.file("shop");
    fs::create_dir(&folder).unwrap();
    let mut opened = Sqlite::open(&folder.join("store.db"), &options()).expect("a store");
    commit(&mut opened, 1).expect("it owns the store");
    fs::rename(&folder, scratch.file("elsewhere")).unwrap();
    fs::create_dir(&folder).unwrap();
    assert!(refusal(&mut opened, 2).contains("was deleted or moved away"));
}

#[test]
fn readers_notice_another_file_in_the_place_of_theirs() {
    let (scratch, mut opened) = begun();
    let (beside, _) = Sqlite::open_reader(&scratch.store()).expect("a reader");
    assert_eq!((opened.reader.fault(), beside.fault(), beside.last_segment()), (None, None, Ok(1)));
    let other = Scratch::new();
    let mut second = other.open().expect("a store");
    for nth in 1..=3 {
        commit(&mut second, nth).expect("it owns the store");
    }
    drop(second);
    fs::rename(scratch.store(), scratch.file("away.db")).unwrap();
    fs::copy(other.store(), scratch.store()).unwrap();
    assert!(matches!(beside.last_segment(), Err(StoreError::Unusable(_))));
    assert!(matches!(opened.reader.fault(), Some(StoreError::Unusable(_))), "without a commit");
    // A connection that is opened now would be one to the other store.
    let fresh = opened.reader.last_segment();
    assert!(matches!(fresh, Ok(1) | Err(StoreError::Unusable(_))), "{fresh:?}");
    refusal(&mut opened, 2);
}

/// SQLite removes a log by its name, and another store may have that name by now.
#[test]
fn an_owner_that_has_lost_its_files_leaves_those_of_the_next_store_alone() {
    for notices in [true, false] {
        let (scratch, mut opened) = begun();
        let other = Scratch::new();
        let mut second = other.open().expect("a store");
        commit(&mut second, 1).expect("it owns the store");
        for end in ["", "-wal", "-shm"] {
            let name = format!("store.db{end}");
            fs::rename(scratch.file(&name), scratch.file(&format!("away.db{end}"))).unwrap();
            fs::copy(other.file(&name), scratch.file(&name)).unwrap();
        }
        if notices {
            refusal(&mut opened, 2);
        }
        drop(opened);
        let (there, _) = Sqlite::open_reader(&scratch.store()).expect("a store with its log");
        assert_eq!(commits(&there), 1);
        let (away, _) = Sqlite::open_reader(&scratch.file("away.db")).expect("a store with its log");
        assert!(commits(&away) >= 1, "what was acknowledged is where it was");
    }
}

/// Others may read the store with programs of their own, which may empty the log as they go.
#[test]
fn a_log_that_another_program_has_put_back_is_no_harm() {
    let (scratch, mut opened) = begun();
    scratch.tampers("PRAGMA wal_checkpoint(TRUNCATE)");
    commit(&mut opened, 2).expect("nothing was lost");
    scratch.tampers("PRAGMA wal_checkpoint(RESTART)");
    commit(&mut opened, 3).expect("nothing was lost");
    assert_eq!(commits(&opened.reader), 3);
}

#[test]
fn a_store_is_not_opened_under_a_second_name() {
    let (scratch, mut opened) = begun();
    let link = scratch.file("link.db");
    fs::hard_link(scratch.store(), &link).unwrap();
    fs::create_dir(scratch.file("sub")).unwrap();
    let around = scratch.file("sub/../store.db");
    std::os::unix::fs::symlink(scratch.store(), scratch.file("sub/symlink.db")).unwrap();
    for name in [&link, &around, &scratch.file("sub/symlink.db")] {
        let refused = Sqlite::open(name, &options()).err();
        assert!(matches!(refused, Some(OpenError::Locked { .. })), "{}: {refused:?}", name.display());
    }
    assert!(!exists(&link, ".lock") && !exists(&link, "-wal"), "a refused start leaves nothing");
    // What is in the log would be missing.
    let refused = Sqlite::open_reader(&link).err();
    assert!(matches!(refused, Some(OpenError::OtherName { .. })), "{refused:?}");
    assert_eq!(commits(&Sqlite::open_reader(&around).expect("its own name").0), 1);
    commit(&mut opened, 2).expect("it owns the store");

    // Nor when its owner has died, and the log is beside the other name.
    std::mem::forget(opened);
    let elsewhere = Scratch::new();
    for end in ["", "-wal"] {
        fs::copy(scratch.file(&format!("store.db{end}")), elsewhere.file(&format!("store.db{end}"))).unwrap();
    }
    File::create(elsewhere.file("store.db.lock")).unwrap();
    fs::hard_link(elsewhere.store(), elsewhere.file("link.db")).unwrap();
    let refused = Sqlite::open(&elsewhere.file("link.db"), &options()).err();
    assert!(matches!(refused, Some(OpenError::OtherName { .. })), "{refused:?}");
    assert_eq!(commits(&elsewhere.open().expect("its own name").reader), 2);
    // A copy of it has one name, and is a store.
    fs::copy(elsewhere.store(), elsewhere.file("copy.db")).unwrap();
    Sqlite::open(&elsewhere.file("copy.db"), &options()).expect("a store");
}

#[test]
fn a_store_that_was_deleted_has_no_second_owner_before_the_first_has_ended() {
    let (scratch, opened) = begun();
    for end in ["", "-wal", "-shm"] {
        fs::remove_file(scratch.file(&format!("store.db{end}"))).unwrap();
    }
    assert!(matches!(scratch.refusal(), OpenError::Locked { .. }));
    drop(opened);
    assert_eq!(scratch.open().expect("a new store").meta.epoch, 1);
}

/// In a process of its own, because a umask is one a process.
#[test]
fn files_are_for_their_owner_alone_whatever_the_umask() {
    const CHILD: &str = "TRADEWIND_TEST_UMASK_CHILD";
    if std::env::vars().any(|(name, _)| name == CHILD) {
        let (scratch, opened) = begun();
        let check = |ends: &[&str]| {
            for end in ends {
                let mode = fs::metadata(scratch.file(end)).unwrap().mode();
                assert_eq!(mode & 0o777, 0o600, "{end}");
            }
        };
        check(&["store.db", "store.db-wal", "store.db-shm", "store.db.lock"]);
        let to = scratch.file("backup.db");
        let copied = opened.reader.back_up(&to, &mut |_| check(&["backup.db.partial"]));
        copied.expect("a copy");
        check(&["backup.db"]);
        return;
    }
    let name = "place::files_are_for_their_owner_alone_whatever_the_umask";
    let test = std::env::current_exe().unwrap();
    let script = format!("umask 0; exec \"$0\" --exact {name}");
    let done = Command::new("sh").args(["-c", &script]).arg(test).env(CHILD, "1").output().unwrap();
    let told = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success() && told.contains("1 passed"), "{told}");
}

/// Who may only read: in this process a directory is closed to its owner, and to root by another way in the tests of the
/// binary.
#[test]
fn a_store_is_read_where_nothing_can_be_written() {
    let (scratch, opened) = begun();
    drop(opened);
    let folder = scratch.file("closed");
    fs::create_dir(&folder).unwrap();
    // A name that is special in a URI.
    let store = folder.join("50%?#.db");
    fs::copy(scratch.store(), &store).unwrap();
    for (path, mode) in [(&store, 0o444), (&folder, 0o555)] {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }
    let (reader, _) = Sqlite::open_reader(&store).expect("a reader");
    assert_eq!(commits(&reader), 1);
    reader.back_up(&scratch.file("copy.db"), &mut |_| {}).expect("a copy");
    fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
}
