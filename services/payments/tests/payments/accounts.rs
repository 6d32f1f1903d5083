//! Accounts: how they open, fill and close.

use tradewind_engine::Problem;
use tradewind_events::{
    id,
    payments::{AccountClosed, AccountCredited, AccountOpened},
};
use tradewind_payments::{
    Account, AccountHolder, HouseAccount, Payments, Posting,
    commands::{CREDIT_MINOR_MAX, CreditAccount, SettlePayable},
    model::{ACCOUNT_CURRENCIES_MAX, AccountState, TEXT_CHARS_MAX, house},
};

use crate::world::{CUSTOMER, Order, TOTAL, World, credit, eur};

#[test]
fn a_customer_who_registers_gets_one_account_in_the_currency_of_the_shop() {
    let mut world = World::new();
    world.registers(CUSTOMER);
    let opened = AccountOpened { customer_id: id(CUSTOMER), currency: eur(), balance_minor: 0 };
    assert_eq!(world.stage.said::<AccountOpened>(), [opened]);
    world.registers(CUSTOMER);
    assert_eq!(world.said(), ["account.opened"]);
    assert_eq!(world.account().state(), AccountState::Open);
    world.audit();
}

#[test]
fn a_credit_is_posted_and_told_with_the_balance_after_it() {
    let mut world = World::with_balance(0);
    assert_eq!(world.credits(CUSTOMER, 300).unwrap().balance_minor(), 300);
    assert_eq!(world.credits(CUSTOMER, 200).unwrap().balance_minor(), 500);
    let credited = world.stage.said::<AccountCredited>();
    assert_eq!(credited[1].amount_minor, 200);
    assert_eq!((credited[1].balance_minor, &*credited[1].cause), (500, "top_up"));
    assert_eq!(world.house(&house::FUNDING), -500);
    let postings = world.stage.rows::<Posting>();
    let last = postings.iter().rfind(|posting| posting.customer_id() == Some(&id(CUSTOMER))).unwrap();
    let [_, credit] = last.entries();
    assert_eq!((credit.number, credit.balance_minor, &*credit.against), (2, 500, &*house::FUNDING));
    assert_eq!(
        (last.reference().map(AsRef::as_ref), last.actor().map(AsRef::as_ref)),
        (Some("statement 17"), Some("clerk-1"))
    );
    world.audit();
}

#[test]
fn the_first_credit_in_a_currency_opens_an_account() {
    let mut world = World::with_balance(0);
    let usd = "USD".parse().unwrap();
    let account = world.stage.ask(CreditAccount { currency: usd, ..credit(CUSTOMER, 100) }).unwrap();
    assert_eq!((account.currency(), account.balance_minor()), (usd, 100));
    assert_eq!(world.said(), ["account.opened", "account.credited"]);
    let holder = world.stage.row::<AccountHolder>(id(CUSTOMER)).unwrap();
    assert_eq!(holder.currencies().iter().collect::<Vec<_>>(), [eur(), usd]);
    // A customer whose registration comes late has the account already.
    world.credits("customer-2", 100).unwrap();
    world.stage.clear();
    world.registers("customer-2");
    assert_eq!(world.said(), [""; 0]);
    world.audit();
}

#[test]
fn a_credit_out_of_bounds_changes_nothing() {
    let mut world = World::with_balance(0);
    for (amount, code) in [(0, "amount_not_positive"), (-1, "amount_not_positive")] {
        assert_eq!(world.credits(CUSTOMER, amount).unwrap_err().code(), code);
    }
    let problem = world.credits(CUSTOMER, CREDIT_MINOR_MAX + 1).unwrap_err();
    assert_eq!((problem.code(), problem.field.as_deref()), ("amount_too_large", Some("amount_minor")));
    let blank = CreditAccount { cause: " ".into(), ..credit(CUSTOMER, 1) };
    assert_eq!(world.stage.ask(blank).unwrap_err().field.as_deref(), Some("cause"));
    let long = "x".repeat(TEXT_CHARS_MAX + 1);
    let long = CreditAccount { reference: Some(long.into()), ..credit(CUSTOMER, 1) };
    assert_eq!(world.stage.ask(long).unwrap_err().code(), "text_length");
    assert_eq!(world.said(), [""; 0]);
    assert_eq!(world.stage.rows::<HouseAccount>(), []);
    assert_eq!(world.credits(CUSTOMER, CREDIT_MINOR_MAX).unwrap().balance_minor(), CREDIT_MINOR_MAX);
    world.audit();
}

#[test]
fn a_customer_has_accounts_in_so_many_currencies_at_most() {
    let mut world = World::new();
    let codes = ('A'..='Z').flat_map(|first| ('A'..='Z').map(move |second| format!("A{first}{second}")));
    for code in codes.take(ACCOUNT_CURRENCIES_MAX) {
        world.stage.ask(CreditAccount { currency: code.parse().unwrap(), ..credit(CUSTOMER, 1) }).unwrap();
    }
    let problem = world.credits(CUSTOMER, 1).unwrap_err();
    assert_eq!((problem.code(), problem.field.as_deref()), ("account_currencies", Some("currency")));
    world.deletes(CUSTOMER);
    assert_eq!(world.stage.said::<AccountClosed>().len(), ACCOUNT_CURRENCIES_MAX);
    world.audit();
}

#[test]
fn the_accounts_of_a_deleted_customer_close_and_what_is_left_is_payable() {
    let mut world = World::with_balance(700);
    world.deletes(CUSTOMER);
    world.deletes(CUSTOMER);
    let closed = AccountClosed { customer_id: id(CUSTOMER), currency: eur(), balance_minor: 700 };
    assert_eq!(world.stage.said::<AccountClosed>(), [closed]);
    assert_eq!((world.account().state(), world.account().balance_minor()), (AccountState::Closed, 0));
    assert_eq!((world.house(&house::PAYABLE), world.account().payable_minor()), (700, 700));
    world.stage.clear();
    world.registers(CUSTOMER);
    assert_eq!(world.credits(CUSTOMER, 1).unwrap_err().code(), "account_closed");
    assert_eq!(world.said(), [""; 0]);
    world.audit();
}

#[test]
fn a_deletion_that_comes_before_the_registration_is_remembered() {
    let mut world = World::new();
    world.deletes(CUSTOMER);
    world.registers(CUSTOMER);
    assert_eq!(world.said(), [""; 0]);
    assert_eq!(world.stage.rows::<Account>(), []);
    assert_eq!(world.credits(CUSTOMER, 1).unwrap_err().code(), "account_closed");
    world.audit();
}

#[test]
fn an_account_with_an_open_hold_closes_with_it_and_takes_no_new_one() {
    let mut world = World::with_balance(TOTAL + 100);
    world.validates(&Order::balance());
    world.deletes(CUSTOMER);
    assert_eq!(world.account().state(), AccountState::Closing);
    let second = Order::new("order-2", tradewind_events::PaymentMethod::Balance, 50);
    world.validates(&second);
    assert_eq!(world.said(), ["account.debited", "payment.authorized", "payment.failed"]);
    world.confirms(&Order::balance());
    assert_eq!(world.said(), ["account.closed", "payment.captured"]);
    assert_eq!((world.house(&house::PAYABLE), world.house(&house::REVENUE)), (100, TOTAL));
    world.audit();
}

#[test]
fn what_comes_back_to_a_closing_account_is_payable_when_it_closes() {
    let mut world = World::with_balance(TOTAL);
    world.validates(&Order::balance());
    world.deletes(CUSTOMER);
    world.stage.clear();
    world.cancels(&Order::balance());
    assert_eq!(world.said(), ["account.credited", "account.closed", "payment.voided"]);
    assert_eq!((world.house(&house::PAYABLE), world.house(&house::HELD)), (TOTAL, 0));
    world.audit();
}

#[test]
fn a_refund_to_a_closed_account_is_payable() {
    let mut world = World::with_balance(TOTAL);
    world.validates(&Order::balance());
    world.confirms(&Order::balance());
    world.deletes(CUSTOMER);
    world.stage.clear();
    world.cancels(&Order::balance());
    assert_eq!(world.said(), ["payment.refunded"]);
    assert_eq!((world.house(&house::PAYABLE), world.house(&house::REVENUE)), (TOTAL, 0));
    world.audit();
}

fn settles(world: &mut World, amount_minor: i64) -> Result<Account, Problem> {
    let (customer_id, currency, actor) = (id(CUSTOMER), eur(), "operator-1".into());
    world.stage.ask(SettlePayable { customer_id, currency, amount_minor, actor })
}

#[test]
fn what_is_owed_to_a_deleted_customer_adds_up_and_is_settled_in_parts_and_never_twice() {
    let mut world = World::with_balance(TOTAL + 700);
    world.validates(&Order::balance());
    world.confirms(&Order::balance());
    assert_eq!(settles(&mut world, 1).unwrap_err().code(), "nothing_owed");
    world.deletes(CUSTOMER);
    world.cancels(&Order::balance());
    let account = world.account();
    assert_eq!((account.payable_minor(), account.owed_since().is_some()), (TOTAL + 700, true));
    let refused = settles(&mut world, TOTAL + 701).unwrap_err();
    assert_eq!((refused.code(), refused.field.as_deref()), ("settlement_too_large", Some("amount_minor")));
    assert_eq!(settles(&mut world, 0).unwrap_err().code(), "amount_not_positive");
    let account = settles(&mut world, 700).unwrap();
    assert_eq!((account.payable_minor(), account.owed_since().is_some()), (TOTAL, true));
    let account = settles(&mut world, TOTAL).unwrap();
    assert_eq!((account.payable_minor(), account.owed_since()), (0, None));
    assert_eq!(settles(&mut world, 1).unwrap_err().code(), "nothing_owed");
    assert_eq!((world.house(&house::PAYABLE), world.house(&house::SETTLEMENT)), (0, TOTAL + 700));
    let postings = world.stage.rows::<Posting>();
    let settled = postings.iter().filter(|posting| **posting.credit() == *house::SETTLEMENT);
    let trail: Vec<_> =
        settled.map(|posting| (posting.actor().map(AsRef::as_ref), posting.reference().map(AsRef::as_ref))).collect();
    assert_eq!(trail, [(Some("operator-1"), Some(CUSTOMER)); 2]);
    world.audit();
}

#[test]
fn money_is_credited_to_nobody_who_is_not_registered_unless_customers_are_kept_elsewhere() {
    let mut world = World::with(Payments { foreign_customers: false, ..Payments::default() });
    assert_eq!(world.credits("no-such-customer", 100).unwrap_err().code(), "customer_not_found");
    assert_eq!(world.stage.rows::<Account>(), []);
    world.registers(CUSTOMER);
    world.credits(CUSTOMER, 100).unwrap();
    let usd = "USD".parse().unwrap();
    world.stage.ask(CreditAccount { currency: usd, ..credit(CUSTOMER, 100) }).unwrap();
    world.deletes("customer-2");
    assert_eq!(world.credits("customer-2", 1).unwrap_err().code(), "account_closed");
    world.audit();
}
