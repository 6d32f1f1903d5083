//! Every refusal that the code declares stands in the list of its crate, so that whoever reads the list reads them all.

use std::collections::BTreeSet;

use tradewind_engine::{Refusal, operator};

use crate::read;

const LISTS: [(&str, &[Refusal]); 10] = [
    ("crates/engine", operator::PROBLEMS),
    ("services/identity", tradewind_identity::PROBLEMS),
    ("services/catalog", tradewind_catalog::PROBLEMS),
    ("services/inventory", tradewind_inventory::PROBLEMS),
    ("services/carts", tradewind_carts::PROBLEMS),
    ("services/orders", tradewind_orders::PROBLEMS),
    ("services/payments", tradewind_payments::PROBLEMS),
    ("services/shipping", tradewind_shipping::PROBLEMS),
    ("services/notifications", tradewind_notifications::PROBLEMS),
    ("services/query", tradewind_query::PROBLEMS),
];

#[test]
fn every_listed_problem_stands_in_the_index_with_its_title() {
    let index = read("docs/problems/README.md");
    for (place, problems) in LISTS {
        let mut codes = BTreeSet::new();
        for Refusal { code, title, .. } in problems {
            assert!(codes.insert(code), "{place} lists {code} twice");
            let row = index.lines().find(|line| line.starts_with(&format!("| [`{code}`]({code}.md) |")));
            assert!(
                row.is_some_and(|row| row.ends_with(&format!("| {title} |"))),
                "{place}: {code} is not in the index"
            );
        }
    }
}

/// What no list of a crate has is of the HTTP edge, whose table is a list by itself.
#[test]
fn every_problem_of_the_index_is_listed_somewhere() {
    let listed: BTreeSet<&str> =
        LISTS.iter().flat_map(|(_, problems)| problems.iter().map(|problem| problem.code)).collect();
    let index = read("docs/problems/README.md");
    let codes = index.lines().filter_map(|line| line.strip_prefix("| [`")?.split_once('`')).map(|(code, _)| code);
    let edge = read("crates/server/src/http/refusals.rs");
    for code in codes.filter(|code| !listed.contains(code)) {
        assert!(edge.contains(&format!("\"{code}\"")), "no list of PROBLEMS has {code}");
    }
}
