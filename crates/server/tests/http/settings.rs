//! docs/configure.md: every setting, made from the list in the code.
//!
//! After a change that is meant: `cargo xtask docs`.

use std::{collections::BTreeMap, fmt::Write, fs, path::Path};

use tradewind::config::SETTINGS;

const HEAD: &str = "\
# Configure

A shop runs without a single setting. Each has one name, which is a flag, a variable of the environment and a key of a
file: `reservation_ttl` is `--reservation-ttl`, `TRADEWIND_RESERVATION_TTL` and `reservation_ttl`. A flag goes before the environment, that before
the file, and that before the default. `cargo xtask docs` makes this page from the code.

```sh
tradewind config                                     # what is in force, and where each value comes from
tradewind config --order-deadline 45m > shop.toml    # what it prints is a file of settings
tradewind config --config shop.toml                  # that is read so; TRADEWIND_CONFIG names one too
```

A value that cannot be used stops the start with status 2, and the message names the setting, the value, where it came from and what was
expected. So does a key in a file that is no setting.

Secrets have no flag, because a command line is seen by everybody on a machine. Those that are given nowhere are drawn at the first start and kept in
the `secrets_file`, which only its owner can read. Keep that file as safe as the store, and with it: a store without its master key cannot
sign tokens with the keys that it holds.
";

const WORD: &str = "WORD";

#[test]
fn the_page_of_settings_is_fresh() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configure.md");
    let now = page();
    #[expect(clippy::disallowed_methods, reason = "a test asks whether to write its document anew")]
    let refresh = std::env::var("TRADEWIND_REFRESH").is_ok();
    if refresh {
        fs::write(&path, &now).unwrap();
    }
    assert!(fs::read_to_string(path).unwrap_or_default() == now, "docs/configure.md is not fresh: cargo xtask docs");
}

fn page() -> String {
    let mut page = HEAD.to_owned();
    let mut section = "";
    for setting in SETTINGS {
        if setting.section != section {
            section = setting.section;
            write!(page, "\n## {section}\n\n| setting | default | what it is |\n|---|---|---|\n").unwrap();
        }
        let default = if setting.default.is_empty() { String::new() } else { format!("`{}`", setting.default) };
        // A word is one of a few, and each setting has its own.
        let (kind, words) = match setting.kind {
            WORD if !setting.help().contains(setting.expected) => ("", format!(" One of {}.", setting.expected)),
            WORD => ("", String::new()),
            kind => (kind, String::new()),
        };
        let name = format!("`{}` {kind}", setting.name);
        writeln!(page, "| {} | {default} | {}{words} |", name.trim_end(), setting.help()).unwrap();
    }
    page.push_str("\n## Kinds of values\n\n| kind | expected is |\n|---|---|\n");
    let mut kinds = BTreeMap::new();
    for setting in SETTINGS.iter().filter(|setting| setting.kind != WORD) {
        // The shortest says what all of the kind have in common; the message of an error says the rest.
        let expected = kinds.entry(setting.kind).or_insert(setting.expected);
        *expected = if setting.expected.len() < expected.len() { setting.expected } else { *expected };
    }
    for (kind, expected) in kinds {
        writeln!(page, "| {kind} | {expected} |").unwrap();
    }
    page
}
