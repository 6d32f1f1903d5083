//! A wall clock that a test sets: `set_clock.c`, put before the C library of the binary.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use serde_json::json;

use super::{serve_by, terminated, tradewind};
use crate::{
    client::Client,
    world::{Directory, PASSWORD},
};

/// The compiled shim. `cc` is there wherever the binary was built: SQLite is compiled with it.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let (library, new) = (folder.join("set_clock.so"), folder.join(format!("clock-{}.so", std::process::id())));
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/http/process/set_clock.c");
        let flags = ["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o"];
        let compiled = Command::new("cc").args(flags).arg(&new).arg(source).status().expect("there is a C compiler");
        assert!(compiled.success());
        // Another run of the tests may be using the old one.
        fs::rename(&new, &library).unwrap();
        library
    })
}

/// Sets the clock of the shop in this directory.
fn set(directory: &Directory, seconds: i64) {
    let (file, new) = (directory.0.join("clock"), directory.0.join("clock.new"));
    fs::write(&new, seconds.to_string()).unwrap();
    fs::rename(new, file).unwrap();
}

#[tokio::test]
async fn a_clock_that_is_set_back_and_right_again_changes_nothing() {
    let directory = Directory::new();
    set(&directory, 0);
    let mut command = tradewind(&directory);
    command.env("LD_PRELOAD", library()).env("SET_CLOCK_FILE", directory.0.join("clock"));
    let (child, address, admin_token) = serve_by(command, &directory, &["--clock-jump-max", "10min"]);
    let client = Client::new(address);
    let new = json!({"token": admin_token, "email": "admin@example.org", "password": PASSWORD});
    client.post("/v1/first-admin", new).await.expect(201);
    let admin = client.signed_in("admin@example.org").await;
    let now = async || admin.client.get("/v1/operations").await.expect(200).field("now");
    let before = now().await;
    for seconds in [-60, -3_600, 0] {
        set(&directory, seconds);
        assert!(now().await >= before, "{seconds}");
        client.person(&format!("person{}", seconds.abs())).await;
        client.get("/readyz").await.expect(200);
    }
    // A jump that is too far holds deadlines until the clock comes back.
    set(&directory, 3_600);
    client.get("/readyz").await.refused(503, "not_ready");
    admin.client.get("/v1/me").await.expect(200);
    set(&directory, 0);
    client.get("/readyz").await.expect(200);
    assert_eq!(terminated(child), Some(0));
}
