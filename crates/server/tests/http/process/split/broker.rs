//! A real broker that tests break, or the way to it.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tradewind_testkit::Proxy;

use super::run;
use crate::comparison::free_port;

/// Ends with this process, or when it is dropped.
pub struct RealBroker {
    script: PathBuf,
    folder: PathBuf,
    scheme: &'static str,
    /// Between the processes of the shop and the broker.
    pub proxy: Proxy,
}

impl RealBroker {
    /// Starts the broker of a script of `servers`, with all that it keeps in this folder.
    pub fn start(script: &str, folder: PathBuf) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../servers").join(script);
        let mut start = Command::new(&path);
        start.arg("start").arg(&folder).args(["--for", &std::process::id().to_string()]).stderr(Stdio::inherit());
        let mut started = |more: &[String]| {
            let started = run(start.args(more));
            assert!(started.status.success(), "the broker does not start");
            let printed = String::from_utf8(started.stdout).unwrap();
            printed.lines().last().expect("it prints its address").trim().to_owned()
        };
        let (scheme, proxy) = if script == "kafka" {
            // Kafka tells its clients where to connect.
            let target = SocketAddr::from(([127, 0, 0, 1], free_port()));
            let proxy = Proxy::start(target).unwrap();
            started(&["--advertise".to_owned(), format!("{}@{}", proxy.address(), target.port())]);
            ("kafka", proxy)
        } else {
            let target = started(&[]);
            ("amqp", Proxy::start(target.trim_start_matches("amqp://").parse().unwrap()).unwrap())
        };
        Self { script: path, folder, scheme, proxy }
    }

    /// Where the processes of the shop connect.
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.proxy.address())
    }

    /// Does something with it, as `servers` describes: `kill`, `restart`, `signal`.
    pub fn run(&self, command: &str, more: &[&str]) {
        let done = run(Command::new(&self.script).arg(command).arg(&self.folder).args(more));
        assert!(done.status.success(), "{command}: {}", String::from_utf8_lossy(&done.stderr));
    }
}

impl Drop for RealBroker {
    fn drop(&mut self) {
        drop(Command::new(&self.script).arg("stop").arg(&self.folder).stdout(Stdio::null()).status());
    }
}
