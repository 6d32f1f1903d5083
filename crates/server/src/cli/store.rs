//! Which store a command looks at, and how it is opened beside or instead of its owner.

use std::path::PathBuf;

use tradewind_sqlite::{Meta, Opened, Options, Sqlite, SqliteReader};

use super::CliError;
use crate::{
    app::AppError,
    config::{Config, Flags, Layers},
    services,
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

/// A store that is open for reading.
pub struct Reading {
    pub config: Config,
    pub reader: SqliteReader,
    pub meta: Meta,
}

impl StoreArgs {
    /// The configuration that names the store.
    pub fn configured(&self) -> Result<Config, CliError> {
        let given = self.store.iter().map(|path| ("store", path.display().to_string()));
        let flags = Flags::of(given).with_config(self.config.as_deref());
        let config = Config::load(&Layers::of_process(flags)?)?;
        crate::telemetry::start(&config);
        Ok(config)
    }

    /// Opens it for reading, whoever owns it.
    pub fn read(&self) -> Result<Reading, CliError> {
        let config = self.configured()?;
        let (reader, meta) = Sqlite::open_reader(&config.store).map_err(AppError::from)?;
        Ok(Reading { config, reader, meta })
    }

    /// Becomes its owner; refused while a server runs on it.
    pub fn own(&self) -> Result<(Config, Opened), CliError> {
        let config = self.configured()?;
        // A store that is not there is not made by a command that mends one.
        drop(Sqlite::open_reader(&config.store).map_err(AppError::from)?);
        let now = tradewind_engine::ports::Clock::wall(&tradewind_engine::ports::SystemClock);
        let opened =
            Sqlite::open(&config.store, &Options::new("unused", services::NAMES, now)).map_err(AppError::from)?;
        Ok((config, opened))
    }
}
