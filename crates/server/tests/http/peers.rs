//! The peers file: what is read from it, and what each error says.

use std::fs;

use tradewind::{
    peers::{PEERS_BYTES_MAX, Peers},
    services,
};

use crate::{tls::fixture, world::Directory};

const FRONT: &str =
    "[[peer]]\nname = \"front\"\nurl = \"http://127.0.0.1:8080\"\nservices = [\"query\", \"identity\"]\n";

/// The services that `front` does not serve.
const OTHERS: &str = "\"catalog\", \"inventory\", \"carts\", \"orders\", \"payments\", \"shipping\", \"notifications\"";

fn read(content: impl AsRef<[u8]>) -> Result<Peers, String> {
    let directory = Directory::new();
    let path = directory.0.join("peers.toml");
    fs::write(&path, content).unwrap();
    let read = Peers::read(&path).map_err(|error| error.to_string());
    read.map_err(|error| error.replace(&directory.0.display().to_string(), "DIR"))
}

fn back(lines: &str) -> String {
    format!("[[peer]]\nname = \"back\"\n{lines}\n")
}

#[test]
fn each_service_is_found_at_its_peer() {
    let back = back(&format!("url = \"http://[::1]:8081\"\nservices = [{OTHERS}]"));
    let peers = read(format!("{FRONT}{back}")).unwrap();
    assert_eq!(peers.all().len(), 2);
    assert_eq!(peers.named("front").unwrap().services, ["identity", "query"]);
    for service in services::NAMES {
        let expected = if matches!(service, "identity" | "query") { "front" } else { "back" };
        assert_eq!(&*peers.of_service(service).unwrap().name, expected, "{service}");
    }
    assert!(peers.of_service("billing").is_none());
    assert_eq!(&*peers.with_services(&["query", "identity"]).unwrap().name, "front");
    assert!(peers.with_services(&["query"]).is_none());
    let url = &peers.named("back").unwrap().url;
    assert_eq!((url.host(), url.port(), url.is_secure()), ("::1", 8081, false));
}

#[test]
fn a_trusted_certificate_is_read_beside_the_file() {
    let directory = Directory::new();
    fs::copy(fixture("certificate.pem"), directory.0.join("ca.pem")).unwrap();
    let path = directory.0.join("peers.toml");
    let all = services::NAMES.map(|name| format!("{name:?}")).join(",");
    let file = format!("[[peer]]\nname = \"shop\"\nurl = \"https://shop\"\ntrusted = \"ca.pem\"\nservices = [{all}]");
    fs::write(&path, &file).unwrap();
    let peers = Peers::read(&path).unwrap();
    assert!(peers.all()[0].url.is_secure() && peers.all()[0].trust.is_some());
    fs::remove_file(directory.0.join("ca.pem")).unwrap();
    let error = Peers::read(&path).unwrap_err().to_string();
    assert!(error.contains("peers.toml, line 4: the certificates in ") && error.contains("ca.pem"), "{error}");
}

#[test]
fn what_is_wrong_is_named_with_its_line() {
    let same_url = format!("url = \"HTTP://127.0.0.1:8080/\"\nservices = [{OTHERS}]");
    let url = "url = \"http://b\"";
    let cases = [
        ("[[peer]\n".to_owned(), "line 1: "),
        ("[[peer]]\nname = 1\n".to_owned(), "line 2: invalid type: integer `1`, expected a string"),
        ("[[peers]]\n".to_owned(), "line 1: unknown field `peers`, expected `peer`"),
        (
            FRONT.replace("url", "uri"),
            "line 3: unknown field `uri`, expected one of `name`, `url`, `trusted`, `services`",
        ),
        ("[[peer]]\nurl = \"http://a\"\nservices = []\n".to_owned(), "line 1: missing field `name`"),
        (FRONT.replace("\"front\"", "\"\""), "line 2: the name \"\" must have 1 to 32"),
        (FRONT.replace("front", "Front"), "line 2: the name \"Front\" must have 1 to 32"),
        (FRONT.replace("front", &"f".repeat(33)), "lower-case letters, digits and hyphens, and start with a letter"),
        (format!("{FRONT}{FRONT}"), "line 6: there are two peers with the name `front`"),
        (format!("{FRONT}{}", back(&same_url)), "line 7: the peer `front` has the same URL"),
        (FRONT.replace("http:", "ftp:"), "line 3: \"ftp://127.0.0.1:8080\" is no address of a shop"),
        (
            FRONT.replace("\"identity\"", "\"sales\""),
            "line 4: there is no service \"sales\"; the services are identity,",
        ),
        (FRONT.replace("\"identity\"", "\"query\""), "line 4: `query` is listed twice"),
        (
            format!("{FRONT}{}", back(&format!("{url}\nservices = [\"query\"]"))),
            "line 8: `query` already belongs to the peer `front`",
        ),
        (format!("{FRONT}{}", back(&format!("{url}\nservices = []"))), "line 5: the peer `back` has no service"),
        (FRONT.to_owned(), "has no peer with catalog, inventory, carts, orders, payments, shipping, notifications;"),
        (String::new(), "has no peer with identity, catalog,"),
        (format!("{FRONT}trusted = \"ca.pem\"\n"), "line 5: `trusted` is for a peer whose URL begins with https://"),
    ];
    for (content, expected) in cases {
        let error = read(&content).expect_err(&content);
        assert!(error.starts_with("the peers file DIR/peers.toml") && error.contains(expected), "{expected}: {error}");
    }
}

#[test]
fn a_file_that_is_no_peers_file_is_refused() {
    assert_eq!(read(b"name = \"\xff\"").unwrap_err(), "the peers file DIR/peers.toml is not UTF-8");
    let largest = "#".repeat(PEERS_BYTES_MAX);
    assert!(read(&largest).unwrap_err().contains("has no peer with"));
    assert!(read(format!("{largest}#")).unwrap_err().ends_with("is larger than 65536 bytes"));
    assert!(Peers::read("/dev/zero").unwrap_err().to_string().contains("larger"));
    let missing = Peers::read("/nowhere/peers.toml").unwrap_err().to_string();
    assert!(missing.starts_with("the peers file /nowhere/peers.toml cannot be read: No such file"), "{missing}");
}
