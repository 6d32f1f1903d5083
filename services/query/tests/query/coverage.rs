//! Query hears everything: each event changes a read model, or it is written down why it changes none.

use std::collections::BTreeSet;

use tradewind_engine::AnyService;
use tradewind_events::{registry, samples};
use tradewind_query::{Query, WITHOUT_READ_MODEL, order_of, service};

#[test]
fn every_event_has_a_read_model_or_a_reason_to_have_none() {
    let service = AnyService::from(service(Query));
    let projected: BTreeSet<&str> = service.consumed_events().flatten().collect();
    let on_timeline =
        |name: &str| samples::all().iter().any(|event| event.name() == name && order_of(&**event).is_some());
    for kind in registry().kinds() {
        let has_model = projected.contains(kind.name) || on_timeline(kind.name);
        let has_none = WITHOUT_READ_MODEL.iter().any(|(name, _)| *name == kind.name);
        assert!(has_model != has_none, "{}: has a read model {has_model}, is listed as without {has_none}", kind.name);
    }
    for (name, why) in WITHOUT_READ_MODEL {
        assert!(registry().get(name).is_some(), "{name} is no event");
        assert!(why.len() > 10);
    }
}

#[test]
fn every_event_that_names_an_order_is_on_its_timeline_but_those_of_single_skus() {
    for event in samples::all() {
        let mut json = Vec::new();
        event.encode(&mut json).unwrap();
        let names_it = String::from_utf8(json).unwrap().contains("order-1");
        let is_of_sku = event.subject_table() == "stock";
        assert_eq!(order_of(&*event).is_some(), names_it && !is_of_sku, "{}", event.name());
        if let Some(order_id) = order_of(&*event) {
            assert_eq!(order_id.as_str(), "order-1", "{}", event.name());
        }
    }
}

#[test]
fn read_models_have_no_column_for_anything_about_a_person() {
    for table in tradewind_query::rebuild::tables() {
        for column in table.columns {
            for word in ["email", "address", "phone", "street", "username", "first_name", "last_name"] {
                assert!(!column.name.contains(word), "{}.{}", table.name, column.name);
            }
        }
    }
}
