//! What may stand on which side of a boundary: wire types at the edges, the domain in services.

use super::{Finding, has_word, lines_with};
use crate::tree::Tree;

/// Where types may derive serde's traits. A derive is a promise to whoever has stored or read the text.
const WIRE_TYPES: [&str; 7] = [
    "crates/contracts/",
    "crates/engine/src/segment.rs",
    "crates/engine/tests/",
    "crates/events/",
    "crates/server/",
    // What the payment provider and the shop say to each other.
    "crates/workers/src/provider/callbacks.rs",
    "xtask/src/tidy/",
];

/// What knows no domain: the engine, the derives, the adapters.
const KNOWS_NO_DOMAIN: [&str; 3] = ["crates/engine/src/", "crates/macros/src/", "crates/sqlite/src/"];

/// Modules and values of `tradewind_events` that speak of the shop.
const DOMAIN: [&str; 13] = [
    "carts::",
    "catalog::",
    "identity::",
    "inventory::",
    "notifications::",
    "orders::",
    "payments::",
    "shipping::",
    "CartSnapshot",
    "Lines",
    "Money",
    "OrderSummary",
    "StockLevel",
];

pub fn findings(tree: &Tree) -> Vec<Finding> {
    tree.with_extension("rs").flat_map(|(path, text)| [derives(path, text), domain(path, text)].concat()).collect()
}

fn derives(path: &str, text: &str) -> Vec<Finding> {
    if WIRE_TYPES.iter().any(|place| path.starts_with(place)) {
        return Vec::new();
    }
    let derives =
        |line: &str| line.contains("derive(") && (has_word(line, "Serialize") || has_word(line, "Deserialize"));
    let lines = text.lines().enumerate().filter(|(_, line)| derives(line));
    lines
        .map(|(line, _)| {
            Finding::on_line(
                path,
                line,
                "serde only at the boundary: a type that is stored or sent belongs in crates/events",
            )
        })
        .collect()
}

fn domain(path: &str, text: &str) -> Vec<Finding> {
    if !KNOWS_NO_DOMAIN.iter().any(|place| path.starts_with(place)) {
        return Vec::new();
    }
    let words = DOMAIN.iter().flat_map(|word| lines_with(text, word).map(move |line| (line, word)));
    let in_code =
        words.filter(|(line, _)| !text.lines().nth(*line).is_some_and(|line| line.trim_start().starts_with("//")));
    in_code
        .map(|(line, word)| {
            Finding::on_line(path, line, format!("{word} is of the shop, which this crate does not know"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wire_types_are_derived_at_the_boundary_only() {
        let text = "#[derive(Debug, Serialize)]\nstruct A;\n";
        assert_eq!(findings(&Tree::of(&[("services/toy/src/model.rs", text)])).len(), 1);
        assert_eq!(findings(&Tree::of(&[("crates/events/src/toy.rs", text)])), Vec::new());
    }

    #[test]
    fn the_engine_knows_no_domain() {
        let code = "/// As orders::place would.\nuse tradewind_events::{orders::OrderPlaced};\n";
        assert_eq!(findings(&Tree::of(&[("crates/engine/src/toy.rs", code)])).len(), 1);
        assert_eq!(findings(&Tree::of(&[("crates/engine/tests/toy.rs", code)])), Vec::new());
    }
}
