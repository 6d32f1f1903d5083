//! Clients that are no code of ours read what we publish, and what they publish is read.

use std::{
    collections::BTreeMap,
    io::Write,
    process::{Command, Stdio},
};

use tradewind_engine::ports::{Broker, BrokerMessage, HeaderValue, Incoming};
use tradewind_testkit::broker_suite::BrokerUnderTest;

use crate::server::{Door, QUIET, TRIES, door};

fn kcat(door: &Door, arguments: &[&str], input: &str) -> String {
    let mut kcat = Command::new("kcat");
    kcat.args(["-q", "-b", &door.server().address]).args(arguments);
    let spawned = kcat.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn();
    let mut running = spawned.expect("kcat can be run: `apt-get install kcat` installs it");
    running.stdin.take().expect("its input").write_all(input.as_bytes()).expect("it reads");
    let output = running.wait_with_output().expect("it ends");
    assert!(output.status.success(), "kcat fails");
    String::from_utf8(output.stdout).expect("text")
}

fn hears(door: &Door, topic: &str, count: usize) -> Vec<Incoming> {
    let topics = [topic.to_owned()];
    let mut subscription = door.broker().subscribe(&door.name("group"), &topics).expect("it connects later");
    let mut heard = Vec::new();
    for _ in 0..TRIES {
        heard.extend(subscription.poll(100, QUIET).unwrap_or_default());
        if heard.len() >= count {
            return heard;
        }
    }
    panic!("{count} messages were expected, and {} came", heard.len())
}

/// The hash of the Java client, with the values that its own tests have.
fn murmur2(key: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mut hash = 0x9747_b28c ^ u32::try_from(key.len()).expect("a short key");
    let mut chunks = key.chunks_exact(4);
    for chunk in &mut chunks {
        let mut word = u32::from_le_bytes(chunk.try_into().expect("four bytes")).wrapping_mul(M);
        word = (word ^ (word >> 24)).wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ word;
    }
    let rest = chunks.remainder();
    if !rest.is_empty() {
        for (place, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * place);
        }
        hash = hash.wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[test]
fn a_key_is_in_the_partition_where_a_java_client_finds_it() {
    for (key, hash) in [
        ("21", -973_932_308_i32),
        ("foobar", -790_332_482),
        ("a-little-bit-long-string", -985_981_536),
        ("a-little-bit-longer-string", -1_486_304_829),
        ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
        ("abc", 479_470_107),
    ] {
        assert_eq!(murmur2(key.as_bytes()).cast_signed(), hash, "{key}");
    }
    let door = door();
    let topic = door.name("topic");
    let keys: Vec<String> = (0..50).map(|nth| format!("{nth}-{}", "k".repeat(nth % 9))).collect();
    let messages: Vec<_> = keys.iter().map(|key| BrokerMessage::new(&*topic, "{}").with_key(&**key)).collect();
    door.broker().publish(&messages).expect("published");
    let read = kcat(&door, &["-C", "-e", "-t", &topic, "-f", "%k %p\n"], "");
    let found: BTreeMap<&str, u32> =
        read.lines().filter_map(|line| line.split_once(' ')).map(|(key, p)| (key, p.parse().expect("one"))).collect();
    let expected: BTreeMap<&str, u32> =
        keys.iter().map(|key| (&**key, (murmur2(key.as_bytes()) & 0x7fff_ffff) % 3)).collect();
    assert_eq!(found, expected);
}

#[test]
fn kcat_reads_what_we_publish() {
    let door = door();
    let topic = door.name("topic");
    let message = BrokerMessage::new(&*topic, "{\"a\":1}").with_key("key").with_header("content-type", "text/x");
    let tombstone = BrokerMessage { body: None, ..BrokerMessage::new(&*topic, "").with_key("key") };
    door.broker().publish(&[message, tombstone]).expect("published");
    let read = kcat(&door, &["-C", "-e", "-t", &topic, "-f", "%k|%h|%S|%s\n"], "");
    assert_eq!(read, "key|content-type=text/x|7|{\"a\":1}\nkey||-1|\n");
}

#[test]
fn what_kcat_publishes_comes_whatever_it_is() {
    let door = door();
    let topic = door.name("topic");
    // The topic, as a subscription creates it.
    let mut subscription =
        door.broker().subscribe(&door.name("first"), std::slice::from_ref(&topic)).expect("it connects later");
    assert!((0..TRIES).any(|_| subscription.poll(0, QUIET).is_ok()));
    for compression in ["none", "gzip", "snappy", "lz4", "zstd"] {
        kcat(&door, &["-P", "-t", &topic, "-p", "0", "-z", compression, "-k", compression], "text\n");
    }
    kcat(&door, &["-P", "-t", &topic, "-p", "0", "-Z", "-k", "", "-H", "empty=", "-H", "none"], "null\n");
    let mut odd = Command::new("bash");
    // A header whose name is no UTF-8.
    let script = "printf text | kcat -P -b \"$1\" -t \"$2\" -p 0 -k odd -H $'n\\xffme=v' -H after=it";
    odd.args(["-c", script, "bash", &door.server().address, &topic]);
    assert!(odd.status().expect("bash can be run").success());
    let heard = hears(&door, &topic, 7);
    let keys: Vec<_> = heard.iter().map(|one| one.message.key.clone().map(|key| key.0).unwrap_or_default()).collect();
    assert_eq!(keys, [&b"none"[..], b"gzip", b"snappy", b"lz4", b"zstd", b"", b"odd"]);
    assert!(heard[..5].iter().all(|one| one.message.body.as_deref() == Some(b"text")));
    let text = |name: &str, value: &str| (name.to_owned(), HeaderValue::Text(value.into()));
    let null = |name: &str| (name.to_owned(), HeaderValue::Void);
    assert_eq!(heard[5].message.headers, [text("empty", ""), null("none")]);
    assert_eq!(heard[6].message.headers, [null("\u{fffd}"), text("after", "it")]);
}
