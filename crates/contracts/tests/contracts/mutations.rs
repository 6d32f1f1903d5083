//! Whatever bytes come, translation and loader answer: with a value or with a reason, never with a panic.

use std::path::Path;

use tradewind_contracts::{Arrival, Pack, PackFiles, Settings, scaffold, unhex};
use tradewind_events::{Timestamp, broker::BrokerMessage};

use crate::loading::{load, settings};

/// What an input becomes when one thing of it is wrong: cut, a bit turned, a byte doubled, at every place.
fn mutations(body: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    (0..body.len()).flat_map(move |at| {
        let turned = |bit: u8| {
            let mut turned = body.to_vec();
            turned[at] ^= bit;
            turned
        };
        let doubled = [&body[..=at], &body[at..]].concat();
        [body[..at].to_vec(), doubled, turned(1), turned(0x10), turned(0x80)]
    })
}

fn import(pack: &Pack, channel: &str, body: Vec<u8>, settings: &Settings) -> Option<String> {
    let arrival = Arrival { bridge: "bridge", position: None, time: Some(Timestamp::from_millis(1_769_860_800_000)) };
    let message = BrokerMessage { routing_key: Some(channel.to_owned()), ..BrokerMessage::new("", body.clone()) };
    let by_topic = BrokerMessage::new(channel, body);
    let message = if pack.import(&by_topic, &arrival, settings).is_ok() { by_topic } else { message };
    pack.import(&message, &arrival, settings).map(|draft| draft.id).ok()
}

#[test]
fn a_damaged_message_is_read_or_refused() {
    for name in ["stocklet", "queues"] {
        let pack = load(name);
        let settings = settings(&pack);
        let mut read = 0;
        for message in pack.messages() {
            for example in &message.examples {
                let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts");
                let text = std::fs::read_to_string(root.join(name).join("examples").join(example)).unwrap();
                let body = match example.strip_suffix(".hex") {
                    Some(_) => unhex(&text.lines().filter(|line| !line.starts_with('#')).collect::<String>()).unwrap(),
                    None => text.into_bytes(),
                };
                assert!(import(&pack, &message.channel, body.clone(), &settings).is_some(), "{name}/{example}");
                for damaged in mutations(&body) {
                    read += usize::from(import(&pack, &message.channel, damaged, &settings).is_some());
                }
            }
        }
        assert!(read > 0, "no damaged message of {name} was read at all");
    }
}

#[test]
fn a_damaged_pack_is_loaded_or_listed() {
    let whole = scaffold("example").unwrap();
    let files = || whole.paths().map(|path| (path.to_owned(), whole.get(path).unwrap_or_default().to_vec()));
    for (path, bytes) in files() {
        let text = String::from_utf8(bytes).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        for nth in 0..lines.len() {
            let left: Vec<&str> =
                lines.iter().enumerate().filter(|(at, _)| *at != nth).map(|(_, line)| *line).collect();
            let cut = left.join("\n");
            let damaged = files()
                .map(|(name, bytes)| if name == path { (name, cut.clone().into_bytes()) } else { (name, bytes) });
            let loaded = Pack::load(&PackFiles::new("example", damaged).unwrap());
            assert!(loaded.is_ok() || !loaded.err().unwrap_or_default().is_empty(), "{path} without line {nth}");
        }
    }
}
