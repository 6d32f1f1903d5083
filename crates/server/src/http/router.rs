//! The router is built from the table of routes and from nothing else.

use std::sync::Arc;

use axum::{Router, middleware::from_fn_with_state};

use super::{
    gate::{Gate, pass},
    refusals::{METHOD_NOT_ALLOWED, ROUTE_UNKNOWN},
    route::Section,
};
use crate::shop::Shop;

/// All routes of these sections, each behind its gate.
pub fn router(shop: &Shop, sections: Vec<Section>) -> Router {
    let mut router = Router::new();
    for route in sections.into_iter().flat_map(|section| section.routes) {
        let (path, handler) = (route.path, route.handler.clone());
        let gate = Arc::new(Gate::new(shop.clone(), route));
        router = router.route(path, handler.layer(from_fn_with_state(gate, pass)));
    }
    router
        .method_not_allowed_fallback(async || METHOD_NOT_ALLOWED.problem())
        .fallback(async || ROUTE_UNKNOWN.problem())
        .with_state(shop.clone())
}
