//! Parts of the path and the query, with problems of ours when they cannot be read.

use axum::{
    extract::{FromRequestParts, rejection::PathRejection},
    http::request,
};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use super::{
    describe::{Describe, Describer},
    problem::Failure,
    refusals::{PATH_INVALID, QUERY_INVALID},
};
use crate::shop::Shop;

/// The variable parts of the path, in their order: an id, or a tuple of ids.
pub struct Path<T>(pub T);

/// The query, as a struct with optional fields.
pub struct Query<T>(pub T);

impl<T: DeserializeOwned + Send> FromRequestParts<Shop> for Path<T> {
    type Rejection = Failure;
    async fn from_request_parts(parts: &mut request::Parts, shop: &Shop) -> Result<Self, Failure> {
        let read = axum::extract::Path::<T>::from_request_parts(parts, shop).await;
        read.map(|axum::extract::Path(value)| Self(value))
            .map_err(|rejection: PathRejection| PATH_INVALID.because(rejection.body_text()))
    }
}

/// The path itself names them.
impl<T> Describe for Path<T> {}

impl<T: DeserializeOwned + Send> FromRequestParts<Shop> for Query<T> {
    type Rejection = Failure;
    async fn from_request_parts(parts: &mut request::Parts, _shop: &Shop) -> Result<Self, Failure> {
        let read = axum::extract::Query::<T>::try_from_uri(&parts.uri);
        read.map(|axum::extract::Query(value)| Self(value))
            .map_err(|rejection| QUERY_INVALID.because(rejection.body_text()))
    }
}

impl<T: JsonSchema> Describe for Query<T> {
    fn describe(describer: &mut Describer) {
        describer.query::<T>();
    }
}
