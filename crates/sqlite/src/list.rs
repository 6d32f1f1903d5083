//! A page of rows as SQL. The text depends on the shape of the question alone, so that its prepared statement is found
//! again; every value is a parameter.

use tradewind_engine::{
    ColumnDef, Table,
    ports::{Direction, List, StoreError},
};
use tradewind_events::Value;

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

pub(crate) fn query(list: &List) -> Result<Query<'_>, StoreError> {
    let mut params = Vec::new();
    let mut wanted = Vec::new();
    let equal = list.equal.iter().map(|filter| (filter, "="));
    let bounds =
        list.at_most.iter().map(|filter| (filter, "<=")).chain(list.at_least.iter().map(|filter| (filter, ">=")));
    for ((name, value), compares) in equal.chain(bounds) {
        // As SQL has it: `NULL` is equal to nothing, nor at most or at least anything.
        wanted.push(format!("{} {compares} ?", quoted(column(list.table, name)?.name)));
        params.push(Param::Value(value));
    }
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

/// The columns that sort: the one that was asked for, then those of the key.
fn order(list: &List) -> Result<Vec<Place<'_>>, StoreError> {
    let mut order = Vec::with_capacity(list.table.key.len() + 1);
    if let Some(name) = list.order_by {
        let after = list.after.as_ref().map(|(value, _)| Param::Value(value));
        order.push(Place { column: column(list.table, name)?, after });
    }
    let mut parts = list.after.as_ref().map(|(_, key)| key.parts());
    for name in list.table.key {
        let part = parts.as_mut().map(|parts| parts.next().unwrap_or_default());
        if list.order_by != Some(name) {
            order.push(Place { column: column(list.table, name)?, after: part.map(Param::Text) });
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
