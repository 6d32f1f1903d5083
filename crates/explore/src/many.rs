//! Many scenarios, on several threads.

use std::{
    num::NonZeroUsize,
    ops::ControlFlow,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::{Bounds, Figures, Found, Scenario, explore};

/// What an exploration has come to.
#[derive(Debug, Clone)]
pub struct Explored {
    pub scenario: Scenario,
    pub figures: Figures,
    pub found: Option<Found>,
}

/// Explores scenarios, each on one thread. `watch` is called now and then with the number of a scenario and how far it is;
/// when it breaks off, the one that it is called for ends, and no further one begins: those are left out.
///
/// # Errors
/// As [`explore`].
pub fn explore_many(
    scenarios: &[Scenario],
    bounds: Bounds,
    deaf: &[(String, String)],
    threads: NonZeroUsize,
    watch: &(dyn Fn(usize, &Figures) -> ControlFlow<()> + Sync),
) -> Result<Vec<Explored>, String> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(scenarios.iter().map(|_| None).collect::<Vec<_>>());
    std::thread::scope(|scope| {
        for _ in 0..threads.get().min(scenarios.len()) {
            scope.spawn(|| {
                loop {
                    let nth = next.fetch_add(1, Ordering::Relaxed);
                    let Some(scenario) = scenarios.get(nth) else { return };
                    let result = explore(*scenario, bounds, deaf, &mut |figures| {
                        let goes_on = watch(nth, figures);
                        if goes_on.is_break() {
                            next.store(scenarios.len(), Ordering::Relaxed);
                        }
                        goes_on
                    });
                    results.lock().unwrap_or_else(PoisonError::into_inner)[nth] = Some(result);
                }
            });
        }
    });
    let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    let explored = scenarios.iter().zip(results).filter_map(|(scenario, result)| {
        let explored = |(figures, found)| Explored { scenario: *scenario, figures, found };
        result.map(|result| result.map(explored))
    });
    explored.collect()
}
