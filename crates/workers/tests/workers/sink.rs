//! Whoever is called back, as far as these tests need one: takes requests one at a time and answers with what it was
//! told to.

use std::{
    collections::VecDeque,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread::JoinHandle,
    time::Duration,
};

use tradewind_events::Timestamp;
use tradewind_workers::provider::{Callback, CallbackTarget, SIGNATURE_HEADER, SIGNATURE_TOLERANCE, verify};

pub const SECRET: &[u8] = b"a secret that the sink knows too";

/// A test that waits longer than this has failed.
const PATIENCE: Duration = Duration::from_secs(20);

pub struct Sink {
    address: SocketAddr,
    requests: mpsc::Receiver<Request>,
    statuses: Arc<Mutex<VecDeque<u16>>>,
    stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Clone)]
pub struct Request {
    pub line: String,
    pub signature: String,
    pub body: Vec<u8>,
}

impl Request {
    /// The callback, if its signature is good at this time.
    pub fn callback(&self, now: Timestamp) -> Callback {
        verify(SECRET, &self.signature, &self.body, now, SIGNATURE_TOLERANCE).unwrap();
        serde_json::from_slice(&self.body).unwrap()
    }
}

impl Sink {
    /// Says 204 to all that it is not told to answer otherwise.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, requests) = mpsc::channel();
        let statuses = Arc::new(Mutex::new(VecDeque::new()));
        let stopped = Arc::new(AtomicBool::new(false));
        let (told, ended) = (Arc::clone(&statuses), Arc::clone(&stopped));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if ended.load(Ordering::SeqCst) {
                    return;
                }
                let mut stream = stream.unwrap();
                let request = read(&stream);
                let status = told.lock().unwrap().pop_front().unwrap_or(204);
                // Before the answer: when the simulator knows that it was taken, it is there.
                sender.send(request).unwrap();
                write!(stream, "HTTP/1.1 {status} .\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
            }
        });
        Self { address, requests, statuses, stopped, thread: Some(thread) }
    }

    pub fn target(&self) -> CallbackTarget {
        CallbackTarget { url: format!("http://{}/callback", self.address), secret: SECRET.into() }
    }

    /// The next requests are answered like this.
    pub fn will_say(&self, statuses: impl IntoIterator<Item = u16>) {
        self.statuses.lock().unwrap().extend(statuses);
    }

    /// The next request, whenever it comes.
    pub fn next(&self) -> Request {
        self.requests.recv_timeout(PATIENCE).expect("somebody calls back")
    }

    /// What has come and was not looked at yet.
    pub fn come(&self) -> Vec<Request> {
        self.requests.try_iter().collect()
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn read(stream: &TcpStream) -> Request {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let (mut signature, mut length) = (String::new(), 0);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).unwrap();
        let Some((name, value)) = header.trim_end().split_once(": ") else { break };
        if name.eq_ignore_ascii_case(SIGNATURE_HEADER) {
            value.clone_into(&mut signature);
        } else if name.eq_ignore_ascii_case("content-length") {
            length = value.parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    Request { line: line.trim_end().to_owned(), signature, body }
}
