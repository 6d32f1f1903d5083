//! Text search with FTS5. What a person typed never reaches its query language: every word is a quoted string.

use tradewind_engine::ports::{List, StoreError};

use crate::{
    list::{Query, conditions},
    sql::{columns, joined, quoted},
    value::Param,
};

/// Words of a search beyond this many are not looked at.
pub const SEARCH_WORDS_MAX: usize = 16;

/// All words must be there; the last one may be the beginning of a word. `None` when there is nothing to look for.
pub(crate) fn expression(text: &str) -> Option<String> {
    let words = text
        .split(|letter: char| letter.is_whitespace() || letter.is_control())
        // What has neither letter nor digit is nothing to the tokenizer.
        .filter(|word| word.chars().any(char::is_alphanumeric))
        .take(SEARCH_WORDS_MAX)
        .map(|word| format!("\"{}\"", word.replace('"', "\"\"")));
    let words = joined(words, " ");
    (!words.is_empty()).then(|| words + "*")
}

/// `migrations/README.md` says what a text index looks like.
pub(crate) fn query<'a>(list: &'a List, expression: &'a str, offset: u32) -> Result<Query<'a>, StoreError> {
    let table = list.table;
    let (rows, index, numbers) =
        (quoted(table.name), quoted(&format!("{}_fts", table.name)), quoted(&format!("{}_fts_row", table.name)));
    let key = joined(table.key.iter().map(|name| quoted(name)), ", ");
    let then_by = joined(table.key.iter().map(|name| format!("t.{}", quoted(name))), ", ");
    let mut params = vec![Param::Text(expression)];
    let mut wanted = vec![format!("{index} MATCH ?")];
    wanted.extend(conditions(list, "t.", &mut params)?);
    params.extend([Param::Int(list.limit.into()), Param::Int(offset.into())]);
    let sql = format!(
        "SELECT {} FROM {index} AS f JOIN {numbers} AS n ON n.rowid = f.rowid JOIN {rows} AS t USING ({key})
         WHERE {} ORDER BY f.rank, {then_by} LIMIT ? OFFSET ?",
        columns(table, "t."),
        wanted.join(" AND ")
    );
    Ok(Query { sql, params })
}

#[cfg(test)]
mod tests {
    use super::expression;

    #[test]
    fn every_word_is_quoted_and_the_last_may_be_a_beginning() {
        let cases = [
            ("red shoe", Some(r#""red" "shoe"*"#)),
            ("  red\tshoe\0s ", Some(r#""red" "shoe" "s"*"#)),
            (r#"name:x OR "y" NEAR(a*) -z"#, Some(r#""name:x" "OR" """y""" "NEAR(a*)" "-z"*"#)),
            ("-- ' \" *", None),
            ("", None),
        ];
        for (text, wanted) in cases {
            assert_eq!(expression(text).as_deref(), wanted, "{text:?}");
        }
    }
}
