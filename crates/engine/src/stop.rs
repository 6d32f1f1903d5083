//! Why a handler ends without an effect: it was refused, it is too early, or something is broken.

use std::{borrow::Cow, fmt};

use crate::EntityRef;

/// What a reaction returns.
pub type Outcome = Result<(), Stop>;

/// What a command returns.
pub type Answer<T> = Result<T, Stop>;

/// Why a handler left no trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// Rows must be loaded first; the loop does it and runs the handler again. Only the unit of work says so.
    Missing,
    /// This row does not exist yet: another event will create it. An event is parked, a timer or the outcome of a job
    /// is retried later, and a command is refused as unavailable.
    NotYet(EntityRef),
    /// The service refuses the command, and the client gets this problem. For any other message it is a failure like
    /// [`Stop::Broken`].
    Refused(Problem),
    /// A defect or damaged data. An event or a timer becomes a dead letter, a job is exhausted, and a command is
    /// answered with an internal error.
    Broken(String),
}

impl Stop {
    pub fn broken(what: impl fmt::Display) -> Self {
        Self::Broken(what.to_string())
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("a row is not loaded yet"),
            Self::NotYet(row) => write!(f, "{row} is not there yet"),
            Self::Refused(problem) => fmt::Display::fmt(problem, f),
            Self::Broken(reason) => f.write_str(reason),
        }
    }
}

impl From<Problem> for Stop {
    fn from(problem: Problem) -> Self {
        Self::Refused(problem)
    }
}

impl From<tradewind_events::AmountOverflow> for Stop {
    fn from(overflow: tradewind_events::AmountOverflow) -> Self {
        Self::Refused(AMOUNT_TOO_LARGE.because(overflow))
    }
}

/// A kind of refusal: a stable code with a page in docs/. Declare each as a constant beside the model that refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// Stable, snake case, unique in the product.
    pub code: &'static str,
    pub kind: RefusalKind,
    /// The same for every occurrence: one short sentence.
    pub title: &'static str,
}

/// What kind of refusal it is; the HTTP edge makes a status of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalKind {
    /// The request itself can never work (422).
    Invalid,
    /// Who asks has not shown who they are (401).
    Unauthenticated,
    /// Who asks may not (403).
    Forbidden,
    /// What it is about is not there (404).
    NotFound,
    /// It does not fit the present state (409).
    Conflict,
    /// Too often or too much; it may work later (429).
    TooMany,
    /// The system cannot take it now; it may work later (503).
    Unavailable,
    /// Another process of the shop answers this (421).
    Misdirected,
    /// A defect of ours (500).
    Internal,
}

/// One refusal: what a caller is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub refusal: Refusal,
    /// This occurrence, as a sentence for a person.
    pub detail: String,
    /// The field at fault, as a path in the request: `lines[3].quantity`.
    pub field: Option<Cow<'static, str>>,
}

/// A sum left the range of 64 bits.
pub const AMOUNT_TOO_LARGE: Refusal =
    Refusal::invalid("amount_too_large", "An amount is larger than the system can carry.");

impl Refusal {
    pub const fn new(code: &'static str, kind: RefusalKind, title: &'static str) -> Self {
        Self { code, kind, title }
    }

    pub const fn invalid(code: &'static str, title: &'static str) -> Self {
        Self::new(code, RefusalKind::Invalid, title)
    }

    pub const fn conflict(code: &'static str, title: &'static str) -> Self {
        Self::new(code, RefusalKind::Conflict, title)
    }

    pub const fn not_found(code: &'static str, title: &'static str) -> Self {
        Self::new(code, RefusalKind::NotFound, title)
    }

    /// This refusal, with what was the matter this time.
    pub fn because(self, detail: impl fmt::Display) -> Problem {
        Problem { refusal: self, detail: detail.to_string(), field: None }
    }

    /// This refusal, where its title says it all.
    pub fn problem(self) -> Problem {
        self.because(self.title)
    }
}

impl Problem {
    #[must_use]
    pub fn at(mut self, field: impl Into<Cow<'static, str>>) -> Self {
        self.field = Some(field.into());
        self
    }

    pub const fn code(&self) -> &'static str {
        self.refusal.code
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.refusal.code, self.detail)
    }
}

impl std::error::Error for Problem {}

/// `uow.get::<Stock>(id)?.or_refuse(|| UNKNOWN_SKU.because(sku))?`
pub trait OrRefuse<T> {
    fn or_refuse(self, problem: impl FnOnce() -> Problem) -> Result<T, Stop>;
}

impl<T> OrRefuse<T> for Option<T> {
    fn or_refuse(self, problem: impl FnOnce() -> Problem) -> Result<T, Stop> {
        self.ok_or_else(|| Stop::Refused(problem()))
    }
}
