//! What can go otherwise than well with a payment, and what decides it: an order that is forced, or its amount.

use std::{collections::BTreeMap, fmt, str::FromStr, time::Duration};

use tradewind_events::{TextEnum, UnknownName, jobs::ProviderAction};

use super::Unanswered;

/// How the simulator treats the payment of an order.
///
/// What needs a callback happens only where the simulator has somebody to call back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, TextEnum)]
pub enum Forced {
    /// Everything is done at once and answered.
    #[default]
    #[text("approved")]
    Approved,
    /// The authorization is declined.
    #[text("declined")]
    Declined,
    /// The money is held, but the first answer is lost.
    #[text("timeout_charged")]
    TimeoutCharged,
    /// The first authorization is lost on its way: nothing is held until it is asked for again.
    #[text("timeout_not_charged")]
    TimeoutNotCharged,
    /// The first authorization under a key is lost on its way, and so is every other.
    #[text("silent")]
    Silent,
    /// Every call fails with 503 the first time, and nothing is done.
    #[text("unavailable")]
    Unavailable,
    /// The answer is `pending` until the shop has taken the callback.
    #[text("callback_only")]
    CallbackOnly,
    /// Besides the answer there are two callbacks that say the same.
    #[text("callback_twice")]
    CallbackTwice,
    /// The callback comes before the answer is given.
    #[text("callback_first")]
    CallbackFirst,
    /// The money is held only after a delay, which a cancel ends; then a callback tells.
    #[text("late")]
    Late,
    /// The same, but a cancel is answered with `pending` until the money is held, and only then lets it go.
    #[text("late_despite_cancel")]
    LateDespiteCancel,
    /// The capture is refused for good.
    #[text("capture_refused")]
    CaptureRefused,
    /// The money is taken, but the first answer is lost.
    #[text("capture_timeout")]
    CaptureTimeout,
    /// The money is taken only after a delay; then a callback tells.
    #[text("capture_late")]
    CaptureLate,
    /// A hold is not let go, for good.
    #[text("void_refused")]
    VoidRefused,
    /// Refunds are refused for good.
    #[text("refund_refused")]
    RefundRefused,
    /// A second charge is made under a second reference, and a callback tells of it.
    #[text("second_charge")]
    SecondCharge,
    /// The same, and the second charge is not given back, for good.
    #[text("return_refused")]
    ReturnRefused,
    /// The authorization is declined; after a delay a callback tells that the money is held all the same.
    #[text("charged_after_decline")]
    ChargedAfterDecline,
    /// One minor unit less is held than was asked for.
    #[text("wrong_amount")]
    WrongAmount,
}

/// What becomes of a call that is not done yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Course {
    /// It is lost on its way: nothing is done.
    Lost(Unanswered),
    Done(Telling),
    /// It is done after a delay.
    Later,
    Declined,
    Refused(&'static str),
}

/// How the shop learns that a call is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Telling {
    Answer,
    AnswerLost,
    CallbackOnly,
    CallbackTwice,
    CallbackFirst,
}

impl Forced {
    /// What becomes of a call that was asked `asked` times before and is not done. A cancel is no part of this: it
    /// says what became of the authorization.
    pub(super) fn course(self, action: ProviderAction, asked: u32) -> Course {
        use ProviderAction::{Authorize, Capture, Refund, Return, Void};
        let first = asked == 0;
        match (self, action) {
            (Self::Declined | Self::ChargedAfterDecline, Authorize) => Course::Declined,
            (Self::TimeoutCharged, Authorize) | (Self::CaptureTimeout, Capture) => Course::Done(Telling::AnswerLost),
            (Self::TimeoutNotCharged, Authorize) if first => Course::Lost(Unanswered::TimedOut),
            (Self::Silent, Authorize) => Course::Lost(Unanswered::TimedOut),
            (Self::Unavailable, _) if first => Course::Lost(Unanswered::Unavailable),
            (Self::CallbackOnly, _) => Course::Done(Telling::CallbackOnly),
            (Self::CallbackTwice, _) => Course::Done(Telling::CallbackTwice),
            (Self::CallbackFirst, _) => Course::Done(Telling::CallbackFirst),
            (Self::Late | Self::LateDespiteCancel, Authorize) | (Self::CaptureLate, Capture) => Course::Later,
            (Self::CaptureRefused, Capture) => Course::Refused("capture_refused"),
            (Self::VoidRefused, Void) => Course::Refused("void_refused"),
            (Self::RefundRefused, Refund) => Course::Refused("refund_refused"),
            (Self::ReturnRefused, Return) => Course::Refused("return_refused"),
            _ => Course::Done(Telling::Answer),
        }
    }

    pub(super) const fn charges_twice(self) -> bool {
        matches!(self, Self::SecondCharge | Self::ReturnRefused)
    }
}

/// Outcomes by the last two digits of the amount that is to be held, in minor units.
///
/// Written as `61=declined,62=timeout_charged`. Nothing is forced by default.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AmountRules(BTreeMap<u8, Forced>);

/// Why a text is no [`AmountRules`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRules {
    #[error("{0:?} is no rule: write the last two digits of an amount and an outcome, such as 61=declined")]
    Malformed(String),
    #[error("{0:02} has two rules")]
    Twice(u8),
    #[error(transparent)]
    UnknownOutcome(#[from] UnknownName),
}

/// The amounts that the demo and the documents use: no usual price ends like that.
const DOCUMENTED: [(u8, Forced); 19] = [
    (60, Forced::Silent),
    (61, Forced::Declined),
    (62, Forced::TimeoutCharged),
    (63, Forced::TimeoutNotCharged),
    (64, Forced::Unavailable),
    (65, Forced::CallbackOnly),
    (66, Forced::CallbackTwice),
    (67, Forced::CallbackFirst),
    (68, Forced::Late),
    (69, Forced::LateDespiteCancel),
    (71, Forced::CaptureRefused),
    (72, Forced::CaptureTimeout),
    (73, Forced::CaptureLate),
    (74, Forced::VoidRefused),
    (75, Forced::RefundRefused),
    (76, Forced::ReturnRefused),
    (77, Forced::SecondCharge),
    (78, Forced::ChargedAfterDecline),
    (79, Forced::WrongAmount),
];

impl AmountRules {
    /// A rule for every outcome: 60 to 69 for the authorization, 71 to 79 for what comes after.
    pub fn documented() -> Self {
        Self(DOCUMENTED.into())
    }

    pub fn rules(&self) -> impl Iterator<Item = (u8, Forced)> {
        self.0.iter().map(|(ending, forced)| (*ending, *forced))
    }

    pub(super) fn of(&self, amount_minor: i64) -> Option<Forced> {
        let ending = u8::try_from(amount_minor.rem_euclid(100)).ok()?;
        self.0.get(&ending).copied()
    }
}

impl FromStr for AmountRules {
    type Err = InvalidRules;

    fn from_str(text: &str) -> Result<Self, InvalidRules> {
        let mut rules = BTreeMap::new();
        for rule in text.split(',').map(str::trim).filter(|rule| !rule.is_empty()) {
            let malformed = || InvalidRules::Malformed(rule.to_owned());
            let (digits, outcome) = rule.split_once('=').ok_or_else(malformed)?;
            let digits = digits.trim();
            if digits.len() != 2 || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
                return Err(malformed());
            }
            let ending = digits.parse().map_err(|_| malformed())?;
            if rules.insert(ending, outcome.trim().parse()?).is_some() {
                return Err(InvalidRules::Twice(ending));
            }
        }
        Ok(Self(rules))
    }
}

impl fmt::Display for AmountRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, (ending, forced)) in self.0.iter().enumerate() {
            write!(f, "{}{ending:02}={forced}", if nth == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

/// What decides how a payment goes.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    pub amounts: AmountRules,
    /// How long what is late takes.
    pub late_after: Duration,
    /// Somebody is called back.
    pub callbacks: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read_as_they_are_written() {
        let written = AmountRules::documented().to_string();
        assert_eq!(written.parse(), Ok(AmountRules::documented()));
        assert_eq!("".parse(), Ok(AmountRules::default()));
        let spaced: AmountRules = " 05=late , 61 = declined,".parse().unwrap();
        assert_eq!(spaced.to_string(), "05=late,61=declined");
        assert_eq!(
            (spaced.of(1_205), spaced.of(61), spaced.of(160)),
            (Some(Forced::Late), Some(Forced::Declined), None)
        );
    }

    #[test]
    fn a_rule_that_is_none_says_why() {
        for (text, why) in [
            ("61", "\"61\" is no rule"),
            ("1=declined", "\"1=declined\" is no rule"),
            ("+1=declined", "\"+1=declined\" is no rule"),
            ("161=declined", "\"161=declined\" is no rule"),
            ("61=declined,61=late", "61 has two rules"),
            ("61=gone", "\"gone\" is none of approved, declined, "),
        ] {
            let error = text.parse::<AmountRules>().unwrap_err().to_string();
            assert!(error.starts_with(why), "{error}");
        }
    }

    #[test]
    fn the_documents_list_every_outcome_with_its_amount() {
        let page = include_str!("../../../../docs/payment-simulator.md");
        let rows: Vec<_> = page.lines().filter(|line| line.contains(" | `")).collect();
        let documented = AmountRules::documented();
        assert_eq!(rows.len(), documented.rules().count() + 1);
        assert!(rows[0].starts_with("| | `approved` |"));
        for ((ending, forced), row) in documented.rules().zip(&rows[1..]) {
            assert!(row.starts_with(&format!("| {ending:02} | `{forced}` |")), "{row}");
        }
    }

    #[test]
    fn every_outcome_has_a_documented_amount() {
        let documented: Vec<_> = AmountRules::documented().rules().map(|(_, forced)| forced).collect();
        for forced in Forced::ALL.iter().filter(|forced| **forced != Forced::Approved) {
            assert!(documented.contains(forced), "{forced}");
        }
    }
}
