//! The books beside a model of them that is as simple as can be: after every step both say the same.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tradewind_events::{
    Currency, KeyText, OrderSummary, PaymentMethod, id,
    jobs::{ProviderAction, ProviderState},
    row_key,
};
use tradewind_payments::{
    Account, HouseAccount, Payment,
    commands::{AuthorizeExternal, CreditAccount, FailExternal, RefundPayment, SettlePayable, Via},
    model::{
        AccountState,
        PaymentState::{self, Authorized, Cancelled, Captured, Ended, Failed, Pending, Refunded, Unheard, Voided},
        house,
    },
};

use crate::world::{Order, World, answer, credit};

const CUSTOMERS: [&str; 3] = ["customer-1", "customer-2", "customer-3"];

/// The first is the shop's.
const CURRENCIES: [&str; 2] = ["EUR", "USD"];

/// Orders that a run knows.
const ORDERS: usize = 10;

/// How long a run is, unless `TRADEWIND_MODEL_STEPS` says otherwise.
const STEPS: usize = 80;

/// How many runs there are, unless `TRADEWIND_MODEL_RUNS` says otherwise.
const RUNS: usize = 24;

#[derive(Debug, Clone)]
enum Happens {
    Registers {
        customer: usize,
    },
    Deleted {
        customer: usize,
    },
    Credited {
        customer: usize,
        currency: usize,
        amount: i64,
    },
    Tell {
        order: usize,
        fact: Fact,
    },
    Refund {
        order: usize,
        amount: i64,
    },
    /// An operator pays out what is owed to a deleted customer.
    PaidOut {
        customer: usize,
        currency: usize,
        amount: i64,
    },
}

#[derive(Debug, Clone, Copy)]
enum Fact {
    Validated,
    Confirmed,
    Completed,
    Ended,
    Authorized,
    Failed,
}

/// Who orders, in which currency, how it is paid, and for how much.
#[derive(Debug, Clone)]
struct Deal {
    customer: usize,
    currency: usize,
    method: PaymentMethod,
    total: i64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Purse {
    balance: i64,
    holds: usize,
    deleted: bool,
    closed: bool,
    payable: i64,
}

#[derive(Debug, Clone)]
struct Paid {
    state: PaymentState,
    confirmed: bool,
    completed: bool,
    ended: bool,
    refunded: i64,
}

#[derive(Default)]
struct Model {
    purses: BTreeMap<(usize, usize), Purse>,
    deleted: [bool; CUSTOMERS.len()],
    houses: BTreeMap<(String, usize), i64>,
    orders: BTreeMap<usize, Paid>,
}

impl Model {
    fn house(&mut self, name: &str, currency: usize, change: i64) {
        *self.houses.entry((name.to_owned(), currency)).or_default() += change;
    }

    fn close_if_due(&mut self, key: (usize, usize)) {
        let purse = self.purses.get_mut(&key).expect("an account");
        if purse.deleted && !purse.closed && purse.holds == 0 {
            let left = std::mem::take(&mut purse.balance);
            purse.closed = true;
            purse.payable += left;
            self.house(&house::PAYABLE, key.1, left);
        }
    }

    fn delete(&mut self, customer: usize) {
        self.deleted[customer] = true;
        for currency in 0..CURRENCIES.len() {
            if let Some(purse) = self.purses.get_mut(&(customer, currency)) {
                purse.deleted = true;
                self.close_if_due((customer, currency));
            }
        }
    }

    fn tell(&mut self, nth: usize, deal: &Deal, fact: Fact) {
        let unheard = Paid { state: Unheard, confirmed: false, completed: false, ended: false, refunded: 0 };
        let known = self.orders.contains_key(&nth);
        let mut paid = self.orders.get(&nth).cloned().unwrap_or(unheard);
        let waits = deal.method == PaymentMethod::External && paid.state == Pending;
        match fact {
            Fact::Validated if paid.state == Unheard => paid.state = self.hold(deal),
            Fact::Confirmed => paid.confirmed = true,
            Fact::Completed => paid.completed = true,
            Fact::Ended => {
                paid.ended = true;
                if paid.state == Unheard {
                    paid.state = Ended;
                }
            }
            Fact::Authorized if waits => paid.state = Authorized,
            Fact::Failed if waits => paid.state = Failed,
            Fact::Authorized | Fact::Failed if !known => return,
            _ => {}
        }
        self.orders.insert(nth, paid);
        self.go_on(nth, deal);
    }

    fn hold(&mut self, deal: &Deal) -> PaymentState {
        let key = (deal.customer, deal.currency);
        match deal.method {
            _ if deal.total == 0 => Authorized,
            PaymentMethod::External => Pending,
            PaymentMethod::Card => Authorized,
            PaymentMethod::Balance => match self.purses.get_mut(&key) {
                Some(purse) if !purse.deleted && purse.balance >= deal.total => {
                    purse.balance -= deal.total;
                    purse.holds += 1;
                    self.house(&house::HELD, deal.currency, deal.total);
                    Authorized
                }
                _ => Failed,
            },
        }
    }

    fn go_on(&mut self, nth: usize, deal: &Deal) {
        let mut paid = self.orders[&nth].clone();
        if paid.state == Pending && paid.ended {
            paid.state = Cancelled;
        }
        if paid.state == Authorized && paid.ended {
            paid.state = Voided;
            self.unhold(deal, true);
        }
        if paid.state == Authorized && paid.confirmed {
            paid.state = Captured;
            self.unhold(deal, false);
            if deal.method != PaymentMethod::Balance {
                self.house(&clearing(deal), deal.currency, -deal.total);
            }
            self.house(&house::REVENUE, deal.currency, deal.total);
        }
        self.orders.insert(nth, paid.clone());
        if paid.state == Captured && paid.ended {
            self.refund(nth, deal, deal.total - paid.refunded);
        }
    }

    fn unhold(&mut self, deal: &Deal, back: bool) {
        if deal.method != PaymentMethod::Balance || deal.total == 0 {
            return;
        }
        self.house(&house::HELD, deal.currency, -deal.total);
        let key = (deal.customer, deal.currency);
        let purse = self.purses.get_mut(&key).expect("an account");
        purse.holds -= 1;
        purse.balance += if back { deal.total } else { 0 };
        self.close_if_due(key);
    }

    fn refund(&mut self, nth: usize, deal: &Deal, amount: i64) {
        if amount == 0 {
            return;
        }
        self.house(&house::REVENUE, deal.currency, -amount);
        if deal.method == PaymentMethod::Balance {
            let purse = self.purses.get_mut(&(deal.customer, deal.currency)).expect("an account");
            if purse.closed {
                purse.payable += amount;
                self.house(&house::PAYABLE, deal.currency, amount);
            } else {
                purse.balance += amount;
            }
        } else {
            self.house(&clearing(deal), deal.currency, amount);
        }
        let paid = self.orders.get_mut(&nth).expect("an order");
        paid.refunded += amount;
        if paid.refunded == deal.total {
            paid.state = Refunded;
        }
    }

    /// Whether so much is owed.
    fn pay_out(&mut self, key: (usize, usize), amount: i64) -> bool {
        let Some(purse) = self.purses.get_mut(&key).filter(|purse| purse.payable >= amount) else { return false };
        purse.payable -= amount;
        self.house(&house::PAYABLE, key.1, -amount);
        self.house(&house::SETTLEMENT, key.1, amount);
        true
    }

    /// Whether the refund is taken.
    fn wish_refund(&mut self, nth: usize, deal: &Deal, amount: i64) -> bool {
        let taken = self.orders.get(&nth).is_some_and(|paid| {
            paid.completed && !paid.ended && paid.state == Captured && amount <= deal.total - paid.refunded
        });
        if taken {
            self.refund(nth, deal, amount);
        }
        taken
    }
}

fn clearing(deal: &Deal) -> KeyText {
    if deal.method == PaymentMethod::External { house::EXTERNAL } else { house::clearing("simulator").unwrap() }
}

fn currency(nth: usize) -> Currency {
    CURRENCIES[nth].parse().unwrap()
}

impl Deal {
    fn order(&self, nth: usize) -> Order {
        let order = Order::new(&format!("order-{nth}"), self.method, self.total);
        let (customer_id, currency) = (id(CUSTOMERS[self.customer]), currency(self.currency));
        Order(OrderSummary { customer_id, currency, ..(*order.0).clone() }.into())
    }
}

fn deal() -> impl Strategy<Value = Deal> {
    let method = prop_oneof![
        3 => Just(PaymentMethod::Balance),
        1 => Just(PaymentMethod::Card),
        1 => Just(PaymentMethod::External),
    ];
    (0..CUSTOMERS.len(), 0..CURRENCIES.len(), method, 0_i64..60).prop_map(|(customer, currency, method, total)| Deal {
        customer,
        currency,
        method,
        total,
    })
}

fn happens() -> impl Strategy<Value = Happens> {
    let fact = prop_oneof![
        4 => Just(Fact::Validated),
        3 => Just(Fact::Confirmed),
        2 => Just(Fact::Completed),
        1 => Just(Fact::Ended),
        2 => Just(Fact::Authorized),
        1 => Just(Fact::Failed),
    ];
    prop_oneof![
        2 => (0..CUSTOMERS.len()).prop_map(|customer| Happens::Registers { customer }),
        1 => (0..CUSTOMERS.len() * 4).prop_map(|customer| Happens::Deleted { customer }),
        6 => (0..CUSTOMERS.len(), 0..CURRENCIES.len(), 1_i64..100)
            .prop_map(|(customer, currency, amount)| Happens::Credited { customer, currency, amount }),
        16 => (0..ORDERS, fact).prop_map(|(order, fact)| Happens::Tell { order, fact }),
        2 => (0..CUSTOMERS.len(), 0..CURRENCIES.len(), 1_i64..60)
            .prop_map(|(customer, currency, amount)| Happens::PaidOut { customer, currency, amount }),
        3 => (0..ORDERS, 1_i64..40).prop_map(|(order, amount)| Happens::Refund { order, amount }),
    ]
}

/// Takes one step in both worlds, which must agree on whether it can be taken.
fn take(world: &mut World, model: &mut Model, deals: &[Deal], step: &Happens) {
    match step {
        Happens::Registers { customer } => {
            world.registers(CUSTOMERS[*customer]);
            if !model.deleted[*customer] {
                model.purses.entry((*customer, 0)).or_default();
            }
        }
        // Few customers go, or there would soon be none.
        Happens::Deleted { customer } if *customer >= CUSTOMERS.len() => {}
        Happens::Deleted { customer } => {
            world.deletes(CUSTOMERS[*customer]);
            model.delete(*customer);
        }
        Happens::Credited { customer, currency: nth, amount } => {
            let wish = CreditAccount { currency: currency(*nth), ..credit(CUSTOMERS[*customer], *amount) };
            assert_eq!(world.stage.ask(wish).is_ok(), !model.deleted[*customer]);
            if !model.deleted[*customer] {
                model.purses.entry((*customer, *nth)).or_default().balance += amount;
                model.house(&house::FUNDING, *nth, -amount);
            }
        }
        Happens::PaidOut { customer, currency: nth, amount } => {
            let (customer_id, currency) = (id(CUSTOMERS[*customer]), currency(*nth));
            let wish = SettlePayable { customer_id, currency, amount_minor: *amount, actor: "operator-1".into() };
            assert_eq!(world.stage.ask(wish).is_ok(), model.pay_out((*customer, *nth), *amount));
        }
        Happens::Tell { order: nth, fact } => {
            let (deal, order) = (&deals[*nth], deals[*nth].order(*nth));
            let order_id = order.0.order_id.clone();
            match fact {
                Fact::Validated => world.validates(&order),
                Fact::Confirmed => world.confirms(&order),
                Fact::Completed => world.completes(&order),
                Fact::Ended => world.cancels(&order),
                Fact::Authorized => {
                    let (reference, amount_minor, currency) = (id("their-1"), deal.total, currency(deal.currency));
                    // Of an order that is not waiting it is refused, known or surplus: none of them is in the books.
                    let told = AuthorizeExternal { order_id, reference, amount_minor, currency, via: Via::Contract };
                    world.stage.ask(told).ok();
                }
                Fact::Failed => {
                    world.stage.ask(FailExternal { order_id, reason: "limit".into() }).ok();
                }
            }
            model.tell(*nth, deal, *fact);
        }
        Happens::Refund { order: nth, amount } => {
            let wish = RefundPayment {
                order_id: id(&format!("order-{nth}")),
                refund_id: None,
                amount_minor: Some(*amount),
                reason: "damaged".into(),
                actor: "operator-1".into(),
            };
            let answer = world.stage.ask(wish);
            assert_eq!(answer.is_ok(), model.wish_refund(*nth, &deals[*nth], *amount), "{answer:?}");
        }
    }
    answer_all(world);
}

/// The provider does at once all that it is asked.
fn answer_all(world: &mut World) {
    while let Some((job, call)) = world.calls().into_iter().next() {
        let state = match call.action {
            ProviderAction::Authorize => ProviderState::Authorized,
            ProviderAction::Capture => ProviderState::Captured,
            ProviderAction::Void | ProviderAction::Cancel => ProviderState::Voided,
            ProviderAction::Refund => ProviderState::Refunded,
            ProviderAction::Return => ProviderState::Returned,
        };
        world.answers_call(&job, &answer(&call, state));
    }
}

fn assert_equal(world: &World, model: &Model) {
    for ((customer, nth), purse) in &model.purses {
        let account = world.stage.row::<Account>(row_key(&[CUSTOMERS[*customer], CURRENCIES[*nth]])).unwrap();
        let seen = Purse {
            balance: account.balance_minor(),
            holds: usize::try_from(account.holds()).unwrap(),
            deleted: account.state() != AccountState::Open,
            closed: account.state() == AccountState::Closed,
            payable: account.payable_minor(),
        };
        assert_eq!(seen, *purse, "{account:?}");
    }
    assert_eq!(world.stage.rows::<Account>().len(), model.purses.len());
    for ((name, nth), balance) in &model.houses {
        let seen = world.stage.row::<HouseAccount>(row_key(&[&**name, CURRENCIES[*nth]]));
        assert_eq!(seen.map_or(0, |account| account.balance_minor()), *balance, "{name} {}", CURRENCIES[*nth]);
    }
    for (nth, paid) in &model.orders {
        let payment = world.stage.row::<Payment>(id(&format!("order-{nth}"))).unwrap();
        assert_eq!((payment.state(), payment.refunded_minor()), (paid.state, paid.refunded), "{payment:?}");
    }
    world.audit();
}

/// A number from the environment: a test is short by default, and as long as somebody wants it.
#[expect(clippy::disallowed_methods, reason = "a test is configured by its environment")]
pub fn configured(variable: &str, default: usize) -> usize {
    std::env::var(variable).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

pub fn config() -> ProptestConfig {
    let cases = u32::try_from(configured("TRADEWIND_MODEL_RUNS", RUNS)).expect("a number of runs");
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_books_are_what_a_simple_model_of_them_says(
        deals in prop::collection::vec(deal(), ORDERS),
        steps in prop::collection::vec(happens(), configured("TRADEWIND_MODEL_STEPS", STEPS)),
    ) {
        let mut world = World::new();
        let mut model = Model::default();
        for step in &steps {
            take(&mut world, &mut model, &deals, step);
            assert_equal(&world, &model);
        }
    }
}
