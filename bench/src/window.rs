//! How many commands are under way at a time: whoever sends more waits. What comes back is counted.

use std::{
    collections::BTreeMap,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

/// A bounded number of commands under way.
pub struct Window {
    size: usize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    under_way: usize,
    /// By problem code.
    refused: BTreeMap<String, u64>,
}

impl Window {
    pub fn new(size: usize) -> Self {
        Self { size: size.max(1), state: Mutex::default(), changed: Condvar::new() }
    }

    /// One more is under way. When the window is full, waits until half of it is free: a batch comes back at once, and
    /// a sender that woke for each of its answers would do little else.
    pub fn enter(&self) {
        let mut state = self.lock();
        if state.under_way >= self.size {
            let more = |state: &mut State| state.under_way > self.size / 2;
            state = self.changed.wait_while(state, more).unwrap_or_else(PoisonError::into_inner);
        }
        state.under_way += 1;
    }

    /// One has come back, perhaps with the code of a problem.
    pub fn leave(&self, refused: Option<&str>) {
        let mut state = self.lock();
        state.under_way -= 1;
        if let Some(code) = refused {
            *state.refused.entry(code.to_owned()).or_default() += 1;
        }
        if state.under_way == self.size / 2 || state.under_way == 0 {
            self.changed.notify_all();
        }
    }

    /// Waits until nothing is under way. Gives what was refused, by problem code.
    pub fn finish(&self) -> BTreeMap<String, u64> {
        let busy = |state: &mut State| state.under_way > 0;
        let mut state = self.changed.wait_while(self.lock(), busy).unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut state.refused)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    };

    use super::*;

    #[test]
    fn no_more_are_under_way_than_fit_and_what_is_refused_is_counted() {
        let (window, most) = (Arc::new(Window::new(4)), Arc::new(AtomicUsize::new(0)));
        let (send, received) = mpsc::channel::<u32>();
        let (back, seen) = (Arc::clone(&window), Arc::clone(&most));
        let answers = std::thread::spawn(move || {
            for number in received {
                seen.fetch_max(back.lock().under_way, Ordering::Relaxed);
                back.leave((number % 10 == 0).then_some("full"));
            }
        });
        for number in 0..100 {
            window.enter();
            send.send(number).unwrap();
        }
        assert_eq!(window.finish(), BTreeMap::from([("full".to_owned(), 10)]));
        drop(send);
        answers.join().unwrap();
        assert!(most.load(Ordering::Relaxed) <= 4);
    }
}
