//! What `--help` teaches beside the flags: what a command does to the store, what it needs, how it is used, how it ends.
//! One table of all commands; a test finds none missing, and docs/commands.md is made from it.

use clap::Command;

use super::screen::wrapped;

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

const READS: &str = "Read only. The shop may run or not; it is not disturbed.";
const WRITES: &str = "Written, so no server may run on it meanwhile.";
const NO_STORE: &str = "Not touched.";
const ASKS: &str = "Read only, through the shop that runs on it.";
const CHANGES: &str = "Changed by the shop that runs on it. It stands in the audit trail who did it.";

const THE_FILE: &str =
    "The file of the shop, and the right to write beside it: SQLite keeps files there while it reads.";
const STAFF: &str = "A shop that runs (--url), and somebody of its staff: an access token in TRADEWIND_TOKEN, or \
                     TRADEWIND_EMAIL and TRADEWIND_PASSWORD. Secrets have no flag.";
const NOTHING: &str = "Nothing.";

const USAGE: End = (2, "the command line or the configuration cannot be used");
const STORE: End = (3, "the store cannot be opened, read or written");
const READ: &[End] = &[(0, "done"), USAGE, STORE];
const ASKED: &[End] = &[
    (0, "done"),
    (1, "the shop cannot be reached, or has refused it"),
    (2, "the command line cannot be used, or nothing says who asks"),
];
const PRINTED: &[End] = &[(0, "done"), USAGE];

const LESSONS: &[Lesson] = &[
    Lesson {
        command: "serve",
        store: "Made if it is not there, brought up to date, and owned: one process at a time.",
        needs: "A folder that it may write to, and a free port.",
        examples: &[
            ("everything on tradewind.db and 127.0.0.1:8080", "tradewind serve"),
            ("for others, on a file of its own", "tradewind serve --store /srv/shop.db --listen 0.0.0.0:8080"),
            ("with settings from a file", "tradewind serve --config shop.toml"),
        ],
        ends: &[
            (0, "stopped by SIGINT or SIGTERM; what was accepted is done"),
            (1, "it cannot listen, or cannot be prepared"),
            USAGE,
            (3, "the store cannot be opened, or failed while the shop ran"),
        ],
    },
    Lesson {
        command: "demo",
        store: "A new one, which it leaves behind for you to look at.",
        needs: NOTHING,
        examples: &[
            ("see everything, then look around", "tradewind demo"),
            ("only the proof, for a script", "tradewind demo --once --orders 500 --listen 127.0.0.1:0"),
        ],
        ends: &[
            (0, "every order ended as it should, and the audit is clean"),
            (1, "something did not go as told; it says what"),
            USAGE,
            STORE,
        ],
    },
    Lesson {
        command: "load",
        store: "Changed by the shop that runs on it: products, customers and orders are made that stay. No shop of yours.",
        needs: STAFF,
        examples: &[
            ("as many as go", "tradewind load --orders 40000"),
            ("a steady rate, for latencies that can be believed", "tradewind load --orders 10000 --rate 500"),
            ("everybody wants the same", "tradewind load --skus 1"),
        ],
        ends: ASKED,
    },
    Lesson {
        command: "verify",
        store: "Read only: it audits a copy that it makes beside the store and removes. The shop may run or not.",
        needs: "The file of the shop, and room beside it for a copy.",
        examples: &[
            ("the shop in this folder", "tradewind verify"),
            ("a backup", "tradewind verify --store copy.db"),
            ("the violations alone, for a script", "tradewind verify --json | jq '.checks[] | select(.violated > 0)'"),
        ],
        ends: &[
            (0, "all ten invariants hold, and nothing is owed"),
            (1, "an invariant is violated, or an operator owes something; both are listed"),
            USAGE,
            (3, "the store cannot be opened, copied or read: nothing was judged"),
        ],
    },
    Lesson {
        command: "story",
        store: READS,
        needs: THE_FILE,
        examples: &[
            ("one order", "tradewind story 01a1fdc8-1e55-75f3-aa96-92fa4a72b689"),
            (
                "the last order that was rejected",
                "tradewind events --type order.rejected -n 1 --json \\\n    | jq -r .partitionkey | xargs tradewind story",
            ),
        ],
        ends: &[(0, "done"), (1, "there is no such order"), USAGE, STORE],
    },
    Lesson {
        command: "events",
        store: READS,
        needs: THE_FILE,
        examples: &[
            ("the last fifty", "tradewind events"),
            ("payments as they come", "tradewind events --follow --type 'payment.*'"),
            ("everything about one order", "tradewind events --key ORDER -n 1000"),
            ("everything that followed from one request", "tradewind events --correlation REQUEST_ID"),
            ("all of it, for another program", "tradewind events --from 1 -n 1000000000 --json > events.jsonl"),
        ],
        ends: READ,
    },
    Lesson {
        command: "dead-letters list",
        store: ASKS,
        needs: STAFF,
        examples: &[
            ("what waits for a decision", "tradewind dead-letters list"),
            ("those of one service", "tradewind dead-letters list --consumer shipping"),
        ],
        ends: ASKED,
    },
    Lesson {
        command: "dead-letters show",
        store: ASKS,
        needs: STAFF,
        examples: &[
            ("why it died, and its message without what is personal", "tradewind dead-letters show ID"),
            ("the message as it came, to be edited", "tradewind dead-letters show ID --message > message.json"),
        ],
        ends: ASKED,
    },
    Lesson {
        command: "dead-letters redrive",
        store: CHANGES,
        needs: STAFF,
        examples: &[
            ("which would be sent", "tradewind dead-letters redrive --all --dry-run"),
            ("all of one service, ten a second", "tradewind dead-letters redrive --consumer shipping --rate 10"),
            ("one", "tradewind dead-letters redrive ID"),
        ],
        ends: &[
            (0, "all of them were taken"),
            (1, "some were not, or the shop cannot be reached"),
            (2, "the command line cannot be used, or nothing says who asks"),
        ],
    },
    Lesson {
        command: "dead-letters edit",
        store: CHANGES,
        needs: STAFF,
        examples: &[(
            "mend a message and send it",
            "tradewind dead-letters show ID --message > message.json\n$EDITOR message.json\n\
             tradewind dead-letters edit ID --message message.json",
        )],
        ends: &[
            (0, "the edit was handled"),
            (1, "it died too, or the shop cannot be reached or has refused it"),
            (2, "the command line cannot be used, or nothing says who asks"),
        ],
    },
    Lesson {
        command: "dead-letters discard",
        store: CHANGES,
        needs: STAFF,
        examples: &[(
            "with the reason for the audit trail",
            "tradewind dead-letters discard ID --reason 'sent by hand'",
        )],
        ends: ASKED,
    },
    Lesson {
        command: "sagas",
        store: ASKS,
        needs: STAFF,
        examples: &[
            ("every order that waits for a step", "tradewind sagas"),
            ("what seems to be stuck", "tradewind sagas --waiting 5m"),
        ],
        ends: ASKED,
    },
    Lesson {
        command: "owed list",
        store: ASKS,
        needs: STAFF,
        examples: &[("money and jobs", "tradewind owed list")],
        ends: ASKED,
    },
    Lesson {
        command: "owed retry",
        store: CHANGES,
        needs: STAFF,
        examples: &[
            ("let go of the hold of an order", "tradewind owed retry ORDER"),
            ("a refund of it", "tradewind owed retry ORDER --refund ID"),
            ("a job", "tradewind owed retry --job ID"),
        ],
        ends: ASKED,
    },
    Lesson {
        command: "owed settle",
        store: CHANGES,
        needs: STAFF,
        examples: &[
            ("the money was sent back by hand", "tradewind owed settle ORDER --refund ID"),
            (
                "the provider's books say that nothing is held",
                "echo '{\"state\": \"nothing_held\", \"amount_minor\": 0}' > reply.json\n\
                 tradewind owed settle --job ID --reply reply.json --reason 'its books'",
            ),
        ],
        ends: ASKED,
    },
    Lesson {
        command: "parked",
        store: ASKS,
        needs: STAFF,
        examples: &[("what waits, and for what", "tradewind parked")],
        ends: ASKED,
    },
    Lesson {
        command: "parked retry",
        store: CHANGES,
        needs: STAFF,
        examples: &[("without waiting for its time", "tradewind parked retry ID")],
        ends: ASKED,
    },
    Lesson {
        command: "consumers list",
        store: ASKS,
        needs: STAFF,
        examples: &[("who hears, and who is paused and why", "tradewind consumers list")],
        ends: ASKED,
    },
    Lesson {
        command: "consumers pause",
        store: CHANGES,
        needs: STAFF,
        examples: &[(
            "before the mail server goes",
            "tradewind consumers pause notifications --reason 'the mail server moves'",
        )],
        ends: ASKED,
    },
    Lesson {
        command: "consumers resume",
        store: CHANGES,
        needs: STAFF,
        examples: &[("when it is back", "tradewind consumers resume notifications")],
        ends: ASKED,
    },
    Lesson {
        command: "admin create",
        store: "Changed: by the shop that runs on it, or directly where none does.",
        needs: "The password of the new admin in TRADEWIND_PASSWORD, or a terminal to ask on. Where a shop runs, its \
                first-admin token in TRADEWIND_FIRST_ADMIN_TOKEN, or the access token of an admin in TRADEWIND_TOKEN.",
        examples: &[
            ("asks for the password", "tradewind admin create --email you@example.org"),
            ("for a script", "TRADEWIND_PASSWORD=… tradewind admin create --email you@example.org"),
        ],
        ends: &[(0, "done"), (1, "it was refused, or the shop cannot be reached"), USAGE, STORE],
    },
    Lesson {
        command: "admin list",
        store: READS,
        needs: THE_FILE,
        examples: &[("who is an admin", "tradewind admin list")],
        ends: READ,
    },
    Lesson {
        command: "rebuild",
        store: WRITES,
        needs: "The file of the shop, with the whole event log in it, and memory for the read models.",
        examples: &[
            ("does it need to be done?", "tradewind verify"),
            ("what would be written", "tradewind rebuild --dry-run"),
            ("do it: stop the shop, rebuild, start the shop", "tradewind rebuild"),
        ],
        ends: &[
            (0, "done"),
            (1, "an event of the log could not be taken in"),
            USAGE,
            (3, "a shop runs on the store, or it cannot be opened, read or written"),
        ],
    },
    Lesson {
        command: "backup",
        store: READS,
        needs: "The file of the shop, and room for its copy.",
        examples: &[
            ("the secrets are kept apart", "tradewind backup copy.db && cp -p tradewind.db.secrets copy.db.secrets"),
            (
                "one a day, checked",
                "day=\"shop-$(date +%F).db\"\ntradewind backup \"$day\" && tradewind verify --store \"$day\"",
            ),
        ],
        ends: &[
            (0, "the copy is there, whole and checked"),
            USAGE,
            (3, "the store cannot be opened or read, or the copy cannot be written: there is none"),
        ],
    },
    Lesson {
        command: "config",
        store: NO_STORE,
        needs: NOTHING,
        examples: &[
            ("what is in force, and why", "tradewind config | grep -B 1 '^order_deadline'"),
            ("a file to begin with", "tradewind config > shop.toml"),
        ],
        ends: PRINTED,
    },
    Lesson {
        command: "openapi",
        store: NO_STORE,
        needs: NOTHING,
        examples: &[("for a generator of clients", "tradewind openapi > openapi.json")],
        ends: PRINTED,
    },
    Lesson {
        command: "completions",
        store: NO_STORE,
        needs: NOTHING,
        examples: &[
            ("for this shell", "source <(tradewind completions bash)"),
            ("for good", "cd ~/.local/share/bash-completion/completions\ntradewind completions bash > tradewind"),
        ],
        ends: PRINTED,
    },
];

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
                ('|' | '>' | '&' | ')' | '\\', None) => break,
                (' ', None) => words.extend(Some(std::mem::take(&mut word)).filter(|word| !word.is_empty())),
                (char, _) => word.push(char),
            }
        }
        words.extend(Some(word).filter(|word| !word.is_empty()));
        words
    }
}
