//! A page of a list that is merged from several stores.

use axum::response::Response;

use super::{
    Answer, Operating, Request, Stores, cursor,
    cursor::Position,
    json,
    merge::{self, Order, PageIn},
    read, with_body,
};
use crate::http::Failure;

/// The rows of one store that come into the page.
struct Part {
    rows: PageIn,
    position: Position,
}

impl Operating<'_> {
    /// The rows that come first in these stores. A store of which only a part of the rows fits is asked again for just
    /// these rows, so that its cursor stands behind them.
    pub(super) async fn list(&self, request: &Request, order: Order, stores: &Stores) -> Result<Response, Failure> {
        let limit = request.asking.limit()?;
        let names: Vec<&str> = stores.iter().map(|number| self.name(*number)).collect();
        let positions = match &request.asking.cursor {
            None => vec![Position::Start; stores.len()],
            Some(text) => cursor::open(&request.path, text, &names)?,
        };
        let mut parts = Vec::new();
        for (number, position) in stores.iter().zip(positions) {
            match self.part(request, (*number, limit), position).await? {
                Ok(part) => parts.push(part),
                Err(refused) => return Ok(with_body(refused.head, refused.body)),
            }
        }
        let counts = counts(order, &parts, limit)?;
        for (nth, count) in counts.into_iter().enumerate() {
            let part = &mut parts[nth];
            if count == 0 && !part.rows.items.is_empty() {
                part.rows = PageIn { items: Vec::new(), next_cursor: None };
                continue;
            }
            if count < part.rows.items.len() {
                let position = part.position.clone();
                match self.part(request, (stores[nth], count), position).await? {
                    Ok(fitting) => *part = fitting,
                    Err(refused) => return Ok(with_body(refused.head, refused.body)),
                }
            }
            part.position = part.rows.next_cursor.take().map_or(Position::End, Position::After);
        }
        let turns = order.turns(&rows(&parts), usize::MAX)?;
        let mut left: Vec<_> = parts.iter().map(|part| part.rows.items.iter()).collect();
        let items = turns.into_iter().filter_map(|nth| Some(merge::of_store(left[nth].next()?, names[nth])));
        let items: Vec<String> = items.collect();
        let positions = names.iter().copied().zip(parts.iter().map(|part| &part.position));
        let next = cursor::seal(&request.path, positions);
        Ok(json(merge::page(&items, next.as_deref())))
    }

    /// The next rows of one store; its answer, if that is none.
    async fn part(
        &self,
        request: &Request,
        (number, limit): (usize, usize),
        position: Position,
    ) -> Result<Result<Part, Answer>, Failure> {
        let after = match &position {
            Position::End => {
                return Ok(Ok(Part { rows: PageIn { items: Vec::new(), next_cursor: None }, position }));
            }
            Position::Start => None,
            Position::After(cursor) => Some(cursor.as_str()),
        };
        let answer = self.ask(number, request, &request.asking.page(limit, after)).await?;
        if !answer.head.status().is_success() {
            return Ok(Err(answer));
        }
        Ok(Ok(Part { rows: read(&answer.body)?, position }))
    }
}

/// How many rows of each store come into a page.
fn counts(order: Order, parts: &[Part], limit: usize) -> Result<Vec<usize>, Failure> {
    let mut counts = vec![0; parts.len()];
    for nth in order.turns(&rows(parts), limit)? {
        counts[nth] += 1;
    }
    Ok(counts)
}

fn rows(parts: &[Part]) -> Vec<&[Box<serde_json::value::RawValue>]> {
    parts.iter().map(|part| &*part.rows.items).collect()
}
