//! `tradewind config`

use super::{CliError, configured, say};
use crate::config::Flags;

/// Show the configuration that is in force, with where each setting comes from. Secrets are masked.
///
/// What it prints is a file for --config.
#[derive(clap::Args)]
pub struct Show {
    #[command(flatten)]
    flags: Flags,
}

impl Show {
    pub fn run(self) -> Result<(), CliError> {
        say(configured(self.flags)?)
    }
}
