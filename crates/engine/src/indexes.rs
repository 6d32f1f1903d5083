//! Which events of one segment were received, as ranges of their indexes.

use std::{fmt::Write, sync::Arc};

use tradewind_events::{Column, ColumnError, ColumnKind, Value};

use crate::injected;

/// An event with this index in its segment, or a higher one, is in no [`Indexes`]: it has a row of its own in the inbox. A
/// segment has fewer events, but for one whose last message led to very many: it takes no further message when it has
/// as many ([`crate::Limits::batch_events_max`]). So nobody who makes up ids makes a row longer than that.
pub const INDEXES_MAX: u16 = 16_384;

/// A set of indexes, all below [`INDEXES_MAX`]. As a column it is text as in `0-3,5`, of at most 64 KiB.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Indexes(
    /// First and last of each range, ascending, with a gap between them.
    Arc<Vec<(u16, u16)>>,
);

impl Indexes {
    pub fn contains(&self, index: u16) -> bool {
        self.0.get(self.place(index)).is_some_and(|(first, _)| *first <= index)
    }

    /// All of them, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u16> {
        self.0.iter().flat_map(|(first, last)| *first..=*last)
    }

    /// `false` when it is there already.
    ///
    /// # Panics
    /// When the index is [`INDEXES_MAX`] or higher.
    pub fn insert(&mut self, index: u16) -> bool {
        assert!(index < INDEXES_MAX, "it has a row of its own");
        if self.contains(index) {
            return false;
        }
        let place = self.place(index);
        let ranges = Arc::make_mut(&mut self.0);
        let gap = if injected("inbox-swallows-neighbour") { 2 } else { 1 };
        let continues = place > 0 && ranges[place - 1].1 + gap >= index;
        let precedes = ranges.get(place).is_some_and(|(first, _)| index + 1 == *first);
        match (continues, precedes) {
            (true, true) => ranges[place - 1].1 = ranges.remove(place).1,
            (true, false) => ranges[place - 1].1 = index,
            (false, true) => ranges[place].0 = index,
            (false, false) => ranges.insert(place, (index, index)),
        }
        true
    }

    /// The first range that does not end before this index.
    fn place(&self, index: u16) -> usize {
        self.0.partition_point(|(_, last)| *last < index)
    }
}

impl Column for Indexes {
    const KIND: ColumnKind = ColumnKind::Text;

    fn to_value(&self) -> Value {
        let mut text = String::new();
        for (first, last) in self.0.iter() {
            let comma = if text.is_empty() { "" } else { "," };
            // Writing to a string does not fail.
            let _written =
                if first == last { write!(text, "{comma}{first}") } else { write!(text, "{comma}{first}-{last}") };
        }
        Value::Text(text.into())
    }

    /// Ranges may touch, but they ascend: one that was missed would have its effect twice.
    fn from_value(value: &Value) -> Result<Self, ColumnError> {
        let text = Arc::<str>::from_value(value)?;
        let bad = || ColumnError("they are no ranges of indexes".to_owned());
        let mut ranges: Vec<(u16, u16)> = Vec::new();
        for range in text.split(',') {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let (first, last) = (index_of(first).ok_or_else(bad)?, index_of(last).ok_or_else(bad)?);
            match ranges.last_mut() {
                _ if last < first => return Err(bad()),
                Some(before) if first <= before.1 => return Err(bad()),
                Some(before) if first == before.1 + 1 => before.1 = last,
                _ => ranges.push((first, last)),
            }
        }
        Ok(Self(Arc::new(ranges)))
    }

    fn weight(&self) -> usize {
        self.0.len() * size_of::<(u16, u16)>()
    }
}

/// The only text of an index that is below [`INDEXES_MAX`]: decimal digits, without a sign or leading zeros.
pub(crate) fn index_of(text: &str) -> Option<u16> {
    let index = is_number(text).then(|| text.parse().ok()).flatten()?;
    (index < INDEXES_MAX).then_some(index)
}

/// Decimal digits without leading zeros, however many.
pub(crate) fn is_number(text: &str) -> bool {
    text == "0" || (!text.starts_with('0') && !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn text(indexes: &Indexes) -> String {
        match indexes.to_value() {
            Value::Text(text) => text.to_string(),
            other => panic!("{other:?} is no text"),
        }
    }

    fn read(text: &str) -> Result<Indexes, ColumnError> {
        Indexes::from_value(&Value::Text(text.into()))
    }

    proptest! {
        #[test]
        fn it_holds_what_was_inserted_and_nothing_else(
            order in proptest::collection::vec(prop_oneof![4 => 0..40_u16, 1 => INDEXES_MAX - 3..INDEXES_MAX], 1..80),
        ) {
            let (mut indexes, mut model) = (Indexes::default(), BTreeSet::new());
            for index in order {
                prop_assert_eq!(indexes.insert(index), model.insert(index));
                prop_assert!(indexes.iter().eq(model.iter().copied()));
                let mut others = (0..45).chain(INDEXES_MAX - 5..=INDEXES_MAX);
                prop_assert!(others.all(|other| indexes.contains(other) == model.contains(&other)));
            }
            prop_assert!(indexes.0.windows(2).all(|pair| pair[0].1 + 1 < pair[1].0), "{:?}", indexes);
            prop_assert_eq!(read(&text(&indexes)), Ok(indexes));
        }
    }

    #[test]
    fn what_follows_one_another_is_one_range() {
        let mut indexes = Indexes::default();
        for index in [5, 0, 2, 1, 3] {
            assert!(indexes.insert(index));
        }
        assert_eq!(text(&indexes), "0-3,5");
        assert!(indexes.insert(4));
        assert_eq!(text(&indexes), "0-5");
        assert_eq!(read("0,1,2-3,5"), read("0-3,5"));
    }

    #[test]
    fn the_longest_is_shorter_than_64_kib() {
        for distance in [2_u16, 3, 4] {
            let mut indexes = Indexes::default();
            for index in (0..INDEXES_MAX).filter(|index| index % distance != 0) {
                assert!(indexes.insert(index));
            }
            let text = text(&indexes);
            assert!(text.len() < 64 * 1024, "{}", text.len());
            assert_eq!(read(&text), Ok(indexes));
        }
    }

    #[test]
    fn what_is_no_set_of_indexes_is_an_error() {
        for damaged in ["", ",", "1,", "-", "1-", "-1", "+1", "01", "1-2-3", "3,1", "3-1", "1,1", "0-4,2", "a", "16384"]
        {
            assert!(read(damaged).is_err(), "{damaged}");
        }
        assert!(Indexes::from_value(&Value::Null).is_err());
        assert!(read("16383").is_ok());
    }
}
