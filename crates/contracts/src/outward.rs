//! Rules on the way out: from a canonical event to the tree of a message.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::{
    canonical::Kind,
    convert::{self, Note},
    envelope::EventMeta,
    limits::LINES_MAX,
    pack::MessageInfo,
    refusal::{Reason, Refusal},
    rule::{Block, ConditionRule, LineRule, ListRule, MessageField, Meta, MoneyForm, Place, Rule, TestRule},
    settings::Settings,
    value::{get, put, shown},
};

/// What the rules read.
#[derive(Clone, Copy)]
pub struct Out<'a> {
    pub data: &'a Value,
    /// The element of the list that is being mapped.
    pub element: Option<&'a Value>,
    pub meta: &'a EventMeta,
    pub rows: &'a Value,
    pub settings: &'a Settings,
    pub message: &'a MessageInfo,
}

fn cannot(at: &str, detail: impl Into<String>) -> Refusal {
    Refusal::new(Reason::ContractCannotCarry, at, detail)
}

impl Out<'_> {
    /// Runs the lines into a tree.
    pub fn block(&self, block: &Block, wire: &mut Value, notes: &mut Vec<Note>) -> Result<(), Refusal> {
        for line in block.lines.iter().filter(|line| line.out) {
            if let Some(value) = self.line(line, notes)? {
                put(wire, &line.wire[0], value);
            }
        }
        for list in block.lists.iter().filter(|list| list.out) {
            if let Some(value) = self.list(list, notes)? {
                put(wire, &list.wire, value);
            }
        }
        Ok(())
    }

    fn line(&self, line: &LineRule, notes: &mut Vec<Note>) -> Result<Option<Value>, Refusal> {
        let at = shown(&line.wire[0]);
        match self.rule(&line.rule, &at, notes)? {
            Some(value) => Ok(Some(value)),
            None if line.or.is_some() => Ok(line.or.clone()),
            None if line.required => Err(match line.rule.places()[..] {
                [Place::Row(path), ..] => Refusal::new(Reason::RowMissing, at, format!("row.{}", shown(path))),
                _ => cannot(&at, "the contract demands it, and the event has none"),
            }),
            None => Ok(None),
        }
    }

    fn list(&self, list: &ListRule, notes: &mut Vec<Note>) -> Result<Option<Value>, Refusal> {
        let elements = match self.read(&list.list) {
            Some(found) => found.into_owned(),
            None if list.required => return Err(cannot(&shown(&list.wire), "the event has no such list")),
            None => return Ok(None),
        };
        let Value::Array(elements) = elements else { return Err(cannot(&shown(&list.wire), "no list")) };
        let elements = match &list.by {
            Some(by) => merged(elements, by, list.sum.as_deref()),
            None => elements,
        };
        let mut made = Vec::with_capacity(elements.len());
        for element in &elements {
            let mut wire = Value::Object(Map::new());
            Out { element: Some(element), ..*self }.block(&list.block, &mut wire, notes)?;
            made.push(wire);
        }
        Ok(Some(Value::Array(made)))
    }

    /// The value of a rule; `None` where the event has none.
    pub fn rule(&self, rule: &Rule, at: &str, notes: &mut Vec<Note>) -> Result<Option<Value>, Refusal> {
        Ok(match rule {
            Rule::Constant(value) => Some(value.clone()),
            Rule::Copy(place) => self.copy(place, at)?,
            Rule::Money { form, amount, currency, nearest, .. } => {
                self.money((*form, *nearest), amount, currency, (at, notes))?
            }
            Rule::Time(place, form) => self.read_time(place).map(|time| convert::time_out(time, *form)),
            Rule::Names(place, pairs) => match self.read(place) {
                Some(ours) => {
                    let ours = ours.as_str().unwrap_or_default();
                    let pair = pairs.iter().find(|(known, _)| known == ours);
                    let (_, theirs) = pair.ok_or_else(|| cannot(at, "the contract has no name for this"))?;
                    Some(theirs.clone())
                }
                None => None,
            },
            Rule::Prefix(prefix, place) => match self.copy(place, at)? {
                Some(Value::String(text)) => Some(format!("{prefix}{text}").into()),
                _ => None,
            },
            Rule::Uuid(place) => text_of(self.copy(place, at)?).map(|text| convert::uuid(&text).into()),
            Rule::Text(place) => self.read(place).map(|value| value.to_string().into()),
            Rule::Negate(place) => match self.read(place).and_then(|value| value.as_i64()) {
                Some(number) => Some(number.checked_neg().ok_or_else(|| cannot(at, "too large"))?.into()),
                None => None,
            },
            Rule::First(place) => self.read(place).and_then(|list| list.get(0).cloned()),
            Rule::Join(places) => {
                let parts: Vec<String> = places.iter().filter_map(|place| self.plain(place)).collect();
                (!parts.is_empty()).then(|| parts.join(" ").into())
            }
            Rule::Either(places) => {
                let mut found = None;
                for place in places {
                    if found.is_none() {
                        found = self.copy(place, at)?;
                    }
                }
                found
            }
            Rule::Item { product, sku } => {
                let place = if self.settings.item_is_product() { product } else { sku };
                text_of(self.copy(place, at)?).map(Value::String)
            }
            Rule::Map { list, key, value, sum } => self.map(list, (key, value, *sum), (at, notes))?,
        })
    }

    fn money(
        &self,
        (form, nearest): (MoneyForm, bool),
        amount: &Place,
        currency: &Place,
        (at, notes): (&str, &mut Vec<Note>),
    ) -> Result<Option<Value>, Refusal> {
        let Some(minor) = self.read(amount).and_then(|value| value.as_i64()) else { return Ok(None) };
        let form = match form {
            MoneyForm::Unit if self.settings.price_is_minor() => return Ok(Some(minor.into())),
            MoneyForm::Unit => MoneyForm::Number,
            form => form,
        };
        let currency = self.read(currency).ok_or_else(|| cannot(at, "no currency is known"))?;
        let (value, exact) = convert::money_out(minor, currency.as_str().unwrap_or_default(), form, at)?;
        match (exact, nearest) {
            (true, _) => {}
            (false, true) => notes.push(Note::AmountNearest),
            (false, false) => return Err(cannot(at, "the amount cannot be written exactly")),
        }
        Ok(Some(value))
    }

    /// An object of a list: equal keys are added up, or must have one value.
    fn map(
        &self,
        list: &Place,
        (key, value, sum): (&Rule, &Rule, bool),
        (at, notes): (&str, &mut Vec<Note>),
    ) -> Result<Option<Value>, Refusal> {
        let Some(elements) = self.read(list) else { return Ok(None) };
        let Value::Array(elements) = elements.as_ref() else { return Err(cannot(at, "no list")) };
        let mut members = Map::new();
        for element in elements {
            let inner = Out { element: Some(element), ..*self };
            let Some(Value::String(key)) = inner.rule(key, at, notes)? else { return Err(cannot(at, "no key")) };
            let Some(value) = inner.rule(value, at, notes)? else { continue };
            let value = match (members.get(&key), sum) {
                (None, _) => value,
                (Some(known), false) if *known == value => value,
                (Some(_), false) => return Err(cannot(at, "one key with two values")),
                (Some(known), true) => {
                    let sum = known.as_i64().zip(value.as_i64()).and_then(|(one, other)| one.checked_add(other));
                    sum.ok_or_else(|| cannot(at, "the sum is too large"))?.into()
                }
            };
            members.insert(key, value);
        }
        Ok(Some(Value::Object(members)))
    }

    /// A value as it stands; ids in the form of the wire.
    fn copy(&self, place: &Place, at: &str) -> Result<Option<Value>, Refusal> {
        let Some(value) = self.read(place) else { return Ok(None) };
        let is_id = matches!(place, Place::Root(_, Kind::Id) | Place::Element(_, Kind::Id));
        match value.as_ref() {
            Value::String(text) if is_id => Ok(Some(convert::id_out(text, at)?.into())),
            _ => Ok(Some(value.into_owned())),
        }
    }

    fn plain(&self, place: &Place) -> Option<String> {
        self.read(place).and_then(|value| value.as_str().map(str::to_owned))
    }

    fn read_time(&self, place: &Place) -> Option<tradewind_events::Timestamp> {
        match place {
            Place::Meta(Meta::Time) => Some(self.meta.time),
            place => self.read(place)?.as_str()?.parse().ok(),
        }
    }

    /// The value of a place; null is none.
    pub fn read<'s>(&'s self, place: &'s Place) -> Option<Cow<'s, Value>> {
        let found = match place {
            Place::Root(path, _) => get(self.data, path)?,
            Place::Element(path, _) => get(self.element?, path)?,
            Place::Row(path) => get(self.rows, path)?,
            Place::Literal(value) => value,
            Place::Setting(name) => self.settings.get(name)?,
            Place::Meta(meta) => return self.meta.read(*meta).map(Cow::Owned),
            Place::Message(field) => {
                return Some(Cow::Owned(match field {
                    MessageField::Name => self.message.name.as_str().into(),
                    MessageField::Type => self.message.kind.as_deref()?.into(),
                    MessageField::Version => self.message.version.as_str().into(),
                    MessageField::Producer => self.message.producer.as_str().into(),
                }));
            }
        };
        (!found.is_null()).then_some(Cow::Borrowed(found))
    }

    /// Whether all conditions hold.
    pub fn holds(&self, conditions: &[ConditionRule]) -> bool {
        conditions.iter().all(|condition| {
            let left = self.read(&condition.place);
            let compared = |right: &Place| {
                let (left, right) = (left.as_deref()?, self.read(right)?);
                Some((left.clone(), right.into_owned()))
            };
            let number = |value: &Value| value.as_f64();
            match &condition.test {
                TestRule::Present => left.is_some(),
                TestRule::Absent => left.is_none(),
                TestRule::Equal(right) => compared(right).is_some_and(|(left, right)| left == right),
                TestRule::Different(right) => compared(right).is_none_or(|(left, right)| left != right),
                TestRule::More(right) => compared(right).is_some_and(|(left, right)| number(&left) > number(&right)),
                TestRule::Less(right) => compared(right).is_some_and(|(left, right)| number(&left) < number(&right)),
            }
        })
    }
}

fn text_of(value: Option<Value>) -> Option<String> {
    match value {
        Some(Value::String(text)) => Some(text),
        _ => None,
    }
}

/// Elements that agree in `by` as one, with the sum of `sum`.
fn merged(elements: Vec<Value>, by: &[String], sum: Option<&[String]>) -> Vec<Value> {
    let mut kept: Vec<Value> = Vec::with_capacity(elements.len().min(LINES_MAX));
    let mut places: std::collections::BTreeMap<String, usize> = std::collections::BTreeMap::new();
    for element in elements {
        let key = get(&element, by).map(Value::to_string).unwrap_or_default();
        let Some(place) = places.get(&key) else {
            places.insert(key, kept.len());
            kept.push(element);
            continue;
        };
        let Some(sum) = sum else { continue };
        let added = get(&element, sum).and_then(Value::as_i64).unwrap_or(0);
        let known = get(&kept[*place], sum).and_then(Value::as_i64).unwrap_or(0);
        put(&mut kept[*place], sum, known.saturating_add(added).into());
    }
    kept
}
