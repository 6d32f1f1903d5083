//! Every kind of problem that the product knows, from every service, with the page that explains it.

use axum::http::StatusCode;
use tradewind_engine::{Refusal, operator};

use crate::http::{refusals::EDGE_PROBLEMS, status_of};

include!(concat!(env!("OUT_DIR"), "/problem_pages.rs"));

/// All kinds of problems with their statuses.
pub fn all() -> Vec<(StatusCode, Refusal)> {
    let services = [
        tradewind_identity::PROBLEMS,
        tradewind_catalog::PROBLEMS,
        tradewind_inventory::PROBLEMS,
        tradewind_carts::PROBLEMS,
        tradewind_orders::PROBLEMS,
        tradewind_payments::PROBLEMS,
        tradewind_shipping::PROBLEMS,
        operator::PROBLEMS,
    ];
    let edge = EDGE_PROBLEMS.iter().map(|edge| (edge.status, edge.refusal));
    let services = services.into_iter().flatten().map(|refusal| (status_of(refusal.kind), *refusal));
    services.chain(edge).collect()
}

/// The page of a code, as it stands in docs/problems.
pub fn page(code: &str) -> Option<&'static str> {
    PAGES.iter().find(|(known, _)| *known == code).map(|(_, page)| *page)
}
