//! The real binary: a shop that runs as its users run it, and the load that is put on it.

use std::{
    fs,
    io::{self, BufRead, BufReader, Lines},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};

use crate::{Failure, host, http, store::Audited};

/// What only this shop knows.
const PASSWORD: &str = "correct horse battery staple";

/// The longest that a shop may take to answer after its start, and to stop.
const PATIENCE: Duration = Duration::from_mins(2);

/// A shop on a store of its own.
pub struct Shop {
    /// `tradewind`: what loads and audits the shop.
    binary: PathBuf,
    /// What serves it, and its further settings.
    server: (PathBuf, Vec<String>),
    pub store: PathBuf,
    port: u16,
    /// Where its clients connect: to a gateway, or to itself.
    entry: u16,
    token: String,
}

/// A shop while it runs. Dropping it kills it.
pub struct Life {
    child: Child,
    /// Kept open: who writes into a pipe that nobody reads is stopped by that.
    _out: Lines<BufReader<ChildStdout>>,
}

/// What `tradewind load` has told.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Loaded {
    pub confirmed: u64,
    pub rejected: u64,
    /// Neither of the two, or no answer.
    pub others: u64,
    pub took_seconds: f64,
    pub p50_micros: f64,
    pub p99_micros: f64,
}

impl Loaded {
    /// Orders that came to an end a second. None where one has come to what was not foreseen.
    pub fn ended_per_second(&self) -> f64 {
        if self.others > 0 { 0.0 } else { per_second(self.confirmed + self.rejected, self.took_seconds) }
    }

    fn of(told: &Value) -> Self {
        let counts = |name: &str| told[name].as_object().into_iter().flatten();
        let mut loaded = Self {
            took_seconds: told["took_seconds"].as_f64().unwrap_or(f64::INFINITY),
            p50_micros: told["latency_micros"]["p50"].as_f64().unwrap_or(f64::INFINITY),
            p99_micros: told["latency_micros"]["p99"].as_f64().unwrap_or(f64::INFINITY),
            ..Self::default()
        };
        for (outcome, count) in counts("outcomes").chain(counts("lost")) {
            let sum = match outcome.split(':').next() {
                Some("confirmed") => &mut loaded.confirmed,
                Some("rejected") => &mut loaded.rejected,
                _ => &mut loaded.others,
            };
            *sum += count.as_u64().unwrap_or(0);
        }
        loaded
    }
}

impl Shop {
    /// A shop in this folder that does not run yet.
    pub fn new(binary: &Path, folder: &Path) -> Result<Self, Failure> {
        fs::create_dir_all(folder)?;
        let (port, binary, store) = (free_port()?, binary.to_owned(), folder.join("shop.db"));
        Ok(Self { server: (binary.clone(), Vec::new()), binary, store, port, entry: port, token: String::new() })
    }

    /// Served with these further flags.
    pub fn with(mut self, flags: &[&str]) -> Self {
        self.server.1.extend(flags.iter().map(ToString::to_string));
        self
    }

    /// Its clients connect to this port of a gateway, or to the shop itself.
    pub fn enter_at(&mut self, gateway: Option<u16>) {
        self.entry = gateway.unwrap_or(self.port);
    }

    /// It listens at this port.
    pub fn at(self, port: u16) -> Self {
        Self { port, entry: port, ..self }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Served by `tradewind-bench serve`, in the world that these flags make.
    pub fn in_world(self, flags: &[&str]) -> Result<Self, Failure> {
        let flags = flags.iter().map(ToString::to_string).collect();
        Ok(Self { server: (std::env::current_exe()?, flags), ..self })
    }

    /// Runs it, and makes its first admin.
    pub fn open(self) -> Result<(Self, Life), Failure> {
        let mut shop = self;
        let (life, mut lines) = shop.spawn()?;
        let first_admin = lines.nth(1).ok_or("the shop shows no token for its first admin")??;
        let person = json!({ "email": "bench@example.org", "password": PASSWORD });
        let mut admin = person.clone();
        admin["token"] = first_admin.trim().into();
        shop.post("/v1/first-admin", &admin, "admin")?;
        let session = shop.post("/v1/sessions", &person, "session")?;
        session["access_token"].as_str().ok_or("nobody is signed in")?.clone_into(&mut shop.token);
        Ok((shop, Life { child: life, _out: lines }))
    }

    /// Runs it as a part of a shop: identity is served by the other part, whose admin is the admin here.
    pub fn open_beside(self, identity: &Self) -> Result<(Self, Life), Failure> {
        let mut shop = Self { token: identity.token.clone(), ..self };
        shop.server.1.extend(["--identity".to_owned(), identity.url()]);
        let life = shop.start()?;
        Ok((shop, life))
    }

    /// Runs it again on its store.
    pub fn start(&self) -> Result<Life, Failure> {
        let (child, lines) = self.spawn()?;
        Ok(Life { child, _out: lines })
    }

    /// Puts it under load.
    pub fn load(&self, orders: u64, more: &[&str]) -> Result<Loaded, Failure> {
        let output = self.loader(orders, more).stderr(Stdio::inherit()).output()?;
        if !output.status.success() {
            return Err(format!("tradewind load has failed: {}", output.status).into());
        }
        Ok(Loaded::of(&serde_json::from_slice(&output.stdout)?))
    }

    /// The same beside whatever comes next; it ends when it is dropped.
    pub fn load_meanwhile(&self, orders: u64, more: &[&str]) -> Result<Meanwhile, Failure> {
        Ok(Meanwhile(self.loader(orders, more).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?))
    }

    /// Puts one good up for sale, for somebody with money. Gives an order of it.
    pub fn first_good(&self) -> Result<Value, Failure> {
        let product = json!({
            "product_id": "p-first", "name": "First",
            "variants": [{ "sku": "first", "amount_minor": 1_250, "currency": "EUR" }],
        });
        let money = json!({ "amount_minor": 1_000_000_000, "cause": "top_up" });
        for (path, body) in [
            ("/v1/products", product),
            ("/v1/products/p-first/publication", json!({})),
            ("/v1/stock/first/adjustments", json!({ "delta": 1_000, "adjustment_type": "restock" })),
            ("/v1/users/first-customer/accounts/EUR/credits", money),
        ] {
            self.post(path, &body, "first")?;
        }
        let line = json!({ "product_id": "p-first", "sku": "first", "quantity": 1 });
        Ok(json!({ "customer_id": "first-customer", "lines": [line], "payment_method": "balance" }))
    }

    /// Sends a request until it is answered with success.
    pub fn first_answer(&self, path: &str, body: &Value, key: &str) -> Result<(), Failure> {
        let answered = || self.post(path, body, key).is_ok();
        if host::until(PATIENCE, answered) { Ok(()) } else { Err("the shop does not answer".into()) }
    }

    /// One write.
    pub fn post(&self, path: &str, body: &Value, key: &str) -> io::Result<Value> {
        http::post(self.port, &self.token, path, key, body)
    }

    /// `tradewind verify`. Nobody needs to stop the shop.
    pub fn audit(&self) -> Result<Audited, Failure> {
        self.audit_with(&[])
    }

    /// The same with the other stores of a split shop.
    pub fn audit_with(&self, others: &[&Path]) -> Result<Audited, Failure> {
        let mut verify = self.command(&["verify", "--json"]);
        for store in [&*self.store].iter().chain(others) {
            verify.arg("--store").arg(store);
        }
        let output = verify.output()?;
        let told: Value = serde_json::from_slice(&output.stdout)
            .map_err(|error| format!("verify: {error}: {}", String::from_utf8_lossy(&output.stderr)))?;
        let checks = told["checks"].as_array().cloned().unwrap_or_default();
        let violations = checks.iter().flat_map(|check| check["violations"].as_array().into_iter().flatten());
        Ok(Audited {
            violations: checks.iter().filter_map(|check| check["violated"].as_u64()).sum(),
            set_aside: told["set_aside"].as_u64().unwrap_or(0),
            owed: told["owed"].as_array().map_or(0, Vec::len),
            first: violations.map(ToString::to_string).next(),
        })
    }

    /// `tradewind rebuild`. The shop must not run. Gives how long it took.
    pub fn rebuild(&self) -> Result<Duration, Failure> {
        let start = host::now();
        let output = self.command(&["rebuild", "--store"]).arg(&self.store).output()?;
        if output.status.success() {
            Ok(start.elapsed())
        } else {
            Err(format!("tradewind rebuild has failed: {}", String::from_utf8_lossy(&output.stderr)).into())
        }
    }

    fn loader(&self, orders: u64, more: &[&str]) -> Command {
        let (url, orders) = (format!("http://127.0.0.1:{}", self.entry), orders.to_string());
        let mut command = self.command(&["load", "--json", "--url", &url, "--orders", &orders]);
        command.args(more).env("TRADEWIND_TOKEN", &self.token);
        command
    }

    fn spawn(&self) -> Result<(Child, Lines<BufReader<ChildStdout>>), Failure> {
        let listen = format!("127.0.0.1:{}", self.port);
        let (server, more) = &self.server;
        let mut command = alone(server, &["serve", "--listen", &listen, "--log", "warn", "--rate-per-second", "0"]);
        // Customers are made up by the load: nobody registers. All of it comes from one address.
        command.args(["--foreign-customers", "true", "--caller-share", "1"]);
        command.args(["--access-token-ttl", "1day", "--store"]).arg(&self.store).args(more);
        spawn(&mut command)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        alone(&self.binary, arguments)
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

/// A port at which nothing listens.
pub fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Starts a process, and waits until it prints that it is open.
fn spawn(command: &mut Command) -> Result<(Child, Lines<BufReader<ChildStdout>>), Failure> {
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    let out = child.stdout.take().ok_or("the process has no standard output")?;
    let mut lines = BufReader::new(out).lines();
    lines.next().ok_or("the process does not start")??;
    Ok((child, lines))
}

/// A command without the environment of this process: its settings are not those of the shop.
fn alone(program: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.env_clear().args(arguments);
    command
}

impl Life {
    /// A gateway in front of these peers.
    pub fn gateway(binary: &Path, peers: &Path, port: u16) -> Result<Self, Failure> {
        let listen = format!("127.0.0.1:{port}");
        let mut command = alone(binary, &["gateway", "--log", "warn", "--caller-share", "1", "--listen", &listen]);
        let (child, lines) = spawn(command.arg("--peers").arg(peers))?;
        Ok(Self { child, _out: lines })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn resident_bytes(&self) -> Result<u64, Failure> {
        Ok(host::resident_bytes(self.child.id())?)
    }

    /// Ends it as an operator does, and waits until it has.
    pub fn stop(mut self) -> Result<(), Failure> {
        self.signal("-TERM")?;
        if self.child.wait()?.success() { Ok(()) } else { Err("the shop did not end well".into()) }
    }

    /// It stands still until [`Life::resume`].
    pub fn pause(&self) -> Result<(), Failure> {
        self.signal("-STOP")
    }

    pub fn resume(&self) -> Result<(), Failure> {
        self.signal("-CONT")
    }

    fn signal(&self, signal: &str) -> Result<(), Failure> {
        let told = Command::new("kill").args([signal, &self.child.id().to_string()]).status()?;
        if told.success() { Ok(()) } else { Err("the shop has ended by itself".into()) }
    }

    /// `kill -9`.
    pub fn kill(mut self) -> Result<(), Failure> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        // It has ended already, unless something went wrong.
        if let Err(error) = self.child.kill().and_then(|()| self.child.wait()) {
            crate::complain(format_args!("a shop is left over: {error}"));
        }
    }
}

/// A load that goes on.
pub struct Meanwhile(pub Child);

impl Meanwhile {
    /// Whether it has come to its end. That it ended badly is an error.
    pub fn has_ended(&mut self) -> Result<bool, Failure> {
        match self.0.try_wait()? {
            None => Ok(false),
            Some(status) if status.success() => Ok(true),
            Some(status) => Err(format!("a load has failed: {status}").into()),
        }
    }
}

impl Drop for Meanwhile {
    fn drop(&mut self) {
        if let Err(error) = self.0.kill().and_then(|()| self.0.wait()) {
            crate::complain(format_args!("a load is left over: {error}"));
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a rate is rounded anyway")]
fn per_second(count: u64, seconds: f64) -> f64 {
    count as f64 / seconds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_neither_confirmed_nor_rejected_counts_as_something_else() {
        let told = json!({
            "took_seconds": 2.0, "latency_micros": { "p50": 900, "p99": 5_000 },
            "outcomes": { "confirmed": 7, "rejected: insufficient_funds": 2, "accepted": 1 },
            "lost": { "no answer in time": 3 },
        });
        let loaded =
            Loaded { confirmed: 7, rejected: 2, others: 4, took_seconds: 2.0, p50_micros: 900.0, p99_micros: 5_000.0 };
        assert_eq!(Loaded::of(&told), loaded);
    }
}
