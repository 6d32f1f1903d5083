//! The rules of the house that a machine can hold. Each is a function from the tree to what breaks it, and says in
//! its message what to do.

mod arrows;
mod boundary;
mod documents;
mod entities;
mod faults;
mod files;
mod pages;
mod words;

use std::fmt;

use crate::{packages::Package, tree::Tree};

/// What breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    path: String,
    /// From 1; zero for the file as a whole.
    line: usize,
    what: String,
}

impl Finding {
    fn in_file(path: &str, what: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line: 0, what: what.into() }
    }

    /// `index` counts lines from zero, as `enumerate` does.
    fn on_line(path: &str, index: usize, what: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line: index + 1, what: what.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.what),
            line => write!(f, "{}:{line}: {}", self.path, self.what),
        }
    }
}

/// Everything that breaks a rule, sorted by place.
pub fn findings(tree: &Tree, packages: &[Package]) -> Vec<Finding> {
    let mut all = Vec::new();
    all.extend(arrows::findings(packages));
    all.extend(boundary::findings(tree));
    all.extend(entities::findings(tree));
    all.extend(files::findings(tree, packages));
    all.extend(words::findings(tree));
    all.extend(pages::findings(tree));
    all.extend(documents::findings(tree));
    all.extend(faults::findings(tree));
    all.sort();
    all
}

/// Lines that hold `text` as a word of its own, by index from zero.
fn lines_with<'a>(file: &'a str, text: &'a str) -> impl Iterator<Item = usize> + 'a {
    file.lines().enumerate().filter(|(_, line)| has_word(line, text)).map(|(index, _)| index)
}

/// Whether `text` stands in the line with no letter, digit or underscore beside it.
fn has_word(line: &str, text: &str) -> bool {
    let in_word = |char: char| char.is_alphanumeric() || char == '_';
    let begins = text.starts_with(in_word);
    let ends = text.ends_with(in_word);
    line.match_indices(text).any(|(at, _)| {
        let before = line[..at].chars().next_back().is_some_and(in_word);
        let after = line[at + text.len()..].chars().next().is_some_and(in_word);
        !(begins && before || ends && after)
    })
}
