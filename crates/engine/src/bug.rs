//! Bugs that are put in on purpose, one at a time, to prove that tests see them. Only a build with the feature
//! `injected-bugs` can have any; in every other one the question is a constant, and its branch is not there.

#[cfg(feature = "injected-bugs")]
mod chosen {
    use std::cell::Cell;

    thread_local! {
        static CHOSEN: Cell<Option<&'static str>> = const { Cell::new(None) };
    }

    /// Whether this thread has the bug of this name.
    pub fn injected(bug: &str) -> bool {
        CHOSEN.get() == Some(bug)
    }

    /// Puts one bug in, or takes out the one that is in, for all that this thread does from now on.
    pub fn inject(bug: Option<&'static str>) {
        CHOSEN.set(bug);
    }
}

#[cfg(feature = "injected-bugs")]
pub use chosen::{inject, injected};

/// Whether this thread has the bug of this name.
#[cfg(not(feature = "injected-bugs"))]
pub const fn injected(_bug: &str) -> bool {
    false
}
