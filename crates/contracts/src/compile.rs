//! From the text of a mapping to rules: resolves every path against the canonical events and the schema of the message,
//! and checks that the types fit.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde_json::Value;

use crate::{
    canonical::{EventShape, Kind},
    mapping::{self, Condition, Direction, Expression, Path, Test, shown},
    rule::{
        Block, ConditionRule, CurrencySource, LineRule, ListRule, MessageField, Meta, Place, Rule, TestRule, TimeForm,
    },
    shape::{Member, Shape},
};

mod call;
mod fill;
mod fits;

pub use call::CONVERTERS;
pub use fill::{fills, unfilled};

/// What mappings of a pack may name.
pub struct Known {
    pub settings: BTreeSet<String>,
    /// Fields of rows that some message of the pack brings: `order.correlation_id`.
    pub remembered: BTreeSet<Path>,
    pub times: TimeForm,
}

/// Rows of a bridge, and what is in them of itself: what canonical events tell.
pub const ROWS: [(&str, &[&str]); 4] = [
    (
        "order",
        &[
            "order_id",
            "customer_id",
            "currency",
            "items_total_minor",
            "discount_minor",
            "shipping_minor",
            "tax_minor",
            "total_minor",
            "payment_method",
            "cart_id",
            "lines",
            "shipping_address",
            "billing_address",
            "reservation_id",
            "payment_id",
            "shipment_id",
            "deadline",
            "expires_at",
            "captured_at",
            "refund_id",
        ],
    ),
    (
        "product",
        &[
            "product_id",
            "name",
            "description",
            "brand",
            "category_ids",
            "variant_id",
            "sku",
            "price_minor",
            "currency",
            "available_everywhere",
            "published_at",
            "is_active",
        ],
    ),
    (
        "stock",
        &[
            "sku",
            "product_id",
            "location_id",
            "version",
            "on_hand",
            "reserved",
            "available",
            "on_hand_everywhere",
            "reserved_everywhere",
            "delta",
            "available_everywhere",
        ],
    ),
    ("user", &["user_id", "email", "username", "first_name", "last_name", "email_verified"]),
];

/// What a block of lines maps between.
#[derive(Clone)]
pub struct Scope<'a> {
    /// Every path must be there in each of them.
    pub events: Vec<&'static Arc<EventShape>>,
    /// The canonical list whose element is mapped, as a path that ends with `[]`; empty at the top.
    pub list: Path,
    /// The message, the element of its list, or nothing where any place will do.
    pub wire: Option<Shape>,
    pub known: &'a Known,
    /// The lines at the top, for those of an element.
    pub outer: Vec<Text>,
}

/// A line, with its place in the file.
#[derive(Debug, Clone)]
pub struct Text {
    pub line: usize,
    pub wire: Vec<Path>,
    pub direction: Direction,
    pub value: Expression,
    pub or: Option<Value>,
}

/// What is wrong, and on which line of the file.
pub type Mistakes = Vec<(usize, String)>;

/// The first step of a path below the element that is mapped.
const ELEMENT: &str = "@";

/// Reads and checks the lines of a mapping whose first line stands on `first` of its file.
pub fn block(text: &str, first: usize, scope: &Scope<'_>, mistakes: &mut Mistakes) -> Block {
    let (lines, wrong) = mapping::lines(text);
    mistakes.extend(wrong.into_iter().map(|mistake| (first + mistake.number - 1, mistake.reason)));
    if lines.len() > crate::limits::MAPPING_LINES_MAX {
        mistakes.push((first, format!("a mapping has at most {} lines", crate::limits::MAPPING_LINES_MAX)));
        return Block::default();
    }
    let texts = lines.into_iter().map(|line| Text {
        line: first + line.number - 1,
        wire: line.wire,
        direction: line.direction,
        value: line.value,
        or: line.or,
    });
    compile(texts.collect(), scope, mistakes)
}

/// The lines as they are below one element of a list: each path of it begins with [`ELEMENT`].
pub fn below(text: &str, first: usize, list: &[String], scope: &Scope<'_>, mistakes: &mut Mistakes) -> Block {
    let (lines, wrong) = mapping::lines(text);
    mistakes.extend(wrong.into_iter().map(|mistake| (first + mistake.number - 1, mistake.reason)));
    let texts = lines.into_iter().map(|line| Text {
        line: first + line.number - 1,
        wire: line.wire,
        direction: line.direction,
        value: relative(line.value, list),
        or: line.or,
    });
    compile(texts.collect(), scope, mistakes)
}

fn compile(texts: Vec<Text>, scope: &Scope<'_>, mistakes: &mut Mistakes) -> Block {
    let mut block = Block::default();
    let mut lists: BTreeMap<Path, Vec<Text>> = BTreeMap::new();
    let plain: Vec<Text> = {
        let (inside, plain): (Vec<Text>, Vec<Text>) =
            texts.into_iter().partition(|text| text.wire.iter().any(|path| path.iter().any(|step| step == "[]")));
        for text in inside {
            let at = text.wire[0].iter().position(|step| step == "[]").unwrap_or_default();
            lists.entry(text.wire[0][..at].to_vec()).or_default().push(text);
        }
        plain
    };
    let peers = plain.clone();
    for text in plain {
        match line(&text, scope, &peers) {
            Ok(rule) => block.lines.push(rule),
            Err(reason) => mistakes.push((text.line, reason)),
        }
    }
    for (wire, texts) in lists {
        let first = texts[0].line;
        match list((wire, texts), scope, &peers, mistakes) {
            Ok(rule) => block.lists.push(rule),
            Err(reason) => mistakes.push((first, reason)),
        }
    }
    block
}

fn line(text: &Text, scope: &Scope<'_>, peers: &[Text]) -> Result<LineRule, String> {
    let mut first: Option<Member> = None;
    for path in &text.wire {
        let Some(wire) = &scope.wire else { break };
        let found = wire.at(path.iter().map(String::as_str));
        let found = found.ok_or_else(|| format!("the schema has no place `{}`", shown(path)))?;
        first.get_or_insert(found);
    }
    let rule = rule(&text.value, scope, peers, text.direction)?;
    if let Some(member) = &first {
        fits::fits(&rule, &member.shape).map_err(|reason| format!("`{}`: {reason}", shown(&text.wire[0])))?;
    }
    Ok(LineRule {
        wire: text.wire.clone(),
        out: text.direction != Direction::In,
        inward: text.direction != Direction::Out,
        rule,
        or: text.or.clone(),
        required: first.is_some_and(|member| member.required),
    })
}

/// The rule of an expression.
fn rule(value: &Expression, scope: &Scope<'_>, peers: &[Text], direction: Direction) -> Result<Rule, String> {
    match value {
        Expression::Literal(value) => Ok(Rule::Constant(value.clone())),
        Expression::Path(path) => {
            let place = place(path, scope)?;
            let writes = !matches!(place, Place::Setting(_) | Place::Message(_) | Place::Literal(_));
            if direction == Direction::In && !writes {
                return Err(format!("`{}` cannot be written", shown(path)));
            }
            Ok(Rule::Copy(place))
        }
        Expression::Call(name, arguments) => call::call(name, arguments, scope, peers),
        Expression::Pair(..) => Err("a pair stands only in `enum(…)`".to_owned()),
    }
}

/// What a path of the right side means.
pub fn place(path: &[String], scope: &Scope<'_>) -> Result<Place, String> {
    let rest = path.get(1..).unwrap_or_default();
    match path[0].as_str() {
        ELEMENT => {
            let whole: Path = scope.list.iter().chain(rest).cloned().collect();
            Ok(Place::Element(rest.to_vec(), kind(&whole, scope)?))
        }
        "setting" => {
            let name = rest.join(".");
            if scope.known.settings.contains(&name) {
                return Ok(Place::Setting(name));
            }
            Err(format!("the pack has no setting `{name}`"))
        }
        "row" => row(rest, scope.known).map(|()| Place::Row(rest.to_vec())),
        "event" => meta(rest).map(Place::Meta),
        "message" => match rest.first().map(String::as_str) {
            Some("name") => Ok(Place::Message(MessageField::Name)),
            Some("type") => Ok(Place::Message(MessageField::Type)),
            Some("version") => Ok(Place::Message(MessageField::Version)),
            Some("producer") => Ok(Place::Message(MessageField::Producer)),
            _ => Err("of a message there are `name`, `type`, `version`, `producer`".to_owned()),
        },
        _ => Ok(Place::Root(path.to_vec(), kind(path, scope)?)),
    }
}

fn kind(path: &[String], scope: &Scope<'_>) -> Result<Kind, String> {
    let mut found = None;
    for event in &scope.events {
        let place = event.place(path).ok_or_else(|| format!("{} has no field `{}`", event.name, shown(path)))?;
        found.get_or_insert(place.kind);
    }
    found.ok_or_else(|| format!("`{}`: here only event, message, row and setting are known", shown(path)))
}

/// A row has this field of itself, or some message brings it.
pub fn row(path: &[String], known: &Known) -> Result<(), String> {
    let [name, field, ..] = path else { return Err("a row has fields: `row.order.total_minor`".to_owned()) };
    let Some((_, fields)) = ROWS.iter().find(|(row, _)| row == name) else {
        let names: Vec<_> = ROWS.iter().map(|(row, _)| *row).collect();
        return Err(format!("there is no row `{name}`, only {}", names.join(", ")));
    };
    if fields.contains(&field.as_str()) || known.remembered.contains(path) {
        return Ok(());
    }
    Err(format!("row `{name}` has no field `{field}`, and no message of the pack brings it"))
}

fn meta(path: &[String]) -> Result<Meta, String> {
    Ok(match path.first().map(String::as_str) {
        Some("id") => Meta::Id,
        Some("time") => Meta::Time,
        Some("correlation_id") => Meta::CorrelationId,
        Some("causation_id") => Meta::CausationId,
        Some("traceparent") => Meta::Traceparent,
        Some("key") => Meta::Key,
        Some("subject") => Meta::Subject,
        Some("source") => Meta::Source,
        Some("sequence") => Meta::Sequence,
        Some("type") => Meta::Type,
        Some("version") => Meta::Version,
        _ => return Err("an event has no such property".to_owned()),
    })
}

/// A list on both sides, with the lines of its elements.
fn list(
    (wire, texts): (Path, Vec<Text>),
    scope: &Scope<'_>,
    peers: &[Text],
    mistakes: &mut Mistakes,
) -> Result<ListRule, String> {
    let member = match &scope.wire {
        Some(shape) => Some(
            shape
                .at(wire.iter().map(String::as_str))
                .ok_or_else(|| format!("the schema has no place `{}`", shown(&wire)))?,
        ),
        None => None,
    };
    let element = match member.as_ref().map(|member| &member.shape) {
        Some(Shape::List(element)) => Some(Shape::clone(element)),
        Some(Shape::Any) | None => None,
        Some(other) => return Err(format!("`{}` is {}, no list", shown(&wire), other.name())),
    };
    let (mut by, mut sum) = (None, None);
    let mut list: Option<Path> = None;
    let mut inner = Vec::new();
    let (mut out, mut inward, line) = (false, false, texts[0].line);
    for mut text in texts {
        out |= text.direction != Direction::In;
        inward |= text.direction != Direction::Out;
        let below: Path = text.wire[0][wire.len() + 1..].to_vec();
        let found = first_list(&text.value);
        if let (true, Expression::Call(name, arguments)) = (below.is_empty(), &text.value)
            && name == "merge"
        {
            (list, by, sum) = merge(arguments, list)?;
            continue;
        }
        if let Some(found) = found {
            match &list {
                Some(known) if *known != found => {
                    return Err(format!("`{}[]` maps both `{}` and `{}`", shown(&wire), shown(known), shown(&found)));
                }
                _ => list = Some(found),
            }
        }
        text.wire = vec![below];
        inner.push(text);
    }
    let list = list.ok_or_else(|| format!("no line of `{}[]` names a list of the event", shown(&wire)))?;
    let of_list = place(&list, scope)?;
    let mut inner_scope = scope.clone();
    inner_scope.wire = element;
    if scope.outer.is_empty() {
        inner_scope.outer = peers.to_vec();
    }
    inner_scope.list = whole_list(&list, scope);
    for text in &mut inner {
        text.value = relative(std::mem::replace(&mut text.value, Expression::Literal(Value::Null)), &list);
    }
    let block = compile(inner, &inner_scope, mistakes);
    let required = member.is_some_and(|member| member.required);
    Ok(ListRule { line, wire, list: of_list, out, inward, by, sum, block, required })
}

/// The list as a path from the top of the event, with `[]` behind it.
fn whole_list(list: &[String], scope: &Scope<'_>) -> Path {
    let mut whole: Path = match list.first().map(String::as_str) {
        Some(ELEMENT) => scope.list.iter().chain(&list[1..]).cloned().collect(),
        _ => list.to_vec(),
    };
    whole.push("[]".to_owned());
    whole
}

type Merge = (Option<Path>, Option<Path>, Option<Path>);

/// `merge(LIST[], KEY, SUM)`
fn merge(arguments: &[Expression], list: Option<Path>) -> Result<Merge, String> {
    let paths: Vec<&Path> = arguments
        .iter()
        .filter_map(|argument| if let Expression::Path(path) = argument { Some(path) } else { None })
        .collect();
    let (Some(first), Some(key)) = (paths.first(), paths.get(1)) else {
        return Err("merge(LIST[], KEY) or merge(LIST[], KEY, SUMMED)".to_owned());
    };
    let named = first.strip_suffix(&["[]".to_owned()]).ok_or("the first argument of merge is a list: `lines[]`")?;
    if list.is_some_and(|known| known != named) {
        return Err("merge names another list than the lines below it".to_owned());
    }
    Ok((Some(named.to_vec()), Some((*key).clone()), paths.get(2).map(|path| (*path).clone())))
}

/// The first list that an expression names, without its `[]`.
fn first_list(value: &Expression) -> Option<Path> {
    match value {
        Expression::Path(path) => path.iter().position(|step| step == "[]").map(|at| path[..at].to_vec()),
        Expression::Call(_, arguments) => arguments.iter().find_map(first_list),
        _ => None,
    }
}

/// Paths below a list, as paths below its element.
fn relative(value: Expression, list: &[String]) -> Expression {
    match value {
        Expression::Path(path) => match path.strip_prefix(list).and_then(|rest| rest.split_first()) {
            Some((each, rest)) if each == "[]" => {
                Expression::Path(std::iter::once(ELEMENT.to_owned()).chain(rest.iter().cloned()).collect())
            }
            _ => Expression::Path(path),
        },
        Expression::Call(name, arguments) => {
            Expression::Call(name, arguments.into_iter().map(|argument| relative(argument, list)).collect())
        }
        other => other,
    }
}

/// A condition on the canonical event, or on the payload where `wire` has its shape.
pub fn condition(text: &str, scope: &Scope<'_>, on_wire: bool) -> Result<ConditionRule, String> {
    let Condition { path, test: comparison } = mapping::condition(text)?;
    let of = |path: &Path| -> Result<Place, String> {
        if on_wire && !["setting", "row"].contains(&path[0].as_str()) {
            let is_there = scope.wire.as_ref().is_none_or(|wire| wire.at(path.iter().map(String::as_str)).is_some());
            return if is_there {
                Ok(Place::Root(path.clone(), Kind::Any))
            } else {
                Err(format!("the schema has no place `{}`", shown(path)))
            };
        }
        place(path, scope)
    };
    let right = |value: Expression| match value {
        Expression::Literal(value) => Ok(Place::Literal(value)),
        Expression::Path(path) => of(&path),
        _ => Err("a condition compares with a literal or a path".to_owned()),
    };
    let compared = match comparison {
        Test::Equal(value) => TestRule::Equal(right(value)?),
        Test::Different(value) => TestRule::Different(right(value)?),
        Test::More(value) => TestRule::More(right(value)?),
        Test::Less(value) => TestRule::Less(right(value)?),
        Test::Present => TestRule::Present,
        Test::Absent => TestRule::Absent,
    };
    Ok(ConditionRule { place: of(&path)?, test: compared })
}

/// Where the currency of an amount is known on the way in: a line that brings it, or what fills it.
fn currency_source(place: &Place, peers: &[Text], scope: &Scope<'_>) -> CurrencySource {
    match place {
        Place::Setting(name) => CurrencySource::Setting(name.clone()),
        Place::Literal(value) => CurrencySource::Literal(value.as_str().unwrap_or_default().to_owned()),
        Place::Root(path, _) | Place::Element(path, _) => {
            let is_element = matches!(place, Place::Element(..));
            let brings = |text: &&Text| {
                let Expression::Path(other) = &text.value else { return false };
                let other: &[String] = if is_element { other.get(1..).unwrap_or_default() } else { other };
                text.direction != Direction::Out && other == path.as_slice()
            };
            if let Some(text) = peers.iter().find(&brings) {
                return CurrencySource::Wire(text.wire[0].clone());
            }
            match scope.outer.iter().find(brings) {
                Some(text) if !is_element => CurrencySource::Payload(text.wire[0].clone()),
                _ if scope.known.settings.contains("currency") => CurrencySource::Setting("currency".to_owned()),
                _ => CurrencySource::Late,
            }
        }
        _ => CurrencySource::Late,
    }
}
