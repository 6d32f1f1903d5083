//! Pages of a text search.

use tradewind_engine::{
    Entity,
    ports::{List, Phrase},
};
use tradewind_events::{AsKey, KeyText, Value};

use super::{
    answer::Okay,
    call::Call,
    page::{Page, PageOf, filters},
    problem::Failure,
};

/// Stands for the key in a cursor that counts rows.
const PLACE: KeyText = KeyText::literal("place");

impl Call {
    /// A page of rows that hold all phrases, best first, each as `view` shows it. How well a row fits depends
    /// on all others, so a cursor counts rows: what changes between two pages may be missed, or come twice.
    pub async fn search<E: Entity, V>(
        &self,
        page: &Page,
        mut list: List,
        phrases: Vec<Phrase>,
        view: impl Fn(E) -> V,
    ) -> Result<Okay<PageOf<V>>, Failure> {
        let name = format!("search {phrases:?} {}", filters(&list));
        let offset = match page.after(self, &name)? {
            Some((Value::Int(offset), _)) => u32::try_from(offset).unwrap_or(u32::MAX),
            _ => 0,
        };
        // One more than asked for tells whether there is a next page.
        list.limit = page.limit + 1;
        let mut rows = self.read(move |reader| reader.search(&list, &phrases, offset)).await?;
        let more = rows.len() > page.limit as usize;
        rows.truncate(page.limit as usize);
        let next = Value::Int(i64::from(offset) + i64::from(page.limit));
        let next_cursor = more.then(|| Page::cursor(self, &name, &next, &PLACE.as_key()));
        let rows: Result<Vec<E>, _> = rows.iter().map(|row| E::from_row(&row.values)).collect();
        let rows = rows.map_err(|error| Failure::internal("reading a row", &error))?;
        Ok(Okay(PageOf { items: rows.into_iter().map(view).collect(), next_cursor }))
    }
}
