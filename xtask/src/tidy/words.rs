//! Words and code that may not stand in the tree: the list is `xtask/forbidden.txt`.

use super::{Finding, lines_with};
use crate::tree::{Tree, has_extension};

const LIST: &str = "xtask/forbidden.txt";
const LIST_TEXT: &str = include_str!("../../forbidden.txt");

/// Texts that are not ours to word: the list itself, licences, what tools read and write.
const NOT_OURS: [&str; 5] = [LIST, "Cargo.lock", "Cargo.toml", "LICENSE-APACHE", "LICENSE-MIT"];

/// A line of the list.
struct Rule<'a> {
    pattern: &'a str,
    place: &'a str,
    why: &'a str,
}

pub fn findings(tree: &Tree) -> Vec<Finding> {
    check(tree, LIST_TEXT)
}

fn check(tree: &Tree, list: &str) -> Vec<Finding> {
    let (rules, mut findings) = read(list);
    let is_ours = |path: &str| {
        let is_made_up = path.starts_with("fuzz/corpus/");
        // `placeholder` is an attribute of HTML.
        !NOT_OURS.contains(&path) && !is_made_up && !path.starts_with("xtask/src/tidy/") && !has_extension(path, "html")
    };
    for (path, text) in tree.files().filter(|(path, _)| is_ours(path)) {
        let lower = text.to_lowercase();
        for Rule { pattern, why, .. } in rules.iter().filter(|rule| stands_in(rule.place, path)) {
            let any_case = !pattern.contains(char::is_uppercase);
            let text = if any_case { &lower } else { text };
            findings.extend(
                lines_with(text, pattern).map(|line| Finding::on_line(path, line, format!("`{pattern}`: {why}"))),
            );
        }
    }
    findings
}

/// The rules, and what in the list is none.
fn read(list: &str) -> (Vec<Rule<'_>>, Vec<Finding>) {
    let mut rules = Vec::new();
    let mut findings = Vec::new();
    // `#[allow(` is a pattern, `# Words` a comment.
    let lines =
        list.lines().enumerate().filter(|(_, line)| !line.is_empty() && *line != "#" && !line.starts_with("# "));
    for (index, line) in lines {
        let parts: Vec<&str> = line.split(" | ").collect();
        match parts[..] {
            [pattern, place @ ("all" | "rust" | "tests"), why] => rules.push(Rule { pattern, place, why }),
            _ => findings.push(Finding::on_line(LIST, index, "a line is PATTERN | WHERE | WHY")),
        }
    }
    (rules, findings)
}

fn stands_in(place: &str, path: &str) -> bool {
    let rust = has_extension(path, "rs");
    match place {
        "rust" => rust,
        "tests" => rust && (path.contains("/tests/") || path.contains("/testkit/")),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_found_as_a_word_and_code_as_it_stands() {
        let tree = Tree::of(&[
            ("docs/a.md", "Good For Now.\nA formidable todo.\nTODO: more.\nbefore now\n"),
            ("services/toy/src/lib.rs", "thread::sleep(a);\n#[allow(dead_code)]\n"),
            ("services/toy/tests/toy/main.rs", "std::thread::sleep(a);\n"),
        ]);
        let found: Vec<String> =
            findings(&tree).iter().map(|finding| format!("{}:{}", finding.path, finding.line)).collect();
        assert_eq!(
            found,
            ["docs/a.md:3", "docs/a.md:1", "services/toy/src/lib.rs:2", "services/toy/tests/toy/main.rs:1"]
        );
    }

    #[test]
    fn a_line_of_the_list_that_is_no_rule_is_found() {
        assert_eq!(check(&Tree::of(&[]), "# Why.\nword | everywhere | because\n").len(), 1);
    }
}
