//! What the simulator does with a call, within one transaction: it looks up what became of it, or decides and does it.

use std::{cell::Cell, sync::Arc};

use ring::digest;
use rusqlite::Result;
use tradewind_events::{
    Id, Timestamp, id,
    jobs::{ProviderAction, ProviderAnswer, ProviderCall, ProviderState},
};

use super::{
    Callback, Charge, ChargeState, Forced, Unanswered,
    callbacks::RETRY,
    charge::Told,
    forced::{Course, Rules, Telling},
    rows::{CallRow, Rows},
    signature::hex,
};

pub(super) struct Desk<'a> {
    pub rows: Rows<'a>,
    pub rules: &'a Rules,
    pub now: Timestamp,
    /// Something is left to be done by itself, now or later.
    pub to_do: Cell<bool>,
}

/// What is said to a call, once the transaction is on the disk.
#[derive(Debug)]
pub(super) struct Handled {
    pub answer: std::result::Result<ProviderAnswer, Unanswered>,
    /// A callback that is to be tried before the answer is given.
    pub call_back_first: Option<i64>,
}

const PENDING: ProviderAnswer =
    ProviderAnswer { state: ProviderState::Pending, reference: None, amount_minor: 0, reason: None };

impl Desk<'_> {
    /// Does what was put off until now.
    pub fn catch_up(&self) -> Result<()> {
        for mut row in self.rows.due_calls(self.now)? {
            let forced = self.forced(&row.call)?;
            let told = self.perform(&row.call, forced)?;
            self.call_back(&row.call, &told, self.now)?;
            row.due_at = None;
            self.keep(&mut row, &told)?;
        }
        Ok(())
    }

    pub fn ask(&self, call: &ProviderCall) -> Result<Handled> {
        let mut row = self.rows.call(&call.key, call.action)?.unwrap_or_else(|| CallRow::new(call));
        if !is_same(&row.call, call) {
            return Ok(Handled::unanswered(Unanswered::KeyReused));
        }
        let forced = self.forced(call)?;
        if let Some(answer) = &row.answer {
            let withheld = forced == Forced::CallbackOnly && self.rows.is_to_be_told(call)?;
            return Ok(Handled::answered(if withheld { PENDING } else { answer.clone() }));
        }
        if row.due_at.is_some() {
            return Ok(Handled::answered(PENDING));
        }
        let course = forced.course(call.action, row.asked);
        row.asked += 1;
        match course {
            Course::Lost(how) => {
                self.rows.put_call(&row)?;
                Ok(Handled::unanswered(how))
            }
            Course::Later => {
                row.due_at = Some(self.now.plus(self.rules.late_after));
                self.to_do.set(true);
                self.rows.put_call(&row)?;
                Ok(Handled::answered(PENDING))
            }
            Course::Declined => {
                if forced == Forced::ChargedAfterDecline && self.rules.callbacks {
                    let charge = self.hold(call, forced, "")?;
                    self.call_back(call, &charge.told(), self.now.plus(self.rules.late_after))?;
                }
                let declined = Told { state: ProviderState::Declined, ..Told::refused("card_declined") };
                self.keep(&mut row, &declined).map(Handled::answered)
            }
            // What is not there any more is not refused: it is said where it went.
            Course::Refused(_) if !self.would_move(call)? => self.do_now(&mut row, forced, Telling::Answer),
            Course::Refused(reason) => self.keep(&mut row, &Told::refused(reason)).map(Handled::answered),
            Course::Done(telling) => self.do_now(&mut row, forced, telling),
        }
    }

    fn do_now(&self, row: &mut CallRow, forced: Forced, telling: Telling) -> Result<Handled> {
        let call = row.call.clone();
        if call.action == ProviderAction::Cancel
            && forced == Forced::LateDespiteCancel
            && self.rows.call(&call.key, ProviderAction::Authorize)?.is_some_and(|row| row.due_at.is_some())
        {
            return Ok(Handled::answered(PENDING));
        }
        let told = self.perform(&call, forced)?;
        let answer = self.keep(row, &told)?;
        let mut handled = Handled::answered(answer);
        match telling {
            Telling::Answer => {}
            Telling::AnswerLost => handled = Handled::unanswered(Unanswered::TimedOut),
            Telling::CallbackOnly => {
                if self.call_back(&call, &told, self.now)?.is_some() {
                    handled = Handled::answered(PENDING);
                }
            }
            Telling::CallbackTwice => {
                self.call_back(&call, &told, self.now)?;
                self.call_back(&call, &told, self.now)?;
            }
            Telling::CallbackFirst => {
                // Whoever asks tries it at once; should that fail, it is tried again from here.
                let retry_at = self.now.plus(RETRY.after(1, call.key.as_str()));
                handled.call_back_first = self.call_back(&call, &told, retry_at)?;
            }
        }
        Ok(handled)
    }

    fn perform(&self, call: &ProviderCall, forced: Forced) -> Result<Told> {
        match call.action {
            ProviderAction::Authorize => {
                let charge = self.hold(call, forced, "")?;
                if forced.charges_twice() && self.rules.callbacks {
                    let second = self.hold(call, forced, "second")?;
                    self.call_back(call, &second.told(), self.now)?;
                }
                Ok(charge.told())
            }
            ProviderAction::Cancel => self.cancel(call),
            ProviderAction::Capture => {
                self.change(call, Told::refused("charge_unknown"), |charge| charge.capture(call.amount_minor))
            }
            ProviderAction::Void => self.change(call, Told::NOTHING_HELD, Charge::void),
            ProviderAction::Return => {
                let told = self.change(call, Told::NOTHING_HELD, Charge::give_back)?;
                Ok(Told { amount_minor: call.amount_minor, ..told })
            }
            ProviderAction::Refund => self.refund(call),
        }
    }

    /// Makes a charge. Its reference follows from the key, so that a simulation can be repeated.
    fn hold(&self, call: &ProviderCall, forced: Forced, which: &str) -> Result<Charge> {
        let named = digest::digest(&digest::SHA256, format!("{}\n{which}", call.key).as_bytes());
        let short = i64::from(forced == Forced::WrongAmount);
        let charge = Charge {
            reference: id(&format!("ch_{}", &hex(named.as_ref())[..24])),
            order_id: call.order_id.clone(),
            payment_id: call.payment_id.clone(),
            forced,
            state: ChargeState::Authorized,
            amount_minor: call.amount_minor - short,
            refunded_minor: 0,
            currency: call.currency,
        };
        self.rows.put_charge(&charge)?;
        Ok(charge)
    }

    /// Undoes the authorization under the same key. One that never came, or is not done yet, will not be done any
    /// more: whoever asks for it later hears what the cancel left.
    fn cancel(&self, call: &ProviderCall) -> Result<Told> {
        let authorize = ProviderCall { action: ProviderAction::Authorize, ..call.clone() };
        let mut row = self.rows.call(&call.key, ProviderAction::Authorize)?.unwrap_or_else(|| CallRow::new(&authorize));
        let told = match &row.answer {
            None => Told::NOTHING_HELD,
            Some(answer) if answer.state == ProviderState::Declined => {
                return Ok(Told { state: ProviderState::Declined, ..Told::refused("card_declined") });
            }
            Some(answer) => match self.known(answer.reference.as_ref())? {
                Some(mut charge) => {
                    let told = charge.cancel();
                    self.rows.put_charge(&charge)?;
                    told
                }
                None => Told::NOTHING_HELD,
            },
        };
        row.due_at = None;
        self.keep(&mut row, &told)?;
        Ok(told)
    }

    /// A refund that was given under another key is not given again.
    fn refund(&self, call: &ProviderCall) -> Result<Told> {
        let Some(mut charge) = self.known(call.reference.as_ref())? else { return Ok(Told::refused("charge_unknown")) };
        if let Some(refund_id) = &call.refund_id
            && let Some(amount_minor) = self.rows.refunded(charge.reference.as_str(), refund_id)?
        {
            return Ok(Told { state: ProviderState::Refunded, amount_minor, ..charge.told() });
        }
        let told = charge.refund(call.amount_minor);
        if told.state == ProviderState::Refunded {
            self.rows.put_charge(&charge)?;
            let refund_id = call.refund_id.as_ref().unwrap_or(&call.key);
            self.rows.put_refund(charge.reference.as_str(), refund_id, call.amount_minor)?;
        }
        Ok(told)
    }

    fn change(&self, call: &ProviderCall, unknown: Told, act: impl FnOnce(&mut Charge) -> Told) -> Result<Told> {
        let Some(mut charge) = self.known(call.reference.as_ref())? else { return Ok(unknown) };
        let told = act(&mut charge);
        self.rows.put_charge(&charge)?;
        Ok(told)
    }

    /// Whether the call finds money to move.
    fn would_move(&self, call: &ProviderCall) -> Result<bool> {
        let Some(charge) = self.known(call.reference.as_ref())? else { return Ok(false) };
        Ok(match call.action {
            ProviderAction::Authorize | ProviderAction::Cancel => true,
            ProviderAction::Capture | ProviderAction::Void => charge.state == ChargeState::Authorized,
            ProviderAction::Refund => charge.state == ChargeState::Captured,
            ProviderAction::Return => matches!(charge.state, ChargeState::Authorized | ChargeState::Captured),
        })
    }

    fn known(&self, reference: Option<&Arc<str>>) -> Result<Option<Charge>> {
        reference.map_or(Ok(None), |reference| self.rows.charge(reference))
    }

    /// How this call goes: as its order is forced now, else as its charge was when it was made, else by its amount.
    fn forced(&self, call: &ProviderCall) -> Result<Forced> {
        if let Some(forced) = self.rows.forced(&call.order_id)? {
            return Ok(forced);
        }
        if let Some(charge) = self.known(call.reference.as_ref())? {
            return Ok(charge.forced);
        }
        Ok(self.rules.amounts.of(call.amount_minor).unwrap_or_default())
    }

    /// Keeps the answer that is given from now on.
    fn keep(&self, row: &mut CallRow, told: &Told) -> Result<ProviderAnswer> {
        let answer = ProviderAnswer {
            state: told.state,
            reference: told.reference.as_ref().map(Id::shared),
            amount_minor: told.amount_minor,
            reason: told.reason.map(Into::into),
        };
        row.answer = Some(answer.clone());
        self.rows.put_call(row)?;
        Ok(answer)
    }

    /// Tells the shop, where there is anything to tell and anybody to call.
    fn call_back(&self, call: &ProviderCall, told: &Told, due_at: Timestamp) -> Result<Option<i64>> {
        let Some(reference) = told.reference.clone().filter(|_| self.rules.callbacks) else { return Ok(None) };
        let callback = Callback {
            order_id: call.order_id.clone(),
            reference,
            state: told.state,
            amount_minor: told.amount_minor,
            currency: call.currency,
            refund_id: call.refund_id.clone(),
            reason: told.reason.map(Into::into),
        };
        let body =
            serde_json::to_string(&callback).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
        self.to_do.set(true);
        self.rows.add_callback(call, &body, due_at).map(Some)
    }
}

impl Handled {
    fn answered(answer: ProviderAnswer) -> Self {
        Self { answer: Ok(answer), call_back_first: None }
    }

    pub fn unanswered(why: Unanswered) -> Self {
        Self { answer: Err(why), call_back_first: None }
    }
}

/// Whether a key is used for what it was used for before.
fn is_same(before: &ProviderCall, now: &ProviderCall) -> bool {
    let what = |call: &ProviderCall| {
        (call.order_id.clone(), call.payment_id.clone(), call.amount_minor, call.currency, call.refund_id.clone())
    };
    what(before) == what(now)
}
