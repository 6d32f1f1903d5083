//! A setting: one name for its flag, its environment variable and its key in a file.

use std::fmt;

use super::value::Value;

/// One setting.
#[derive(Debug)]
pub struct Setting {
    /// The key: `reservation_ttl`.
    pub name: &'static str,
    /// The heading that it stands under.
    pub section: &'static str,
    /// Lines, each with a space before it, as doc comments have.
    pub help: &'static [&'static str],
    /// As text; empty for what is not set.
    pub default: &'static str,
    pub kind: &'static str,
    pub expected: &'static str,
    pub secret: bool,
}

/// Where the text of a setting comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    Default,
    File { path: String, line: usize },
    Environment(String),
    Flag(String),
}

/// A setting that cannot be used, in words that name it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    #[error("{name} is {text:?} ({origin}); expected {expected}")]
    Invalid { name: &'static str, text: String, origin: Origin, expected: &'static str },
    #[error("{name} is no usable secret ({origin}); expected {expected}")]
    InvalidSecret { name: &'static str, origin: Origin, expected: &'static str },
    #[error("{name} is {text} ({origin}); expected {expected}")]
    OutOfBounds { name: &'static str, text: String, origin: Origin, expected: String },
    #[error("there is no setting {key:?} ({origin}){hint}")]
    Unknown { key: String, origin: Origin, hint: String },
    #[error("the file {path} cannot be read: {reason}")]
    File { path: String, reason: String },
}

/// Where a setting's text is looked up.
pub trait Source {
    /// The text of highest precedence, if any was given.
    fn find(&self, setting: &Setting) -> Option<(String, Origin)>;
}

impl Setting {
    pub fn flag(&self) -> String {
        self.name.replace('_', "-")
    }

    pub fn variable(&self) -> String {
        format!("TRADEWIND_{}", self.name.to_ascii_uppercase())
    }

    /// The help as one text.
    pub fn help(&self) -> String {
        self.help.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ")
    }

    /// Its value, and where that comes from.
    pub fn read<T: Value>(&self, source: &dyn Source, errors: &mut Vec<ConfigError>) -> (Option<T>, Origin) {
        let (text, origin) = source.find(self).unwrap_or_else(|| (self.default.to_owned(), Origin::Default));
        let value = T::parse(text.trim());
        if value.is_none() {
            let (name, expected, origin) = (self.name, self.expected, origin.clone());
            errors.push(if self.secret {
                ConfigError::InvalidSecret { name, origin, expected }
            } else {
                ConfigError::Invalid { name, text: T::quote(&text), origin, expected }
            });
        }
        (value, origin)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("the default"),
            Self::File { path, line } => write!(f, "{path}, line {line}"),
            Self::Environment(variable) => write!(f, "the environment variable {variable}"),
            Self::Flag(flag) => write!(f, "the flag --{flag}"),
        }
    }
}

/// Declares the settings: the struct that holds them, and the list of them all.
macro_rules! settings {
    ($($section:literal {$(
        $(#[doc = $help:literal])+
        $name:ident: $type:ty = $default:literal;
    )+})+) => {
        /// The configuration: every setting with its value.
        #[derive(Debug, Clone)]
        pub struct Config {
            $($( $(#[doc = $help])+ pub $name: $type, )+)+
            origins: std::collections::BTreeMap<&'static str, Origin>,
        }

        /// Every setting, in the order in which it is shown.
        pub const SETTINGS: &[Setting] = &[$($(
            Setting {
                name: stringify!($name),
                section: $section,
                help: &[$($help),+],
                default: $default,
                kind: <$type as Value>::KIND,
                expected: <$type as Value>::EXPECTED,
                secret: <$type as Value>::SECRET,
            },
        )+)+];

        impl Config {
            /// Reads every setting; the error lists everything that is wrong.
            fn collect(source: &dyn Source) -> Result<Self, Vec<ConfigError>> {
                let mut errors = Vec::new();
                let mut origins = std::collections::BTreeMap::new();
                let mut settings = SETTINGS.iter();
                $($(
                    let $name = settings.next().and_then(|setting| {
                        let (value, origin) = setting.read::<$type>(source, &mut errors);
                        origins.insert(setting.name, origin);
                        value
                    });
                )+)+
                match ($($($name,)+)+) {
                    ($($(Some($name),)+)+) => Ok(Self { $($($name,)+)+ origins }),
                    _ => Err(errors),
                }
            }

            /// The values as text, in the order of [`SETTINGS`].
            fn texts(&self) -> Vec<String> {
                vec![$($( Value::show(&self.$name), )+)+]
            }
        }
    };
}
pub(super) use settings;
