//! Messages of peers that do as they like: what no client library would send is a message like any other.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use tradewind_engine::ports::{Bytes, HeaderValue};

use crate::bench::{Bench, acknowledge, messages, publish, receive, subscribe};

/// A peer that writes what it wants.
struct Peer(TcpStream);

fn sized(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).expect("few bytes");
    [&length.to_be_bytes(), bytes].concat()
}

fn short(text: &str) -> Vec<u8> {
    [&[u8::try_from(text.len()).expect("few bytes")], text.as_bytes()].concat()
}

impl Peer {
    /// Logs in, and opens a channel with confirms.
    fn connect(address: &str) -> Self {
        let mut peer = Self(TcpStream::connect(address.trim_start_matches("amqp://")).expect("a server"));
        peer.0.write_all(b"AMQP\x00\x00\x09\x01").expect("a server");
        peer.read();
        let login = [&[0; 4][..], &short("PLAIN"), &sized(b"\0guest\0guest"), &short("en_US")].concat();
        peer.asks(0, [10, 11], &login);
        peer.sends(1, 0, &[[0, 10, 0, 31].as_slice(), &[0, 1, 0, 2, 0, 0, 0, 0]].concat());
        peer.asks(0, [10, 40], &[short("/"), vec![0, 0]].concat());
        peer.asks(1, [20, 10], &[0]);
        peer.asks(1, [85, 10], &[0]);
        peer
    }

    fn sends(&mut self, kind: u8, channel: u8, payload: &[u8]) {
        let frame = [&[kind, 0, channel], &sized(payload)[..], &[0xCE]].concat();
        self.0.write_all(&frame).expect("a connection");
    }

    fn asks(&mut self, channel: u8, [class, method]: [u8; 2], arguments: &[u8]) {
        self.sends(1, channel, &[&[0, class, 0, method], arguments].concat());
        self.read();
    }

    fn read(&mut self) {
        let mut header = [0; 7];
        self.0.read_exact(&mut header).expect("an answer");
        let size = u32::from_be_bytes([header[3], header[4], header[5], header[6]]) as usize;
        self.0.read_exact(&mut vec![0; size + 1]).expect("an answer");
    }

    /// Publishes a message with these properties, written out.
    fn publishes(&mut self, exchange: &str, (flags, properties): (u16, &[u8]), body: &str) {
        let publish = [&[0, 60, 0, 40, 0, 0][..], &short(exchange), &[0, 0]].concat();
        self.sends(1, 1, &publish);
        let size = (body.len() as u64).to_be_bytes();
        self.sends(2, 1, &[&[0, 60, 0, 0], &size[..], &flags.to_be_bytes(), properties].concat());
        if !body.is_empty() {
            self.sends(3, 1, body.as_bytes());
        }
        // The confirm.
        self.read();
    }
}

#[test]
fn poison_comes_as_a_message_and_the_next_one_after_it() {
    let bench = Bench::new();
    let (topic, group, mut publisher) = (bench.name("topic"), bench.name("group"), bench.broker());
    let mut subscription = subscribe(&publisher, &group, &topic);
    publish(&mut publisher, &messages(&topic, [1]));
    let mut deep = b"\x01a".to_vec();
    for left in (0..20_000_u32).rev() {
        deep.extend([&b"A"[..], &(left * 5).to_be_bytes()].concat());
    }
    let (headers, message_id) = (1 << 13, 1 << 7);
    let mut peer = Peer::connect(&bench.server.address());
    peer.publishes(&topic, (headers, &sized(&deep)), "deep");
    peer.publishes(&topic, (headers, &sized(b"\x02\xffaV")), "name");
    peer.publishes(&topic, (message_id, b"\x02\xff\xfe"), "property");
    peer.publishes(&topic, (headers, &sized(b"\x0fx-tradewind-keyI\0\0\0\x07")), "key");
    peer.publishes(&topic, (0, b""), "");
    publish(&mut publisher, &messages(&topic, [2]));
    let received = receive(&mut *subscription, 7);
    let of = |nth: usize| &received[nth].message;
    assert_eq!(crate::bench::bodies(&received), ["1", "deep", "name", "property", "key", "", "2"]);
    assert_eq!(of(1).headers, [("x-tradewind-raw-headers".to_owned(), HeaderValue::Binary(Bytes(deep)))]);
    assert_eq!(of(2).headers, [("\\xffa".to_owned(), HeaderValue::Void)]);
    assert_eq!(of(3).properties.message_id.as_deref(), Some("\\xff\\xfe"));
    assert_eq!((of(4).key.clone(), &*of(4).headers[0].0), (None, "x-tradewind-key"));
    acknowledge(&mut *subscription, &received);
}
