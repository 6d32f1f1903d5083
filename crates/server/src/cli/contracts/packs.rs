//! The commands of `tradewind contracts`, in a build that has packs.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Read},
    path::Path,
};

use serde_json::{Value, json};
use tradewind_contracts::{Arrival, Fault, Pack, PackFiles, Refusal, limits, scaffold, unhex};
use tradewind_engine::ports::{Clock, SystemClock};
use tradewind_events::broker::BrokerMessage;

use super::{Check, New, Translate};
use crate::cli::{CliError, say};

/// A folder if it is written as one, else a pack that is built in.
fn files(pack: &str) -> Result<PackFiles, CliError> {
    if pack.contains(['/', '\\']) || Path::new(pack).join("pack.toml").is_file() {
        let path = fs::canonicalize(pack).map_err(|error| CliError::Usage(format!("{pack}: {error}")))?;
        return PackFiles::read(&path).map_err(|fault| CliError::Other(format!("{pack}: {fault}")));
    }
    PackFiles::built_in(pack).ok_or_else(|| {
        let known = PackFiles::built_in_names().join(", ");
        CliError::Usage(format!("no pack is built in as {pack}, only {known}; a folder is written as ./{pack}"))
    })
}

fn listed(name: &str, faults: &[Fault]) -> String {
    let lines: Vec<String> = faults.iter().map(|fault| format!("{name}/{fault}\n")).collect();
    lines.concat()
}

impl Check {
    pub fn run(self) -> Result<(), CliError> {
        let names = match self.pack {
            Some(pack) => vec![pack],
            None => PackFiles::built_in_names().into_iter().map(str::to_owned).collect(),
        };
        let (mut reports, mut is_whole) = (Vec::new(), true);
        for name in names {
            let files = files(&name)?;
            let loaded = Pack::load(&files);
            is_whole &= loaded.is_ok();
            match (loaded, self.json) {
                (Ok(pack), true) => reports.push(json!({"pack": pack.name, "whole": true, "contract": pack.summary()})),
                (Ok(pack), false) => {
                    say(format_args!("{}: whole, {} messages\n", pack.name, pack.messages().count()))?;
                }
                (Err(faults), true) => {
                    let faults: Vec<Value> = faults
                        .iter()
                        .map(|fault| json!({"file": fault.file, "line": fault.line, "reason": fault.reason}))
                        .collect();
                    reports.push(json!({"pack": files.name, "whole": false, "faults": faults}));
                }
                (Err(faults), false) => say(listed(&files.name, &faults))?,
            }
        }
        if self.json {
            say(format_args!("{}\n", json!({"packs": reports})))?;
        }
        if is_whole { Ok(()) } else { Err(CliError::Other("a pack is not whole".to_owned())) }
    }
}

impl Translate {
    pub fn run(self) -> Result<(), CliError> {
        let files = files(&self.pack)?;
        let pack = Pack::load(&files)
            .map_err(|faults| CliError::Other(format!("the pack is not whole:\n{}", listed(&files.name, &faults))))?;
        let settings = pack.settings(&named(&self.set)?).map_err(CliError::Usage)?;
        let input = self.input()?;
        let translated = if self.export {
            let rows = self.rows()?;
            let messages = pack.translate_out(&self.channel, &input, &rows, &settings);
            messages.map(|messages| messages.iter().map(|message| self.shown(message)).collect::<String>())
        } else {
            let arrival = Arrival { bridge: &pack.name, position: Some("stdin"), time: Some(SystemClock.wall()) };
            let event = pack.translate_in(&self.channel, input, &arrival, &settings);
            event.map(|event| if self.json { format!("{event}\n") } else { format!("{event:#}\n") })
        };
        match translated {
            Ok(text) => say(text),
            Err(refusal) => self.refused(&refusal),
        }
    }

    fn refused(&self, refusal: &Refusal) -> Result<(), CliError> {
        if self.json {
            let shown = json!({"reason": refusal.reason.to_string(), "at": refusal.at, "detail": refusal.detail});
            say(format_args!("{}\n", json!({"refused": shown})))?;
        }
        Err(CliError::Other(refusal.to_string()))
    }

    fn input(&self) -> Result<Vec<u8>, CliError> {
        // A byte more than a message may have: then its size is what is refused.
        let most = u64::try_from(3 * limits::BODY_BYTES_MAX).unwrap_or(u64::MAX);
        let mut input = Vec::new();
        io::stdin().lock().take(most).read_to_end(&mut input)?;
        if !self.hex || self.export {
            return Ok(input);
        }
        let text = String::from_utf8(input).map_err(|_| CliError::Usage("the input is no text".to_owned()))?;
        let digits: String = text.lines().map(|line| line.split('#').next().unwrap_or_default()).collect();
        unhex(&digits).map_err(|reason| CliError::Usage(format!("the input is {reason}")))
    }

    fn rows(&self) -> Result<Value, CliError> {
        let Some(path) = &self.rows else { return Ok(Value::Null) };
        let text = fs::read(path).map_err(|error| CliError::Usage(format!("{}: {error}", path.display())))?;
        serde_json::from_slice(&text).map_err(|error| CliError::Usage(format!("{}: {error}", path.display())))
    }

    /// A message, with its body as it is or in hexadecimal digits.
    fn shown(&self, message: &BrokerMessage) -> String {
        let body =
            if self.hex { hexadecimal(message.body()) } else { String::from_utf8_lossy(message.body()).into_owned() };
        if !self.json {
            return format!("{body}\n");
        }
        let mut shown = json!(message);
        shown["body"] = body.into();
        format!("{shown}\n")
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap_or_default();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xF)]).collect()
}

fn named(settings: &[String]) -> Result<BTreeMap<String, String>, CliError> {
    let pair = |text: &String| {
        let (name, value) = text.split_once('=')?;
        Some((name.to_owned(), value.to_owned()))
    };
    let wrong = |text: &String| CliError::Usage(format!("--set {text}: a setting is NAME=VALUE"));
    settings.iter().map(|text| pair(text).ok_or_else(|| wrong(text))).collect()
}

impl New {
    pub fn run(self) -> Result<(), CliError> {
        let files = scaffold(&self.name).map_err(CliError::Usage)?;
        let folder = self.folder.join(&self.name);
        if folder.exists() {
            return Err(CliError::Other(format!("{} exists already", folder.display())));
        }
        for path in files.paths() {
            let file = folder.join(path);
            if let Some(parent) = file.parent() {
                fs::create_dir_all(parent)?;
            }
            fs::write(&file, files.get(path).unwrap_or_default())?;
        }
        if self.json {
            let paths: Vec<&str> = files.paths().collect();
            return say(format_args!("{}\n", json!({"folder": folder, "files": paths})));
        }
        let shown = folder.display();
        say(format_args!(
            "{shown} is a whole pack of two messages.\nCheck it with `tradewind contracts check {shown}/`.\n"
        ))
    }
}
