//! What the documents name is there: every path, every link, every figure, and in ARCHITECTURE.md every name of the
//! code. Its code map names every crate.

use std::{collections::BTreeSet, path::Path};

use super::Finding;
use crate::{
    problems::INDEX,
    tree::{Tree, has_extension},
};

/// Names every path and name of the code that it mentions in backticks.
const ARCHITECTURE: &str = "ARCHITECTURE.md";

pub fn findings(tree: &Tree) -> Vec<Finding> {
    let mut findings = unmapped(tree);
    let words = words_of_the_code(tree);
    // The index is generated: `pages` says which page is missing.
    for (path, text) in tree.with_extension("md").filter(|(path, _)| *path != INDEX) {
        for (index, line) in prose(text) {
            for link in links(line) {
                if !leads_somewhere(tree, path, link) {
                    findings.push(Finding::on_line(path, index, format!("the link leads nowhere: {link}")));
                }
            }
            for name in quoted(line) {
                if is_path(tree, name) {
                    if !is_there(tree, path, name) {
                        findings.push(Finding::on_line(path, index, format!("there is no `{name}`")));
                    }
                } else if let Some(figure) = figure(name) {
                    if !words.contains(figure) {
                        findings.push(Finding::on_line(path, index, format!("there is no figure `{name}`")));
                    }
                } else if path == ARCHITECTURE && is_name(name) && !parts(name).all(|part| words.contains(part)) {
                    findings.push(Finding::on_line(path, index, format!("no code has `{name}`")));
                }
            }
        }
    }
    findings
}

/// Crates that the code map leaves out.
fn unmapped(tree: &Tree) -> Vec<Finding> {
    let map = tree.get(ARCHITECTURE).unwrap_or_default();
    let crates = tree
        .files()
        .filter_map(|(path, _)| path.strip_suffix("/Cargo.toml"))
        .filter(|path| path.starts_with("crates/"));
    crates
        .filter(|path| !map.contains(&format!("### `{path}`")))
        .map(|path| Finding::in_file(ARCHITECTURE, format!("the code map leaves out {path}")))
        .collect()
}

/// The lines outside of code blocks, by index.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut in_block = false;
    text.lines().enumerate().filter(move |(_, line)| {
        let fence = line.trim_start().starts_with("```");
        in_block ^= fence;
        !in_block && !fence
    })
}

/// The targets of `[text](target)`.
fn links(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target)
}

fn leads_somewhere(tree: &Tree, from: &str, link: &str) -> bool {
    let (target, _) = link.split_once('#').unwrap_or((link, ""));
    if target.is_empty() || target.contains("://") || target.starts_with("mailto:") {
        return true;
    }
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    tree.contains(&parts.join("/"))
}

/// What stands in backticks.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// Whether it is a path from the root: its first part is there. What a reader has to fill in is none.
fn is_path(tree: &Tree, name: &str) -> bool {
    let plain = |char: char| char.is_ascii_lowercase() || char.is_ascii_digit() || "/._-".contains(char);
    let first = name.split('/').next().unwrap_or_default();
    let in_tree = name.contains('/') && !first.is_empty() && tree.contains(first);
    let code = has_extension(name, "rs");
    name.chars().all(plain) && (in_tree || code)
}

/// From the root, or from a folder that the document is in; `lib.rs` alone is any file of that name.
fn is_there(tree: &Tree, document: &str, name: &str) -> bool {
    if !name.contains('/') {
        return tree.files().any(|(path, _)| Path::new(path).file_name().is_some_and(|found| found == name));
    }
    let folders = Path::new(document).ancestors().skip(1).filter_map(Path::to_str);
    folders.map(|folder| format!("{folder}/{name}")).any(|path| tree.contains(path.trim_start_matches('/')))
}

/// Whether it reads as a name of the code: `Uow`, `form_batch`, `Core::form`.
fn is_name(name: &str) -> bool {
    let in_name = |char: char| char.is_ascii_alphanumeric() || char == '_' || char == ':';
    name.len() > 1
        && name.chars().all(in_name)
        && (name.contains("::") || name.contains('_') || name.starts_with(|char: char| char.is_ascii_uppercase()))
        && !name.starts_with("TRADEWIND_")
}

/// A figure of `/metrics`, as the code names it.
fn figure(name: &str) -> Option<&str> {
    let name = name.strip_prefix("tradewind_")?;
    let name = name.split_once('{').map_or(name, |(name, _)| name);
    Some(["_total", "_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name))
}

fn parts(name: &str) -> impl Iterator<Item = &str> {
    name.split("::").filter(|part| !part.is_empty())
}

fn words_of_the_code(tree: &Tree) -> BTreeSet<&str> {
    let sources =
        tree.with_extension("rs").chain(tree.with_extension("sql")).filter(|(path, _)| !path.starts_with("xtask/"));
    sources.flat_map(|(_, text)| text.split(|char: char| !(char.is_alphanumeric() || char == '_'))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        let tree = Tree::of(&[
            ("crates/engine/src/uow.rs", "pub struct Uow; impl Uow { fn new_id() {} }"),
            ("docs/operate.md", "# Operate\n"),
            (path, text),
        ]);
        findings(&tree).into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn what_is_there_is_named() {
        let text =
            "`crates/engine/src/uow.rs` has `Uow::new_id`; see [operate](docs/operate.md#start), `crates/NAME`.\n";
        assert_eq!(found("ARCHITECTURE.md", text), [""; 0]);
    }

    #[test]
    fn the_code_map_names_every_crate() {
        let tree = Tree::of(&[("crates/toy/Cargo.toml", ""), (ARCHITECTURE, "### `crates/other`\n")]);
        assert_eq!(unmapped(&tree).len(), 1);
        let tree = Tree::of(&[("crates/toy/Cargo.toml", ""), (ARCHITECTURE, "### `crates/toy`\n")]);
        assert_eq!(unmapped(&tree), Vec::new());
    }

    #[test]
    fn what_is_not_there_is_found() {
        assert_eq!(
            found("ARCHITECTURE.md", "`crates/engine/src/gone.rs`"),
            ["there is no `crates/engine/src/gone.rs`"]
        );
        assert_eq!(found("ARCHITECTURE.md", "`uow/gone.rs`"), ["there is no `uow/gone.rs`"]);
        assert_eq!(found("ARCHITECTURE.md", "`Uow::gone`"), ["no code has `Uow::gone`"]);
        assert_eq!(found("docs/README.md", "`tradewind_gone_total`"), ["there is no figure `tradewind_gone_total`"]);
        assert_eq!(found("docs/README.md", "[gone](gone.md)"), ["the link leads nowhere: gone.md"]);
        assert_eq!(found("docs/README.md", "```\n[gone](gone.md)\n```\n[here](../docs/operate.md)"), [""; 0]);
    }
}
