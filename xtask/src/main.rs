//! `cargo xtask tidy` holds the rules of the house, `cargo xtask docs` writes the generated documents.
#![expect(clippy::print_stdout, reason = "a command prints")]

mod packages;
mod problems;
mod tidy;
mod tree;

use std::{
    fs, io,
    path::Path,
    process::{Command, ExitCode},
};

use tree::Tree;

const USAGE: &str = "\
Usage: cargo xtask COMMAND

Commands:
  tidy  Checks the rules of the house; lists what breaks one
  docs  Writes the generated documents: docs/events.md, docs/problems/README.md";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        ["tidy"] => check(root()),
        ["docs"] => write(root()),
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
    // The rest is made from the running code, which only the tests of this crate are built with.
    let status = Command::new(env!("CARGO"))
        .args(["test", "--quiet", "--package", "xtask", "--test", "documents"])
        .env("TRADEWIND_REFRESH", "1")
        .current_dir(root)
        .status()?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
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
