//! A charge and what may be done with it. Pure: every transition says what the provider answers.

use tradewind_events::{Currency, Id, TextEnum, jobs::ProviderState};

use super::Forced;

/// Money that the provider holds, has taken or has given back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// The provider's own name for it.
    pub reference: Id,
    pub order_id: Id,
    pub payment_id: Id,
    /// How it was forced to go when it was made.
    pub forced: Forced,
    pub state: ChargeState,
    pub amount_minor: i64,
    /// What was given back of what was taken.
    pub refunded_minor: i64,
    pub currency: Currency,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, TextEnum)]
pub enum ChargeState {
    /// The money is held.
    #[text("authorized")]
    Authorized,
    /// It is taken, and maybe given back in part.
    #[text("captured")]
    Captured,
    /// It was held, and let go.
    #[text("voided")]
    Voided,
    /// It was taken, and all of it given back.
    #[text("refunded")]
    Refunded,
    /// It was surplus, and given back.
    #[text("returned")]
    Returned,
}

/// What became of something that was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    pub state: ProviderState,
    pub reference: Option<Id>,
    pub amount_minor: i64,
    pub reason: Option<&'static str>,
}

impl Told {
    pub const NOTHING_HELD: Self =
        Self { state: ProviderState::NothingHeld, reference: None, amount_minor: 0, reason: None };

    pub const fn refused(reason: &'static str) -> Self {
        Self { state: ProviderState::Refused, reference: None, amount_minor: 0, reason: Some(reason) }
    }
}

impl Charge {
    /// What was taken, whether or not it was given back. Surplus was never taken for anything, so it counts as none.
    pub const fn captured_minor(&self) -> i64 {
        match self.state {
            ChargeState::Captured | ChargeState::Refunded => self.amount_minor,
            ChargeState::Authorized | ChargeState::Voided | ChargeState::Returned => 0,
        }
    }

    /// Where it stands.
    pub(super) fn told(&self) -> Told {
        let state = match self.state {
            ChargeState::Authorized => ProviderState::Authorized,
            ChargeState::Captured => ProviderState::Captured,
            ChargeState::Voided => ProviderState::Voided,
            ChargeState::Refunded => ProviderState::Refunded,
            ChargeState::Returned => ProviderState::Returned,
        };
        Told { state, reference: Some(self.reference.clone()), amount_minor: self.amount_minor, reason: None }
    }

    /// Takes all that is held. What is taken is not taken twice, whoever asks under whatever key.
    pub(super) fn capture(&mut self, amount_minor: i64) -> Told {
        if self.state == ChargeState::Authorized {
            if amount_minor != self.amount_minor {
                return self.refuse("amount_differs");
            }
            self.state = ChargeState::Captured;
        }
        self.told()
    }

    pub(super) fn void(&mut self) -> Told {
        if self.state == ChargeState::Authorized {
            self.state = ChargeState::Voided;
        }
        self.told()
    }

    /// Gives a part or all of what was taken back.
    pub(super) fn refund(&mut self, amount_minor: i64) -> Told {
        if !matches!(self.state, ChargeState::Captured | ChargeState::Refunded) {
            return self.refuse("not_captured");
        }
        if amount_minor <= 0 || amount_minor > self.amount_minor - self.refunded_minor {
            return self.refuse("amount_too_large");
        }
        self.refunded_minor += amount_minor;
        if self.refunded_minor == self.amount_minor {
            self.state = ChargeState::Refunded;
        }
        Told { state: ProviderState::Refunded, amount_minor, ..self.told() }
    }

    /// Gives all of it back, whether it was held or taken: it came for no reason.
    pub(super) fn give_back(&mut self) -> Told {
        if matches!(self.state, ChargeState::Authorized | ChargeState::Captured) {
            self.state = ChargeState::Returned;
        }
        self.told()
    }

    /// Undoes the authorization that made it. Surplus that went back is held no more, and never was the payment's.
    pub(super) fn cancel(&mut self) -> Told {
        if self.state == ChargeState::Returned { Told::NOTHING_HELD } else { self.void() }
    }

    pub(super) fn refuse(&self, reason: &'static str) -> Told {
        Told { reference: Some(self.reference.clone()), ..Told::refused(reason) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};
    use tradewind_events::id;

    use super::*;

    fn charge(amount_minor: i64) -> Charge {
        Charge {
            reference: id("ch_1"),
            order_id: id("order-1"),
            payment_id: id("payment-1"),
            forced: Forced::Approved,
            state: ChargeState::Authorized,
            amount_minor,
            refunded_minor: 0,
            currency: "EUR".parse().unwrap(),
        }
    }

    fn said(told: &Told) -> (ProviderState, i64, Option<&str>) {
        (told.state, told.amount_minor, told.reason)
    }

    #[test]
    fn money_is_taken_once_and_given_back_once() {
        let mut charge = charge(100);
        assert_eq!(said(&charge.refund(10)), (ProviderState::Refused, 0, Some("not_captured")));
        assert_eq!(said(&charge.capture(99)), (ProviderState::Refused, 0, Some("amount_differs")));
        assert_eq!(said(&charge.capture(100)), (ProviderState::Captured, 100, None));
        assert_eq!(said(&charge.capture(100)), (ProviderState::Captured, 100, None));
        assert_eq!(said(&charge.void()), (ProviderState::Captured, 100, None));
        assert_eq!(said(&charge.refund(30)), (ProviderState::Refunded, 30, None));
        assert_eq!(said(&charge.refund(71)), (ProviderState::Refused, 0, Some("amount_too_large")));
        assert_eq!(charge.state, ChargeState::Captured);
        assert_eq!(said(&charge.refund(70)), (ProviderState::Refunded, 70, None));
        assert_eq!((charge.state, charge.refunded_minor), (ChargeState::Refunded, 100));
        assert_eq!(said(&charge.refund(1)), (ProviderState::Refused, 0, Some("amount_too_large")));
        assert_eq!(said(&charge.capture(100)), (ProviderState::Refunded, 100, None));
    }

    proptest! {
        #[test]
        fn whatever_is_asked_no_more_goes_back_than_was_taken(asked in vec((0..5_u8, 0..120_i64), 0..30)) {
            let mut charge = charge(100);
            let (mut taken, mut given) = (false, 0);
            for (action, amount) in asked {
                let before = charge.state;
                let told = match action {
                    0 => charge.capture(amount),
                    1 => charge.void(),
                    2 => charge.refund(amount),
                    3 => charge.give_back(),
                    _ => charge.cancel(),
                };
                taken |= before != ChargeState::Captured && charge.state == ChargeState::Captured;
                if action == 2 && told.state == ProviderState::Refunded {
                    given += told.amount_minor;
                }
                prop_assert_eq!(given, charge.refunded_minor);
                prop_assert!(given == 0 || taken);
                prop_assert!(charge.refunded_minor <= charge.amount_minor);
                prop_assert!(charge.refunded_minor <= charge.captured_minor() || charge.state == ChargeState::Returned);
                prop_assert!(before == ChargeState::Authorized || charge.state != ChargeState::Authorized);
            }
        }
    }
}
