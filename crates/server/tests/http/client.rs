//! A small HTTP client that sends what it is told, be it right or wrong.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

static KEYS: AtomicU64 = AtomicU64::new(0);

/// Somebody who sends requests.
#[derive(Clone)]
pub struct Client {
    pub address: SocketAddr,
    pub token: Option<String>,
    /// The address of this machine that it calls from, if that matters.
    pub source: Option<IpAddr>,
    /// Where a shop has several doors: the one for a method and a path.
    pub doors: Option<Doors>,
}

pub type Doors = Arc<dyn Fn(&str, &str) -> SocketAddr + Send + Sync>;

/// A request, before it is sent.
pub struct Request {
    client: Client,
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub bytes: Vec<u8>,
}

impl Client {
    pub fn new(address: SocketAddr) -> Self {
        Self { address, token: None, source: None, doors: None }
    }

    pub fn with_token(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self.clone() }
    }

    /// The same from 127.0.0.N.
    pub fn from(&self, last: u8) -> Self {
        Self { source: Some(IpAddr::from([127, 0, 0, last])), ..self.clone() }
    }

    /// A connection over which a test sends what it likes.
    pub async fn connect(&self) -> TcpStream {
        connect(self.source, self.address).await
    }

    /// A write has a new key of its own.
    pub fn request(&self, method: &str, path: &str) -> Request {
        let key = KEYS.fetch_add(1, Ordering::Relaxed);
        let request = Request {
            client: self.clone(),
            method: method.into(),
            path: path.into(),
            headers: Vec::new(),
            body: Vec::new(),
        };
        if method == "GET" { request } else { request.header("Idempotency-Key", &format!("key-{key}")) }
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.request("GET", path).send().await
    }

    pub async fn post(&self, path: &str, body: Value) -> Reply {
        self.request("POST", path).json(&body).send().await
    }

    pub async fn put(&self, path: &str, body: Value) -> Reply {
        self.request("PUT", path).json(&body).send().await
    }

    pub async fn delete(&self, path: &str) -> Reply {
        self.request("DELETE", path).send().await
    }
}

impl Request {
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self.headers.push((name.into(), value.into()));
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self
    }

    pub fn json(self, body: &Value) -> Self {
        self.body(body.to_string().into_bytes()).header("Content-Type", "application/json")
    }

    pub fn body(mut self, body: Vec<u8>) -> Self {
        self.body = body;
        self
    }

    pub async fn send(self) -> Reply {
        let stream = self.connect().await;
        self.send_over(stream).await
    }

    /// The same where the server may be gone: an error if the whole answer has not come.
    pub async fn try_send(self) -> io::Result<Reply> {
        let mut stream = TcpStream::connect(self.client.address).await?;
        self.try_write_to(&mut stream).await?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await?;
        if bytes.is_empty() { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(Reply::parse(&bytes)) }
    }

    /// A connection to the door where it belongs.
    async fn connect(&self) -> TcpStream {
        let door = self.client.doors.as_ref().map(|door| door(&self.method, &self.path));
        connect(self.client.source, door.unwrap_or(self.client.address)).await
    }

    pub async fn send_over(self, mut stream: impl AsyncRead + AsyncWrite + Unpin) -> Reply {
        self.write_to(&mut stream).await;
        let mut bytes = Vec::new();
        drop(stream.read_to_end(&mut bytes).await);
        Reply::parse(&bytes)
    }

    /// Asks for a stream of events, which is read as it comes.
    pub async fn stream(self) -> EventStream {
        let mut stream = self.connect().await;
        self.header("Accept", "text/event-stream").write_to(&mut stream).await;
        EventStream { stream, bytes: Vec::new(), text: None }
    }

    async fn write_to(self, stream: &mut (impl AsyncWrite + Unpin)) {
        self.try_write_to(stream).await.unwrap();
    }

    async fn try_write_to(self, stream: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        let (length, token) = (self.body.len().to_string(), self.client.token.map(|token| format!("Bearer {token}")));
        let fixed = [("Host", Some("shop")), ("Connection", Some("close")), ("Content-Length", Some(&*length))];
        let own = self.headers.iter().map(|(name, value)| (&**name, Some(&**value)));
        let all = fixed.into_iter().chain([("Authorization", token.as_deref())]).chain(own);
        let lines: Vec<String> = all.filter_map(|(name, value)| Some(format!("{name}: {}\r\n", value?))).collect();
        let head = format!("{} {} HTTP/1.1\r\n{}\r\n", self.method, self.path, lines.concat());
        stream.write_all(head.as_bytes()).await?;
        // A server that has heard enough answers before everything is sent.
        drop(stream.write_all(&self.body).await);
        Ok(())
    }
}

async fn connect(source: Option<IpAddr>, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    if let Some(source) = source {
        socket.bind((source, 0).into()).unwrap();
    }
    socket.connect(to).await.unwrap()
}

impl Reply {
    pub fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("an answer has a head");
        let head = std::str::from_utf8(&bytes[..end]).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let header = |line: &str| {
            let (name, value) = line.split_once(": ").unwrap();
            (name.to_ascii_lowercase(), value.to_owned())
        };
        Self { status, headers: lines.map(header).collect(), bytes: bytes[end + 4..].to_vec() }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.bytes).unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The text of a field of the body.
    pub fn field(&self, name: &str) -> String {
        self.json()[name].as_str().unwrap_or_else(|| panic!("no {name} in {}", self.text())).to_owned()
    }

    /// The code of a problem; empty for an answer that is none.
    pub fn code(&self) -> String {
        if self.header("content-type") == Some("application/problem+json") { self.field("code") } else { String::new() }
    }

    /// This answer, which must have that status.
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.bytes));
        self
    }

    /// A problem of this status and code.
    pub fn refused(self, status: u16, code: &str) -> Self {
        assert_eq!((self.status, self.code().as_str()), (status, code), "{}", String::from_utf8_lossy(&self.bytes));
        self
    }
}

/// An answer that goes on, of which only the events count.
pub struct EventStream {
    stream: TcpStream,
    bytes: Vec<u8>,
    /// What was read of the body and is no whole event yet; none before the head is there.
    text: Option<String>,
}

/// An event of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    pub id: String,
    pub name: String,
    pub data: String,
}

impl EventStream {
    /// The next event; none when the stream has ended.
    pub async fn next(&mut self) -> Option<Told> {
        loop {
            if let Some(told) = self.take_event() {
                return Some(told);
            }
            let mut more = [0; 4_096];
            let count = self.stream.read(&mut more).await.unwrap();
            if count == 0 {
                return None;
            }
            self.bytes.extend_from_slice(&more[..count]);
            self.take_chunks();
        }
    }

    /// All events until the stream ends.
    pub async fn rest(mut self) -> Vec<Told> {
        let mut all = Vec::new();
        while let Some(told) = self.next().await {
            all.push(told);
        }
        all
    }

    /// So many events.
    pub async fn take(&mut self, count: usize) -> Vec<Told> {
        let mut all = Vec::new();
        for _ in 0..count {
            all.push(self.next().await.expect("the stream goes on"));
        }
        all
    }

    fn take_chunks(&mut self) {
        if self.text.is_none() {
            let Some(end) = find(&self.bytes, b"\r\n\r\n") else { return };
            let head = String::from_utf8(self.bytes.drain(..end + 4).collect()).unwrap();
            assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("text/event-stream"), "{head}");
            self.text = Some(String::new());
        }
        // Chunked: a length in hexadecimal digits, a line end, so many bytes, a line end.
        while let Some(end) = find(&self.bytes, b"\r\n") {
            let length = usize::from_str_radix(std::str::from_utf8(&self.bytes[..end]).unwrap(), 16).unwrap();
            let Some(chunk) = self.bytes.get(end + 2..end + 4 + length) else { return };
            let text = std::str::from_utf8(&chunk[..length]).unwrap().to_owned();
            self.text.as_mut().unwrap().push_str(&text);
            self.bytes.drain(..end + 4 + length);
        }
    }

    /// Comments keep the connection alive, and are no events.
    fn take_event(&mut self) -> Option<Told> {
        let text = self.text.as_mut()?;
        loop {
            let end = text.find("\n\n")?;
            let event: String = text.drain(..end + 2).collect();
            let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
            if let (Some(id), Some(name), Some(data)) = (field("id: "), field("event: "), field("data: ")) {
                return Some(Told { id, name, data });
            }
        }
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}
