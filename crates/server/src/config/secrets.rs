//! Secrets that nobody gave are drawn once, into a file beside the store that only its owner can read.

use std::{
    fmt::Write as _,
    fs,
    io::Write as _,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use super::{Config, Layers, Origin, SETTINGS, Secret, Setting, setting::Source};
use crate::secret::drawn_text;

/// Only the owner reads and writes it.
const MODE: u32 = 0o600;

/// The secrets that can be drawn: what they sign or encrypt stays with us.
const DRAWN: [&str; 3] = ["master_key", "cart_secret", "provider_secret"];

#[derive(Debug, thiserror::Error)]
#[error("the file of secrets {path} cannot be written: {error}")]
pub struct SecretsError {
    path: String,
    error: std::io::Error,
}

/// The file of secrets that these layers name.
pub(super) fn secrets_path(layers: &Layers) -> PathBuf {
    let text = |name: &str| {
        let setting: &Setting = SETTINGS.iter().find(|setting| setting.name == name)?;
        Some(layers.find(setting).map_or_else(|| setting.default.to_owned(), |(text, _)| text))
    };
    let beside = || format!("{}.secrets", text("store").unwrap_or_default());
    text("secrets_file").filter(|path| !path.is_empty()).unwrap_or_else(beside).into()
}

impl Config {
    /// Draws the secrets that are missing and keeps them. To be called by the owner of the store alone.
    pub fn draw_missing_secrets(&mut self) -> Result<(), SecretsError> {
        let path = self.secrets_file.clone().unwrap_or_else(|| format!("{}.secrets", self.store.display()).into());
        let mut drawn = String::new();
        for (name, secret) in
            DRAWN.into_iter().zip([&mut self.master_key, &mut self.cart_secret, &mut self.provider_secret])
        {
            if secret.is_none() {
                let text = drawn_text();
                // Writing to a string cannot fail.
                writeln!(drawn, "{name} = \"{text}\"").unwrap_or_default();
                *secret = Some(Secret::new(text.into_bytes()));
                self.origins.insert(name, Origin::File { path: path.display().to_string(), line: 1 });
            }
        }
        if drawn.is_empty() {
            return Ok(());
        }
        append(&path, &drawn).map_err(|error| SecretsError { path: path.display().to_string(), error })
    }

    /// The file of secrets, when others than its owner can read it.
    pub fn exposed_secrets_file(&self) -> Option<PathBuf> {
        let path = self.secrets_file.clone().unwrap_or_else(|| format!("{}.secrets", self.store.display()).into());
        is_exposed(&path).then_some(path)
    }
}

/// Whether others than its owner have a right to a file.
pub fn is_exposed(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o077 != 0)
}

/// The whole file is written anew and put in its place, so that a crash leaves the one or the other.
fn append(path: &Path, lines: &str) -> std::io::Result<()> {
    let before = if path.exists() {
        fs::read_to_string(path)?
    } else {
        String::from(
            "# Secrets of this shop. Who has them can sign in as anybody. Without them its store is of little use.\n",
        )
    };
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let new = PathBuf::from(name);
    if new.exists() {
        fs::remove_file(&new)?;
    }
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(MODE).open(&new)?;
    file.write_all(before.as_bytes())?;
    file.write_all(lines.as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::File::open(directory)?.sync_all()
}
