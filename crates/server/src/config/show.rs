//! The effective configuration as a TOML file that can be read again. Secrets are masked.

use std::fmt::{self, Write};

use super::{Config, Origin, SETTINGS};

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut section = "";
        for (setting, text) in SETTINGS.iter().zip(self.texts()) {
            if setting.section != section {
                let gap = if section.is_empty() { "" } else { "\n" };
                section = setting.section;
                writeln!(f, "{gap}# {section}")?;
            }
            writeln!(f)?;
            for line in setting.help {
                writeln!(f, "# {}", line.trim())?;
            }
            let origin = self.origin(setting.name);
            if *origin != Origin::Default {
                writeln!(f, "# From {origin}.")?;
            }
            // A masked secret is no value.
            let comment = if setting.secret { "# " } else { "" };
            writeln!(f, "{comment}{} = {}", setting.name, quoted(&text))?;
        }
        Ok(())
    }
}

/// A basic string of TOML.
fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for char in text.chars() {
        match char {
            '"' | '\\' => quoted.extend(['\\', char]),
            // Writing to a string cannot fail.
            control if control.is_control() => write!(quoted, "\\u{:04X}", u32::from(control)).unwrap_or_default(),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}
