//! A set of places in the event log, as compact text: `12:0,3,7;15:2` is events 0, 3 and 7 of segment 12 and event 2
//! of segment 15.

use std::{
    fmt::{self, Write},
    sync::Arc,
};

use tradewind_engine::Address;
use tradewind_events::{Column, ColumnError, ColumnKind, Value};

/// The most places that one set keeps. An order of usual length has about twenty events.
pub const ADDRESSES_MAX: usize = 1_000;

/// Sorted, each place once: whatever order they are put in, and however often, the text is the same.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Addresses(Arc<str>);

impl Addresses {
    /// Puts a place in. `false`: the set is full, and the highest place was left out, this one or another.
    pub fn insert(&mut self, address: Address) -> bool {
        if self.last().is_none_or(|last| last < address) {
            if self.len() >= ADDRESSES_MAX {
                return false;
            }
            let mut text = String::with_capacity(self.0.len() + 24);
            text.push_str(&self.0);
            append(&mut text, self.last(), address);
            self.0 = text.into();
            return true;
        }
        let mut all: Vec<Address> = self.iter().collect();
        let Err(place) = all.binary_search(&address) else { return true };
        all.insert(place, address);
        let fits = all.len() <= ADDRESSES_MAX;
        all.truncate(ADDRESSES_MAX);
        *self = all.into_iter().collect();
        fits
    }

    /// From the first to the last.
    pub fn iter(&self) -> impl Iterator<Item = Address> + '_ {
        self.0.split(';').filter_map(|group| group.split_once(':')).flat_map(|(segment, indexes)| {
            let segment = segment.parse().unwrap_or(0);
            indexes.split(',').map(move |index| Address { segment, index: index.parse().unwrap_or(0) })
        })
    }

    pub fn last(&self) -> Option<Address> {
        let (segment, indexes) = self.0.rsplit(';').next()?.split_once(':')?;
        let index = indexes.rsplit(',').next()?;
        Some(Address { segment: segment.parse().ok()?, index: index.parse().ok()? })
    }

    pub fn len(&self) -> usize {
        self.0.bytes().filter(|byte| matches!(byte, b':' | b',')).count()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
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
            for index in indexes.split(',') {
                all.push(Address { segment, index: index.parse().ok()? });
            }
        }
        let set: Self = all.into_iter().collect();
        (&*set.0 == text).then_some(set)
    }
}

/// `next` comes after `last`, which ends the text.
fn append(text: &mut String, last: Option<Address>, next: Address) {
    let written = match last {
        None => write!(text, "{}:{}", next.segment, next.index),
        Some(last) if last.segment == next.segment => write!(text, ",{}", next.index),
        Some(_) => write!(text, ";{}:{}", next.segment, next.index),
    };
    written.unwrap_or_else(|_| unreachable!("writing to a string does not fail"));
}

/// Takes what is sorted already.
impl FromIterator<Address> for Addresses {
    fn from_iter<I: IntoIterator<Item = Address>>(addresses: I) -> Self {
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

    fn at(segment: u64, index: u32) -> Address {
        Address { segment, index }
    }

    #[test]
    fn places_are_kept_as_text_grouped_by_segment_whatever_order_they_come_in() {
        let mut set = Addresses::default();
        for address in [at(15, 2), at(12, 7), at(12, 0), at(15, 2), at(12, 3), at(9, 4)] {
            assert!(set.insert(address));
        }
        assert_eq!(set.to_string(), "9:4;12:0,3,7;15:2");
        assert_eq!(set.iter().collect::<Vec<_>>(), [at(9, 4), at(12, 0), at(12, 3), at(12, 7), at(15, 2)]);
        assert_eq!((set.len(), set.last()), (5, Some(at(15, 2))));
        assert_eq!(Addresses::from_value(&set.to_value()), Ok(set));
    }

    #[test]
    fn a_full_set_keeps_the_first_places_in_whatever_order_they_come() {
        let all: Vec<Address> = (0..1_010).map(|index| at(1, index)).collect();
        let (mut forward, mut backward) = (Addresses::default(), Addresses::default());
        let fitted = all.iter().filter(|address| forward.insert(**address)).count();
        assert_eq!((fitted, forward.len()), (ADDRESSES_MAX, ADDRESSES_MAX));
        for address in all.iter().rev() {
            backward.insert(*address);
        }
        assert_eq!(forward, backward);
        assert!(forward.insert(at(1, 5)), "what is there already fits");
    }

    #[test]
    fn text_that_is_no_sorted_set_is_refused() {
        assert_eq!(Addresses::parse(""), Some(Addresses::default()));
        for bad in ["12", "12:", "a:1", "12:3,1x", "12:1;", "12:1;12:2"] {
            assert_eq!(Addresses::parse(bad), None, "{bad}");
        }
    }
}
