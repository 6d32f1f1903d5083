//! JSON bodies: read with limits, and with the path of the field at fault when they cannot be.

use axum::{
    body::Bytes,
    extract::FromRequestParts,
    http::{header, request},
};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use super::{
    describe::{Describe, Describer},
    fault::Fault,
    objects::Objects,
    problem::Failure,
    refusals::{BODY_INVALID, JSON_INVALID, JSON_TOO_DEEP, MEDIA_TYPE_UNSUPPORTED},
};
use crate::shop::Shop;

/// How deep objects and lists may lie in each other.
const DEPTH_MAX: usize = 16;

/// The body, read. The gate has bounded its size.
pub struct Json<T>(pub T);

/// The body as it came, for signed callbacks.
#[derive(Clone)]
pub struct BodyBytes(pub Bytes);

impl<T: DeserializeOwned> FromRequestParts<Shop> for Json<T> {
    type Rejection = Failure;
    async fn from_request_parts(parts: &mut request::Parts, shop: &Shop) -> Result<Self, Failure> {
        let media_type =
            parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if !is_json(media_type) {
            return Err(MEDIA_TYPE_UNSUPPORTED.problem());
        }
        let BodyBytes(body) = BodyBytes::from_request_parts(parts, shop).await?;
        read(&body).map(Self)
    }
}

impl<T: JsonSchema> Describe for Json<T> {
    fn describe(describer: &mut Describer) {
        describer.takes::<T>();
    }
}

impl FromRequestParts<Shop> for BodyBytes {
    type Rejection = Failure;
    async fn from_request_parts(parts: &mut request::Parts, _shop: &Shop) -> Result<Self, Failure> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_else(|| Self(Bytes::new())))
    }
}

impl Describe for BodyBytes {}

fn is_json(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// Reads a body.
pub fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    if body.is_empty() {
        return Err(JSON_INVALID.because("The body is empty."));
    }
    if depth(body) > DEPTH_MAX {
        return Err(JSON_TOO_DEEP.because(format!("Objects and lists lie in each other at most {DEPTH_MAX} deep.")));
    }
    let mut json = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(Objects(&mut json)).map_err(|error| {
        if error.inner().classify() != Category::Data {
            // Where it ceases to be JSON, the position says more than the field.
            return JSON_INVALID.because(error.inner());
        }
        Fault::of(error.path(), error.inner()).into_failure(BODY_INVALID)
    })?;
    json.end().map_err(|error| JSON_INVALID.because(error))?;
    Ok(value)
}

/// How deep the brackets lie, without reading what is between them.
fn depth(json: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut quoted, mut escaped) = (false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Order {
        lines: Vec<Line>,
    }

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Line {
        quantity: u32,
    }

    #[test]
    fn a_bad_body_names_the_field_at_fault() {
        let failure = read::<Order>(br#"{"lines": [{"quantity": 1}, {"quantity": "two"}]}"#).unwrap_err();
        let shown = format!("{failure:?}");
        assert!(failure.code() == "body_invalid" && shown.contains("lines[1].quantity"), "{shown}");
        for (body, code) in [("{", "json_invalid"), ("", "json_invalid"), (r#"{"lines": []} x"#, "json_invalid")] {
            assert_eq!(read::<Order>(body.as_bytes()).unwrap_err().code(), code, "{body}");
        }
    }

    #[test]
    fn depth_is_counted_outside_of_texts() {
        assert_eq!(depth(br#"{"a": ["[[[", {"b\"[": 1}]}"#), 3);
        let deep = "[".repeat(DEPTH_MAX + 1);
        assert_eq!(read::<serde_json::Value>(deep.as_bytes()).unwrap_err().code(), "json_too_deep");
    }
}
