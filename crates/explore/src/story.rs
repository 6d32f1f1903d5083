//! A way through the situations, told so that a person can follow it: what happened, what was said, and what changed.

use tradewind_events::{Id, TextEnum};
use tradewind_inventory::Reservation;
use tradewind_orders::Order;
use tradewind_payments::{Payment, Refund, Surplus};
use tradewind_shipping::Shipment;

use crate::{
    next::{Action, Next},
    scenario::order_id,
    stores::Local,
    world::World,
};

/// A way, as numbers of actions; a last action that leads nowhere is beside it.
pub struct Path {
    pub begin: Vec<u32>,
    pub steps: Vec<usize>,
    pub last: Option<Action>,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// A sentence without its full stop.
    pub text: String,
    /// The events that were said.
    pub said: Vec<&'static str>,
    /// What changed: `order: placed → priced`.
    pub changed: Vec<String>,
}

/// Goes the way once more.
pub fn tell(world: &mut World, path: &Path) -> Vec<Step> {
    let (mut state, mut next, mut told) = (path.begin.clone(), Next::default(), Vec::new());
    for nth in &path.steps {
        world.next(&state, &mut next);
        let (text, said) = world.words(&state, next.action(*nth));
        let after = next.state(*nth).to_vec();
        let changed = changes(&standing(world, &state), &standing(world, &after));
        told.push(Step { text, said, changed });
        state = after;
    }
    if let Some(action) = path.last {
        let (text, said) = world.words(&state, action);
        told.push(Step { text, said, changed: Vec::new() });
    }
    told
}

/// How everything of the order stands, by name.
fn standing(world: &World, state: &[u32]) -> Vec<(String, String)> {
    let mut standing = Vec::new();
    for local in world.locals(state) {
        one(local, &order_id(), &mut standing);
    }
    standing
}

fn one(local: &Local, order_id: &Id, out: &mut Vec<(String, String)>) {
    let mut add = |what: String, state: &str| out.push((what, state.to_owned()));
    if let Some(order) = local.row::<Order>(order_id) {
        add("order".to_owned(), order.state().as_str());
    }
    if let Some(reservation) = local.row::<Reservation>(order_id) {
        add("reservation".to_owned(), reservation.state().as_str());
    }
    if let Some(shipment) = local.row::<Shipment>(order_id) {
        add("shipment".to_owned(), shipment.state().as_str());
    }
    if let Some(payment) = local.row::<Payment>(order_id) {
        let owed = if payment.owed_since().is_some() { ", and its return is owed" } else { "" };
        add("payment".to_owned(), &format!("{}{owed}", payment.state()));
    }
    for refund in local.each::<Refund>() {
        add(format!("refund {}", refund.refund_id()), refund.state().as_str());
    }
    for surplus in local.each::<Surplus>() {
        add(format!("surplus {}", surplus.reference()), surplus.state().as_str());
    }
}

fn changes(before: &[(String, String)], after: &[(String, String)]) -> Vec<String> {
    let changed = |(what, now): &(String, String)| {
        let was = before.iter().find(|(known, _)| known == what).map(|(_, was)| was);
        match was {
            Some(was) if was == now => None,
            Some(was) => Some(format!("{what}: {was} → {now}")),
            None => Some(format!("{what}: {now}")),
        }
    };
    after.iter().filter_map(changed).collect()
}
