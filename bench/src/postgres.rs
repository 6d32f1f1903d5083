//! The yardstick: a PostgreSQL of its own in a scratch folder, which does a whole order as one transaction.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use crate::{Failure, servers::Server};

const SCHEMA: &str = include_str!("../one_tx/schema.sql");
const ONE_TX: &str = include_str!("../one_tx/one_tx.sql");

/// Where Debian puts the programs of a server.
const PROGRAMS: &str = "/usr/lib/postgresql/15/bin";

/// More memory and rarer checkpoints than by default, in its favour. Durability is as by default, and said.
const SETTINGS: [&str; 6] = [
    "fsync=on",
    "synchronous_commit=on",
    "shared_buffers=512MB",
    "max_wal_size=8GB",
    "max_connections=300",
    "listen_addresses=127.0.0.1",
];

/// Clients at the same time; the best counts.
const CLIENTS: [u32; 3] = [1, 8, 32];

/// A server that runs until this is dropped.
pub struct Postgres {
    server: Server,
    /// How many clients were the fastest.
    clients: Option<u32>,
}

impl Postgres {
    /// Makes a database in this folder, which is not there yet, and starts a server on it with the tables of `one_tx`.
    pub fn start(folder: PathBuf) -> Result<Self, Failure> {
        let postgres = Self::without_tables(folder, &[])?;
        fs::write(postgres.server.folder().join("one_tx.sql"), ONE_TX)?;
        postgres.run(SCHEMA)?;
        Ok(postgres)
    }

    /// The same without a table, and with further settings.
    pub fn without_tables(folder: PathBuf, settings: &[&str]) -> Result<Self, Failure> {
        let options: Vec<_> = SETTINGS.iter().chain(settings).flat_map(|setting| ["--set", setting]).collect();
        Ok(Self { server: Server::start("postgres", folder, &options)?, clients: None })
    }

    /// The process id of the server, whose sessions are its children.
    pub fn pid(&self) -> Result<u32, Failure> {
        self.server.pid()
    }

    pub fn port(&self) -> &str {
        &self.server.told
    }

    /// Runs statements.
    pub fn run(&self, sql: &str) -> Result<(), Failure> {
        let file = self.server.folder().join("statements.sql");
        fs::write(&file, sql)?;
        let mut psql = self.client("psql");
        done(psql.args(["--quiet", "--set=ON_ERROR_STOP=1", "--file"]).arg(&file).arg("postgres"))?;
        Ok(())
    }

    /// Orders a second, over so many seconds, with as many clients as were the fastest the first time.
    pub fn one_tx(&mut self, seconds: u32) -> Result<f64, Failure> {
        if let Some(clients) = self.clients {
            return self.with_clients(clients, seconds);
        }
        let mut best = (0.0, CLIENTS[0]);
        for clients in CLIENTS {
            let rate = self.with_clients(clients, seconds)?;
            if rate > best.0 {
                best = (rate, clients);
            }
        }
        self.clients = Some(best.1);
        Ok(best.0)
    }

    /// How many clients were the fastest.
    pub fn clients(&self) -> u32 {
        self.clients.unwrap_or_default()
    }

    fn with_clients(&self, clients: u32, seconds: u32) -> Result<f64, Failure> {
        let output = done(&mut self.pgbench(clients, seconds))?;
        rate_of(&String::from_utf8_lossy(&output.stdout))
    }

    /// Orders a second with so many clients, and how long the slowest hundredth of them took at least, in microseconds.
    /// That each one is noted for it makes them hardly slower.
    pub fn one_tx_timed(&self, clients: u32, seconds: u32) -> Result<(f64, f64), Failure> {
        let notes = self.server.folder().join("notes");
        fs::create_dir(&notes)?;
        let mut pgbench = self.pgbench(clients, seconds);
        pgbench.arg("--log").arg("--log-prefix").arg(notes.join("of"));
        let output = done(&mut pgbench)?;
        let mut micros = Vec::new();
        for thread in fs::read_dir(&notes)? {
            micros.extend(fs::read_to_string(thread?.path())?.lines().filter_map(micros_of));
        }
        fs::remove_dir_all(&notes)?;
        Ok((rate_of(&String::from_utf8_lossy(&output.stdout))?, percentile_99(micros)))
    }

    fn pgbench(&self, clients: u32, seconds: u32) -> Command {
        let (clients_text, threads, seconds) = (clients.to_string(), clients.min(2).to_string(), seconds.to_string());
        let mut pgbench = self.client("pgbench");
        pgbench.args(["--no-vacuum", "--protocol=prepared", "--client", &clients_text, "--jobs", &threads]);
        pgbench.args(["--time", &seconds, "--file"]).arg(self.server.folder().join("one_tx.sql")).arg("postgres");
        pgbench
    }

    pub fn client(&self, name: &str) -> Command {
        let mut command = Command::new(Path::new(PROGRAMS).join(name));
        command.arg("--host").arg(self.server.folder()).args(["--username=bench", "--port", self.port()]);
        command
    }
}

/// What pgbench says, if it did everything that it tried.
fn rate_of(told: &str) -> Result<f64, Failure> {
    let after = |name: &str| told.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next());
    if after("number of failed transactions: ") != Some("0") {
        return Err(format!("transactions have failed:\n{told}").into());
    }
    let rate = after("tps = ").ok_or_else(|| format!("pgbench tells no rate:\n{told}"))?;
    Ok(rate.parse()?)
}

/// How long a transaction took that pgbench has noted: `client transaction microseconds …`.
fn micros_of(note: &str) -> Option<f64> {
    note.split_whitespace().nth(2)?.parse().ok()
}

/// What 99 of 100 take at most; of none it is 0.
fn percentile_99(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let nth = (values.len() * 99).div_ceil(100).saturating_sub(1);
    values.get(nth).copied().unwrap_or_default()
}

fn done(command: &mut Command) -> Result<Output, Failure> {
    let output = command.output().map_err(|error| format!("{}: {error}", command.get_program().display()))?;
    if output.status.success() {
        return Ok(output);
    }
    Err(format!("{command:?} has failed: {}", String::from_utf8_lossy(&output.stderr)).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_counts_only_when_nothing_has_failed() {
        let told = |failed: u32| {
            format!("number of failed transactions: {failed} (0.0%)\ntps = 3200.5 (without initial connection time)\n")
        };
        assert!((rate_of(&told(0)).unwrap() - 3_200.5).abs() < f64::EPSILON);
        assert!(rate_of(&told(1)).is_err());
        assert!(rate_of("").is_err());
    }

    #[test]
    fn the_slowest_hundredth_is_left_out() {
        let notes = (1..=200).map(|nth| format!("0 {nth} {} 0 1700000000 1", nth * 10));
        let micros: Vec<f64> = notes.filter_map(|note| micros_of(&note)).collect();
        assert!((percentile_99(micros) - 1_980.0).abs() < f64::EPSILON);
        assert!(percentile_99(Vec::new()).abs() < f64::EPSILON);
        assert_eq!(micros_of("progress"), None);
    }
}
