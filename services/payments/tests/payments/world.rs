//! The world of these tests: a shop whose payments is the real one; other services and the provider are played.

use std::{collections::BTreeMap, sync::Arc};

use tradewind_engine::Problem;
use tradewind_events::{
    CancelledBy, Currency, Id, OrderSummary, PaymentMethod, Personal, id,
    identity::{UserDeleted, UserRegistered},
    jobs::{ProviderAnswer, ProviderCall, ProviderState},
    orders::{OrderCancelled, OrderCompleted, OrderConfirmed, OrderRejected, OrderValidated},
    row_key,
    samples::Sample,
};
use tradewind_payments::{
    Account, AskProvider, HouseAccount, Payment, Payments, Posting, Refund, Surplus,
    commands::{CreditAccount, ProviderCallback, RefundPayment},
    model::{AccountState, PaymentState, Side},
    service,
};
use tradewind_testkit::Stage;

/// What an order of these tests costs.
pub const TOTAL: i64 = 5_000;

/// What the provider calls the charge of an order.
pub const REFERENCE: &str = "charge-1";

/// Whose orders these are.
pub const CUSTOMER: &str = "customer-1";

pub struct World {
    pub stage: Stage,
}

/// An order, as events speak of it.
#[derive(Debug, Clone)]
pub struct Order(pub Arc<OrderSummary>);

pub fn eur() -> Currency {
    "EUR".parse().unwrap()
}

impl Order {
    pub fn new(name: &str, payment_method: PaymentMethod, total: i64) -> Self {
        let (order_id, customer_id) = (id(name), id(CUSTOMER));
        let total_minor = Some(total);
        Self(Arc::new(OrderSummary {
            order_id,
            customer_id,
            currency: eur(),
            payment_method,
            total_minor,
            ..OrderSummary::sample()
        }))
    }

    pub fn card() -> Self {
        Self::new("order-1", PaymentMethod::Card, TOTAL)
    }

    pub fn balance() -> Self {
        Self::new("order-1", PaymentMethod::Balance, TOTAL)
    }

    pub fn external() -> Self {
        Self::new("order-1", PaymentMethod::External, TOTAL)
    }
}

impl World {
    pub fn new() -> Self {
        Self::with(Payments::default())
    }

    pub fn with(settings: Payments) -> Self {
        Self { stage: Stage::new([service(settings).into()]) }
    }

    /// A customer who has so much to spend.
    pub fn with_balance(amount: i64) -> Self {
        let mut world = Self::new();
        world.registers(CUSTOMER);
        if amount > 0 {
            world.credits(CUSTOMER, amount).unwrap();
        }
        world.stage.clear();
        world
    }

    pub fn registers(&mut self, customer: &str) {
        self.stage.hear(UserRegistered { user_id: id(customer), ..UserRegistered::sample() });
    }

    pub fn deletes(&mut self, customer: &str) {
        self.stage.hear(UserDeleted { user_id: id(customer), email: Personal::new("a@example.org".to_owned()) });
    }

    pub fn credits(&mut self, customer: &str, amount_minor: i64) -> Result<Account, Problem> {
        self.stage.ask(credit(customer, amount_minor))
    }

    pub fn validates(&mut self, order: &Order) {
        self.stage.hear(OrderValidated { order: order.0.clone(), ..OrderValidated::sample() });
    }

    pub fn confirms(&mut self, order: &Order) {
        self.stage.hear(OrderConfirmed { order: order.0.clone(), ..OrderConfirmed::sample() });
    }

    pub fn completes(&mut self, order: &Order) {
        self.stage.hear(OrderCompleted { order: order.0.clone(), ..OrderCompleted::sample() });
    }

    pub fn rejects(&mut self, order: &Order) {
        let reason = "insufficient".into();
        self.stage.hear(OrderRejected { order: order.0.clone(), reason, ..OrderRejected::sample() });
    }

    pub fn cancels(&mut self, order: &Order) {
        let (reason, cancelled_by) = ("changed_mind".into(), CancelledBy::Customer);
        self.stage.hear(OrderCancelled { order: order.0.clone(), reason, cancelled_by, ..OrderCancelled::sample() });
    }

    /// The calls that wait for the provider.
    pub fn calls(&self) -> Vec<(Id, ProviderCall)> {
        self.stage.jobs::<AskProvider>()
    }

    /// The actions of the calls that wait, in the order of their keys.
    pub fn asks(&self) -> Vec<String> {
        self.calls().into_iter().map(|(_, call)| call.action.to_string()).collect()
    }

    /// The one call that waits.
    pub fn call(&self) -> (Id, ProviderCall) {
        let calls = self.calls();
        assert_eq!(calls.len(), 1, "{calls:?}");
        calls.into_iter().next().unwrap()
    }

    /// The provider answers the one call that waits.
    pub fn answers(&mut self, state: ProviderState) {
        let (job, call) = self.call();
        self.answers_call(&job, &answer(&call, state));
    }

    pub fn answers_call(&mut self, job: &Id, answer: &ProviderAnswer) {
        self.stage.finish::<AskProvider>(job, answer);
    }

    pub fn calls_back(&mut self, state: ProviderState) -> Result<Payment, Problem> {
        self.stage.ask(callback(state))
    }

    pub fn refunds(&mut self, refund_id: &str, amount_minor: Option<i64>) -> Result<Refund, Problem> {
        self.stage.ask(RefundPayment {
            order_id: id("order-1"),
            refund_id: Some(id(refund_id)),
            amount_minor,
            reason: "damaged".into(),
            actor: "operator-1".into(),
        })
    }

    pub fn payment(&self) -> Payment {
        self.stage.row::<Payment>(id("order-1")).unwrap()
    }

    pub fn state(&self) -> PaymentState {
        self.payment().state()
    }

    pub fn refund(&self, refund_id: &str) -> Refund {
        self.stage.row::<Refund>((id("order-1"), id(refund_id))).unwrap()
    }

    pub fn surplus(&self, reference: &str) -> Option<Surplus> {
        self.stage.row::<Surplus>((id("order-1"), id(reference)))
    }

    pub fn account(&self) -> Account {
        self.stage.row::<Account>(row_key(&[CUSTOMER, "EUR"])).unwrap()
    }

    /// What an account of the house has, in EUR.
    pub fn house(&self, name: &str) -> i64 {
        self.stage.row::<HouseAccount>(row_key(&[name, "EUR"])).map_or(0, |account| account.balance_minor())
    }

    /// What was said since the last time, and forgets it.
    pub fn said(&mut self) -> Vec<&'static str> {
        let names = self.stage.said_names();
        self.stage.clear();
        names
    }

    /// What must hold at every moment.
    pub fn audit(&self) {
        assert_eq!(self.stage.dead_letters(), []);
        assert_eq!(self.stage.parked(), []);
        self.audit_books();
        for payment in self.stage.rows::<Payment>() {
            self.audit_payment(&payment);
        }
    }

    /// Entries are numbered and chained, totals are their sums, and all of it is zero.
    fn audit_books(&self) {
        let mut totals: BTreeMap<(String, String), (i64, i64, u64)> = BTreeMap::new();
        for posting in self.stage.rows::<Posting>() {
            for entry in posting.entries() {
                let total = totals.entry((entry.account.to_string(), posting.currency().to_string())).or_default();
                match entry.side {
                    Side::Debit => total.0 += posting.amount_minor(),
                    Side::Credit => total.1 += posting.amount_minor(),
                }
                total.2 += 1;
                // Rows come in the order in which they were posted.
                assert_eq!((entry.number, entry.balance_minor), (total.2, total.1 - total.0), "{posting:?}");
                assert_ne!(entry.account, entry.against);
            }
        }
        let mut held: BTreeMap<String, i64> = BTreeMap::new();
        let mut payable: BTreeMap<String, i64> = BTreeMap::new();
        let mut sums: BTreeMap<String, i64> = BTreeMap::new();
        let mut check = |name: String, currency: Currency, (debits, credits, entries): (i64, i64, u64)| {
            let booked = totals.remove(&(name.clone(), currency.to_string())).unwrap_or_default();
            assert_eq!(booked, (debits, credits, entries), "{name} {currency}");
            *sums.entry(currency.to_string()).or_default() += credits - debits;
        };
        for account in self.stage.rows::<Account>() {
            let name = Account::book_of(account.customer_id()).to_string();
            check(name, account.currency(), (account.debits_minor(), account.credits_minor(), account.entries()));
            assert!(account.balance_minor() >= 0, "{account:?}");
            assert!(account.held_minor() >= 0 && (account.holds() > 0 || account.held_minor() == 0), "{account:?}");
            assert!(account.state() != AccountState::Closed || account.balance_minor() == 0, "{account:?}");
            *held.entry(account.currency().to_string()).or_default() += account.held_minor();
            *payable.entry(account.currency().to_string()).or_default() += account.payable_minor();
            assert_eq!(account.owed_since().is_some(), account.payable_minor() > 0, "{account:?}");
        }
        for house in self.stage.rows::<HouseAccount>() {
            if &**house.name() == "house/held" {
                assert_eq!(held.remove(house.currency().as_str()), Some(house.balance_minor()));
            }
            if &**house.name() == "house/payable" {
                assert_eq!(payable.remove(house.currency().as_str()), Some(house.balance_minor()));
            }
            check(
                house.name().to_string(),
                house.currency(),
                (house.debits_minor(), house.credits_minor(), house.entries()),
            );
        }
        assert!(totals.is_empty(), "entries of accounts that are not there: {totals:?}");
        assert!(held.values().all(|held| *held == 0), "money is held nowhere: {held:?}");
        assert!(payable.values().all(|payable| *payable == 0), "money is owed nowhere: {payable:?}");
        assert!(sums.values().all(|sum| *sum == 0), "the books are not balanced: {sums:?}");
    }

    fn audit_payment(&self, payment: &Payment) {
        let (authorized_minor, captured_minor) = (payment.authorized_minor(), payment.captured_minor());
        assert!([0, payment.amount_minor()].contains(&authorized_minor), "{payment:?}");
        assert!([0, authorized_minor].contains(&captured_minor), "{payment:?}");
        assert!(payment.refunded_minor() + payment.returning_minor() <= captured_minor, "{payment:?}");
        assert_eq!(payment.refund_id().is_some(), payment.state() == PaymentState::Refunding, "{payment:?}");
        assert!(payment.owed_since().is_none() || payment.state() == PaymentState::Authorized, "{payment:?}");
        let refunds = self.stage.rows::<Refund>();
        let refunds = refunds.iter().filter(|refund| refund.order_id() == payment.order_id());
        let (mut gone, mut going) = (0, 0);
        for refund in refunds {
            *if refund.refunded_at().is_some() { &mut gone } else { &mut going } += refund.amount_minor();
        }
        assert_eq!((gone, going), (payment.refunded_minor(), payment.returning_minor()), "{payment:?}");
        let surpluses = self.stage.rows::<Surplus>();
        let surpluses = surpluses.iter().filter(|surplus| surplus.order_id() == payment.order_id()).count();
        assert_eq!(surpluses, usize::try_from(payment.surpluses()).unwrap(), "{payment:?}");
    }
}

pub fn credit(customer: &str, amount_minor: i64) -> CreditAccount {
    CreditAccount {
        customer_id: id(customer),
        currency: eur(),
        amount_minor,
        cause: "top_up".into(),
        reference: Some("statement 17".into()),
        actor: "clerk-1".into(),
    }
}

/// What the provider says to a call that it follows.
pub fn answer(call: &ProviderCall, state: ProviderState) -> ProviderAnswer {
    let reference = call.reference.clone().unwrap_or_else(|| REFERENCE.into());
    ProviderAnswer { state, reference: Some(reference), amount_minor: call.amount_minor, reason: None }
}

/// A callback about the charge of `order-1`.
pub fn callback(state: ProviderState) -> ProviderCallback {
    ProviderCallback {
        order_id: id("order-1"),
        reference: id(REFERENCE),
        state,
        amount_minor: TOTAL,
        currency: eur(),
        refund_id: None,
        reason: None,
    }
}
