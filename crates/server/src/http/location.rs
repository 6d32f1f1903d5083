//! Where a new thing is: paths with ids in them, which may be any visible ASCII characters.

use std::fmt::Write;

use tradewind_events::Id;

/// The path of a thing in its collection.
pub fn location(collection: &str, id: &Id) -> String {
    let mut path = format!("{collection}/");
    for byte in id.as_str().bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            path.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            write!(path, "%{byte:02X}").unwrap_or_default();
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use tradewind_events::id;

    use super::location;

    #[test]
    fn whatever_an_id_holds_its_path_leads_to_it() {
        assert_eq!(location("/v1/products", &id("tea-1")), "/v1/products/tea-1");
        assert_eq!(location("/v1/products", &id("a/b?c#d%")), "/v1/products/a%2Fb%3Fc%23d%25");
    }
}
