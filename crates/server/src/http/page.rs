//! Pages of lists. A cursor names the last row that a client has seen.

use axum::{extract::FromRequestParts, http::request};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tradewind_engine::{Entity, ports::List};
use tradewind_events::{Key, Value};

use super::{
    answer::Okay,
    call::Call,
    cursor::Mark,
    describe::{Describe, Describer},
    extract::Query,
    problem::Failure,
    refusals::{CURSOR_INVALID, QUERY_INVALID},
};
use crate::shop::Shop;

const LIMIT_DEFAULT: u32 = 20;
const LIMIT_MAX: u32 = 100;

/// Which page of a list is asked for.
#[derive(Debug, Clone)]
pub struct Page {
    pub limit: u32,
    cursor: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
struct PageQuery {
    /// Rows on a page.
    #[serde(default)]
    #[schemars(range(min = 1, max = LIMIT_MAX), extend("default" = LIMIT_DEFAULT))]
    limit: Option<u32>,
    /// The `next_cursor` of the page before; absent for the first page.
    #[serde(default)]
    cursor: Option<String>,
}

/// A page of a list.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "PageOf{T}")]
pub struct PageOf<T> {
    pub items: Vec<T>,
    /// For the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

impl Page {
    /// The first page of a list that is shown with something else.
    pub const fn first(limit: u32) -> Self {
        Self { limit, cursor: None }
    }

    /// The row after which the page begins. `list` names the list with its filters, so that a cursor of another is refused.
    pub fn after(&self, shop: &Shop, list: &str) -> Result<Option<(Value, Key)>, Failure> {
        let Some(cursor) = &self.cursor else { return Ok(None) };
        let mark = Mark::open(&shop.keys.cursors, list, cursor);
        mark.map(|mark| Some((mark.value, mark.key))).ok_or_else(|| CURSOR_INVALID.problem().at("cursor"))
    }

    /// The cursor for what comes after a row.
    pub fn cursor(shop: &Shop, list: &str, value: &Value, key: &Key) -> String {
        Mark { value: value.clone(), key: key.clone() }.seal(&shop.keys.cursors, list)
    }
}

/// Which rows a list has, as its cursors name it.
pub(super) fn filters(list: &List) -> String {
    let having = list.having.as_ref().map(|other| filters(other));
    format!("{} {:?} {:?} {:?} {having:?}", list.table.name, list.equal, list.at_most, list.at_least)
}

impl Call {
    /// A page of rows, each as `view` shows it.
    pub async fn page<E: Entity, V>(
        &self,
        page: &Page,
        mut list: List,
        view: impl Fn(E) -> V,
    ) -> Result<Okay<PageOf<V>>, Failure> {
        let name = format!("{:?} {:?} {}", list.order_by, list.direction, filters(&list));
        list.after = page.after(self, &name)?;
        // One more than asked for tells whether there is a next page.
        list.limit = page.limit + 1;
        let order_by = list.order_by.and_then(|column| E::TABLE.position(column));
        let mut rows: Vec<E> = self.list(list).await?;
        let more = rows.len() > page.limit as usize;
        rows.truncate(page.limit as usize);
        let next_cursor = rows.last().filter(|_| more).map(|last| {
            let value = order_by.and_then(|nth| last.to_row().into_iter().nth(nth)).unwrap_or(Value::Null);
            Page::cursor(self, &name, &value, &last.key())
        });
        Ok(Okay(PageOf { items: rows.into_iter().map(view).collect(), next_cursor }))
    }
}

impl FromRequestParts<Shop> for Page {
    type Rejection = Failure;
    async fn from_request_parts(parts: &mut request::Parts, shop: &Shop) -> Result<Self, Failure> {
        let Query(query) = Query::<PageQuery>::from_request_parts(parts, shop).await?;
        let limit = query.limit.unwrap_or(LIMIT_DEFAULT);
        if !(1..=LIMIT_MAX).contains(&limit) {
            return Err(QUERY_INVALID.because(format!("A page has 1 to {LIMIT_MAX} rows.")).at("limit"));
        }
        Ok(Self { limit, cursor: query.cursor })
    }
}

impl Describe for Page {
    fn describe(describer: &mut Describer) {
        describer.query::<PageQuery>();
    }
}
