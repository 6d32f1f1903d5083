//! The stock beside a model of it that is as simple as can be: after every step both say the same.

use std::{collections::BTreeMap, time::Duration};

use proptest::prelude::*;
use tradewind_events::{AdjustmentType, Timestamp};
use tradewind_inventory::ReservationState::{
    self, Active, Committed, Ended, Expired, Refused, Released, Restocked, Unheard,
};

use crate::world::{DEADLINE, TTL, World};

const SKUS: [&str; 3] = ["SKU-1", "SKU-2", "SKU-3"];

/// In the order in which they serve.
const LOCATIONS: [(&str, u32); 3] = [("north", 10), ("main", 100), ("south", 200)];

/// Orders that a run knows.
const ORDERS: usize = 8;

/// How long a run is, unless `TRADEWIND_MODEL_STEPS` says otherwise.
const STEPS: usize = 60;

/// How many runs there are, unless `TRADEWIND_MODEL_RUNS` says otherwise.
const RUNS: usize = 24;

#[derive(Debug, Clone)]
enum Step {
    Adjust { sku: usize, location: usize, delta: i64, adjustment_type: AdjustmentType },
    Tell { order: usize, fact: Fact },
    Wait { minutes: u64 },
}

#[derive(Debug, Clone, Copy)]
enum Fact {
    Priced,
    Requested,
    Authorized,
    Failed,
    Rejected,
    Cancelled,
}

type Wanted = Vec<(usize, u32)>;

/// On hand and reserved, by SKU and location.
#[derive(Default)]
struct Model {
    stock: BTreeMap<(usize, usize), (i64, i64)>,
    orders: BTreeMap<usize, Order>,
}

#[derive(Clone)]
struct Order {
    state: ReservationState,
    /// SKU, location, quantity.
    held: Vec<(usize, usize, i64)>,
    paid: bool,
    extended: bool,
    expires_at: Timestamp,
    deadline: Timestamp,
}

impl Model {
    fn adjust(&mut self, sku: usize, location: usize, delta: i64) -> bool {
        let (on_hand, reserved) = self.stock.get(&(sku, location)).copied().unwrap_or_default();
        let fits = on_hand + delta >= reserved;
        if fits {
            self.stock.insert((sku, location), (on_hand + delta, reserved));
        }
        fits
    }

    fn tell(&mut self, nth: usize, fact: Fact, wanted: &Wanted, now: Timestamp) {
        let unheard =
            Order { state: Unheard, held: Vec::new(), paid: false, extended: false, expires_at: now, deadline: now };
        let mut order = self.orders.remove(&nth).unwrap_or(unheard);
        match (fact, order.state) {
            (Fact::Priced, Unheard) => {
                order.state = Refused;
                if let Some(held) = self.pick(wanted) {
                    (order.state, order.held) = (Active, held);
                    (order.expires_at, order.deadline) = (now.plus(TTL), now.plus(DEADLINE));
                    self.shift(&order, 0, 1);
                    if order.paid {
                        order.state = Committed;
                        self.shift(&order, -1, -1);
                    }
                }
            }
            (Fact::Requested, state) => {
                if state == Active && !order.extended {
                    order.expires_at = now.plus(TTL).min(order.deadline).max(order.expires_at);
                }
                order.extended = true;
            }
            (Fact::Authorized, state) => {
                order.paid = true;
                if state == Active {
                    order.state = Committed;
                    self.shift(&order, -1, -1);
                }
            }
            (Fact::Failed | Fact::Rejected | Fact::Cancelled, Unheard) => order.state = Ended,
            (Fact::Failed | Fact::Rejected | Fact::Cancelled, Active) => {
                order.state = Released;
                self.shift(&order, 0, -1);
            }
            (Fact::Failed | Fact::Rejected | Fact::Cancelled, Committed) => {
                order.state = Restocked;
                self.shift(&order, 1, 0);
            }
            _ => {}
        }
        self.orders.insert(nth, order);
    }

    fn wait(&mut self, now: Timestamp) {
        for nth in 0..ORDERS {
            let Some(mut order) = self.orders.get(&nth).cloned() else { continue };
            if order.state == Active && order.expires_at <= now {
                order.state = Expired;
                self.shift(&order, 0, -1);
                self.orders.insert(nth, order);
            }
        }
    }

    fn pick(&self, wanted: &Wanted) -> Option<Vec<(usize, usize, i64)>> {
        let mut open: BTreeMap<usize, i64> = BTreeMap::new();
        for (sku, quantity) in wanted {
            *open.entry(*sku).or_default() += i64::from(*quantity);
        }
        let mut held = Vec::new();
        for (sku, open) in &mut open {
            for location in 0..LOCATIONS.len() {
                let (on_hand, reserved) = self.stock.get(&(*sku, location)).copied().unwrap_or_default();
                let taken = (on_hand - reserved).min(*open);
                *open -= taken;
                if taken > 0 {
                    held.push((*sku, location, taken));
                }
            }
        }
        open.values().all(|open| *open == 0).then_some(held)
    }

    /// Adds what the order holds, so many times, to what is on hand and to what is reserved.
    fn shift(&mut self, order: &Order, on_hand: i64, reserved: i64) {
        for (sku, location, quantity) in &order.held {
            let counts = self.stock.get_mut(&(*sku, *location)).expect("what is held is somewhere");
            counts.0 += on_hand * quantity;
            counts.1 += reserved * quantity;
        }
    }
}

fn step() -> impl Strategy<Value = Step> {
    let fact = prop_oneof![
        4 => Just(Fact::Priced),
        1 => Just(Fact::Requested),
        2 => Just(Fact::Authorized),
        1 => Just(Fact::Failed),
        1 => Just(Fact::Rejected),
        1 => Just(Fact::Cancelled),
    ];
    let adjust = (0..SKUS.len(), 0..LOCATIONS.len(), -4_i64..=8).prop_map(|(sku, location, delta)| {
        let adjustment_type = if delta > 4 { AdjustmentType::Restock } else { AdjustmentType::Correction };
        Step::Adjust { sku, location, delta: if delta == 0 { 1 } else { delta }, adjustment_type }
    });
    prop_oneof![
        3 => adjust,
        8 => (0..ORDERS, fact).prop_map(|(order, fact)| Step::Tell { order, fact }),
        1 => (1_u64..12).prop_map(|minutes| Step::Wait { minutes }),
    ]
}

fn wanted() -> impl Strategy<Value = Wanted> {
    prop::collection::vec((0..SKUS.len(), 1_u32..6), 1..4)
}

/// Takes one step in both worlds, which must agree on whether it can be taken.
fn take(world: &mut World, model: &mut Model, orders: &[Wanted], step: &Step) {
    match step {
        Step::Adjust { sku, location, delta, adjustment_type } => {
            let answer = world.adjusts(SKUS[*sku], LOCATIONS[*location].0, *delta, *adjustment_type);
            assert_eq!(answer.is_ok(), model.adjust(*sku, *location, *delta), "{answer:?}");
        }
        Step::Tell { order: nth, fact } => {
            let order = format!("order-{nth}");
            let lines: Vec<_> = orders[*nth].iter().map(|(sku, quantity)| (SKUS[*sku], *quantity)).collect();
            match fact {
                Fact::Priced => world.prices(&order, &lines),
                Fact::Requested => world.requests_payment(&order),
                Fact::Authorized => world.pays(&order),
                Fact::Failed => world.fails_to_pay(&order),
                Fact::Rejected => world.rejects(&order),
                Fact::Cancelled => world.cancels(&order),
            }
            model.tell(*nth, *fact, &orders[*nth], world.stage.now());
        }
        Step::Wait { minutes } => {
            world.stage.advance(Duration::from_mins(*minutes));
            model.wait(world.stage.now());
        }
    }
}

fn assert_equal(world: &World, model: &Model) {
    for ((sku, location), counts) in &model.stock {
        let stock = world.stock(SKUS[*sku], LOCATIONS[*location].0);
        assert_eq!((stock.on_hand(), stock.reserved()), *counts, "{} at {}", SKUS[*sku], LOCATIONS[*location].0);
    }
    for (nth, order) in &model.orders {
        assert_eq!(world.state(&format!("order-{nth}")), Some(order.state), "order-{nth}");
    }
    world.audit();
}

/// A number from the environment: a test is short by default, and as long as somebody wants it.
#[expect(clippy::disallowed_methods, reason = "a test is configured by its environment")]
fn configured(variable: &str, default: usize) -> usize {
    std::env::var(variable).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

fn config() -> ProptestConfig {
    let cases = u32::try_from(configured("TRADEWIND_MODEL_RUNS", RUNS)).expect("a number of runs");
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn stock_is_what_a_simple_model_of_it_says(
        orders in prop::collection::vec(wanted(), ORDERS),
        steps in prop::collection::vec(step(), configured("TRADEWIND_MODEL_STEPS", STEPS)),
    ) {
        let mut world = World::new();
        for (location, priority) in LOCATIONS {
            world.has_location(location, priority);
        }
        for sku in SKUS {
            world.opens(sku);
        }
        let mut model = Model::default();
        for step in &steps {
            take(&mut world, &mut model, &orders, step);
            assert_equal(&world, &model);
        }
        world.audit_log();
    }
}
