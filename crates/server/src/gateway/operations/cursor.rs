//! How far a merged list has come in each store. The cursor of a store is signed by that store, so this one need not be.

use std::collections::BTreeMap;

use crate::{
    http::{Failure, refusals::CURSOR_INVALID},
    secret::{decoded, encoded},
};

/// How far a list has come in one store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Position {
    Start,
    /// Behind the cursor of the store.
    After(String),
    End,
}

/// The cursor of a merged list; `None` when it has ended in all stores.
pub fn seal<'a>(positions: impl IntoIterator<Item = (&'a str, &'a Position)>) -> Option<String> {
    let entry = |(store, position): (&'a str, &'a Position)| match position {
        Position::Start => Some((store, "")),
        Position::After(cursor) => Some((store, cursor.as_str())),
        Position::End => None,
    };
    let written: BTreeMap<&str, &str> = positions.into_iter().filter_map(entry).collect();
    if written.is_empty() {
        return None;
    }
    // Texts: there is nothing that JSON cannot hold.
    Some(encoded(&serde_json::to_vec(&written).unwrap_or_default()))
}

/// The positions in these stores, as a cursor tells. A store that it does not name has ended.
pub fn open(cursor: &str, stores: &[&str]) -> Result<Vec<Position>, Failure> {
    let invalid = || CURSOR_INVALID.problem().at("cursor");
    let bytes = decoded(cursor).ok_or_else(invalid)?;
    let mut written: BTreeMap<String, String> = serde_json::from_slice(&bytes).map_err(|_| invalid())?;
    let position = |store: &&str| match written.remove(*store) {
        None => Position::End,
        Some(cursor) if cursor.is_empty() => Position::Start,
        Some(cursor) => Position::After(cursor),
    };
    let positions: Vec<Position> = stores.iter().map(position).collect();
    // A store that is not asked has a place in the cursor of another list.
    if written.is_empty() { Ok(positions) } else { Err(invalid()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_says_how_far_a_list_has_come_in_each_store() {
        let positions = [Position::Start, Position::After("abc".into()), Position::End];
        let stores = ["front", "back", "side"];
        let cursor = seal(stores.into_iter().zip(&positions)).unwrap();
        assert_eq!(open(&cursor, &stores).unwrap(), positions);
        assert_eq!(open(&cursor, &stores[..1]).unwrap_err().code(), "cursor_invalid", "of other stores");
        assert_eq!(seal([("front", &Position::End)]), None);
        for wrong in ["", "!", "abc", &encoded(b"[]"), &encoded(b"{\"front\": 1}"), &encoded(b"{\"other\": \"\"}")] {
            assert_eq!(open(wrong, &stores).unwrap_err().code(), "cursor_invalid", "{wrong}");
        }
    }
}
