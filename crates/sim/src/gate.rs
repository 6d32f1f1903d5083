//! The gate around every handler: some of them panic, before they have done anything or after.

use std::panic::resume_unwind;

use tradewind_engine::{Gate, Handling};

use crate::{
    fault::{Fault, Faults},
    trace::Trace,
};

/// Around the handlers of every service of every store.
pub struct Panics {
    pub faults: Faults,
    pub trace: Trace,
}

impl Panics {
    fn strike(&self, handling: &Handling<'_>, when: &str) {
        if self.faults.strike(Fault::HandlerPanics) {
            let (service, message) = (handling.service, handling.message);
            self.trace.note(|| format!("{service} panics {when} {message} ({})", handling.cause.id));
            // Unwinds as a panic does, without the hook that prints.
            resume_unwind(Box::new(format!("simulated, {when} {message}")));
        }
    }
}

impl Gate for Panics {
    fn before(&self, handling: &Handling<'_>) {
        self.strike(handling, "before");
    }

    fn after(&self, handling: &Handling<'_>) {
        self.strike(handling, "after");
    }
}
