//! The life of an order's claim: whatever it hears, first, twice, early and late.

use std::time::Duration;

use tradewind_events::{
    StockCause, id,
    inventory::{
        ReservationCommitRefused, ReservationCommitted, ReservationExpired, ReservationMade, ReservationReleased,
        ReservationRestocked, StockChanged,
    },
    orders::OrderPriced,
};
use tradewind_inventory::ReservationState::{
    self, Active, Committed, Ended, Expired, Refused, Released, Restocked, Unheard,
};

use crate::world::{TTL, World, pieces, summary};

const MINUTE: Duration = Duration::from_mins(1);

/// A fact of order-1, which wants 2 of SKU-1.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fact {
    Priced,
    Requested,
    Authorized,
    Failed,
    Rejected,
    Cancelled,
    /// The whole time has passed.
    Late,
}

use Fact::{Authorized, Cancelled, Failed, Late, Priced, Rejected, Requested};

fn tell(world: &mut World, fact: Fact) {
    match fact {
        Priced => world.prices("order-1", &[("SKU-1", 2)]),
        Requested => world.requests_payment("order-1"),
        Authorized => world.pays("order-1"),
        Failed => world.fails_to_pay("order-1"),
        Rejected => world.rejects("order-1"),
        Cancelled => world.cancels("order-1"),
        Late => world.stage.advance(TTL),
    }
}

/// A world in which order-1 has heard these facts; there are 5 of SKU-1, or 1 when the claim is to be refused.
fn after(facts: &[Fact], refused: bool) -> World {
    let mut world = World::with(&[("SKU-1", if refused { 1 } else { 5 })]);
    for fact in facts {
        tell(&mut world, *fact);
    }
    world.stage.clear();
    world
}

const NOTHING: &[&str] = &[];
const MADE: &[&str] = &["reservation.made"];
const SOLD_AT_ONCE: &[&str] = &["reservation.made", "reservation.committed"];
const REFUSED: &[&str] = &["reservation.refused"];
const COMMITTED: &[&str] = &["reservation.committed"];
const COMMIT_REFUSED: &[&str] = &["reservation.commit_refused"];
const RELEASED: &[&str] = &["reservation.released"];
const RESTOCKED: &[&str] = &["reservation.restocked"];

/// Of each fact: what is said of the claim, and its state afterwards.
type Facts = [(Fact, &'static [&'static str], ReservationState); 6];

/// A state in which nothing says anything.
fn quiet(state: ReservationState) -> Facts {
    [Priced, Requested, Authorized, Failed, Rejected, Cancelled].map(|fact| (fact, NOTHING, state))
}

/// A state in which money comes too late.
fn lost(state: ReservationState) -> Facts {
    quiet(state).map(|(fact, said, state)| (fact, if fact == Authorized { COMMIT_REFUSED } else { said }, state))
}

/// A state in which the order's wishes are waited for.
fn unheard(said: &'static [&'static str], priced: ReservationState) -> Facts {
    [
        (Priced, said, priced),
        (Requested, NOTHING, Unheard),
        (Authorized, NOTHING, Unheard),
        (Failed, NOTHING, Ended),
        (Rejected, NOTHING, Ended),
        (Cancelled, NOTHING, Ended),
    ]
}

/// What was heard before, and what each further fact does.
fn table() -> Vec<(&'static [Fact], Facts)> {
    let active = [
        (Priced, NOTHING, Active),
        (Requested, NOTHING, Active),
        (Authorized, COMMITTED, Committed),
        (Failed, RELEASED, Released),
        (Rejected, RELEASED, Released),
        (Cancelled, RELEASED, Released),
    ];
    let committed = [
        (Priced, NOTHING, Committed),
        (Requested, NOTHING, Committed),
        (Authorized, NOTHING, Committed),
        (Failed, RESTOCKED, Restocked),
        (Rejected, RESTOCKED, Restocked),
        (Cancelled, RESTOCKED, Restocked),
    ];
    vec![
        (&[], unheard(MADE, Active)),
        (&[Requested], unheard(MADE, Active)),
        (&[Authorized], unheard(SOLD_AT_ONCE, Committed)),
        (&[Rejected], quiet(Ended)),
        (&[Cancelled], quiet(Ended)),
        (&[Authorized, Failed], quiet(Ended)),
        (&[Priced], active),
        (&[Priced, Requested], active),
        (&[Priced, Authorized], committed),
        (&[Priced, Failed], lost(Released)),
        (&[Priced, Requested, Rejected], lost(Released)),
        (&[Priced, Late], lost(Expired)),
        (&[Priced, Authorized, Cancelled], quiet(Restocked)),
    ]
}

#[test]
fn every_fact_in_every_state_does_what_the_table_says() {
    for (before, facts) in table() {
        for (fact, said, state) in facts {
            let mut world = after(before, false);
            tell(&mut world, fact);
            assert_eq!(world.said_of_claims(), said, "{fact:?} after {before:?}");
            assert_eq!(world.state("order-1"), Some(state), "{fact:?} after {before:?}");
            world.audit();
        }
    }
}

#[test]
fn a_refused_claim_is_lost_for_good() {
    let mut world = after(&[], true);
    tell(&mut world, Priced);
    assert_eq!((world.said_of_claims(), world.state("order-1")), (REFUSED.to_vec(), Some(Refused)));
    for (fact, said, state) in lost(Refused) {
        let mut world = after(&[Priced], true);
        world.receives("SKU-1", "main", 9);
        tell(&mut world, fact);
        assert_eq!((world.said_of_claims(), world.state("order-1")), (said.to_vec(), Some(state)), "{fact:?}");
        world.audit();
    }
}

#[test]
fn a_claim_that_nobody_pays_expires_on_time_and_once() {
    let mut world = after(&[Priced], false);
    world.stage.advance(14 * MINUTE + Duration::from_secs(59));
    assert_eq!(world.state("order-1"), Some(Active));
    world.stage.advance(Duration::from_secs(1));
    assert_eq!((world.said_of_claims(), world.state("order-1")), (vec!["reservation.expired"], Some(Expired)));
    world.stage.advance(10 * TTL);
    assert_eq!(world.said_of_claims().len(), 1);
    world.audit();
}

#[test]
fn in_whatever_order_the_facts_of_a_sale_come_the_goods_are_sold_once() {
    for facts in permutations(&[Priced, Requested, Authorized, Priced, Authorized]) {
        let world = after(&facts, false);
        assert_eq!(world.state("order-1"), Some(Committed), "{facts:?}");
        assert_eq!(world.counts("SKU-1"), (3, 0), "{facts:?}");
        world.audit();
    }
}

#[test]
fn in_whatever_order_an_end_comes_an_order_that_ended_holds_nothing() {
    for end in [Failed, Rejected, Cancelled] {
        for facts in permutations(&[Priced, Requested, Authorized, end, end]) {
            let world = after(&facts, false);
            let state = world.state("order-1").unwrap();
            assert!(matches!(state, Ended | Released | Restocked), "{state} after {facts:?}");
            assert_eq!(world.counts("SKU-1"), (5, 0), "{facts:?}");
            world.audit();
        }
    }
}

#[test]
fn the_same_delivery_twice_is_one() {
    let mut world = World::with(&[("SKU-1", 5)]);
    let priced = world.priced("order-1", &[("SKU-1", 2)]);
    world.stage.hear_as("event-1", priced.clone());
    world.stage.hear_as("event-1", priced);
    assert_eq!(world.said_of_claims(), ["reservation.made"]);
    world.audit();
}

#[test]
fn a_claim_says_what_it_holds_and_until_when() {
    let mut world = World::with(&[("SKU-1", 5), ("SKU-2", 5)]);
    world.prices("order-1", &[("SKU-1", 2), ("SKU-2", 3)]);
    assert_eq!(world.stage.said_names(), ["stock.changed", "stock.changed", "reservation.made"]);
    let made = world.stage.said::<ReservationMade>().remove(0);
    let held = [("SKU-1".to_owned(), "main".to_owned(), 2), ("SKU-2".to_owned(), "main".to_owned(), 3)];
    assert_eq!(pieces(&made.lines), held);
    assert!(made.lines.iter().all(|line| line.reservation_id.is_none() && line.unit_price_minor == Some(2_499)));
    assert_eq!((made.expires_at, made.order), (world.stage.committed_at().plus(TTL), summary("order-1")));
    let changed = world.stage.said::<StockChanged>().remove(0);
    assert_eq!((changed.cause, changed.delta, changed.stock.reserved), (StockCause::Reserved, 0, 2));
    assert_eq!((changed.order_id, changed.reservation_id), (Some(id("order-1")), Some(made.reservation_id)));
    world.audit();
}

#[test]
fn each_step_of_a_claim_moves_stock_for_its_cause() {
    let stock = |facts: &[Fact]| {
        let mut world = after(&facts[..facts.len() - 1], false);
        tell(&mut world, facts[facts.len() - 1]);
        world.audit();
        world.changes()
    };
    assert_eq!(stock(&[Priced]), [(StockCause::Reserved, 0)]);
    assert_eq!(stock(&[Priced, Authorized]), [(StockCause::Committed, -2)]);
    assert_eq!(stock(&[Priced, Cancelled]), [(StockCause::Released, 0)]);
    assert_eq!(stock(&[Priced, Late]), [(StockCause::Expired, 0)]);
    assert_eq!(stock(&[Priced, Authorized, Cancelled]), [(StockCause::Restocked, 2)]);
    assert_eq!(stock(&[Authorized, Priced]), [(StockCause::Reserved, 0), (StockCause::Committed, -2)]);
}

#[test]
fn what_is_said_of_a_claim_names_it_with_its_lines() {
    let mut world = World::with(&[("SKU-1", 9)]);
    for order in ["sold", "released", "expired"] {
        world.prices(order, &[("SKU-1", 2)]);
    }
    let made = world.stage.said::<ReservationMade>();
    world.pays("sold");
    world.cancels("sold");
    world.fails_to_pay("released");
    world.stage.advance(TTL);
    world.pays("expired");
    let committed = world.stage.said::<ReservationCommitted>().remove(0);
    assert_eq!((&committed.reservation_id, &committed.lines), (&made[0].reservation_id, &made[0].lines));
    let restocked = world.stage.said::<ReservationRestocked>().remove(0);
    assert_eq!((&restocked.reservation_id, &restocked.lines), (&made[0].reservation_id, &made[0].lines));
    assert_eq!(&*restocked.reason, "order_cancelled");
    let released = world.stage.said::<ReservationReleased>().remove(0);
    assert_eq!((&released.reservation_id, &released.lines), (&made[1].reservation_id, &made[1].lines));
    assert_eq!(&*released.reason, "payment_failed");
    let expired = world.stage.said::<ReservationExpired>().remove(0);
    assert_eq!((&expired.reservation_id, expired.expires_at), (&made[2].reservation_id, made[2].expires_at));
    let refused = world.stage.said::<ReservationCommitRefused>().remove(0);
    assert_eq!((refused.reservation_id.as_ref(), &*refused.reason), (Some(&made[2].reservation_id), "expired"));
    world.audit();
}

#[test]
fn money_that_came_before_a_refusal_is_answered_too() {
    let mut world = World::with(&[("SKU-1", 1)]);
    world.pays("order-1");
    world.prices("order-1", &[("SKU-1", 2)]);
    assert_eq!(world.said_of_claims(), ["reservation.refused", "reservation.commit_refused"]);
    let refused = world.stage.said::<ReservationCommitRefused>().remove(0);
    assert_eq!((refused.reservation_id, &*refused.reason), (None, "refused"));
    world.audit();
}

#[test]
fn an_order_says_itself_how_long_stock_is_held() {
    let mut world = World::with(&[("SKU-1", 5)]);
    let priced = OrderPriced { reservation_ttl_seconds: Some(90), ..world.priced("order-1", &[("SKU-1", 2)]) };
    world.stage.hear(priced);
    world.stage.advance(Duration::from_secs(89));
    assert_eq!(world.state("order-1"), Some(Active));
    world.stage.advance(Duration::from_secs(1));
    assert_eq!(world.state("order-1"), Some(Expired));
    world.audit();
}

#[test]
fn a_request_for_payment_gives_the_whole_time_once_more_and_only_once() {
    let mut world = World::with(&[("SKU-1", 5)]);
    world.prices("order-1", &[("SKU-1", 2)]);
    world.stage.advance(10 * MINUTE);
    world.requests_payment("order-1");
    let extended = world.stage.committed_at().plus(TTL);
    assert_eq!(world.expires_at("order-1"), extended);
    world.stage.advance(5 * MINUTE);
    world.requests_payment("order-1");
    assert_eq!((world.state("order-1"), world.expires_at("order-1")), (Some(Active), extended));
    world.stage.advance(10 * MINUTE);
    assert_eq!(world.state("order-1"), Some(Expired));
    world.audit();
}

#[test]
fn a_claim_is_never_extended_past_the_deadline_of_its_order_nor_shortened() {
    let mut world = World::with(&[("SKU-1", 5)]);
    let priced = OrderPriced { reservation_ttl_seconds: Some(25 * 60), ..world.priced("order-1", &[("SKU-1", 2)]) };
    let deadline = priced.deadline;
    world.stage.hear(priced);
    let soon = OrderPriced { deadline: world.stage.now().plus(MINUTE), ..world.priced("order-2", &[("SKU-1", 2)]) };
    world.stage.hear(soon);
    let before = world.expires_at("order-2");
    world.stage.advance(10 * MINUTE);
    world.requests_payment("order-1");
    world.requests_payment("order-2");
    assert_eq!((world.expires_at("order-1"), world.expires_at("order-2")), (deadline, before));
    assert!(deadline < world.stage.now().plus(25 * MINUTE));
    world.audit();
}

#[test]
fn a_request_that_came_early_is_used_up_by_the_time_that_the_claim_starts_with() {
    let mut world = World::with(&[("SKU-1", 5)]);
    world.requests_payment("order-1");
    world.prices("order-1", &[("SKU-1", 2)]);
    let expires_at = world.expires_at("order-1");
    world.stage.advance(MINUTE);
    world.requests_payment("order-1");
    assert_eq!(world.expires_at("order-1"), expires_at);
    world.audit();
}

#[test]
fn what_is_sold_or_let_go_does_not_expire() {
    let mut world = World::with(&[("SKU-1", 9)]);
    for order in ["sold", "sold-early", "released"] {
        if order == "sold-early" {
            world.pays(order);
        }
        world.prices(order, &[("SKU-1", 2)]);
    }
    world.pays("sold");
    world.cancels("released");
    world.stage.advance(10 * TTL);
    let states = ["sold", "sold-early", "released"].map(|order| world.state(order).unwrap());
    assert_eq!(states, [Committed, Committed, Released]);
    world.audit();
}

#[test]
fn an_active_claim_is_sold_whatever_the_clock_says() {
    let mut world = World::with(&[("SKU-1", 5)]);
    world.prices("order-1", &[("SKU-1", 2)]);
    // A subscription catches up, which holds deadlines.
    for _ in 0..2 * TTL.as_secs() / 20 {
        world.stage.core().fell_behind(0);
        world.stage.advance(Duration::from_secs(20));
    }
    world.pays("order-1");
    assert_eq!(world.state("order-1"), Some(Committed));
    world.stage.core().caught_up(0);
    world.stage.run();
    assert_eq!(world.state("order-1"), Some(Committed));
    world.audit();
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
