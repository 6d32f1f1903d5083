//! The payment provider as it may be: what it can come to when it is asked, instead of what it does. Its books are kept by
//! charge and by key; a key that it has decided on is answered with what became of it.

use std::collections::BTreeMap;

use tradewind_audit::Charge;
use tradewind_events::{
    Currency, Id, TextEnum, id,
    jobs::{ProviderAction, ProviderAnswer, ProviderCall, ProviderState},
};
use tradewind_memory::ProviderCharge;

/// All that the provider knows, and the answers that are on their way from it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Provider {
    /// By reference.
    charges: BTreeMap<Id, ProviderCharge>,
    /// What became of each authorization, by its key: a charge, or none ever.
    authorizations: BTreeMap<Id, Authorization>,
    /// Other calls that were refused for good or done, by key.
    settled: BTreeMap<Id, ProviderState>,
    /// Answers that a worker has in hand and has not told yet, by job.
    pub in_hand: BTreeMap<Id, Answer>,
    /// Everything that was ever so, sorted, and that it may call back about at any time.
    pub news: Vec<News>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Authorization {
    Charged(Id),
    Declined,
    /// It was cancelled before anything was held; nothing will be.
    Blocked,
}

/// What it answers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Answer {
    state: ProviderState,
    reference: Option<Id>,
    amount_minor: i64,
}

/// Something that it can call back about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct News {
    pub reference: Id,
    pub state: ProviderState,
    pub amount_minor: i64,
    pub refund_id: Option<Id>,
}

/// One thing that it can come to when it is asked.
pub struct Choice {
    pub provider: Provider,
    /// For a story, after `the provider`.
    pub words: &'static str,
    /// Not how it should be: it counts against the bound of faults.
    pub fault: bool,
}

/// How a call is taken.
#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    Well,
    Declines,
    Refuses,
    /// It takes the money where it should only hold it.
    TakesAtOnce,
    /// It charges once more, and tells that by a callback only.
    ChargesTwice,
}

impl Provider {
    /// Everything that a call of this job can come to.
    pub fn choices(&self, job: &Id, call: &ProviderCall) -> Vec<Choice> {
        let mut choices = Vec::new();
        let mut add = |how: How, words: &'static str, lost_words: &'static str| {
            let (mut after, answer) = self.taken(call, how);
            if after != *self {
                choices.push(Choice { provider: after.clone(), words: lost_words, fault: true });
            }
            after.in_hand.insert(job.clone(), answer);
            choices.push(Choice { provider: after, words, fault: !matches!(how, How::Well | How::Declines) });
        };
        add(How::Well, "does as it is asked", "does as it is asked, and its answer is lost");
        if self.is_decided(call) {
            return choices;
        }
        match call.action {
            ProviderAction::Authorize => {
                add(How::Declines, "declines", "declines, and its answer is lost");
                add(How::TakesAtOnce, "takes the money at once", "takes the money at once, and its answer is lost");
                add(How::ChargesTwice, "charges twice", "charges twice, and its answer is lost");
            }
            _ => add(How::Refuses, "refuses for good", "refuses for good, and its answer is lost"),
        }
        let mut undecided = self.clone();
        undecided.in_hand.insert(job.clone(), answer(ProviderState::Pending, None, call));
        choices.push(Choice { provider: undecided, words: "has not decided", fault: true });
        choices
    }

    /// Asked again, it only repeats what became of it.
    fn is_decided(&self, call: &ProviderCall) -> bool {
        match call.action {
            ProviderAction::Authorize => self.authorizations.contains_key(&call.key),
            ProviderAction::Cancel => match self.authorizations.get(&call.key) {
                None => false,
                Some(Authorization::Declined | Authorization::Blocked) => true,
                Some(Authorization::Charged(reference)) => {
                    self.charges.get(reference).is_none_or(|charge| charge.state() != ProviderState::Authorized)
                }
            },
            _ => self.settled.contains_key(&call.key),
        }
    }

    fn taken(&self, call: &ProviderCall, how: How) -> (Self, Answer) {
        let mut after = self.clone();
        let (state, reference) = match call.action {
            ProviderAction::Authorize => after.authorize(call, how),
            ProviderAction::Cancel if how == How::Refuses => (ProviderState::Refused, None),
            ProviderAction::Cancel => after.cancel(call),
            _ => {
                let reference = call.reference.as_deref().map(id);
                (after.change(call, reference.as_ref(), how), reference)
            }
        };
        let answer = answer(state, reference, call);
        (after, answer)
    }

    fn authorize(&mut self, call: &ProviderCall, how: How) -> (ProviderState, Option<Id>) {
        match self.authorizations.get(&call.key) {
            Some(Authorization::Declined) => (ProviderState::Declined, None),
            Some(Authorization::Blocked) => (ProviderState::NothingHeld, None),
            Some(Authorization::Charged(reference)) => {
                let state = self.charges.get(reference).map_or(ProviderState::NothingHeld, ProviderCharge::state);
                (state, Some(reference.clone()))
            }
            None if how == How::Declines => {
                self.authorizations.insert(call.key.clone(), Authorization::Declined);
                (ProviderState::Declined, None)
            }
            None => {
                let charge = match how {
                    How::TakesAtOnce => ProviderCharge::captured(call.amount_minor),
                    _ => ProviderCharge::authorized(call.amount_minor),
                };
                let state = charge.state();
                let reference = self.hold(call, charge);
                self.authorizations.insert(call.key.clone(), Authorization::Charged(reference.clone()));
                if how == How::ChargesTwice {
                    self.hold(call, ProviderCharge::authorized(call.amount_minor));
                }
                (state, Some(reference))
            }
        }
    }

    fn hold(&mut self, call: &ProviderCall, charge: ProviderCharge) -> Id {
        let reference = id(&format!("charge-{}", self.charges.len() + 1));
        self.tell(&reference, charge.state(), call.amount_minor, None);
        self.charges.insert(reference.clone(), charge);
        reference
    }

    /// Undoes the authorization of this key, or sees to it that there will be none.
    fn cancel(&mut self, call: &ProviderCall) -> (ProviderState, Option<Id>) {
        match self.authorizations.get(&call.key).cloned() {
            Some(Authorization::Declined) => (ProviderState::Declined, None),
            Some(Authorization::Blocked) => (ProviderState::NothingHeld, None),
            Some(Authorization::Charged(reference)) => {
                let charge = self.charges.get_mut(&reference);
                let state = charge.map_or(ProviderState::NothingHeld, ProviderCharge::cancel);
                self.tell(&reference, state, call.amount_minor, None);
                (state, Some(reference))
            }
            None => {
                self.authorizations.insert(call.key.clone(), Authorization::Blocked);
                (ProviderState::NothingHeld, None)
            }
        }
    }

    /// Takes, lets go or gives back.
    fn change(&mut self, call: &ProviderCall, reference: Option<&Id>, how: How) -> ProviderState {
        if let Some(state) = self.settled.get(&call.key) {
            return *state;
        }
        let Some(charge) = reference.and_then(|reference| self.charges.get_mut(reference)) else {
            return ProviderState::NothingHeld;
        };
        let Some(state) = charge.change(call.action, call.amount_minor, how == How::Refuses) else {
            return charge.state();
        };
        self.settled.insert(call.key.clone(), state);
        if let Some(reference) = reference.filter(|_| state != ProviderState::Refused) {
            self.tell(reference, state, call.amount_minor, call.refund_id.clone());
        }
        state
    }

    fn tell(&mut self, reference: &Id, state: ProviderState, amount_minor: i64, refund_id: Option<Id>) {
        let news = News { reference: reference.clone(), state, amount_minor, refund_id };
        if !self.news.contains(&news) {
            self.news.push(news);
            self.news.sort_by(|one, other| one.order().cmp(&other.order()));
        }
    }

    /// Its list of charges, as the audit compares it.
    pub fn list(&self, order_id: &Id, currency: Currency) -> Vec<Charge> {
        let charge = |(reference, charge): (&Id, &ProviderCharge)| Charge {
            order_id: order_id.clone(),
            reference: reference.clone(),
            currency,
            captured_minor: charge.captured_minor(),
            refunded_minor: charge.refunded_minor(),
        };
        self.charges.iter().map(charge).collect()
    }

    /// Whether some authorization is answered with this charge.
    pub fn answers_for(&self, reference: &Id) -> bool {
        self.authorizations.values().any(|known| *known == Authorization::Charged(reference.clone()))
    }

    /// Charges that it holds and has not taken.
    pub fn held(&self) -> impl Iterator<Item = &Id> {
        let held = self.charges.iter().filter(|(_, charge)| charge.state() == ProviderState::Authorized);
        held.map(|(reference, _)| reference)
    }
}

fn answer(state: ProviderState, reference: Option<Id>, call: &ProviderCall) -> Answer {
    Answer { state, reference, amount_minor: call.amount_minor }
}

impl News {
    fn order(&self) -> (&Id, &str, Option<&Id>) {
        (&self.reference, self.state.as_str(), self.refund_id.as_ref())
    }
}

impl Answer {
    pub fn told(&self) -> ProviderAnswer {
        let (state, amount_minor) = (self.state, self.amount_minor);
        ProviderAnswer { state, reference: self.reference.as_ref().map(Id::shared), amount_minor, reason: None }
    }
}
