//! People: what they still want to do and when, what they were told, and what they do next because of it. They ask
//! again under the same idempotency key when they do not know what became of a request.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tradewind_engine::{Problem, operator::Action};
use tradewind_events::{AdjustmentType, CartSnapshot, Id, Timestamp, id};
use tradewind_payments::commands::{Owed, ProviderCallback};

use crate::{
    Options,
    chance::Chance,
    network::NEVER,
    plan::{Paying, Plan},
};

/// Something that somebody wants. Orders, goods and buyers are named by their number in the plan.
#[derive(Debug, Clone)]
pub enum Wish {
    Register {
        buyer: usize,
    },
    Credit {
        buyer: usize,
        amount_minor: i64,
    },
    Move {
        buyer: usize,
    },
    Leave {
        buyer: usize,
    },
    OpenLocation,
    CreateProduct {
        product: usize,
    },
    Stock {
        good: usize,
        elsewhere: bool,
        quantity: i64,
    },
    Watch {
        good: usize,
    },
    Publish {
        good: usize,
    },
    Unpublish {
        good: usize,
    },
    Rename {
        good: usize,
    },
    Archive {
        good: usize,
    },
    Discontinue {
        good: usize,
    },
    Price {
        good: usize,
        amount_minor: i64,
        after_ms: Option<u64>,
    },
    Adjust {
        good: usize,
        delta: i64,
        adjustment_type: AdjustmentType,
    },
    OpenCart {
        order: usize,
    },
    FillCart {
        order: usize,
        cart_id: Id,
        line: usize,
    },
    CheckOut {
        order: usize,
        cart_id: Id,
    },
    Place {
        order: usize,
        cart: Option<Arc<CartSnapshot>>,
    },
    Cancel {
        order: usize,
        by_customer: bool,
    },
    Pay {
        order: usize,
        how: Paying,
        again: bool,
    },
    Ship {
        order: usize,
    },
    Arrive {
        order: usize,
    },
    Refund {
        order: usize,
        whole: bool,
    },
    Capture {
        order: usize,
    },
    Callback(ProviderCallback),
    Operate {
        node: usize,
        action: Action,
    },
    Retry {
        order_id: Id,
        owed: Owed,
    },
    Settle {
        order_id: Id,
        owed: Owed,
    },
    /// A deleted customer is paid what is owed.
    PayOut {
        customer_id: Id,
        amount_minor: i64,
    },
}

/// A wish with its moment.
#[derive(Debug, Clone)]
pub struct Deed {
    pub wish: Wish,
    /// Its idempotency key, if it is sent with one.
    pub key: Option<Id>,
    pub tries: u32,
}

/// What a request has come to.
pub enum Told {
    Done(String),
    Refused(Problem),
    /// No answer, or one that says nothing.
    Unknown,
}

pub type Mailbox = Arc<Mutex<Vec<(u64, Result<String, Problem>)>>>;

pub struct People {
    pub plan: Plan,
    pub chance: Chance,
    agenda: BTreeMap<(Timestamp, u64), Deed>,
    count: u64,
    /// Requests whose answer is waited for, with the store that they went to.
    asked: BTreeMap<u64, (usize, Deed)>,
    pub mailbox: Mailbox,
    /// Who has an id, by number.
    pub buyers: BTreeMap<usize, Id>,
    /// Orders that were placed: by number, each id that was told.
    pub placed: BTreeMap<usize, BTreeSet<Id>>,
    /// Orders whose cart was sent twice and refused once.
    pub refused_once: BTreeSet<usize>,
    /// Orders that were to come from a cart, and do not.
    pub without_cart: BTreeSet<usize>,
    /// What was answered under an idempotency key.
    pub answers: BTreeMap<Id, String>,
    /// Answers that differ from an earlier one under the same key.
    pub contradictions: Vec<String>,
    /// What was told to be done: by wish, the orders.
    pub done: BTreeMap<&'static str, BTreeSet<Id>>,
    /// Money that came in by buyer, and units by good, as it was told.
    pub credited: BTreeMap<Id, i64>,
    pub stocked: BTreeMap<usize, i64>,
    /// How often each mail was taken by its receiver.
    pub mails: BTreeMap<Id, u32>,
    ended: bool,
    /// How often each thing was mended.
    mended: BTreeMap<String, u32>,
}

/// What is not whole after so many tries cannot be mended.
const MENDED_MAX: u32 = 5;

impl People {
    pub fn new(seed: u64, options: &Options, now: Timestamp) -> Self {
        let mut people = Self {
            plan: Plan::new(seed, options),
            chance: Chance::new(seed ^ options.shuffle, "people"),
            agenda: BTreeMap::new(),
            count: 0,
            asked: BTreeMap::new(),
            mailbox: Mailbox::default(),
            buyers: BTreeMap::new(),
            placed: BTreeMap::new(),
            refused_once: BTreeSet::new(),
            without_cart: BTreeSet::new(),
            answers: BTreeMap::new(),
            contradictions: Vec::new(),
            done: BTreeMap::new(),
            credited: BTreeMap::new(),
            stocked: BTreeMap::new(),
            mails: BTreeMap::new(),
            ended: false,
            mended: BTreeMap::new(),
        };
        people.prepare(now);
        people
    }

    /// What is done before the shop opens; the rest follows from the answers.
    fn prepare(&mut self, now: Timestamp) {
        self.plan(now, None, Wish::OpenLocation);
        for buyer in 0..self.plan.buyers.len() {
            self.plan(now, None, Wish::Register { buyer });
        }
        let products: BTreeSet<usize> = self.plan.goods.iter().map(|good| good.product).collect();
        for product in products {
            self.plan(now, None, Wish::CreateProduct { product });
        }
    }

    /// The shop opens.
    pub fn open(&mut self, now: Timestamp) {
        let after = |ms: u64| now.plus(Duration::from_millis(ms));
        for (ms, wish) in self.plan.events.clone() {
            self.plan(after(ms), None, wish);
        }
        for order in 0..self.plan.orders.len() {
            let plan = &self.plan.orders[order].1;
            let first = if plan.by_cart { Wish::OpenCart { order } } else { Wish::Place { order, cart: None } };
            self.plan(after(plan.at_ms), None, first);
        }
    }

    /// Puts a wish on the agenda; `key` is what an earlier try was sent with.
    pub fn plan(&mut self, at: Timestamp, key: Option<Id>, wish: Wish) {
        self.count += 1;
        let key = key.or_else(|| self.new_key(&wish));
        self.agenda.insert((at, self.count), Deed { wish, key, tries: 0 });
    }

    pub fn plan_after(&mut self, now: Timestamp, after_ms: u64, wish: Wish) {
        self.plan(now.plus(Duration::from_millis(after_ms)), None, wish);
    }

    fn new_key(&self, wish: &Wish) -> Option<Id> {
        wish.takes_key().then(|| id(&format!("key-{}", self.count)))
    }

    /// The same once more, after a while.
    pub fn again(&mut self, now: Timestamp, deed: Deed, most_ms: u64) {
        let after_ms = self.chance.mostly_short(100, most_ms);
        self.count += 1;
        let deed = Deed { tries: deed.tries + 1, key: deed.key.or_else(|| self.new_key(&deed.wish)), ..deed };
        self.agenda.insert((now.plus(Duration::from_millis(after_ms)), self.count), deed);
    }

    pub fn next(&mut self, now: Timestamp) -> Option<Deed> {
        let first = self.agenda.first_entry().filter(|first| first.key().0 <= now)?;
        Some(first.remove())
    }

    pub fn next_at(&self) -> Timestamp {
        self.agenda.first_key_value().map_or(NEVER, |((at, _), _)| *at)
    }

    /// Notes that a request is out. The number is its ticket.
    pub fn ask(&mut self, node: usize, deed: Deed) -> u64 {
        self.count += 1;
        self.asked.insert(self.count, (node, deed));
        self.count
    }

    /// The answers that have come.
    pub fn answered(&mut self) -> Vec<(Deed, Result<String, Problem>)> {
        let answers = std::mem::take(&mut *self.mailbox.lock().unwrap_or_else(PoisonError::into_inner));
        let deed = |(ticket, answer)| self.asked.remove(&ticket).map(|(_, deed)| (deed, answer));
        answers.into_iter().filter_map(deed).collect()
    }

    /// A store has lost its process: whoever waits for an answer gets none, and asks again.
    pub fn lose_contact(&mut self, node: usize, now: Timestamp) {
        let lost: Vec<u64> =
            self.asked.iter().filter(|(_, (asked, _))| *asked == node).map(|(ticket, _)| *ticket).collect();
        for ticket in lost {
            if let Some((_, deed)) = self.asked.remove(&ticket) {
                self.again(now, deed, 30_000);
            }
        }
    }

    /// Nobody wants anything now or later, and nobody waits for an answer.
    pub fn is_idle(&self) -> bool {
        self.agenda.is_empty() && self.asked.is_empty()
    }

    /// All that people had in mind is done. What an operator or the provider still has to say can wait.
    pub fn has_finished(&self) -> bool {
        let waits = |deed: &Deed| matches!(deed.wish, Wish::Operate { .. } | Wish::Callback(_));
        self.agenda.values().all(waits) && self.asked.values().all(|(_, deed)| waits(deed))
    }

    pub fn receive_mail(&mut self, message_id: &Id) {
        *self.mails.entry(message_id.clone()).or_default() += 1;
    }

    /// The id of an order, once somebody was told it.
    pub fn order_id(&self, order: usize) -> Option<&Id> {
        self.placed.get(&order)?.first()
    }

    /// From now on nobody tries what was refused again.
    pub fn end(&mut self) {
        self.ended = true;
    }

    /// Notes that something is mended once more. `false`: it was tried too often.
    pub fn tries_to_mend(&mut self, wish: &Wish) -> bool {
        let tries = self.mended.entry(format!("{wish:?}")).or_default();
        *tries += 1;
        *tries <= MENDED_MAX
    }

    pub fn has_ended(&self) -> bool {
        self.ended
    }
}

impl Wish {
    /// Sent with an idempotency key. What the provider says has none, and what can be asked twice needs none.
    const fn takes_key(&self) -> bool {
        !matches!(self, Self::Callback(_) | Self::Ship { .. } | Self::Arrive { .. } | Self::Capture { .. })
    }
}
