//! What the system says of a process: time, processor time by thread, bytes that went to the disk, memory. Linux alone.

use std::{
    collections::BTreeMap,
    fs, io,
    path::Path,
    time::{Duration, Instant, SystemTime},
};

/// Ticks of processor time in a second, as Linux counts them for programs on every architecture.
const TICKS_A_SECOND: u64 = 100;

/// The fields of `/proc/PID/stat` after the name: user and system time.
const USER: usize = 11;
const SYSTEM: usize = 12;

/// Processor time that was spent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    pub user: Duration,
    pub system: Duration,
}

/// What this process has used since it began.
#[derive(Debug, Clone, Default)]
pub struct Usage {
    pub cpu: Spent,
    /// By name of the thread; a number at its end is left out. Those that have ended are in the sum alone.
    pub threads: BTreeMap<String, Spent>,
    /// That went to the disk, in bytes.
    pub written_bytes: u64,
}

impl Usage {
    pub fn of_this_process() -> io::Result<Self> {
        let mut usage = Self { cpu: spent(Path::new("/proc/self/stat"))?.1, ..Self::default() };
        for task in fs::read_dir("/proc/self/task")? {
            // A thread may end while it is looked at.
            if let Ok((name, spent)) = spent(&task?.path().join("stat")) {
                let kind = name.trim_end_matches(|end: char| end.is_ascii_digit() || end == '-').to_owned();
                let sum = usage.threads.entry(kind).or_default();
                *sum = Spent { user: sum.user + spent.user, system: sum.system + spent.system };
            }
        }
        usage.written_bytes = field(&fs::read_to_string("/proc/self/io")?, "write_bytes:").unwrap_or_default();
        Ok(usage)
    }

    /// What was used between an earlier moment and this one.
    pub fn since(&self, earlier: &Self) -> Self {
        let thread = |(name, now): (&String, &Spent)| {
            (name.clone(), now.since(earlier.threads.get(name).copied().unwrap_or_default()))
        };
        Self {
            cpu: self.cpu.since(earlier.cpu),
            threads: self.threads.iter().map(thread).collect(),
            written_bytes: self.written_bytes - earlier.written_bytes,
        }
    }
}

impl Spent {
    pub fn sum(self) -> Duration {
        self.user + self.system
    }

    fn since(self, earlier: Self) -> Self {
        Self { user: self.user.saturating_sub(earlier.user), system: self.system.saturating_sub(earlier.system) }
    }
}

/// The processor time that a process has spent since it began.
pub fn spent_by(process: u32) -> io::Result<Duration> {
    Ok(spent(Path::new(&format!("/proc/{process}/stat")))?.1.sum())
}

/// The same of the children of a process that live, by their command lines: those in which this stands.
pub fn spent_by_children(process: u32, in_command_line: &str) -> io::Result<Duration> {
    let mut sum = Duration::ZERO;
    for child in fs::read_to_string(format!("/proc/{process}/task/{process}/children"))?.split_whitespace() {
        if fs::read_to_string(format!("/proc/{child}/cmdline"))?.contains(in_command_line) {
            sum += spent(Path::new(&format!("/proc/{child}/stat")))?.1.sum();
        }
    }
    Ok(sum)
}

/// The memory of a process that is in use, in bytes.
pub fn resident_bytes(process: u32) -> io::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    field(&status, "VmRSS:").map(|kib| kib * 1024).ok_or_else(|| io::Error::other("the process has no memory"))
}

fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The most memory that a process has had in use, in bytes.
pub fn resident_bytes_max(process: u32) -> io::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    field(&status, "VmHWM:").map(|kib| kib * 1024).ok_or_else(|| io::Error::other("the process has no memory"))
}

/// The name and the processor time of a process or thread.
fn spent(path: &Path) -> io::Result<(String, Spent)> {
    let stat = fs::read_to_string(path)?;
    let (name, rest) = stat.split_once('(').and_then(|(_, rest)| rest.rsplit_once(')')).unwrap_or_default();
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks = |place: usize| fields.get(place).and_then(|ticks| ticks.parse().ok()).unwrap_or(0);
    let time = |place: usize| Duration::from_millis(ticks(place) * 1_000 / TICKS_A_SECOND);
    Ok((name.to_owned(), Spent { user: time(USER), system: time(SYSTEM) }))
}

#[expect(clippy::disallowed_methods, reason = "this measures")]
pub fn now() -> Instant {
    Instant::now()
}

/// Microseconds since 1970.
#[expect(clippy::disallowed_methods, reason = "this measures")]
pub fn wall_micros() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// Asks often until it is so, or the time is over.
pub fn until(at_most: Duration, is_so: impl FnMut() -> bool) -> bool {
    until_every(Duration::from_millis(2), at_most, is_so)
}

/// The same, with so long a pause after each look.
#[expect(clippy::disallowed_methods, reason = "what is waited for is the outside world")]
pub fn until_every(pause: Duration, at_most: Duration, mut is_so: impl FnMut() -> bool) -> bool {
    let give_up = now() + at_most;
    loop {
        if is_so() {
            return true;
        }
        if now() >= give_up {
            return false;
        }
        std::thread::sleep(pause);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_this_process_uses_is_told_by_the_system() {
        let before = Usage::of_this_process().unwrap();
        assert!(until(Duration::from_secs(10), || {
            Usage::of_this_process().unwrap().since(&before).cpu.sum() > Duration::ZERO
        }));
        assert!(resident_bytes(std::process::id()).unwrap() > 0);
    }
}
