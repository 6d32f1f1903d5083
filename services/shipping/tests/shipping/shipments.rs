//! The life of an order's shipment: whatever it hears, first, twice, early and late.

use std::sync::Arc;

use tradewind_events::{
    id,
    inventory::ReservationMade,
    orders::OrderPriced,
    shipping::{
        ShipmentAllocated, ShipmentDelivered, ShipmentDispatched, ShipmentReady, ShipmentRefused,
        ShipmentReleaseRefused, ShipmentReleased,
    },
};
use tradewind_shipping::{
    DeliverShipment, Shipment,
    ShipmentState::{self, Allocated, Delivered, Dispatched, Ended, Ready, Refused, Released, Unheard},
    Shipping, TEXT_CHARS_MAX,
};

use crate::world::{
    Fact::{
        self, CancelRequested, Cancelled, Captured, Confirmed, Deliver, Dispatch, PaymentFailed, Priced, Rejected,
        Reserved,
    },
    World, address, lines, priced, reserved, summary,
};

const NOTHING: &[&str] = &[];
const ALLOCATED: &[&str] = &["shipment.allocated"];
const READY: &[&str] = &["shipment.ready"];
const READY_AT_ONCE: &[&str] = &["shipment.allocated", "shipment.ready"];
const RELEASED: &[&str] = &["shipment.released"];
const RELEASE_REFUSED: &[&str] = &["shipment.release_refused"];
const DISPATCHED: &[&str] = &["shipment.dispatched"];
const DELIVERED: &[&str] = &["shipment.delivered"];

const NOT_FOUND: Result<(), &str> = Err("shipment_not_found");
const NOT_READY: Result<(), &str> = Err("shipment_not_ready");
const NOT_DISPATCHED: Result<(), &str> = Err("shipment_not_dispatched");

/// Of each fact: what is said, and the state afterwards.
type Facts = [(Fact, &'static [&'static str], ShipmentState); 8];

/// Of dispatch and deliver: how they are answered; what succeeds stands in the table of facts.
type Asked = [Result<(), &'static str>; 2];

/// A state in which only the question of orders is answered, in which only it can end, and in which all else is quiet.
fn closed(state: ShipmentState, answer: &'static [&'static str], answered: ShipmentState) -> Facts {
    [Priced, Reserved, Confirmed, Captured, CancelRequested, PaymentFailed, Rejected, Cancelled].map(
        |fact| match fact {
            CancelRequested => (fact, answer, answered),
            _ => (fact, NOTHING, state),
        },
    )
}

/// A state that facts, and then ends, change.
fn open(
    facts: [(&'static [&'static str], ShipmentState); 4],
    end: &'static [&'static str],
    ended: ShipmentState,
) -> Facts {
    [
        (Priced, facts[0].0, facts[0].1),
        (Reserved, facts[1].0, facts[1].1),
        (Confirmed, facts[2].0, facts[2].1),
        (Captured, facts[3].0, facts[3].1),
        (CancelRequested, RELEASED, Released),
        (PaymentFailed, end, ended),
        (Rejected, end, ended),
        (Cancelled, end, ended),
    ]
}

/// What was heard before, what each further fact does, and how the two commands are answered.
fn table() -> Vec<(&'static [Fact], Facts, Asked)> {
    let no_shipment = [NOT_FOUND, NOT_FOUND];
    let not_ready = [NOT_READY, NOT_DISPATCHED];
    let waits = (NOTHING, Unheard);
    let (planned, same, ready) = ((ALLOCATED, Allocated), (NOTHING, Allocated), (READY, Ready));
    let at_once = (READY_AT_ONCE, Ready);
    let on_its_way = closed(Dispatched, RELEASE_REFUSED, Dispatched);
    vec![
        (&[], open([waits; 4], NOTHING, Ended), no_shipment),
        (&[Priced], open([waits, planned, waits, waits], NOTHING, Ended), no_shipment),
        (&[Reserved], open([planned, waits, waits, waits], NOTHING, Ended), no_shipment),
        (&[Confirmed, Captured, Reserved], open([at_once, waits, waits, waits], NOTHING, Ended), no_shipment),
        (&[Captured, Priced, Confirmed], open([waits, at_once, waits, waits], NOTHING, Ended), no_shipment),
        (&[Rejected], closed(Ended, RELEASED, Released), no_shipment),
        (&[Priced, Cancelled], closed(Ended, RELEASED, Released), no_shipment),
        (&[Reserved, PaymentFailed], closed(Ended, RELEASED, Released), no_shipment),
        (&[Priced, Reserved], open([same; 4], RELEASED, Released), not_ready),
        (&[Priced, Reserved, Confirmed], open([same, same, same, ready], RELEASED, Released), not_ready),
        (&[Priced, Captured, Reserved], open([same, same, ready, same], RELEASED, Released), not_ready),
        (
            &[Priced, Reserved, Confirmed, Captured],
            open([(NOTHING, Ready); 4], RELEASED, Released),
            [Ok(()), NOT_DISPATCHED],
        ),
        (&[Priced, Reserved, Confirmed, Captured, Dispatch], on_its_way, [NOT_READY, Ok(())]),
        (
            &[Priced, Reserved, Confirmed, Captured, Dispatch, Deliver],
            closed(Delivered, RELEASE_REFUSED, Delivered),
            not_ready,
        ),
        (&[Priced, Reserved, Cancelled], closed(Released, RELEASED, Released), not_ready),
        (&[Priced, Reserved, CancelRequested], closed(Released, RELEASED, Released), not_ready),
        (&[CancelRequested], closed(Released, RELEASED, Released), not_ready),
    ]
}

#[test]
fn every_fact_in_every_state_does_what_the_table_says() {
    for (before, facts, asked) in table() {
        for (fact, said, state) in facts {
            let mut world = World::after(before);
            world.tell(fact).unwrap();
            assert_eq!(world.stage.said_names(), said, "{fact:?} after {before:?}");
            assert_eq!(world.state("order-1"), state, "{fact:?} after {before:?}");
            world.audit();
        }
        for (ask, answer, said) in [(Dispatch, asked[0], DISPATCHED), (Deliver, asked[1], DELIVERED)] {
            let mut world = World::after(before);
            assert_eq!(world.tell(ask), answer, "{ask:?} after {before:?}");
            let said = if answer.is_ok() { said } else { NOTHING };
            assert_eq!(world.stage.said_names(), said, "{ask:?} after {before:?}");
            world.audit();
        }
    }
}

#[test]
fn in_whatever_order_the_facts_come_the_shipment_is_ready_once() {
    for facts in permutations(&[Priced, Reserved, Confirmed, Captured, Priced, Captured]) {
        let mut world = World::new();
        for fact in &facts {
            world.tell(*fact).unwrap();
        }
        assert_eq!(world.stage.said_names(), READY_AT_ONCE, "{facts:?}");
        assert_eq!(*world.shipment("order-1").lines(), lines(Some("north")), "{facts:?}");
        world.audit();
    }
}

#[test]
fn in_whatever_order_an_end_comes_nothing_stays_allocated() {
    for end in [PaymentFailed, Rejected, Cancelled, CancelRequested] {
        for facts in permutations(&[Priced, Reserved, Confirmed, Captured, end]) {
            let mut world = World::new();
            for fact in &facts {
                world.tell(*fact).unwrap();
            }
            let state = world.state("order-1");
            assert!(matches!(state, Ended | Released), "{state} after {facts:?}");
            assert!(world.tell(Dispatch).is_err(), "{facts:?}");
            world.audit();
        }
    }
}

#[test]
fn the_same_delivery_twice_is_one() {
    let mut world = World::new();
    world.tell(Priced).unwrap();
    world.stage.hear_as("event-1", reserved("order-1"));
    world.stage.hear_as("event-1", reserved("order-1"));
    assert_eq!(world.stage.said_names(), ALLOCATED);
    world.audit();
}

#[test]
fn what_is_said_of_a_shipment_names_it_with_its_order_and_lines() {
    let mut world = World::after(&[]);
    for fact in [Priced, Reserved, Confirmed, Captured, Dispatch, CancelRequested, Deliver] {
        world.tell(fact).unwrap();
    }
    let shipment_id = world.shipment("order-1").shipment_id().unwrap().clone();
    let (order, lines) = (summary("order-1"), lines(Some("north")));
    let allocated = ShipmentAllocated { shipment_id: shipment_id.clone(), order: order.clone(), lines: lines.clone() };
    assert_eq!(world.stage.said::<ShipmentAllocated>(), [allocated]);
    let ready = ShipmentReady { shipment_id: shipment_id.clone(), order: order.clone() };
    assert_eq!(world.stage.said::<ShipmentReady>(), [ready]);
    let dispatched = ShipmentDispatched {
        shipment_id: shipment_id.clone(),
        order: order.clone(),
        lines,
        carrier: Some("DHL".into()),
        tracking: Some("JD014".into()),
    };
    assert_eq!(world.stage.said::<ShipmentDispatched>(), [dispatched]);
    let reason = Arc::from("already_dispatched");
    let refused = ShipmentReleaseRefused { shipment_id: shipment_id.clone(), order: order.clone(), reason };
    assert_eq!(world.stage.said::<ShipmentReleaseRefused>(), [refused]);
    assert_eq!(world.stage.said::<ShipmentDelivered>(), [ShipmentDelivered { shipment_id, order }]);
    world.audit();
}

#[test]
fn every_question_is_answered_with_the_same_shipment() {
    for before in [&[Priced, Reserved][..], &[Rejected], &[], &[Priced, Reserved, PaymentFailed]] {
        let mut world = World::after(before);
        for _ in 0..3 {
            world.tell(CancelRequested).unwrap();
        }
        let shipment_id = world.shipment("order-1").shipment_id().unwrap().clone();
        let answers = world.stage.said::<ShipmentReleased>();
        assert_eq!(answers.len(), 3);
        assert!(answers.iter().all(|answer| answer.shipment_id == shipment_id), "{before:?}");
        assert_eq!(&*answers[0].reason, "cancel_requested");
        world.audit();
    }
}

#[test]
fn each_end_says_why_it_lets_go() {
    for (end, reason) in
        [(PaymentFailed, "payment_failed"), (Rejected, "order_rejected"), (Cancelled, "order_cancelled")]
    {
        let mut world = World::after(&[Priced, Reserved]);
        world.tell(end).unwrap();
        let released = world.stage.said::<ShipmentReleased>().remove(0);
        assert_eq!((&*released.reason, released.lines), (reason, lines(Some("north"))));
    }
}

#[test]
fn a_command_of_an_unknown_order_is_not_found() {
    let mut world = World::new();
    assert_eq!(world.tell(Dispatch), NOT_FOUND);
    assert_eq!(world.stage.ask(DeliverShipment { order_id: id("order-1") }).unwrap_err().code(), "shipment_not_found");
    assert_eq!(world.stage.rows::<Shipment>(), []);
}

#[test]
fn carrier_and_tracking_are_optional_and_bounded() {
    let facts = [Priced, Reserved, Confirmed, Captured];
    let most = "ü".repeat(TEXT_CHARS_MAX);
    let too_long = "ü".repeat(TEXT_CHARS_MAX + 1);
    let mut world = World::after(&facts);
    for (carrier, tracking, field) in
        [(Some(""), None, "carrier"), (Some(too_long.as_str()), None, "carrier"), (None, Some(&*too_long), "tracking")]
    {
        let problem = world.dispatches(carrier, tracking).unwrap_err();
        assert_eq!((problem.code(), problem.field.as_deref()), ("invalid_dispatch", Some(field)));
    }
    assert_eq!(world.state("order-1"), Ready);
    let shipment = world.dispatches(None, Some(most.as_str())).unwrap();
    assert_eq!((shipment.carrier(), shipment.tracking().map(AsRef::as_ref)), (None, Some(most.as_str())));
    world.audit();
}

#[test]
fn a_reservation_that_names_no_lines_ships_those_of_the_order() {
    for reservation_first in [true, false] {
        let mut world = World::new();
        let silent = ReservationMade { lines: [].into_iter().collect(), ..reserved("order-1") };
        if reservation_first {
            world.stage.hear(silent);
            world.tell(Priced).unwrap();
        } else {
            world.tell(Priced).unwrap();
            world.stage.hear(silent);
        }
        assert_eq!(world.stage.said::<ShipmentAllocated>()[0].lines, lines(None));
        world.audit();
    }
}

#[test]
fn a_country_that_is_not_served_is_refused_for_good() {
    let mut world = World::with(Shipping { countries: vec!["de".into(), "AT".into()] });
    let to = |order: &str, country: &str| OrderPriced { shipping_address: Some(address(country)), ..priced(order) };
    for (order, country, state) in
        [("home", " DE ", Allocated), ("next-door", "at", Allocated), ("far", "NZ", Refused), ("nowhere", "", Refused)]
    {
        world.stage.hear(to(order, country));
        world.stage.hear(reserved(order));
        assert_eq!(world.state(order), state, "{country}");
    }
    let refused = world.stage.said::<ShipmentRefused>().remove(0);
    assert_eq!((&*refused.reason, refused.order), ("country_not_served", summary("far")));
    assert_eq!(refused.lines, lines(Some("north")));
    world.stage.clear();
    world.stage.hear(to("far", "DE"));
    world.stage.hear(reserved("far"));
    assert_eq!((world.stage.said_names(), world.state("far")), (vec![], Refused));
    world.audit();
}

#[test]
fn an_order_without_an_address_goes_anywhere() {
    let mut world = World::with(Shipping { countries: vec!["DE".into()] });
    world.stage.hear(OrderPriced { shipping_address: None, ..priced("order-1") });
    world.tell(Reserved).unwrap();
    assert_eq!(world.state("order-1"), Allocated);
    world.audit();
}

#[test]
fn a_refused_shipment_hears_nothing_more_but_the_question_of_orders() {
    let refused = || {
        let mut world = World::with(Shipping { countries: vec!["AT".into()] });
        world.tell(Priced).unwrap();
        world.tell(Reserved).unwrap();
        assert_eq!(world.stage.said_names(), ["shipment.refused"]);
        world.stage.clear();
        world
    };
    for (fact, said, state) in closed(Refused, RELEASED, Released) {
        let mut world = refused();
        world.tell(fact).unwrap();
        assert_eq!((world.stage.said_names(), world.state("order-1")), (said.to_vec(), state), "{fact:?}");
        world.audit();
    }
    assert_eq!((refused().tell(Dispatch), refused().tell(Deliver)), (NOT_FOUND, NOT_FOUND));
}

/// Every order of these facts; equal ones may come more than once.
fn permutations(facts: &[Fact]) -> Vec<Vec<Fact>> {
    if facts.is_empty() {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for nth in 0..facts.len() {
        let mut rest = facts.to_vec();
        let first = rest.remove(nth);
        all.extend(permutations(&rest).into_iter().map(|mut rest| {
            rest.insert(0, first);
            rest
        }));
    }
    all
}
