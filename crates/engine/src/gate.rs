//! A gate around the handlers of a service, with which a simulation lets them fail. A shop that serves has none.

use std::sync::Arc;

use crate::{AnyService, Cause};

/// Stands before and after every run of a handler. Both may unwind: then the handler leaves no trace, as with a panic
/// of its own.
pub trait Gate: Send + Sync + 'static {
    fn before(&self, handling: &Handling<'_>);

    /// The handler has run, and what it wrote does not stand yet. A handler that lacked rows runs again.
    fn after(&self, handling: &Handling<'_>);
}

/// Which handler runs, and for what.
pub struct Handling<'a> {
    pub service: &'static str,
    /// The event, command, timer or job.
    pub message: &'static str,
    pub cause: &'a Cause,
}

impl AnyService {
    /// The same service, whose handlers all go through a gate.
    #[must_use]
    pub fn gated(mut self, gate: &Arc<dyn Gate>) -> Self {
        let service = self.name;
        for (name, run) in &mut self.commands {
            let (gate, inner, message) = (Arc::clone(gate), Arc::clone(run), *name);
            *run = Arc::new(move |work, cause, command| {
                gate.around(&Handling { service, message, cause }, || inner(work, cause, command))
            });
        }
        for reaction in &mut self.reactions {
            let (gate, inner) = (Arc::clone(gate), Arc::clone(&reaction.run));
            reaction.run = Arc::new(move |work, cause, event| {
                gate.around(&Handling { service, message: event.name(), cause }, || inner(work, cause, event))
            });
        }
        for (name, run) in &mut self.timers {
            let (gate, inner, message) = (Arc::clone(gate), Arc::clone(run), *name);
            *run = Arc::new(move |work, cause, key| {
                gate.around(&Handling { service, message, cause }, || inner(work, cause, key))
            });
        }
        for (name, run) in &mut self.finished {
            let (gate, inner, message) = (Arc::clone(gate), Arc::clone(run), *name);
            *run = Arc::new(move |work, cause, result| {
                gate.around(&Handling { service, message, cause }, || inner(work, cause, result))
            });
        }
        self
    }
}

impl dyn Gate {
    fn around<T>(&self, handling: &Handling<'_>, run: impl FnOnce() -> T) -> T {
        self.before(handling);
        let outcome = run();
        self.after(handling);
        outcome
    }
}
