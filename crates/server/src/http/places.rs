//! Bounded places: how many requests, waits or streams there may be at once, and how many of them one caller may hold.
//! A caller is counted twice, as an address and as a user or service client, so that neither can take everything. When
//! all places are taken, one whose holder waits for its client goes to a caller who holds less.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use rustc_hash::FxHashMap;
use tokio::sync::Notify;
use tradewind_events::Id;

use super::{
    address::Client,
    problem::Failure,
    refusals::{CONCURRENCY_LIMITED, OVERLOADED},
};
use crate::config::Ratio;

/// Places of one kind. Clones share them.
#[derive(Clone)]
pub struct Places(Arc<Inner>);

struct Inner {
    /// What the places are for, as texts name it: `requests`.
    what: &'static str,
    max: usize,
    caller_max: usize,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    total: usize,
    by_caller: FxHashMap<Caller, usize>,
    next: u64,
    /// Places whose holders wait for their clients: their addresses, and how to tell them. By number, the oldest first.
    waiting: BTreeMap<u64, (Caller, Arc<Notify>)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Caller {
    Address(Client),
    Principal(Id),
}

/// A place that is held. Dropping it frees it.
pub struct Place {
    places: Places,
    address: Caller,
    principal: Option<Caller>,
}

/// A place whose holder waits for its client: until this is dropped the place may be given to another caller.
pub struct Waiting {
    places: Places,
    number: u64,
    taken: Arc<Notify>,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoPlace {
    /// All places are taken.
    Full,
    /// The caller holds its share.
    Share,
}

impl Places {
    pub fn new(what: &'static str, max: usize, caller_share: Ratio) -> Self {
        let caller_max = caller_share.of(max).max(1);
        Self(Arc::new(Inner { what, max, caller_max, held: Mutex::default() }))
    }

    /// Takes a place for a caller.
    pub fn take(&self, client: Client, principal: Option<&Id>) -> Result<Place, NoPlace> {
        let address = Caller::Address(client);
        let principal = principal.cloned().map(Caller::Principal);
        let mut held = self.lock();
        let holds = |caller: &Caller| held.by_caller.get(caller).copied().unwrap_or_default() >= self.0.caller_max;
        if holds(&address) || principal.as_ref().is_some_and(holds) {
            return Err(NoPlace::Share);
        }
        if held.total >= self.0.max && !held.takes_from_who_has_more_than(&address) {
            return Err(NoPlace::Full);
        }
        held.total += 1;
        for caller in [Some(&address), principal.as_ref()].into_iter().flatten() {
            *held.by_caller.entry(caller.clone()).or_default() += 1;
        }
        drop(held);
        Ok(Place { places: self.clone(), address, principal })
    }

    /// The same, as a request is told.
    pub fn admit(&self, client: Client, principal: Option<&Id>) -> Result<Place, Failure> {
        self.take(client, principal).map_err(|error| self.refusal(error))
    }

    /// How many places are held.
    pub fn held(&self) -> usize {
        self.lock().total
    }

    /// How many of them are held by callers who wait for their clients.
    pub fn waiting(&self) -> usize {
        self.lock().waiting.len()
    }

    fn refusal(&self, error: NoPlace) -> Failure {
        let Inner { what, max, caller_max, .. } = *self.0;
        match error {
            NoPlace::Full => OVERLOADED.because(format!("All {max} places for {what} are taken.")),
            NoPlace::Share => CONCURRENCY_LIMITED
                .because(format!("One address, and one user or client, may have {caller_max} {what} at a time.")),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Held> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// Ends one that waits for its client: the oldest of the address that holds the most, if that is more than this
    /// address holds. It leaves as soon as it runs; until then there is one more than there should be.
    fn takes_from_who_has_more_than(&mut self, address: &Caller) -> bool {
        let holds = |caller: &Caller| self.by_caller.get(caller).copied().unwrap_or_default();
        let ranked = self.waiting.iter().map(|(number, (caller, _))| (holds(caller), std::cmp::Reverse(*number)));
        let largest = ranked.max().filter(|(most, _)| *most > holds(address));
        let Some((_, std::cmp::Reverse(number))) = largest else { return false };
        if let Some((_, taken)) = self.waiting.remove(&number) {
            taken.notify_one();
        }
        true
    }
}

impl Place {
    /// From now on the holder waits for its client.
    pub fn waits(&self) -> Waiting {
        let taken = Arc::new(Notify::new());
        let mut held = self.places.lock();
        held.next += 1;
        let number = held.next;
        held.waiting.insert(number, (self.address.clone(), Arc::clone(&taken)));
        drop(held);
        Waiting { places: self.places.clone(), number, taken }
    }
}

impl Waiting {
    /// Waits until another caller has got the place.
    pub async fn taken(&self) {
        self.taken.notified().await;
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.places.lock().waiting.remove(&self.number);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.places.lock();
        held.total -= 1;
        for caller in [Some(&self.address), self.principal.as_ref()].into_iter().flatten() {
            if let Some(count) = held.by_caller.get_mut(caller) {
                *count -= 1;
                if *count == 0 {
                    held.by_caller.remove(caller);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use tradewind_events::id;

    use super::*;

    fn address(last: u8) -> Client {
        Client(IpAddr::from([10, 0, 0, last]))
    }

    fn four_with_a_share_of_two() -> Places {
        use crate::config::{Config, Flags, Layers};
        let flags = Flags::of([("caller_share", String::from("0.5"))]);
        let config = Config::load(&Layers::new(flags, std::collections::BTreeMap::new()).unwrap()).unwrap();
        Places::new("requests", 4, config.caller_share)
    }

    #[test]
    fn one_caller_holds_its_share_and_the_others_have_the_rest() {
        let places = four_with_a_share_of_two();
        let mut held: Vec<Place> = (0..2).map(|_| places.take(address(1), None).unwrap()).collect();
        assert_eq!(places.take(address(1), None).err(), Some(NoPlace::Share));
        held.push(places.take(address(2), None).unwrap());
        held.push(places.take(address(3), None).unwrap());
        assert_eq!(places.take(address(4), None).err(), Some(NoPlace::Full));
        held.clear();
        assert_eq!(places.held(), 0);
        assert!(places.lock().by_caller.is_empty(), "nothing is kept of callers who hold nothing");
    }

    #[tokio::test]
    async fn a_place_that_waits_for_its_client_goes_to_whoever_holds_less() {
        let places = four_with_a_share_of_two();
        let held: Vec<Place> = [1, 1, 2, 2].map(|last| places.take(address(last), None).unwrap()).into();
        assert_eq!(places.take(address(3), None).err(), Some(NoPlace::Full), "nobody waits");
        let (first, _second) = (held[0].waits(), held[1].waits());
        let third = places.take(address(3), None).unwrap();
        first.taken().await;
        assert_eq!(places.waiting(), 1);
        drop((first, held, third));
        assert_eq!((places.held(), places.waiting()), (0, 1));
    }

    #[test]
    fn a_principal_holds_its_share_wherever_it_calls_from() {
        let places = four_with_a_share_of_two();
        let ada = id("ada");
        let held: Vec<Place> = (1..3).map(|last| places.take(address(last), Some(&ada)).unwrap()).collect();
        assert_eq!(places.take(address(3), Some(&ada)).err(), Some(NoPlace::Share));
        assert!(places.take(address(3), Some(&id("bob"))).is_ok());
        drop(held);
        assert!(places.take(address(3), Some(&ada)).is_ok());
    }
}
