//! How many messages are parked for each consumer from each source, and when the oldest of them happened: what figures
//! show of their lag.

use std::collections::{BTreeMap, btree_map::Entry};

use tradewind_events::{KeyText, RawEnvelope, Timestamp};

use crate::tables::ParkedRow;

/// What is parked for one consumer from one source: at least one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ParkedPile {
    pub consumer: &'static str,
    pub source: KeyText,
    pub messages: usize,
    /// The time of the oldest event.
    pub oldest: Timestamp,
}

/// The source of a message that cannot be read any more and does not name it.
const UNKNOWN: KeyText = KeyText::literal("unknown");

/// Bounded by what may be parked.
#[derive(Default)]
pub(super) struct Piles {
    piles: BTreeMap<(&'static str, KeyText), Pile>,
    /// Counts the changes.
    version: u64,
}

#[derive(Default)]
struct Pile {
    messages: usize,
    /// How many messages have an event of this time.
    times: BTreeMap<Timestamp, usize>,
}

impl Piles {
    pub fn add(&mut self, consumer: &'static str, row: &ParkedRow) {
        let (source, time) = origin(row);
        let pile = self.piles.entry((consumer, source)).or_default();
        pile.messages += 1;
        *pile.times.entry(time).or_default() += 1;
        self.version += 1;
    }

    pub fn remove(&mut self, consumer: &'static str, row: &ParkedRow) {
        let (source, time) = origin(row);
        let Entry::Occupied(mut pile) = self.piles.entry((consumer, source)) else { return };
        if let Entry::Occupied(mut count) = pile.get_mut().times.entry(time) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
            pile.get_mut().messages -= 1;
        }
        if pile.get().times.is_empty() {
            pile.remove();
        }
        self.version += 1;
    }

    /// These take the place of others: no reader takes them for those.
    pub fn replacing(mut self, others: &Self) -> Self {
        self.version += others.version + 1;
        self
    }

    /// Nothing while `version` is that of the last change.
    pub fn read(&self, version: &mut u64) -> Option<Vec<ParkedPile>> {
        if *version == self.version {
            return None;
        }
        *version = self.version;
        let pile = |((consumer, source), pile): (&(&'static str, KeyText), &Pile)| {
            let oldest = *pile.times.first_key_value()?.0;
            Some(ParkedPile { consumer, source: source.clone(), messages: pile.messages, oldest })
        };
        Some(self.piles.iter().filter_map(pile).collect())
    }
}

/// The source and the time of the event. Of a message that cannot be read any more, the time when it was parked.
fn origin(row: &ParkedRow) -> (KeyText, Timestamp) {
    match RawEnvelope::from_json(row.message.as_bytes()) {
        Ok(envelope) => (row.source.clone().unwrap_or(envelope.source), envelope.time),
        Err(_) => (row.source.clone().unwrap_or(UNKNOWN), row.parked_at),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tradewind_events::id;

    use super::*;
    use crate::tables::ParkedReason;

    fn parked(name: &str, source: &'static str, millis: i64) -> ParkedRow {
        let at = Timestamp::from_millis(millis);
        ParkedRow {
            id: id(name),
            consumer: KeyText::literal("tally"),
            event_id: id(name),
            event: Arc::from("far.happened"),
            message_key: id("k"),
            reason: ParkedReason::Paused,
            waits_for: None,
            attempts: 0,
            due_at: at,
            deadline: at,
            parked_at: at,
            // It cannot be read: the time when it was parked stands for its own.
            message: Arc::from(""),
            segment: 0,
            segment_index: 0,
            source: Some(KeyText::literal(source)),
        }
    }

    fn seen(piles: &Piles) -> Vec<(String, usize, i64)> {
        let mut version = u64::MAX;
        let piles = piles.read(&mut version).unwrap();
        piles.iter().map(|pile| (pile.source.to_string(), pile.messages, pile.oldest.as_millis())).collect()
    }

    #[test]
    fn the_oldest_of_each_source_is_known_whatever_goes_first() {
        let mut piles = Piles::default();
        let rows = [parked("a", "far", 20), parked("b", "far", 10), parked("c", "far", 10), parked("d", "near", 5)];
        for row in &rows {
            piles.add("tally", row);
        }
        assert_eq!(seen(&piles), [("far".to_owned(), 3, 10), ("near".to_owned(), 1, 5)]);
        piles.remove("tally", &rows[1]);
        piles.remove("tally", &rows[3]);
        assert_eq!(seen(&piles), [("far".to_owned(), 2, 10)]);
        piles.remove("tally", &rows[2]);
        assert_eq!(seen(&piles), [("far".to_owned(), 1, 20)]);
        piles.remove("tally", &rows[0]);
        // What is not there is not taken away twice.
        piles.remove("tally", &rows[0]);
        assert_eq!(seen(&piles), []);
    }

    #[test]
    fn a_reader_sees_each_change_once_and_never_old_piles_in_place_of_new_ones() {
        let mut piles = Piles::default();
        let mut version = u64::MAX;
        assert_eq!(piles.read(&mut version), Some(Vec::new()));
        assert_eq!(piles.read(&mut version), None);
        piles.add("tally", &parked("a", "far", 20));
        assert_eq!(piles.read(&mut version).map(|piles| piles.len()), Some(1));
        let mut anew = Piles::default();
        anew.add("tally", &parked("b", "far", 30));
        let anew = anew.replacing(&piles);
        assert_eq!(anew.read(&mut version).map(|piles| piles[0].oldest.as_millis()), Some(30));
    }
}
