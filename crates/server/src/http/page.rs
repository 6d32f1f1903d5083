//! Pages of lists. A cursor names the last row that a client has seen; it is signed, and good for its list alone.

use axum::{extract::FromRequestParts, http::request};
use ring::hmac;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tradewind_engine::{Entity, ports::List};
use tradewind_events::{Key, Value};

use super::{
    answer::Okay,
    call::Call,
    describe::{Describe, Describer},
    extract::Query,
    problem::Failure,
    refusals::{CURSOR_INVALID, QUERY_INVALID},
};
use crate::{
    secret::{decoded, encoded},
    shop::Shop,
};

const LIMIT_DEFAULT: u32 = 20;
const LIMIT_MAX: u32 = 100;

/// Of the form of cursors: one of another version is refused.
const VERSION: u8 = 1;

/// The signature of a cursor: HMAC-SHA-256.
const SIGNATURE_BYTES: usize = 32;

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

/// Where a page begins, as a cursor says it: the last row's value of the order, and its key.
#[derive(Serialize, Deserialize)]
struct Mark {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    int: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    key: String,
}

impl Page {
    /// The row after which the page begins. `list` names the list with its filters, so that a cursor of another is refused.
    pub fn after(&self, shop: &Shop, list: &str) -> Result<Option<(Value, Key)>, Failure> {
        let Some(cursor) = &self.cursor else { return Ok(None) };
        let bytes = decoded(cursor).unwrap_or_default();
        let parts =
            bytes.split_first().and_then(|(version, rest)| Some((*version, rest.split_at_checked(SIGNATURE_BYTES)?)));
        let Some((VERSION, (signature, mark))) = parts else { return Err(CURSOR_INVALID.problem().at("cursor")) };
        let good = hmac::verify(&shop.keys.cursors, &signed(list, mark), signature);
        good.map_err(|_| CURSOR_INVALID.problem().at("cursor"))?;
        let mark: Mark = serde_json::from_slice(mark).map_err(|_| CURSOR_INVALID.problem().at("cursor"))?;
        let value = match (mark.int, mark.text) {
            (Some(int), _) => Value::Int(int),
            (None, Some(text)) => Value::Text(text.into()),
            (None, None) => Value::Null,
        };
        Ok(Some((value, Key::from_joined(&mark.key))))
    }

    /// The cursor for what comes after a row.
    pub fn cursor(shop: &Shop, list: &str, value: &Value, key: &Key) -> String {
        let (int, text) = match value {
            Value::Int(int) => (Some(*int), None),
            Value::Text(text) => (None, Some(text.to_string())),
            Value::Null | Value::Bytes(_) => (None, None),
        };
        let mark = Mark { int, text, key: key.as_str().to_owned() };
        // Integers and texts: there is nothing that JSON cannot hold.
        let mark = serde_json::to_vec(&mark).unwrap_or_default();
        let signature = hmac::sign(&shop.keys.cursors, &signed(list, &mark));
        encoded(&[&[VERSION], signature.as_ref(), &mark].concat())
    }
}

/// What the signature is over: the list too, of which no name holds a zero.
fn signed(list: &str, mark: &[u8]) -> Vec<u8> {
    [list.as_bytes(), &[0, VERSION], mark].concat()
}

impl Call {
    /// A page of rows, each as `view` shows it.
    pub async fn page<E: Entity, V>(
        &self,
        page: &Page,
        mut list: List,
        view: impl Fn(E) -> V,
    ) -> Result<Okay<PageOf<V>>, Failure> {
        let name = format!(
            "{} {:?} {:?} {:?} {:?} {:?}",
            list.table.name, list.order_by, list.direction, list.equal, list.at_most, list.at_least
        );
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
