//! Turns to read the store: so many reads run at a time, and one caller leaves one of them to others, however many it has
//! under way and however long they take. Who waits for a turn waits behind no more than that of each other caller.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustc_hash::FxHashMap;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use tradewind_events::Id;

use super::{address::Client, places::Caller};
use crate::config::Ratio;

/// Turns of one kind. Clones share them.
#[derive(Clone)]
pub struct Reads(Arc<Inner>);

struct Inner {
    all: Arc<Semaphore>,
    caller_max: usize,
    /// Of those who read or wait to.
    by_caller: Mutex<FxHashMap<Caller, Arc<Semaphore>>>,
}

/// On whose behalf a read is: it counts for the address and for the user or service client. Nobody: for the shop.
#[derive(Debug, Clone, Default)]
pub struct ReadsFor([Option<Caller>; 2]);

/// A turn. Dropping it ends it.
pub struct Turn {
    _all: OwnedSemaphorePermit,
    _shares: [Option<Share>; 2],
}

/// Of one caller, held or waited for.
struct Share {
    reads: Reads,
    caller: Caller,
    turns: Arc<Semaphore>,
    is_held: bool,
}

impl ReadsFor {
    pub fn caller(client: Client, principal: Option<&Id>) -> Self {
        Self([Some(Caller::Address(client)), principal.cloned().map(Caller::Principal)])
    }
}

impl Reads {
    /// With a share of 1 a caller may have all turns.
    pub fn new(max: usize, caller_share: Ratio) -> Self {
        let caller_max = if caller_share.of(max) >= max { max } else { max - 1 };
        let all = Arc::new(Semaphore::new(max));
        Self(Arc::new(Inner { all, caller_max: caller_max.max(1), by_caller: Mutex::default() }))
    }

    /// Waits for a turn.
    ///
    /// # Panics
    /// Never: nobody closes the turns.
    pub async fn turn(&self, whose: &ReadsFor) -> Turn {
        let mut shares = self.shares(whose);
        for share in shares.iter_mut().flatten() {
            let turns = Arc::clone(&share.turns);
            share.holds(turns.acquire().await.expect("nobody closes them"));
        }
        let all = Arc::clone(&self.0.all).acquire_owned().await.expect("nobody closes them");
        Turn { _all: all, _shares: shares }
    }

    /// A turn, if there is one at once.
    pub fn try_turn(&self, whose: &ReadsFor) -> Option<Turn> {
        let mut shares = self.shares(whose);
        for share in shares.iter_mut().flatten() {
            let turns = Arc::clone(&share.turns);
            share.holds(turns.try_acquire().ok()?);
        }
        let all = Arc::clone(&self.0.all).try_acquire_owned().ok()?;
        Some(Turn { _all: all, _shares: shares })
    }

    fn shares(&self, whose: &ReadsFor) -> [Option<Share>; 2] {
        let mut by_caller = self.by_caller();
        whose.0.clone().map(|caller| {
            let caller = caller?;
            let turns = by_caller.entry(caller.clone()).or_insert_with(|| Arc::new(Semaphore::new(self.0.caller_max)));
            Some(Share { reads: self.clone(), turns: Arc::clone(turns), caller, is_held: false })
        })
    }

    fn by_caller(&self) -> MutexGuard<'_, FxHashMap<Caller, Arc<Semaphore>>> {
        self.0.by_caller.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Share {
    /// From now on this gives the permit back.
    fn holds(&mut self, permit: SemaphorePermit<'_>) {
        permit.forget();
        self.is_held = true;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if self.is_held {
            self.turns.add_permits(1);
        }
        let mut by_caller = self.reads.by_caller();
        // The map's, and this one. Others are made under the lock alone.
        if Arc::strong_count(&self.turns) == 2 {
            by_caller.remove(&self.caller);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use tradewind_events::id;

    use super::*;
    use crate::config::{Config, Flags, Layers};

    fn caller(last: u8, principal: Option<&str>) -> ReadsFor {
        ReadsFor::caller(Client(IpAddr::from([10, 0, 0, last])), principal.map(id).as_ref())
    }

    fn four(caller_share: &str) -> Reads {
        let flags = Flags::of([("caller_share", caller_share.to_owned())]);
        let config = Config::load(&Layers::new(flags, std::collections::BTreeMap::new()).unwrap()).unwrap();
        Reads::new(4, config.caller_share)
    }

    #[test]
    fn one_address_or_principal_leaves_a_turn_to_others() {
        for callers in [[1, 1, 1, 1], [1, 2, 3, 4]] {
            let reads = four("0.25");
            let mut held: Vec<Turn> =
                (0..3).map(|nth| reads.try_turn(&caller(callers[nth], Some("ada"))).unwrap()).collect();
            assert!(reads.try_turn(&caller(callers[3], Some("ada"))).is_none());
            held.push(reads.try_turn(&caller(9, Some("bob"))).unwrap());
            assert!(reads.try_turn(&ReadsFor::default()).is_none(), "all are taken");
            held.clear();
            assert!(reads.by_caller().is_empty(), "nothing is kept of callers who do not read");
        }
    }

    #[test]
    fn with_a_share_of_one_a_caller_may_have_all_turns() {
        let reads = four("1");
        let held: Vec<Turn> = (0..4).filter_map(|_| reads.try_turn(&caller(1, None))).collect();
        assert_eq!(held.len(), 4);
    }

    #[tokio::test]
    async fn who_waits_in_vain_takes_nothing_along() {
        let reads = four("0.25");
        let held: Vec<Turn> = (0..3).map(|_| reads.try_turn(&caller(1, None)).unwrap()).collect();
        let whose = caller(1, Some("ada"));
        tokio::select! {
            biased;
            _turn = reads.turn(&whose) => panic!("it has its share"),
            () = std::future::ready(()) => {}
        }
        drop(held);
        assert!(reads.by_caller().is_empty());
        assert_eq!((0..4).filter_map(|_| reads.try_turn(&caller(1, None))).count(), 4, "each is given back at once");
    }
}
