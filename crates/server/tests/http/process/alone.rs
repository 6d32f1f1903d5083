//! Commands that need no shop: how they end by themselves, and when they are interrupted.

use std::{
    fs,
    process::{Command, Stdio},
    time::Duration,
};

use serde_json::Value;
use tokio::time::interval;

use super::{run, tradewind};
use crate::world::Directory;

/// How often it is looked whether a process has got so far, and how many times at most.
const LOOK_EVERY: Duration = Duration::from_millis(5);
const LOOKS_MAX: u32 = 12_000;

/// The bit of SIGINT in a mask of signals.
const SIGINT: u64 = 1 << 1;

/// The exit status of a command, what it tells, and what it says of errors.
pub fn ended(command: &str, flags: &[&str]) -> (Option<i32>, String, String) {
    let done = run(tradewind(&Directory::new()).arg(command).args(flags));
    (done.status.code(), String::from_utf8(done.stdout).unwrap(), String::from_utf8(done.stderr).unwrap())
}

/// What a command still tells that is interrupted as soon as it listens.
pub async fn broken_off(flags: &[&str]) -> Value {
    let directory = Directory::new();
    let mut command = tradewind(&directory);
    let child = command.args(flags).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let catches = |status: &str| {
        let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
        u64::from_str_radix(mask.trim(), 16).unwrap() & SIGINT != 0
    };
    let mut look = interval(LOOK_EVERY);
    for nth in 0.. {
        look.tick().await;
        if catches(&fs::read_to_string(&status).unwrap()) {
            break;
        }
        assert!(nth < LOOKS_MAX, "it does not listen to signals");
    }
    assert!(Command::new("kill").args(["-s", "INT", &child.id().to_string()]).status().unwrap().success());
    let done = child.wait_with_output().unwrap();
    assert_eq!(done.status.code(), Some(130));
    assert_eq!(String::from_utf8_lossy(&done.stderr), "tradewind: interrupted before the end\n");
    serde_json::from_slice(&done.stdout).unwrap()
}
