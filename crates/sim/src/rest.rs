//! After the faults: operators mend what is broken, time goes on, until nothing is left to do.

use std::{collections::BTreeSet, sync::Arc};

use tradewind_engine::{
    operator::Action,
    tables::{ConsumerRow, DeadLetterKind, DeadLetterRow, DeadLetterState, JobRow, JobState, TimerRow},
};
use tradewind_events::{Id, Timestamp};
use tradewind_payments::{
    Account, Payment, Refund, Surplus,
    commands::Owed,
    model::{RefundState, SurplusState},
};

use crate::{network::NEVER, node::Node, people::Wish, world::World};

/// Rounds of mending and waiting, before it is said that the shop does not come to rest.
const ROUNDS_MAX: u32 = 3_000;

impl World {
    /// Lets the shop come to rest.
    pub fn come_to_rest(&mut self) {
        self.faults.end();
        self.people.end();
        self.clock_back.clear();
        // Or nobody does: then it stays as it is.
        if self.chance.one_in(2) {
            self.clock.set_right();
        }
        let now = self.now();
        self.trace.note(|| "from now on nothing goes wrong".to_owned());
        self.network.calm_down(now);
        self.refused.clear();
        for node in &mut self.nodes {
            node.stalled_until = now;
            node.up_at = node.up_at.min(now);
        }
        for _ in 0..ROUNDS_MAX {
            self.run_until(Self::is_still);
            let mut mending = self.mending();
            mending.retain(|wish| self.people.tries_to_mend(wish));
            if !mending.is_empty() {
                // To pay out what is owed is no mending: nothing was broken.
                let mended = mending.iter().filter(|wish| !matches!(wish, Wish::PayOut { .. })).count();
                self.figures.mended += mended as u64;
                let now = self.now();
                for wish in mending {
                    self.people.plan(now, None, wish);
                }
                continue;
            }
            let next = self.next_row_due();
            if next == NEVER {
                return;
            }
            self.clock.advance(next.since(self.now()));
            for engine in self.nodes.iter_mut().filter_map(|node| node.engine.as_mut()) {
                engine.look = true;
            }
        }
        self.violate("the shop", format!("does not come to rest within {ROUNDS_MAX} rounds"));
    }

    /// What an operator has to do now. A consumer that is paused goes on first: what is redriven would wait for it.
    fn mending(&mut self) -> Vec<Wish> {
        let mut wishes = Vec::new();
        for (nth, node) in self.nodes.iter().enumerate() {
            let paused = node.rows::<ConsumerRow>().into_iter().filter(|row| row.paused);
            let resume = |row: ConsumerRow| Id::new(&*row.name).ok().map(|consumer| Action::Resume { consumer });
            wishes.extend(paused.filter_map(resume).map(|action| Wish::Operate { node: nth, action }));
        }
        if !wishes.is_empty() {
            return wishes;
        }
        for nth in 0..self.nodes.len() {
            wishes.extend(self.redrives(nth));
            let jobs = self.nodes[nth].rows::<JobRow>();
            let exhausted = jobs.into_iter().filter(|job| job.state == JobState::Exhausted);
            wishes.extend(exhausted.map(|job| Wish::Operate { node: nth, action: Action::RetryJob { job: job.id } }));
        }
        if wishes.is_empty() { self.owed() } else { wishes }
    }

    fn redrives(&self, nth: usize) -> Vec<Wish> {
        let node = &self.nodes[nth];
        let dead = node.rows::<DeadLetterRow>().into_iter().filter(|row| row.state == DeadLetterState::Dead);
        let action = |row: DeadLetterRow| {
            let position = row.position.as_ref().and_then(|position| position.parse().ok());
            let whole = position.and_then(|position| self.network.whole(nth, position));
            match whole {
                Some(body) if row.kind == DeadLetterKind::Event && row.event_id.is_none() => {
                    Action::EditAndRedrive { dead_letter: row.id, message: Arc::clone(&body) }
                }
                _ => Action::Redrive { dead_letter: row.id },
            }
        };
        dead.map(action).map(|action| Wish::Operate { node: nth, action }).collect()
    }

    /// Money that is owed: the provider is asked again, which now does as it is told; or it goes back by other means.
    fn owed(&mut self) -> Vec<Wish> {
        let mut wishes = self.debts();
        for wish in &mut wishes {
            if let Wish::Retry { order_id, owed } = wish
                && self.people.chance.one_in(4)
            {
                *wish = Wish::Settle { order_id: order_id.clone(), owed: owed.clone() };
            }
        }
        wishes
    }

    fn debts(&self) -> Vec<Wish> {
        let node = &self.nodes[self.host("payments")];
        let mut orders = BTreeSet::new();
        let mut wishes = Vec::new();
        let mut owe = |order_id: &Id, owed: Owed| {
            // One refund of an order goes after the other.
            if orders.insert(order_id.clone()) {
                wishes.push(Wish::Retry { order_id: order_id.clone(), owed });
            }
        };
        for payment in node.rows::<Payment>().into_iter().filter(|payment| payment.owed_since().is_some()) {
            owe(payment.order_id(), Owed::Hold);
        }
        let refunds = node.rows::<Refund>();
        let under_way = refunds.iter().filter(|refund| refund.state() == RefundState::Refunding);
        let under_way: BTreeSet<Id> = under_way.map(|refund| refund.order_id().clone()).collect();
        let refused = refunds.into_iter().filter(|refund| refund.state() == RefundState::Refused);
        // The provider's answer to another one is awaited first.
        for refund in refused.filter(|refund| !under_way.contains(refund.order_id())) {
            owe(refund.order_id(), Owed::Refund { refund_id: refund.refund_id().clone() });
        }
        for surplus in node.rows::<Surplus>().into_iter().filter(|surplus| surplus.state() == SurplusState::Refused) {
            owe(surplus.order_id(), Owed::Surplus { reference: surplus.reference().clone() });
        }
        for account in node.rows::<Account>().into_iter().filter(|account| account.payable_minor() > 0) {
            wishes.push(Wish::PayOut {
                customer_id: account.customer_id().clone(),
                amount_minor: account.payable_minor(),
            });
        }
        wishes
    }

    /// When the next timer or job of any store is due.
    fn next_row_due(&self) -> Timestamp {
        let due = |node: &Node| {
            let jobs = node.rows::<JobRow>().into_iter().filter(|job| job.state == JobState::Waiting);
            let timers = node.rows::<TimerRow>().into_iter().map(|row| row.due_at);
            let next = timers.chain(jobs.map(|job| job.due_at)).min()?;
            Some(node.engine.as_ref()?.true_time_of(next, self.now()))
        };
        self.nodes.iter().filter_map(due).min().unwrap_or(NEVER)
    }
}
