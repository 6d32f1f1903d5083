//! Where settings come from: flags before the environment, that before the configuration file, that before the file
//! of secrets, that before defaults.

use std::{collections::BTreeMap, fs, io, path::Path};

use clap::{Arg, ArgMatches, Command, parser::ValueSource};
use toml::de::{DeTable, DeValue};

use super::{
    SETTINGS,
    secrets::secrets_path,
    setting::{ConfigError, Origin, Setting, Source},
};

const CONFIG_VARIABLE: &str = "TRADEWIND_CONFIG";

/// Names that begin so are ours in the environment.
const PREFIX: &str = "TRADEWIND_";

/// The settings that a command line gave. Flatten it into the arguments of a subcommand.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    config: Option<String>,
    given: BTreeMap<&'static str, String>,
    without_secrets: bool,
}

/// All places where settings come from.
#[derive(Debug, Default)]
pub struct Layers {
    flags: Flags,
    environment: BTreeMap<String, String>,
    file: Option<File>,
    secrets: Option<File>,
}

/// A file of settings, with the line of each.
#[derive(Debug)]
struct File {
    path: String,
    entries: BTreeMap<String, (String, usize)>,
}

impl Flags {
    /// Flags that a program gives itself.
    pub fn of(given: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        Self { given: given.into_iter().collect(), ..Self::default() }
    }

    /// The same with a file of settings.
    #[must_use]
    pub fn with_config(mut self, file: Option<&Path>) -> Self {
        self.config = file.map(|file| file.display().to_string());
        self
    }

    /// The same without the file of secrets: for a command that needs none, and may be run by who cannot read it.
    #[must_use]
    pub fn without_secrets(mut self) -> Self {
        self.without_secrets = true;
        self
    }

    /// The same with these on top.
    #[must_use]
    pub fn with(mut self, more: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        self.given.extend(more);
        self
    }
}

impl Layers {
    /// Flags, the environment of this process, and the files that they name.
    pub fn of_process(flags: Flags) -> Result<Self, Vec<ConfigError>> {
        Self::new(flags, std::env::vars().filter(|(name, _)| name.starts_with(PREFIX)).collect())
    }

    /// The same with a given environment.
    pub fn new(flags: Flags, environment: BTreeMap<String, String>) -> Result<Self, Vec<ConfigError>> {
        let config = flags.config.clone().or_else(|| environment.get(CONFIG_VARIABLE).cloned());
        let mut layers = Self { flags, environment, ..Self::default() };
        if let Some(path) = config {
            layers.file = Some(File::read(Path::new(&path), |_| true)?);
        }
        let secrets = secrets_path(&layers);
        if secrets.exists() && !layers.flags.without_secrets {
            layers.secrets = Some(File::read(&secrets, |setting| setting.secret)?);
        }
        Ok(layers)
    }

    /// The settings of one file alone, given as text; `path` is how messages name it.
    pub fn of_file(path: &str, text: &str) -> Result<Self, Vec<ConfigError>> {
        Ok(Self { file: Some(File::parse(path, text, |_| true)?), ..Self::default() })
    }

    /// Variables of the environment that look like settings and are none, but for those that mean something `elsewhere`.
    /// They are no error: a cluster puts names of its own there.
    pub fn unknown_variables(&self, elsewhere: &[&str]) -> Vec<&str> {
        let setting = |name: &str| SETTINGS.iter().any(|setting| setting.variable() == name);
        let known = |name: &str| name == CONFIG_VARIABLE || elsewhere.contains(&name) || setting(name);
        self.environment.keys().map(String::as_str).filter(|name| !known(name)).collect()
    }
}

impl Source for Layers {
    fn find(&self, setting: &Setting) -> Option<(String, Origin)> {
        if let Some(text) = self.flags.given.get(setting.name) {
            return Some((text.clone(), Origin::Flag(setting.flag())));
        }
        let variable = setting.variable();
        if let Some(text) = self.environment.get(&variable) {
            return Some((text.clone(), Origin::Environment(variable)));
        }
        let file =
            [&self.file, &self.secrets].into_iter().flatten().find(|file| file.entries.contains_key(setting.name))?;
        let (text, line) = file.entries.get(setting.name)?;
        Some((text.clone(), Origin::File { path: file.path.clone(), line: *line }))
    }
}

impl File {
    /// Reads a file of settings, of those that may stand in it.
    fn read(path: &Path, may_have: fn(&Setting) -> bool) -> Result<Self, Vec<ConfigError>> {
        let shown = path.display().to_string();
        let broken = |error: io::Error| vec![ConfigError::File { path: shown.clone(), reason: error.to_string() }];
        let text = fs::read_to_string(path).map_err(broken)?;
        Self::parse(&shown, &text, may_have)
    }

    fn parse(path: &str, text: &str, may_have: fn(&Setting) -> bool) -> Result<Self, Vec<ConfigError>> {
        // The error of the parser would quote the line, and a secret may stand in it.
        let table = DeTable::parse(text).map_err(|error| {
            let line = error.span().map_or(1, |span| line_of(text, span.start));
            vec![ConfigError::File { path: path.to_owned(), reason: format!("line {line}: {}", error.message()) }]
        })?;
        let mut entries = BTreeMap::new();
        let mut errors = Vec::new();
        for (key, value) in table.get_ref() {
            let line = line_of(text, key.span().start);
            let name: &str = key.get_ref();
            if SETTINGS.iter().any(|setting| setting.name == name && may_have(setting)) {
                entries.insert(name.to_owned(), (as_text(value.get_ref()), line));
            } else {
                let origin = Origin::File { path: path.to_owned(), line };
                errors.push(ConfigError::Unknown { key: name.to_owned(), origin, hint: hint(name) });
            }
        }
        if errors.is_empty() { Ok(Self { path: path.to_owned(), entries }) } else { Err(errors) }
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

/// Lists are written with commas, tables as `key=value` with commas.
fn as_text(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::Datetime(time) => time.to_string(),
        DeValue::Array(items) => items.iter().map(|item| as_text(item.get_ref())).collect::<Vec<_>>().join(","),
        DeValue::Table(table) => {
            let entry = |(key, value): (&toml::Spanned<_>, &toml::Spanned<DeValue<'_>>)| {
                let key: &std::borrow::Cow<'_, str> = key.get_ref();
                format!("{key}={}", as_text(value.get_ref()))
            };
            table.iter().map(entry).collect::<Vec<_>>().join(",")
        }
    }
}

/// The setting that was probably meant.
fn hint(name: &str) -> String {
    let near = |setting: &&Setting| strsim::damerau_levenshtein(setting.name, name);
    // Of a short name a third wrong is another name.
    let best = SETTINGS.iter().min_by_key(near).filter(|best| near(best) <= (name.len() / 3).min(3));
    best.map(|best| format!("; did you mean {}?", best.name)).unwrap_or_default()
}

impl Flags {
    /// Arguments for some of the settings that are no secrets.
    pub fn augment_some(command: Command, has: impl Fn(&Setting) -> bool) -> Command {
        let config = Arg::new("config")
            .long("config")
            .value_name("FILE")
            .help_heading("Configuration")
            .help("A TOML file with settings; each key is a flag of this list with _ for -. Also TRADEWIND_CONFIG");
        let some = SETTINGS.iter().filter(|setting| !setting.secret && has(setting));
        some.fold(command.arg(config), |command, setting| {
            let mut help = setting.help();
            if !setting.default.is_empty() {
                help = format!("{help} [default: {}]", setting.default);
            }
            let flag = Arg::new(setting.name)
                .long(setting.flag())
                .value_name(setting.kind)
                .help_heading(setting.section)
                .allow_hyphen_values(true)
                .hide_short_help(true)
                .help(help);
            command.arg(flag)
        })
    }

    /// What was given of these settings.
    pub fn of_some(matches: &ArgMatches, has: impl Fn(&Setting) -> bool) -> Result<Self, clap::Error> {
        let text = |name: &str| match matches.value_source(name) {
            Some(ValueSource::CommandLine) => matches.get_one::<String>(name).cloned(),
            _ => None,
        };
        let some = SETTINGS.iter().filter(|setting| !setting.secret && has(setting));
        let given = some.filter_map(|setting| Some((setting.name, text(setting.name)?))).collect();
        Ok(Self { config: text("config"), given, without_secrets: false })
    }
}

impl clap::Args for Flags {
    fn augment_args(command: Command) -> Command {
        Self::augment_some(command, |_| true)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl clap::FromArgMatches for Flags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Self::of_some(matches, |_| true)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
