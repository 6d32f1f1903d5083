//! The query of an operation: what is for the gateway, and what is for the stores.

use axum::{extract::Query, http::Uri};

use super::STORE;
use crate::http::{Failure, encoded_part, refusals::QUERY_INVALID};

/// Rows on a page, as a shop has them.
const LIMIT_DEFAULT: usize = 20;
const LIMIT_MAX: usize = 100;

/// What a request asks for.
pub struct Asking {
    /// The one store that it names.
    pub store: Option<String>,
    limit: Option<String>,
    pub cursor: Option<String>,
    /// For the stores, as they read it.
    others: Vec<(String, String)>,
}

impl Asking {
    pub fn of(uri: &Uri) -> Result<Self, Failure> {
        let Query(given) = Query::<Vec<(String, String)>>::try_from_uri(uri)
            .map_err(|rejection| QUERY_INVALID.because(rejection.body_text()))?;
        let mut asking = Self { store: None, limit: None, cursor: None, others: Vec::new() };
        for (name, value) in given {
            let known = match &*name {
                STORE => &mut asking.store,
                "limit" => &mut asking.limit,
                "cursor" => &mut asking.cursor,
                _ => {
                    asking.others.push((name, value));
                    continue;
                }
            };
            if known.replace(value).is_some() {
                return Err(QUERY_INVALID.because("It stands in the query twice.").at(name));
            }
        }
        Ok(asking)
    }

    /// Rows on a page of a list.
    pub fn limit(&self) -> Result<usize, Failure> {
        let Some(text) = &self.limit else { return Ok(LIMIT_DEFAULT) };
        let limit = text.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
        limit.ok_or_else(|| QUERY_INVALID.because(format!("A page has 1 to {LIMIT_MAX} rows.")).at("limit"))
    }

    /// The query for a store, without a page.
    pub fn whole(&self) -> String {
        let page = [("limit", &self.limit), ("cursor", &self.cursor)];
        let page = page.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?)));
        joined(self.others().chain(page))
    }

    /// The query for a page of a store.
    pub fn page(&self, limit: usize, cursor: Option<&str>) -> String {
        let limit = limit.to_string();
        let cursor = cursor.map(|cursor| ("cursor", cursor));
        joined(self.others().chain([("limit", &*limit)]).chain(cursor))
    }

    fn others(&self) -> impl Iterator<Item = (&str, &str)> {
        self.others.iter().map(|(name, value)| (&**name, &**value))
    }
}

fn joined<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let pair = |(name, value)| format!("{}={}", encoded_part(name), encoded_part(value));
    pairs.map(pair).collect::<Vec<_>>().join("&")
}
