//! The binary itself: what it prints, what it logs, how it ends.

mod alone;
mod buyers;
mod clock;
#[cfg(feature = "contracts")]
mod contracts;
mod disk;
mod edge;
mod endings;
mod explorations;
mod failures;
mod files;
mod restores;
mod secrets;
mod signals;
mod simulations;
#[cfg(any(feature = "kafka", feature = "rabbitmq"))]
mod split;
mod starts;
mod visits;

use std::{
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Child, Command, Output, Stdio},
};

use serde_json::json;

use crate::{
    client::Client,
    world::{Directory, PASSWORD},
};

fn tradewind(directory: &Directory) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tradewind"));
    command.current_dir(&directory.0).env_clear();
    command
}

fn run(command: &mut Command) -> Output {
    command.output().unwrap()
}

fn serve(directory: &Directory) -> (Child, SocketAddr, String) {
    serve_with(directory, &[])
}

fn serve_with(directory: &Directory, flags: &[&str]) -> (Child, SocketAddr, String) {
    serve_by(tradewind(directory), directory, flags)
}

/// The same with a command that is prepared already.
fn serve_by(mut command: Command, directory: &Directory, flags: &[&str]) -> (Child, SocketAddr, String) {
    command.args(["serve", "--listen", "127.0.0.1:0", "--password-memory", "8KiB"]);
    let log_level = ["--log", "trace"];
    command.args(if flags.contains(&"--log") { &[] } else { &log_level[..] }).args(flags);
    let log = fs::File::create(directory.0.join("log")).unwrap();
    let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let open = lines.next().expect("it says where it is");
    let address = open.split("http://").nth(1).unwrap().split_whitespace().next().unwrap().parse().unwrap();
    let token = lines.nth(1).unwrap().trim().to_owned();
    (child, address, token)
}

fn terminated(mut child: Child) -> Option<i32> {
    terminate(&mut child)
}

fn terminate(child: &mut Child) -> Option<i32> {
    run(Command::new("kill").arg(child.id().to_string()));
    child.wait().unwrap().code()
}

#[tokio::test]
async fn a_stopped_shop_ends_well_and_its_log_has_no_secret() {
    let directory = Directory::new();
    let (child, address, admin_token) = serve(&directory);
    let client = Client::new(address);
    let new = json!({"token": admin_token, "email": "planted-address@example.org", "password": PASSWORD});
    client.post("/v1/first-admin", new).await.expect(201);
    let shown = json!({"email": "planted-address@example.org", "password": PASSWORD});
    let session = client.post("/v1/sessions", shown).await.expect(201);
    let wrong = json!({"email": "planted-address@example.org", "password": {"planted-mistake": 1}});
    client.post("/v1/sessions", wrong).await.refused(400, "body_invalid");
    client.get("/v1/planted-path?token=planted-query").await.refused(404, "route_unknown");
    let access_token = session.field("access_token");
    client.with_token(&access_token).get("/v1/me").await.expect(200);
    assert_eq!(terminated(child), Some(0));
    let log = fs::read_to_string(directory.0.join("log")).unwrap();
    assert!(log.contains("the shop is open") && log.contains(r#""route":"/v1/sessions""#), "{log}");
    let signature = access_token.rsplit('.').next().unwrap();
    for secret in [PASSWORD, "planted", &admin_token, signature, &session.field("refresh_token"), "127.0.0.1:5"] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
}

#[test]
fn a_store_has_one_owner_at_a_time() {
    let directory = Directory::new();
    let (child, ..) = serve(&directory);
    let second = run(tradewind(&directory).args(["serve", "--listen", "127.0.0.1:0"]));
    assert_eq!(second.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&second.stderr).contains("owned by another process"));
    assert_eq!(terminated(child), Some(0));
}

#[test]
fn a_wrong_value_names_itself() {
    let directory = Directory::new();
    fs::write(directory.0.join("shop.toml"), "listen = \"here\"\nreservaton_ttl = \"5m\"\n").unwrap();
    let unknown = run(tradewind(&directory).args(["config", "--config", "shop.toml"]));
    assert_eq!(unknown.status.code(), Some(2));
    let told = String::from_utf8_lossy(&unknown.stderr).into_owned();
    assert!(told.contains("\"reservaton_ttl\" (shop.toml, line 2); did you mean reservation_ttl?"), "{told}");
    fs::write(directory.0.join("shop.toml"), "\nlisten = \"here\"\n").unwrap();
    let many = run(tradewind(&directory)
        .args(["config", "--config", "shop.toml", "--order-deadline", "1 parsec"])
        .env("TRADEWIND_TAX_BP", "much"));
    let told = String::from_utf8_lossy(&many.stderr).into_owned();
    for line in [
        r#"listen is "here" (shop.toml, line 2); expected an IP address and a port"#,
        r#"order_deadline is "1 parsec" (the flag --order-deadline); expected a duration"#,
        r#"tax_bp is "much" (the environment variable TRADEWIND_TAX_BP); expected a whole number"#,
    ] {
        assert!(told.contains(line), "{line} in {told}");
    }
}

#[test]
fn a_flag_goes_before_the_environment_and_that_before_a_file() {
    let directory = Directory::new();
    fs::write(directory.0.join("shop.toml"), "tax_bp = 1\ndiscount_bp = 1\nshipping_minor = 1\n").unwrap();
    let shown = run(tradewind(&directory)
        .args(["config", "--tax-bp", "3"])
        .env("TRADEWIND_CONFIG", "shop.toml")
        .env("TRADEWIND_TAX_BP", "2")
        .env("TRADEWIND_DISCOUNT_BP", "2")
        .env("TRADEWIND_CART_SECRET", "planted cart secret"));
    let shown = String::from_utf8(shown.stdout).unwrap();
    for line in ["tax_bp = \"3\"", "discount_bp = \"2\"", "shipping_minor = \"1\"", "# cart_secret = \"***\""] {
        assert!(shown.lines().any(|shown| shown == line), "{line} in {shown}");
    }
    assert!(!shown.contains("planted"));
    fs::write(directory.0.join("again.toml"), &shown).unwrap();
    let again = run(tradewind(&directory).args(["config", "--config", "again.toml"]));
    let values = |text: &str| text.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n");
    assert_eq!(values(&String::from_utf8(again.stdout).unwrap()), values(&shown), "what is shown can be read again");
}

#[test]
fn a_secret_has_no_flag() {
    let directory = Directory::new();
    let refused = run(tradewind(&directory).args(["config", "--master-key", "a secret on a command line"]));
    assert_eq!(refused.status.code(), Some(2));
    let short = run(tradewind(&directory).args(["config"]).env("TRADEWIND_MASTER_KEY", "too short"));
    let told = String::from_utf8(short.stderr).unwrap();
    assert!(told.contains("master_key is no usable secret") && !told.contains("too short"), "{told}");
}
