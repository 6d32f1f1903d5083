//! Parts of the path, the query and single headers, with problems of ours when they cannot be read.

use std::error::Error;

use axum::{
    extract::{FromRequestParts, RawPathParams, rejection::QueryRejection},
    http::{header, request},
};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use tradewind_events::Id;
use tradewind_workers::provider::{Callback, SIGNATURE_HEADER};

use super::{
    describe::{Describe, Describer},
    fault::Fault,
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
        let rejection = match read {
            Ok(axum::extract::Path(value)) => return Ok(Self(value)),
            Err(rejection) => rejection,
        };
        let Ok(parts) = RawPathParams::from_request_parts(parts, shop).await else {
            return Err(PATH_INVALID.because("The path is not UTF-8."));
        };
        Err(match parts.iter().find_map(|(name, value)| Some((name, Id::new(value).err()?))) {
            Some((name, error)) => PATH_INVALID.because(error).at(name.to_owned()),
            None => PATH_INVALID.because(rejection.body_text().trim_start_matches("Invalid URL: ")),
        })
    }
}

/// The path itself names them.
impl<T> Describe for Path<T> {}

impl<T: DeserializeOwned + Send> FromRequestParts<Shop> for Query<T> {
    type Rejection = Failure;
    async fn from_request_parts(parts: &mut request::Parts, _shop: &Shop) -> Result<Self, Failure> {
        let read = axum::extract::Query::<T>::try_from_uri(&parts.uri);
        read.map(|axum::extract::Query(value)| Self(value)).map_err(|rejection| {
            let text = || QUERY_INVALID.because(rejection.body_text());
            fault(&rejection).map_or_else(text, |fault| fault.into_failure(QUERY_INVALID))
        })
    }
}

/// What the decoder has said, which lies below what wraps it.
fn fault(rejection: &QueryRejection) -> Option<Fault> {
    let mut source = Some(rejection as &dyn Error);
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<serde_path_to_error::Error<serde::de::value::Error>>() {
            return Some(Fault::of(error.path(), error.inner()));
        }
        source = error.source();
    }
    None
}

impl<T: JsonSchema> Describe for Query<T> {
    fn describe(describer: &mut Describer) {
        describer.query::<T>();
    }
}

/// What the client would like to get.
pub struct Accepts(Vec<String>);

impl Accepts {
    /// A stream of events is named, whatever else is.
    pub fn event_stream(&self) -> bool {
        let types = self.0.iter().flat_map(|value| value.split(','));
        types.filter_map(|range| range.split(';').next()).any(|essence| essence.trim() == "text/event-stream")
    }
}

impl FromRequestParts<Shop> for Accepts {
    type Rejection = Failure;
    async fn from_request_parts(parts: &mut request::Parts, _shop: &Shop) -> Result<Self, Failure> {
        let values = parts.headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        Ok(Self(values.map(str::to_ascii_lowercase).collect()))
    }
}

/// The media types of the answers say it.
impl Describe for Accepts {}

/// What shows that a body comes from the payment provider.
pub struct Signature(pub Option<String>);

impl FromRequestParts<Shop> for Signature {
    type Rejection = Failure;
    async fn from_request_parts(parts: &mut request::Parts, _shop: &Shop) -> Result<Self, Failure> {
        let signature = parts.headers.get(SIGNATURE_HEADER).and_then(|value| value.to_str().ok());
        Ok(Self(signature.map(str::to_owned)))
    }
}

impl Describe for Signature {
    fn describe(describer: &mut Describer) {
        let help = "`t=SECONDS,v1=HEX`: the time, and HMAC-SHA256 over the time, a dot and the body.";
        describer.required_header(SIGNATURE_HEADER, help, serde_json::json!({"type": "string"}));
        describer.takes::<Callback>();
    }
}
