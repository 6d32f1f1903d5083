//! `tradewind backup`

use std::path::{Path, PathBuf};

use super::{
    CliError, interrupt, say, screen,
    store::{Reading, StoreArgs},
};

/// Copy the store into a new file, while the shop runs.
///
/// The copy is the store as of one commit, and is checked before it gets its name. It is a store like any other: `tradewind
/// verify --store FILE` audits it, `tradewind serve --store FILE` serves it. The secrets beside the store are not in it.
#[derive(clap::Args)]
pub struct Backup {
    /// The new file; refused if it is there
    #[arg(value_name = "FILE")]
    to: PathBuf,
    #[command(flatten)]
    store: StoreArgs,
}

impl Backup {
    pub fn run(self) -> Result<(), CliError> {
        let Reading { config, reader, .. } = self.store.read()?;
        let to = self.to.clone();
        interrupt::removing(&[partial(&self.to)], move || {
            let bar = screen::bar(0, "{bar:40} {pos}/{len} pages, {eta} left");
            reader.back_up(&to, &mut |progress| {
                bar.set_length(progress.pages);
                bar.set_position(progress.pages_copied);
            })?;
            bar.finish_and_clear();
            Ok(())
        })?;
        say(format_args!("{} is copied to {}\n", config.store.display(), self.to.display()))
    }
}

/// The name of a copy until it is whole.
fn partial(to: &Path) -> PathBuf {
    to.with_file_name(format!("{}.partial", to.file_name().unwrap_or_default().display()))
}
