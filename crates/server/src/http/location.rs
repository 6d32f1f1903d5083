//! Where a new thing is: paths with ids in them, which may be any visible ASCII characters.

use std::fmt::Write;

use tradewind_events::Id;

/// The path of a thing in its collection.
pub fn location(collection: &str, id: &Id) -> String {
    format!("{collection}/{}", encoded_part(id.as_str()))
}

/// A text as one part of a path or of a query.
pub fn encoded_part(text: &str) -> String {
    let mut part = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            part.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            write!(part, "%{byte:02X}").unwrap_or_default();
        }
    }
    part
}

#[cfg(test)]
mod tests {
    use tradewind_events::id;

    use super::{encoded_part, location};

    #[test]
    fn whatever_stands_in_a_text_it_is_one_part_of_a_path() {
        assert_eq!(encoded_part("order-1_~.A"), "order-1_~.A");
        assert_eq!(encoded_part("a/b?c=d&e%é"), "a%2Fb%3Fc%3Dd%26e%25%C3%A9");
    }

    #[test]
    fn whatever_an_id_holds_its_path_leads_to_it() {
        assert_eq!(location("/v1/products", &id("tea-1")), "/v1/products/tea-1");
        assert_eq!(location("/v1/products", &id("a/b?c#d%")), "/v1/products/a%2Fb%3Fc%23d%25");
    }
}
