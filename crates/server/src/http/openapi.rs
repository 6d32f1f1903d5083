//! The document of the API (OpenAPI 3.1), made from the table of routes and the types of its handlers.

use std::sync::OnceLock;

use axum::http::Method;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};
use tradewind_engine::{RefusalKind, operator};

use super::{
    describe::Describer,
    edge::PROBES,
    gate::{AUDIT_REASON, AUDIT_REASON_CHARS_MAX, IDEMPOTENCY_KEY},
    problem::{EdgeRefusal, MEDIA_TYPE, ProblemBody},
    refusals::{
        ACCESS_TOKEN_EXPIRED, ACCESS_TOKEN_INVALID, BODY_INVALID, BODY_TOO_LARGE, BODY_TOO_SLOW, CONCURRENCY_LIMITED,
        CONTENT_ENCODING_UNSUPPORTED, CURSOR_INVALID, IDEMPOTENCY_KEY_MISSING, JSON_INVALID, JSON_TOO_DEEP,
        MEDIA_TYPE_UNSUPPORTED, NOT_ALLOWED, NOT_SIGNED_IN, OVERLOADED, PATH_INVALID, QUERY_INVALID, RATE_LIMITED,
        TIMED_OUT,
    },
    route::{Route, Section, Who},
};
use crate::problems;

const ABOUT: &str = "An event-driven commerce backend. Every write carries an `Idempotency-Key`: the same request under \
the same key has its effect once, and gets the same answer again. Lists come in pages. Errors are \
`application/problem+json`; act on their `code`.";

/// The document of these sections.
pub fn document(sections: &[Section]) -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut describer = Describer::new(settings.into_generator());
    let mut paths: Map<String, Value> = Map::new();
    for section in sections {
        for route in &section.routes {
            let operation = operation(&mut describer, section, route);
            let path = paths.entry(route.path).or_insert_with(|| json!({}));
            path[route.method.as_str().to_ascii_lowercase()] = operation;
        }
    }
    let tags: Vec<Value> =
        sections.iter().map(|section| json!({"name": section.name, "description": section.about})).collect();
    let problem = describer.schema::<ProblemBody<'_>>();
    let schemas = describer.into_generator().take_definitions(true);
    let codes: Map<String, Value> = problems::all()
        .into_iter()
        .map(|(status, refusal)| (refusal.code.into(), json!({"status": status.as_u16(), "title": refusal.title})))
        .collect();
    json!({
        "openapi": "3.1.0",
        "info": {"title": "Tradewind", "version": env!("CARGO_PKG_VERSION"), "description": ABOUT},
        "tags": tags,
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": {"Problem": {
                "description": "The request was not followed.",
                "content": {MEDIA_TYPE: {"schema": problem}},
            }},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
        "x-problems": codes,
    })
}

fn operation(describer: &mut Describer, section: &Section, route: &Route) -> Value {
    for part in route.path.split('/') {
        if let Some(name) = part.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            describer.in_path(name);
        }
    }
    if route.keyed {
        let help = "Makes the request safe to repeat: 1 to 64 visible characters, a new one for each new wish.";
        let schema = json!({"type": "string", "minLength": 1, "maxLength": 64});
        describer.required_header(&canonical(IDEMPOTENCY_KEY), help, schema);
    }
    if route.is_audited() {
        let help = "Why, for the audit trail, where somebody else than a customer asks; no personal data.";
        let schema = json!({"type": "string", "minLength": 1, "maxLength": AUDIT_REASON_CHARS_MAX});
        describer.header(&canonical(AUDIT_REASON), help, schema);
    }
    (route.describe)(describer);
    let codes = codes(describer, route);
    describer.fails(json!({"$ref": "#/components/responses/Problem"}));
    let told = [
        ("tags", json!([section.name])),
        ("operationId", json!(route.name)),
        ("summary", json!(route.summary)),
        ("description", json!(for_whom(route.who))),
        ("x-problems", json!(codes)),
    ];
    describer.operation.extend(told.map(|(name, value)| (name.to_owned(), value)));
    if !matches!(route.who, Who::Public) {
        let optional = matches!(route.who, Who::Anyone).then(|| json!({}));
        let security: Vec<Value> = optional.into_iter().chain([json!({"token": []})]).collect();
        describer.operation.insert("security".into(), security.into());
    }
    describer.finish()
}

/// The problems with which a route may answer: those of its form, then those of the services behind it.
fn codes(describer: &Describer, route: &Route) -> Vec<&'static str> {
    let has = |place| !describer.names_in(place).is_empty();
    let token: &[EdgeRefusal] = match route.who {
        Who::Public => &[],
        Who::Anyone => &[ACCESS_TOKEN_INVALID, ACCESS_TOKEN_EXPIRED],
        _ => &[NOT_SIGNED_IN, ACCESS_TOKEN_INVALID, ACCESS_TOKEN_EXPIRED, NOT_ALLOWED],
    };
    let body: &[EdgeRefusal] = &[
        MEDIA_TYPE_UNSUPPORTED,
        CONTENT_ENCODING_UNSUPPORTED,
        JSON_INVALID,
        JSON_TOO_DEEP,
        BODY_INVALID,
        BODY_TOO_LARGE,
        BODY_TOO_SLOW,
    ];
    let of_form = [
        (true, token),
        (has("path"), &[PATH_INVALID]),
        (has("query"), &[QUERY_INVALID]),
        (describer.names_in("query").contains(&"cursor"), &[CURSOR_INVALID]),
        (describer.operation.contains_key("requestBody"), body),
        (route.keyed, &[IDEMPOTENCY_KEY_MISSING]),
        (!PROBES.contains(&route.path), &[RATE_LIMITED]),
        (true, &[CONCURRENCY_LIMITED, OVERLOADED, TIMED_OUT]),
    ];
    let of_form = of_form.into_iter().filter(|(may, _)| *may).flat_map(|(_, edge)| edge).map(|edge| edge.refusal);
    let of_writes = route.keyed.then_some([operator::IDEMPOTENCY_KEY_REUSED, operator::UNAVAILABLE]);
    // What is only read may be missing; nothing else can be wrong with it.
    let is_read = route.method == Method::GET;
    let of_services = route.service.into_iter().flat_map(problems::of_service).copied();
    let of_services = of_services.filter(|own| !is_read || (has("path") && own.kind == RefusalKind::NotFound));
    let mut codes = Vec::new();
    for refusal in of_form.chain(of_writes.into_iter().flatten()).chain(of_services) {
        // The edge and a service may refuse for the same reason.
        if !codes.contains(&refusal.code) {
            codes.push(refusal.code);
        }
    }
    codes
}

fn for_whom(who: Who) -> &'static str {
    match who {
        Who::Public => "For everybody.",
        Who::Anyone => "For everybody, signed in or not.",
        Who::User => "For every user.",
        Who::Owner => "For the user to whom it belongs, for staff and service clients.",
        Who::Service => "For service clients and staff.",
        Who::Staff => "For staff.",
        Who::Admin => "For admins.",
    }
}

/// A header as people write it.
fn canonical(name: &str) -> String {
    let word = |word: &str| {
        let (first, rest) = word.split_at(1);
        first.to_ascii_uppercase() + rest
    };
    name.split('-').map(word).collect::<Vec<_>>().join("-")
}

/// The document of the whole table, as text.
pub fn text() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| {
        let document = document(&super::table());
        // A document of strings and numbers: there is nothing that JSON cannot hold.
        serde_json::to_string_pretty(&document).unwrap_or_default() + "\n"
    })
}
