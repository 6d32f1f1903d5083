//! What people have in mind before the shop opens: who buys what and when, who changes their mind, what staff does to
//! the catalogue. Each order has a stream of chance of its own, so that leaving one out changes no other.

use tradewind_events::{AdjustmentType, PaymentMethod};

use crate::{Options, chance::Chance, people::Wish};

/// Something for sale.
#[derive(Debug, Clone)]
pub struct Good {
    pub product: usize,
    pub price_minor: i64,
    /// On the shelves when the shop opens: at the main location, and at a second one.
    pub stock: i64,
    pub stock_elsewhere: i64,
}

/// Somebody who buys.
#[derive(Debug, Clone)]
pub struct Buyer {
    pub balance_minor: i64,
}

/// What is to become of one order.
#[derive(Debug, Clone)]
pub struct OrderPlan {
    /// Milliseconds after the shop has opened, as all times here are after what comes before.
    pub at_ms: u64,
    pub buyer: usize,
    pub method: PaymentMethod,
    /// Goods and how many of each.
    pub lines: Vec<(usize, u32)>,
    pub by_cart: bool,
    /// The cart is placed a second time, from another window.
    pub twice: bool,
    /// The price that the buyer names is the one of the day before.
    pub stale_price: bool,
    pub country: Option<&'static str>,
    pub ttl_seconds: Option<u32>,
    /// When somebody wants it cancelled, and whether that is the customer.
    pub cancels: Vec<(u64, bool)>,
    /// When somebody outside pays, or says that nobody will.
    pub pays: Option<(u64, Paying)>,
    /// How long after its goods have left the customer wants it cancelled.
    pub recall: Option<u64>,
    /// When staff tries to send it, and how long the parcel takes; never when `None`.
    pub ships: Option<(u64, Option<u64>)>,
    /// Refunds once it has arrived: after how long, and whether of all or of a part.
    pub refunds: Vec<(u64, bool)>,
    /// An operator starts a refused capture once more.
    pub capture_again: Option<u64>,
}

/// How somebody outside pays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paying {
    Pays,
    /// Under two references.
    PaysTwice,
    /// Another amount than asked for.
    PaysWrong,
    Fails,
}

/// The whole plan of a seed.
pub struct Plan {
    pub goods: Vec<Good>,
    pub buyers: Vec<Buyer>,
    /// By number; those that are left out of the options are not here.
    pub orders: Vec<(u32, OrderPlan)>,
    /// What staff and customers do beside orders.
    pub events: Vec<(u64, Wish)>,
}

const MINUTE_MS: u64 = 60_000;

impl Plan {
    pub fn new(seed: u64, options: &Options) -> Self {
        let mut chance = Chance::new(seed, "goods");
        let goods = goods(&mut chance);
        let buyers: Vec<Buyer> = (0..chance.between(3, 8))
            .map(|_| Buyer { balance_minor: chance.pick(&[0, 5_000, 5_000, 10_000, 10_000, 50_000, 1_000_000]) })
            .collect();
        let events = events(&mut chance, goods.len(), buyers.len());
        let spread_ms = chance.pick(&[2_000, MINUTE_MS, 10 * MINUTE_MS, 30 * MINUTE_MS]);
        // Here and there most pay in the same way, which is where one bounded thing is wanted by many at once.
        let usual = match chance.below(4) {
            0 => Some(PaymentMethod::Balance),
            1 => Some(chance.pick(&[PaymentMethod::Card, PaymentMethod::External])),
            _ => None,
        };
        let all = 0..options.orders;
        let wanted = all.filter(|number| !options.without_orders.contains(number));
        let orders = wanted.map(|number| {
            let mut chance = Chance::new(seed, &format!("order {number}"));
            (number, OrderPlan::new(&mut chance, &goods, (buyers.len(), usual), spread_ms))
        });
        Self { orders: orders.collect(), goods, buyers, events }
    }
}

fn goods(chance: &mut Chance) -> Vec<Good> {
    let products = chance.between(2, 4);
    let mut goods = Vec::new();
    for product in 0..usize::try_from(products).unwrap_or(2) {
        for _ in 0..chance.between(1, 2) {
            goods.push(Good {
                product,
                price_minor: i64::try_from(chance.between(1, 40)).unwrap_or(1) * 100 - 1,
                stock: chance.pick(&[1, 2, 30, 500, 500, 500]),
                stock_elsewhere: chance.pick(&[0, 0, 0, 1, 3]),
            });
        }
    }
    goods
}

impl OrderPlan {
    fn new(
        chance: &mut Chance,
        goods: &[Good],
        (buyers, usual): (usize, Option<PaymentMethod>),
        spread_ms: u64,
    ) -> Self {
        let method = chance.pick(&[
            PaymentMethod::Balance,
            PaymentMethod::Balance,
            PaymentMethod::Card,
            PaymentMethod::Card,
            PaymentMethod::External,
        ]);
        let method = usual.filter(|_| chance.percent(75)).unwrap_or(method);
        let lines = (0..chance.pick(&[1, 1, 1, 2, 3]))
            // The first goods are wanted most: there is a rush for what is scarce.
            .map(|_| (chance.index(goods.len()).min(chance.index(goods.len())), chance.pick(&[1, 1, 1, 2, 3])))
            .collect();
        let cancels = match chance.below(20) {
            0..=4 => vec![cancel(chance)],
            5 => vec![cancel(chance), cancel(chance)],
            _ => Vec::new(),
        };
        let refunds = (0..chance.pick(&[0, 0, 0, 1, 2])).map(|_| (chance.mostly_short(100, 600_000), chance.one_in(2)));
        let refunds = refunds.collect();
        Self {
            at_ms: chance.below(spread_ms),
            // One of them buys most.
            buyer: chance.index(buyers).min(chance.index(buyers)),
            method,
            lines,
            by_cart: chance.percent(35),
            twice: chance.percent(30),
            stale_price: chance.percent(5),
            country: chance.pick(&[Some("DE"), Some("DE"), Some("NL"), Some("FR"), None]),
            ttl_seconds: chance.pick(&[None, None, None, Some(20), Some(600), Some(3_600)]),
            cancels,
            pays: (method == PaymentMethod::External && chance.percent(90)).then(|| {
                let how =
                    [Paying::Pays, Paying::Pays, Paying::Pays, Paying::PaysTwice, Paying::PaysWrong, Paying::Fails];
                (chance.mostly_short(50, 40 * MINUTE_MS), chance.pick(&how))
            }),
            ships: chance.percent(70).then(|| {
                let arrives = chance.percent(75);
                (chance.mostly_short(500, 30 * MINUTE_MS), arrives.then(|| chance.mostly_short(500, 60 * MINUTE_MS)))
            }),
            refunds,
            capture_again: chance.percent(10).then(|| chance.mostly_short(1_000, 20 * MINUTE_MS)),
            recall: chance.percent(15).then(|| chance.mostly_short(1, 60_000)),
        }
    }
}

fn cancel(chance: &mut Chance) -> (u64, bool) {
    (chance.mostly_short(10, 25 * MINUTE_MS), chance.percent(70))
}

/// What happens beside orders, at moments in the first half hour.
fn events(chance: &mut Chance, goods: usize, buyers: usize) -> Vec<(u64, Wish)> {
    let mut events = Vec::new();
    for _ in 0..chance.between(3, 10) {
        let good = chance.index(goods);
        let amount_minor = i64::try_from(chance.between(1, 40)).unwrap_or(1) * 100 - 1;
        let wish = match chance.below(12) {
            0 | 1 => Wish::Price { good, amount_minor, after_ms: None },
            2 => Wish::Price { good, amount_minor, after_ms: Some(chance.mostly_short(1_000, 20 * MINUTE_MS)) },
            3 => Wish::Discontinue { good },
            4 => Wish::Unpublish { good },
            5 => Wish::Publish { good },
            6 => Wish::Rename { good },
            7 => Wish::Adjust { good, delta: 5, adjustment_type: AdjustmentType::Restock },
            8 => Wish::Adjust { good, delta: -1, adjustment_type: AdjustmentType::Damage },
            9 => Wish::Adjust { good, delta: 2, adjustment_type: AdjustmentType::Correction },
            10 => Wish::Move { buyer: chance.index(buyers) },
            _ => Wish::Credit { buyer: chance.index(buyers), amount_minor: 5_000 },
        };
        events.push((chance.below(30 * MINUTE_MS), wish));
    }
    if chance.one_in(3) {
        events.push((chance.below(30 * MINUTE_MS), Wish::Archive { good: chance.index(goods) }));
    }
    if chance.one_in(2) {
        events.push((chance.below(30 * MINUTE_MS), Wish::Leave { buyer: chance.index(buyers) }));
    }
    events
}
