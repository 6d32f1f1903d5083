//! How far a merged list has come in each store. The cursor of a store is signed by that store, so this one need not be.

use std::{borrow::Cow, collections::BTreeMap};

use serde::{Deserialize, Serialize};

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

/// What a cursor is made of.
#[derive(Serialize, Deserialize)]
struct Written<'a> {
    /// The path of the list. A store knows the cursors of its lists, but one that only says where a list begins and ends has
    /// none of them.
    list: Cow<'a, str>,
    stores: BTreeMap<Cow<'a, str>, Cow<'a, str>>,
}

/// The cursor of the merged list of this path; `None` when it has ended in all stores.
pub fn seal<'a>(list: &str, positions: impl IntoIterator<Item = (&'a str, &'a Position)>) -> Option<String> {
    let entry = |(store, position): (&'a str, &'a Position)| match position {
        Position::Start => Some((store.into(), "".into())),
        Position::After(cursor) => Some((store.into(), cursor.as_str().into())),
        Position::End => None,
    };
    let written = Written { list: list.into(), stores: positions.into_iter().filter_map(entry).collect() };
    if written.stores.is_empty() {
        return None;
    }
    // Texts: there is nothing that JSON cannot hold.
    Some(encoded(&serde_json::to_vec(&written).unwrap_or_default()))
}

/// The positions of the list of this path in these stores, as a cursor tells. A store that it does not name has ended.
pub fn open(list: &str, cursor: &str, stores: &[&str]) -> Result<Vec<Position>, Failure> {
    let invalid = || CURSOR_INVALID.problem().at("cursor");
    let bytes = decoded(cursor).ok_or_else(invalid)?;
    let mut written: Written<'_> = serde_json::from_slice(&bytes).map_err(|_| invalid())?;
    let position = |store: &&str| match written.stores.remove(*store) {
        None => Position::End,
        Some(cursor) if cursor.is_empty() => Position::Start,
        Some(cursor) => Position::After(cursor.into_owned()),
    };
    let positions: Vec<Position> = stores.iter().map(position).collect();
    // A store that is not asked has a place in the cursor of other stores.
    if written.list == list && written.stores.is_empty() { Ok(positions) } else { Err(invalid()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_says_how_far_a_list_has_come_in_each_store() {
        let positions = [Position::Start, Position::After("abc".into()), Position::End];
        let stores = ["front", "back", "side"];
        let cursor = seal("/list", stores.into_iter().zip(&positions)).unwrap();
        assert_eq!(open("/list", &cursor, &stores).unwrap(), positions);
        assert_eq!(open("/list", &cursor, &stores[..1]).unwrap_err().code(), "cursor_invalid", "of other stores");
        assert_eq!(seal("/list", [("front", &Position::End)]), None);
        let json = |text: &str| encoded(text.as_bytes());
        for wrong in [
            String::new(),
            "!".into(),
            "abc".into(),
            json("[]"),
            json(r#"{"list": "/list", "stores": {"front": 1}}"#),
            json(r#"{"list": "/list", "stores": {"other": ""}}"#),
        ] {
            assert_eq!(open("/list", &wrong, &stores).unwrap_err().code(), "cursor_invalid", "{wrong}");
        }
    }

    /// It has no cursor of a store, which would refuse it.
    #[test]
    fn a_cursor_that_only_says_where_lists_begin_and_end_is_of_one_list() {
        let positions = [("front", &Position::Start), ("back", &Position::End)];
        let cursor = seal("/list", positions).unwrap();
        assert_eq!(open("/other", &cursor, &["front", "back"]).unwrap_err().code(), "cursor_invalid");
    }
}
