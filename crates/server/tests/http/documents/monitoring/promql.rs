//! Which figures and labels an expression of `PromQL` names. It reads the forms that our rules and panels use, and panics at
//! others: balanced brackets, selectors by `=`, `by (…)` and functions.

/// What an expression names.
pub struct Expression {
    pub selectors: Vec<Selector>,
    /// The labels of `by (…)`.
    pub grouped: Vec<String>,
}

pub struct Selector {
    pub name: String,
    /// Those between braces.
    pub labels: Vec<String>,
}

/// Words that are neither figures nor labels.
const WORDS: [&str; 14] = [
    "and",
    "or",
    "unless",
    "by",
    "sum",
    "max",
    "rate",
    "increase",
    "changes",
    "time",
    "histogram_quantile",
    "on",
    "min",
    "clamp_max",
];

impl Expression {
    pub fn read(text: &str) -> Self {
        let (mut selectors, mut grouped) = (Vec::new(), Vec::new());
        let (mut rest, mut open, mut is_group) = (text, Vec::new(), false);
        while let Some(first) = rest.chars().next() {
            let word: &str = &rest[..rest.find(|char: char| !is_of_word(char)).unwrap_or(rest.len())];
            if !word.is_empty() && !first.is_ascii_digit() {
                rest = &rest[word.len()..];
                if word.starts_with("tradewind_") {
                    let (labels, after) = matchers(rest, text);
                    selectors.push(Selector { name: word.to_owned(), labels });
                    rest = after;
                } else if open.last() == Some(&"by") {
                    grouped.push(word.to_owned());
                } else {
                    assert!(WORDS.contains(&word), "{word} is not known: {text}");
                    is_group = word == "by" || word == "on";
                    continue;
                }
            } else if !word.is_empty() {
                // A number, perhaps with a unit.
                rest = &rest[word.len()..];
            } else {
                match first {
                    '(' => open.push(if is_group { "by" } else { "(" }),
                    ')' => assert!(open.pop().is_some(), "a bracket is too many: {text}"),
                    '[' => {
                        let (range, after) = rest[1..].split_once(']').unwrap_or_else(|| panic!("no ]: {text}"));
                        assert!(!range.is_empty(), "an empty range: {text}");
                        rest = after;
                        continue;
                    }
                    ' ' => {
                        rest = &rest[1..];
                        continue;
                    }
                    other => assert!(",<>=!+-*/.$".contains(other), "{other:?} is not known: {text}"),
                }
                rest = &rest[first.len_utf8()..];
            }
            is_group = false;
        }
        assert!(open.is_empty(), "a bracket is not closed: {text}");
        Self { selectors, grouped }
    }
}

fn is_of_word(char: char) -> bool {
    char.is_ascii_alphanumeric() || char == '_'
}

/// The labels of `{label="value", …}` at the beginning, and what follows.
fn matchers<'a>(rest: &'a str, text: &str) -> (Vec<String>, &'a str) {
    let Some(inner) = rest.strip_prefix('{') else { return (Vec::new(), rest) };
    let (inner, after) = inner.split_once('}').unwrap_or_else(|| panic!("no }}: {text}"));
    let label = |matcher: &str| {
        let (label, value) = matcher.trim().split_once('=').unwrap_or_else(|| panic!("no =: {text}"));
        let value = value.trim_start_matches('~');
        assert!(value.len() >= 2 && value.starts_with('"') && value.ends_with('"'), "no value: {text}");
        label.to_owned()
    };
    (inner.split(',').map(label).collect(), after)
}

#[test]
fn figures_labels_and_groups_are_found() {
    let read = Expression::read(
        r#"sum by (le, route) (rate(tradewind_a_bucket{of="x",instance=~"$i"}[5m])) > 0.5 and tradewind_b"#,
    );
    let names: Vec<&str> = read.selectors.iter().map(|selector| selector.name.as_str()).collect();
    assert_eq!(
        (names, read.selectors[0].labels.clone()),
        (vec!["tradewind_a_bucket", "tradewind_b"], vec!["of".to_owned(), "instance".to_owned()])
    );
    assert_eq!(read.grouped, ["le", "route"]);
}

#[test]
#[should_panic(expected = "not closed")]
fn an_open_bracket_is_found() {
    Expression::read("sum(tradewind_a");
}

#[test]
#[should_panic(expected = "is not known")]
fn a_word_that_is_no_function_is_found() {
    Expression::read("rates(tradewind_a)");
}
