//! A peer in Python: `confluent-kafka` and `pika` read what a shop publishes, and publish what it consumes.

use std::{
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
};

use serde_json::Value;

use super::Shop;

/// Names the Python that has both clients.
const VARIABLE: &str = "TRADEWIND_PEERS_PYTHON";

/// A topic as a peer sees it.
pub struct Topic {
    broker: String,
    name: String,
}

impl Topic {
    /// The topic of a service of the shop. What is published from now on can be read.
    pub fn of(shop: &Shop, service: &str) -> Self {
        // The peer is a user like the shop's default one.
        let topic = Self { broker: shop.broker_url.clone(), name: format!("tradewind.{service}") };
        topic.run("prepare", &[]);
        topic
    }

    /// All messages that the topic has.
    pub fn read(&self) -> Vec<Value> {
        self.run("read", &[]).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    pub fn publish(&self, messages: &[Value]) {
        self.run("publish", messages);
    }

    /// Publishes what the broker refuses; what the client says of it.
    pub fn refuses(&self, messages: &[Value]) -> String {
        let output = self.try_run("publish", messages);
        assert!(!output.status.success(), "{} takes it", self.name);
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    fn run(&self, command: &str, input: &[Value]) -> String {
        let output = self.try_run(command, input);
        assert!(
            output.status.success(),
            "{command} {} fails: this test needs a Python with confluent-kafka and pika. `./test` installs one, and \
             {VARIABLE} names it.\n{}",
            self.name,
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    fn try_run(&self, command: &str, input: &[Value]) -> Output {
        #[expect(clippy::disallowed_methods, reason = "a test has no configuration")]
        let python = std::env::var(VARIABLE).unwrap_or_else(|_| "python3".to_owned());
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/peer.py");
        let mut peer = Command::new(&python);
        peer.arg(script).args([&self.broker, command, &self.name]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut peer = peer.stderr(Stdio::piped()).spawn().unwrap_or_else(|error| panic!("{python}: {error}"));
        let lines: Vec<String> = input.iter().map(|message| format!("{message}\n")).collect();
        let mut stdin = peer.stdin.take().unwrap();
        // A peer that ends without reading says why.
        drop(stdin.write_all(lines.concat().as_bytes()));
        drop(stdin);
        peer.wait_with_output().unwrap()
    }
}
