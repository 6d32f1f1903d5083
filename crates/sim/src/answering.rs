//! What people make of what they are told: what they note, what they want next, what they try again.

use std::{sync::Arc, time::Duration};

use tradewind_engine::{
    Idempotency, Message, Problem, RefusalKind,
    operator::{Action, BROKER_CONSUMER, UNAVAILABLE},
};
use tradewind_events::{CartSnapshot, Id, KeyText, id};
use tradewind_orders::{ORDER_EXISTS, TOO_MANY_UNPAID_ORDERS};

use crate::{
    fault::Fault,
    node::Ending,
    people::{Deed, Told, Wish},
    plan::Paying,
    world::World,
};

/// How often somebody tries what was refused for being too early.
const TRIES_MAX: u32 = 12;

/// How often a customer with too many unpaid orders asks again. The earlier ones end at their deadlines at the latest.
const UNPAID_TRIES_MAX: u32 = 200;

/// Milliseconds until an operator lets a consumer go on that was paused for no reason.
const PAUSE_MS_MAX: u64 = 1_800_000;

/// Milliseconds until it is paused again.
const RESUMED_MS_MAX: u64 = 60_000;

impl World {
    /// Somebody does what is next on the agenda.
    pub fn act(&mut self) {
        let now = self.now();
        let Some(deed) = self.people.next(now) else { return };
        let Some((node, message)) = self.command(&deed) else { return self.wait_or_forget(deed) };
        let relation =
            self.nodes[node].engine.as_mut().filter(|engine| !engine.core.is_full() && engine.ending == Ending::No);
        if relation.is_none() {
            // Nobody listens, or too much is waiting there.
            return self.people.again(now, deed, 30_000);
        }
        self.trace.note(|| format!("asked of {}: {:?}", self.nodes[node].name, deed.wish));
        self.figures.requests += 1;
        let idempotency = deed.key.clone().map(|key| {
            let fingerprint = key.shared();
            Idempotency { scope: KeyText::literal("people"), key, fingerprint }
        });
        let (ticket, mailbox) = (self.people.ask(node, deed), Arc::clone(&self.people.mailbox));
        let message = message.idempotent(idempotency).reply(move |answer| {
            let answer = answer.map(|answered| String::from_utf8_lossy(&answered.stored.body).into_owned());
            mailbox.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((ticket, answer));
        });
        if let Some(engine) = &mut self.nodes[node].engine {
            engine.core.accept(Message::Command(message));
        }
    }

    /// What cannot be said yet may be said later.
    fn wait_or_forget(&mut self, deed: Deed) {
        let now = self.now();
        if deed.tries < TRIES_MAX && !self.people.has_ended() {
            self.people.again(now, deed, 300_000);
        }
    }

    /// Takes the answers that have come.
    pub fn take_replies(&mut self) {
        for (deed, answer) in self.people.answered() {
            let told = match answer {
                _ if self.faults.strike(Fault::AnswerLost) => Told::Unknown,
                Ok(body) => Told::Done(body),
                Err(problem) if problem.refusal.kind == RefusalKind::Internal => Told::Unknown,
                Err(problem) if problem.refusal.code == UNAVAILABLE.code => Told::Unknown,
                Err(problem) => Told::Refused(problem),
            };
            let now = self.now();
            match told {
                Told::Unknown => self.people.again(now, deed, 30_000),
                Told::Done(body) => {
                    self.compare(&deed, &body);
                    self.follow(deed, body);
                }
                Told::Refused(problem) => self.refused(deed, &problem),
            }
        }
    }

    /// The same key has the same answer, however often it is asked.
    fn compare(&mut self, deed: &Deed, body: &str) {
        let Some(key) = &deed.key else { return };
        let before = self.people.answers.entry(key.clone()).or_insert_with(|| body.to_owned());
        if before != body {
            let said = format!("{:?} was answered with {before}, and then with {body}", deed.wish);
            self.people.contradictions.push(said);
        }
    }

    fn refused(&mut self, deed: Deed, problem: &Problem) {
        let now = self.now();
        self.trace.note(|| format!("refused: {:?}: {problem}", deed.wish));
        let waits = match &deed.wish {
            // The service has not heard yet of what it is about.
            Wish::Stock { .. } | Wish::Watch { .. } | Wish::Callback(_) => true,
            Wish::Ship { .. } | Wish::Refund { .. } | Wish::Pay { .. } | Wish::Capture { .. } => {
                deed.tries < TRIES_MAX && !self.people.has_ended()
            }
            Wish::Arrive { .. } => deed.tries < TRIES_MAX,
            Wish::FillCart { .. } | Wish::CheckOut { .. } => deed.tries < 4,
            Wish::Place { .. } => problem.code() == TOO_MANY_UNPAID_ORDERS.code && deed.tries < UNPAID_TRIES_MAX,
            _ => false,
        };
        let gives_up = matches!(deed.wish, Wish::Callback(_)) && deed.tries > 60;
        if waits && !gives_up {
            return self.people.again(now, deed, 300_000);
        }
        match deed.wish {
            // The order stands, or stood: its customer has left since, and the request cannot be compared any more.
            Wish::Place { cart: Some(_), .. } if problem.code() == ORDER_EXISTS.code => {}
            // Who has too many unpaid orders for long orders nothing, and nothing else instead.
            Wish::Place { .. } if problem.code() == TOO_MANY_UNPAID_ORDERS.code => {}
            // The same cart is still under way once more: a clock that is set back makes it good again.
            Wish::Place { order, cart: Some(_) }
                if self.people.plan.orders[order].1.twice && self.people.refused_once.insert(order) => {}
            // Who cannot have a cart orders without one.
            Wish::OpenCart { order }
            | Wish::FillCart { order, .. }
            | Wish::CheckOut { order, .. }
            | Wish::Place { order, cart: Some(_) }
                if self.people.without_cart.insert(order) =>
            {
                self.people.plan(now, None, Wish::Place { order, cart: None });
            }
            // Who has left orders nothing; somebody else does.
            Wish::Place { order, cart: None } if deed.tries < TRIES_MAX => {
                let buyers = self.people.plan.buyers.len();
                let plan = &mut self.people.plan.orders[order].1;
                plan.buyer = (plan.buyer + 1) % buyers;
                self.people.again(now, Deed { key: None, ..deed }, 1_000);
            }
            _ => {}
        }
    }

    /// What somebody wants next, now that this is done.
    fn follow(&mut self, deed: Deed, body: String) {
        let now = self.now();
        self.trace.note(|| format!("done: {:?}: {body}", deed.wish));
        match deed.wish {
            Wish::Register { buyer } => {
                if let Ok(user_id) = Id::new(body) {
                    self.people.buyers.insert(buyer, user_id);
                    let amount_minor = self.people.plan.buyers[buyer].balance_minor;
                    if amount_minor > 0 {
                        self.people.plan(now, None, Wish::Credit { buyer, amount_minor });
                    }
                }
            }
            Wish::CreateProduct { product } => self.stock_up(product),
            Wish::Credit { buyer, amount_minor } => {
                if let Some(customer_id) = self.people.buyers.get(&buyer).cloned() {
                    *self.people.credited.entry(customer_id).or_default() += amount_minor;
                }
            }
            Wish::Stock { good, quantity, .. } => *self.people.stocked.entry(good).or_default() += quantity,
            Wish::Adjust { good, delta, .. } => *self.people.stocked.entry(good).or_default() += delta,
            Wish::OpenCart { order } => {
                if let Ok(cart_id) = Id::new(body) {
                    self.people.plan_after(now, 10, Wish::FillCart { order, cart_id, line: 0 });
                }
            }
            Wish::FillCart { order, cart_id, line } => {
                let more = line + 1 < self.people.plan.orders[order].1.lines.len();
                let next = if more {
                    Wish::FillCart { order, cart_id, line: line + 1 }
                } else {
                    Wish::CheckOut { order, cart_id }
                };
                let thinks_ms = self.people.chance.mostly_short(10, 600_000);
                self.people.plan_after(now, thinks_ms, next);
            }
            Wish::CheckOut { order, .. } => self.checked_out(order, &body),
            Wish::Place { order, .. } => self.placed(order, body),
            Wish::Cancel { order, .. } => self.note(order, if body == "cancelled" { "cancel" } else { "recall" }),
            Wish::Ship { order } => {
                self.note(order, "ship");
                let plan = &self.people.plan.orders[order].1;
                let (ships, recall) = (plan.ships, plan.recall);
                if let Some(after_ms) = recall {
                    self.people.plan_after(now, after_ms, Wish::Cancel { order, by_customer: true });
                }
                if let Some((_, Some(arrives_ms))) = ships {
                    self.people.plan_after(now, arrives_ms, Wish::Arrive { order });
                }
            }
            Wish::Arrive { order } => {
                self.note(order, "arrive");
                for (after_ms, whole) in self.people.plan.orders[order].1.refunds.clone() {
                    self.people.plan_after(now, after_ms, Wish::Refund { order, whole });
                }
            }
            Wish::Refund { order, .. } => self.note(order, "refund"),
            Wish::Pay { order, how: Paying::PaysTwice, again: false } => {
                let after_ms = self.people.chance.mostly_short(10, 600_000);
                self.people.plan_after(now, after_ms, Wish::Pay { order, how: Paying::PaysTwice, again: true });
            }
            _ => {}
        }
    }

    fn note(&mut self, order: usize, what: &'static str) {
        if let Some(order_id) = self.people.order_id(order).cloned() {
            self.people.done.entry(what).or_default().insert(order_id);
        }
    }

    /// A product is there: it is put up for sale, and goods come in as soon as inventory has heard of them.
    fn stock_up(&mut self, product: usize) {
        let now = self.now();
        let goods = self.people.plan.goods.clone();
        for (good, what) in goods.iter().enumerate().filter(|(_, good)| good.product == product) {
            self.people.plan(now, None, Wish::Publish { good });
            self.people.plan(now, None, Wish::Stock { good, elsewhere: false, quantity: what.stock });
            self.people.plan(now, None, Wish::Watch { good });
            if what.stock_elsewhere > 0 {
                let quantity = what.stock_elsewhere;
                self.people.plan(now, None, Wish::Stock { good, elsewhere: true, quantity });
            }
        }
    }

    fn checked_out(&mut self, order: usize, snapshot: &str) {
        let now = self.now();
        let Ok(cart) = serde_json::from_str::<CartSnapshot>(snapshot) else {
            return self.violate("a signed cart", "cannot be read again");
        };
        let cart = Arc::new(cart);
        if self.people.plan.orders[order].1.twice {
            let after_ms = self.people.chance.mostly_short(1, 60_000);
            self.people.plan_after(now, after_ms, Wish::Place { order, cart: Some(Arc::clone(&cart)) });
        }
        self.people.plan_after(now, 10, Wish::Place { order, cart: Some(cart) });
    }

    /// The order is there. What is to become of it begins.
    fn placed(&mut self, order: usize, order_id: String) {
        let now = self.now();
        let Ok(order_id) = Id::new(order_id) else { return };
        let known = self.people.placed.entry(order).or_default();
        let first = known.is_empty();
        known.insert(order_id);
        if !first {
            return;
        }
        let plan = self.people.plan.orders[order].1.clone();
        for (after_ms, by_customer) in plan.cancels {
            self.people.plan_after(now, after_ms, Wish::Cancel { order, by_customer });
        }
        if let Some((after_ms, how)) = plan.pays {
            self.people.plan_after(now, after_ms, Wish::Pay { order, how, again: false });
        }
        if let Some((after_ms, _)) = plan.ships {
            self.people.plan_after(now, after_ms, Wish::Ship { order });
        }
        if let Some(after_ms) = plan.capture_again {
            self.people.plan_after(now, after_ms, Wish::Capture { order });
        }
    }

    /// A subscription has paused itself. An operator sees it in time.
    pub fn resume_later(&mut self, node: usize) {
        let at = self.now().plus(Duration::from_millis(self.chance.mostly_short(1, PAUSE_MS_MAX)));
        let resume = Action::Resume { consumer: id(BROKER_CONSUMER) };
        self.people.plan(at, None, Wish::Operate { node, action: resume });
    }

    /// The broker refuses an event. An operator sees it in time.
    pub fn set_aside_later(&mut self, node: usize, event: Id) {
        let at = self.now().plus(Duration::from_millis(self.chance.mostly_short(1, PAUSE_MS_MAX)));
        let action = Action::SetAside { event, reason: "simulated".into() };
        self.people.plan(at, None, Wish::Operate { node, action });
    }

    /// An operator pauses a consumer and lets it go on later, perhaps again and again while it catches up.
    pub fn pause(&mut self, service: &'static str) {
        let (mut at, node) = (self.now(), self.host(service));
        let Ok(consumer) = Id::new(service) else { return };
        for _ in 0..self.chance.pick(&[1, 1, 2, 4]) {
            let pause = Action::Pause { consumer: consumer.clone(), reason: "simulated".into() };
            self.people.plan(at, None, Wish::Operate { node, action: pause });
            at = at.plus(Duration::from_millis(self.chance.mostly_short(1, PAUSE_MS_MAX)));
            let resume = Action::Resume { consumer: consumer.clone() };
            self.people.plan(at, None, Wish::Operate { node, action: resume });
            at = at.plus(Duration::from_millis(self.chance.mostly_short(1, RESUMED_MS_MAX)));
        }
    }
}
