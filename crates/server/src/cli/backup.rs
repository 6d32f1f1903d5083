//! `tradewind backup`

use std::path::PathBuf;

use indicatif::{ProgressBar, ProgressStyle};

use super::{CliError, say, store::StoreArgs};

/// Copy the store into a new file, while the shop runs.
///
/// The copy is the store as of one commit, and is checked before it gets its name. It is a store like any other: `tradewind
/// verify --store FILE` audits it, `tradewind serve --store FILE` serves it. The secrets beside the store are not in it.
#[derive(clap::Args)]
pub struct Backup {
    /// The new file
    to: PathBuf,
    #[command(flatten)]
    store: StoreArgs,
}

impl Backup {
    pub fn run(self) -> Result<(), CliError> {
        let reading = self.store.read()?;
        let bar = ProgressBar::new(0).with_style(style());
        reading.reader.back_up(&self.to, &mut |progress| {
            bar.set_length(progress.pages);
            bar.set_position(progress.pages_copied);
        })?;
        bar.finish_and_clear();
        say(format_args!("{} is copied to {}\n", reading.config.store.display(), self.to.display()))
    }
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{bar:40} {pos}/{len} pages, {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}
