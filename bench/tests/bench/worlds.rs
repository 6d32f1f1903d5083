//! The worlds that shops are measured in: `tradewind-bench serve`.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use rusqlite::Connection;

/// A shop that is served, in a folder of its own.
struct Served {
    child: Child,
    out: BufReader<ChildStdout>,
    folder: PathBuf,
}

impl Served {
    fn new(name: &str, world: &[&str]) -> Self {
        let folder = std::env::temp_dir().join(format!("tradewind-bench-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder can be made");
        let mut bench = Command::new(env!("CARGO_BIN_EXE_tradewind-bench"));
        bench.args(["serve", "--listen", "127.0.0.1:0", "--log", "warn", "--store"]).arg(folder.join("shop.db"));
        let mut child = bench.args(world).stdout(Stdio::piped()).spawn().expect("it runs");
        let out = BufReader::new(child.stdout.take().expect("it has an output"));
        let mut served = Self { child, out, folder };
        let line = served.line();
        assert!(line.starts_with("The shop is open: http://127.0.0.1:"), "{line}");
        served
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).expect("it can be read");
        line
    }

    fn store(&self) -> PathBuf {
        self.folder.join("shop.db")
    }

    fn stops(&mut self) {
        let told = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().expect("it is told");
        assert!(told.success() && self.child.wait().expect("it ends").success());
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It has ended already, unless the test has failed.
        drop(self.child.kill());
        drop(self.child.wait());
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

fn count(store: &Path, sql: &str) -> i64 {
    let connection = Connection::open(store).expect("the store opens");
    connection.busy_timeout(Duration::from_secs(10)).expect("it can be set");
    connection.query_row(sql, [], |row| row.get(0)).expect("it can be read")
}

/// The longest that a shop may take.
const PATIENCE: Duration = Duration::from_mins(2);

#[expect(clippy::disallowed_methods, reason = "another process is waited for")]
fn wait_until(mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "it takes too long");
        std::thread::yield_now();
    }
}

#[test]
fn every_event_of_a_backlog_has_its_effect_once_in_the_part_that_hears_of_it() {
    let mut served = Served::new("backlog", &["--identity", "http://127.0.0.1:1", "--backlog", "1200"]);
    let store = served.store();
    wait_until(|| count(&store, "SELECT COUNT(*) FROM contact WHERE state = 'known'") == 1_200);
    served.stops();
    for sql in ["SELECT COUNT(*) FROM account", "SELECT COUNT(*) FROM account_holder", "SELECT COUNT(*) FROM contact"] {
        assert_eq!(count(&store, sql), 1_200, "{sql}");
    }
    assert_eq!(count(&store, "SELECT COUNT(*) FROM parked"), 0);
    assert_eq!(count(&store, "SELECT COUNT(*) FROM dead_letter"), 0);
}

#[test]
fn a_shop_whose_provider_hangs_is_a_whole_shop_without_an_admin() {
    let mut served = Served::new("hanging", &["--hanging-provider"]);
    assert!(served.line().starts_with("There is no admin yet."));
    assert!(!served.line().trim().is_empty());
    served.stops();
}

#[test]
fn a_backlog_needs_somewhere_to_come_from() {
    let mut bench = Command::new(env!("CARGO_BIN_EXE_tradewind-bench"));
    let output = bench.args(["serve", "--backlog", "5"]).output().expect("it runs");
    assert!(!output.status.success() && String::from_utf8_lossy(&output.stderr).contains("--identity"));
}
