//! What completes a draft: settings at once, rows when a bridge has them.

use std::{borrow::Cow, sync::Arc, time::Duration};

use serde_json::Value;
use tradewind_events::AnyEvent;

use super::{Draft, FromRows, decode};
use crate::{
    convert,
    refusal::{Reason, Refusal},
    rule::{FillRule, Source},
    settings::Settings,
    value::{complete, get, put, shown},
};

/// An event with all that it needs.
#[derive(Debug, Clone)]
pub struct Completed {
    pub data: Value,
    pub event: Arc<dyn AnyEvent>,
    /// Fields that rows have added.
    pub from_rows: FromRows,
}

impl Draft<'_> {
    /// Fills what needs no row.
    pub(super) fn fill_from_settings(&mut self, settings: &Settings) {
        let mut data = std::mem::take(&mut self.data);
        for fill in self.fills {
            if !matches!(fill.source, Source::Row(_) | Source::Amounts | Source::CopyOf(_)) {
                self.fill(fill, &mut data, (&Value::Null, settings));
            }
        }
        // Copies and sums come after what they are made of.
        for fill in self.fills {
            if matches!(fill.source, Source::Amounts | Source::CopyOf(_)) {
                self.fill(fill, &mut data, (&Value::Null, settings));
            }
        }
        self.data = data;
    }

    /// Required fields that only rows have, with the row.
    pub fn wanted(&self) -> FromRows {
        let mut wanted = FromRows::new();
        for fill in self.fills {
            let Source::Row(row) = &fill.source else { continue };
            for required in self.event.required() {
                let path: Vec<String> = required.split('.').map(str::to_owned).collect();
                let Some(rest) = path.strip_prefix(fill.path.as_slice()) else { continue };
                let is_there = !path.contains(&"[]".to_owned()) && get(&self.data, &path).is_some();
                let in_list = path.iter().position(|step| step == "[]");
                let list_is_there = in_list.is_some_and(|at| get(&self.data, &path[..at]).is_some());
                if !is_there && !list_is_there {
                    let source = row.iter().chain(rest).map(String::as_str).collect::<Vec<_>>().join(".");
                    wanted.entry(required.replace(".[]", "[]")).or_insert(format!("row.{source}"));
                }
            }
        }
        wanted
    }

    /// Completes the event from rows and decodes it. `rows` has an object a row: `{"order": {…}}`.
    pub fn complete(&self, rows: &Value, settings: &Settings) -> Result<Completed, Refusal> {
        let before = self.wanted();
        let mut data = self.data.clone();
        for fill in self.fills {
            self.fill(fill, &mut data, (rows, settings));
        }
        for late in &self.late {
            let currency = get(&data, &late.currency).and_then(Value::as_str).unwrap_or_default();
            let minor = convert::money_in(&late.value, currency, &shown(&late.path))?;
            put(&mut data, &late.path, minor.into());
        }
        let event = match decode(self.event, &data) {
            Ok(event) => event,
            Err(_) if self.missing(&data).is_some() => {
                let (path, row) = self.missing(&data).unwrap_or_default();
                return Err(Refusal::new(Reason::RowMissing, path, row));
            }
            Err(refusal) => return Err(self.named(&data).unwrap_or(refusal)),
        };
        let from_rows = before.into_iter().collect();
        Ok(Completed { data, event, from_rows })
    }

    /// The first field that a row should have had.
    fn missing(&self, data: &Value) -> Option<(String, String)> {
        self.wanted().into_iter().find(|(path, _)| {
            let path: Vec<String> = path.split("[]").next().unwrap_or_default().split('.').map(str::to_owned).collect();
            get(data, &path).is_none()
        })
    }

    /// The first required field that is not there, for a refusal that names it.
    fn named(&self, data: &Value) -> Option<Refusal> {
        let missing = self.event.required().find(|required| {
            let path: Vec<String> = required.split('.').map(str::to_owned).collect();
            !path.contains(&"[]".to_owned()) && get(data, &path).is_none()
        })?;
        Some(Refusal::new(Reason::FieldMissing, missing, format!("of {}", self.event.name)))
    }

    fn fill(&self, fill: &FillRule, data: &mut Value, (rows, settings): (&Value, &Settings)) {
        let source: Option<Cow<'_, Value>> = match &fill.source {
            Source::Row(path) => get(rows, path).map(Cow::Borrowed),
            Source::Setting(name) => settings.get(name).map(Cow::Borrowed),
            Source::Literal(value) => Some(Cow::Borrowed(value)),
            Source::EventId => Some(Cow::Owned(self.id.as_str().into())),
            Source::Time => Some(Cow::Owned(self.time.to_string().into())),
            Source::After(name) => settings
                .get(name)
                .and_then(Value::as_u64)
                .map(|seconds| Cow::Owned(self.time.plus(Duration::from_secs(seconds)).to_string().into())),
            Source::CopyOf(path) => return copy(data, &fill.path, path),
            Source::Amounts => return amounts(data, &fill.path),
        };
        if let Some(source) = source {
            fill_each(data, &fill.path, &source);
        }
    }
}

/// Visits what has the last names of a path: the event, or each element of the innermost list. Lists that are not there
/// have no elements.
fn at_each(data: &mut Value, path: &[String], visit: &mut dyn FnMut(&mut Value, &[String])) {
    let Some(at) = path.iter().position(|step| step == "[]") else {
        visit(data, path);
        return;
    };
    let list = path[..at].iter().try_fold(data, |value, step| value.get_mut(step));
    for element in list.and_then(Value::as_array_mut).into_iter().flatten() {
        at_each(element, &path[at + 1..], visit);
    }
}

/// Adds what is missing at each place of a path.
fn fill_each(data: &mut Value, path: &[String], source: &Value) {
    at_each(data, path, &mut |around, path| {
        let mut place = get(around, path).cloned().unwrap_or(Value::Null);
        complete(&mut place, source);
        if !place.is_null() {
            put(around, path, place);
        }
    });
}

/// A field as another one of the same element, or of the event.
fn copy(data: &mut Value, path: &[String], from: &[String]) {
    at_each(data, path, &mut |around, path| {
        if let (None, Some(value)) = (get(around, path), get(around, from).cloned()) {
            put(around, path, value);
        }
    });
}

/// Completes the amounts of an order whose total is known: what the total has over its items is shipping, what it lacks
/// is a discount.
fn amounts(data: &mut Value, path: &[String]) {
    let lines = data.get("lines").and_then(Value::as_array).cloned().unwrap_or_default();
    let of_lines = lines.iter().try_fold(0_i64, |sum, line| {
        let (price, quantity) = (line.get("unit_price_minor")?.as_i64()?, line.get("quantity")?.as_i64()?);
        sum.checked_add(price.checked_mul(quantity)?)
    });
    let Some(order) = get(data, path).cloned() else { return };
    let known = |name: &str| order.get(name).and_then(Value::as_i64);
    let Some(total) = known("total_minor") else { return };
    let items = known("items_total_minor").or(of_lines.filter(|_| !lines.is_empty())).unwrap_or(total);
    let over = total.saturating_sub(items);
    let made = serde_json::json!({
        "items_total_minor": items,
        "discount_minor": if over < 0 { over.saturating_neg() } else { 0 },
        "shipping_minor": over.max(0),
        "tax_minor": 0,
    });
    let is_given = ["discount_minor", "shipping_minor", "tax_minor"].iter().any(|name| known(name).is_some());
    if !is_given {
        let mut order = order;
        complete(&mut order, &made);
        put(data, path, order);
    }
}
