//! docs/commands.md: the help of every command, made from the code; and the short help, which is looked at as a whole.
//!
//! After a change that is meant: `cargo xtask docs`.

use std::{fmt::Write, fs, path::Path};

use clap::{Command, builder::StyledStr};

const HEAD: &str = "\
# Commands

What `tradewind COMMAND --help` says of every command, on one page. `cargo xtask docs` makes it from the code.
";

/// The width of a page.
const WIDTH: usize = 100;

/// The settings have a page of their own.
const SETTINGS_HEADING: &str = "Configuration:";

#[test]
fn the_page_of_commands_is_fresh() {
    let mut page = HEAD.to_owned();
    for (path, command) in commands() {
        let help = shown(command, Command::render_long_help);
        // Its flags are the settings.
        let help = match (help.find(SETTINGS_HEADING), help.rfind("\nStore:\n")) {
            (Some(start), Some(end)) => {
                format!("{}The settings are flags too: see configure.md.\n{}", &help[..start], &help[end..])
            }
            _ => help,
        };
        writeln!(page, "\n## {path}\n```\n{}\n```", help.trim_end()).unwrap();
    }
    fresh("../../docs/commands.md", &page);
}

#[test]
fn the_short_help_is_as_it_was() {
    let mut text = String::new();
    for (path, command) in commands() {
        writeln!(text, "$ {path} -h\n{}\n", shown(command, Command::render_help).trim_end()).unwrap();
    }
    fresh("tests/http/documents/short_help.txt", &text);
}

#[test]
fn every_help_fits_on_a_screen_of_eighty_columns() {
    for (path, command) in commands() {
        let help = shown(command.term_width(80), Command::render_long_help);
        let long = help.lines().find(|line| line.chars().count() > 80 && !line.starts_with("Usage:"));
        assert_eq!(long, None, "{path}");
    }
}

/// Every command with its path, `tradewind` first, each before those below it.
fn commands() -> Vec<(String, Command)> {
    let mut root = tradewind::cli::command().disable_help_subcommand(true).term_width(WIDTH);
    root.build();
    let mut all = Vec::new();
    collect("tradewind", &root, &mut all);
    all
}

fn collect(path: &str, command: &Command, all: &mut Vec<(String, Command)>) {
    all.push((path.to_owned(), command.clone()));
    for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
        collect(&format!("{path} {}", below.get_name()), below, all);
    }
}

fn shown(mut command: Command, render: fn(&mut Command) -> StyledStr) -> String {
    let help = render(&mut command).to_string();
    help.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// The committed text must be this one.
fn fresh(path: &str, now: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    #[expect(clippy::disallowed_methods, reason = "a test asks whether to write its document anew")]
    if std::env::var("TRADEWIND_REFRESH").is_ok() {
        fs::write(&path, now).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == now, "{} is not fresh: cargo xtask docs", path.display());
}
