//! Every text that a request can carry, with what keys, logs and stores may stumble over: each answer is below 500, and
//! the shop is up and clean afterwards.

use serde_json::{Map, Value, json};
use tradewind::http::openapi_text;

use crate::{
    client::{Client, Request},
    town::{Town, order_of},
};

/// Longer than every bound of a field, shorter than that of a body.
const LONG_BYTES: usize = 64 * 1024;

/// As long as a path may be for a request to be read at all.
const LONG_PATH_BYTES: usize = 4 * 1024;

/// Objects within objects are filled so deep.
const DEPTH_MAX: usize = 6;

fn texts(long_bytes: usize) -> Vec<String> {
    let odd = [
        "a\u{0}b",
        "a\u{1f}b",
        "\u{1f}",
        "a\u{7f}b",
        "a\u{85}b",
        "a\nb",
        "a/b",
        "a|b",
        "a:b",
        "%1F",
        "",
        "e\u{301}",
        "\u{202e}txt",
        "\u{301}",
        "\u{1f6d2}",
        "\u{ffff}",
        "a\u{1f}b@example.org",
    ];
    odd.into_iter().map(str::to_owned).chain(["x".repeat(long_bytes), "\u{1f6d2}".repeat(long_bytes / 4)]).collect()
}

/// One operation of the document.
struct Operation<'a> {
    document: &'a Value,
    method: String,
    path: &'a str,
    of: &'a Value,
}

impl<'a> Operation<'a> {
    fn all(document: &'a Value) -> Vec<Self> {
        let paths = document["paths"].as_object().unwrap();
        let each = |(path, methods): (&'a String, &'a Value)| {
            let methods = methods.as_object().unwrap().iter().filter(|(_, of)| of.get("responses").is_some());
            methods.map(move |(method, of)| Self { document, method: method.to_uppercase(), path, of })
        };
        paths.iter().flat_map(each).collect()
    }

    fn resolved(&self, schema: &'a Value) -> &'a Value {
        if let Some(name) = schema["$ref"].as_str() {
            let pointed = name.strip_prefix('#').and_then(|pointer| self.document.pointer(pointer));
            return self.resolved(pointed.unwrap_or_else(|| panic!("{name} is in the document")));
        }
        let either = ["anyOf", "oneOf", "allOf"].iter().find_map(|name| schema[*name].as_array());
        let real = either.and_then(|all| all.iter().find(|one| one["type"] != "null"));
        real.map_or(schema, |real| self.resolved(real))
    }

    fn parameters(&self, place: &str) -> Vec<&'a str> {
        let all = self.of["parameters"].as_array().into_iter().flatten();
        all.filter(|parameter| parameter["in"] == place).filter_map(|parameter| parameter["name"].as_str()).collect()
    }

    /// A body with every field, as good as a schema tells.
    fn body(&self) -> Option<Value> {
        let schema = &self.of["requestBody"]["content"]["application/json"]["schema"];
        (!schema.is_null()).then(|| self.filled(schema, "", 0))
    }

    fn filled(&self, schema: &'a Value, name: &str, depth: usize) -> Value {
        let schema = self.resolved(schema);
        if let Some(choice) = schema["enum"].as_array().and_then(|all| all.first()) {
            return choice.clone();
        }
        let kind = match &schema["type"] {
            Value::Array(kinds) => kinds.iter().find(|kind| **kind != "null").cloned().unwrap_or_default(),
            kind => kind.clone(),
        };
        match kind.as_str().unwrap_or_default() {
            _ if depth > DEPTH_MAX => Value::Null,
            "object" => {
                let fields = schema["properties"].as_object().into_iter().flatten();
                let mut object: Map<_, _> =
                    fields.map(|(name, of)| (name.clone(), self.filled(of, name, depth + 1))).collect();
                if object.is_empty() {
                    object.insert("key".into(), json!("value"));
                }
                object.into()
            }
            "array" => json!([self.filled(&schema["items"], name, depth + 1)]),
            "integer" | "number" => json!(schema["minimum"].as_i64().unwrap_or(1).max(1)),
            "boolean" => json!(false),
            _ if schema["format"] == "date-time" => json!("2026-01-31T00:00:00.000Z"),
            _ => json!(match name {
                "currency" => "EUR",
                "country" => "DE",
                "email" => "ada@example.org",
                "password" | "new_password" => "correct horse battery staple",
                "sku" => "SKU-1",
                _ => "x-1",
            }),
        }
    }

    fn url(&self, hostile: Option<(&str, &str)>) -> String {
        let path = self.path.split('/').map(|part| {
            let name = part.strip_prefix('{').and_then(|part| part.strip_suffix('}'));
            match (name, hostile) {
                (Some(name), Some((wanted, text))) if name == wanted => escaped(text),
                (Some(_), _) => "x-1".to_owned(),
                (None, _) => part.to_owned(),
            }
        });
        path.collect::<Vec<_>>().join("/")
    }

    /// Requests with one text after the other in every place that takes one.
    fn requests(&self, client: &Client) -> Vec<(String, Request)> {
        let mut requests = Vec::new();
        let body = self.body();
        let ask = |url: &str, body: Option<&Value>| {
            let request = client.request(&self.method, url);
            body.map_or_else(|| client.request(&self.method, url), |body| request.json(body))
        };
        for text in texts(LONG_PATH_BYTES) {
            for name in self.parameters("path") {
                requests.push((format!("path {name}"), ask(&self.url(Some((name, &text))), body.as_ref())));
            }
            for name in self.parameters("query") {
                let url = format!("{}?{name}={}", self.url(None), escaped(&text));
                requests.push((format!("query {name}"), ask(&url, body.as_ref())));
            }
        }
        let places = body.as_ref().map(|body| places(body, "")).unwrap_or_default();
        for text in texts(LONG_BYTES) {
            for place in &places {
                let mut hostile = body.clone().unwrap_or_default();
                *hostile.pointer_mut(place).unwrap() = json!(text);
                requests.push((format!("body {place}"), ask(&self.url(None), Some(&hostile))));
            }
        }
        requests
    }
}

/// Pointers to the texts of a body.
fn places(body: &Value, at: &str) -> Vec<String> {
    match body {
        Value::String(_) => vec![at.to_owned()],
        Value::Object(fields) => fields.iter().flat_map(|(name, of)| places(of, &format!("{at}/{name}"))).collect(),
        Value::Array(items) => {
            items.iter().enumerate().flat_map(|(nth, of)| places(of, &format!("{at}/{nth}"))).collect()
        }
        _ => Vec::new(),
    }
}

fn escaped(text: &str) -> String {
    text.bytes().fold(String::new(), |text, byte| text + &format!("%{byte:02X}"))
}

/// Nobody waits for what never ends, and what ends the session of the asker is asked elsewhere.
fn is_asked(operation: &Operation<'_>) -> bool {
    !operation.path.ends_with("/events") || operation.method != "GET"
}

async fn asks_everything(town: &Town, client: &Client) {
    let document: Value = serde_json::from_str(openapi_text()).unwrap();
    let mut asked = 0;
    for operation in Operation::all(&document).iter().filter(|operation| is_asked(operation)) {
        for (place, request) in operation.requests(client) {
            let reply = request.send().await;
            let what = format!("{} {} {place}: {}", operation.method, operation.path, reply.text());
            assert!((200..500).contains(&reply.status), "{} {what}", reply.status);
            asked += 1;
        }
    }
    assert!(asked > 1_000, "{asked} requests were made");
    town.anonymous().get("/healthz").await.expect(200);
}

async fn hostile(of: impl AsyncFn(&Town) -> Client) {
    let settings = &[("rate_per_second", "0"), ("secret_rate_per_second", "0")];
    let town = Town::with(settings).await;
    town.sells("SKU-1", 1_000, 5).await;
    // All in one store: every path has the same door.
    let client = Client { doors: None, ..of(&town).await };
    asks_everything(&town, &client).await;
    // Whoever comes then is served.
    let buyer = town.buyer("grace", 10_000).await;
    town.settles_order(&buyer, order_of("SKU-1", 1, "balance")).await.is("confirmed").await;
    town.settles().await;
    let violations: Vec<_> = town.audited().checks.into_iter().flat_map(|check| check.violations).collect();
    assert!(violations.is_empty(), "{violations:?}");
}

#[tokio::test]
async fn hostile_texts_of_a_stranger_harm_nobody() {
    hostile(async |town| town.anonymous()).await;
}

#[tokio::test]
async fn hostile_texts_of_a_customer_harm_nobody() {
    hostile(async |town| town.buyer("ada", 10_000).await.client).await;
}

#[tokio::test]
async fn hostile_texts_of_an_admin_harm_nobody() {
    hostile(async |town| town.admin.clone()).await;
}
