//! What `--help` teaches beside the flags: what a command does to the store, what it needs, how it is used, how it ends.
//! One table of all commands; a test finds none missing, and docs/commands.md is made from it.

mod table;

use clap::Command;

use super::screen::wrapped;
use table::LESSONS;

/// A narrow terminal does not break these texts.
const LINE_COLUMNS: usize = 78;

/// What one command teaches.
struct Lesson {
    /// Below `tradewind`: `owed retry`.
    command: &'static str,
    /// What it does to the store of a shop.
    store: &'static str,
    needs: &'static str,
    /// Each with what it is for.
    examples: &'static [(&'static str, &'static str)],
    ends: &'static [End],
}

/// An exit status, and when a command ends with it.
type End = (u8, &'static str);

const START: &str = "First steps:
  tradewind demo       a shop at work: every way to fail, and an audit
  tradewind serve      a shop of your own, in one file
  tradewind verify     is everything as it should be?

Exit status:
  0  done
  1  asked for, and not so: refused, not found, not reached, a violation found
  2  the command line or the configuration cannot be used; it says what
  3  the store cannot be opened, read or written; it says what to do
  130  interrupted; what was half made is removed

`tradewind COMMAND --help` says what a command does to the store, what it
needs, how it is used and how it ends.";

/// The commands with what they teach.
pub fn taught(command: Command) -> Command {
    LESSONS.iter().fold(command.after_help(START), |command, lesson| {
        let path: Vec<&str> = lesson.command.split(' ').collect();
        at(command, &path, &lesson.text())
    })
}

fn at(command: Command, path: &[&str], text: &str) -> Command {
    match path.split_first() {
        None => command.after_long_help(text.to_owned()),
        // One that is not there has nothing to teach; a test finds it.
        Some((name, _)) if command.find_subcommand(name).is_none() => command,
        Some((name, rest)) => command.mut_subcommand(name, |command| at(command, rest, text)),
    }
}

impl Lesson {
    fn text(&self) -> String {
        let Self { store, needs, examples, ends, .. } = self;
        let mut text = format!("Store:\n{}\nNeeds:\n{}\nExamples:\n", indented("  ", store), indented("  ", needs));
        for (what, line) in *examples {
            text.extend(["  # ", what, "\n  ", &line.replace('\n', "\n  "), "\n"]);
        }
        text.push_str("\nExit status:\n");
        for (status, when) in *ends {
            text.push_str(&indented(&format!("  {status}  "), when));
        }
        text
    }
}

/// A text in lines, below each other behind its head.
fn indented(head: &str, text: &str) -> String {
    let indent = " ".repeat(head.len());
    let lines = wrapped(text, LINE_COLUMNS - head.len());
    let line = |(nth, line): (usize, &String)| format!("{}{line}\n", if nth == 0 { head } else { &indent });
    lines.iter().enumerate().map(line).collect()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;

    /// Commands that do something by themselves, below `tradewind`.
    fn doing(command: &Command, path: &str) -> Vec<String> {
        let mut all = Vec::new();
        for below in command.get_subcommands() {
            let path = format!("{path} {}", below.get_name()).trim_start().to_owned();
            if !below.is_subcommand_required_set() && !below.is_arg_required_else_help_set() {
                all.push(path.clone());
            }
            all.extend(doing(below, &path));
        }
        all
    }

    #[test]
    fn every_command_teaches_and_no_lesson_is_of_none() {
        let known = doing(&Cli::command(), "");
        let taught: Vec<_> = LESSONS.iter().map(|lesson| lesson.command.to_owned()).collect();
        for command in &known {
            assert!(taught.contains(command), "cli/lessons.rs says nothing of {command:?}");
        }
        for command in &taught {
            assert!(known.contains(command), "cli/lessons.rs teaches {command:?}, which is no command");
        }
    }

    #[test]
    fn every_example_is_a_command_line_that_is_understood() {
        for (_, example) in LESSONS.iter().flat_map(|lesson| lesson.examples) {
            let start = example.find("tradewind ").unwrap_or_else(|| panic!("{example}"));
            let line = example[start..].lines().next().unwrap_or_default();
            let words: Vec<String> = words(line);
            let parsed = Cli::command().try_get_matches_from(&words);
            assert!(parsed.is_ok(), "{example}: {}", parsed.err().map_or_else(String::new, |error| error.to_string()));
        }
    }

    #[test]
    fn no_line_of_a_lesson_is_wider_than_a_narrow_terminal() {
        for text in LESSONS.iter().map(Lesson::text).chain([START.to_owned()]) {
            let wide: Vec<_> = text.lines().filter(|line| line.chars().count() > LINE_COLUMNS).collect();
            assert!(wide.is_empty(), "{wide:#?}");
        }
    }

    /// The words of a shell's line, up to where another command begins.
    fn words(line: &str) -> Vec<String> {
        let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
        for char in line.chars() {
            match (char, quote) {
                ('\'' | '"', None) => quote = Some(char),
                (char, Some(open)) if char == open => quote = None,
                ('|' | '<' | '>' | '&' | ')' | '\\', None) => break,
                (' ', None) => words.extend(Some(std::mem::take(&mut word)).filter(|word| !word.is_empty())),
                (char, _) => word.push(char),
            }
        }
        words.extend(Some(word).filter(|word| !word.is_empty()));
        words
    }
}
