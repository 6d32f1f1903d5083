//! What a decoder says is wrong with an input, in the words of the API: which field is at fault, and what it should be.

use std::fmt::Display;

use super::problem::{EdgeRefusal, Failure};

/// What is wrong with an input.
#[derive(Debug, PartialEq, Eq)]
pub struct Fault {
    /// A path in the input, as far as it is known: `lines[3].quantity`.
    pub field: Option<String>,
    /// For a person.
    pub detail: String,
}

/// What a decoder calls a kind of value, and what people call it. Longer names come before those that they begin with.
const KINDS: [(&str, &str); 9] = [
    ("struct ", "an object"),
    ("internally tagged enum ", "an object"),
    ("a map", "an object"),
    ("a sequence", "a list"),
    ("u16", "a whole number from 0 to 65535"),
    ("u32", "a whole number from 0 to 4294967295"),
    ("u64", "a whole number from 0 on"),
    ("i64", "a whole number"),
    ("i32", "a whole number"),
];

impl Fault {
    /// What a decoder has said of an input at a path.
    pub fn of(path: &serde_path_to_error::Path, error: &dyn Display) -> Self {
        let said = error.to_string();
        let detail = in_words(&said);
        // Without the parts of which nobody knows the name.
        let known: Vec<String> = path.iter().map(ToString::to_string).filter(|part| part != "?").collect();
        let mut field = String::new();
        for part in known.into_iter().chain(lacking(&said).map(str::to_owned)) {
            if !field.is_empty() && !part.starts_with('[') {
                field.push('.');
            }
            field.push_str(&part);
        }
        Self { field: Some(field).filter(|field| !field.is_empty()), detail }
    }

    /// The same as a refusal.
    pub fn into_failure(self, refusal: EdgeRefusal) -> Failure {
        let failure = refusal.because(self.detail);
        match self.field {
            Some(field) => failure.at(field),
            None => failure,
        }
    }
}

/// The field that is missing, or there twice: it has no path, as no value of it was read.
fn lacking(said: &str) -> Option<&str> {
    let rest = said.strip_prefix("missing field `").or_else(|| said.strip_prefix("duplicate field `"))?;
    Some(rest.split_once('`')?.0)
}

/// Without the position, and with names of kinds that people know.
fn in_words(said: &str) -> String {
    let said = said.rsplit_once(" at line ").map_or(said, |(said, _)| said);
    let Some((before, expected)) = said.rsplit_once("expected ") else { return said.to_owned() };
    let Some((_, kind)) = KINDS.iter().find(|(name, _)| expected.starts_with(name)) else { return said.to_owned() };
    let before = match before {
        "invalid type: sequence, " => "invalid type: a list, ",
        "invalid type: map, " => "invalid type: an object, ",
        before => before,
    };
    format!("{before}expected {kind}")
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::{super::objects::Objects, *};

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only what cannot be read is looked at")]
    struct Order {
        lines: Vec<Line>,
        method: String,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only what cannot be read is looked at")]
    struct Line {
        sku: String,
        quantity: u32,
    }

    #[test]
    fn a_fault_names_its_field_and_says_what_is_expected_in_the_words_of_people() {
        let whole = "a whole number from 0 to 4294967295";
        for (body, field, detail) in [
            (r#"{"lines": []}"#, Some("method"), "missing field `method`".to_owned()),
            (r#"{"lines": [], "lines": []}"#, Some("lines"), "duplicate field `lines`".to_owned()),
            (r#"{"lines": [{"sku": "A"}]}"#, Some("lines[0].quantity"), "missing field `quantity`".to_owned()),
            (
                r#"{"lines": [{"quantity": "two"}]}"#,
                Some("lines[0].quantity"),
                format!("invalid type: string \"two\", expected {whole}"),
            ),
            (
                r#"{"lines": [{"quantity": -1}]}"#,
                Some("lines[0].quantity"),
                format!("invalid value: integer `-1`, expected {whole}"),
            ),
            (r#"{"lines": 3}"#, Some("lines"), "invalid type: integer `3`, expected a list".to_owned()),
            (r#"{"lines": [3]}"#, Some("lines[0]"), "invalid type: integer `3`, expected an object".to_owned()),
            (r#"{"lines": [[]]}"#, Some("lines[0]"), "invalid type: a list, expected an object".to_owned()),
            ("[]", None, "invalid type: a list, expected an object".to_owned()),
            (r#"{"colour": 1}"#, Some("colour"), "unknown field `colour`, expected `lines` or `method`".to_owned()),
        ] {
            let mut json = serde_json::Deserializer::from_str(body);
            let error = serde_path_to_error::deserialize::<_, Order>(Objects(&mut json)).unwrap_err();
            let fault = Fault::of(error.path(), error.inner());
            assert_eq!(fault, Fault { field: field.map(str::to_owned), detail }, "{body}");
        }
    }
}
