//! Steps in OpenTelemetry's words: its protobuf messages, its semantic conventions for HTTP and messaging, and names of
//! our own (`tradewind.…`) for what those have none for. Identifiers and kinds only.

use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value},
    resource::v1::Resource,
    trace::v1::{ResourceSpans, ScopeSpans, Span as OtelSpan, Status, span::SpanKind, status::StatusCode},
};
use prost::Message;
use tradewind_engine::{HandleStep, Handled, MessageKind, Span, Step};

use super::{Ended, EndedRequest};

/// What messaging systems are told apart by: ours lives inside a store, and between stores on a broker.
const SYSTEM: &str = "tradewind";

/// Bits of a span's flags: whether its parent is of another process is known, and it is.
const PARENT_IS_REMOTE: u32 = 0x100 | 0x200;

/// Which process tells.
#[derive(Debug, Clone, Copy)]
pub struct Instance<'a> {
    pub store_name: &'a str,
    /// The epoch in which it owns the store: no two processes share it.
    pub epoch: u64,
}

/// Who tells, for every span.
pub(super) fn resource(service: &str, instance: &Instance<'_>) -> Resource {
    Resource {
        attributes: vec![
            text("service.name", service),
            text("service.version", env!("CARGO_PKG_VERSION")),
            text("service.instance.id", format!("{}-{}", instance.store_name, instance.epoch)),
            text("telemetry.sdk.name", SYSTEM),
            text("telemetry.sdk.language", "rust"),
            text("telemetry.sdk.version", env!("CARGO_PKG_VERSION")),
        ],
        ..Resource::default()
    }
}

/// The body of a request to a collector.
pub(super) fn request(resource: &Resource, ended: Vec<Ended>) -> Vec<u8> {
    let scope = InstrumentationScope {
        name: SYSTEM.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    };
    let spans = ended.into_iter().map(|ended| match ended {
        Ended::Step(span) => step(span),
        Ended::Request(request) => http(&request),
    });
    let scope_spans = ScopeSpans { scope: Some(scope), spans: spans.collect(), ..ScopeSpans::default() };
    let resource_spans =
        ResourceSpans { resource: Some(resource.clone()), scope_spans: vec![scope_spans], ..ResourceSpans::default() };
    ExportTraceServiceRequest { resource_spans: vec![resource_spans] }.encode_to_vec()
}

fn http(ended: &EndedRequest) -> OtelSpan {
    let EndedRequest { request, ended, method, route, status, code } = *ended;
    let mut attributes =
        vec![text("http.request.method", method), number("http.response.status_code", status.as_u16())];
    attributes.extend(route.map(|route| text("http.route", route)));
    attributes.extend(code.map(|code| text("tradewind.problem", code)));
    let failed = status.is_server_error();
    if failed {
        attributes.push(text("error.type", status.as_str()));
    }
    OtelSpan {
        trace_id: request.context.trace_id.to_be_bytes().to_vec(),
        span_id: request.context.span_id.to_be_bytes().to_vec(),
        parent_span_id: parent(request.parent),
        flags: 1 | PARENT_IS_REMOTE,
        name: route.map_or_else(|| method.to_owned(), |route| format!("{method} {route}")),
        kind: SpanKind::Server.into(),
        start_time_unix_nano: request.began,
        end_time_unix_nano: ended.max(request.began),
        attributes,
        status: status_of(failed),
        ..OtelSpan::default()
    }
}

fn step(span: Span) -> OtelSpan {
    let remote = matches!(span.step, Step::WaitBroker { .. });
    let failed = matches!(&span.step, Step::Handle(step) if step.how == Handled::Dead);
    let (name, kind, attributes) = words(span.step);
    OtelSpan {
        trace_id: span.context.trace_id.to_be_bytes().to_vec(),
        span_id: span.context.span_id.to_be_bytes().to_vec(),
        parent_span_id: parent(span.parent),
        flags: 1 | if remote { PARENT_IS_REMOTE } else { 0 },
        name,
        kind: kind.into(),
        start_time_unix_nano: span.began,
        end_time_unix_nano: span.ended.max(span.began),
        attributes,
        status: status_of(failed),
        ..OtelSpan::default()
    }
}

fn words(step: Step) -> (String, SpanKind, Vec<KeyValue>) {
    match step {
        Step::Handle(step) => handler(&step),
        Step::WaitQueue => wait("queue"),
        Step::WaitRows => wait("rows"),
        Step::WaitParked => wait("parked"),
        Step::WaitBatch => wait("batch"),
        Step::WaitWriter => wait("writer"),
        Step::Commit { batch, segment } => {
            let attributes = vec![number("tradewind.batch", batch), number("tradewind.segment", segment)];
            ("commit".to_owned(), SpanKind::Internal, attributes)
        }
        Step::Publish { topic, event_id } => {
            let attributes = vec![
                text("messaging.system", SYSTEM),
                text("messaging.operation.name", "publish"),
                text("messaging.operation.type", "send"),
                text("messaging.destination.name", topic.clone()),
                text("messaging.message.id", event_id.as_str()),
            ];
            (format!("publish {topic}"), SpanKind::Producer, attributes)
        }
        Step::WaitBroker { topic, event_id } => {
            let (_, _, mut attributes) = wait("broker");
            attributes.extend([
                text("messaging.system", SYSTEM),
                text("messaging.operation.name", "receive"),
                text("messaging.operation.type", "receive"),
                text("messaging.destination.name", topic),
                text("messaging.message.id", event_id.as_str()),
            ]);
            ("wait broker".to_owned(), SpanKind::Consumer, attributes)
        }
        Step::Try { kind, attempt, done } => {
            let outcome = if done { "done" } else { "unknown" };
            let attributes = vec![number("tradewind.attempt", attempt), text("tradewind.outcome", outcome)];
            (format!("try {kind}"), SpanKind::Client, attributes)
        }
    }
}

fn wait(what: &'static str) -> (String, SpanKind, Vec<KeyValue>) {
    (format!("wait {what}"), SpanKind::Internal, vec![text("tradewind.wait", what)])
}

fn handler(step: &HandleStep) -> (String, SpanKind, Vec<KeyValue>) {
    let (message_kind, kind) = match step.kind {
        MessageKind::Command => ("command", SpanKind::Internal),
        MessageKind::Event => ("event", SpanKind::Consumer),
        MessageKind::Timer => ("timer", SpanKind::Internal),
        MessageKind::Job => ("job", SpanKind::Internal),
    };
    let outcome = match step.how {
        Handled::Done => "done",
        Handled::Refused => "refused",
        Handled::Parked => "parked",
        Handled::Dead => "dead",
    };
    let mut attributes = vec![
        text("tradewind.service", step.service),
        text("tradewind.message", &*step.message),
        text("tradewind.message_kind", message_kind),
        text("tradewind.outcome", outcome),
        text("messaging.message.id", step.message_id.as_str()),
        text("messaging.message.conversation_id", step.correlation_id.as_str()),
    ];
    if step.loads > 0 {
        attributes.push(number("tradewind.loads", step.loads));
    }
    if let Some((source, subject)) = &step.event {
        attributes.extend([
            text("messaging.system", SYSTEM),
            text("messaging.operation.name", "process"),
            text("messaging.operation.type", "process"),
            text("messaging.destination.name", &**source),
            text("messaging.consumer.group.name", step.service),
            text("tradewind.subject", subject.to_string()),
        ]);
    }
    if step.how == Handled::Dead {
        attributes.push(text("error.type", "dead_letter"));
    }
    (format!("{} {}", step.service, step.message), kind, attributes)
}

fn parent(id: Option<u64>) -> Vec<u8> {
    id.map(|id| id.to_be_bytes().to_vec()).unwrap_or_default()
}

fn status_of(failed: bool) -> Option<Status> {
    failed.then(|| Status { code: StatusCode::Error.into(), message: String::new() })
}

fn text(key: &str, value: impl Into<String>) -> KeyValue {
    attribute(key, any_value::Value::StringValue(value.into()))
}

/// What is beyond the range of the wire is its end.
fn number(key: &str, value: impl TryInto<i64>) -> KeyValue {
    attribute(key, any_value::Value::IntValue(value.try_into().unwrap_or(i64::MAX)))
}

fn attribute(key: &str, value: any_value::Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}
