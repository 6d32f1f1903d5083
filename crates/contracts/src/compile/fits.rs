//! Whether a rule makes what the schema wants.

use crate::{
    canonical::Kind,
    rule::{Meta, MoneyForm, Place, Rule, TimeForm},
    shape::Shape,
};

/// An error names both types.
pub fn fits(rule: &Rule, shape: &Shape) -> Result<(), String> {
    let (made, good) = match rule {
        Rule::Copy(place) => match place {
            Place::Root(_, kind) | Place::Element(_, kind) => (kind_name(*kind), kind_fits(*kind, shape)),
            Place::Meta(Meta::Sequence | Meta::Version) => ("an integer", is_integer(shape)),
            Place::Meta(_) | Place::Message(_) => ("a text", is_text(shape)),
            Place::Setting(_) | Place::Row(_) | Place::Literal(_) => return Ok(()),
        },
        Rule::Constant(value) => ("this constant", constant_fits(value, shape)),
        Rule::Money { form: MoneyForm::Text, .. } => ("a decimal text", is_text(shape)),
        Rule::Money { .. } => ("a number with a fraction", matches!(shape, Shape::Number | Shape::Any)),
        Rule::Time(_, TimeForm::UnixMillis | TimeForm::UnixSeconds) => ("a number", is_integer(shape)),
        Rule::Time(..)
        | Rule::Prefix(..)
        | Rule::Uuid(_)
        | Rule::Text(_)
        | Rule::Join(_)
        | Rule::Either(_)
        | Rule::Item { .. } => ("a text", is_text(shape)),
        Rule::Names(_, pairs) => {
            if let (Shape::Names(names), Some((_, theirs))) =
                (shape, pairs.iter().find(|(_, theirs)| !constant_fits(theirs, shape)))
            {
                return Err(format!("{theirs} is none of {}", names.join(", ")));
            }
            ("these names", pairs.iter().all(|(_, theirs)| constant_fits(theirs, shape)))
        }
        Rule::Negate(_) => ("an integer", is_integer(shape)),
        Rule::First(_) => ("an element", !matches!(shape, Shape::List(_) | Shape::Object(_))),
        Rule::Map { value, .. } => match shape {
            Shape::Map(element) => return fits(value, element),
            Shape::Any => return Ok(()),
            _ => ("a map", false),
        },
    };
    if good { Ok(()) } else { Err(format!("the line makes {made}, the schema wants {}", shape.name())) }
}

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Id => "an id",
        Kind::Text => "a text",
        Kind::Name => "a name of a closed set",
        Kind::Time => "a time, for which there is `time(…)`",
        Kind::Integer => "an integer",
        Kind::Boolean => "a boolean",
        Kind::Object => "an object",
        Kind::List => "a list",
        Kind::Any => "anything",
    }
}

fn kind_fits(kind: Kind, shape: &Shape) -> bool {
    match kind {
        Kind::Id | Kind::Text | Kind::Name => is_text(shape),
        // The canonical form of a time is RFC 3339 with milliseconds, which a contract must ask for.
        Kind::Time => false,
        Kind::Integer => is_integer(shape),
        Kind::Boolean => matches!(shape, Shape::Boolean | Shape::Any),
        Kind::Object => matches!(shape, Shape::Map(_) | Shape::Object(_) | Shape::Any),
        Kind::List => matches!(shape, Shape::List(_) | Shape::Any),
        Kind::Any => true,
    }
}

fn is_text(shape: &Shape) -> bool {
    matches!(shape, Shape::Text | Shape::Names(_) | Shape::Any)
}

fn is_integer(shape: &Shape) -> bool {
    matches!(shape, Shape::Integer | Shape::Number | Shape::Any)
}

fn constant_fits(value: &serde_json::Value, shape: &Shape) -> bool {
    use serde_json::Value;
    match (value, shape) {
        (Value::String(text), Shape::Names(names)) => names.contains(text),
        (Value::Number(number), Shape::Integer) => !number.is_f64(),
        (_, Shape::Any)
        | (Value::Null, _)
        | (Value::String(_), Shape::Text)
        | (Value::Bool(_), Shape::Boolean)
        | (Value::Number(_), Shape::Number)
        | (Value::Array(_), Shape::List(_))
        | (Value::Object(_), Shape::Object(_) | Shape::Map(_)) => true,
        _ => false,
    }
}
