//! What the process needs of its system: files for TLS, and descriptors for connections.

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use serde_json::json;
use tokio::{io::AsyncReadExt, net::TcpStream};

use super::{run, serve_with, terminated, tradewind};
use crate::{
    client::Client,
    tls::fixture,
    world::{Directory, PASSWORD},
};

/// Settings are wrong.
const WRONG_SETTINGS: i32 = 2;

#[test]
fn files_that_are_no_certificate_and_key_stop_the_start_and_change_nothing() {
    let directory = Directory::new();
    fs::write(directory.0.join("empty.pem"), "").unwrap();
    fs::write(directory.0.join("torn.pem"), "-----BEGIN CERTIFICATE-----\n???\n-----END CERTIFICATE-----\n").unwrap();
    fs::write(directory.0.join("wrong.pem"), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    let (certificate, key) = (fixture("certificate.pem"), fixture("key.pem"));
    for (certificate, key, words) in [
        ("missing.pem", &*key, ["tls_certificate: missing.pem", "cannot be read"]),
        ("empty.pem", &key, ["tls_certificate: empty.pem", "contains no certificate"]),
        ("torn.pem", &key, ["tls_certificate: torn.pem", "cannot be read as a PEM certificate chain"]),
        ("wrong.pem", &key, ["wrong.pem", "cannot be used together"]),
        (&certificate, "missing.pem", ["tls_key: missing.pem", "cannot be read"]),
        (&certificate, "empty.pem", ["tls_key: empty.pem", "cannot be read as a PEM private key"]),
        (&certificate, &certificate, ["tls_key: ", "cannot be read as a PEM private key"]),
    ] {
        let flags = ["serve", "--listen", "127.0.0.1:0", "--tls-certificate", certificate, "--tls-key", key];
        let refused = run(tradewind(&directory).args(flags));
        let told = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(WRONG_SETTINGS), "{told}");
        assert!(words.iter().all(|words| told.contains(words)), "{told}");
        assert!(!directory.0.join("tradewind.db").exists());
    }
}

#[test]
fn an_expired_certificate_is_told_at_the_start() {
    let directory = Directory::new();
    let (certificate, key) = (fixture("expired.pem"), fixture("key.pem"));
    let flags = ["serve", "--listen", "127.0.0.1:0", "--tls-certificate", &certificate, "--tls-key", &key];
    let log = fs::File::create(directory.0.join("log")).unwrap();
    let mut child = tradewind(&directory).args(flags).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
    let open = opened(&mut child);
    assert!(open.contains("https://"), "{open}");
    assert_eq!(terminated(child), Some(0));
    let log = fs::read_to_string(directory.0.join("log")).unwrap();
    assert!(log.contains("the TLS certificate has expired") && log.contains("2021-01-01"), "{log}");
}

/// The first line of what it prints, once it has printed everything.
fn opened(child: &mut Child) -> String {
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let open = lines.next().expect("it says where it is");
    lines.nth(1).expect("it says the token for the first admin");
    open
}

fn limit_open_files(process: u32, current: u64) {
    let pid = Pid::from_raw(i32::try_from(process).unwrap());
    // A hard limit that was lowered may not be raised again.
    let maximum = getrlimit(Resource::Nofile).maximum;
    prlimit(pid, Resource::Nofile, Rlimit { current: Some(current), maximum }).unwrap();
}

fn complaints(directory: &Directory) -> usize {
    fs::read_to_string(directory.0.join("log")).unwrap().matches("connections could not be accepted").count()
}

#[tokio::test]
async fn connections_fit_below_the_limit_on_open_files_and_others_are_served() {
    let directory = Directory::new();
    let mut command = Command::new("sh");
    command.current_dir(&directory.0).env_clear();
    let binary = env!("CARGO_BIN_EXE_tradewind");
    let script = format!("ulimit -n 200; exec {binary} serve --listen 127.0.0.1:0 --log-format json");
    let log = fs::File::create(directory.0.join("log")).unwrap();
    let mut child = command.args(["-c", &script]).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
    let open = opened(&mut child);
    let address = open.split("http://").nth(1).unwrap().split_whitespace().next().unwrap().parse().unwrap();
    let other = Client::new(address).from(9);
    let mut idle = Vec::new();
    for _ in 0..150 {
        idle.push(TcpStream::connect(address).await.unwrap());
        other.get("/healthz").await.expect(200);
    }
    assert_eq!(complaints(&directory), 0);
    assert_eq!(terminated(child), Some(0));
    let log = fs::read_to_string(directory.0.join("log")).unwrap();
    assert!(log.contains(r#""connections_max":100,"configured":4096,"open_files_max":200"#), "{log}");
}

#[tokio::test]
async fn without_descriptors_the_server_waits_and_logs_it_once() {
    let directory = Directory::new();
    let (child, address, _) = serve_with(&directory, &["--log", "info"]);
    let client = Client::new(address);
    client.get("/healthz").await.expect(200);
    let open = fs::read_dir(format!("/proc/{}/fd", child.id())).unwrap().count();
    limit_open_files(child.id(), open as u64 + 2);
    let mut waiting = Vec::new();
    for _ in 0..64 {
        waiting.push(client.connect().await);
    }
    while complaints(&directory) == 0 {
        tokio::task::yield_now().await;
    }
    // Those that were accepted end to make room; none is left behind.
    limit_open_files(child.id(), 1_024);
    let new = json!({"email": "ada@example.org", "password": PASSWORD});
    client.from(9).post("/v1/users", new).await.expect(201);
    drop(waiting);
    assert!(complaints(&directory) < 3, "it is logged once in ten seconds");
    assert_eq!(terminated(child), Some(0));
}

#[tokio::test]
async fn a_shop_is_ready_once_its_first_admin_can_sign_up() {
    let directory = Directory::new();
    let config = crate::world::config(&directory, &[]);
    let app = tradewind::app::App::start(config).await.unwrap();
    let client = Client::new(app.address());
    let refused = client.get("/readyz").await.refused(503, "not_ready");
    assert!(refused.field("detail").contains("starting"));
    client.get("/healthz").await.expect(200);
    app.announced();
    client.get("/readyz").await.expect(200);
    assert_eq!(app.stop().await, None);
}

#[tokio::test]
async fn a_handshake_has_the_time_of_a_head() {
    let (certificate, key) = (fixture("certificate.pem"), fixture("key.pem"));
    let settings = [("tls_certificate", &*certificate), ("tls_key", &key), ("head_timeout", "200ms")];
    let world = crate::world::World::with(&settings).await;
    let mut silent = world.anonymous().connect().await;
    let mut read = Vec::new();
    let ended = tokio::time::timeout(std::time::Duration::from_secs(30), silent.read_to_end(&mut read)).await;
    assert!(ended.is_ok(), "the connection is still open");
}
