//! A page of rows as SQL. The text depends on the shape of the question alone, so that its prepared statement is found
//! again; every value is a parameter.

use tradewind_engine::{
    ColumnDef, Table,
    ports::{Direction, List, StoreError},
};
use tradewind_events::{ColumnKind, Value};

use crate::{
    sql::{joined, quoted, select},
    value::Param,
};

pub(crate) struct Query<'a> {
    pub sql: String,
    pub params: Vec<Param<'a>>,
}

/// A column that sorts, with its value in the row after which the page begins.
struct Place<'a> {
    column: &'static ColumnDef,
    after: Option<Param<'a>>,
}

/// So many rows of another table are few: the list is then found by them, and otherwise walked in its order and each of
/// its rows looked up there.
const FEW_ROWS: u32 = 1_000;

/// How many rows of the other table fit, counted up to one more than [`FEW_ROWS`].
pub(crate) fn count_having(having: &List) -> Result<Query<'_>, StoreError> {
    let mut params = Vec::new();
    let wanted = conditions(having, "", Having::Many, &mut params)?;
    let table = quoted(having.table.name);
    params.push(Param::Int(i64::from(FEW_ROWS) + 1));
    let sql = format!("SELECT COUNT(*) FROM (SELECT 1 FROM {table} WHERE {} LIMIT ?)", all(&wanted));
    Ok(Query { sql, params })
}

/// How the rows of which another table has one are found.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Having {
    Few,
    Many,
}

impl Having {
    pub fn of(counted: i64) -> Self {
        if counted <= i64::from(FEW_ROWS) { Self::Few } else { Self::Many }
    }
}

pub(crate) fn query(list: &List, having: Having) -> Result<Query<'_>, StoreError> {
    let mut params = Vec::new();
    let mut wanted = conditions(list, "", having, &mut params)?;
    let order = order(list)?;
    if list.after.is_some() {
        wanted.push(beyond(&order, list.direction, &mut params));
    }
    let mut sql = select(list.table);
    if !wanted.is_empty() {
        sql.push_str(" WHERE ");
        sql.push_str(&wanted.join(" AND "));
    }
    if !order.is_empty() {
        let direction = if list.direction == Direction::Ascending { "" } else { " DESC" };
        sql.push_str(" ORDER BY ");
        sql.push_str(&joined(order.iter().map(|place| quoted(place.column.name) + direction), ", "));
    }
    sql.push_str(" LIMIT ?");
    params.push(Param::Int(list.limit.into()));
    Ok(Query { sql, params })
}

/// Which rows, wherever the page begins. `of` stands before every column: `t.`.
pub(crate) fn conditions<'a>(
    list: &'a List,
    of: &str,
    having: Having,
    params: &mut Vec<Param<'a>>,
) -> Result<Vec<String>, StoreError> {
    let equal = list.equal.iter().map(|filter| (filter, "="));
    let at_most = list.at_most.iter().filter(|bound| !is_passed(list, Direction::Descending, bound));
    let at_least = list.at_least.iter().filter(|bound| !is_passed(list, Direction::Ascending, bound));
    let bounds = at_most.map(|bound| (bound, "<=")).chain(at_least.map(|bound| (bound, ">=")));
    let condition = |((name, value), compares): (&'a (&'static str, Value), &str)| {
        let column = column(list.table, name)?;
        params.push(Param::Value(value).stored_as(column.kind));
        // As SQL has it: `NULL` is equal to nothing, nor at most or at least anything.
        Ok(format!("{of}{} {compares} ?", quoted(column.name)))
    };
    let mut wanted: Vec<String> = equal.chain(bounds).map(condition).collect::<Result<_, _>>()?;
    if let Some(other) = &list.having {
        wanted.push(is_had(list, other, of, having, params)?);
    }
    Ok(wanted)
}

/// The other table has a row that fits, under a key that begins with that of this one.
fn is_had<'a>(
    list: &'a List,
    other: &'a List,
    of: &str,
    having: Having,
    params: &mut Vec<Param<'a>>,
) -> Result<String, StoreError> {
    let of = if of.is_empty() { format!("{}.", quoted(list.table.name)) } else { of.to_owned() };
    for name in list.table.key {
        column(other.table, name)?;
    }
    // A plus keeps SQLite from looking for them by their values, over and over for each row of the list.
    let by_value = if having == Having::Few { "h." } else { "+h." };
    let wanted = all(&conditions(other, by_value, having, params)?);
    let from = format!("FROM {} AS h WHERE {wanted}", quoted(other.table.name));
    let key = |of: &str| joined(list.table.key.iter().map(|name| format!("{of}{}", quoted(name))), ", ");
    Ok(match having {
        Having::Few => format!("({}) IN (SELECT {} {from})", key(&of), key("h.")),
        Having::Many => format!("EXISTS (SELECT 1 {from} AND ({}) = ({}))", key("h."), key(&of)),
    })
}

fn all(wanted: &[String]) -> String {
    if wanted.is_empty() { String::from("TRUE") } else { wanted.join(" AND ") }
}

/// Whatever comes after the row that the page begins after keeps to this bound. Given both, SQLite may look for the
/// beginning of the page by the bound, and walk from there.
fn is_passed(list: &List, direction: Direction, (name, bound): &(&'static str, Value)) -> bool {
    let Some((after, _)) = &list.after else { return false };
    // `NULL`, and ids of two sorts, stand elsewhere in the store's order than in that of their values here.
    let sorts_as_here = |column: &ColumnDef| !column.nullable && column.kind != ColumnKind::Id;
    list.order_by == Some(*name)
        && list.direction == direction
        && list.table.columns.iter().any(|column| column.name == *name && sorts_as_here(column))
        && *bound != Value::Null
        && if direction == Direction::Ascending { after >= bound } else { after <= bound }
}

/// The columns that sort: the one that was asked for, then those of the key.
fn order(list: &List) -> Result<Vec<Place<'_>>, StoreError> {
    let mut order = Vec::with_capacity(list.table.key.len() + 1);
    if let Some(name) = list.order_by {
        let column = column(list.table, name)?;
        let after = list.after.as_ref().map(|(value, _)| Param::Value(value).stored_as(column.kind));
        order.push(Place { column, after });
    }
    if let Some((_, key)) = &list.after
        && key.parts().count() != list.table.key.len()
    {
        return Err(StoreError::Rejected(format!("{key} is no key of {}", list.table.name)));
    }
    let mut parts = list.after.as_ref().map(|(_, key)| key.parts());
    for name in list.table.key {
        let part = parts.as_mut().map(|parts| parts.next().unwrap_or_default());
        if list.order_by != Some(name) {
            let column = column(list.table, name)?;
            order.push(Place { column, after: part.map(|part| Param::Text(part).stored_as(column.kind)) });
        }
    }
    // A column that has one value in all rows sorts nothing, and without it an index finds where the page begins.
    let only =
        |place: &Place<'_>| list.equal.iter().find(|(name, _)| *name == place.column.name).map(|(_, value)| value);
    let began_there = |place: &Place<'_>| match (only(place), &place.after) {
        (Some(value), Some(after)) => after.is(value),
        _ => true,
    };
    if order.iter().all(began_there) {
        order.retain(|place| only(place).is_none());
    }
    Ok(order)
}

/// Rows that come later in the order than the one that the page begins after. `NULL` sorts before everything.
fn beyond<'a>(order: &[Place<'a>], direction: Direction, params: &mut Vec<Param<'a>>) -> String {
    let Some((first, rest)) = order.split_first() else {
        // The whole key is given, and its row is the one that the page begins after.
        return String::from("FALSE");
    };
    let column = quoted(first.column.name);
    let from_null = first.after.is_some_and(|after| after.is(&Value::Null));
    let places = if from_null { rest } else { order };
    let beyond = compared(places, direction, params);
    match direction {
        Direction::Ascending if from_null => format!("({column} IS NOT NULL OR {beyond})"),
        Direction::Descending if from_null => format!("({column} IS NULL AND {beyond})"),
        Direction::Descending if first.column.nullable => format!("({column} IS NULL OR {beyond})"),
        _ => beyond,
    }
}

fn compared<'a>(places: &[Place<'a>], direction: Direction, params: &mut Vec<Param<'a>>) -> String {
    if places.is_empty() {
        return String::from("FALSE");
    }
    params.extend(places.iter().filter_map(|place| place.after));
    let columns = joined(places.iter().map(|place| quoted(place.column.name)), ", ");
    let compared = if direction == Direction::Ascending { ">" } else { "<" };
    format!("({columns}) {compared} ({})", vec!["?"; places.len()].join(", "))
}

fn column(table: &'static Table, name: &str) -> Result<&'static ColumnDef, StoreError> {
    let found = table.columns.iter().find(|column| column.name == name);
    found.ok_or_else(|| StoreError::Unusable(format!("{} has no column {name}", table.name)))
}

#[cfg(test)]
mod tests {
    use rusqlite::{Connection, params_from_iter};
    use tradewind_engine::{
        Entity,
        tables::{DeadLetterRow, IdempotencyRow, InboxRow, InboxSegmentRow, JobRow, ParkedRow, TimerRow},
    };
    use tradewind_events::{Timestamp, row_key};
    use tradewind_query::{ProductPrice, ProductView};

    use super::*;

    /// How SQLite goes about it.
    fn plan(list: &List) -> String {
        plan_having(list, Having::Many)
    }

    fn plan_having(list: &List, having: Having) -> String {
        let connection = Connection::open_in_memory().unwrap();
        crate::migrate::apply(&connection, 0, Timestamp::default()).unwrap();
        let query = query(list, having).unwrap();
        let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {}", query.sql)).unwrap();
        let steps = statement.query_map(params_from_iter(&query.params), |row| row.get::<_, String>(3)).unwrap();
        steps.collect::<Result<Vec<_>, _>>().unwrap().join("; ")
    }

    fn text(text: &str) -> Value {
        Value::Text(text.into())
    }

    #[test]
    fn rows_of_another_table_are_looked_up_by_key_or_found_by_value_if_they_are_few() {
        let priced =
            List::of(ProductPrice::TABLE, 1).equal("currency", text("EUR")).at_most("amount_minor", Value::Int(9));
        let list = List::of(ProductView::TABLE, 10).equal("status", text("published")).having(priced);
        let list = list.order_by("created_at", Direction::Descending);
        let many = plan_having(&list, Having::Many);
        assert!(many.contains("product_view_status (status=?)") && !many.contains("TEMP B-TREE"), "{many}");
        assert!(many.ends_with("USING PRIMARY KEY (product_id=?)"), "{many}");
        let few = plan_having(&list, Having::Few);
        assert!(few.contains("product_price_amount (currency=? AND amount_minor<?)"), "{few}");
    }

    #[test]
    fn a_page_is_found_by_an_index_and_not_sorted() {
        let due = || List::of(TimerRow::TABLE, 10).order_by("due_at", Direction::Ascending);
        let jobs =
            |direction| List::of(JobRow::TABLE, 10).equal("state", text("waiting")).order_by("due_at", direction);
        let paused = List::of(ParkedRow::TABLE, 10).equal("consumer", text("c")).equal("reason", text("paused"));
        let dead = List::of(DeadLetterRow::TABLE, 10).order_by("died_at", Direction::Descending);
        let timer = || row_key(&["s", "n", "k"]);
        let id = || row_key(&["k"]);
        let uuid = "0199c2f4-7d3e-7a51-8c6b-2f90d1e4a7b3";
        let at = Value::Int;
        let received =
            |table| List::of(table, 9).order_by("received_at", Direction::Ascending).at_most("received_at", at(7));
        for (list, wanted) in [
            (List::of(TimerRow::TABLE, 10), "SCAN timer"),
            (List::of(TimerRow::TABLE, 10).after(Value::Null, timer()), "PRIMARY KEY ((service,name,key)>(?,?,?))"),
            (
                List::of(TimerRow::TABLE, 10).equal("service", text("s")).after(Value::Null, timer()),
                "PRIMARY KEY (service=? AND (name,key)>(?,?))",
            ),
            (
                List::of(TimerRow::TABLE, 10).equal("key", text(uuid)).after(Value::Null, row_key(&["s", "n", uuid])),
                "PRIMARY KEY ((service,name)>(?,?))",
            ),
            (due().at_most("due_at", at(7)), "timer_due (due_at<?)"),
            (due().at_least("due_at", at(7)), "timer_due (due_at>?)"),
            (due().after(at(7), timer()), "timer_due ((due_at,service,name,key)>(?,?,?,?))"),
            (due().at_least("due_at", at(7)).after(at(7), timer()), "timer_due ((due_at,service,name,key)>(?,?,?,?))"),
            (
                due().at_most("due_at", at(9)).after(at(7), timer()),
                "timer_due ((due_at,service,name,key)>(?,?,?,?) AND due_at<?)",
            ),
            (received(InboxRow::TABLE), "inbox_age (received_at<?)"),
            (
                received(InboxSegmentRow::TABLE).after(at(5), id()),
                "inbox_segment_age ((received_at,segment)>(?,?) AND received_at<?)",
            ),
            (
                List::of(IdempotencyRow::TABLE, 9)
                    .order_by("created_at", Direction::Ascending)
                    .at_most("created_at", at(7))
                    .after(at(5), row_key(&["s", "k"])),
                "idempotency_age ((created_at,scope,key)>(?,?,?) AND created_at<?)",
            ),
            (jobs(Direction::Ascending).at_most("due_at", at(7)), "job_due (state=? AND due_at<?)"),
            (
                jobs(Direction::Ascending).equal("kind", text("k")).at_least("due_at", at(7)),
                "job_kind (state=? AND kind=? AND due_at>?)",
            ),
            (
                jobs(Direction::Ascending).equal("kind", text("k")).after(at(7), id()),
                "job_kind (state=? AND kind=? AND (due_at,id)>(?,?))",
            ),
            (jobs(Direction::Descending).after(at(7), id()), "job_due (state=? AND (due_at,id)<(?,?))"),
            (
                jobs(Direction::Descending).at_most("due_at", at(9)).after(at(7), id()),
                "job_due (state=? AND (due_at,id)<(?,?))",
            ),
            (paused.after(Value::Null, id()), "parked_consumer (consumer=? AND reason=? AND id>?)"),
            (dead.clone().equal("state", text("dead")), "dead_letter_state (state=?)"),
            (
                dead.equal("state", text("dead")).equal("consumer", text("c")).after(at(7), id()),
                "dead_letter_consumer (consumer=? AND state=? AND (died_at,id)<(?,?))",
            ),
        ] {
            let plan = plan(&list);
            assert!(plan.ends_with(wanted), "{plan}\n{wanted}");
        }
    }
}
