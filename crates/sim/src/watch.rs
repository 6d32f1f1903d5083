//! What must hold after every commit, and not only in the end: a mistake that is made good later is one all the same.

use std::{collections::BTreeMap, sync::Arc};

use tradewind_engine::{
    Entity,
    ports::{Commit, RowWrite},
};
use tradewind_events::{Currency, Id};
use tradewind_inventory::Stock;
use tradewind_orders::{Order, OrderState};
use tradewind_payments::{Account, HouseAccount, Posting};

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
pub fn written<E: Entity>(commit: &Commit) -> impl Iterator<Item = E> {
    let own = commit.rows.iter().filter(|change| change.table.name == E::TABLE.name);
    own.filter_map(|change| match &change.write {
        RowWrite::Insert(row) | RowWrite::Update { row, .. } => E::from_row(&row.values).ok(),
        RowWrite::Delete { .. } => None,
    })
}

fn stock_is_wrong(stock: &Stock) -> Option<Wrong> {
    let (on_hand, reserved) = (stock.on_hand(), stock.reserved());
    let subject = || format!("stock {} at {}", stock.sku(), stock.location_id());
    let fits = (0..=on_hand).contains(&reserved);
    (!fits).then(|| (1, subject(), format!("{reserved} of {on_hand} are reserved")))
}

fn account_is_wrong(account: &Account) -> Option<Wrong> {
    let balance_minor = account.balance_minor();
    let subject = || format!("account of {}", account.customer_id());
    (balance_minor < 0).then(|| (6, subject(), format!("is overdrawn: {balance_minor}")))
}

/// A posting comes with the accounts that it moves money between: each is where the posting leaves it.
fn postings_are_wrong(commit: &Commit) -> Option<Wrong> {
    let customers = written::<Account>(commit).map(|row| {
        let name = Account::book_of(row.customer_id());
        ((name, row.currency()), (row.entries(), row.balance_minor()))
    });
    let house = written::<HouseAccount>(commit).map(|row| {
        let balance_minor = row.balance_minor();
        ((row.name().shared(), row.currency()), (row.entries(), balance_minor))
    });
    let accounts: BTreeMap<(Arc<str>, Currency), (u64, i64)> = customers.chain(house).collect();
    let mut last: BTreeMap<(Arc<str>, Currency), (u64, i64)> = BTreeMap::new();
    for posting in written::<Posting>(commit) {
        for entry in posting.entries() {
            let newest = last.entry((entry.account, posting.currency())).or_default();
            *newest = (entry.number, entry.balance_minor).max(*newest);
        }
    }
    let ((name, currency), said) = last.into_iter().find(|(account, said)| accounts.get(account) != Some(said))?;
    let row = accounts.get(&(Arc::clone(&name), currency));
    Some((6, format!("account {name} in {currency}"), format!("its last entry says {said:?}, its row {row:?}")))
}

impl Seen {
    /// Whoever has ended stays so.
    fn order_is_wrong(&mut self, order: &Order) -> Option<Wrong> {
        if order.state().is_final() {
            self.ends.entry(order.order_id().clone()).or_insert(order.state());
        }
        let end = self.ends.get(order.order_id()).filter(|end| **end != order.state())?;
        Some((3, format!("order {}", order.order_id()), format!("was {end}, and is {} again", order.state())))
    }
}
