//! Shops in which a foreign system plays orders: its events are imported, and their rows live nowhere here.

use std::sync::Arc;

use tradewind_audit::{Audit, Report, StoreView};
use tradewind_engine::{
    AnyService, Limits, StoredRow,
    operator::Action,
    tables::{CounterRow, DeadLetterRow, ImportedSubjectRow, ParkedRow},
};
use tradewind_events::{
    AnyEvent, Timestamp, Value, id,
    identity::UserRegistered,
    orders::{OrderCompleted, OrderConfirmed, OrderPlaced, OrderPriced},
    samples::Sample,
};
use tradewind_notifications::{Notifications, model::Notification};
use tradewind_query::{OrderStatus, OrderView, Query};
use tradewind_testkit::{Bridge, Import, Stage};

use crate::shop::{tamper, with};

fn bridge() -> AnyService {
    Bridge::service(&["bridge.orders", "bridge.shipping", "bridge.identity"]).expect("these are sources of a bridge")
}

fn query() -> AnyService {
    tradewind_query::service(Query).into()
}

/// Everything that is not foreign, in one store.
fn services() -> Vec<AnyService> {
    vec![bridge(), tradewind_notifications::service(Notifications::default()).into(), query()]
}

/// The life of one order.
fn told() -> Vec<Arc<dyn AnyEvent>> {
    vec![
        Arc::new(OrderPlaced::sample()),
        Arc::new(OrderPriced::sample()),
        Arc::new(OrderConfirmed::sample()),
        Arc::new(OrderCompleted::sample()),
    ]
}

fn import(stage: &mut Stage, events: Vec<Arc<dyn AnyEvent>>) {
    for event in events {
        stage.ask(Import { source: Bridge::source("orders"), events: vec![event] }).expect("it is declared");
    }
}

fn opened() -> Stage {
    let mut stage = Stage::new(services());
    stage.ask(Import::of("identity", UserRegistered::sample())).expect("it is declared");
    import(&mut stage, told());
    stage
}

fn audited(stores: &[(&Stage, &[AnyService])]) -> Report {
    let stores: Vec<_> =
        stores.iter().map(|(stage, services)| StoreView::new("stage", stage.store(), services)).collect();
    let (registry, now) = (tradewind_events::registry(), Timestamp::default());
    Audit { stores: &stores, registry: &registry, charges: None, now }.run().expect("the store can be audited")
}

/// The invariants that do not hold, with what is said of each.
fn violated(report: &Report) -> Vec<(usize, String)> {
    let checks = (1..).zip(&report.checks);
    checks.flat_map(|(nth, check)| check.violations.iter().map(move |found| (nth, found.detail.clone()))).collect()
}

#[test]
fn a_shop_whose_orders_are_imported_is_clean() {
    let stage = opened();
    let view: OrderView = stage.row(id("order-1")).expect("it is in the read models");
    assert_eq!((view.status, view.timeline.len() > 4), (Some(OrderStatus::Completed), true));
    let report = audited(&[(&stage, &services())]);
    assert_eq!((violated(&report), report.set_aside, report.in_flight), (vec![], 0, 0));
    for examined in [7, 9, 10] {
        assert!(report.checks[examined - 1].examined > 0, "{examined}");
    }
}

#[test]
fn a_gap_among_the_numbers_of_imported_events_is_seen() {
    let stage = opened();
    tamper::<ImportedSubjectRow>(
        stage.store(),
        |row| &*row.subject == "order/order-1",
        |row| Some(StoredRow { events: row.events + 1, ..row }),
    );
    let store = stage.store().clone();
    drop(stage);
    let mut stage = Stage::over(store, services(), tradewind_events::registry(), Limits::default());
    import(&mut stage, vec![Arc::new(OrderCompleted::sample())]);
    let [(7, detail)] = &violated(&audited(&[(&stage, &services())]))[..] else { panic!("one violation") };
    assert_eq!(detail, "order.completed about order/order-1 is number 6 where 5 comes next");
}

#[test]
fn an_imported_event_of_which_nobody_was_told_is_seen() {
    let stage = opened();
    assert_eq!(stage.rows::<Notification>().len(), 1);
    tamper::<Notification>(stage.store(), |_| true, |_| None);
    let report = audited(&[(&stage, &services())]);
    assert_eq!(violated(&report), [(10, "nobody is told of it".to_owned())]);
}

#[test]
fn a_read_model_of_an_imported_order_that_is_not_what_the_log_says_is_seen() {
    let stage = opened();
    tamper::<OrderView>(stage.store(), |_| true, |row| Some(with::<OrderView>(row, "total_minor", Value::Int(1))));
    let report = audited(&[(&stage, &services())]);
    assert_eq!(violated(&report), [(9, "is another in the log: total_minor".to_owned())]);
}

/// The bridge and the read models in two stores. The last events are still on their way.
fn split(on_their_way: usize) -> (Stage, Stage) {
    let mut here = Stage::new([bridge()]);
    import(&mut here, told());
    let mut there = Stage::new([query()]);
    for event in &here.log()[..told().len() - on_their_way] {
        there.hear_envelope((*event.envelope).clone());
    }
    (here, there)
}

#[test]
fn what_a_bridge_has_published_is_in_the_books_between_stores() {
    let (bridges, queries) = ([bridge()], [query()]);
    let judge = |here: &Stage, there: &Stage| audited(&[(here, &bridges), (there, &queries)]);
    let (here, there) = split(0);
    let report = judge(&here, &there);
    assert_eq!((violated(&report), report.in_flight), (vec![], 0));
    assert!(report.checks[7].examined > 1);
    tamper::<CounterRow>(there.store(), |_| true, |row| Some(with::<CounterRow>(row, "handled", Value::Int(5))));
    let expected = (8, "5 are accounted for, but only 4 were published".to_owned());
    assert_eq!(violated(&judge(&here, &there)), [expected]);
    let (here, there) = split(1);
    assert_eq!(judge(&here, &there).in_flight, 1);
}

#[test]
fn a_dead_letter_whose_message_is_lost_is_still_in_the_books() {
    let (here, mut there) = split(1);
    there.operate(Action::Pause { consumer: id("query"), reason: "a test".into() }).unwrap();
    there.hear_envelope((*here.log().last().expect("it was said").envelope).clone());
    tamper::<ParkedRow>(
        there.store(),
        |_| true,
        |row| Some(with::<ParkedRow>(row, "message", Value::Text("nothing".into()))),
    );
    let judge = |there: &Stage| audited(&[(&here, &[bridge()]), (there, &[query()])]);
    assert_eq!(violated(&judge(&there)), []);
    let store = there.store().clone();
    drop(there);
    let mut there = Stage::over(store, [query()], tradewind_events::registry(), Limits::default());
    there.operate(Action::Resume { consumer: id("query") }).unwrap();
    assert_eq!(there.rows::<DeadLetterRow>().len(), 1);
    assert_eq!(violated(&judge(&there)), []);
}
