//! What must hold after every commit, and not only in the end: a mistake that is made good later is one all the same.

use std::collections::BTreeMap;

use tradewind_engine::{
    Entity,
    ports::{Commit, RowWrite},
};
use tradewind_events::{Currency, Id};
use tradewind_inventory::Stock;
use tradewind_orders::{Order, OrderState};
use tradewind_payments::{Account, LedgerEntry, model::Side};

use crate::{Violation, world::World};

/// What was seen in earlier commits.
#[derive(Default)]
pub struct Seen {
    /// How orders ended that did.
    ends: BTreeMap<Id, OrderState>,
}

/// What is wrong, under the number of its invariant, with its subject.
type Wrong = (u32, String, String);

impl World {
    /// Looks at what was just committed.
    pub fn watch(&mut self, commit: &Commit) {
        let mut wrong: Vec<Wrong> = written::<Stock>(commit).filter_map(|stock| stock_is_wrong(&stock)).collect();
        wrong.extend(written::<Account>(commit).filter_map(|account| account_is_wrong(&account)));
        wrong.extend(postings_are_wrong(commit));
        for order in written::<Order>(commit) {
            wrong.extend(self.seen.order_is_wrong(&order));
        }
        for (invariant, subject, detail) in wrong {
            self.found(Violation { invariant: Some(invariant), subject, detail });
        }
    }
}

/// The rows of a kind that a commit has written.
fn written<E: Entity>(commit: &Commit) -> impl Iterator<Item = E> {
    let own = commit.rows.iter().filter(|change| change.table.name == E::TABLE.name);
    own.filter_map(|change| match &change.write {
        RowWrite::Insert(row) | RowWrite::Update { row, .. } => E::from_row(&row.values).ok(),
        RowWrite::Delete { .. } => None,
    })
}

fn stock_is_wrong(stock: &Stock) -> Option<Wrong> {
    let Stock { sku, location_id, on_hand, reserved, .. } = stock;
    let fits = (0..=*on_hand).contains(reserved);
    (!fits).then(|| (1, format!("stock {sku} at {location_id}"), format!("{reserved} of {on_hand} are reserved")))
}

fn account_is_wrong(account: &Account) -> Option<Wrong> {
    let balance_minor = account.balance_minor();
    let subject = || format!("account of {}", account.customer_id);
    (balance_minor < 0).then(|| (6, subject(), format!("is overdrawn: {balance_minor}")))
}

/// What is taken from one account in a commit is given to others.
fn postings_are_wrong(commit: &Commit) -> Option<Wrong> {
    let mut sums: BTreeMap<Currency, i64> = BTreeMap::new();
    for entry in written::<LedgerEntry>(commit) {
        *sums.entry(entry.currency).or_default() += match entry.side {
            Side::Debit => -entry.amount_minor,
            Side::Credit => entry.amount_minor,
        };
    }
    let (currency, sum_minor) = sums.into_iter().find(|(_, sum_minor)| *sum_minor != 0)?;
    Some((6, format!("ledger in {currency}"), format!("credits and debits of a commit differ by {sum_minor}")))
}

impl Seen {
    /// Whoever has ended stays so.
    fn order_is_wrong(&mut self, order: &Order) -> Option<Wrong> {
        if order.state.is_final() {
            self.ends.entry(order.order_id.clone()).or_insert(order.state);
        }
        let end = self.ends.get(&order.order_id).filter(|end| **end != order.state)?;
        Some((3, format!("order {}", order.order_id), format!("was {end}, and is {} again", order.state)))
    }
}
