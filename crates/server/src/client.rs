//! A small HTTP client for our own commands that talk to a running shop: `demo`, `load`, operators' commands. One
//! connection that is kept open, one request at a time; who wants more at once takes more clients.

mod tls;

use std::{fmt, net::Ipv6Addr, time::Duration};

use hyper::{
    Method, Request, StatusCode,
    body::{Body, Bytes, Incoming},
    client::conn::http1::{SendRequest, handshake},
    header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue},
};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};

pub use tls::Trust;

/// The largest answer that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The longest that one request may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// Where a shop listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShopUrl {
    scheme: Scheme,
    /// An IPv6 address stands here without its brackets.
    host: String,
    port: u16,
}

/// How a shop is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Http,
    Https,
}

/// What went wrong on the way, or what the shop has refused.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("{0:?} is no address of a shop: expected http://HOST:PORT or https://HOST:PORT, without a path")]
    Url(String),
    #[error("the certificates in {path} cannot be used: {reason}")]
    CaFile { path: String, reason: String },
    #[error("TLS cannot be used: {reason}")]
    Tls { reason: String },
    /// Something answers, and it is not taken for the shop.
    #[error("no secure connection to {url}: {reason}")]
    Insecure { url: String, reason: String },
    #[error("the shop at {url} cannot be reached: {reason}")]
    Unreachable { url: String, reason: String },
    #[error("{method} {path} was refused with {status}: {code}: {detail}")]
    Refused { method: Method, path: String, status: u16, code: String, detail: String },
    #[error("the access token has characters that no token has")]
    Token,
    #[error("the answer to {path} cannot be read: {reason}")]
    Unreadable { path: String, reason: String },
}

/// An answer of the shop.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// A connection to a shop.
pub struct Client {
    url: ShopUrl,
    token: Option<HeaderValue>,
    /// Of a shop that is spoken to by TLS; what the system trusts, unless it was given.
    trust: Option<Trust>,
    connection: Option<SendRequest<OneBody>>,
}

/// What goes with one request.
#[derive(Debug, Clone, Default)]
pub struct Extra<'a> {
    pub idempotency_key: Option<&'a str>,
    /// Seconds of `Prefer: wait`.
    pub wait: Option<u32>,
}

impl Scheme {
    const fn prefix(self) -> &'static str {
        match self {
            Self::Http => "http://",
            Self::Https => "https://",
        }
    }

    const fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl ShopUrl {
    pub fn new(host: &str, port: u16) -> Self {
        Self { scheme: Scheme::Http, host: host.to_owned(), port }
    }

    /// The same, by TLS.
    #[must_use]
    pub fn secure(self) -> Self {
        Self { scheme: Scheme::Https, ..self }
    }

    /// Whether it is reached over TLS.
    pub fn is_secure(&self) -> bool {
        self.scheme == Scheme::Https
    }

    /// The host name or IP address; an IPv6 address without its brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// As it stands in a URL and in a header.
    pub fn authority(&self) -> String {
        let Self { host, port, .. } = self;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }
}

impl std::str::FromStr for ShopUrl {
    type Err = ClientError;
    fn from_str(text: &str) -> Result<Self, ClientError> {
        let wrong = || ClientError::Url(text.to_owned());
        let with = |scheme: Scheme| {
            let (start, rest) = text.split_at_checked(scheme.prefix().len())?;
            start.eq_ignore_ascii_case(scheme.prefix()).then_some((scheme, rest))
        };
        let (scheme, rest) = with(Scheme::Https).or_else(|| with(Scheme::Http)).ok_or_else(wrong)?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, port)) => {
                let _address: Ipv6Addr = host.parse().map_err(|_| wrong())?;
                (host, if port.is_empty() { None } else { Some(port.strip_prefix(':').ok_or_else(wrong)?) })
            }
            None => rest.split_once(':').map_or((rest, None), |(host, port)| (host, Some(port))),
        };
        let port = match port {
            None => scheme.port(),
            Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
                port.parse().ok().filter(|port| *port > 0).ok_or_else(wrong)?
            }
            Some(_) => return Err(wrong()),
        };
        let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte);
        let usable = !host.is_empty() && host.bytes().all(is_host);
        if usable { Ok(Self { scheme, ..Self::new(host, port) }) } else { Err(wrong()) }
    }
}

impl fmt::Display for ShopUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.scheme.prefix(), self.authority())
    }
}

impl Client {
    pub fn new(url: ShopUrl) -> Self {
        Self { url, token: None, trust: None, connection: None }
    }

    /// Trusts these certificates.
    #[must_use]
    pub fn trusting(self, trust: Trust) -> Self {
        Self { trust: Some(trust), ..self }
    }

    /// Sends this access token from now on.
    pub fn with_token(self, token: &str) -> Result<Self, ClientError> {
        let token = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| ClientError::Token)?;
        Ok(Self { token: Some(token), ..self })
    }

    /// Another connection in the same name.
    #[must_use]
    pub fn another(&self) -> Self {
        let (url, token, trust) = (self.url.clone(), self.token.clone(), self.trust.clone());
        Self { url, token, trust, connection: None }
    }

    /// Sends one request and gives whatever comes. A connection that was closed meanwhile is opened again once; the
    /// idempotency key makes that harmless.
    pub async fn send(
        &mut self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        extra: Extra<'_>,
    ) -> Result<Answer, ClientError> {
        let bytes = body.map(|body| Bytes::from(body.to_string()));
        let safe = method == Method::GET || extra.idempotency_key.is_some();
        match self.try_send(&method, path, bytes.clone(), &extra).await {
            Err(ClientError::Unreachable { .. }) if safe => self.try_send(&method, path, bytes, &extra).await,
            sent => sent,
        }
    }

    /// `GET`, and the body read.
    pub async fn get<T: DeserializeOwned>(&mut self, path: &str) -> Result<T, ClientError> {
        self.send(Method::GET, path, None, Extra::default()).await?.read(&Method::GET, path)
    }

    /// A write under an idempotency key, and the body read.
    pub async fn write<T: DeserializeOwned>(
        &mut self,
        method: Method,
        path: &str,
        body: &Value,
        key: &str,
    ) -> Result<T, ClientError> {
        let extra = Extra { idempotency_key: Some(key), wait: None };
        self.send(method.clone(), path, Some(body), extra).await?.read(&method, path)
    }

    async fn try_send(
        &mut self,
        method: &Method,
        path: &str,
        body: Option<Bytes>,
        extra: &Extra<'_>,
    ) -> Result<Answer, ClientError> {
        let request = self.request(method, path, body, extra).map_err(|error| unreachable(&self.url, &error))?;
        let open = self.connection.take().filter(|connection| !connection.is_closed());
        let mut connection = if let Some(connection) = open {
            connection
        } else {
            let connected = tokio::time::timeout(PATIENCE, self.connect()).await;
            connected.map_err(|_| unreachable(&self.url, &"no connection in time"))??
        };
        let exchange = async {
            connection.ready().await?;
            let answer = connection.send_request(request).await?;
            let (head, body) = answer.into_parts();
            Ok::<_, hyper::Error>((head, read_all(body).await?))
        };
        let done = tokio::time::timeout(PATIENCE, exchange).await;
        let done = done.map_err(|_| unreachable(&self.url, &"no answer in time"))?;
        let (head, body) = done.map_err(|error| match self.url.scheme {
            Scheme::Http if error.is_parse() => unreachable(&self.url, &"its answer is no HTTP; does it speak https?"),
            _ => unreachable(&self.url, &error),
        })?;
        self.connection = Some(connection);
        Ok(Answer { status: head.status, headers: head.headers, body })
    }

    fn request(
        &self,
        method: &Method,
        path: &str,
        body: Option<Bytes>,
        extra: &Extra<'_>,
    ) -> Result<Request<OneBody>, hyper::http::Error> {
        let mut request = Request::builder().method(method).uri(path).header(HOST, self.url.authority());
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, token);
        }
        if let Some(key) = extra.idempotency_key {
            request = request.header(HeaderName::from_static("idempotency-key"), key);
        }
        if let Some(seconds) = extra.wait {
            request = request.header(HeaderName::from_static("prefer"), format!("wait={seconds}"));
        }
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        request.body(OneBody(body))
    }

    async fn connect(&mut self) -> Result<SendRequest<OneBody>, ClientError> {
        let url = &self.url;
        let stream =
            TcpStream::connect((url.host.as_str(), url.port)).await.map_err(|error| unreachable(url, &error))?;
        stream.set_nodelay(true).map_err(|error| unreachable(url, &error))?;
        if url.scheme == Scheme::Http {
            return over(url, stream).await;
        }
        let trust = match self.trust.take() {
            Some(trust) => trust,
            None => Trust::new(None)?,
        };
        let trust = self.trust.insert(trust);
        match trust.connect(&url.host, stream).await {
            Ok(stream) => over(url, stream).await,
            Err(reason) => Err(ClientError::Insecure { url: url.to_string(), reason }),
        }
    }
}

fn unreachable(url: &ShopUrl, reason: &dyn fmt::Display) -> ClientError {
    ClientError::Unreachable { url: url.to_string(), reason: reason.to_string() }
}

/// Speaks HTTP over a connection.
async fn over(
    url: &ShopUrl,
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
) -> Result<SendRequest<OneBody>, ClientError> {
    let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|error| unreachable(url, &error))?;
    drive(connection);
    Ok(sender)
}

/// A connection needs somebody who moves its bytes; it ends with the client.
#[expect(clippy::disallowed_methods, reason = "it ends when its client is dropped")]
fn drive(connection: impl Future<Output = Result<(), hyper::Error>> + Send + 'static) {
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection to the shop has ended");
        }
    });
}

impl Answer {
    /// The problem code, if it is a problem.
    pub fn problem_code(&self) -> Option<String> {
        let problem: Value = serde_json::from_slice(&self.body).ok()?;
        Some(problem.get("code")?.as_str()?.to_owned())
    }

    /// The body of a success; a problem is an error.
    pub fn read<T: DeserializeOwned>(&self, method: &Method, path: &str) -> Result<T, ClientError> {
        if !self.status.is_success() {
            let problem: Value = serde_json::from_slice(&self.body).unwrap_or_default();
            let field = |name: &str| problem.get(name).and_then(Value::as_str).unwrap_or("?").to_owned();
            return Err(ClientError::Refused {
                method: method.clone(),
                path: path.to_owned(),
                status: self.status.as_u16(),
                code: field("code"),
                detail: field("detail"),
            });
        }
        let body: &[u8] = if self.body.is_empty() { b"null" } else { &self.body };
        serde_json::from_slice(body)
            .map_err(|error| ClientError::Unreadable { path: path.to_owned(), reason: error.to_string() })
    }
}

/// A body that is there at once.
#[derive(Debug, Default)]
struct OneBody(Option<Bytes>);

impl Body for OneBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
        std::task::Poll::Ready(self.0.take().map(|bytes| Ok(hyper::body::Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        let bytes = self.0.as_ref().map_or(0, Bytes::len);
        hyper::body::SizeHint::with_exact(u64::try_from(bytes).unwrap_or(u64::MAX))
    }
}

async fn read_all(mut body: Incoming) -> Result<Bytes, hyper::Error> {
    let mut all: Vec<u8> = Vec::new();
    while let Some(frame) = std::future::poll_fn(|context| std::pin::Pin::new(&mut body).poll_frame(context)).await {
        if let Ok(data) = frame?.into_data() {
            // What is longer than any answer of ours is cut off, and then cannot be read.
            let room = ANSWER_BYTES_MAX.saturating_sub(all.len());
            all.extend_from_slice(&data[..data.len().min(room)]);
        }
    }
    Ok(all.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_a_shop_is_a_scheme_a_host_and_a_port() {
        for (text, shown) in [
            ("http://127.0.0.1:8080/", "http://127.0.0.1:8080"),
            ("http://shop", "http://shop:80"),
            ("https://shop.example.org", "https://shop.example.org:443"),
            ("HTTPS://shop:8443", "https://shop:8443"),
            ("http://[::1]:8080", "http://[::1]:8080"),
            ("https://[::1]/", "https://[::1]:443"),
        ] {
            assert_eq!(text.parse::<ShopUrl>().unwrap().to_string(), shown);
        }
        for wrong in [
            "",
            "127.0.0.1:8080",
            "ftp://shop",
            "ws://shop",
            "http:/shop",
            "http://",
            "http://:80",
            "http://shop:x",
            "http://shop:",
            "http://shop:0",
            "http://shop:99999",
            "http://shop:+1",
            "http://shop/v1",
            "http://shop?x",
            "http://me:secret@shop",
            "http://::1:80",
            "http://[::1",
            "http://[shop]",
            "http://[::1]80",
            "http://a b",
            "http://shop//",
            "https://sh\u{f6}p",
        ] {
            assert!(wrong.parse::<ShopUrl>().is_err(), "{wrong}");
        }
    }
}
