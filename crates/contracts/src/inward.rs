//! Rules on the way in: from the tree of a message to a draft of a canonical event.

use serde_json::{Map, Value};

use crate::{
    canonical::Kind,
    convert::{self, Note},
    envelope::DraftMeta,
    limits::LINES_MAX,
    refusal::{Reason, Refusal},
    rule::{Block, CurrencySource, LineRule, ListRule, Meta, MoneyForm, Place, Rule, TimeForm},
    settings::Settings,
    value::{complete, get, put, shown},
};

/// An amount whose currency only a row knows.
#[derive(Debug, Clone, PartialEq)]
pub struct LateAmount {
    pub path: Vec<String>,
    pub currency: Vec<String>,
    pub value: Value,
}

/// What the rules write.
#[derive(Debug, Clone, Default)]
pub struct Drafted {
    pub meta: DraftMeta,
    /// What a bridge remembers of the message, by row.
    pub remembered: Value,
    pub late: Vec<LateAmount>,
    pub notes: Vec<Note>,
}

pub struct In<'a> {
    pub settings: &'a Settings,
    pub payload: &'a Value,
    pub drafted: Drafted,
    /// The event.
    pub data: Value,
    /// The element of its list that is being made.
    pub element: Option<Value>,
}

impl<'a> In<'a> {
    pub fn new(settings: &'a Settings, payload: &'a Value) -> Self {
        let data = Value::Object(Map::new());
        Self { settings, payload, drafted: Drafted::default(), data, element: None }
    }

    /// Runs the lines over one object of the message.
    pub fn block(&mut self, block: &Block, wire: &Value) -> Result<(), Refusal> {
        for line in block.lines.iter().filter(|line| line.inward) {
            self.line(line, wire)?;
        }
        for list in block.lists.iter().filter(|list| list.inward) {
            self.list(list, wire)?;
        }
        Ok(())
    }

    fn line(&mut self, line: &LineRule, wire: &Value) -> Result<(), Refusal> {
        let found = line.wire.iter().find_map(|path| get(wire, path).map(|value| (path, value)));
        let Some((path, value)) = found else { return Ok(()) };
        if line.or.as_ref() == Some(value) {
            return Ok(());
        }
        let at = shown(path);
        if let Rule::Money { form: MoneyForm::Unit, amount, .. } = &line.rule
            && self.settings.price_is_minor()
        {
            return self.write(amount, convert::minor_in(value, &at)?.into(), &at);
        }
        if let Rule::Money { form: _, amount, currency, inward, .. } = &line.rule {
            return self.money(value, (amount, currency, inward), wire, &at);
        }
        self.rule(&line.rule, value, &at)
    }

    /// Makes one element of a list of the event.
    fn make(&mut self, element: impl FnOnce(&mut Self) -> Result<(), Refusal>) -> Result<Value, Refusal> {
        let outer = self.element.replace(Value::Object(Map::new()));
        let result = element(self);
        let made = std::mem::replace(&mut self.element, outer).unwrap_or_default();
        result.map(|()| made)
    }

    fn list(&mut self, list: &ListRule, wire: &Value) -> Result<(), Refusal> {
        let Some(Value::Array(elements)) = get(wire, &list.wire) else { return Ok(()) };
        let at = shown(&list.wire);
        if elements.len() > LINES_MAX {
            return Err(Refusal::new(Reason::TooManyLines, at, format!("more than {LINES_MAX}")));
        }
        let mut made = Vec::with_capacity(elements.len());
        for (nth, element) in elements.iter().enumerate() {
            let element = self.make(|this| this.block(&list.block, element));
            made.push(element.map_err(|refusal| below(refusal, &at, nth))?);
        }
        self.join(&list.list, made, list.by.as_deref());
        Ok(())
    }

    fn money(
        &mut self,
        value: &Value,
        (amount, currency, source): (&Place, &Place, &CurrencySource),
        wire: &Value,
        at: &str,
    ) -> Result<(), Refusal> {
        let code = match source {
            CurrencySource::Wire(path) => get(wire, path).and_then(Value::as_str),
            CurrencySource::Payload(path) => get(self.payload, path).and_then(Value::as_str),
            CurrencySource::Setting(name) => self.settings.get(name).and_then(Value::as_str),
            CurrencySource::Literal(code) => Some(code.as_str()),
            CurrencySource::Late => None,
        };
        if let (CurrencySource::Late, Place::Root(path, _), Place::Root(currency, _)) = (source, amount, currency) {
            let (path, currency) = (path.clone(), currency.clone());
            self.drafted.late.push(LateAmount { path, currency, value: value.clone() });
            return Ok(());
        }
        let minor = convert::money_in(value, code.unwrap_or_default(), at)?;
        self.write(amount, minor.into(), at)
    }

    fn rule(&mut self, rule: &Rule, value: &Value, at: &str) -> Result<(), Refusal> {
        match rule {
            Rule::Constant(_) | Rule::Money { .. } => Ok(()),
            Rule::Copy(place) => self.write(place, value.clone(), at),
            Rule::Time(place, form) => self.time(place, *form, value, at),
            Rule::Names(place, pairs) => {
                let pair = pairs.iter().find(|(_, theirs)| theirs == value);
                let (ours, _) = pair.ok_or_else(|| Refusal::new(Reason::EnumUnknown, at, "no name of ours"))?;
                self.write(place, ours.as_str().into(), at)
            }
            Rule::Prefix(prefix, place) => {
                let text = text(value, at)?;
                let rest = text.strip_prefix(prefix.as_str());
                let rest =
                    rest.ok_or_else(|| Refusal::new(Reason::FormUnknown, at, format!("begins with {prefix}")))?;
                self.write(place, rest.into(), at)
            }
            Rule::Uuid(place) => self.write(place, text(value, at)?.into(), at),
            Rule::Text(place) => {
                let number: Result<i64, _> = text(value, at)?.parse();
                let number = number.map_err(|_| Refusal::new(Reason::SchemaMismatch, at, "no whole number as text"))?;
                self.write(place, number.into(), at)
            }
            Rule::Negate(place) => {
                let number = whole(value, at)?.checked_neg();
                let number = number.ok_or_else(|| Refusal::new(Reason::NumberNotExact, at, "too large"))?;
                self.write(place, number.into(), at)
            }
            Rule::First(place) => {
                let element = match place {
                    Place::Root(_, _) | Place::Element(_, _) if value.is_string() => {
                        convert::id_in(text(value, at)?, at)?.into()
                    }
                    _ => value.clone(),
                };
                self.write(place, Value::Array(vec![element]), at)
            }
            Rule::Join(places) | Rule::Either(places) => match places.first() {
                Some(place) => self.write(place, text(value, at)?.into(), at),
                None => Ok(()),
            },
            Rule::Item { product, sku } => self.item(text(value, at)?, (product, sku), at),
            Rule::Map { list, key, value: element, .. } => self.map((list, key, element), value, at),
        }
    }

    /// The id of goods. What it does not say is made the same, until a row knows better.
    fn item(&mut self, text: &str, (product, sku): (&Place, &Place), at: &str) -> Result<(), Refusal> {
        if text.is_empty() {
            return Ok(());
        }
        self.write(product, text.into(), at)?;
        self.write(sku, text.into(), at)
    }

    fn time(&mut self, place: &Place, form: TimeForm, value: &Value, at: &str) -> Result<(), Refusal> {
        let time = convert::time_in(value, form, at, &mut self.drafted.notes)?;
        if let Place::Meta(Meta::Time) = place {
            self.drafted.meta.time = Some(time);
            return Ok(());
        }
        self.write(place, time.to_string().into(), at)
    }

    fn map(&mut self, (list, key, element): (&Place, &Rule, &Rule), value: &Value, at: &str) -> Result<(), Refusal> {
        let Value::Object(members) = value else { return Err(Refusal::new(Reason::SchemaMismatch, at, "no object")) };
        if members.len() > LINES_MAX {
            return Err(Refusal::new(Reason::TooManyLines, at, format!("more than {LINES_MAX}")));
        }
        let mut made = Vec::with_capacity(members.len());
        for (name, value) in members {
            made.push(self.make(|this| {
                this.rule(key, &Value::String(name.clone()), at)?;
                match element {
                    Rule::Money { amount, currency, inward, .. } => {
                        this.money(value, (amount, currency, inward), &Value::Null, at)
                    }
                    element => this.rule(element, value, at),
                }
            })?);
        }
        let by = key.places().first().and_then(|place| match place {
            Place::Element(path, _) => Some(path.clone()),
            _ => None,
        });
        self.join(list, made, by.as_deref());
        Ok(())
    }

    /// Puts a value where it belongs, as the kind of value that stands there.
    fn write(&mut self, place: &Place, value: Value, at: &str) -> Result<(), Refusal> {
        let (path, kind) = match place {
            Place::Root(path, kind) | Place::Element(path, kind) => (path, *kind),
            Place::Row(path) => {
                put(&mut self.drafted.remembered, path, value);
                return Ok(());
            }
            Place::Meta(meta) => {
                self.drafted.meta.write(*meta, &value);
                return Ok(());
            }
            Place::Setting(_) | Place::Message(_) | Place::Literal(_) => return Ok(()),
        };
        let value = match kind {
            Kind::Id => match text(&value, at)? {
                "" => return Ok(()),
                text => convert::id_in(text, at)?.into(),
            },
            Kind::Integer => whole(&value, at)?.into(),
            Kind::Text | Kind::Name | Kind::Time => text(&value, at)?.into(),
            Kind::Boolean | Kind::Object | Kind::List | Kind::Any => value,
        };
        put(self.target(place), path, value);
        Ok(())
    }

    /// Where the path of a place begins.
    fn target(&mut self, place: &Place) -> &mut Value {
        match (place, &mut self.element) {
            (Place::Element(..), Some(element)) => element,
            _ => &mut self.data,
        }
    }

    fn join(&mut self, list: &Place, made: Vec<Value>, by: Option<&[String]>) {
        if let Place::Root(path, _) | Place::Element(path, _) = list {
            join(self.target(list), path, made, by);
        }
    }
}

fn below(refusal: Refusal, at: &str, nth: usize) -> Refusal {
    let inner = if refusal.at.is_empty() { String::new() } else { format!(".{}", refusal.at) };
    Refusal { at: format!("{at}.{nth}{inner}"), ..refusal }
}

fn text<'a>(value: &'a Value, at: &str) -> Result<&'a str, Refusal> {
    value.as_str().ok_or_else(|| Refusal::new(Reason::SchemaMismatch, at, "no text"))
}

/// A whole number by its value: `100`, `100.0` and `1e2` are one.
fn whole(value: &Value, at: &str) -> Result<i64, Refusal> {
    let text = value.as_number().map(ToString::to_string);
    let number = text.as_deref().and_then(crate::json::Decimal::of).and_then(|decimal| decimal.units(0));
    number.ok_or_else(|| Refusal::new(Reason::NumberNotExact, at, "no whole number of 64 bits"))
}

/// Appends elements, or completes those that agree in `by`.
fn join(data: &mut Value, path: &[String], made: Vec<Value>, by: Option<&[String]>) {
    let mut list = match get(data, path) {
        Some(Value::Array(known)) => known.clone(),
        _ => Vec::new(),
    };
    let mut places: std::collections::BTreeMap<String, usize> = std::collections::BTreeMap::new();
    if let Some(by) = by {
        let keyed = list.iter().enumerate().filter_map(|(nth, element)| Some((get(element, by)?.to_string(), nth)));
        places.extend(keyed);
    }
    for element in made {
        let key = by.and_then(|by| get(&element, by)).map(Value::to_string);
        if let Some(place) = key.as_ref().and_then(|key| places.get(key)) {
            complete(&mut list[*place], &element);
            continue;
        }
        if let Some(key) = key {
            places.insert(key, list.len());
        }
        list.push(element);
    }
    put(data, path, Value::Array(list));
}
