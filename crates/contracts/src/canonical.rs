//! The canonical events as mappings see them: which places each has, of what kind, and which must be filled. Found by
//! trying with the samples of `tradewind-events`, so that no second list of fields can differ from the first.

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

use serde_json::{Value, value::RawValue};
use tradewind_events::{AnyEvent, Registry, registry, samples};

/// What stands at a place of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// 1 to 64 visible ASCII characters.
    Id,
    Text,
    /// A name of a closed set, a currency, a subject: not every text.
    Name,
    Time,
    Integer,
    Boolean,
    Object,
    List,
    /// Free JSON.
    Any,
}

/// A place of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub kind: Kind,
    pub optional: bool,
}

/// One canonical event.
pub struct EventShape {
    pub name: &'static str,
    pub version: u16,
    /// The service that emits it.
    pub source: &'static str,
    /// Fully filled, as JSON.
    pub full: Value,
    /// Without anything optional, as JSON.
    pub sparse: Value,
    places: BTreeMap<String, Place>,
}

/// Objects whose members are data.
const FREE: [&str; 2] = ["attributes", "public_jwk"];

static EVENTS: LazyLock<BTreeMap<&'static str, Arc<EventShape>>> = LazyLock::new(|| {
    let registry = registry();
    samples::all().iter().map(|sample| (sample.name(), Arc::new(EventShape::of(&**sample, &registry)))).collect()
});

/// An event by its name.
pub fn event(name: &str) -> Option<&'static Arc<EventShape>> {
    EVENTS.get(name)
}

/// All of them, by name.
pub fn events() -> impl Iterator<Item = &'static Arc<EventShape>> {
    EVENTS.values()
}

impl EventShape {
    fn of(sample: &dyn AnyEvent, registry: &Registry) -> Self {
        let kind = registry.get(sample.name()).expect("a sample is of a registered event");
        let full = json(sample);
        let sparse = samples::sparse(sample).map_or_else(|| full.clone(), |sparse| json(&*sparse));
        let reads = |data: &Value| decodes(registry, sample, data);
        let places = samples::fields(sample)
            .into_iter()
            .map(|field| {
                let path = field.to_string().replace("[]", ".[]");
                let kind = match field.kind {
                    "string" => text_kind(&full, &path, &reads),
                    "integer" => Kind::Integer,
                    "boolean" => Kind::Boolean,
                    "array" => Kind::List,
                    "object" => Kind::Object,
                    _ => Kind::Any,
                };
                (path, Place { kind, optional: field.optional })
            })
            .collect();
        let mut shape = Self { name: kind.name, version: kind.version, source: kind.source, full, sparse, places };
        shape.add_elements(&reads);
        shape
    }

    /// Elements of lists that are texts, such as `product.category_ids.[]`, which have no name of their own.
    fn add_elements(&mut self, reads: &dyn Fn(&Value) -> bool) {
        let lists: Vec<String> =
            self.places.iter().filter(|(_, place)| place.kind == Kind::List).map(|(path, _)| path.clone()).collect();
        for list in lists {
            let path = format!("{list}.[]");
            let is_text = sample_at(&self.full, &path).is_some_and(Value::is_string);
            let kind = if is_text { text_kind(&self.full, &path, reads) } else { Kind::Object };
            self.places.insert(path, Place { kind, optional: false });
        }
    }

    /// The place at a path such as `lines.[].sku`. Below free JSON everything is there.
    pub fn place(&self, path: &[String]) -> Option<Place> {
        if let Some(place) = self.places.get(&path.join(".")) {
            return Some(*place);
        }
        let free = path.iter().position(|step| FREE.contains(&step.as_str()))?;
        let is_free = free + 1 < path.len() && self.places.contains_key(&path[..=free].join("."));
        is_free.then_some(Place { kind: Kind::Any, optional: true })
    }

    /// Every place that must be filled and is no object: those below an optional object or in a list are only there if
    /// that is.
    pub fn required(&self) -> impl Iterator<Item = &str> {
        let is_required = |path: &str, place: &Place| {
            let mut parents = path.match_indices('.').map(|(at, _)| &path[..at]);
            !place.optional && !parents.any(|parent| self.places.get(parent).is_some_and(|parent| parent.optional))
        };
        self.places
            .iter()
            .filter(move |(path, place)| is_required(path, place) && !path.ends_with(".[]"))
            .filter(|(path, place)| place.kind != Kind::Object || self.is_leaf(path))
            .map(|(path, _)| path.as_str())
    }

    fn is_leaf(&self, path: &str) -> bool {
        let below = format!("{path}.");
        !self.places.keys().any(|other| other.starts_with(&below))
    }
}

fn json(event: &dyn AnyEvent) -> Value {
    let mut data = Vec::new();
    event.encode(&mut data).expect("a canonical event is JSON");
    serde_json::from_slice(&data).expect("what was encoded can be read")
}

fn decodes(registry: &Registry, event: &dyn AnyEvent, data: &Value) -> bool {
    RawValue::from_string(data.to_string())
        .is_ok_and(|data| registry.decode(event.name(), event.version(), data.get()).is_ok())
}

fn sample_at<'a>(data: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(data, |value, step| if step == "[]" { value.get(0) } else { value.get(step) })
}

fn with(data: &Value, path: &str, text: &str) -> Value {
    let mut data = data.clone();
    let place = path.split('.').try_fold(&mut data, |value, step| match step {
        "[]" => value.get_mut(0),
        name => value.get_mut(name),
    });
    if let Some(place) = place {
        *place = text.into();
    }
    data
}

/// What texts a place takes.
fn text_kind(full: &Value, path: &str, reads: &dyn Fn(&Value) -> bool) -> Kind {
    let takes = |text| reads(&with(full, path, text));
    match (takes("a b"), takes("a-b"), takes("2026-01-31T12:00:00Z")) {
        (true, ..) => Kind::Text,
        (false, true, _) => Kind::Id,
        (false, false, true) => Kind::Time,
        (false, false, false) => Kind::Name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(event_name: &str, path: &str) -> Option<Kind> {
        let path: Vec<String> = path.split('.').map(str::to_owned).collect();
        event(event_name).unwrap().place(&path).map(|place| place.kind)
    }

    #[test]
    fn the_kind_of_every_place_is_found() {
        assert_eq!(kind("order.priced", "order.order_id"), Some(Kind::Id));
        assert_eq!(kind("order.priced", "order.currency"), Some(Kind::Name));
        assert_eq!(kind("order.priced", "deadline"), Some(Kind::Time));
        assert_eq!(kind("order.priced", "lines.[].quantity"), Some(Kind::Integer));
        assert_eq!(kind("order.rejected", "reason"), Some(Kind::Text));
        assert_eq!(kind("product.created", "product.attributes.colour"), Some(Kind::Any));
        assert_eq!(kind("product.created", "product.category_ids.[]"), Some(Kind::Id));
        assert_eq!(kind("order.priced", "order.nothing"), None);
    }

    #[test]
    fn what_must_be_filled_is_listed_without_what_hangs_on_the_optional() {
        let required: Vec<&str> = event("order.placed").unwrap().required().collect();
        let expected = [
            "currency",
            "customer_id",
            "lines",
            "lines.[].product_id",
            "lines.[].quantity",
            "lines.[].sku",
            "order_id",
            "payment_method",
        ];
        assert_eq!(required, expected);
    }
}
