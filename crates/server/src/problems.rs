//! Every kind of problem that the product knows, from every service, with the page that explains it.

use axum::http::StatusCode;
use tradewind_engine::{Refusal, operator};

use crate::http::{refusals::EDGE_PROBLEMS, status_of};

include!(concat!(env!("OUT_DIR"), "/problem_pages.rs"));

/// The problems that each service knows.
const SERVICES: [(&str, &[Refusal]); 7] = [
    ("identity", tradewind_identity::PROBLEMS),
    ("catalog", tradewind_catalog::PROBLEMS),
    ("inventory", tradewind_inventory::PROBLEMS),
    ("carts", tradewind_carts::PROBLEMS),
    ("orders", tradewind_orders::PROBLEMS),
    ("payments", tradewind_payments::PROBLEMS),
    ("shipping", tradewind_shipping::PROBLEMS),
];

/// All kinds of problems with their statuses.
pub fn all() -> Vec<(StatusCode, Refusal)> {
    let services = SERVICES.iter().flat_map(|(_, refusals)| *refusals).chain(operator::PROBLEMS);
    let edge = EDGE_PROBLEMS.iter().map(|edge| (edge.status, edge.refusal));
    services.map(|refusal| (status_of(refusal.kind), *refusal)).chain(edge).collect()
}

/// What a service refuses.
pub fn of_service(service: &str) -> &'static [Refusal] {
    SERVICES.iter().find(|(name, _)| *name == service).map_or(&[], |(_, refusals)| *refusals)
}

/// The page of a code, as it stands in docs/problems.
pub fn page(code: &str) -> Option<&'static str> {
    PAGES.iter().find(|(known, _)| *known == code).map(|(_, page)| *page)
}
