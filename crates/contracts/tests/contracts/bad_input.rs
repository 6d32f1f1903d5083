//! What bad input gets: a reason by name, in bounded memory, never a panic.

use std::path::Path;

use crate::loading::{load, settings};
use serde_json::{Value, json};
use tradewind_contracts::{Arrival, Draft, Pack, Reason, Refusal, Settings, limits, unhex};
use tradewind_events::{Timestamp, broker::BrokerMessage};

const NOON: Timestamp = Timestamp::from_millis(1_769_860_800_000);

struct Bench {
    pack: Pack,
    settings: Settings,
}

impl Bench {
    fn new(name: &str) -> Self {
        let pack = load(name);
        let settings = settings(&pack);
        Self { pack, settings }
    }

    fn import(&self, channel: &str, body: impl Into<Vec<u8>>) -> Result<Draft<'_>, Refusal> {
        self.receive(&BrokerMessage::new(channel, body))
    }

    fn receive(&self, message: &BrokerMessage) -> Result<Draft<'_>, Refusal> {
        let arrival = Arrival { bridge: "bridge", position: Some("0-17"), time: Some(NOON) };
        self.pack.import(message, &arrival, &self.settings)
    }

    fn reason(&self, channel: &str, body: impl Into<Vec<u8>>) -> Reason {
        self.import(channel, body).err().expect("the message is refused").reason
    }
}

fn example(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts/stocklet/examples").join(name);
    let text = std::fs::read_to_string(path).expect("an example is text");
    unhex(&text.lines().filter(|line| !line.starts_with('#')).collect::<String>()).expect("an example is hexadecimal")
}

/// A field with a length.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    let mut length = bytes.len();
    while length >= 0x80 {
        out.push(u8::try_from(length & 0x7F).expect("seven bits") | 0x80);
        length >>= 7;
    }
    out.push(u8::try_from(length).expect("seven bits"));
    out.extend(bytes);
    out
}

#[test]
fn what_is_no_message_of_the_contract_is_refused_by_name() {
    let bench = Bench::new("stocklet");
    let tombstone = BrokerMessage { body: None, ..BrokerMessage::new("order.state.pending", "") };
    assert_eq!(bench.receive(&tombstone).err().unwrap().reason, Reason::Tombstone);
    assert_eq!(bench.reason("warehouse.reservation.reserved", ""), Reason::Empty);
    let mut framed = vec![0, 0, 0, 0, 1, 0];
    framed.extend(example("OrderPendingEvent.hex"));
    assert_eq!(bench.reason("order.state.pending", framed), Reason::SchemaRegistryFraming);
    assert_eq!(bench.reason("order.state.pending", vec![8; limits::BODY_BYTES_MAX + 1]), Reason::TooLarge);
    assert_eq!(bench.reason("order.state.pending", "{\"order_id\":1}"), Reason::NotProtobuf);
    assert_eq!(bench.reason("order.state.unheard", vec![8, 1]), Reason::ChannelUnknown);
    assert_eq!(bench.reason("order.state.pending", field(2, b"\xFF")), Reason::Utf8Invalid);
    let lines = |count: usize| -> Vec<u8> {
        let entry = |nth: usize| field(4, &[field(1, format!("sku-{nth}").as_bytes()), vec![16, 1]].concat());
        [field(2, b"1"), field(3, b"2"), (0..count).flat_map(entry).collect()].concat()
    };
    assert!(bench.import("order.state.pending", lines(limits::LINES_MAX)).is_ok());
    assert_eq!(bench.reason("order.state.pending", lines(limits::LINES_MAX + 1)), Reason::TooManyLines);
    assert_eq!(bench.reason("order.state.pending", lines(limits::ENTRIES_MAX + 1)), Reason::TooManyEntries);
}

#[test]
fn an_enumeration_is_known_zero_or_unknown() {
    let bench = Bench::new("stocklet");
    let success = example("PaymentProcessedEvent-success.hex");
    let of_type = |number: u8| {
        let mut body = success.clone();
        assert_eq!(body[2..4], [16, 2]);
        body[3] = number;
        body
    };
    assert_eq!(bench.reason("payment.processing", of_type(7)), Reason::EnumUnknown);
    assert_eq!(bench.reason("payment.processing", of_type(0)), Reason::TypeUnspecified);
    let absent = [&success[..2], &success[4..]].concat();
    assert_eq!(bench.reason("payment.processing", absent), Reason::TypeUnspecified);
    // Where the topic says the type, it need not.
    let reserved = example("StockReservationEvent-reserved.hex");
    let absent = [&reserved[..2], &reserved[4..]].concat();
    assert_eq!(bench.import("warehouse.reservation.consumed", absent).unwrap().event.name, "reservation.committed");
}

#[test]
fn an_amount_that_is_no_whole_cent_is_never_rounded() {
    let bench = Bench::new("stocklet");
    let balance = |amount: f32| [field(2, b"42"), vec![29], amount.to_le_bytes().to_vec()].concat();
    for bad in [24.999, -1.0, f32::NAN, f32::INFINITY, 0.001] {
        assert_eq!(bench.reason("payment.balance.created", balance(bad)), Reason::AmountNotExact, "{bad}");
    }
    let draft = bench.import("payment.balance.created", balance(24.99)).unwrap();
    assert_eq!(draft.data["balance_minor"], 2_499);
    let zero = bench.import("payment.balance.created", field(2, b"42")).unwrap();
    assert_eq!(zero.data["balance_minor"], 0);
}

#[test]
fn ids_are_escaped_or_refused() {
    let bench = Bench::new("stocklet");
    let deleted = |id: &str| [field(2, id.as_bytes()), field(3, b"ada@example.org")].concat();
    let id_of = |id: &str| bench.import("user.state.deleted", deleted(id)).map(|draft| draft.data["user_id"].clone());
    assert_eq!(id_of("a b").unwrap(), json!("a%20b"));
    assert_eq!(id_of("é").unwrap(), json!("%C3%A9"));
    assert_eq!(id_of(&"x".repeat(65)).unwrap_err().reason, Reason::IdTooLong);
    let without = bench.import("user.state.deleted", deleted("")).unwrap();
    let refusal = without.complete(&json!({}), &bench.settings).unwrap_err();
    assert_eq!((refusal.reason, refusal.at.as_str()), (Reason::FieldMissing, "user_id"));
}

#[test]
fn what_only_a_row_knows_is_wanted_and_then_there() {
    let bench = Bench::new("stocklet");
    let body = [field(2, b"42"), field(3, b"ada.king@example.org")].concat();
    let draft = bench.import("user.attr.email", body).unwrap();
    assert_eq!(draft.wanted().get("previous_email").map(String::as_str), Some("row.user.email"));
    let refusal = draft.complete(&json!({}), &bench.settings).unwrap_err();
    assert_eq!((refusal.reason, refusal.at.as_str()), (Reason::RowMissing, "previous_email"));
    let rows = json!({"user": {"email": "ada@example.org"}});
    let completed = draft.complete(&rows, &bench.settings).unwrap();
    assert_eq!(completed.event.name(), "user.email_changed");
    assert_eq!(completed.data["previous_email"], "ada@example.org");
}

#[test]
fn an_event_id_is_of_the_header_and_the_payload_else_of_the_position() {
    let bench = Bench::new("stocklet");
    let body = example("OrderCreatedEvent.hex");
    let with = |header: &str, body: &[u8]| {
        bench.receive(&BrokerMessage::new("order.state.created", body).with_header("id", header)).unwrap().id
    };
    let id = with("17", &body);
    assert_eq!(id, with("17", &body));
    assert_ne!(id, with("18", &body));
    assert_ne!(id, with("17", &example("OrderPendingEvent.hex")));
    assert!(id.starts_with("bridge-") && id.len() == "bridge-".len() + 32);
    let without = bench.import("order.state.created", body.clone()).unwrap().id;
    assert_ne!(without, id);
}

#[test]
fn a_time_of_no_year_is_refused() {
    let bench = Bench::new("stocklet");
    let message = BrokerMessage::new("order.state.created", example("OrderCreatedEvent.hex"));
    let micros =
        Arrival { bridge: "bridge", time: Some(Timestamp::from_millis(1_769_860_800_000_000)), position: None };
    let refusal = bench.pack.import(&message, &micros, &bench.settings).err().unwrap();
    assert_eq!(refusal.reason, Reason::TimeInvalid);
}

#[test]
fn no_refusal_shows_a_value() {
    let bench = Bench::new("native");
    let body = |data: Value| {
        json!({"specversion": "1.0", "type": "user.deleted", "dataversion": 1, "id": "e", "source": "identity",
               "subject": "user/1", "partitionkey": "1", "time": "2026-01-31T12:00:00Z", "sequence": "1",
               "correlationid": "c", "data": data})
        .to_string()
    };
    let secret = "ada.secret@example.org";
    for data in [json!({"user_id": [secret], "email": secret}), json!({"user_id": "u", "email": {"a": secret}})] {
        let draft = bench.import("tradewind.identity", body(data)).unwrap();
        let refusal = draft.complete(&json!({}), &bench.settings).unwrap_err();
        assert!(!refusal.to_string().contains("secret"), "{refusal}");
    }
    let refusal = bench.import("tradewind.identity", body(json!(secret))).err().unwrap();
    assert_eq!((refusal.reason, refusal.at.as_str()), (Reason::SchemaMismatch, "data"));
    assert!(!refusal.to_string().contains("secret"), "{refusal}");
    let unknown = body(json!({})).replace("\"dataversion\":1", "\"dataversion\":2");
    assert_eq!(bench.reason("tradewind.identity", unknown), Reason::MajorUnknown);
    let unknown = body(json!({})).replace("user.deleted", "user.renamed");
    assert_eq!(bench.reason("tradewind.identity", unknown), Reason::TypeUnknown);
    for (bad, reason) in [
        ("", Reason::Empty),
        ("{", Reason::NotJson),
        ("[]", Reason::SchemaMismatch),
        (r#"{"a":1,"a":2}"#, Reason::DuplicateKey),
        (r#"{"a":NaN}"#, Reason::NumberNotFinite),
        ("\u{0}\u{0}\u{0}\u{0}\u{1}{}", Reason::SchemaRegistryFraming),
    ] {
        assert_eq!(bench.reason("tradewind.identity", bad), reason, "{bad:?}");
    }
}
