//! Every state that an order can reach, whatever comes in whatever order and however often: what must always hold.

use std::collections::HashSet;

use tradewind_events::CancelledBy;

use super::*;
use crate::{OrderState, Step, model::Fact, owed_step};

/// What can happen to an order.
#[derive(Debug, Clone)]
enum Deed {
    Place,
    Hear(Fact),
    Cancel(CancelledBy),
    /// The customer is deleted.
    Abandon,
    Expire,
    Refund,
}

/// Facts that only note their time are left out: they would double the states and change no step.
fn deeds() -> Vec<Deed> {
    let losses = [
        Lost::QuoteRefused,
        Lost::ReservationRefused,
        Lost::ReservationExpired,
        Lost::CommitRefused,
        Lost::ShipmentRefused,
        Lost::ShipmentReleased,
        Lost::PaymentFailed,
        Lost::PaymentVoided,
        Lost::CaptureFailed,
    ];
    let facts = passing().into_iter().chain([Fact::ReleaseRefused]).chain(losses.map(lost));
    let others = [
        Deed::Place,
        Deed::Cancel(CancelledBy::Customer),
        Deed::Cancel(CancelledBy::Operator),
        Deed::Abandon,
        Deed::Expire,
        Deed::Refund,
    ];
    facts.map(Deed::Hear).chain(others).collect()
}

/// Does it; `None` when it is refused or changes nothing.
fn act(order: &Order, deed: &Deed, settings: &Orders) -> Option<(Order, Vec<&'static str>)> {
    let mut order = order.clone();
    let said = match deed {
        Deed::Place if order.state() == OrderState::Unheard => {
            let (order, said) = Order::place(Some(order), new_order(), settings, NOW);
            return Some((order, names(&said)));
        }
        Deed::Place => None,
        Deed::Hear(fact) => order.hear(fact, settings, NOW),
        Deed::Cancel(_) | Deed::Abandon if order.state() == OrderState::Unheard => None,
        Deed::Cancel(by) => order.cancel((*by, "wish".into()), settings, NOW).ok(),
        Deed::Abandon => order.abandon(settings, NOW),
        Deed::Expire => order.expire(NOW).map(Events::from),
        // A second one of the same id is dropped before it gets here.
        Deed::Refund if order.refunded_at().is_some() => None,
        Deed::Refund => {
            let said = order.refund(&refund_id(), TOTAL_MINOR, &"wish".into(), NOW).unwrap();
            Some(said.map(Events::from).unwrap_or_default())
        }
    }?;
    let said = names(&said);
    Some((order, said))
}

/// What tells two rows apart here: times are all the same, ids and reasons follow from the facts.
fn essence(order: &Order) -> (OrderState, [bool; 12], Option<Lost>, Option<CancelledBy>) {
    let facts = [
        order.quoted_at(),
        order.reserved_at(),
        order.committed_at(),
        order.stock_freed_at(),
        order.allocated_at(),
        order.dispatched_at(),
        order.delivered_at(),
        order.shipment_freed_at(),
        order.release_refused_at(),
        order.authorized_at(),
        order.captured_at(),
        order.voided_at().or(order.refunded_at()),
    ];
    (order.state(), facts.map(|fact| fact.is_some()), order.lost(), order.cancel_by())
}

fn has_the_full_set(order: &Order) -> bool {
    order.quoted_at().is_some()
        && order.reserved_at().is_some()
        && order.reservation_id().is_some()
        && order.allocated_at().is_some()
        && order.shipment_id().is_some()
        && order.authorized_minor() == order.summary().total_minor
        && order.payment_id().is_some()
        && order.committed_at().is_some()
}

/// What holds of any row; the table checks most of it again.
fn check_row(order: &Order) {
    let state = order.state();
    if state.stands() || state == OrderState::Completed {
        assert!(has_the_full_set(order), "{order:#?}");
    }
    if state == OrderState::Completed {
        assert!(order.delivered_at().is_some() && order.captured_at().is_some(), "{order:#?}");
    }
    assert_eq!(order.final_at().is_some(), state.is_final(), "{order:#?}");
    assert!(order.lost().is_some() || state != OrderState::Rejected, "{order:#?}");
    let is_wished = order.cancel_by().is_some() && order.cancel_reason().is_some();
    assert!(is_wished || !matches!(state, OrderState::Cancelling | OrderState::Cancelled), "{order:#?}");
    let owed = owed_step(order);
    let is_watched = !matches!(owed, None | Some((Step::Dispatch | Step::Delivery, _)));
    assert_eq!(order.waits_since().is_some(), is_watched, "{order:#?}");
}

/// What holds of any change.
fn check_change(before: &Order, deed: &Deed, after: &Order, said: &[&str]) {
    let show = || format!("{deed:?} made {:?} of {before:#?} and said {said:?}", after.state());
    let count = |name: &str| said.iter().filter(|said| **said == name).count();
    let outcome = match after.state() {
        _ if before.state().is_final() => "",
        OrderState::Completed => "order.completed",
        OrderState::Rejected => "order.rejected",
        OrderState::Cancelled => "order.cancelled",
        _ => "",
    };
    for name in ["order.completed", "order.rejected", "order.cancelled"] {
        assert_eq!(count(name), usize::from(name == outcome), "{}", show());
    }
    if before.state().is_final() {
        assert_eq!(before.state(), after.state(), "{}", show());
        assert!(said.iter().all(|name| *name == "order.refunded"), "{}", show());
    }
    let was_confirmed = before.state().stands() || before.state().is_final();
    let is_confirmed = after.state().stands() || after.state() == OrderState::Completed;
    assert_eq!(count("order.confirmed"), usize::from(!was_confirmed && is_confirmed), "{}", show());
    if before.state().stands() {
        assert_ne!(after.state(), OrderState::Rejected, "{}", show());
        assert!(!after.state().is_open(), "{}", show());
    }
    let released = matches!(deed, Deed::Hear(Fact::Lost { lost: Lost::ShipmentReleased, .. }));
    let ended_late = before.state().stands() && after.state() == OrderState::Cancelled;
    assert!(!ended_late || released || before.captured_at().is_none(), "{}", show());
}

/// Goes through everything that can be reached, and says how many rows that are.
fn explore(settings: &Orders) -> usize {
    let deeds = deeds();
    let start = [Order::unheard(&summary(None), NOW)];
    let mut seen: HashSet<_> = start.iter().map(essence).collect();
    let mut todo = Vec::from(start);
    while let Some(order) = todo.pop() {
        check_row(&order);
        check_ways_out(&order, settings);
        for deed in &deeds {
            let Some((after, said)) = act(&order, deed, settings) else { continue };
            check_change(&order, deed, &after, &said);
            check_again(deed, &after, settings);
            if seen.insert(essence(&after)) {
                todo.push(after);
            }
        }
    }
    seen.len()
}

/// Nothing hangs: time ends what is open, shipping's answer what is asked.
fn check_ways_out(order: &Order, settings: &Orders) {
    if order.state().is_open() {
        let (after, _) = act(order, &Deed::Expire, settings).expect("time ends what is open");
        assert_eq!(after.state(), OrderState::Cancelled);
    }
    let goes_on = order.has_left() || (order.state().stands() && !settings.shipping_can_recall);
    if !order.state().is_final() && !goes_on && order.state() != OrderState::Unheard {
        let after = act(order, &Deed::Abandon, settings).map_or(order.state(), |(after, _)| after.state());
        assert!(matches!(after, OrderState::Cancelling | OrderState::Cancelled), "{order:#?}");
    }
    if order.state() == OrderState::Cancelling {
        let (after, _) = act(order, &Deed::Hear(lost(Lost::ShipmentReleased)), settings).expect("that is an answer");
        assert_eq!(after.state(), OrderState::Cancelled);
        let (after, _) = act(order, &Deed::Hear(Fact::ReleaseRefused), settings).expect("that is an answer");
        assert_ne!(after.state(), OrderState::Cancelling);
    }
}

/// The same again changes nothing. Only shipping can contradict itself: it is asked, and may answer.
fn check_again(deed: &Deed, after: &Order, settings: &Orders) {
    let contradicts = matches!(deed, Deed::Hear(Fact::Lost { lost: Lost::ShipmentReleased, .. })) && after.has_left();
    if matches!(deed, Deed::Hear(_) | Deed::Expire | Deed::Place) && !contradicts {
        assert!(act(after, deed, settings).is_none(), "{deed:?} counts twice for {after:#?}");
    }
}

#[test]
fn whatever_happens_in_whatever_order_an_order_has_at_most_one_outcome_and_is_confirmed_only_with_the_full_set() {
    let reached = explore(&Orders::default());
    assert!(reached > 10_000, "{reached} rows are too few to be all");
}

#[test]
fn the_same_holds_where_shipping_has_no_recall() {
    let settings = Orders { shipping_can_recall: false, ..Orders::default() };
    let reached = explore(&settings);
    assert!(reached > 10_000, "{reached} rows are too few to be all");
}

/// Calls `visit` with every order of the items.
fn permute<T>(items: &mut Vec<T>, chosen: usize, visit: &mut impl FnMut(&[T])) {
    if chosen == items.len() {
        return visit(items);
    }
    for nth in chosen..items.len() {
        items.swap(chosen, nth);
        permute(items, chosen + 1, visit);
        items.swap(chosen, nth);
    }
}

#[test]
fn in_every_order_of_its_facts_each_heard_twice_an_order_is_completed_and_says_each_step_once_in_the_same_order() {
    let settings = Orders::default();
    let mut facts = passing();
    let mut orders = 0;
    permute(&mut facts, 0, &mut |facts| {
        let mut order = placed(&settings);
        let mut said = Events::new();
        for (nth, fact) in facts.iter().enumerate() {
            said.extend(order.hear(fact, &settings, NOW).unwrap());
            // What was delivered was dispatched.
            let is_all_there = facts[nth + 1..].iter().all(|missing| *missing == Fact::Dispatched);
            assert_eq!(order.state() == OrderState::Completed, is_all_there);
            for again in &facts[..=nth] {
                assert!(order.hear(again, &settings, NOW).is_none());
            }
        }
        let saga = ["order.priced", "order.validated", "order.confirmed", "order.completed"];
        assert_eq!(names(&said), saga);
        orders += 1;
    });
    assert_eq!(orders, 40_320);
}

#[test]
fn facts_that_came_before_the_order_was_placed_count_from_then_on() {
    let settings = Orders::default();
    for early in 0..=passing().len() {
        let mut unheard = Order::unheard(&summary(None), NOW);
        for fact in &passing()[..early] {
            assert!(unheard.hear(fact, &settings, NOW).unwrap().is_empty());
        }
        let (mut order, mut said) = Order::place(Some(unheard), new_order(), &settings, NOW);
        for fact in &passing()[early..] {
            said.extend(order.hear(fact, &settings, NOW).unwrap());
        }
        assert_eq!(order.state(), OrderState::Completed);
        let saga = ["order.placed", "order.priced", "order.validated", "order.confirmed", "order.completed"];
        assert_eq!(names(&said), saga);
    }
}

#[test]
fn an_order_waits_for_another_service_since_the_step_was_owed_and_not_for_parcels() {
    let settings = Orders::default();
    let mut order = placed(&settings);
    let mut waits = vec![(owed_step(&order), order.waits_since())];
    for (nth, fact) in passing().iter().enumerate() {
        order.hear(fact, &settings, later(nth as u64 + 1));
        waits.push((owed_step(&order), order.waits_since()));
    }
    let expected = [
        (Some((Step::Quote, "catalog")), Some(NOW)),
        (Some((Step::Reservation, "inventory")), Some(later(1))),
        (Some((Step::Shipment, "shipping")), Some(later(2))),
        (Some((Step::Payment, "payments")), Some(later(3))),
        (Some((Step::Commit, "inventory")), Some(later(4))),
        (Some((Step::Capture, "payments")), Some(later(5))),
        (Some((Step::Dispatch, "shipping")), None),
        (Some((Step::Delivery, "shipping")), None),
        (None, None),
    ];
    assert_eq!(waits, expected);
}

#[test]
fn an_order_that_ended_shows_what_is_still_held_for_it() {
    let settings = Orders::default();
    let mut order = after(5, &settings);
    order.hear(&lost(Lost::ShipmentReleased), &settings, NOW);
    assert_eq!(owed_step(&order), Some((Step::Refund, "payments")));
    order.hear(&Fact::RefundFailed, &settings, NOW);
    assert_eq!(owed_step(&order), Some((Step::Refund, "operator")));
    order.refund(&refund_id(), TOTAL_MINOR - 1, &"order_cancelled".into(), NOW).unwrap();
    assert_eq!(owed_step(&order), Some((Step::Refund, "payments")));
    order.refund(&refund_id(), 1, &"order_cancelled".into(), NOW).unwrap();
    assert_eq!(owed_step(&order), Some((Step::Restock, "inventory")));
    order.hear(&Fact::Restocked, &settings, NOW);
    assert_eq!(owed_step(&order), None);
    assert_eq!(order.waits_since(), None);
}
