//! What happens, one line a step, when somebody wants to read it.

use std::sync::{Arc, Mutex, PoisonError};

use tradewind_events::Timestamp;
use tradewind_memory::ManualClock;

/// Clones write to the same page. Without one, nothing is formatted.
#[derive(Clone)]
pub struct Trace(Option<Arc<Page>>);

struct Page {
    clock: ManualClock,
    began: Timestamp,
    lines: Mutex<Vec<String>>,
}

impl Trace {
    pub fn new(clock: &ManualClock, wanted: bool) -> Self {
        let page = || Page { clock: clock.clone(), began: clock.true_time(), lines: Mutex::default() };
        Self(wanted.then(|| Arc::new(page())))
    }

    pub fn note(&self, line: impl FnOnce() -> String) {
        if let Some(page) = &self.0 {
            let at = after(page.clock.true_time(), page.began);
            let line = format!("{at}  {}", line());
            page.lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        }
    }

    pub fn take(&self) -> Vec<String> {
        let lines = self.0.as_ref().map(|page| page.lines.lock().unwrap_or_else(PoisonError::into_inner));
        lines.map(|mut lines| std::mem::take(&mut *lines)).unwrap_or_default()
    }
}

/// A time since the beginning: `00:12:03.250`.
pub fn after(at: Timestamp, began: Timestamp) -> String {
    let millis = at.since(began).as_millis();
    let (hours, minutes, seconds) = (millis / 3_600_000, millis / 60_000 % 60, millis / 1_000 % 60);
    format!("{hours:02}:{minutes:02}:{seconds:02}.{:03}", millis % 1_000)
}
