//! The bounds of what operators may say. An event carries a product whole, so all of it together must fit a message.

use std::collections::BTreeSet;

use tradewind_engine::Problem;
use tradewind_events::{Attributes, Column, Currency, FreeJson, JsonKind, Value};

use super::{Details, INVALID_CATEGORY, INVALID_PRICE, INVALID_PRODUCT};

pub const NAME_BYTES_MAX: usize = 200;
pub const BRAND_BYTES_MAX: usize = 100;
pub const DESCRIPTION_BYTES_MAX: usize = 16 * 1024;
pub const REASON_BYTES_MAX: usize = 200;
pub const CATEGORIES_PER_PRODUCT_MAX: usize = 10;
pub const MEDIA_MAX: usize = 20;
/// Of the address of a picture, and of the words that stand for it.
pub const URL_BYTES_MAX: usize = 1_024;
/// Of one product or variant.
pub const ATTRIBUTES_MAX: usize = 32;
pub const ATTRIBUTE_NAME_BYTES_MAX: usize = 64;
/// Of one attribute: of its text, or of the digits of its number.
pub const ATTRIBUTE_BYTES_MAX: usize = 100;
/// Of all attributes of one product or variant, as JSON.
pub const ATTRIBUTES_BYTES_MAX: usize = 4 * 1024;
/// The highest price, in minor units.
pub const PRICE_MINOR_MAX: i64 = 1_000_000_000_000;

/// What is said of a product; whether its categories exist is for the command to see.
pub fn details(details: &Details) -> Result<(), Problem> {
    let invalid = |field: &str, what: &str| INVALID_PRODUCT.because(format!("{field}: {what}")).at(field.to_owned());
    let text = |field: &str, text: &str, bytes_max| line(text, bytes_max).map_err(|what| invalid(field, &what));
    text("name", &details.name, NAME_BYTES_MAX)?;
    if let Some(brand) = &details.brand {
        text("brand", brand, BRAND_BYTES_MAX)?;
    }
    if details.description.len() > DESCRIPTION_BYTES_MAX {
        return Err(invalid("description", &format!("it has at most {DESCRIPTION_BYTES_MAX} bytes")));
    }
    // Other control characters mean nothing in a text, and each takes six bytes in JSON.
    if details.description.chars().any(|char| char.is_control() && !matches!(char, '\n' | '\r' | '\t')) {
        return Err(invalid("description", "it has no control characters but line breaks and tabs"));
    }
    let categories: BTreeSet<_> = details.category_ids.iter().collect();
    if categories.len() > CATEGORIES_PER_PRODUCT_MAX || categories.len() < details.category_ids.len() {
        let what = format!("a product has at most {CATEGORIES_PER_PRODUCT_MAX} categories, each once");
        return Err(invalid("category_ids", &what));
    }
    let media: BTreeSet<_> = details.media.iter().map(|media| &media.media_id).collect();
    if media.len() > MEDIA_MAX || media.len() < details.media.len() {
        return Err(invalid("media", &format!("a product has at most {MEDIA_MAX} media, each once")));
    }
    for (nth, media) in details.media.iter().enumerate() {
        let web = media.url.starts_with("https://") || media.url.starts_with("http://");
        if !web || media.url.len() > URL_BYTES_MAX || !media.url.bytes().all(|byte| byte.is_ascii_graphic()) {
            let what = format!("an address on the web of at most {URL_BYTES_MAX} visible ASCII characters is expected");
            return Err(invalid(&format!("media[{nth}].url"), &what));
        }
        if let Some(alt_text) = &media.alt_text {
            text(&format!("media[{nth}].alt_text"), alt_text, URL_BYTES_MAX)?;
        }
    }
    attributes(&details.attributes, "")
}

/// Attributes are flat: texts, numbers, truths. `prefix` is where they stand in the request: `variants[2].`.
pub fn attributes(attributes: &Attributes, prefix: &str) -> Result<(), Problem> {
    if attributes.len() > ATTRIBUTES_MAX {
        let detail = format!("at most {ATTRIBUTES_MAX} attributes, not {}", attributes.len());
        return Err(INVALID_PRODUCT.because(detail).at(format!("{prefix}attributes")));
    }
    // A product carries those of all its variants in one event.
    let bytes = json_bytes(attributes);
    if bytes > ATTRIBUTES_BYTES_MAX {
        let detail = format!("attributes have at most {ATTRIBUTES_BYTES_MAX} bytes as JSON, all together, not {bytes}");
        return Err(INVALID_PRODUCT.because(detail).at(format!("{prefix}attributes")));
    }
    for (name, value) in attributes.iter() {
        let named = line(name, ATTRIBUTE_NAME_BYTES_MAX).is_ok();
        if !named || !fits(value) {
            let detail = format!(
                "an attribute has a name of at most {ATTRIBUTE_NAME_BYTES_MAX} bytes and is true, false, or a number or \
                 text of at most {ATTRIBUTE_BYTES_MAX} bytes"
            );
            // A name out of bounds is not repeated.
            let field = if named { format!("{prefix}attributes.{name}") } else { format!("{prefix}attributes") };
            return Err(INVALID_PRODUCT.because(detail).at(field));
        }
    }
    Ok(())
}

fn fits(value: &FreeJson) -> bool {
    match value.kind() {
        JsonKind::Boolean => true,
        JsonKind::Number => value.get().len() <= ATTRIBUTE_BYTES_MAX,
        JsonKind::Text => value.as_text().is_some_and(|text| text.len() <= ATTRIBUTE_BYTES_MAX),
        JsonKind::Null | JsonKind::List | JsonKind::Object => false,
    }
}

fn json_bytes(attributes: &Attributes) -> usize {
    match attributes.to_value() {
        Value::Text(json) => json.len(),
        Value::Null | Value::Int(_) | Value::Bytes(_) => 0,
    }
}

/// `prefix` is where the price stands in the request: `variants[2].`.
pub fn price(amount_minor: i64, currency: Currency, ours: Currency, prefix: &str) -> Result<(), Problem> {
    if !(0..=PRICE_MINOR_MAX).contains(&amount_minor) {
        let detail = format!("a price is 0 to {PRICE_MINOR_MAX} minor units, not {amount_minor}");
        return Err(INVALID_PRICE.because(detail).at(format!("{prefix}amount_minor")));
    }
    if currency != ours {
        let detail = format!("prices are in {ours}, not in {currency}");
        return Err(INVALID_PRICE.because(detail).at(format!("{prefix}currency")));
    }
    Ok(())
}

pub fn category_name(name: &str) -> Result<(), Problem> {
    line(name, NAME_BYTES_MAX).map_err(|what| INVALID_CATEGORY.because(format!("name: {what}")).at("name"))
}

/// Why somebody archives a product or changes a price.
pub fn reason(reason: &str) -> Result<(), Problem> {
    line(reason, REASON_BYTES_MAX).map_err(|what| INVALID_PRODUCT.because(format!("reason: {what}")).at("reason"))
}

/// One line of text that is not blank.
fn line(text: &str, bytes_max: usize) -> Result<(), String> {
    let fits = !text.trim().is_empty() && text.len() <= bytes_max && !text.chars().any(char::is_control);
    if fits { Ok(()) } else { Err(format!("one line of text of at most {bytes_max} bytes is expected")) }
}
