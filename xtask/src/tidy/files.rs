//! Which files there are, how each begins and how long it is. Sameness: knowing one service is knowing nine.

use std::path::Path;

use super::Finding;
use crate::{packages::Package, tree::Tree};

/// A file becomes a folder of the same name past about 400 lines. Beyond this it says why it did not.
const LINES_MAX: usize = 500;

/// How the line begins that says it.
const LONG_BECAUSE: &str = "//! Long because ";

/// The files of a service, each or as a folder of that name.
const SERVICE_FILES: [&str; 5] = ["lib", "model", "commands", "reactions", "tests"];

/// Further files of a service, with the reason.
const SERVICE_EXCEPTIONS: [(&str, &str); 3] = [
    ("services/notifications/src/texts.rs", "what people read is kept apart from what decides"),
    ("services/query/src/rebuild.rs", "read models are made again from the log, which no other service does"),
    ("services/query/src/words.rs", "search prepares texts, which is no entity and no reaction"),
];

/// Names that say nothing about what is in a file.
const EMPTY_NAMES: [&str; 9] = ["base", "common", "helper", "helpers", "manager", "misc", "shared", "util", "utils"];

/// More than one integration-test binary, with the reason: each is linked by itself.
const SEVERAL_TEST_BINARIES: [(&str, &str); 1] =
    [("crates/events", "links in a moment, and wire_names is named in the message of its failure")];

pub fn findings(tree: &Tree, packages: &[Package]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.files() {
        match Path::new(path).extension().and_then(|extension| extension.to_str()) {
            Some("rs") => {
                findings.extend(service_file(path));
                findings.extend(name(path));
                findings.extend(head(path, text));
                findings.extend(length(path, text));
            }
            Some("sql") if path.contains("/migrations/") && !text.starts_with("--") => {
                findings.push(Finding::in_file(path, "the first line of a migration says why: `-- …`"));
            }
            Some("toml") if path.ends_with("/Cargo.toml") => findings.extend(manifest(path, text)),
            _ => {}
        }
    }
    findings.extend(packages.iter().filter_map(test_binaries));
    findings
}

fn service_file(path: &str) -> Option<Finding> {
    let (_, inside) = path.strip_prefix("services/")?.split_once("/src/")?;
    let first = inside.split('/').next()?.trim_end_matches(".rs");
    let known = SERVICE_FILES.contains(&first) || SERVICE_EXCEPTIONS.iter().any(|(exception, _)| *exception == path);
    (!known).then(|| {
        Finding::in_file(path, "a service has lib, model, commands and reactions; a further name needs a reason in xtask/src/tidy/files.rs")
    })
}

fn name(path: &str) -> Option<Finding> {
    let stem = Path::new(path).file_stem()?.to_str()?;
    if stem == "mod" {
        return Some(Finding::in_file(path, "the folder `name/` belongs to `name.rs` beside it: no mod.rs"));
    }
    EMPTY_NAMES.contains(&stem).then(|| Finding::in_file(path, format!("{stem} says nothing about what is in it")))
}

fn head(path: &str, text: &str) -> Option<Finding> {
    (!text.starts_with("//! "))
        .then(|| Finding::in_file(path, "begins with `//!`: what the file is for and what it is not"))
}

fn length(path: &str, text: &str) -> Option<Finding> {
    let lines = text.lines().count();
    let reason = || text.lines().take_while(|line| line.starts_with("//!")).any(|line| line.starts_with(LONG_BECAUSE));
    (lines > LINES_MAX && !reason()).then(|| {
        Finding::in_file(
            path,
            format!("{lines} lines, more than {LINES_MAX}: make it a folder, or begin with `{LONG_BECAUSE}…`"),
        )
    })
}

/// Versions, lints and dependencies are said once, in the workspace. A package that is a workspace of its own has none to
/// say them.
fn manifest(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    if text.lines().any(|line| line == "[workspace]") {
        return findings;
    }
    if !text.contains("[lints]\nworkspace = true") {
        findings.push(Finding::in_file(path, "the lints are those of the workspace: [lints] workspace = true"));
    }
    let mut section = "";
    for (index, line) in text.lines().enumerate() {
        if line.starts_with('[') {
            section = line;
        } else if section.ends_with("dependencies]")
            && line.contains('=')
            && !line.contains("workspace = true")
            && !line.starts_with('#')
        {
            findings.push(Finding::on_line(path, index, "a dependency is said once, in the table of the workspace"));
        }
    }
    findings
}

fn test_binaries(package: &Package) -> Option<Finding> {
    let may = SEVERAL_TEST_BINARIES.iter().any(|(folder, _)| *folder == package.folder);
    let names = || package.tests.join(", ");
    (package.tests.len() > 1 && !may).then(|| {
        Finding::in_file(
            &format!("{}/Cargo.toml", package.folder),
            format!("one integration-test binary, not {}: each is linked by itself", names()),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> usize {
        findings(&Tree::of(&[(path, text)]), &[]).len()
    }

    #[test]
    fn a_service_has_the_files_that_every_service_has() {
        assert_eq!(found("services/toy/src/model.rs", "//! Toys.\n"), 0);
        assert_eq!(found("services/toy/src/model/bear.rs", "//! Bears.\n"), 0);
        assert_eq!(found("services/toy/src/bear.rs", "//! Bears.\n"), 1);
        assert_eq!(found("services/query/src/rebuild.rs", "//! Again.\n"), 0);
        assert_eq!(found("services/toy/src/model/utils.rs", "//! All sorts.\n"), 1);
        assert_eq!(found("services/toy/src/model/mod.rs", "//! Toys.\n"), 1);
    }

    #[test]
    fn a_file_begins_with_what_it_is_for_and_says_why_it_is_long() {
        assert_eq!(found("crates/toy/src/bear.rs", "use std::fmt;\n"), 1);
        let long = "//! Bears.\n".to_owned() + &"\n".repeat(500);
        assert_eq!(found("crates/toy/src/bear.rs", &long), 1);
        let explained = "//! Bears.\n//! Long because they are large.\n".to_owned() + &"\n".repeat(500);
        assert_eq!(found("crates/toy/src/bear.rs", &explained), 0);
    }

    #[test]
    fn a_migration_and_a_manifest_begin_and_read_like_all_others() {
        assert_eq!(found("crates/toy/migrations/0001_toy.sql", "CREATE TABLE toy (id TEXT);\n"), 1);
        assert_eq!(found("crates/toy/migrations/0001_toy.sql", "-- Who has which toy.\n"), 0);
        let good = "[dependencies]\nserde.workspace = true\n[lints]\nworkspace = true\n";
        assert_eq!(found("crates/toy/Cargo.toml", good), 0);
        assert_eq!(found("crates/toy/Cargo.toml", &good.replace("serde.workspace = true", "serde = \"1\"")), 1);
        assert_eq!(found("toy/Cargo.toml", "[workspace]\n[dependencies]\nserde = \"1\"\n"), 0);
    }
}
