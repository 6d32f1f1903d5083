//! What handlers take and answer, read off their types, for the document of the API.

use std::future::Future;

use axum::{handler::Handler, http::StatusCode};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::shop::Shop;

/// An argument or an answer of a handler that stands in the document.
pub trait Describe {
    fn describe(_describer: &mut Describer) {}
}

/// A handler whose arguments and answer describe themselves.
pub trait Operation<T>: Handler<T, Shop> {
    fn describe(describer: &mut Describer);
}

/// Something beside the body that an operation takes.
struct Parameter<'a> {
    place: &'static str,
    name: &'a str,
    required: bool,
    help: &'a str,
    schema: Value,
}

/// Collects the description of one operation.
pub struct Describer {
    generator: SchemaGenerator,
    pub(super) operation: Map<String, Value>,
    parameters: Vec<Value>,
    responses: Map<String, Value>,
}

impl Describer {
    pub(super) fn new(generator: SchemaGenerator) -> Self {
        Self { generator, operation: Map::new(), parameters: Vec::new(), responses: Map::new() }
    }

    /// The names that an operation takes in the query.
    pub(super) fn query_names(describe: fn(&mut Self)) -> Vec<String> {
        let mut describer = Self::new(SchemaGenerator::default());
        describe(&mut describer);
        describer.names_in("query").into_iter().map(str::to_owned).collect()
    }

    /// The names of what an operation takes in the path, the query or the headers.
    pub(super) fn names_in(&self, place: &str) -> Vec<&str> {
        let there = self.parameters.iter().filter(|parameter| parameter["in"] == place);
        there.filter_map(|parameter| parameter["name"].as_str()).collect()
    }

    /// The operation as it stands in the document; the generator goes on to the next.
    pub(super) fn finish(&mut self) -> Value {
        let mut operation = std::mem::take(&mut self.operation);
        let parameters = std::mem::take(&mut self.parameters);
        if !parameters.is_empty() {
            operation.insert("parameters".into(), parameters.into());
        }
        operation.insert("responses".into(), std::mem::take(&mut self.responses).into());
        operation.into()
    }

    pub(super) fn into_generator(self) -> SchemaGenerator {
        self.generator
    }

    pub(super) fn schema<T: JsonSchema>(&mut self) -> Schema {
        self.generator.subschema_for::<T>()
    }

    pub fn takes<T: JsonSchema>(&mut self) {
        let schema = self.schema::<T>();
        let body = json!({"required": true, "content": {"application/json": {"schema": schema}}});
        self.operation.insert("requestBody".into(), body);
    }

    /// Every property of an object is a parameter.
    pub fn query<T: JsonSchema>(&mut self) {
        let schema = self.generator.root_schema_for::<T>();
        let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
        let required = schema.get("required").and_then(Value::as_array);
        for (name, property) in properties {
            let mut schema = property.clone();
            let help = schema.as_object_mut().and_then(|schema| schema.remove("description"));
            let help = help.as_ref().and_then(Value::as_str).unwrap_or_default();
            let required = required.is_some_and(|names| names.iter().any(|required| required == name));
            self.add(Parameter { place: "query", name, required, help, schema });
        }
    }

    pub fn header(&mut self, name: &str, help: &str, schema: Value) {
        self.add(Parameter { place: "header", name, required: false, help, schema });
    }

    pub(super) fn required_header(&mut self, name: &str, help: &str, schema: Value) {
        self.add(Parameter { place: "header", name, required: true, help, schema });
    }

    pub(super) fn in_path(&mut self, name: &str) {
        let schema = match name {
            "currency" => json!({"type": "string", "pattern": "^[A-Z]{3}$"}),
            // An id; which one, its name says.
            _ => json!({"type": "string", "minLength": 1, "maxLength": 64, "pattern": "^[!-~]+$"}),
        };
        self.add(Parameter { place: "path", name, required: true, help: "", schema });
    }

    pub fn answers<T: JsonSchema>(&mut self, status: StatusCode) {
        let schema = self.schema::<T>();
        self.answers_with(status, "application/json", &json!(schema));
    }

    /// A route may answer one status in several forms.
    pub fn answers_with(&mut self, status: StatusCode, media_type: &str, schema: &Value) {
        let described = status.canonical_reason().unwrap_or_default();
        let response = self.responses.entry(status.as_str()).or_insert_with(|| json!({"description": described}));
        response["content"][media_type] = json!({"schema": schema});
    }

    pub fn answers_nothing(&mut self, status: StatusCode) {
        let described = status.canonical_reason().unwrap_or_default();
        self.responses.insert(status.as_str().into(), json!({"description": described}));
    }

    pub(super) fn fails(&mut self, response: Value) {
        self.responses.insert("default".into(), response);
    }

    fn add(&mut self, parameter: Parameter<'_>) {
        let Parameter { place, name, required, help, schema } = parameter;
        let mut parameter = json!({"name": name, "in": place, "required": required, "schema": schema});
        if !help.is_empty() {
            parameter["description"] = help.into();
        }
        self.parameters.push(parameter);
    }
}

impl<T: Describe, E> Describe for Result<T, E> {
    fn describe(describer: &mut Describer) {
        T::describe(describer);
    }
}

impl<F, Answering, Answer> Operation<((),)> for F
where
    F: Handler<((),), Shop> + Fn() -> Answering,
    Answering: Future<Output = Answer>,
    Answer: Describe,
{
    fn describe(describer: &mut Describer) {
        Answer::describe(describer);
    }
}

macro_rules! operations {
    ($(($($argument:ident),+))+) => {$(
        impl<F, Answering, Answer, Kind, $($argument),+> Operation<(Kind, $($argument),+,)> for F
        where
            F: Handler<(Kind, $($argument),+,), Shop> + Fn($($argument),+) -> Answering,
            Answering: Future<Output = Answer>,
            Answer: Describe,
            $($argument: Describe),+
        {
            fn describe(describer: &mut Describer) {
                $(<$argument as Describe>::describe(describer);)+
                Answer::describe(describer);
            }
        }
    )+};
}

operations! {
    (A)
    (A, B)
    (A, B, C)
    (A, B, C, D)
    (A, B, C, D, E)
}
