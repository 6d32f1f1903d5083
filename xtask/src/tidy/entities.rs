//! State has no other door than a transition: the fields of an entity are private to its model.

use super::Finding;
use crate::tree::Tree;

/// Entities whose fields are public, with the reason.
const PLAIN_DATA: [(&str, &str); 1] =
    [("services/query/src/model/", "read models have no transitions: a projection writes what events say")];

pub fn findings(tree: &Tree) -> Vec<Finding> {
    let models = tree.with_extension("rs").filter(|(path, _)| is_model(path));
    models.flat_map(|(path, text)| public_fields(path, text)).collect()
}

/// Whether the file is of the model of a service, and its entities are no plain data.
fn is_model(path: &str) -> bool {
    let inside = path.strip_prefix("services/").and_then(|path| path.split_once("/src/"));
    let of_model = inside.is_some_and(|(_, inside)| inside == "model.rs" || inside.starts_with("model/"));
    of_model && !PLAIN_DATA.iter().any(|(plain, _)| path.starts_with(plain))
}

/// Each `pub` field between `#[derive(…Entity…)]` and the end of its struct. Fields that other files of the model share
/// are `pub(super)` or `pub(in crate::model)`.
fn public_fields(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut in_entity = false;
    for (index, line) in text.lines().enumerate() {
        if line.starts_with("#[derive(") {
            in_entity = super::has_word(line, "Entity");
        } else if line == "}" {
            in_entity = false;
        }
        let field = line.trim_start();
        let widest = ["pub ", "pub(crate) ", "pub(in crate) "];
        if in_entity && line.starts_with(' ') && widest.iter().any(|visibility| field.starts_with(visibility)) {
            findings.push(Finding::on_line(
                path,
                index,
                "a field of an entity is private to its model: a transition changes it, its accessor reads it",
            ));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOY: &str = r#"//! Toys.

/// A toy.
#[derive(Debug, Clone, Entity)]
#[entity(owner = Toys, table = "toy", key = toy_id)]
pub struct Toy {
    toy_id: Id,
    #[column(copy)]
    state: ToyState,
}

/// What somebody wants.
#[derive(Debug, Clone)]
pub struct Wish {
    pub toy_id: Id,
}
"#;

    fn lines(path: &str, text: &str) -> Vec<usize> {
        findings(&Tree::of(&[(path, text)])).iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn a_field_of_an_entity_is_private_to_its_model() {
        assert_eq!(lines("services/toys/src/model.rs", TOY), [0; 0]);
        for visibility in ["pub", "pub(crate)"] {
            let open = TOY.replace("    state:", &format!("    {visibility} state:"));
            assert_eq!(lines("services/toys/src/model.rs", &open), [9]);
            assert_eq!(lines("services/toys/src/model/toy.rs", &open), [9]);
        }
        let shared = TOY.replace("    state:", "    pub(super) state:");
        assert_eq!(lines("services/toys/src/model/toy.rs", &shared), [0; 0]);
    }

    #[test]
    fn read_models_and_what_is_no_entity_are_plain_data() {
        let open = TOY.replace("    state:", "    pub state:");
        assert_eq!(lines("services/query/src/model/toy.rs", &open), [0; 0]);
        assert_eq!(lines("services/toys/src/commands.rs", &open), [0; 0]);
    }
}
