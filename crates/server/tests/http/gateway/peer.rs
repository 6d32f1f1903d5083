//! A peer that a test plays: it says what it got, and answers as it is told.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tradewind::tasks::Tasks;

use crate::client::Reply;

/// A peer. It ends with the test.
pub struct FakePeer {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    connections: Arc<AtomicUsize>,
    tasks: Tasks,
}

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Seen {
    /// How many came before it.
    pub number: usize,
    pub line: String,
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// What a peer does with a request.
pub enum Act {
    Answer(Reply),
    /// These bytes, and then the connection ends.
    Cut(Vec<u8>),
    /// The connection ends without a word.
    HangUp,
    /// These bytes, and then nothing more.
    Stall(Vec<u8>),
    /// The whole answer of another server.
    Relay(Vec<u8>),
}

type Doing = Arc<dyn Fn(&Seen) -> Act + Send + Sync>;

impl FakePeer {
    pub async fn answering(answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self::doing(move |seen| Act::Answer(answer(seen))).await
    }

    pub async fn doing(act: impl Fn(&Seen) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let peer = Self { address, seen: Arc::default(), connections: Arc::default(), tasks: Tasks::default() };
        let (seen, connections, tasks) = (Arc::clone(&peer.seen), Arc::clone(&peer.connections), peer.tasks.clone());
        let act: Doing = Arc::new(act);
        peer.tasks.spawn("a peer", async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::Relaxed);
                tasks.spawn("a connection", serve(stream, Arc::clone(&seen), Arc::clone(&act)));
            }
        });
        peer
    }

    /// It answers at once, and sends back each piece of the body as it comes.
    pub async fn echoing() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let peer = Self { address, seen: Arc::default(), connections: Arc::default(), tasks: Tasks::default() };
        peer.tasks.spawn("a peer", async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut read = Vec::new();
            let mut begun = false;
            loop {
                let mut more = [0; 4_096];
                let Ok(count @ 1..) = stream.read(&mut more).await else { return };
                read.extend_from_slice(&more[..count]);
                if !begun && let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
                    read.drain(..end + 4);
                    begun = true;
                    let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
                    stream.write_all(head).await.unwrap();
                }
                if begun && !read.is_empty() {
                    let piece = std::mem::take(&mut read);
                    let piece = [format!("{:x}\r\n", piece.len()).as_bytes(), &piece, b"\r\n"].concat();
                    stream.write_all(&piece).await.unwrap();
                }
            }
        });
        peer
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All requests so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// Forgets the last requests: they do not count.
    pub fn forget(&self, count: usize) {
        let mut seen = self.seen.lock().unwrap();
        let left = seen.len() - count;
        seen.truncate(left);
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

async fn serve(mut stream: TcpStream, seen: Arc<Mutex<Vec<Seen>>>, act: Doing) {
    let mut read = Vec::new();
    while let Some(mut request) = next(&mut stream, &mut read).await {
        {
            let mut seen = seen.lock().unwrap();
            request.number = seen.len();
            seen.push(request.clone());
        }
        let (bytes, goes_on) = match act(&request) {
            Act::Answer(reply) => (reply.written(), true),
            Act::Cut(bytes) => (bytes, false),
            Act::HangUp => return,
            Act::Relay(bytes) => (bytes, true),
            Act::Stall(bytes) => {
                drop(stream.write_all(&bytes).await);
                std::future::pending().await
            }
        };
        if stream.write_all(&bytes).await.is_err() || !goes_on {
            return;
        }
    }
}

/// The next request with its whole body.
async fn next(stream: &mut TcpStream, read: &mut Vec<u8>) -> Option<Seen> {
    let end = loop {
        if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        more(stream, read).await?;
    };
    let head = String::from_utf8_lossy(&read[..end]).into_owned();
    read.drain(..end + 4);
    let mut lines = head.split("\r\n");
    let line = lines.next()?.to_owned();
    let headers =
        lines.filter_map(|line| line.split_once(": ")).map(|(name, value)| (name.to_lowercase(), value.to_owned()));
    let mut seen = Seen { number: 0, line, headers: headers.collect(), body: Vec::new() };
    let length = seen.header("content-length").first().map_or(0, |length| length.parse().unwrap());
    if seen.header("transfer-encoding") == ["chunked"] {
        // Its end is enough: no test looks into it.
        while !read.ends_with(b"0\r\n\r\n") {
            more(stream, read).await?;
        }
        seen.body = std::mem::take(read);
        return Some(seen);
    }
    while read.len() < length {
        more(stream, read).await?;
    }
    seen.body = read.drain(..length).collect();
    Some(seen)
}

async fn more(stream: &mut TcpStream, read: &mut Vec<u8>) -> Option<()> {
    let mut more = vec![0; 16_384];
    let count = stream.read(&mut more).await.ok().filter(|count| *count > 0)?;
    read.extend_from_slice(&more[..count]);
    Some(())
}

impl Seen {
    pub fn header(&self, name: &str) -> Vec<&str> {
        let name = name.to_lowercase();
        self.headers.iter().filter(|(known, _)| *known == name).map(|(_, value)| value.as_str()).collect()
    }

    pub fn path(&self) -> &str {
        self.line.split(' ').nth(1).unwrap()
    }
}

impl Reply {
    pub fn ok(body: &str) -> Self {
        Self::of(200, body)
    }

    pub fn of(status: u16, body: &str) -> Self {
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        Self { status, headers, bytes: body.as_bytes().to_vec() }
    }

    /// As it goes over the wire.
    pub fn written(&self) -> Vec<u8> {
        let headers: Vec<String> = self.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let headers = headers.concat();
        let head = format!("HTTP/1.1 {} Said\r\n{headers}content-length: {}\r\n\r\n", self.status, self.bytes.len());
        [head.as_bytes(), &self.bytes].concat()
    }
}
