//! Invariant 6: the books balance, nobody pays more than his order costs, and the provider agrees.

use rustc_hash::FxHashMap;
use tradewind_events::{Currency, Id, PaymentMethod};
use tradewind_payments::{
    Account, HouseAccount, Payment, Posting, Refund, Surplus,
    model::{PaymentState, Side, house},
};

use crate::{Audit, AuditError, Charges, Report, facts::Facts, log::Log, report::Findings};

/// Debits and credits, in minor units; wide, so that a sum of many rows cannot overflow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Totals {
    debits: i128,
    credits: i128,
    entries: u64,
}

impl Totals {
    fn add(&mut self, side: Side, amount_minor: i64) {
        self.entries += 1;
        match side {
            Side::Debit => self.debits += i128::from(amount_minor),
            Side::Credit => self.credits += i128::from(amount_minor),
        }
    }
}

pub fn check(audit: &Audit<'_>, facts: &Facts, log: &Log<'_>, report: &mut Report) -> Result<(), AuditError> {
    // Who does not look at payments knows nothing of charges.
    let Some(store) = audit.store_of("payments") else { return Ok(()) };
    let mut found = report.of(store.name);
    check_ledger(audit, &mut found)?;
    check_payments(audit, log, &mut found)?;
    if let Some(charges) = audit.charges {
        check_charges(audit, facts, charges, &mut found)?;
    }
    Ok(())
}

fn check_ledger(audit: &Audit<'_>, found: &mut Findings<'_>) -> Result<(), AuditError> {
    let mut by_account: FxHashMap<(String, Currency), Totals> = FxHashMap::default();
    // Both sides of a posting are one row: what leaves one account comes into another, or the row is not there.
    audit.each::<Posting>("payments", |posting| {
        for entry in posting.entries() {
            let account = (entry.account.to_string(), posting.currency());
            by_account.entry(account).or_default().add(entry.side, posting.amount_minor());
        }
    })?;
    let mut account = |name: String, currency: Currency, row: Totals| {
        let sum = by_account.remove(&(name.clone(), currency)).unwrap_or_default();
        found.hold(6, sum == row, || {
            (format!("account {name} in {currency}"), format!("the row says {row:?}, its entries {sum:?}"))
        });
    };
    let mut overdrawn = Vec::new();
    let mut payable: FxHashMap<Currency, i128> = FxHashMap::default();
    audit.each::<Account>("payments", |row| {
        let totals =
            Totals { debits: row.debits_minor().into(), credits: row.credits_minor().into(), entries: row.entries() };
        account(Account::book_of(row.customer_id()).to_string(), row.currency(), totals);
        *payable.entry(row.currency()).or_default() += i128::from(row.payable_minor());
        overdrawn.extend((row.balance_minor() < 0).then(|| (row.customer_id().clone(), row.balance_minor())));
    })?;
    let mut set_aside = Vec::new();
    audit.each::<HouseAccount>("payments", |row| {
        let totals =
            Totals { debits: row.debits_minor().into(), credits: row.credits_minor().into(), entries: row.entries() };
        account(row.name().to_string(), row.currency(), totals);
        if *row.name() == house::PAYABLE {
            set_aside.push((row.currency(), row.balance_minor()));
        }
    })?;
    for (currency, balance_minor) in set_aside {
        let owed = payable.remove(&currency).unwrap_or_default();
        found.hold(6, owed == i128::from(balance_minor), || {
            let detail = format!("the account has {balance_minor}, and {owed} are owed to deleted customers");
            (format!("account {} in {currency}", house::PAYABLE), detail)
        });
    }
    for (currency, owed) in payable {
        found.hold(6, owed == 0, || {
            (format!("account {} in {currency}", house::PAYABLE), format!("has nothing, and {owed} are owed"))
        });
    }
    for (customer_id, balance_minor) in overdrawn {
        found.hold(6, false, || (format!("account of {customer_id}"), format!("is overdrawn: {balance_minor}")));
    }
    for (name, currency) in by_account.into_keys() {
        found.hold(6, false, || (format!("account {name} in {currency}"), "entries without an account".to_owned()));
    }
    Ok(())
}

fn check_payments(audit: &Audit<'_>, log: &Log<'_>, found: &mut Findings<'_>) -> Result<(), AuditError> {
    audit.each::<Payment>("payments", |row| {
        let subject = || format!("payment {} of order {}", row.payment_id(), row.order_id());
        let (authorized, captured, refunded) = (row.authorized_minor(), row.captured_minor(), row.refunded_minor());
        let bounded =
            0 <= refunded && refunded <= captured && captured <= authorized && authorized <= row.amount_minor();
        found.hold(6, bounded, || {
            let amounts = format!("authorized {authorized}, captured {captured}, refunded {refunded}");
            (subject(), format!("{amounts} of a total of {}", row.amount_minor()))
        });
        let times = log.orders.get(row.order_id()).map_or(0, |order| order.captured);
        found.hold(6, times <= 1, || (subject(), format!("captured {times} times")));
    })
}

/// The provider's charges are those of our payments by card, to the cent.
fn check_charges(
    audit: &Audit<'_>,
    facts: &Facts,
    charges: &Charges,
    found: &mut Findings<'_>,
) -> Result<(), AuditError> {
    let mut theirs: FxHashMap<&Id, (i64, i64)> = FxHashMap::default();
    for charge in &charges.list {
        let sum = theirs.entry(&charge.order_id).or_default();
        // What was taken and given back again is surplus that was returned.
        if charge.captured_minor != charge.refunded_minor {
            sum.0 += charge.captured_minor;
            sum.1 += charge.refunded_minor;
        }
    }
    let settled = settled(audit)?;
    audit.each::<Payment>("payments", |row| {
        let (captured, refunded) = theirs.remove(row.order_id()).unwrap_or_default();
        let judged = facts.is_settled(row.order_id()) && !charges.unsure.contains(row.order_id());
        if row.order().payment_method == PaymentMethod::Card && judged {
            let settled = settled.get(row.order_id()).copied().unwrap_or_default();
            let ours = row.captured_minor() - row.refunded_minor() + settled.refunds;
            let kept = captured - refunded;
            let agrees = (ours..=ours + settled.surplus).contains(&kept) || row.state() == PaymentState::Unheard;
            found.hold(6, agrees, || {
                let subject = format!("payment {} of order {}", row.payment_id(), row.order_id());
                (subject, format!("we keep {ours}, the provider has taken {captured} and given back {refunded}"))
            });
        }
    })?;
    for (order_id, (captured, refunded)) in theirs {
        if charges.unsure.contains(order_id) {
            continue;
        }
        found.hold(6, captured == refunded, || {
            (format!("order {order_id}"), format!("the provider keeps {} that we do not know of", captured - refunded))
        });
    }
    Ok(())
}

/// Money that an operator gave back by other means: the provider still has it.
#[derive(Clone, Copy, Default)]
struct Settled {
    refunds: i64,
    /// The provider may have only held it.
    surplus: i64,
}

fn settled(audit: &Audit<'_>) -> Result<FxHashMap<Id, Settled>, AuditError> {
    let mut settled: FxHashMap<Id, Settled> = FxHashMap::default();
    audit.each::<Refund>("payments", |row| {
        if row.settled_by().is_some() {
            settled.entry(row.order_id().clone()).or_default().refunds += row.amount_minor();
        }
    })?;
    audit.each::<Surplus>("payments", |row| {
        if row.settled_by().is_some() {
            settled.entry(row.order_id().clone()).or_default().surplus += row.amount_minor();
        }
    })?;
    Ok(settled)
}
