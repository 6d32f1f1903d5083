//! A pack to begin with: small, and whole.

use crate::files::PackFiles;

/// Its files. `docs/contracts.md` shows them, and a test compares.
const FILES: [(&str, &str); 7] = [
    ("pack.toml", include_str!("scaffold/pack.toml")),
    ("CHANGELOG.md", include_str!("scaffold/CHANGELOG.md")),
    ("messages/orders.toml", include_str!("scaffold/messages/orders.toml")),
    ("schemas/envelope.json", include_str!("scaffold/schemas/envelope.json")),
    ("schemas/orders.json", include_str!("scaffold/schemas/orders.json")),
    ("examples/order_priced.json", include_str!("scaffold/examples/order_priced.json")),
    ("examples/order_ended.json", include_str!("scaffold/examples/order_ended.json")),
];

/// A new pack of this name.
///
/// # Errors
/// A name that is not lower-case letters, digits and dashes.
pub fn scaffold(name: &str) -> Result<PackFiles, String> {
    let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if name.is_empty() || name.len() > 30 || !name.bytes().all(is_name) {
        return Err("a pack is named with lower-case letters, digits and dashes, 30 at most".to_owned());
    }
    let files = FILES.map(|(path, text)| {
        let text =
            if path == "pack.toml" { text.replace("\"example\"", &format!("\"{name}\"")) } else { text.to_owned() };
        (path.to_owned(), text.into_bytes())
    });
    PackFiles::new(name, files).map_err(|fault| fault.to_string())
}
