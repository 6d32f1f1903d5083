//! The yardstick: a PostgreSQL of its own in a scratch folder, which does a whole order as one transaction.

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::chown,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use crate::Failure;

const SCHEMA: &str = include_str!("../one_tx/schema.sql");
const ONE_TX: &str = include_str!("../one_tx/one_tx.sql");

/// Where Debian puts the programs of a server.
const PROGRAMS: &str = "/usr/lib/postgresql/15/bin";

/// Who runs the server where this is run by root, whom it refuses.
const ACCOUNT: &str = "postgres";

/// More memory and rarer checkpoints than by default, in its favour. Durability is as by default, and said.
const SETTINGS: [&str; 6] = [
    "fsync=on",
    "synchronous_commit=on",
    "shared_buffers=512MB",
    "max_wal_size=8GB",
    "max_connections=300",
    "listen_addresses=''",
];

/// Clients at the same time; the best counts.
const CLIENTS: [u32; 3] = [1, 8, 32];

/// A server that runs until this is dropped.
pub struct Postgres {
    folder: PathBuf,
    port: u16,
    as_root: bool,
    /// How many clients were the fastest.
    clients: Option<u32>,
}

impl Postgres {
    /// Makes a database in this folder, which is not there yet, and starts a server on it.
    pub fn start(folder: &Path) -> Result<Self, Failure> {
        fs::create_dir(folder)?;
        let owner = fs::metadata(folder).map(|folder| std::os::unix::fs::MetadataExt::uid(&folder))?;
        // A port names the socket; nothing listens on the network.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let server = Self { folder: folder.to_owned(), port, as_root: owner == 0, clients: None };
        if server.as_root {
            let account = done(Command::new("id").args(["-u", ACCOUNT]))?;
            chown(folder, Some(String::from_utf8_lossy(&account.stdout).trim().parse()?), None)?;
        }
        done(
            server
                .program("initdb")
                .args(["--auth=trust", "--username=bench", "--no-sync", "--pgdata"])
                .arg(server.data()),
        )?;
        let settings: Vec<_> = SETTINGS.iter().map(|setting| format!("-c {setting}")).collect();
        let socket = format!("-k {} -p {port} {}", folder.display(), settings.join(" "));
        let log = folder.join("log");
        done(
            server
                .program("pg_ctl")
                .args(["start", "--wait", "--silent", "-D"])
                .arg(server.data())
                .arg("-l")
                .arg(&log)
                .args(["-o", &socket]),
        )
        .map_err(|failure| format!("{failure}\n{}", fs::read_to_string(&log).unwrap_or_default()))?;
        let schema = folder.join("schema.sql");
        fs::write(&schema, SCHEMA)?;
        fs::write(folder.join("one_tx.sql"), ONE_TX)?;
        done(server.client("psql").args(["--quiet", "--set=ON_ERROR_STOP=1", "--file"]).arg(&schema).arg("postgres"))?;
        Ok(server)
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
        let notes = self.folder.join("notes");
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
        pgbench.args(["--time", &seconds, "--file"]).arg(self.folder.join("one_tx.sql")).arg("postgres");
        pgbench
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// A program that only the owner of the data may run.
    fn program(&self, name: &str) -> Command {
        let path = Path::new(PROGRAMS).join(name);
        let mut command = Command::new(if self.as_root { Path::new("runuser") } else { &path });
        if self.as_root {
            command.args(["-u", ACCOUNT, "--"]).arg(&path);
        }
        command.current_dir(&self.folder);
        command
    }

    fn client(&self, name: &str) -> Command {
        let mut command = Command::new(Path::new(PROGRAMS).join(name));
        command.arg("--host").arg(&self.folder).args(["--username=bench", "--port", &self.port.to_string()]);
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let stopped = done(self.program("pg_ctl").args(["stop", "--silent", "--mode=fast", "-D"]).arg(self.data()));
        if let Err(failure) = stopped {
            crate::complain(format_args!("PostgreSQL is left over in {}: {failure}", self.folder.display()));
        }
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
