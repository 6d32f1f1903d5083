//! A TCP proxy for tests: connections through it are cut, refused or frozen on demand. It knows nothing of what they
//! carry.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

/// Connections at a time; the next ones are closed at once.
pub const PROXY_CONNECTIONS_MAX: usize = 256;

/// Bytes of each direction of a connection that the proxy holds at a time. The rest waits in the kernel.
const BUFFER_BYTES: usize = 64 * 1_024;

/// How long the target may take to accept a connection.
const CONNECT_WAIT: Duration = Duration::from_secs(5);

/// A direction of all connections.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Direction {
    ToTarget,
    FromTarget,
}

/// Forwards every connection to its target. Dropping it cuts all connections and ends its threads.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

struct Shared {
    target: SocketAddr,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    unreachable: bool,
    /// Nothing is forwarded this way; to the target, not even a new connection.
    frozen: BTreeSet<Direction>,
    stopping: bool,
    /// Connections that were accepted or refused so far.
    attempts: u64,
    /// The sockets of each connection: the client's, and the target's once it is connected. A connection that is
    /// absent is cut.
    open: BTreeMap<u64, Vec<TcpStream>>,
}

impl Proxy {
    /// Listens on a free port of the loopback interface.
    pub fn start(target: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared { target, state: Mutex::default(), changed: Condvar::new() });
        let here = Arc::clone(&shared);
        let acceptor = thread::Builder::new().name("proxy".to_owned()).spawn(move || accept(&here, &listener))?;
        Ok(Self { address, shared, acceptor: Some(acceptor) })
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Breaks all connections now. What the proxy had not forwarded is lost. New connections are accepted.
    pub fn cut(&self) {
        self.shared.state().cut();
        self.shared.changed.notify_all();
    }

    /// With `false` it cuts all connections, and closes each new one at once; with `true` it accepts them again.
    pub fn set_reachable(&self, reachable: bool) {
        let mut state = self.shared.state();
        state.unreachable = !reachable;
        if !reachable {
            state.cut();
        }
        drop(state);
        self.shared.changed.notify_all();
    }

    /// With `true` connections stay open and new ones are accepted, but nothing is forwarded, not even their end. With
    /// `false` it forwards again, first what it held back.
    pub fn freeze(&self, frozen: bool) {
        for direction in [Direction::ToTarget, Direction::FromTarget] {
            self.freeze_direction(direction, frozen);
        }
    }

    /// [`Self::freeze`] for one direction; the other one goes on. Such a connection is half open.
    pub fn freeze_direction(&self, direction: Direction, frozen: bool) {
        let mut state = self.shared.state();
        if frozen {
            state.frozen.insert(direction);
        } else {
            state.frozen.remove(&direction);
        }
        drop(state);
        self.shared.changed.notify_all();
    }

    /// How many connections were open or are, including those that it closed at once.
    pub fn attempts(&self) -> u64 {
        self.shared.state().attempts
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.stopping = true;
        state.cut();
        drop(state);
        self.shared.changed.notify_all();
        // The acceptor wakes up for a connection. Where none is possible any more, its listener is gone.
        drop(TcpStream::connect_timeout(&self.address, CONNECT_WAIT));
        if let Some(acceptor) = self.acceptor.take() {
            drop(acceptor.join());
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Registers a connection, unless it has to be closed at once. An error is its end too.
    fn open(&self, client: &TcpStream) -> Option<u64> {
        let client = client.try_clone().ok()?;
        let mut state = self.state();
        state.attempts += 1;
        let number = state.attempts;
        if state.unreachable || state.open.len() >= PROXY_CONNECTIONS_MAX {
            return None;
        }
        state.open.insert(number, vec![client]);
        Some(number)
    }

    /// Waits while this direction is frozen; then whether the connection is still there.
    fn may_forward(&self, number: u64, direction: Direction) -> bool {
        let held = |state: &mut State| state.frozen.contains(&direction) && state.open.contains_key(&number);
        let state = self.changed.wait_while(self.state(), held).unwrap_or_else(PoisonError::into_inner);
        state.open.contains_key(&number)
    }

    /// Connects to the target; `None` if it does not accept, or if the connection was cut meanwhile.
    fn connect(&self, number: u64) -> Option<TcpStream> {
        let target = TcpStream::connect_timeout(&self.target, CONNECT_WAIT).ok()?;
        target.set_nodelay(true).ok()?;
        let kept = target.try_clone().ok()?;
        self.state().open.get_mut(&number)?.push(kept);
        Some(target)
    }
}

impl State {
    fn cut(&mut self) {
        for socket in std::mem::take(&mut self.open).into_values().flatten() {
            // A socket that the peer has closed is shut down already.
            drop(socket.shutdown(Shutdown::Both));
        }
    }
}

/// Until the proxy stops. Then it waits for the threads of its connections, which are cut.
fn accept(shared: &Arc<Shared>, listener: &TcpListener) {
    let mut threads: Vec<JoinHandle<()>> = Vec::new();
    loop {
        let accepted = listener.accept();
        if shared.state().stopping {
            break;
        }
        // Without an open connection there is nothing to forward: the client closed it before it was accepted.
        let Ok((client, _)) = accepted else { continue };
        threads.retain(|thread| !thread.is_finished());
        let Some(number) = shared.open(&client) else { continue };
        let here = Arc::clone(shared);
        let serve = move || serve(&here, number, client);
        match thread::Builder::new().name("proxy-connection".to_owned()).spawn(serve) {
            Ok(thread) => threads.push(thread),
            Err(_) => drop(shared.state().open.remove(&number)),
        }
    }
    for thread in threads {
        drop(thread.join());
    }
}

/// One connection, until both of its sides have ended or it is cut.
fn serve(shared: &Arc<Shared>, number: u64, client: TcpStream) {
    if client.set_nodelay(true).is_ok()
        && shared.may_forward(number, Direction::ToTarget)
        && let Some(target) = shared.connect(number)
        && let (Ok(from_target), Ok(to_client)) = (target.try_clone(), client.try_clone())
    {
        let here = Arc::clone(shared);
        let answers = move || forward(&here, (number, Direction::FromTarget), from_target, to_client);
        if let Ok(answers) = thread::Builder::new().name("proxy-answers".to_owned()).spawn(answers) {
            forward(shared, (number, Direction::ToTarget), client, target);
            drop(answers.join());
        }
    }
    shared.state().open.remove(&number);
}

/// One direction of a connection. Its regular end is forwarded as such, an error breaks both directions.
fn forward(shared: &Shared, (number, direction): (u64, Direction), mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let read = from.read(&mut buffer);
        if !shared.may_forward(number, direction) {
            return;
        }
        match read {
            Ok(0) => return drop(to.shutdown(Shutdown::Write)),
            Ok(bytes) if to.write_all(&buffer[..bytes]).is_ok() => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(_) | Err(_) => {
                drop(from.shutdown(Shutdown::Both));
                return drop(to.shutdown(Shutdown::Both));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{self, Receiver};

    use super::*;

    /// A test that waits longer than this has failed.
    const PATIENCE: Duration = Duration::from_secs(20);

    /// When nothing has come for so long, nothing is on its way.
    const QUIET: Duration = Duration::from_millis(50);

    /// Answers each line with the same line, on every connection, and counts the connections that ended.
    fn echo() -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for client in listener.incoming() {
                let mut client = client.unwrap();
                let mut answers = client.try_clone().unwrap();
                thread::spawn(move || io::copy(&mut client, &mut answers).map(|_| answers.shutdown(Shutdown::Write)));
            }
        });
        address
    }

    /// Answers each byte of one connection with the same byte, and reports it.
    fn recorder() -> (SocketAddr, Receiver<u8>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (report, received) = mpsc::channel();
        thread::spawn(move || {
            let (mut client, _) = listener.accept().unwrap();
            let mut byte = [0];
            while client.read_exact(&mut byte).is_ok() && report.send(byte[0]).is_ok() {
                client.write_all(&byte).unwrap();
            }
        });
        (address, received)
    }

    fn connect(proxy: &Proxy) -> TcpStream {
        let client = TcpStream::connect(proxy.address()).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client
    }

    fn ask(client: &mut TcpStream, text: &str) -> String {
        client.write_all(text.as_bytes()).unwrap();
        answer(client, text.len())
    }

    fn answer(client: &mut TcpStream, bytes: usize) -> String {
        let mut answer = vec![0; bytes];
        client.read_exact(&mut answer).unwrap();
        String::from_utf8(answer).unwrap()
    }

    fn is_cut(client: &mut TcpStream) -> bool {
        // What was on its way may come first; a reset is an end too.
        io::copy(client, &mut io::sink()).map_err(|error| error.kind()) != Err(io::ErrorKind::WouldBlock)
    }

    fn is_silent(client: &mut TcpStream) -> bool {
        client.set_read_timeout(Some(QUIET)).unwrap();
        let read = client.read(&mut [0]).map_err(|error| error.kind());
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        matches!(read, Err(io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut))
    }

    #[test]
    fn it_forwards_both_ways_and_the_end_too() {
        let proxy = Proxy::start(echo()).unwrap();
        let (mut one, mut other) = (connect(&proxy), connect(&proxy));
        assert_eq!((ask(&mut one, "one"), ask(&mut other, "other")), ("one".to_owned(), "other".to_owned()));
        let large = "x".repeat(BUFFER_BYTES * 3);
        let (mut sends, sent) = (one.try_clone().unwrap(), large.clone());
        let sending = thread::spawn(move || sends.write_all(sent.as_bytes()));
        assert_eq!(answer(&mut one, large.len()), large);
        sending.join().unwrap().unwrap();
        one.write_all(b"last").unwrap();
        one.shutdown(Shutdown::Write).unwrap();
        let mut rest = String::new();
        one.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "last", "a side that has ended still gets its answers");
    }

    #[test]
    fn a_cut_breaks_what_is_connected_and_nothing_else() {
        let proxy = Proxy::start(echo()).unwrap();
        let mut clients = [connect(&proxy), connect(&proxy)];
        for client in &mut clients {
            ask(client, "there");
        }
        proxy.cut();
        assert!(clients.iter_mut().all(is_cut));
        assert_eq!(ask(&mut connect(&proxy), "again"), "again");
        assert_eq!(proxy.attempts(), 3);
    }

    #[test]
    fn a_connection_is_closed_at_once_until_it_is_reachable_again() {
        let proxy = Proxy::start(echo()).unwrap();
        let mut client = connect(&proxy);
        ask(&mut client, "there");
        proxy.set_reachable(false);
        assert!(is_cut(&mut client));
        for _ in 0..3 {
            assert!(is_cut(&mut connect(&proxy)));
        }
        proxy.set_reachable(true);
        assert_eq!(ask(&mut connect(&proxy), "again"), "again");
    }

    #[test]
    fn what_a_frozen_connection_held_back_goes_on_when_it_thaws() {
        let proxy = Proxy::start(echo()).unwrap();
        let mut old = connect(&proxy);
        ask(&mut old, "there");
        proxy.freeze(true);
        let mut new = connect(&proxy);
        for client in [&mut old, &mut new] {
            client.write_all(b"held").unwrap();
            assert!(is_silent(client));
        }
        new.shutdown(Shutdown::Write).unwrap();
        proxy.freeze(false);
        for client in [&mut old, &mut new] {
            assert_eq!(answer(client, 4), "held");
        }
        assert!(is_cut(&mut new), "its end was held back too");
        assert_eq!(ask(&mut old, "more"), "more");
    }

    #[test]
    fn one_direction_can_be_frozen_alone() {
        for direction in [Direction::ToTarget, Direction::FromTarget] {
            let (target, received) = recorder();
            let proxy = Proxy::start(target).unwrap();
            let mut client = connect(&proxy);
            assert_eq!(ask(&mut client, "a"), "a");
            assert_eq!(received.recv_timeout(PATIENCE), Ok(b'a'));
            proxy.freeze_direction(direction, true);
            client.write_all(b"b").unwrap();
            assert!(is_silent(&mut client));
            match direction {
                Direction::ToTarget => assert!(received.try_recv().is_err(), "it has arrived"),
                Direction::FromTarget => assert_eq!(received.recv_timeout(PATIENCE), Ok(b'b')),
            }
            proxy.freeze_direction(direction, false);
            assert_eq!(answer(&mut client, 1), "b");
        }
    }

    #[test]
    fn a_frozen_connection_can_be_cut() {
        let proxy = Proxy::start(echo()).unwrap();
        let mut client = connect(&proxy);
        ask(&mut client, "there");
        proxy.freeze(true);
        client.write_all(b"lost").unwrap();
        assert!(is_silent(&mut client));
        proxy.cut();
        assert!(is_cut(&mut client));
        proxy.freeze(false);
        assert_eq!(ask(&mut connect(&proxy), "again"), "again");
    }

    #[test]
    fn a_target_that_is_gone_closes_the_connection() {
        let nowhere = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        assert!(is_cut(&mut connect(&Proxy::start(nowhere).unwrap())));
    }

    #[test]
    fn only_so_many_connections_are_open_at_a_time() {
        let proxy = Proxy::start(echo()).unwrap();
        let mut clients: Vec<TcpStream> = (0..PROXY_CONNECTIONS_MAX).map(|_| connect(&proxy)).collect();
        for client in &mut clients {
            ask(client, "there");
        }
        assert!(is_cut(&mut connect(&proxy)));
        clients.truncate(1);
        while proxy.shared.state().open.len() > 1 {
            thread::yield_now();
        }
        assert_eq!(ask(&mut connect(&proxy), "again"), "again");
    }

    #[test]
    fn dropping_it_ends_everything() {
        for frozen in [false, true] {
            let proxy = Proxy::start(echo()).unwrap();
            let mut client = connect(&proxy);
            ask(&mut client, "there");
            proxy.freeze(frozen);
            let (address, shared) = (proxy.address(), Arc::downgrade(&proxy.shared));
            drop(proxy);
            assert!(is_cut(&mut client));
            assert!(TcpStream::connect(address).is_err(), "nothing listens there");
            assert!(shared.upgrade().is_none(), "no thread is left that knows it");
        }
    }
}
