//! The open connections: how many there are of each address, in which state each is, and which ones end early: those
//! that send or read too slowly, those that are idle for too long, and those that make room for others.
//!
//! A connection keeps its state in atomics; only opening, closing and the sweep take the lock.

use std::{
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use rustc_hash::FxHashMap;
use tokio::sync::Notify;

use crate::{
    config::Config,
    metrics::{ConnectionFigures, Stopwatch},
};

/// In `answer_timeout` a client that does not take everything takes at least so many bytes of an answer.
const ANSWER_BYTES_MIN: u64 = 64 * 1024;

/// An answer that has not moved for so long may make room for a new connection.
const STALLED_MS: u64 = 1_000;

/// Between two sweeps.
const SWEEP_MIN: Duration = Duration::from_millis(10);
const SWEEP_MAX: Duration = Duration::from_secs(1);

/// The connections of a listener.
pub struct Connections {
    max: usize,
    address_max: usize,
    deadlines: Deadlines,
    clock: Stopwatch,
    figures: ConnectionFigures,
    open: Mutex<Open>,
}

/// In milliseconds.
struct Deadlines {
    head: u64,
    idle: u64,
    answer: u64,
}

#[derive(Default)]
struct Open {
    next: u64,
    connections: FxHashMap<u64, Arc<Connection>>,
    by_address: FxHashMap<IpAddr, usize>,
}

/// One open connection.
pub struct Connection {
    number: u64,
    address: IpAddr,
    /// A trusted proxy carries the requests of everyone: no bound of its own, and the last to make room.
    is_proxy: bool,
    clock: Stopwatch,
    /// A [`Phase`] in the two lowest bits, since when in milliseconds above them.
    phase: AtomicU64,
    written_bytes: AtomicU64,
    /// The client has not taken everything that is ready for it.
    is_unread: AtomicBool,
    /// Since when it takes less than everything, and what was written until then. Only the sweep uses these.
    unread_since_ms: AtomicU64,
    unread_from_bytes: AtomicU64,
    ending: Notify,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Between two requests.
    Idle = 0,
    /// The head of a request is on its way, or it is the first request that is.
    Head = 1,
    /// A request is being answered.
    Busy = 2,
}

/// Why a connection ended early, or was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    Head,
    Idle,
    Unread,
    Displaced,
    RefusedAddress,
    RefusedFull,
}

impl Reason {
    /// As the metrics label it.
    fn label(self) -> &'static str {
        match self {
            Self::Head => "head_timeout",
            Self::Idle => "keep_alive_timeout",
            Self::Unread => "answer_timeout",
            Self::Displaced => "displaced",
            Self::RefusedAddress => "caller_share",
            Self::RefusedFull => "connections_max",
        }
    }
}

impl Connections {
    pub fn new(config: &Config, max: usize, figures: ConnectionFigures) -> Self {
        let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self {
            max,
            address_max: config.caller_share.of(max).max(1),
            deadlines: Deadlines {
                head: ms(config.head_timeout),
                idle: ms(config.keep_alive_timeout),
                answer: ms(config.answer_timeout),
            },
            clock: Stopwatch::start(),
            figures,
            open: Mutex::default(),
        }
    }

    /// How often [`Self::sweep`] is to run: a deadline is kept to a quarter of itself.
    pub fn sweep_interval(&self) -> Duration {
        let Deadlines { head, idle, answer } = self.deadlines;
        (Duration::from_millis(head.min(idle).min(answer)) / 4).clamp(SWEEP_MIN, SWEEP_MAX)
    }

    /// Takes a new connection in, if there is room or room can be made.
    pub fn opened(&self, address: IpAddr, is_proxy: bool) -> Option<Arc<Connection>> {
        let mut open = self.lock();
        let of_address = open.by_address.get(&address).copied().unwrap_or_default();
        if !is_proxy && of_address >= self.address_max {
            let own = self.waiting(&open, |connection| connection.address == address);
            let Some(own) = own else { return self.refused(Reason::RefusedAddress) };
            self.end(&mut open, &own, Reason::Displaced);
        } else if open.connections.len() >= self.max {
            let other = self.waiting(&open, |_| true).or_else(|| Self::of_the_largest(&open, of_address + 1));
            let Some(other) = other else { return self.refused(Reason::RefusedFull) };
            self.end(&mut open, &other, Reason::Displaced);
        }
        open.next += 1;
        let connection = Arc::new(Connection {
            number: open.next,
            address,
            is_proxy,
            clock: self.clock,
            phase: AtomicU64::new(packed(Phase::Head, millis(self.clock))),
            written_bytes: AtomicU64::new(0),
            is_unread: AtomicBool::new(false),
            unread_since_ms: AtomicU64::new(0),
            unread_from_bytes: AtomicU64::new(0),
            ending: Notify::new(),
        });
        open.connections.insert(connection.number, Arc::clone(&connection));
        *open.by_address.entry(address).or_default() += 1;
        self.figures.open.inc();
        Some(connection)
    }

    /// To be called when a connection has ended, for whatever reason.
    pub fn closed(&self, connection: &Connection) {
        self.forget(&mut self.lock(), connection);
    }

    /// Makes room: ends the connection that has waited the longest. Descriptors are scarce.
    pub fn displace_one(&self) {
        let mut open = self.lock();
        if let Some(connection) = self.waiting(&open, |_| true) {
            self.end(&mut open, &connection, Reason::Displaced);
        }
    }

    /// Ends the connections whose time is over.
    pub fn sweep(&self) {
        let now = millis(self.clock);
        let mut open = self.lock();
        let late = open.connections.values().filter_map(|one| Some((Arc::clone(one), self.lateness(one, now)?)));
        for (connection, reason) in late.collect::<Vec<_>>() {
            self.end(&mut open, &connection, reason);
        }
    }

    /// What a connection has taken too long for, if anything.
    fn lateness(&self, connection: &Connection, now: u64) -> Option<Reason> {
        let Deadlines { head, idle, answer } = self.deadlines;
        if connection.is_unread.load(Relaxed) {
            return connection.reads_too_slowly(now, answer).then_some(Reason::Unread);
        }
        if connection.unread_since_ms.swap(0, Relaxed) != 0 {
            connection.idles_from_now();
        }
        let (phase, since) = connection.phase();
        let (limit, reason) = match phase {
            Phase::Head => (head, Reason::Head),
            Phase::Idle => (idle, Reason::Idle),
            Phase::Busy => return None,
        };
        (now.saturating_sub(since) >= limit).then_some(reason)
    }

    /// Among the connections that wait for their client, the one that has waited the longest of the address that has the
    /// most connections. Those of proxies come last.
    fn waiting(&self, open: &Open, of: impl Fn(&Connection) -> bool) -> Option<Arc<Connection>> {
        let now = millis(self.clock);
        let candidates = open.connections.values().filter(|connection| of(connection));
        let ranked = candidates.filter_map(|connection| {
            let share = if connection.is_proxy { 0 } else { open.by_address.get(&connection.address).copied()? };
            Some(((share, connection.waited_ms(now)?), connection))
        });
        ranked.max_by_key(|(rank, _)| *rank).map(|(_, connection)| Arc::clone(connection))
    }

    /// The oldest connection of the address that has the most, if it has more than `fair` of them.
    fn of_the_largest(open: &Open, fair: usize) -> Option<Arc<Connection>> {
        let others = open.connections.values().filter(|connection| !connection.is_proxy);
        let ranked = others.filter_map(|connection| {
            let count = open.by_address.get(&connection.address).copied().filter(|count| *count > fair)?;
            Some(((count, std::cmp::Reverse(connection.number)), connection))
        });
        ranked.max_by_key(|(rank, _)| *rank).map(|(_, connection)| Arc::clone(connection))
    }

    /// Its place is free at once; its task ends it as soon as it runs.
    fn end(&self, open: &mut Open, connection: &Connection, reason: Reason) {
        self.forget(open, connection);
        self.figures.ended(reason.label());
        connection.ending.notify_one();
    }

    fn refused(&self, reason: Reason) -> Option<Arc<Connection>> {
        self.figures.ended(reason.label());
        None
    }

    fn forget(&self, open: &mut Open, connection: &Connection) {
        if open.connections.remove(&connection.number).is_none() {
            return;
        }
        self.figures.open.dec();
        if let Some(count) = open.by_address.get_mut(&connection.address) {
            *count -= 1;
            if *count == 0 {
                open.by_address.remove(&connection.address);
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connection {
    /// Waits until it has to end early.
    pub async fn ending(&self) {
        self.ending.notified().await;
    }

    /// Bytes came from the client.
    pub fn received(&self) {
        if self.phase().0 == Phase::Idle {
            self.enter(Phase::Head);
        }
    }

    /// A whole head has come.
    pub fn begins_request(&self) {
        self.enter(Phase::Busy);
    }

    /// The answer is made. Whether the client has read it is another question: [`Self::left_unread`].
    pub fn ends_request(&self) {
        self.enter(Phase::Idle);
    }

    /// The client has taken so many bytes.
    pub fn took(&self, bytes: usize) {
        self.written_bytes.fetch_add(bytes as u64, Relaxed);
        if self.is_unread.load(Relaxed) {
            self.is_unread.store(false, Relaxed);
        }
    }

    /// There is more to write, and no room for it on the way to the client.
    pub fn left_unread(&self) {
        self.is_unread.store(true, Relaxed);
    }

    /// The client has read the whole answer only now.
    fn idles_from_now(&self) {
        let (phase, since) = self.phase();
        if phase == Phase::Idle {
            let now = packed(phase, millis(self.clock));
            if self.phase.compare_exchange(packed(phase, since), now, Relaxed, Relaxed).is_err() {
                tracing::trace!("the next request has begun");
            }
        }
    }

    fn enter(&self, phase: Phase) {
        self.phase.store(packed(phase, millis(self.clock)), Relaxed);
    }

    fn phase(&self) -> (Phase, u64) {
        let packed = self.phase.load(Relaxed);
        let phase = match packed & 0b11 {
            0 => Phase::Idle,
            1 => Phase::Head,
            _ => Phase::Busy,
        };
        (phase, packed >> 2)
    }

    /// A window begins when the client is behind, and again whenever it has taken enough in one.
    fn reads_too_slowly(&self, now: u64, window_ms: u64) -> bool {
        let (since, written) = (self.unread_since_ms.load(Relaxed), self.written_bytes.load(Relaxed));
        let is_over = since != 0 && now.saturating_sub(since) >= window_ms;
        let took = written - self.unread_from_bytes.load(Relaxed);
        if is_over && took < ANSWER_BYTES_MIN {
            return true;
        }
        if since == 0 || is_over {
            self.unread_since_ms.store(now.max(1), Relaxed);
            self.unread_from_bytes.store(written, Relaxed);
        }
        false
    }

    /// How long it has waited for its client: for a request, or for an answer to be read.
    fn waited_ms(&self, now: u64) -> Option<u64> {
        if self.is_unread.load(Relaxed) {
            let since = self.unread_since_ms.load(Relaxed);
            let waited = now.saturating_sub(since);
            return (since != 0 && waited >= STALLED_MS).then_some(waited);
        }
        let (phase, since) = self.phase();
        (phase != Phase::Busy).then(|| now.saturating_sub(since))
    }
}

fn packed(phase: Phase, since_ms: u64) -> u64 {
    since_ms << 2 | phase as u64
}

fn millis(clock: Stopwatch) -> u64 {
    u64::try_from(clock.read().as_millis()).unwrap_or(u64::MAX >> 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Flags, Layers};

    fn connections(max: usize) -> Connections {
        let config = Config::load(&Layers::new(Flags::of([]), std::collections::BTreeMap::new()).unwrap()).unwrap();
        Connections::new(&config, max, ConnectionFigures::default())
    }

    #[test]
    fn a_client_that_reads_enough_in_each_window_goes_on_however_long_that_takes() {
        let (window, address) = (1_000, IpAddr::from([10, 0, 0, 1]));
        let connection = connections(4).opened(address, false).unwrap();
        let mut now = 5;
        connection.left_unread();
        assert!(!connection.reads_too_slowly(now, window), "a window begins");
        for _ in 0..10 {
            connection.took(64 * 1024);
            connection.left_unread();
            now += window;
            assert!(!connection.reads_too_slowly(now, window));
        }
        connection.took(64 * 1024 - 1);
        connection.left_unread();
        assert!(!connection.reads_too_slowly(now + window - 1, window), "there is time left");
        assert!(connection.reads_too_slowly(now + window, window));
    }

    #[test]
    fn the_longest_waiting_of_the_address_with_the_most_makes_room() {
        let connections = connections(4);
        let address = |last| IpAddr::from([10, 0, 0, last]);
        let proxy: Vec<_> = (0..2).map(|_| connections.opened(address(9), true).unwrap()).collect();
        let first = connections.opened(address(1), false).unwrap();
        let second = connections.opened(address(2), false).unwrap();
        first.begins_request();
        let third = connections.opened(address(3), false).unwrap();
        let is_open = |one: &Arc<Connection>| connections.lock().connections.contains_key(&one.number);
        assert_eq!((is_open(&first), is_open(&second), is_open(&third)), (true, false, true), "the first is in use");
        assert!(proxy.iter().all(is_open), "a proxy comes last");
        third.begins_request();
        let fourth = connections.opened(address(4), false).unwrap();
        assert_eq!(proxy.iter().filter(|one| is_open(one)).count(), 1);
        for one in proxy.iter().chain([&fourth]) {
            one.begins_request();
        }
        assert!(connections.opened(address(5), false).is_none(), "nobody waits, and nobody has more than one");
    }
}
