//! What a schema says about the places of a message: which there are, of what type, and which must be there. Mappings
//! are checked against it; values are checked by the schema itself.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value;

/// The type of one place of a message.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    Any,
    Text,
    Integer,
    /// A number that may have a fraction.
    Number,
    Boolean,
    /// A text that is one of these names.
    Names(Arc<[String]>),
    Object(Arc<BTreeMap<String, Member>>),
    List(Arc<Shape>),
    /// Names that are data, and what each of them has.
    Map(Arc<Shape>),
}

/// A member of an object.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    pub shape: Shape,
    pub required: bool,
}

impl Shape {
    /// What a fault calls it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Any => "anything",
            Self::Text => "a text",
            Self::Integer => "an integer",
            Self::Number => "a number",
            Self::Boolean => "a boolean",
            Self::Names(_) => "a name of a closed set",
            Self::Object(_) => "an object",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }

    /// The place at a path of member names, where `[]` is every element of a list.
    pub fn at<'a>(&self, steps: impl IntoIterator<Item = &'a str>) -> Option<Member> {
        let mut found = Member { shape: self.clone(), required: true };
        for step in steps {
            found = match (&found.shape, step) {
                (Self::Any, _) => return Some(Member { shape: Self::Any, required: false }),
                (Self::List(element), "[]") => Member { shape: Self::clone(element), required: true },
                (Self::Object(members), name) => members.get(name)?.clone(),
                (Self::Map(value), _) => Member { shape: Self::clone(value), required: false },
                _ => return None,
            };
        }
        Some(found)
    }

    /// Every required member that is no object, as paths, lists and maps left closed.
    pub fn required(&self) -> Vec<Vec<String>> {
        let mut found = Vec::new();
        self.collect_required(&mut Vec::new(), &mut found);
        found
    }

    fn collect_required(&self, path: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
        let Self::Object(members) = self else {
            if !path.is_empty() {
                found.push(path.clone());
            }
            return;
        };
        for (name, member) in members.iter().filter(|(_, member)| member.required) {
            path.push(name.clone());
            member.shape.collect_required(path, found);
            path.pop();
        }
    }

    /// The shape that a JSON Schema describes. `root` is the file that `$ref` points into.
    pub fn of_json_schema(schema: &Value, root: &Value) -> Result<Self, String> {
        of_schema(schema, root, 0)
    }
}

/// How deep schemas may refer to each other; a schema that refers to itself is anything below that.
const SCHEMA_DEPTH_MAX: usize = 24;

fn of_schema(schema: &Value, root: &Value, depth: usize) -> Result<Shape, String> {
    if depth > SCHEMA_DEPTH_MAX {
        return Ok(Shape::Any);
    }
    let Value::Object(members) = schema else { return Ok(Shape::Any) };
    if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
        let pointer = reference.strip_prefix('#').ok_or_else(|| format!("$ref {reference:?} leaves the file"))?;
        let target = root.pointer(pointer).ok_or_else(|| format!("$ref {reference:?} points to nothing"))?;
        return of_schema(target, root, depth + 1);
    }
    if let Some(names) = members.get("enum").and_then(Value::as_array)
        && names.iter().all(|name| name.is_string() || name.is_null())
    {
        return Ok(Shape::Names(names.iter().filter_map(Value::as_str).map(str::to_owned).collect()));
    }
    if let Some(constant) = members.get("const") {
        return Ok(of_constant(constant));
    }
    let own = of_type(members, root, depth)?;
    let mut shape = own;
    for (keyword, every) in [("allOf", true), ("anyOf", false), ("oneOf", false)] {
        let Some(parts) = members.get(keyword).and_then(Value::as_array) else { continue };
        for part in parts.iter().filter(|part| part.get("type").is_none_or(|kind| kind != "null")) {
            shape = merged(shape, of_schema(part, root, depth + 1)?, every);
        }
    }
    Ok(shape)
}

fn of_constant(constant: &Value) -> Shape {
    match constant {
        Value::String(text) => Shape::Names([text.clone()].into()),
        Value::Number(number) if number.is_f64() => Shape::Number,
        Value::Number(_) => Shape::Integer,
        Value::Bool(_) => Shape::Boolean,
        _ => Shape::Any,
    }
}

fn of_type(members: &serde_json::Map<String, Value>, root: &Value, depth: usize) -> Result<Shape, String> {
    let kind = match members.get("type") {
        Some(Value::String(kind)) => Some(kind.as_str()),
        Some(Value::Array(kinds)) => {
            let mut named = kinds.iter().filter_map(Value::as_str).filter(|kind| *kind != "null");
            let first = named.next();
            if named.next().is_some() { None } else { first }
        }
        _ if members.contains_key("properties") => Some("object"),
        _ => None,
    };
    Ok(match kind {
        Some("string") => Shape::Text,
        Some("integer") => Shape::Integer,
        Some("number") => Shape::Number,
        Some("boolean") => Shape::Boolean,
        Some("array") => match members.get("items") {
            Some(items) => Shape::List(of_schema(items, root, depth + 1)?.into()),
            None => Shape::List(Shape::Any.into()),
        },
        Some("object") => of_object(members, root, depth)?,
        _ => Shape::Any,
    })
}

fn of_object(members: &serde_json::Map<String, Value>, root: &Value, depth: usize) -> Result<Shape, String> {
    let Some(properties) = members.get("properties").and_then(Value::as_object) else {
        return Ok(match members.get("additionalProperties") {
            Some(values @ Value::Object(_)) => Shape::Map(of_schema(values, root, depth + 1)?.into()),
            _ => Shape::Map(Shape::Any.into()),
        });
    };
    let required: Vec<&str> =
        members.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let mut fields = BTreeMap::new();
    for (name, property) in properties {
        let shape = of_schema(property, root, depth + 1)?;
        fields.insert(name.clone(), Member { shape, required: required.contains(&name.as_str()) });
    }
    Ok(Shape::Object(fields.into()))
}

/// The members of both; of alternatives none is required.
fn merged(left: Shape, right: Shape, every: bool) -> Shape {
    match (left, right) {
        (Shape::Object(left), Shape::Object(right)) => {
            let mut members = BTreeMap::clone(&left);
            for (name, member) in right.iter() {
                let required = every && member.required;
                let known = members.entry(name.clone()).or_insert_with(|| Member { required, ..member.clone() });
                known.required |= required;
            }
            Shape::Object(members.into())
        }
        (Shape::Any, right) => right,
        (left, _) => left,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_schema_says_which_places_there_are() {
        let schema = json!({
            "type": "object",
            "required": ["id", "price"],
            "properties": {
                "id": {"type": "string"},
                "status": {"enum": ["a", "b"]},
                "price": {"$ref": "#/$defs/Price"},
                "items": {"type": "array", "items": {"type": "object", "required": ["sku"], "properties": {
                    "sku": {"type": ["string", "null"]}, "qty": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
                }}},
                "attributes": {"type": "object"},
            },
            "$defs": {"Price": {"type": "object", "required": ["cents"], "properties": {"cents": {"type": "integer"}}}},
        });
        let shape = Shape::of_json_schema(&schema, &schema).unwrap();
        let at = |path: &str| shape.at(path.split('/')).map(|member| (member.shape, member.required));
        assert_eq!(at("id"), Some((Shape::Text, true)));
        assert_eq!(at("status"), Some((Shape::Names(["a".to_owned(), "b".to_owned()].into()), false)));
        assert_eq!(at("price/cents"), Some((Shape::Integer, true)));
        assert_eq!(at("items/[]/sku"), Some((Shape::Text, true)));
        assert_eq!(at("items/[]/qty"), Some((Shape::Integer, false)));
        assert_eq!(at("attributes/colour").map(|(shape, _)| shape), Some(Shape::Any));
        assert_eq!(at("nothing"), None);
        assert_eq!(at("items/sku"), None);
        assert_eq!(shape.required(), [vec!["id"], vec!["price", "cents"]]);
    }

    #[test]
    fn a_reference_that_leads_nowhere_is_a_fault_and_one_that_leads_back_is_not() {
        let broken = json!({"properties": {"a": {"$ref": "#/$defs/No"}}});
        assert!(Shape::of_json_schema(&broken, &broken).unwrap_err().contains("points to nothing"));
        let endless = json!({"properties": {"a": {"$ref": "#"}}});
        assert!(Shape::of_json_schema(&endless, &endless).is_ok());
    }
}
