//! Text search: all phrases, among the rows of a list, and nothing that a phrase can hold is a query language.

use rusqlite::Connection;
use tradewind_engine::{
    ColumnDef, StoredRow, Table,
    ports::{Commit, List, Phrase, Reader, RowChange, RowWrite, StoreError, Writer},
};
use tradewind_events::{ColumnKind, Timestamp, Value, row_key};
use tradewind_sqlite::Opened;

use crate::{schema::create_table, scratch::Scratch};

static CARD: Table = Table {
    name: "card",
    key: &["shelf", "id"],
    columns: &[
        ColumnDef { name: "shelf", kind: ColumnKind::Text, nullable: false },
        ColumnDef { name: "id", kind: ColumnKind::Id, nullable: false },
        ColumnDef { name: "words", kind: ColumnKind::Text, nullable: false },
        ColumnDef { name: "about", kind: ColumnKind::Text, nullable: true },
    ],
    cached: true,
};

/// As `migrations/README.md` has it, for a key of two parts.
const INDEX: &str = "
CREATE TABLE card_fts_row (number INTEGER PRIMARY KEY, shelf TEXT NOT NULL, id ANY NOT NULL, UNIQUE (shelf, id)) STRICT;
CREATE VIRTUAL TABLE card_fts USING fts5 (
    words, content = '', contentless_delete = 1, prefix = '2 3', tokenize = 'ascii'
);
CREATE TRIGGER card_fts_insert AFTER INSERT ON card BEGIN
    INSERT INTO card_fts_row (shelf, id) VALUES (new.shelf, new.id);
    INSERT INTO card_fts (rowid, words)
    SELECT number, new.words FROM card_fts_row WHERE shelf = new.shelf AND id = new.id;
END;
CREATE TRIGGER card_fts_update AFTER UPDATE ON card WHEN old.words IS NOT new.words BEGIN
    UPDATE card_fts SET words = new.words
    WHERE rowid = (SELECT number FROM card_fts_row WHERE shelf = new.shelf AND id = new.id);
END;
CREATE TRIGGER card_fts_delete AFTER DELETE ON card BEGIN
    DELETE FROM card_fts WHERE rowid = (SELECT number FROM card_fts_row WHERE shelf = old.shelf AND id = old.id);
    DELETE FROM card_fts_row WHERE shelf = old.shelf AND id = old.id;
END;";

struct Cards(Opened);

impl Cards {
    fn on(scratch: &Scratch) -> Self {
        let opened = scratch.open().expect("a store");
        let connection = Connection::open(scratch.store()).expect("a store");
        connection.execute_batch(&(create_table(&CARD) + INDEX)).expect("a table with a text index");
        let mut cards = Self(opened);
        for (id, words, about) in [
            ("1", "red shoe soft of leather not a boot", None),
            ("2", "blue boot", None),
            ("3", "cafe creme a cup red inside 100 porcelain", Some("cup")),
            ("4", "red hot sauce shoe", Some("shoe")),
        ] {
            cards.writes(["a", id], |row| RowWrite::Insert(StoredRow { version: 1, ..row }), words, about);
        }
        cards
    }

    fn writes(&mut self, key: [&str; 2], write: fn(StoredRow) -> RowWrite, words: &str, about: Option<&str>) {
        let text = |text: &str| Value::Text(text.into());
        let values = vec![text(key[0]), text(key[1]), text(words), about.map_or(Value::Null, text)];
        let write = write(StoredRow { values, version: 2, events: 0 });
        let rows = vec![RowChange { table: &CARD, key: row_key(&key), write }];
        let at = Timestamp::from_millis(0);
        self.0.writer.commit(&Commit { epoch: self.0.meta.epoch, at, rows, segment: None }).expect("a card");
    }

    /// The ids of what is found, best first. Of the last word the beginning is enough.
    fn finds(&self, text: &str) -> Vec<String> {
        self.page(text, 0, 100)
    }

    fn page(&self, text: &str, offset: u32, limit: u32) -> Vec<String> {
        self.among(&List::of(&CARD, limit), text, offset)
    }

    fn among(&self, list: &List, text: &str, offset: u32) -> Vec<String> {
        let phrases: Vec<Phrase> = text
            .split_terminator(' ')
            .map(|words| Phrase { words: words.replace('_', " "), is_prefix: text.ends_with(words) })
            .collect();
        let rows = self.0.reader.search(list, &phrases, offset).unwrap_or_else(|error| panic!("{text:?}: {error}"));
        let id = |row: &StoredRow| match &row.values[1] {
            Value::Text(id) => id.to_string(),
            other => panic!("{other:?} is no id"),
        };
        rows.iter().map(id).collect()
    }
}

fn red() -> Phrase {
    Phrase { words: "red".into(), is_prefix: false }
}

fn sorted(mut ids: Vec<String>) -> Vec<String> {
    ids.sort();
    ids
}

#[test]
fn all_words_must_be_there_and_the_last_may_be_unfinished() {
    let scratch = Scratch::new();
    let cards = Cards::on(&scratch);
    assert_eq!(sorted(cards.finds("red")), ["1", "3", "4"]);
    assert_eq!(sorted(cards.finds("red shoe")), ["1", "4"]);
    assert_eq!(sorted(cards.finds("sho re")), [""; 0], "only the last word may be unfinished");
    assert_eq!(sorted(cards.finds("shoe re")), ["1", "4"]);
    assert_eq!(sorted(cards.finds("boo")), ["1", "2"]);
    assert_eq!((cards.finds("red_hot"), cards.finds("hot_red")), (vec![String::from("4")], vec![]));
    assert_eq!(cards.finds("green"), [""; 0]);
    assert_eq!(cards.finds("boot")[0], "2", "a short text that is about it comes first");
    let all = cards.finds("red");
    assert_eq!([cards.page("red", 0, 2), cards.page("red", 2, 2)].concat(), all);
    assert_eq!(cards.page("red", 3, 2), [""; 0]);
}

#[test]
fn a_search_looks_among_the_rows_of_its_list() {
    let scratch = Scratch::new();
    let cards = Cards::on(&scratch);
    let text = |text: &str| Value::Text(text.into());
    // The text index has columns of these names, too.
    let shoes = List::of(&CARD, 100).equal("about", text("shoe")).equal("shelf", text("a"));
    assert_eq!(cards.among(&shoes, "red", 0), ["4"]);
    let from_c = || List::of(&CARD, 2).at_least("id", text("3")).at_most("about", text("t"));
    assert_eq!(sorted(cards.among(&from_c(), "red", 0)), ["3", "4"]);
    assert_eq!(cards.among(&from_c(), "red", 1).len(), 1, "what is not in the list is not counted");
    assert_eq!(cards.among(&List::of(&CARD, 9).equal("about", Value::Null), "boot", 0), [""; 0]);
    let refused = cards.0.reader.search(&List::of(&CARD, 1).equal("colour", text("red")), &[red()], 0);
    assert!(matches!(&refused, Err(StoreError::Unusable(reason)) if reason.contains("colour")), "{refused:?}");
}

#[test]
fn the_index_follows_its_table() {
    let scratch = Scratch::new();
    let mut cards = Cards::on(&scratch);
    cards.writes(["a", "2"], |row| RowWrite::Update { expected_version: 1, row }, "green boot", Some("new"));
    assert_eq!((cards.finds("blue"), cards.finds("green boot")), (vec![], vec![String::from("2")]));
    cards.writes(["a", "2"], |_| RowWrite::Delete { expected_version: 2 }, "", None);
    assert_eq!(cards.finds("green"), [""; 0]);
    cards.writes(["b", "2"], |row| RowWrite::Insert(StoredRow { version: 1, ..row }), "green again", None);
    assert_eq!(cards.finds("green"), ["2"]);
}

#[test]
fn what_has_a_uuid_is_found_and_followed_like_anything_else() {
    const ID: &str = "0199c2f4-7d3e-7a51-8c6b-2f90d1e4a7b3";
    let scratch = Scratch::new();
    let mut cards = Cards::on(&scratch);
    cards.writes(["a", ID], |row| RowWrite::Insert(StoredRow { version: 1, ..row }), "red hat", None);
    assert_eq!(cards.finds("hat"), [ID]);
    let of_id = List::of(&CARD, 100).equal("id", Value::Text(ID.into()));
    assert_eq!(cards.among(&of_id, "red", 0), [ID]);
    cards.writes(["a", ID], |row| RowWrite::Update { expected_version: 1, row }, "green hat", None);
    assert_eq!((cards.among(&of_id, "red", 0), cards.finds("green hat")), (vec![], vec![String::from(ID)]));
    cards.writes(["a", ID], |_| RowWrite::Delete { expected_version: 2 }, "", None);
    assert_eq!(cards.finds("hat"), [""; 0]);
}

#[test]
fn what_stands_in_a_phrase_is_words_and_no_query() {
    let scratch = Scratch::new();
    let cards = Cards::on(&scratch);
    let odd = [
        "\"",
        "*",
        "--",
        "()",
        "\0",
        "😀",
        "^",
        ":",
        "name:red",
        "NEAR(red",
        "\"red",
        "red\"",
        "{name}:red",
        "^red",
        "red*shoe",
        "(red",
        "';",
        "a\0b",
        "red\\",
        "%",
        "é\u{301}\u{301}",
    ];
    for odd in odd {
        // Found or not, it is no error.
        cards.finds(odd);
    }
    assert_eq!(cards.finds("red OR blue"), [""; 0], "OR is a word like others");
    assert_eq!(cards.finds(&"x".repeat(1_000_000)), [""; 0]);
    assert_eq!(cards.finds(""), [""; 0]);
}

#[test]
fn a_table_without_a_text_index_says_so() {
    let scratch = Scratch::new();
    let opened = scratch.open().expect("a store");
    let refused = opened.reader.search(&List::of(tradewind_engine::tables::ENGINE_TABLES[0], 1), &[red()], 0);
    assert!(matches!(&refused, Err(StoreError::Unusable(reason)) if reason.contains("timer_fts")), "{refused:?}");
}
