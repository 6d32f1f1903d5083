//! A request for every route of the table, with a body as the document of the API describes it; and some that are not
//! as they should be.

use serde_json::{Map, Value, json};
use tradewind::http::{Route, Who, document, table};

/// What stands for a field or a variable of a path, by its name. Anything else is made up from its type.
const VALUES: [(&str, &str); 24] = [
    ("user_id", "{customer}"),
    ("customer_id", "{customer}"),
    ("cart_id", "{cart}"),
    ("into_cart_id", "{cart}"),
    ("order_id", "{order}"),
    ("product_id", "tea"),
    ("sku", "TEA"),
    ("category_id", "ware"),
    ("category_ids", "ware"),
    ("parent_id", "ware"),
    ("location_id", "main"),
    ("currency", "EUR"),
    ("email", "ada@example.org"),
    ("password", "correct horse battery"),
    ("current_password", "correct horse battery"),
    ("new_password", "another horse battery"),
    ("consumer", "notifications"),
    ("effective_at", "2026-02-01T00:00:00Z"),
    ("expires_at", "2026-02-01T00:00:00Z"),
    ("from", "2026-01-01"),
    ("to", "2026-01-31"),
    ("url", "https://example.org/tea.png"),
    ("avatar_url", "https://example.org/ada.png"),
    ("reason", "because"),
];

/// How deep bodies are made up.
const DEPTH_MAX: usize = 6;

pub fn seeds() -> Vec<Vec<u8>> {
    let sections = table();
    let document = document(&sections);
    let routes = sections.iter().flat_map(|section| &section.routes);
    let mut seeds: Vec<Vec<u8>> = routes.map(|route| seed(&document, route)).collect();
    let odd = [
        "customer GET /v1/orders/{order}/events\naccept: text/event-stream\nlast-event-id: 1-0\n\n",
        "anonymous GET /v1/products?q=tea%20\"NEAR(&limit=1&price_from_minor=-1\n\n",
        "customer POST /v1/orders\nidempotency-key: order-9\ncontent-type: application/json\nprefer: wait=1\n\n\
         {\"lines\": [{\"product_id\": \"tea\", \"sku\": \"TEA\", \"quantity\": 3}], \"payment_method\": \"balance\"}",
        "staff GET /v1/orders?status=placed&cursor=AQID&limit=100\ntraceparent: \
         00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\nx-request-id: mine\n\n",
        "anonymous POST /v1/users\nidempotency-key: deep\ncontent-type: application/json\n\n[[[[[[[[[[[[[[[[[[[[",
        "customer PATCH /v1/users/{customer}\nidempotency-key: \u{e9}\ncontent-type: text/plain\n\n{\"first_name\": null}",
    ];
    seeds.extend(odd.map(|text| text.as_bytes().to_vec()));
    seeds
}

fn seed(document: &Value, route: &Route) -> Vec<u8> {
    let who = match route.who {
        Who::Public => "anonymous",
        Who::Anyone | Who::User | Who::Owner => "customer",
        Who::Service => "service",
        Who::Staff => "staff",
        Who::Admin => "admin",
    };
    let part = |part: &str| {
        let name = part.strip_prefix('{').and_then(|part| part.strip_suffix('}'));
        name.map_or_else(|| part.to_owned(), |name| text(name).to_owned())
    };
    let path = route.path.split('/').map(part).collect::<Vec<_>>().join("/");
    let operation = &document["paths"][route.path][route.method.as_str().to_ascii_lowercase()];
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    let query: Vec<String> = parameters
        .filter(|parameter| parameter["in"] == "query" && parameter["name"] != "cursor")
        .map(|parameter| {
            let name = parameter["name"].as_str().unwrap_or_default();
            let value = sample(document, name, &parameter["schema"], 0);
            format!("{name}={}", value.as_str().map_or_else(|| value.to_string(), str::to_owned))
        })
        .collect();
    let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
    let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
    let body = if schema.is_null() { String::new() } else { sample(document, "", schema, 0).to_string() };
    let key = if route.keyed { format!("idempotency-key: {}\n", route.name) } else { String::new() };
    format!("{who} {} {path}{query}\n{key}content-type: application/json\n\n{body}", route.method).into_bytes()
}

fn text(name: &str) -> &'static str {
    VALUES.iter().find(|(known, _)| *known == name).map_or("something", |(_, value)| value)
}

/// A value that fits a schema.
fn sample(document: &Value, name: &str, schema: &Value, depth: usize) -> Value {
    if let Some(definition) = schema["$ref"].as_str().and_then(|reference| reference.strip_prefix('#')) {
        return sample(document, name, document.pointer(definition).unwrap_or(&Value::Null), depth);
    }
    let fits =
        |choices: &Value| choices.as_array().and_then(|all| all.iter().find(|one| one["type"] != "null").cloned());
    if let Some(choice) = fits(&schema["anyOf"]).or_else(|| fits(&schema["oneOf"])).or_else(|| fits(&schema["allOf"])) {
        return sample(document, name, &choice, depth);
    }
    if let Some(word) = schema["enum"].as_array().and_then(|words| words.first()).or(schema.get("const")) {
        return word.clone();
    }
    let kinds = schema["type"].as_array().map_or_else(|| vec![&schema["type"]], |kinds| kinds.iter().collect());
    match kinds.first().and_then(|kind| kind.as_str()) {
        _ if depth > DEPTH_MAX => Value::Null,
        Some("integer") => schema.get("minimum").filter(|least| **least != json!(0)).cloned().unwrap_or(json!(1)),
        Some("number") => json!(1.5),
        Some("boolean") => json!(true),
        Some("array") => json!([sample(document, name, &schema["items"], depth + 1)]),
        Some("object") => {
            let properties = schema["properties"].as_object().cloned().unwrap_or_default();
            let value = |(name, schema): (String, Value)| {
                let value = sample(document, &name, &schema, depth + 1);
                (name, value)
            };
            properties.into_iter().map(value).collect::<Map<_, _>>().into()
        }
        _ => json!(text(name)),
    }
}
