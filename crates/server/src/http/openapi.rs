//! The document of the API (OpenAPI 3.1), made from the table of routes and the types of its handlers.

use std::sync::OnceLock;

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::{
    describe::Describer,
    gate::IDEMPOTENCY_KEY,
    problem::{MEDIA_TYPE, ProblemBody},
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
    (route.describe)(describer);
    describer.fails(json!({"$ref": "#/components/responses/Problem"}));
    let told = [
        ("tags", json!([section.name])),
        ("operationId", json!(route.name)),
        ("summary", json!(route.summary)),
        ("description", json!(for_whom(route.who))),
    ];
    describer.operation.extend(told.map(|(name, value)| (name.to_owned(), value)));
    if !matches!(route.who, Who::Public) {
        let optional = matches!(route.who, Who::Anyone).then(|| json!({}));
        let security: Vec<Value> = optional.into_iter().chain([json!({"token": []})]).collect();
        describer.operation.insert("security".into(), security.into());
    }
    describer.finish()
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
