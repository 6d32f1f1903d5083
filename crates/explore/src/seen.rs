//! The situations that were met, in as few bytes as tell them apart: 64 bits of each.
//!
//! Of a hundred million situations, one in some thousand explorations takes two for the same.

use crate::stores::{index, number};

/// Met situations, numbered from 0 in the order in which they were met.
pub struct Seen {
    length: usize,
    /// Each in the first free place behind its own. A power of two of them.
    fingerprints: Vec<u64>,
    /// Beside them, because they are rarely asked for: which place a look-up goes to is what it costs.
    numbers: Vec<u32>,
}

/// No fingerprint.
const FREE: u64 = 0;

/// Places at first.
const PLACES_MIN: usize = 1 << 10;

impl Seen {
    pub fn new() -> Self {
        Self { length: 0, fingerprints: vec![FREE; PLACES_MIN], numbers: vec![0; PLACES_MIN] }
    }

    pub fn len(&self) -> usize {
        self.length
    }

    /// The number of a situation, if it was met.
    pub fn find(&self, state: &[u32]) -> Option<u32> {
        let place = self.place(fingerprint(state));
        (self.fingerprints[place] != FREE).then(|| self.numbers[place])
    }

    /// The number of a situation, and whether it was not met before.
    pub fn insert(&mut self, state: &[u32]) -> (u32, bool) {
        if self.length >= self.numbers.len() / 4 * 3 {
            self.grow();
        }
        let fingerprint = fingerprint(state);
        let place = self.place(fingerprint);
        if self.fingerprints[place] != FREE {
            return (self.numbers[place], false);
        }
        let new = number(self.length);
        (self.fingerprints[place], self.numbers[place]) = (fingerprint, new);
        self.length += 1;
        (new, true)
    }

    /// Where a fingerprint is, or the free place where it belongs.
    fn place(&self, fingerprint: u64) -> usize {
        let mask = self.fingerprints.len() - 1;
        let mut place = index(u32::try_from(fingerprint >> 32).unwrap_or_default()) & mask;
        while ![FREE, fingerprint].contains(&self.fingerprints[place]) {
            place = (place + 1) & mask;
        }
        place
    }

    fn grow(&mut self) {
        let places = self.numbers.len() * 2;
        let fingerprints = std::mem::replace(&mut self.fingerprints, vec![FREE; places]);
        let numbers = std::mem::replace(&mut self.numbers, vec![0; places]);
        for (fingerprint, number) in fingerprints.into_iter().zip(numbers).filter(|(known, _)| *known != FREE) {
            let place = self.place(fingerprint);
            (self.fingerprints[place], self.numbers[place]) = (fingerprint, number);
        }
    }
}

/// The finalizer of `SplitMix64`, over two words at a time.
fn fingerprint(state: &[u32]) -> u64 {
    let mut mixed = state.len() as u64;
    for pair in state.chunks(2) {
        let words = pair.iter().fold(0, |words, word| words << 32 | u64::from(*word));
        mixed = (mixed ^ words).wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
    }
    mixed.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_situation_has_one_number_however_many_there_are() {
        let mut seen = Seen::new();
        let states = || (0..100_000_u32).map(|nth| [nth % 7, nth, nth / 3]);
        for (nth, state) in (0..).zip(states()) {
            assert_eq!(seen.find(&state), None);
            assert_eq!(seen.insert(&state), (nth, true));
        }
        for (nth, state) in (0..).zip(states()) {
            assert_eq!((seen.insert(&state), seen.find(&state)), ((nth, false), Some(nth)));
        }
        assert_eq!(seen.len(), 100_000);
        assert_eq!((seen.find(&[1]), seen.find(&[1, 0])), (None, None));
    }
}
