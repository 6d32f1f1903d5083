//! A set of places in the event log, as compact text: `12:0,3-5,7;15:2` is events 0, 3, 4, 5 and 7 of segment 12 and
//! event 2 of segment 15.

use std::{
    fmt::{self, Write},
    ops::RangeInclusive,
    sync::Arc,
};

use tradewind_engine::LogPosition;
use tradewind_events::{Column, ColumnError, ColumnKind, Value};

/// The most places that one set keeps. An order of usual length has about twenty events.
pub const ADDRESSES_MAX: usize = 1_000;

/// Sorted, each place once: whatever order they are put in, and however often, the text is the same.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Addresses(Arc<str>);

impl Addresses {
    /// Puts a place in. Of a full set the highest place is left out, this one or another, and returned.
    pub fn insert(&mut self, address: LogPosition) -> Option<LogPosition> {
        if self.last().is_none_or(|last| last < address) {
            if self.len() >= ADDRESSES_MAX {
                return Some(address);
            }
            let mut text = String::with_capacity(self.0.len() + 24);
            text.push_str(&self.0);
            append(&mut text, self.last(), address);
            self.0 = text.into();
            return None;
        }
        let mut all: Vec<LogPosition> = self.iter().collect();
        let Err(place) = all.binary_search(&address) else { return None };
        all.insert(place, address);
        let left_out = all.drain(ADDRESSES_MAX.min(all.len())..).next();
        *self = all.into_iter().collect();
        left_out
    }

    /// From the first to the last.
    pub fn iter(&self) -> impl Iterator<Item = LogPosition> + '_ {
        self.ranges().flat_map(|(segment, indexes)| indexes.map(move |index| LogPosition { segment, index }))
    }

    pub fn last(&self) -> Option<LogPosition> {
        let (segment, indexes) = self.0.rsplit(';').next()?.split_once(':')?;
        let index = indexes.rsplit([',', '-']).next()?;
        Some(LogPosition { segment: segment.parse().ok()?, index: index.parse().ok()? })
    }

    pub fn len(&self) -> usize {
        self.ranges().map(|(_, indexes)| indexes.count()).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Places that follow each other in one segment. The text is our own: what could not be read is no place.
    fn ranges(&self) -> impl Iterator<Item = (u64, RangeInclusive<u32>)> + '_ {
        self.0.split(';').filter_map(|group| group.split_once(':')).flat_map(|(segment, indexes)| {
            let segment = segment.parse().unwrap_or(0);
            indexes.split(',').filter_map(range).map(move |indexes| (segment, indexes))
        })
    }

    /// Reads what [`fmt::Display`] prints.
    pub fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self::default());
        }
        let mut all = Vec::new();
        for group in text.split(';') {
            let (segment, indexes) = group.split_once(':')?;
            let segment = segment.parse().ok()?;
            for indexes in indexes.split(',') {
                let indexes = range(indexes)?;
                // A damaged range must not take all memory.
                if indexes.clone().count() > ADDRESSES_MAX {
                    return None;
                }
                all.extend(indexes.map(|index| LogPosition { segment, index }));
            }
        }
        let set: Self = all.into_iter().collect();
        (&*set.0 == text).then_some(set)
    }
}

/// `7` or `7-9`.
fn range(text: &str) -> Option<RangeInclusive<u32>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    Some(first.parse().ok()?..=last.parse().ok()?)
}

/// `next` comes after `last`, which ends the text.
fn append(text: &mut String, last: Option<LogPosition>, next: LogPosition) {
    let written = match last {
        None => write!(text, "{}:{}", next.segment, next.index),
        Some(last) if last.segment != next.segment => write!(text, ";{}:{}", next.segment, next.index),
        Some(last) if last.index.checked_add(1) != Some(next.index) => write!(text, ",{}", next.index),
        Some(last) => {
            // The last of a range is replaced; a single place becomes one.
            let digits = text.trim_end_matches(|letter: char| letter.is_ascii_digit()).len();
            if text[..digits].ends_with('-') {
                text.truncate(digits - 1);
            }
            debug_assert!(last < next, "places are sorted");
            write!(text, "-{}", next.index)
        }
    };
    written.unwrap_or_else(|_| unreachable!("writing to a string does not fail"));
}

/// Takes what is sorted already.
impl FromIterator<LogPosition> for Addresses {
    fn from_iter<I: IntoIterator<Item = LogPosition>>(addresses: I) -> Self {
        let (mut text, mut last) = (String::new(), None);
        for address in addresses {
            append(&mut text, last, address);
            last = Some(address);
        }
        Self(text.into())
    }
}

impl fmt::Display for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Column for Addresses {
    const KIND: ColumnKind = ColumnKind::Text;

    fn to_value(&self) -> Value {
        Value::Text(Arc::clone(&self.0))
    }

    fn from_value(value: &Value) -> Result<Self, ColumnError> {
        let text: Arc<str> = Column::from_value(value)?;
        Self::parse(&text).ok_or_else(|| ColumnError(format!("{text:?} is no list of places in the log")))
    }

    fn weight(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(segment: u64, index: u32) -> LogPosition {
        LogPosition { segment, index }
    }

    #[test]
    fn places_are_kept_as_text_grouped_by_segment_whatever_order_they_come_in() {
        let mut set = Addresses::default();
        for address in [at(15, 2), at(12, 7), at(12, 0), at(15, 2), at(12, 5), at(12, 3), at(9, 4), at(12, 4)] {
            assert_eq!(set.insert(address), None);
        }
        assert_eq!(set.to_string(), "9:4;12:0,3-5,7;15:2");
        let places = [at(9, 4), at(12, 0), at(12, 3), at(12, 4), at(12, 5), at(12, 7), at(15, 2)];
        assert_eq!(set.iter().collect::<Vec<_>>(), places);
        assert_eq!((set.len(), set.last()), (7, Some(at(15, 2))));
        assert_eq!(Addresses::from_value(&set.to_value()), Ok(set));
    }

    #[test]
    fn a_full_set_keeps_the_first_places_in_whatever_order_they_come() {
        let all: Vec<LogPosition> = (0..1_010).map(|index| at(1, index)).collect();
        let (mut forward, mut backward) = (Addresses::default(), Addresses::default());
        let (kept, others) = all.split_at(ADDRESSES_MAX);
        let left_out: Vec<LogPosition> = all.iter().filter_map(|address| forward.insert(*address)).collect();
        assert_eq!((forward.iter().collect::<Vec<_>>(), &*left_out), (kept.to_vec(), others));
        let mut left_out: Vec<LogPosition> = all.iter().rev().filter_map(|address| backward.insert(*address)).collect();
        left_out.sort();
        assert_eq!((&forward, &*left_out), (&backward, others));
        assert_eq!(forward.insert(at(1, 5)), None, "what is there already fits");
    }

    #[test]
    fn places_that_follow_each_other_are_a_range_as_they_come() {
        let mut set = Addresses::default();
        let mut texts = Vec::new();
        for address in [at(1, 9), at(1, 10), at(1, 11), at(1, 13), at(2, 14), at(2, 15)] {
            assert_eq!(set.insert(address), None);
            texts.push(set.to_string());
            assert_eq!(set.last(), Some(address));
        }
        assert_eq!(texts, ["1:9", "1:9-10", "1:9-11", "1:9-11,13", "1:9-11,13;2:14", "1:9-11,13;2:14-15"]);
        assert_eq!(set.len(), 6);
    }

    #[test]
    fn text_that_is_no_sorted_set_is_refused() {
        assert_eq!(Addresses::parse(""), Some(Addresses::default()));
        for bad in [
            "12",
            "12:",
            "a:1",
            "12:3,1x",
            "12:1;",
            "12:1;12:2",
            "12:1,2",
            "12:2-1",
            "12:1-",
            "12:-1",
            "12:0-4294967295",
        ] {
            assert_eq!(Addresses::parse(bad), None, "{bad}");
        }
    }
}
