//! Rows that are found by something else than their own columns: by rows of another table, and by words.

use tradewind_engine::{
    StoredRow,
    ports::{Direction, List, Phrase, StoreError},
};
use tradewind_events::Value;

use super::{
    Owner, StoreUnderTest, insert,
    tables::{ITEM, LINK, TEXT, key, link, worded},
    text, update,
};

/// A UUID in its canonical form, which a store may keep as it likes.
const UUID: &str = "0199c2f4-7d3e-7a51-8c6b-2f90d1e4a7b3";

fn writes(owner: &mut Owner, links: &[StoredRow], texts: &[StoredRow]) {
    let links = links.iter().map(|row| insert(&LINK, row));
    owner.writes(links.chain(texts.iter().map(|row| insert(&TEXT, row))).collect()).expect("new rows");
}

fn keys(rows: Result<Vec<StoredRow>, StoreError>) -> Vec<String> {
    let ids = |row: &StoredRow| match &row.values[..2] {
        [Value::Text(from), Value::Text(to)] => format!("{from} {to}"),
        other => panic!("{other:?} are no ids"),
    };
    rows.expect("the store answers").iter().map(ids).collect()
}

/// Two thousand rows between 1,000 and 3,000, so that a range has few of them or many, and some that lie apart.
pub fn a_list_has_the_rows_of_which_another_table_has_one_that_fits(store: &dyn StoreUnderTest) {
    let mut owner = store.own();
    let links = [link("a", "1", Some("x")), link("a", "2", None), link("b", UUID, Some("x")), link(UUID, "1", None)];
    let mut texts = vec![
        worded(["a", "1", "0"], 10, ""),
        worded(["a", "1", "1"], 100, ""),
        worded(["b", UUID, "0"], 50, ""),
        // Of no link.
        worded(["b", "2", "0"], 50, ""),
        worded([UUID, "2", "0"], 50, ""),
    ];
    texts.extend((0..2_000).map(|nth| worded([UUID, "1", &nth.to_string()], 1_000 + nth, "")));
    writes(&mut owner, &links, &texts);
    let within = |from: i64, to: i64| {
        let amounts = List::of(&TEXT, 1).at_least("amount", Value::Int(from)).at_most("amount", Value::Int(to));
        List::of(&LINK, 100).having(amounts)
    };
    let (a, b, many) = (String::from("a 1"), format!("b {UUID}"), format!("{UUID} 1"));
    for (from, to, wanted) in [
        (20, 60, vec![&b]),
        (11, 49, vec![]),
        (100, 100, vec![&a]),
        (0, 1_000, vec![&a, &b, &many]),
        (60, 3_000, vec![&a, &many]),
        (1_500, 1_600, vec![&many]),
    ] {
        let list = within(from, to);
        assert_eq!(keys(owner.reader.list(&list)).iter().collect::<Vec<_>>(), wanted, "{from} to {to}");
        let mut down = keys(owner.reader.list(&List { direction: Direction::Descending, ..list }));
        down.reverse();
        assert_eq!(down.iter().collect::<Vec<_>>(), wanted, "{from} to {to}, down");
    }
    // With other filters, and page by page.
    let both = within(0, 3_000).equal("via_id", text("x"));
    assert_eq!(keys(owner.reader.list(&both)), [a.clone(), b.clone()]);
    let after_a = List { limit: 1, ..within(0, 3_000).after(Value::Null, key(&LINK, &links[0])) };
    assert_eq!(keys(owner.reader.list(&after_a)), [b]);
    let of_a_kind =
        List::of(&LINK, 9).having(List::of(&TEXT, 1).equal("nth", text("1")).equal("amount", Value::Int(100)));
    assert_eq!(keys(owner.reader.list(&of_a_kind)), [a]);
    assert_eq!(keys(owner.reader.list(&List::of(&LINK, 9).having(List::of(&TEXT, 1)))).len(), 3);
    for unusable in [List::of(&ITEM, 1), List::of(&TEXT, 1).equal("colour", text("red"))] {
        let refused = owner.reader.list(&List::of(&LINK, 1).having(unusable));
        assert!(matches!(refused, Err(StoreError::Unusable(_))), "{refused:?}");
    }
}

pub fn a_search_finds_phrases_and_beginnings(store: &dyn StoreUnderTest) {
    let mut owner = store.own();
    let links = [link("a", "1", None), link("b", UUID, None)];
    let mut texts = vec![
        worded(["a", "1", "0"], 10, "red hot shoe"),
        worded(["b", UUID, "0"], 20, "hot red boot"),
        worded(["c", "1", "0"], 30, "有機 機緑 緑茶 茶"),
        worded(["d", "1", "0"], 40, "ชา าเ เข ข"),
        worded(["e", "1", "0"], 50, ""),
    ];
    writes(&mut owner, &links, &texts);
    let phrase = |words: &str| Phrase { words: words.trim_end_matches('*').into(), is_prefix: words.ends_with('*') };
    let among = |owner: &Owner, list: &List, words: &[&str]| {
        let phrases: Vec<Phrase> = words.iter().map(|words| phrase(words)).collect();
        let mut found = keys(owner.reader.search(list, &phrases, 0));
        found.sort();
        found.into_iter().map(|key| key.chars().take(1).collect()).collect::<Vec<String>>().concat()
    };
    let all = List::of(&TEXT, 100);
    for (words, wanted) in [
        (vec!["red"], "ab"),
        (vec!["red hot"], "a"),
        (vec!["hot", "red"], "ab"),
        (vec!["sho"], ""),
        (vec!["sho*"], "a"),
        (vec!["hot sho*"], "a"),
        (vec!["red", "bo*"], "b"),
        (vec!["red sho*"], ""),
        (vec!["機緑 緑茶"], "c"),
        (vec!["緑茶", "有機"], "c"),
        (vec!["有機 緑茶"], ""),
        (vec!["機*"], "c"),
        (vec!["าเ เข"], "d"),
        (vec!["ข"], "d"),
        (vec![], ""),
    ] {
        assert_eq!(among(&owner, &all, &words), wanted, "{words:?}");
    }
    let dear = List::of(&TEXT, 100).at_least("amount", Value::Int(15));
    assert_eq!(among(&owner, &dear, &["red"]), "b");
    texts[0] = StoredRow { version: 2, ..worded(["a", "1", "0"], 10, "green tea") };
    owner.writes(vec![update(&TEXT, 1, &texts[0])]).expect("a row that is there");
    assert_eq!((among(&owner, &all, &["red"]), among(&owner, &all, &["green te*"])), ("b".into(), "a".into()));
}
