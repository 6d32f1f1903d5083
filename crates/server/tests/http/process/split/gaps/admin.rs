//! What an administrator does to Kafka, in its own protocol: a few requests, so that the tests need no client library.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

/// Partitions of each topic, as a shop creates them by default.
const PARTITIONS: i32 = 12;

/// How long the broker may take for an answer.
const ANSWER_WAIT: Duration = Duration::from_mins(2);

const ANSWER_MS: i32 = 60_000;

/// The keys of requests, each with the version that is spoken: one that 3.9 and 4.1 know, without tagged fields.
const METADATA: (i16, i16) = (3, 1);
const OFFSET_COMMIT: (i16, i16) = (8, 2);
const OFFSET_FETCH: (i16, i16) = (9, 1);
const LIST_GROUPS: (i16, i16) = (16, 0);
const DELETE_TOPICS: (i16, i16) = (20, 1);
const DELETE_RECORDS: (i16, i16) = (21, 0);

/// A connection to the only broker.
pub struct Admin(TcpStream);

/// A request as it is written.
struct Request(Vec<u8>);

/// An answer as it is read.
struct Answer {
    bytes: Vec<u8>,
    at: usize,
}

impl Admin {
    pub fn of(url: &str) -> Self {
        let address = url.trim_start_matches("kafka://");
        let stream = TcpStream::connect(address).expect("the broker runs");
        stream.set_read_timeout(Some(ANSWER_WAIT)).expect("a timeout");
        Self(stream)
    }

    /// The group that has read this topic.
    pub fn group_of(&mut self, topic: &str) -> String {
        let mut answer = self.ask(&Request::new(LIST_GROUPS));
        assert_eq!(answer.short(), 0, "groups are listed");
        let groups: Vec<String> = (0..answer.int()).map(|_| (answer.text(), answer.text()).0).collect();
        let mut has_read = |group: &str| (0..PARTITIONS).any(|number| self.committed(group, topic, number) > 0);
        groups.iter().find(|group| has_read(group)).unwrap_or_else(|| panic!("{groups:?}")).clone()
    }

    /// The offset of a group; -1 when there is none.
    fn committed(&mut self, group: &str, topic: &str, partition: i32) -> i64 {
        let asked = Request::new(OFFSET_FETCH).text(group).int(1).text(topic).int(1).int(partition);
        let mut answer = self.ask(&asked);
        assert_eq!((answer.int(), answer.text().as_str(), answer.int(), answer.int()), (1, topic, 1, partition));
        answer.long()
    }

    /// Sets the offsets of all partitions that the group has read, without any member of it.
    pub fn commit(&mut self, group: &str, topic: &str, offset: i64) {
        let read: Vec<i32> = (0..PARTITIONS).filter(|number| self.committed(group, topic, *number) > 0).collect();
        let count = i32::try_from(read.len()).expect("a count");
        let asked = Request::new(OFFSET_COMMIT).text(group).int(-1).text("").long(-1).int(1).text(topic).int(count);
        let asked = read.iter().fold(asked, |asked, number| asked.int(*number).long(offset).text(""));
        let mut answer = self.ask(&asked);
        assert_eq!((answer.int(), answer.text().as_str(), answer.int()), (1, topic, count));
        for _ in 0..count {
            assert_eq!((answer.int() >= 0, answer.short()), (true, 0), "an offset is committed");
        }
    }

    /// Deletes all records, as if their retention had passed.
    pub fn delete_records(&mut self, topic: &str) {
        let asked = Request::new(DELETE_RECORDS).int(1).text(topic).int(PARTITIONS);
        // Up to the end of each partition.
        let mut answer =
            self.ask(&(0..PARTITIONS).fold(asked, |asked, number| asked.int(number).long(-1)).int(ANSWER_MS));
        let throttled = answer.int();
        assert_eq!((throttled, answer.int(), answer.text().as_str(), answer.int()), (0, 1, topic, PARTITIONS));
        for _ in 0..PARTITIONS {
            assert_eq!((answer.int() >= 0, answer.long() >= 0, answer.short()), (true, true, 0), "they are deleted");
        }
    }

    pub fn delete_topic(&mut self, topic: &str) {
        let mut answer = self.ask(&Request::new(DELETE_TOPICS).int(1).text(topic).int(ANSWER_MS));
        let throttled = answer.int();
        assert_eq!((throttled, answer.int(), answer.text().as_str(), answer.short()), (0, 1, topic, 0));
    }

    /// Whether there is such a topic.
    pub fn has(&mut self, topic: &str) -> bool {
        let mut answer = self.ask(&Request::new(METADATA).int(-1));
        for _ in 0..answer.int() {
            let (_node, _host, _port, _rack) = (answer.int(), answer.text(), answer.int(), answer.text());
        }
        let _controller = answer.int();
        (0..answer.int()).any(|_| {
            let (error, name, _internal) = (answer.short(), answer.text(), answer.byte());
            for _ in 0..answer.int() {
                let (_error, _partition, _leader) = (answer.short(), answer.int(), answer.int());
                for _replicas_and_in_sync in 0..2 {
                    for _ in 0..answer.int() {
                        answer.int();
                    }
                }
            }
            error == 0 && name == topic
        })
    }

    fn ask(&mut self, request: &Request) -> Answer {
        let length = i32::try_from(request.0.len()).expect("a length");
        self.0.write_all(&[&length.to_be_bytes()[..], &request.0].concat()).expect("sent");
        let mut length = [0; 4];
        self.0.read_exact(&mut length).expect("an answer");
        let mut bytes = vec![0; usize::try_from(i32::from_be_bytes(length)).expect("a length")];
        self.0.read_exact(&mut bytes).expect("a whole answer");
        // The number of the request comes first.
        Answer { bytes, at: 4 }
    }
}

impl Request {
    fn new((key, version): (i16, i16)) -> Self {
        let header = Self(Vec::new()).short(key).short(version);
        // The number of the request: there is one at a time.
        header.int(1).text("test")
    }

    fn short(mut self, value: i16) -> Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    fn int(mut self, value: i32) -> Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    fn long(mut self, value: i64) -> Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    fn text(self, text: &str) -> Self {
        let mut request = self.short(i16::try_from(text.len()).expect("a short text"));
        request.0.extend(text.as_bytes());
        request
    }
}

impl Answer {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let taken = self.bytes[self.at..self.at + N].try_into().expect("so many bytes");
        self.at += N;
        taken
    }

    fn byte(&mut self) -> u8 {
        u8::from_be_bytes(self.take())
    }

    fn short(&mut self) -> i16 {
        i16::from_be_bytes(self.take())
    }

    fn int(&mut self) -> i32 {
        i32::from_be_bytes(self.take())
    }

    fn long(&mut self) -> i64 {
        i64::from_be_bytes(self.take())
    }

    /// Empty when it is absent.
    fn text(&mut self) -> String {
        let length = usize::try_from(self.short()).unwrap_or(0);
        let text = String::from_utf8_lossy(&self.bytes[self.at..self.at + length]).into_owned();
        self.at += length;
        text
    }
}
