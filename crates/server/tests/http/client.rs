//! A small HTTP client that sends what it is told, be it right or wrong.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicU64, Ordering},
};

use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};

static KEYS: AtomicU64 = AtomicU64::new(0);

/// Somebody who sends requests.
#[derive(Clone)]
pub struct Client {
    pub address: SocketAddr,
    pub token: Option<String>,
}

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
        Self { address, token: None }
    }

    pub fn with_token(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self.clone() }
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
        let stream = TcpStream::connect(self.client.address).await.unwrap();
        self.send_over(stream).await
    }

    pub async fn send_over(self, mut stream: impl AsyncRead + AsyncWrite + Unpin) -> Reply {
        let (length, token) = (self.body.len().to_string(), self.client.token.map(|token| format!("Bearer {token}")));
        let fixed = [("Host", Some("shop")), ("Connection", Some("close")), ("Content-Length", Some(&*length))];
        let own = self.headers.iter().map(|(name, value)| (&**name, Some(&**value)));
        let all = fixed.into_iter().chain([("Authorization", token.as_deref())]).chain(own);
        let lines: Vec<String> = all.filter_map(|(name, value)| Some(format!("{name}: {}\r\n", value?))).collect();
        let head = format!("{} {} HTTP/1.1\r\n{}\r\n", self.method, self.path, lines.concat());
        stream.write_all(head.as_bytes()).await.unwrap();
        // A server that has heard enough answers before everything is sent.
        drop(stream.write_all(&self.body).await);
        let mut bytes = Vec::new();
        drop(stream.read_to_end(&mut bytes).await);
        Reply::parse(&bytes)
    }
}

impl Reply {
    fn parse(bytes: &[u8]) -> Self {
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
