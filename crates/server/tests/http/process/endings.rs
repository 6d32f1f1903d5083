//! How commands end where what they print goes nowhere, and how they speak to a shop by TLS.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
};

use super::{run, serve, terminated, tradewind};
use crate::world::{Directory, World};
use rusqlite::Connection;

/// A device that is always full.
fn full() -> fs::File {
    fs::File::options().write(true).open("/dev/full").unwrap()
}

#[test]
fn the_exit_status_is_the_same_where_nothing_can_be_printed() {
    let directory = Directory::new();
    for (arguments, status) in [
        (&["serve", "--store", "none/shop.db"][..], 3),
        (&["events", "--store", "none.db"], 3),
        (&["verify", "--store", "none.db"], 3),
        (&["backup", "copy.db", "--store", "none.db"], 3),
        (&["serve", "--tax-bp", "much"], 2),
        (&["serve", "--listen", "127.0.0.1:0", "--tls-certificate", "none.pem", "--tls-key", "none.pem"], 2),
        (&["sagas", "--url", "ftp://shop"], 2),
        (&["sagas", "--url", "http://127.0.0.1:1"], 2),
        (&["nonsense"], 2),
    ] {
        let ended = tradewind(&directory).args(arguments).stdout(full()).stderr(full()).status().unwrap();
        assert_eq!(ended.code(), Some(status), "{arguments:?}");
    }
    for arguments in [&["openapi"][..], &["--version"], &["--help"], &["help", "serve"], &["serve", "--help"]] {
        let ended = tradewind(&directory).args(arguments).stdout(full()).output().unwrap();
        assert_eq!(ended.status.code(), Some(1), "{arguments:?}");
        assert!(String::from_utf8_lossy(&ended.stderr).contains("this cannot be written"), "{arguments:?}");
    }
}

#[test]
fn a_shop_serves_whether_anybody_reads_what_it_prints() {
    let directory = Directory::new();
    // Nobody reads its output, and its log is full; where it listens is told by its end alone.
    let mut command = tradewind(&directory);
    command.args(["serve", "--listen", "127.0.0.1:0"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(log.any(|line| line.contains("the shop is open")));
    // Nobody reads its log either from here on.
    drop(log);
    assert_eq!(terminated(child), Some(0));
    let mut command = tradewind(&directory);
    let child = command.args(["serve", "--listen", "127.0.0.1:0", "--log", "trace"]).stderr(full());
    let mut child = child.stdout(Stdio::piped()).spawn().unwrap();
    let open = BufReader::new(child.stdout.take().unwrap()).lines().next().unwrap().unwrap();
    assert!(open.contains("The shop is open"), "{open}");
    assert_eq!(terminated(child), Some(0));
}

#[test]
fn a_command_does_all_of_its_work_whether_anybody_reads_what_it_prints() {
    let directory = Directory::new();
    let (child, ..) = serve(&directory);
    assert_eq!(terminated(child), Some(0));
    // A read model that the log knows nothing of.
    let store = Connection::open(directory.0.join("tradewind.db")).unwrap();
    let columns: Vec<String> = store
        .prepare("SELECT name FROM pragma_table_info('sales_day')")
        .and_then(|mut names| names.query_map([], |row| row.get(0))?.collect())
        .unwrap();
    let values = columns.iter().map(|column| match &**column {
        "day" => "'2026-01-31'",
        "currency" => "'EUR'",
        _ => "1",
    });
    let sql = format!("INSERT INTO sales_day VALUES ({})", values.collect::<Vec<_>>().join(", "));
    store.execute_batch(&sql).unwrap();
    drop(store);
    let closed = |arguments: &[&str]| {
        let mut command = tradewind(&directory);
        let mut child = command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        drop(child.stdout.take());
        child.wait().unwrap().code()
    };
    assert_eq!(closed(&["verify"]), Some(1), "what it has found is in how it ends");
    assert_eq!(closed(&["rebuild"]), Some(0));
    assert_eq!(closed(&["verify"]), Some(0), "the rebuild has gone on to its end");
    assert_eq!(closed(&["events"]), Some(0));
}

fn fixture(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name).display().to_string()
}

/// A command for staff, and what it says of errors.
async fn asks(token: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tradewind"));
    command.arg("sagas").args(arguments).env_clear().env("TRADEWIND_TOKEN", token);
    let done = tokio::task::spawn_blocking(move || run(&mut command)).await.unwrap();
    (done.status.code(), String::from_utf8(done.stderr).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_speak_https_to_a_shop_that_they_trust() {
    let (certificate, key) = (fixture("certificate.pem"), fixture("key.pem"));
    let world = World::with(&[("tls_certificate", &certificate), ("tls_key", &key)]).await;
    let plain = World::new().await;
    let token = plain.admin().await.client.token.unwrap();
    let (secure, port) = (world.app.address().port(), plain.app.address().port());
    let trusted = ["--ca-file", &certificate];
    let at = |url: &str, more: &[&str]| -> Vec<String> {
        ["--url", url].iter().chain(more).map(|text| (*text).to_owned()).collect()
    };
    let garbage = fixture("README.md");
    for (arguments, status, says) in [
        // The token is another shop's: it was sent and refused.
        (at(&format!("https://localhost:{secure}"), &trusted), 1, "access_token_invalid"),
        (at(&format!("https://127.0.0.1:{secure}/"), &trusted), 1, "access_token_invalid"),
        (at(&format!("https://localhost:{secure}"), &[]), 1, "--ca-file"),
        (at(&format!("https://0.0.0.0:{secure}"), &trusted), 1, "for another name"),
        (at(&format!("http://localhost:{secure}"), &[]), 1, "does it speak https?"),
        (at(&format!("https://localhost:{port}"), &trusted), 1, "use http:// instead"),
        (at(&format!("https://localhost:{secure}"), &["--ca-file", "none.pem"]), 2, "none.pem"),
        (at(&format!("https://localhost:{secure}"), &["--ca-file", &garbage]), 2, "no certificate"),
        (at(&format!("wss://localhost:{secure}"), &[]), 2, "expected http://HOST:PORT or https://HOST:PORT"),
        (at(&format!("http://localhost:{port}"), &[]), 0, ""),
    ] {
        let shown: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let (ended, told) = asks(&token, &shown).await;
        assert!(ended == Some(status) && told.contains(says), "{shown:?}: {ended:?} {told}");
    }
}
