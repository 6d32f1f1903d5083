//! The converters: the closed set of what a line can do beside copying.

use serde_json::Value;

use super::{Scope, Text, currency_source, place, relative, whole_list};
use crate::{
    mapping::Expression,
    rule::{MoneyForm, Place, Rule, TimeForm},
};

/// The converters, with their arguments, for faults and the documentation.
pub const CONVERTERS: [(&str, &str); 16] = [
    ("money_float", "money_float(AMOUNT, CURRENCY) or money_float(AMOUNT, CURRENCY, \"nearest\")"),
    ("money_number", "money_number(AMOUNT, CURRENCY)"),
    ("money_text", "money_text(AMOUNT, CURRENCY)"),
    ("money_unit", "money_unit(AMOUNT, CURRENCY), in the unit of setting.price_unit"),
    ("time", "time(TIME) or time(TIME, \"seconds\")"),
    ("enum", "enum(NAME, ours: \"THEIRS\", …)"),
    ("prefix", "prefix(\"TEXT\", PATH)"),
    ("uuid", "uuid(PATH)"),
    ("text", "text(NUMBER)"),
    ("negate", "negate(NUMBER)"),
    ("first", "first(LIST)"),
    ("join", "join(PATH, PATH, …)"),
    ("either", "either(PATH, PATH, …)"),
    ("item", "item(PRODUCT_ID, SKU)"),
    ("map", "map(LIST[], KEY, VALUE) or map(LIST[], KEY, sum(VALUE))"),
    ("merge", "merge(LIST[], KEY, SUMMED), for `list[]` itself"),
];

/// The rule of a call.
pub fn call(name: &str, arguments: &[Expression], scope: &Scope<'_>, peers: &[Text]) -> Result<Rule, String> {
    let Some((_, usage)) = CONVERTERS.iter().find(|(known, _)| *known == name) else {
        let names: Vec<_> = CONVERTERS.iter().map(|(known, _)| *known).collect();
        return Err(format!("there is no converter `{name}`, only {}", names.join(", ")));
    };
    let wrong = || format!("it is used as {usage}");
    let path = |nth: usize| match arguments.get(nth) {
        Some(Expression::Path(path)) => place(path, scope),
        Some(Expression::Literal(value)) => Ok(Place::Literal(value.clone())),
        _ => Err(wrong()),
    };
    let text = |nth: usize| match arguments.get(nth) {
        Some(Expression::Literal(Value::String(text))) => Some(text.clone()),
        _ => None,
    };
    let only = |count: usize| if arguments.len() == count { Ok(()) } else { Err(wrong()) };
    Ok(match name {
        "money_float" | "money_number" | "money_text" | "money_unit" => {
            let nearest = text(2).as_deref() == Some("nearest");
            only(2 + usize::from(nearest))?;
            let form = match name {
                "money_float" => MoneyForm::Float,
                "money_number" => MoneyForm::Number,
                "money_unit" => MoneyForm::Unit,
                _ => MoneyForm::Text,
            };
            let (amount, currency) = (path(0)?, path(1)?);
            let inward = currency_source(&currency, peers, scope);
            Rule::Money { form, amount, currency, inward, nearest }
        }
        "time" if arguments.len() == 1 => Rule::Time(path(0)?, scope.known.times),
        "time" => {
            only(2)?;
            Rule::Time(path(0)?, text(1).and_then(|name| time_form(&name)).ok_or_else(wrong)?)
        }
        "enum" => Rule::Names(path(0)?, pairs(arguments).ok_or_else(wrong)?),
        "prefix" => {
            only(2)?;
            Rule::Prefix(text(0).ok_or_else(wrong)?, path(1)?)
        }
        "uuid" | "text" | "negate" | "first" => {
            only(1)?;
            let place = path(0)?;
            match name {
                "uuid" => Rule::Uuid(place),
                "text" => Rule::Text(place),
                "negate" => Rule::Negate(place),
                _ => Rule::First(place),
            }
        }
        "join" | "either" if arguments.len() > 1 => {
            let places = (0..arguments.len()).map(path).collect::<Result<_, _>>()?;
            if name == "join" { Rule::Join(places) } else { Rule::Either(places) }
        }
        "item" => {
            only(2)?;
            Rule::Item { product: path(0)?, sku: path(1)? }
        }
        "map" => {
            only(3)?;
            map(arguments, scope, peers).map_err(|reason| reason.unwrap_or_else(wrong))?
        }
        _ => return Err(wrong()),
    })
}

fn time_form(name: &str) -> Option<TimeForm> {
    Some(match name {
        "millis" => TimeForm::Millis,
        "seconds" => TimeForm::Seconds,
        "unix_millis" => TimeForm::UnixMillis,
        "unix_seconds" => TimeForm::UnixSeconds,
        _ => return None,
    })
}

/// The names and values of an enumeration.
fn pairs(arguments: &[Expression]) -> Option<Vec<(String, Value)>> {
    let pair = |argument: &Expression| match argument {
        Expression::Pair(ours, theirs) => Some((ours.clone(), theirs.clone())),
        _ => None,
    };
    let pairs: Vec<_> = arguments.iter().skip(1).map(pair).collect::<Option<_>>()?;
    (!pairs.is_empty()).then_some(pairs)
}

/// `map(LIST[], KEY, VALUE)`: paths of key and value are below the element.
fn map(arguments: &[Expression], scope: &Scope<'_>, peers: &[Text]) -> Result<Rule, Option<String>> {
    let [Expression::Path(list), key, value] = arguments else { return Err(None) };
    let list = list.strip_suffix(&["[]".to_owned()]).ok_or(None)?;
    let mut inner = scope.clone();
    let is_row = list.first().is_some_and(|first| first == "row");
    inner.list = if is_row { vec!["lines".to_owned(), "[]".to_owned()] } else { whole_list(list, scope) };
    inner.wire = None;
    if scope.outer.is_empty() {
        inner.outer = peers.to_vec();
    }
    let (value, sum) = match value {
        Expression::Call(name, arguments) if name == "sum" && arguments.len() == 1 => (&arguments[0], true),
        value => (value, false),
    };
    let of = |expression: &Expression| -> Result<Box<Rule>, Option<String>> {
        let below = bare(expression, &inner);
        let rule = match &below {
            Expression::Path(path) => Rule::Copy(place(path, &inner)?),
            Expression::Call(name, arguments) => call(name, arguments, &inner, &[])?,
            _ => return Err(None),
        };
        Ok(Box::new(rule))
    };
    Ok(Rule::Map { list: place(list, scope)?, key: of(key)?, value: of(value)?, sum })
}

/// Names that the element has are names of the element.
fn bare(expression: &Expression, inner: &Scope<'_>) -> Expression {
    match expression {
        Expression::Path(path) => {
            let whole: Vec<String> = inner.list.iter().chain(path).cloned().collect();
            let in_element = inner.events.iter().all(|event| event.place(&whole).is_some());
            if in_element && !inner.events.is_empty() {
                let list = &inner.list[..inner.list.len() - 1];
                let full = list.iter().cloned().chain(["[]".to_owned()]).chain(path.iter().cloned()).collect();
                relative(Expression::Path(full), list)
            } else {
                expression.clone()
            }
        }
        Expression::Call(name, arguments) => {
            Expression::Call(name.clone(), arguments.iter().map(|argument| bare(argument, inner)).collect())
        }
        other => other.clone(),
    }
}
