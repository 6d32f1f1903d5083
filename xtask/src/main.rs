//! `cargo xtask tidy` holds the rules of the house, `cargo xtask docs` writes the generated documents, `cargo xtask
//! coverage` counts the lines that the tests reach.
#![expect(clippy::print_stdout, reason = "a command prints")]

mod coverage;
mod packages;
mod problems;
mod tidy;
mod tree;

use std::{
    fs, io,
    path::Path,
    process::{Command, ExitCode, Stdio},
};

use tree::Tree;

const USAGE: &str = "\
Usage: cargo xtask COMMAND

Commands:
  tidy  Checks the rules of the house; lists what breaks one
  docs  Writes the generated documents: the events, the settings, the figures, alerts and
        dashboard, the API, the index of problems
  coverage [--lines]
        Runs the tests and prints how many lines of each crate they reach, and which they do not";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        ["tidy"] => check(root()),
        ["docs"] => write(root()),
        ["coverage"] => coverage::run(root(), false),
        ["coverage", "--lines"] => coverage::run(root(), true),
        _ => {
            println!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    done.unwrap_or_else(|error| {
        println!("xtask: {error}");
        ExitCode::FAILURE
    })
}

/// The root of the repository.
fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

fn check(root: &Path) -> io::Result<ExitCode> {
    let tree = Tree::read(root)?;
    let findings = tidy::findings(&tree, &packages::read(root)?);
    for finding in &findings {
        println!("{finding}");
    }
    if findings.is_empty() {
        println!("{} files are tidy.", tree.len());
        return Ok(ExitCode::SUCCESS);
    }
    println!("\n{} findings. xtask/src/tidy.rs lists the rules, each with its reason.", findings.len());
    Ok(ExitCode::FAILURE)
}

fn write(root: &Path) -> io::Result<ExitCode> {
    let tree = Tree::read(root)?;
    fs::write(root.join(problems::INDEX), problems::index(&problems::declared(&tree)))?;
    // The rest is made from the running code: by the tests that check it, and by the product itself.
    let tests: [&[&str]; 5] = [
        &["--package", "xtask", "--test", "documents"],
        &["--package", "tradewind", "--test", "http", "settings::"],
        &["--package", "tradewind", "--test", "http", "documents::figures::the_page"],
        &["--package", "tradewind", "--test", "http", "documents::commands::the_"],
        &["--package", "tradewind", "--test", "http", "documents::monitoring::the_"],
    ];
    for test in tests {
        let mut cargo = cargo(root, "test");
        if !cargo.args(test).env("TRADEWIND_REFRESH", "1").status()?.success() {
            return Ok(ExitCode::FAILURE);
        }
    }
    let api = cargo(root, "run").args(["--package", "tradewind", "--", "openapi"]).stderr(Stdio::inherit()).output()?;
    if !api.status.success() {
        return Ok(ExitCode::FAILURE);
    }
    fs::write(root.join("docs/openapi.json"), api.stdout)?;
    Ok(ExitCode::SUCCESS)
}

fn cargo(root: &Path, command: &str) -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args([command, "--quiet"]).current_dir(root);
    cargo
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_house_is_tidy() {
        let tree = Tree::read(root()).unwrap();
        let findings = tidy::findings(&tree, &packages::read(root()).unwrap());
        let list: Vec<String> = findings.iter().map(ToString::to_string).collect();
        assert!(findings.is_empty(), "\n{}", list.join("\n"));
    }
}
