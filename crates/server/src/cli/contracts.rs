//! `tradewind contracts`: check, try and begin contract packs.

use std::path::PathBuf;

use clap::Subcommand;

#[cfg(feature = "contracts")]
use super::CliError;

#[cfg(feature = "contracts")]
mod packs;

/// Check contract packs, translate single messages by them, and begin a new one.
///
/// A pack is a folder that says how the messages of another system are translated. docs/contracts.md teaches how to
/// write one.
#[derive(clap::Args)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub struct Contracts {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Check(Check),
    Translate(Translate),
    New(New),
}

/// Check packs whole: paths, types, sources of required fields, samples, examples
#[derive(clap::Args)]
struct Check {
    /// A folder, or the name of a pack that is built in; by default all that are built in
    pack: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Translate one message from standard input
///
/// The message is shown as the event that it means, with the fields that a row of a bridge would add below `from_rows`.
/// With --export it is the other way: an event in its CloudEvents envelope becomes the message of the contract.
#[derive(clap::Args)]
struct Translate {
    /// A folder, or the name of a pack that is built in
    pack: String,
    /// Where the message comes from or goes to: a topic, a queue, an exchange, or a name of `[channels]`
    channel: String,
    /// From the event to the message
    #[arg(long)]
    export: bool,
    /// Bytes are hexadecimal text: those that are read, or with --export those that are printed
    #[arg(long)]
    hex: bool,
    /// With --export: a file with what a bridge would know, as `{"order": {…}, "user": {…}}`
    #[arg(long, value_name = "FILE", requires = "export")]
    rows: Option<PathBuf>,
    /// A setting of the pack, as NAME=VALUE; may be given again
    #[arg(long, value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// Print one JSON object, also when the message is refused
    #[arg(long)]
    json: bool,
}

/// Make a folder with a small pack that is whole
#[derive(clap::Args)]
struct New {
    /// The name of the pack: lower-case letters, digits, dashes
    name: String,
    /// The folder in which it is made
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    folder: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[cfg(feature = "contracts")]
impl Contracts {
    pub fn run(self) -> Result<(), CliError> {
        match self.command {
            Command::Check(check) => check.run(),
            Command::Translate(translate) => translate.run(),
            Command::New(new) => new.run(),
        }
    }
}
