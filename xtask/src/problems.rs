//! Every problem code that the product can answer with, read from where the code declares it, and the index of their
//! pages.

use std::{collections::BTreeMap, fmt::Write};

use crate::tree::Tree;

/// The generated index.
pub const INDEX: &str = "docs/problems/README.md";

/// A kind of refusal as it is declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    pub title: String,
    /// The file that declares it.
    pub path: String,
}

/// `Refusal::METHOD("code", …)`, with the status where the method says it.
const METHODS: [(&str, Option<u16>); 4] =
    [("new", None), ("invalid", Some(422)), ("conflict", Some(409)), ("not_found", Some(404))];

/// `RefusalKind::KIND`, with its status.
const KINDS: [(&str, u16); 9] = [
    ("Invalid", 422),
    ("Unauthenticated", 401),
    ("Forbidden", 403),
    ("NotFound", 404),
    ("Conflict", 409),
    ("TooMany", 429),
    ("Unavailable", 503),
    ("Misdirected", 421),
    ("Internal", 500),
];

/// `StatusCode::NAME`, as the table of the HTTP edge names them.
const STATUSES: [(&str, u16); 15] = [
    ("BAD_REQUEST", 400),
    ("UNAUTHORIZED", 401),
    ("FORBIDDEN", 403),
    ("NOT_FOUND", 404),
    ("METHOD_NOT_ALLOWED", 405),
    ("NOT_ACCEPTABLE", 406),
    ("REQUEST_TIMEOUT", 408),
    ("CONFLICT", 409),
    ("PAYLOAD_TOO_LARGE", 413),
    ("UNSUPPORTED_MEDIA_TYPE", 415),
    ("UNPROCESSABLE_ENTITY", 422),
    ("TOO_MANY_REQUESTS", 429),
    ("INTERNAL_SERVER_ERROR", 500),
    ("SERVICE_UNAVAILABLE", 503),
    ("LOOP_DETECTED", 508),
];

/// Every problem by its code.
pub fn declared(tree: &Tree) -> BTreeMap<String, Problem> {
    let mut problems = BTreeMap::new();
    let sources = tree.with_extension("rs").filter(|(path, _)| path.contains("/src/") && !path.starts_with("xtask/"));
    for (path, text) in sources {
        let constants = text.split("Refusal::").skip(1).filter_map(constant);
        for (code, status, title) in constants.chain(text.lines().filter_map(edge)) {
            problems.insert(code, Problem { status, title, path: path.to_owned() });
        }
    }
    problems
}

/// What stands after `Refusal::`.
fn constant(text: &str) -> Option<(String, u16, String)> {
    let (method, arguments) = text.split_once('(')?;
    let (_, status) = METHODS.iter().find(|(name, _)| *name == method)?;
    if !arguments.trim_start().starts_with('"') {
        return None;
    }
    let (code, rest) = literal(arguments)?;
    let kind = || rest.split_once("RefusalKind::").map(|(_, kind)| kind);
    let status = status.or_else(|| {
        KINDS.iter().find(|(name, _)| kind().is_some_and(|kind| kind.starts_with(name))).map(|(_, status)| *status)
    })?;
    Some((code, status, literal(rest)?.0))
}

/// `NAME: STATUS, Kind, "code", "title";`, a line of the table of the HTTP edge.
fn edge(line: &str) -> Option<(String, u16, String)> {
    let (name, rest) = line.trim().split_once(": ")?;
    let (status, rest) = rest.split_once(", ")?;
    let (_, status) = STATUSES.iter().find(|(name, _)| *name == status)?;
    let is_constant = name.chars().all(|char| char.is_ascii_uppercase() || char == '_');
    let (code, rest) = literal(rest)?;
    is_constant.then_some((code, *status, literal(rest)?.0))
}

/// The first string literal, and what comes after it.
fn literal(text: &str) -> Option<(String, &str)> {
    let (_, text) = text.split_once('"')?;
    let mut content = String::new();
    let mut chars = text.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return Some((content, &text[at + 1..])),
            '\\' => match chars.next()?.1 {
                // A line that goes on: what indents the next one is no part of it.
                '\n' => {
                    let rest = text[at + 2..].trim_start();
                    chars = text.char_indices();
                    chars.nth(text.len() - rest.len() - 1);
                }
                escaped => content.push(escaped),
            },
            char => content.push(char),
        }
    }
    None
}

/// The index of the pages.
pub fn index(problems: &BTreeMap<String, Problem>) -> String {
    let mut page = String::from(
        "# Problems\n\nEvery error of the API is `application/problem+json` with one of these codes. A code is stable: programs act on it,\n\
         never on the texts. `cargo xtask docs` makes this list.\n\n| code | status | title |\n|---|---|---|\n",
    );
    for (code, Problem { status, title, .. }) in problems {
        writeln!(page, "| [`{code}`]({code}.md) | {status} | {title} |").unwrap_or_default();
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<(String, u16, String)> {
        let tree = Tree::of(&[("services/toy/src/model.rs", text)]);
        declared(&tree).into_iter().map(|(code, problem)| (code, problem.status, problem.title)).collect()
    }

    #[test]
    fn a_problem_is_found_however_it_is_declared() {
        let expected = vec![("too_small".to_owned(), 409, "It is \"too\" small.".to_owned())];
        assert_eq!(of(r#"const A: Refusal = Refusal::conflict("too_small", "It is \"too\" small.");"#), expected);
        assert_eq!(
            of(
                "Refusal::new(\n    \"too_small\",\n    RefusalKind::Conflict,\n    \"It is \\\"too\\\" \\\n     small.\",\n)"
            ),
            expected
        );
        assert_eq!(of(r#"    TOO_SMALL: CONFLICT, Conflict, "too_small", "It is \"too\" small.";"#), expected);
        assert_eq!(of("Refusal::new(code, RefusalKind::Invalid, title)"), Vec::new());
    }
}
