//! Text search with FTS5. What a person typed never reaches its query language: every phrase is a quoted string.

use tradewind_engine::ports::{List, Phrase, StoreError};

use crate::{
    list::{Having, Query, conditions},
    sql::{columns, joined, quoted},
    value::Param,
};

/// All phrases must be there. `None` when there is none.
pub(crate) fn expression(phrases: &[Phrase]) -> Option<String> {
    let quoted = |phrase: &Phrase| {
        // A zero would end the query for SQLite.
        let words = phrase.words.replace('"', "\"\"").replace('\0', " ");
        format!("\"{words}\"{}", if phrase.is_prefix { "*" } else { "" })
    };
    let phrases = joined(phrases.iter().map(quoted), " ");
    (!phrases.is_empty()).then_some(phrases)
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
    wanted.extend(conditions(list, "t.", Having::Many, &mut params)?);
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
    use super::*;

    #[test]
    fn every_phrase_is_quoted_and_may_end_in_a_beginning() {
        let phrase = |words: &str, is_prefix| Phrase { words: words.to_owned(), is_prefix };
        let cases = [
            (vec![phrase("red", false), phrase("hot shoe", true)], Some(r#""red" "hot shoe"*"#)),
            (vec![phrase(r#"name:x OR "y" NEAR(a*)"#, false)], Some(r#""name:x OR ""y"" NEAR(a*)""#)),
            (vec![], None),
        ];
        for (phrases, wanted) in cases {
            assert_eq!(expression(&phrases).as_deref(), wanted, "{phrases:?}");
        }
    }
}
