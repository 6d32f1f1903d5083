//! The command `tradewind gateway`, and the commands of operators against it.

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Command, Output, Stdio},
};

use crate::{
    town::{TWO_STORES, Town, order_of, peers_file},
    world::Directory,
};

fn tradewind(directory: &Directory, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tradewind"));
    command.current_dir(&directory.0).env_clear().args(arguments);
    command
}

/// What a command of staff prints.
async fn asked(town: &Town, arguments: &[&str]) -> Output {
    let url = format!("http://{}", town.anonymous().address);
    let directory = Directory::new();
    let mut command = tradewind(&directory, arguments);
    command.args(["--url", &url]).env("TRADEWIND_TOKEN", town.staff.token.as_deref().unwrap());
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

async fn printed(town: &Town, arguments: &[&str]) -> String {
    let output = asked(town, arguments).await;
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_gateway_says_what_it_needs() {
    let directory = Directory::new();
    let failed = |arguments: &[&str]| {
        let output = tradewind(&directory, arguments).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (status, told) = failed(&["gateway"]);
    assert!(status == Some(2) && told.contains("--peers FILE"), "{told}");
    let (status, told) = failed(&["gateway", "--peers", "nowhere.toml"]);
    assert!(status == Some(2) && told.contains("nowhere.toml"), "{told}");
    fs::write(directory.0.join("peers.toml"), "[[peer]]\nname = \"Front\"\n").unwrap();
    let (status, told) = failed(&["gateway", "--peers", "peers.toml"]);
    assert!(status == Some(2) && told.contains("peers.toml"), "{told}");
    let (status, told) = failed(&["gateway", "--peers", "peers.toml", "--currency", "EUR"]);
    assert!(status == Some(2) && told.contains("--currency"), "a gateway has no such setting: {told}");
    let (status, told) = failed(&["gateway", "--peers", "peers.toml", "--peer-pause-max", "0s"]);
    assert!(status == Some(2) && told.contains("peer_pause_max"), "{told}");
}

#[tokio::test]
async fn a_gateway_of_its_own_process_answers_and_ends_well() {
    let town = Town::laid_out(TWO_STORES, &[]).await;
    let directory = Directory::new();
    let peers = town.doors.iter().zip(TWO_STORES).enumerate();
    peers_file(
        &directory,
        peers.map(|(number, (door, services))| (format!("p{number}"), door.app.address(), *services)),
    );
    fs::write(directory.0.join("shop.toml"), "peers = \"peers.toml\"\ncurrency = \"EUR\"\nlisten = \"127.0.0.1:0\"\n")
        .unwrap();
    let mut command = tradewind(&directory, &["gateway", "--config", "shop.toml"]);
    let log = fs::File::create(directory.0.join("log")).unwrap();
    let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
    let open = BufReader::new(child.stdout.take().unwrap()).lines().next().unwrap().unwrap();
    let address = open.split("http://").nth(1).unwrap().split_whitespace().next().unwrap().parse().unwrap();
    let client = crate::client::Client { address, doors: None, ..town.staff.clone() };
    client.get("/v1/shipments").await.expect(200);
    client.get("/v1/orders").await.expect(200);
    client.get("/v1/planted-path?token=planted-query").await.refused(404, "route_unknown");
    let ended = Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert!(ended.success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let log = fs::read_to_string(directory.0.join("log")).unwrap();
    assert!(log.contains("the gateway is open") && log.contains(r#""route":"/v1/shipments""#), "{log}");
    for secret in ["planted", client.token.as_deref().unwrap()] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
}

#[tokio::test]
async fn operators_work_with_all_stores_through_a_gateway() {
    let town = Town::behind_a_gateway(TWO_STORES, &[]).await;
    town.stocks("tea", 10).await;
    let ada = town.buyer("ada", 0).await;
    for service in ["notifications", "shipping"] {
        let told = printed(&town, &["consumers", "pause", service, "--reason", "for the test"]).await;
        assert!(told.contains(&format!("{service} is paused")), "{told}");
    }
    town.settles_order(&ada, order_of("tea", 1, "external")).await;
    // Each store has something to park.
    town.anonymous().person("bob").await;
    town.settles().await;
    let consumers = printed(&town, &["consumers", "list"]).await;
    assert!(consumers.contains("STORE") && consumers.contains("part-1"), "{consumers}");
    let parked = printed(&town, &["parked", "--json"]).await;
    for store in ["part-0", "part-1"] {
        assert!(parked.contains(&format!(r#""store":"{store}""#)), "{parked}");
    }
    let one = printed(&town, &["parked", "--store", "part-1", "--json"]).await;
    assert!(!one.contains("part-0") && one.lines().count() < parked.lines().count(), "{one}");
    let row: serde_json::Value = serde_json::from_str(one.lines().next().unwrap()).unwrap();
    printed(&town, &["parked", "retry", row["id"].as_str().unwrap()]).await;
    let sagas = printed(&town, &["sagas"]).await;
    assert!(sagas.contains("priced"), "{sagas}");
    assert!(printed(&town, &["owed", "list"]).await.contains("Nothing is owed"));
    assert!(printed(&town, &["dead-letters", "list"]).await.contains("There are no dead letters"));
    assert!(printed(&town, &["consumers", "resume", "shipping"]).await.contains("shipping goes on"));
    let wrong = asked(&town, &["parked", "--store", "nowhere"]).await;
    assert_eq!(wrong.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("The stores are part-0, part-1"));
}

#[tokio::test]
async fn the_story_of_an_order_is_told_from_all_stores() {
    let town = Town::behind_a_gateway(TWO_STORES, &[]).await;
    town.stocks("tea", 10).await;
    let ada = town.buyer("ada", 50_000).await;
    let order = town.settles_order(&ada, order_of("tea", 2, "balance")).await;
    let told = printed(&town, &["story", &order.order_id]).await;
    for line in
        ["confirmed", "2 × tea at 10.00 EUR", "order.placed", "reservation.made", "payment.captured", "A request"]
    {
        assert!(told.contains(line), "{line} in {told}");
    }
    let json = printed(&town, &["story", &order.order_id, "--json"]).await;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let events = json["events"].as_array().unwrap();
    let mut names: Vec<&str> = events.iter().map(|event| event["name"].as_str().unwrap()).collect();
    let place = |name: &str| names.iter().position(|known| *known == name);
    // The read model receives the events of two stores in any order. A story has causes before effects.
    assert!(place("order.validated") < place("payment.authorized"), "{names:?}");
    assert!(place("payment.authorized") < place("reservation.committed"), "{names:?}");
    assert!(place("reservation.committed") < place("order.confirmed"), "{names:?}");
    let mut received = order.story().await;
    names.sort_unstable();
    received.sort_unstable();
    assert_eq!(names, received);
    assert_eq!((&json["order"]["status"], &json["events"][0]["number"]), (&"confirmed".into(), &1.into()));
    let unknown = asked(&town, &["story", "nobody"]).await;
    assert_eq!(unknown.status.code(), Some(1));
}
