//! What the relay is compared with: Debezium's outbox event router on Kafka Connect, and a PostgreSQL that it reads.

use std::{
    fs,
    io::{BufWriter, Write},
    process::{Command, Stdio},
    time::Duration,
};

use crate::{
    Failure, host,
    postgres::Postgres,
    run::World,
    server::Meanwhile,
    servers::Server,
    topics::{Received, Topics},
};

const SETTINGS: &str = include_str!("../debezium/outbox.properties");
const SCHEMA: &str = include_str!("../debezium/schema.sql");
const ORDER: &str = include_str!("../debezium/order.sql");

/// Its topic.
pub const TOPIC: &str = "outbox.shop";

/// Of a separator and a quote that no event has: both are control characters, which JSON escapes.
const COPY: &str = r"COPY staged (key, payload) FROM STDIN (FORMAT csv, DELIMITER E'\x01', QUOTE E'\x02')";

/// How many sessions place orders. So many are enough for a few hundred a second.
const CLIENTS: &str = "8";

/// A connector that runs.
pub struct Debezium {
    connect: Server,
    postgres: Postgres,
    /// Rows that were written into the outbox by [`Self::fill`].
    pub written: u64,
}

impl Debezium {
    /// Starts both. The topic is there once the first event is.
    pub fn start(world: &mut World, kafka: &Server) -> Result<Self, Failure> {
        // A session that is paused is not given up.
        let settings = ["wal_level=logical", "wal_sender_timeout=0"];
        let postgres = Postgres::without_tables(world.folder()?.join("postgres"), &settings)?;
        postgres.run(SCHEMA)?;
        let folder = world.folder()?;
        let (file, order) = (folder.join("outbox.properties"), folder.join("order.sql"));
        fs::write(&file, format!("{SETTINGS}database.port={}\n", postgres.port()))?;
        fs::write(&order, ORDER)?;
        let file = file.display().to_string();
        let connect =
            Server::start("connect", folder.join("connect"), &["--broker", &kafka.told, "--settings", &file])?;
        Ok(Self { connect, postgres, written: 0 })
    }

    /// Keeps events, to be written into the outbox later. Gives how many there were.
    pub fn stage(&self, mut next: impl FnMut() -> Result<Option<Received>, Failure>) -> Result<u64, Failure> {
        let mut psql = self.postgres.client("psql");
        psql.args(["--quiet", "--set=ON_ERROR_STOP=1", "--command", COPY, "postgres"]).stdin(Stdio::piped());
        let mut child = psql.spawn()?;
        let mut rows = BufWriter::new(child.stdin.take().ok_or("psql reads nothing")?);
        let mut count = 0;
        while let Some(Received { key, payload }) = next()? {
            for piece in [&key[..], b"\x01", &payload, b"\n"] {
                rows.write_all(piece)?;
            }
            count += 1;
        }
        drop(rows);
        if child.wait()?.success() { Ok(count) } else { Err("psql has failed".into()) }
    }

    /// Writes so many of them into the outbox.
    pub fn fill(&mut self, events: u64) -> Result<(), Failure> {
        self.postgres.run(&format!("SET synchronous_commit = off; CALL fill_outbox({events});"))?;
        self.written += events;
        Ok(())
    }

    /// Transactions of an order each come at this rate, for so many seconds.
    pub fn orders(&self, a_second: u32, seconds: u32) -> Result<Meanwhile, Failure> {
        let order = self.connect.folder().with_file_name("order.sql");
        let mut pgbench = self.postgres.client("pgbench");
        pgbench.args(["--no-vacuum", "--protocol=prepared", "--client", CLIENTS, "--rate", &a_second.to_string()]);
        pgbench.args(["--time", &seconds.to_string(), "--file"]).arg(order).arg("postgres");
        Ok(Meanwhile(pgbench.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?))
    }

    /// The processor time of Connect, and of the session of PostgreSQL that reads the log for it.
    pub fn spent(&self) -> Result<(Duration, Duration), Failure> {
        let walsender = host::spent_by_children(self.postgres.pid()?, "walsender")?;
        Ok((host::spent_by(self.connect.pid()?)?, walsender))
    }

    /// Connect stands still until [`Self::resume`].
    pub fn pause(&self) -> Result<(), Failure> {
        self.signal("-STOP")
    }

    pub fn resume(&self) -> Result<(), Failure> {
        self.signal("-CONT")
    }

    fn signal(&self, signal: &str) -> Result<(), Failure> {
        let told = Command::new("kill").args([signal, &self.connect.pid()?.to_string()]).status()?;
        if told.success() { Ok(()) } else { Err("Kafka Connect has ended by itself".into()) }
    }

    /// Waits until its topic has so many messages; not longer than this.
    pub fn published(kafka: &Server, messages: u64, at_most: Duration) -> Result<(), Failure> {
        let every = Duration::from_millis(100);
        let all =
            || Topics::find(&kafka.told, TOPIC).and_then(|topic| topic.messages()).is_ok_and(|has| has >= messages);
        if host::until_every(every, at_most, all) { Ok(()) } else { Err("Debezium does not publish everything".into()) }
    }
}
