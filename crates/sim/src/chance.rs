//! Chance that replays. Every concern draws from a stream of its own, so that leaving one fault out does not move all
//! others.

use rand_xoshiro::{
    Xoshiro256PlusPlus,
    rand_core::{Rng, SeedableRng},
};

/// One stream of chance.
#[derive(Debug, Clone)]
pub struct Chance(Xoshiro256PlusPlus);

impl Chance {
    /// The stream of this name; the same seed and name give the same stream for ever.
    pub fn new(seed: u64, stream: &str) -> Self {
        // FNV-1a of the name; `seed_from_u64` spreads the result over the whole state.
        let hash = stream
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        Self(Xoshiro256PlusPlus::seed_from_u64(hash ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }

    /// A stream of its own, which draws nothing more from this one.
    pub fn fork(&mut self) -> Self {
        Self(Xoshiro256PlusPlus::seed_from_u64(self.0.next_u64()))
    }

    /// Evenly 0 to `bound` − 1; 0 when there is nothing to choose from.
    pub fn below(&mut self, bound: u64) -> u64 {
        // The high half of a product: a bias of one in 2^64 is none here.
        let product = u128::from(self.0.next_u64()) * u128::from(bound);
        u64::try_from(product >> 64).unwrap_or(0)
    }

    /// Evenly `from` to `to`, both included.
    pub fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.below(to.saturating_sub(from) + 1)
    }

    /// An index of something with this many parts.
    pub fn index(&mut self, parts: usize) -> usize {
        usize::try_from(self.below(parts as u64)).unwrap_or(0)
    }

    pub fn one_in(&mut self, bound: u64) -> bool {
        self.below(bound) == 0
    }

    /// True so many times in a hundred.
    pub fn percent(&mut self, of_hundred: u64) -> bool {
        self.below(100) < of_hundred
    }

    pub fn permille(&mut self, of_thousand: u32) -> bool {
        self.below(1_000) < u64::from(of_thousand)
    }

    /// Between `from` and `to`, short far more often than long: each doubling is as likely as the next.
    pub fn mostly_short(&mut self, from: u64, to: u64) -> u64 {
        let doublings = 64 - (to / from.max(1)).leading_zeros();
        let most = from.max(1) << self.below(u64::from(doublings));
        self.between(from, most.saturating_mul(2).min(to))
    }

    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.index(of.len())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_replays_and_differs_from_others() {
        let draw = |seed, stream: &str| {
            let mut chance = Chance::new(seed, stream);
            (0..8).map(|_| chance.below(1 << 40)).collect::<Vec<_>>()
        };
        assert_eq!(draw(1, "network"), draw(1, "network"));
        assert_ne!(draw(1, "network"), draw(2, "network"));
        assert_ne!(draw(1, "network"), draw(1, "people"));
        // A change of the generator would make every seed that somebody has noted down another one.
        assert_eq!(draw(7, "pinned")[..2], [407_443_418_104, 147_476_676_856]);
    }

    #[test]
    fn draws_stay_within_their_bounds_and_reach_them() {
        let mut chance = Chance::new(3, "bounds");
        let draws: Vec<u64> = (0..2_000).map(|_| chance.between(3, 6)).collect();
        assert_eq!((draws.iter().min(), draws.iter().max()), (Some(&3), Some(&6)));
        let waits: Vec<u64> = (0..2_000).map(|_| chance.mostly_short(10, 10_000)).collect();
        assert!(waits.iter().all(|wait| (10..=10_000).contains(wait)));
        assert!(waits.iter().filter(|wait| **wait < 100).count() > 400);
        assert!(waits.iter().any(|wait| *wait > 5_000));
        assert_eq!((chance.below(0), chance.below(1), chance.one_in(1), chance.permille(0)), (0, 0, true, false));
    }
}
