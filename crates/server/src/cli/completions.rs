//! `tradewind completions`

use clap::CommandFactory;
use clap_complete::Shell;

use super::{Cli, CliError, say};

/// Print completions for a shell: `source <(tradewind completions bash)`.
#[derive(clap::Args)]
pub struct Print {
    shell: Shell,
}

impl Print {
    pub fn run(self) -> Result<(), CliError> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "tradewind", &mut script);
        say(String::from_utf8_lossy(&script))
    }
}
