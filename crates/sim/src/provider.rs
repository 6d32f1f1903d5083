//! The payment provider, outside: it keeps charges, answers a repeated key with what became of it, and now and then
//! refuses, takes its time, or charges twice. What it says is what it has done.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tradewind_audit::Charge;
use tradewind_events::{
    Currency, Id, Timestamp, id,
    jobs::{ProviderAction, ProviderAnswer, ProviderCall, ProviderState},
};
use tradewind_memory::ProviderCharge;
use tradewind_payments::commands::ProviderCallback;

use crate::{
    chance::Chance,
    fault::{Fault, Faults},
};

pub struct Provider {
    chance: Chance,
    faults: Faults,
    /// By reference.
    held: BTreeMap<Id, Held>,
    /// What became of each authorization, by its key.
    authorizations: BTreeMap<Id, Authorization>,
    /// Other keys whose call was refused for good, or done.
    settled: BTreeMap<Id, ProviderState>,
    /// Calls that are not decided yet, by action and key, and until when.
    undecided: BTreeMap<(&'static str, Id), Timestamp>,
    references: u64,
}

/// A charge, and what it is for.
#[derive(Debug, Clone)]
pub struct Held {
    pub order_id: Id,
    currency: Currency,
    pub charge: ProviderCharge,
}

enum Authorization {
    Charged(Id),
    Declined,
    /// It was cancelled before anything was held; nothing will be.
    Blocked,
}

/// What comes of a call.
pub struct Done {
    pub answer: ProviderAnswer,
    /// What it tells by calling back.
    pub callbacks: Vec<ProviderCallback>,
    /// It will decide at this moment, asked or not.
    pub decides_at: Option<Timestamp>,
}

impl Provider {
    pub fn new(seed: u64, faults: Faults) -> Self {
        Self {
            chance: Chance::new(seed, "provider"),
            faults,
            held: BTreeMap::new(),
            authorizations: BTreeMap::new(),
            settled: BTreeMap::new(),
            undecided: BTreeMap::new(),
            references: 0,
        }
    }

    /// Does what it is asked, at most once a key.
    pub fn call(&mut self, call: &ProviderCall, now: Timestamp) -> Done {
        let key = (action_name(call.action), call.key.clone());
        let new = !self.knows(call) && !self.undecided.contains_key(&key);
        if new && self.faults.strike(Fault::ProviderUndecided) {
            let wait_ms = self.chance.mostly_short(1_000, 2_400_000);
            self.undecided.insert(key.clone(), now.plus(Duration::from_millis(wait_ms)));
        }
        if let Some(until) = self.undecided.get(&key).copied().filter(|until| *until > now)
            && self.faults.are_on()
        {
            let answer = answer(ProviderState::Pending, None, call);
            return Done { answer, callbacks: Vec::new(), decides_at: new.then_some(until) };
        }
        let mut callbacks = Vec::new();
        let answer = self.act(call, &mut callbacks);
        Done { answer, callbacks, decides_at: None }
    }

    fn knows(&self, call: &ProviderCall) -> bool {
        self.settled.contains_key(&call.key) || self.authorizations.contains_key(&call.key)
    }

    fn act(&mut self, call: &ProviderCall, callbacks: &mut Vec<ProviderCallback>) -> ProviderAnswer {
        let (state, reference) = match call.action {
            ProviderAction::Authorize => self.authorize(call, callbacks),
            ProviderAction::Cancel => self.cancel(call),
            ProviderAction::Capture | ProviderAction::Void | ProviderAction::Refund | ProviderAction::Return => {
                let reference = call.reference.as_ref().and_then(|reference| Id::new(Arc::clone(reference)).ok());
                (self.change(call, reference.as_ref()), reference)
            }
        };
        if let Some(reference) = &reference {
            callbacks.push(callback(call, reference, state));
        }
        answer(state, reference.as_ref(), call)
    }

    fn authorize(&mut self, call: &ProviderCall, callbacks: &mut Vec<ProviderCallback>) -> (ProviderState, Option<Id>) {
        match self.authorizations.get(&call.key) {
            Some(Authorization::Declined) => (ProviderState::Declined, None),
            Some(Authorization::Blocked) => (ProviderState::NothingHeld, None),
            Some(Authorization::Charged(reference)) => {
                let state = self.held.get(reference).map_or(ProviderState::NothingHeld, |held| held.charge.state());
                (state, Some(reference.clone()))
            }
            None if self.chance.percent(12) => {
                self.authorizations.insert(call.key.clone(), Authorization::Declined);
                (ProviderState::Declined, Some(self.new_reference()))
            }
            None => {
                let reference = self.hold(call, ProviderCharge::authorized(call.amount_minor));
                self.authorizations.insert(call.key.clone(), Authorization::Charged(reference.clone()));
                if self.faults.strike(Fault::SecondCharge) {
                    callbacks.push(self.charge_again(call));
                }
                (ProviderState::Authorized, Some(reference))
            }
        }
    }

    fn hold(&mut self, call: &ProviderCall, charge: ProviderCharge) -> Id {
        let reference = self.new_reference();
        let held = Held { order_id: call.order_id.clone(), currency: call.currency, charge };
        self.held.insert(reference.clone(), held);
        reference
    }

    fn new_reference(&mut self) -> Id {
        self.references += 1;
        id(&format!("charge-{}", self.references))
    }

    /// Nobody asked for it: it is told by a callback only.
    fn charge_again(&mut self, call: &ProviderCall) -> ProviderCallback {
        let amount_minor = if self.chance.one_in(4) { call.amount_minor + 100 } else { call.amount_minor };
        let (charge, state) = if self.chance.one_in(2) {
            (ProviderCharge::captured(amount_minor), ProviderState::Captured)
        } else {
            (ProviderCharge::authorized(amount_minor), ProviderState::Authorized)
        };
        let reference = self.hold(call, charge);
        ProviderCallback { amount_minor, ..callback(call, &reference, state) }
    }

    /// Undoes the authorization of this key, or sees to it that there will be none.
    fn cancel(&mut self, call: &ProviderCall) -> (ProviderState, Option<Id>) {
        match self.authorizations.get(&call.key) {
            Some(Authorization::Declined) => (ProviderState::Declined, None),
            Some(Authorization::Blocked) => (ProviderState::NothingHeld, None),
            Some(Authorization::Charged(reference)) => {
                let reference = reference.clone();
                let held = self.held.get_mut(&reference);
                let state = held.map_or(ProviderState::NothingHeld, |held| held.charge.cancel());
                (state, Some(reference))
            }
            None => {
                self.authorizations.insert(call.key.clone(), Authorization::Blocked);
                (ProviderState::NothingHeld, None)
            }
        }
    }

    /// Takes, lets go or gives back.
    fn change(&mut self, call: &ProviderCall, reference: Option<&Id>) -> ProviderState {
        if let Some(state) = self.settled.get(&call.key) {
            return *state;
        }
        let refuses = self.faults.strike(Fault::ProviderRefuses);
        let Some(held) = reference.and_then(|reference| self.held.get_mut(reference)) else {
            return ProviderState::NothingHeld;
        };
        let Some(state) = held.charge.change(call.action, call.amount_minor, refuses) else {
            return held.charge.state();
        };
        self.settled.insert(call.key.clone(), state);
        state
    }

    /// Every charge, by reference.
    pub fn held(&self) -> impl Iterator<Item = (&Id, &Held)> {
        self.held.iter()
    }

    /// The list of charges, as the audit compares it.
    pub fn charges(&self) -> Vec<Charge> {
        let charge = |(reference, held): (&Id, &Held)| Charge {
            order_id: held.order_id.clone(),
            reference: reference.clone(),
            currency: held.currency,
            captured_minor: held.charge.captured_minor(),
            refunded_minor: held.charge.refunded_minor(),
        };
        self.held.iter().map(charge).collect()
    }
}

const fn action_name(action: ProviderAction) -> &'static str {
    match action {
        ProviderAction::Authorize => "authorize",
        ProviderAction::Capture => "capture",
        ProviderAction::Void => "void",
        ProviderAction::Refund => "refund",
        ProviderAction::Cancel => "cancel",
        ProviderAction::Return => "return",
    }
}

fn answer(state: ProviderState, reference: Option<&Id>, call: &ProviderCall) -> ProviderAnswer {
    let refused = matches!(state, ProviderState::Declined | ProviderState::Refused);
    ProviderAnswer {
        state,
        reference: reference.map(Id::shared),
        amount_minor: call.amount_minor,
        reason: refused.then(|| "simulated".into()),
    }
}

fn callback(call: &ProviderCall, reference: &Id, state: ProviderState) -> ProviderCallback {
    ProviderCallback {
        order_id: call.order_id.clone(),
        reference: reference.clone(),
        state,
        amount_minor: call.amount_minor,
        currency: call.currency,
        refund_id: call.refund_id.clone(),
        reason: None,
    }
}
