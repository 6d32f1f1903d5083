//! A collector of traces on this machine: it takes what is sent by OTLP over HTTP, or refuses it as it is told, and
//! reads it with OpenTelemetry's own protobuf definitions.

use std::{
    collections::{BTreeMap, VecDeque},
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::Duration,
};

use opentelemetry_proto::tonic::{
    collector::trace::v1::{ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse},
    common::v1::{KeyValue, any_value::Value},
    trace::v1::{Span as OtelSpan, span::SpanKind},
};
use prost::Message;

/// Whoever waits longer has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// A collector. It ends with the test's process.
#[derive(Clone)]
pub struct Collector {
    address: SocketAddr,
    state: Arc<(Mutex<State>, Condvar)>,
}

#[derive(Default)]
struct State {
    /// What it answers next; then 200 for ever.
    answers: VecDeque<Answer>,
    requests: Vec<Request>,
}

/// How it answers one request.
#[derive(Debug, Clone, Copy)]
pub enum Answer {
    /// This status, and what is in the request is not taken.
    Status(u16),
    /// 200, but so many of the spans are not taken.
    Partly(i64),
}

/// A request that it got.
#[derive(Debug, Clone)]
pub struct Request {
    pub path: String,
    pub headers: BTreeMap<String, String>,
    pub message: ExportTraceServiceRequest,
}

/// A span that it has taken.
#[derive(Debug, Clone)]
pub struct Span {
    pub resource: BTreeMap<String, String>,
    pub trace_id: String,
    pub id: String,
    /// Empty where the trace begins.
    pub parent: String,
    pub name: String,
    pub kind: SpanKind,
    pub attributes: BTreeMap<String, String>,
    pub began: u64,
    pub ended: u64,
    pub failed: bool,
}

impl Collector {
    pub fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, state) = (listener.local_addr().unwrap(), Arc::default());
        let collector = Self { address, state };
        let hearing = collector.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let hearing = hearing.clone();
                thread::spawn(move || hearing.hear(&stream));
            }
        });
        collector
    }

    /// The next answers, before it takes everything.
    pub fn answers(&self, answers: impl IntoIterator<Item = Answer>) {
        self.state.0.lock().unwrap().answers.extend(answers);
    }

    /// For `traces_endpoint`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Waits for so many requests.
    pub fn wait_for(&self, requests: usize) {
        let state = self.state.0.lock().unwrap();
        let waits = |state: &mut State| state.requests.len() < requests;
        let waited = self.state.1.wait_timeout_while(state, PATIENCE, waits).unwrap();
        assert!(!waited.1.timed_out(), "{requests} requests have not come");
    }

    pub fn requests(&self) -> Vec<Request> {
        self.state.0.lock().unwrap().requests.clone()
    }

    /// Every span of every request.
    pub fn spans(&self) -> Vec<Span> {
        let mut spans = Vec::new();
        for of_resource in self.requests().into_iter().flat_map(|request| request.message.resource_spans) {
            let resource = texts(of_resource.resource.unwrap().attributes);
            for span in of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                spans.push(Span::new(&resource, span));
            }
        }
        spans
    }

    fn hear(&self, stream: &TcpStream) {
        let mut reader = BufReader::new(stream);
        while let Some(request) = read(&mut reader) {
            let mut state = self.state.0.lock().unwrap();
            let answer = state.answers.pop_front();
            state.requests.push(request);
            drop(state);
            self.state.1.notify_all();
            let mut stream = stream;
            if stream.write_all(&response(answer)).is_err() {
                return;
            }
        }
    }
}

fn read(reader: &mut impl BufRead) -> Option<Request> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let path = lines.first()?.split(' ').nth(1)?.to_owned();
    let header = |line: &String| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
    let headers: BTreeMap<_, _> = lines.iter().skip(1).filter_map(header).collect();
    let mut body = vec![0; headers["content-length"].parse().unwrap()];
    reader.read_exact(&mut body).ok()?;
    let message = ExportTraceServiceRequest::decode(&*body).expect("it is OTLP");
    Some(Request { path, headers, message })
}

fn response(answer: Option<Answer>) -> Vec<u8> {
    let (status, said) = match answer {
        Some(Answer::Status(status)) => (status, ExportTraceServiceResponse::default()),
        Some(Answer::Partly(rejected_spans)) => {
            let error_message = "too old".to_owned();
            let partial_success = Some(ExportTracePartialSuccess { rejected_spans, error_message });
            (200, ExportTraceServiceResponse { partial_success })
        }
        None => (200, ExportTraceServiceResponse::default()),
    };
    let body = said.encode_to_vec();
    let head = format!(
        "HTTP/1.1 {status} said\r\ncontent-type: application/x-protobuf\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.into_bytes(), body].concat()
}

impl Span {
    fn new(resource: &BTreeMap<String, String>, span: OtelSpan) -> Self {
        Self {
            resource: resource.clone(),
            trace_id: hex(&span.trace_id),
            id: hex(&span.span_id),
            parent: hex(&span.parent_span_id),
            kind: span.kind(),
            failed: span.status.as_ref().is_some_and(|status| status.code == 2),
            name: span.name,
            attributes: texts(span.attributes),
            began: span.start_time_unix_nano,
            ended: span.end_time_unix_nano,
        }
    }

    pub fn attribute(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }
}

fn texts(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    let text = |attribute: KeyValue| match attribute.value.unwrap().value.unwrap() {
        Value::StringValue(text) => (attribute.key, text),
        Value::IntValue(number) => (attribute.key, number.to_string()),
        other => panic!("{} is {other:?}", attribute.key),
    };
    attributes.into_iter().map(text).collect()
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}
