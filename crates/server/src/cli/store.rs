//! Which store a command looks at, and how it is opened beside or instead of its owner.

use std::{
    env,
    fs::DirBuilder,
    io::{self, ErrorKind},
    os::unix::fs::DirBuilderExt,
    path::PathBuf,
    process,
};

use tradewind_sqlite::{Meta, Opened, Options, Sqlite, SqliteReader};

use super::CliError;
use crate::{
    app::AppError,
    config::{Config, Flags, Layers},
};

/// Arguments of every command that opens a store by itself.
#[derive(clap::Args)]
pub struct StoreArgs {
    /// The file that the shop is kept in. Default: as configured
    #[arg(long, value_name = "FILE")]
    store: Option<PathBuf>,
    /// A file with settings
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Arguments of commands that read all stores of a shop.
#[derive(clap::Args)]
pub struct StoresArgs {
    /// The file that the shop is kept in; repeat the option for each store of a split shop. Default: as configured
    #[arg(long = "store", value_name = "FILE")]
    stores: Vec<PathBuf>,
    /// A file with settings
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl StoresArgs {
    /// The configuration, without secrets, and the stores: at least one.
    pub fn configured_to_read(&self) -> Result<(Config, Vec<PathBuf>), CliError> {
        let args = StoreArgs { store: self.stores.first().cloned(), config: self.config.clone() };
        let config = args.configured_to_read()?;
        let stores = if self.stores.is_empty() { vec![config.store.clone()] } else { self.stores.clone() };
        Ok((config, stores))
    }
}

/// A store that is open for reading.
pub struct Reading {
    pub config: Config,
    pub reader: SqliteReader,
    pub meta: Meta,
}

impl StoreArgs {
    /// The configuration that names the store.
    pub fn configured(&self) -> Result<Config, CliError> {
        Self::configured_by(self.flags())
    }

    /// The same for a command that needs no secret: who may read the store may not be allowed to read its secrets.
    pub fn configured_to_read(&self) -> Result<Config, CliError> {
        Self::configured_by(self.flags().without_secrets())
    }

    fn flags(&self) -> Flags {
        let given = self.store.iter().map(|path| ("store", path.display().to_string()));
        Flags::of(given).with_config(self.config.as_deref())
    }

    fn configured_by(flags: Flags) -> Result<Config, CliError> {
        let config = Config::load(&Layers::of_process(flags)?)?;
        crate::telemetry::start(&config);
        Ok(config)
    }

    /// Opens it for reading, whoever owns it.
    pub fn read(&self) -> Result<Reading, CliError> {
        let config = self.configured_to_read()?;
        let (reader, meta) = Sqlite::open_reader(&config.store).map_err(AppError::from)?;
        Ok(Reading { config, reader, meta })
    }

    /// Becomes its owner; refused while a server runs on it.
    pub fn own(&self) -> Result<(Config, Opened), CliError> {
        let config = self.configured_to_read()?;
        // A store that is not there is not made by a command that mends one.
        let (_, meta) = Sqlite::open_reader(&config.store).map_err(AppError::from)?;
        let now = tradewind_engine::ports::Clock::wall(&tradewind_engine::ports::SystemClock);
        let options = Options::new("unused", meta.services.iter().map(String::as_str), now);
        let opened = Sqlite::open(&config.store, &options).map_err(AppError::from)?;
        Ok((config, opened))
    }
}

/// What is in it is for this user alone.
const DIRECTORY_MODE: u32 = 0o700;

/// Directories of one process and purpose.
const DIRECTORIES_MAX: u32 = 1_000;

/// A new directory among those for temporary files. One that is there is not used: anybody may have made it.
pub fn private_directory(purpose: &str) -> io::Result<PathBuf> {
    for nth in 0..DIRECTORIES_MAX {
        let path = env::temp_dir().join(format!("tradewind-{purpose}-{}-{nth}", process::id()));
        match DirBuilder::new().mode(DIRECTORY_MODE).create(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(ErrorKind::AlreadyExists.into())
}
