//! A charge at a payment provider that is made up, and its rules: what can be done with it as it stands.

use tradewind_events::jobs::{ProviderAction, ProviderState};

/// Money of a customer at the provider, in minor units. All of it is taken at once; it goes back whole or in parts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ProviderCharge {
    amount_minor: i64,
    captured_minor: i64,
    refunded_minor: i64,
    voided: bool,
}

impl ProviderCharge {
    /// Held, and not taken.
    pub const fn authorized(amount_minor: i64) -> Self {
        Self { amount_minor, captured_minor: 0, refunded_minor: 0, voided: false }
    }

    /// Taken at once.
    pub const fn captured(amount_minor: i64) -> Self {
        Self { captured_minor: amount_minor, ..Self::authorized(amount_minor) }
    }

    pub const fn captured_minor(&self) -> i64 {
        self.captured_minor
    }

    pub const fn refunded_minor(&self) -> i64 {
        self.refunded_minor
    }

    /// Authorized, captured, voided, or refunded: as soon as nothing is left of what was taken.
    pub const fn state(&self) -> ProviderState {
        if self.voided {
            ProviderState::Voided
        } else if self.captured_minor == 0 {
            ProviderState::Authorized
        } else if self.refunded_minor < self.captured_minor {
            ProviderState::Captured
        } else {
            ProviderState::Refunded
        }
    }

    /// Lets it go, unless it was taken, and says how it stands then.
    pub const fn cancel(&mut self) -> ProviderState {
        self.voided |= self.captured_minor == 0;
        self.state()
    }

    /// Takes it, lets it go, or gives back of it, and says what came of that for good. A provider that refuses refuses only
    /// what it could do. `None`: it stands so that this cannot be done with it, and nothing has changed. The amount is that
    /// of a refund.
    pub fn change(&mut self, action: ProviderAction, amount_minor: i64, refuses: bool) -> Option<ProviderState> {
        let decided = match (action, self.state()) {
            (ProviderAction::Capture | ProviderAction::Void, ProviderState::Authorized)
            | (ProviderAction::Refund, ProviderState::Captured)
            | (ProviderAction::Return, ProviderState::Authorized | ProviderState::Captured)
                if refuses =>
            {
                ProviderState::Refused
            }
            (ProviderAction::Capture, ProviderState::Authorized) => {
                self.captured_minor = self.amount_minor;
                ProviderState::Captured
            }
            (ProviderAction::Void, ProviderState::Authorized) => {
                self.voided = true;
                ProviderState::Voided
            }
            (ProviderAction::Refund, ProviderState::Captured) => {
                if self.refunded_minor + amount_minor > self.captured_minor {
                    ProviderState::Refused
                } else {
                    self.refunded_minor += amount_minor;
                    ProviderState::Refunded
                }
            }
            (ProviderAction::Refund, ProviderState::Refunded) => ProviderState::Refused,
            (ProviderAction::Return, ProviderState::Authorized) => {
                self.voided = true;
                ProviderState::Returned
            }
            (ProviderAction::Return, ProviderState::Captured) => {
                self.refunded_minor = self.captured_minor;
                ProviderState::Returned
            }
            _ => return None,
        };
        Some(decided)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_can_be_taken_once_and_given_back_once() {
        let mut charge = ProviderCharge::authorized(100);
        assert_eq!(charge.change(ProviderAction::Refund, 1, false), None);
        assert_eq!(charge.change(ProviderAction::Capture, 0, false), Some(ProviderState::Captured));
        assert_eq!(charge.change(ProviderAction::Capture, 0, false), None);
        assert_eq!(charge, ProviderCharge::captured(100));
        assert_eq!(charge.change(ProviderAction::Refund, 60, false), Some(ProviderState::Refunded));
        assert_eq!(charge.change(ProviderAction::Refund, 41, false), Some(ProviderState::Refused));
        assert_eq!((charge.state(), charge.refunded_minor()), (ProviderState::Captured, 60));
        assert_eq!(charge.change(ProviderAction::Refund, 40, false), Some(ProviderState::Refunded));
        assert_eq!(charge.state(), ProviderState::Refunded);
        assert_eq!(charge.change(ProviderAction::Refund, 1, false), Some(ProviderState::Refused));
        assert_eq!(charge.change(ProviderAction::Return, 0, false), None);
    }

    #[test]
    fn what_is_let_go_stays_so() {
        let mut charge = ProviderCharge::authorized(100);
        assert_eq!(charge.change(ProviderAction::Void, 0, false), Some(ProviderState::Voided));
        for action in [ProviderAction::Capture, ProviderAction::Void, ProviderAction::Refund, ProviderAction::Return] {
            assert_eq!(charge.change(action, 1, false), None);
        }
        assert_eq!((charge.cancel(), charge.captured_minor()), (ProviderState::Voided, 0));
    }

    #[test]
    fn a_cancel_and_a_return_undo_what_there_is() {
        let (mut held, mut taken) = (ProviderCharge::authorized(100), ProviderCharge::captured(100));
        assert_eq!((held.clone().cancel(), taken.cancel()), (ProviderState::Voided, ProviderState::Captured));
        for charge in [&mut held, &mut taken] {
            assert_eq!(charge.change(ProviderAction::Return, 0, false), Some(ProviderState::Returned));
        }
        assert_eq!((held.state(), taken.state()), (ProviderState::Voided, ProviderState::Refunded));
    }

    #[test]
    fn a_provider_refuses_only_what_it_could_do() {
        let mut charge = ProviderCharge::authorized(100);
        assert_eq!(charge.change(ProviderAction::Refund, 1, true), None);
        assert_eq!(charge.change(ProviderAction::Capture, 0, true), Some(ProviderState::Refused));
        assert_eq!(charge, ProviderCharge::authorized(100));
    }
}
