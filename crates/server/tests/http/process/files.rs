//! The files of a shop: who may read them, what becomes of a shop whose files are taken away, damage, and commands that
//! may write nowhere.

use std::{
    fs::{self, Permissions},
    io::{BufRead, BufReader},
    net::SocketAddr,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
    process::{Child, Command, Output, Stdio},
};

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{run, serve, terminated, tradewind};
use crate::{
    client::Client,
    world::{Directory, PASSWORD},
};

const STORE: &str = "tradewind.db";

/// A shop with an admin, who is signed in.
async fn staffed(directory: &Directory) -> (Child, SocketAddr, Client) {
    let (child, address, token) = serve(directory);
    let client = Client::new(address);
    let new = json!({"token": token, "email": "admin@example.org", "password": PASSWORD});
    client.post("/v1/first-admin", new).await.expect(201);
    (child, address, signed_in(address).await)
}

async fn signed_in(address: SocketAddr) -> Client {
    let client = Client::new(address);
    let shown = json!({"email": "admin@example.org", "password": PASSWORD});
    let session = client.post("/v1/sessions", shown).await.expect(201);
    client.with_token(&session.field("access_token"))
}

/// What a shop says that may end at any moment; nothing where it does not answer.
async fn said(client: &Client, request: &str, body: &str) -> String {
    let Ok(mut stream) = TcpStream::connect(client.address).await else { return String::new() };
    let token = client.token.as_deref().unwrap_or_default();
    let head = format!(
        "{request} HTTP/1.1\r\nHost: shop\r\nConnection: close\r\nAuthorization: Bearer {token}\r\nIdempotency-Key: k\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut answer = String::new();
    if stream.write_all(head.as_bytes()).await.is_ok() {
        drop(stream.read_to_string(&mut answer).await);
    }
    answer
}

#[tokio::test]
async fn what_a_shop_cannot_keep_it_does_not_acknowledge() {
    let harms: [(&str, &dyn Fn(&Path)); 3] = [
        ("was deleted", &|store| fs::remove_file(store).unwrap()),
        ("was replaced", &|store| {
            fs::rename(store, store.with_extension("away")).unwrap();
            fs::copy(store.with_extension("away"), store).unwrap();
        }),
        ("-wal was deleted", &|store| fs::remove_file(store.with_extension("db-wal")).unwrap()),
    ];
    for (reason, harm) in harms {
        let directory = Directory::new();
        let (mut child, _, admin) = staffed(&directory).await;
        harm(&directory.0.join(STORE));
        let answer = said(&admin, "POST /v1/categories", r#"{"category_id": "tea", "name": "Tea"}"#).await;
        assert!(!answer.starts_with("HTTP/1.1 2"), "{reason}: {answer}");
        assert_eq!(child.wait().unwrap().code(), Some(3), "{reason}");
        let log = fs::read_to_string(directory.0.join("log")).unwrap();
        assert!(log.contains("tradewind: the shop has stopped") && log.contains(reason), "{reason}: {log}");
    }
}

#[test]
fn a_shop_that_has_nothing_to_do_notices_that_its_store_is_gone() {
    let directory = Directory::new();
    let (mut child, ..) = serve(&directory);
    fs::rename(directory.0.join(STORE), directory.0.join("elsewhere.db")).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(3));
}

#[test]
fn a_store_has_one_owner_whatever_it_is_called() {
    let directory = Directory::new();
    let (child, ..) = serve(&directory);
    let (store, folder) = (directory.0.join(STORE), directory.0.join("folder"));
    fs::create_dir(&folder).unwrap();
    fs::hard_link(&store, directory.0.join("hard.db")).unwrap();
    std::os::unix::fs::symlink(&store, folder.join("soft.db")).unwrap();
    for name in ["hard.db", "folder/soft.db", "folder/../tradewind.db"] {
        let second = run(tradewind(&directory).args(["serve", "--listen", "127.0.0.1:0", "--store", name]));
        let told = String::from_utf8_lossy(&second.stderr).into_owned();
        assert!(second.status.code() == Some(3) && told.contains("owned by another process"), "{name}: {told}");
    }
    let read = run(tradewind(&directory).args(["events", "--store", "hard.db"]));
    assert_eq!(read.status.code(), Some(3), "its log is beside another name");
    assert_eq!(terminated(child), Some(0));
    let (child, ..) = serve(&directory);
    assert_eq!(terminated(child), Some(0), "its own name is good");
}

#[tokio::test]
async fn all_files_of_a_shop_are_for_their_owner_alone_whatever_the_umask() {
    let directory = Directory::new();
    let binary = env!("CARGO_BIN_EXE_tradewind");
    let open = |script: &str| {
        let done = Command::new("sh").args(["-c", script]).current_dir(&directory.0).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    open(&format!(
        "umask 0; {binary} serve --listen 127.0.0.1:0 --mail-folder mails > out 2> log & shop=$!
         until grep -q ' is open' out; do kill -0 $shop || exit 1; done
         umask 0; {binary} backup copy.db && {binary} verify > audit; status=$?; kill $shop; wait $shop; exit $status"
    ));
    let mut seen = Vec::new();
    for entry in fs::read_dir(&directory.0).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        if ["out", "log", "audit"].contains(&&*name) {
            continue;
        }
        assert_eq!(entry.metadata().unwrap().mode() & 0o077, 0, "{name}");
        seen.push(name);
    }
    seen.sort();
    let all = ["copy.db", "mails", STORE, "tradewind.db.lock", "tradewind.db.provider", "tradewind.db.secrets"];
    assert_eq!(seen, all);
}

#[tokio::test]
async fn a_store_that_others_can_read_is_told() {
    let directory = Directory::new();
    let (child, ..) = serve(&directory);
    assert_eq!(terminated(child), Some(0));
    fs::set_permissions(directory.0.join(STORE), Permissions::from_mode(0o644)).unwrap();
    let (child, ..) = serve(&directory);
    assert_eq!(terminated(child), Some(0));
    let log = fs::read_to_string(directory.0.join("log")).unwrap();
    assert!(log.contains("the store can be read by others than its owner: chmod 600"), "{log}");
}

/// A byte of a name changes on the disk while the shop is closed. SQLite itself would see nothing wrong.
#[tokio::test]
async fn damage_is_an_error_and_no_answer_and_makes_the_shop_not_ready() {
    let directory = Directory::new();
    let (child, _, admin) = staffed(&directory).await;
    let name = "An unmistakable name";
    let variant = json!({"sku": "TEA-1", "amount_minor": 1_000, "currency": "EUR"});
    let product = json!({"product_id": "tea", "name": name, "variants": [variant]});
    admin.post("/v1/products", product).await.expect(201);
    admin.post("/v1/products/tea/publication", json!({})).await.expect(200);
    assert_eq!(terminated(child), Some(0));
    let (store, mut places) = (directory.0.join(STORE), 0);
    let mut bytes = fs::read(&store).unwrap();
    for at in 0..bytes.len() - name.len() {
        if bytes[at..].starts_with(name.as_bytes()) {
            bytes[at + 6] ^= 0x01;
            places += 1;
        }
    }
    assert!(places > 0);
    fs::write(&store, bytes).unwrap();

    let (child, address) = serve_without_token(&directory);
    let client = Client::new(address);
    let answer = client.get("/v1/products/tea").await;
    assert_eq!(answer.status, 500, "{}", answer.text());
    let ready = client.get("/readyz").await;
    assert!(ready.status == 503 && ready.text().contains("the store is damaged"), "{}", ready.text());
    let figures = client.get("/metrics").await;
    assert!(figures.text().contains("\ntradewind_store_damaged 1\n"), "{}", figures.text());
    assert_eq!(terminated(child), Some(0));
    let refused = run(tradewind(&directory).args(["backup", "copy.db"]));
    assert_eq!(refused.status.code(), Some(3), "damage is not copied");
    let found = run(tradewind(&directory).arg("verify"));
    assert_eq!(found.status.code(), Some(3), "{}", String::from_utf8_lossy(&found.stdout));
}

/// A shop that has an admin prints no token.
fn serve_without_token(directory: &Directory) -> (Child, SocketAddr) {
    let mut command = tradewind(directory);
    command.args(["serve", "--listen", "127.0.0.1:0", "--password-memory", "8KiB"]);
    let log = fs::File::create(directory.0.join("log")).unwrap();
    let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
    let open = BufReader::new(child.stdout.take().unwrap()).lines().next().unwrap().unwrap();
    let address = open.split("http://").nth(1).unwrap().split_whitespace().next().unwrap().parse().unwrap();
    (child, address)
}

/// A command by a user who may write nothing: another one where the tests are run by root, whom no mode of a file stops.
fn by_a_reader(directory: &Directory, arguments: &[&str]) -> Output {
    let by_root = fs::metadata("/proc/self").unwrap().uid() == 0;
    let mut command = if by_root { Command::new("setpriv") } else { Command::new(env!("CARGO_BIN_EXE_tradewind")) };
    if by_root {
        // The folder of the build may be closed to others.
        let binary = directory.0.join("tradewind");
        if !binary.exists() {
            fs::copy(env!("CARGO_BIN_EXE_tradewind"), &binary).unwrap();
            fs::set_permissions(&binary, Permissions::from_mode(0o755)).unwrap();
        }
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(binary);
    }
    command.args(arguments).current_dir(&directory.0).env_clear().env("PATH", "/usr/bin:/bin");
    run(&mut command)
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// The files of the store, but not its secrets, are opened to readers.
fn opened_to_readers(directory: &Directory) {
    for end in ["", "-wal", "-shm", ".provider", ".provider-wal", ".provider-shm"] {
        let path = directory.0.join(format!("{STORE}{end}"));
        if path.exists() {
            mode(&path, 0o444);
        }
    }
    mode(&directory.0, 0o555);
}

fn reads(directory: &Directory, when: &str) {
    let told = |done: &Output| {
        format!("{when}: {}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr))
    };
    let events = by_a_reader(directory, &["events", "--store", STORE]);
    assert!(events.status.code() == Some(0) && told(&events).contains("user.registered"), "{}", told(&events));
    let story = by_a_reader(directory, &["story", "none", "--store", STORE]);
    assert!(story.status.code() == Some(1) && told(&story).contains("there is no order none"), "{}", told(&story));
    let audit = by_a_reader(directory, &["verify", "--store", STORE]);
    assert_eq!(audit.status.code(), Some(0), "{}", told(&audit));
}

#[tokio::test]
async fn commands_that_read_need_no_right_to_write() {
    let directory = Directory::new();
    let _first = by_a_reader(&directory, &["--version"]);
    let (mut child, ..) = staffed(&directory).await;
    opened_to_readers(&directory);
    reads(&directory, "beside a shop");
    mode(&directory.0, 0o755);
    assert_eq!(terminated(child), Some(0));
    opened_to_readers(&directory);
    reads(&directory, "after a stop");
    mode(&directory.0.join("tradewind.db.provider"), 0o000);
    reads(&directory, "without the books of the provider");
    let audit = by_a_reader(&directory, &["verify", "--store", STORE]);
    let told = String::from_utf8_lossy(&audit.stdout).into_owned();
    assert!(told.contains("Not compared with the books of the payment provider"), "{told}");
    mode(&directory.0, 0o755);

    mode(&directory.0.join(STORE), 0o600);
    mode(&directory.0.join("tradewind.db.provider"), 0o600);
    let (started, address) = serve_without_token(&directory);
    child = started;
    signed_in(address).await;
    child.kill().unwrap();
    child.wait().unwrap();
    opened_to_readers(&directory);
    reads(&directory, "after a crash");
    mode(&directory.0, 0o755);
    fs::remove_file(directory.0.join("tradewind.db-shm")).unwrap();
    mode(&directory.0, 0o555);
    reads(&directory, "after a crash, without the index of the log");
    mode(&directory.0, 0o755);
    mode(&directory.0.join(STORE), 0o000);
    let refused = by_a_reader(&directory, &["events", "--store", STORE]);
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(3) && told.contains("cannot be read"), "{told}");
}
