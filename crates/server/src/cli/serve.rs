//! `tradewind serve`

use tokio::signal::unix::{SignalKind, signal};

use super::{CliError, configured, say};
use crate::{
    app::{App, Options},
    config::{Config, Flags},
};

/// Run a shop: all nine services on one SQLite file, and the HTTP API.
///
/// It stops on SIGINT and SIGTERM, and finishes what it has accepted. Every setting is a flag here, a variable
/// TRADEWIND_… in the environment and a key in a file (--config); `tradewind serve --help` lists them all, `tradewind
/// config` shows what is in force.
#[derive(clap::Args)]
pub struct Serve {
    #[command(flatten)]
    flags: Flags,
}

impl Serve {
    pub fn run(self) -> Result<(), CliError> {
        serve(configured(self.flags)?, Options::default())
    }
}

/// Runs a shop until SIGINT or SIGTERM, and prints where it is when it is open.
pub fn serve(config: Config, options: Options) -> Result<(), CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let scheme = if config.tls_certificate.is_some() { "https" } else { "http" };
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let app = App::start_with(config, options).await?;
        let address = app.address();
        tell(format_args!("The shop is open: {scheme}://{address}  (reference: {scheme}://{address}/docs)\n"));
        if let Some(token) = app.first_admin_token() {
            tell(format_args!("There is no admin yet. Whoever shows this token once becomes the first:\n  {token}\n"));
        }
        app.announced();
        let lost = tokio::select! {
            _ = interrupt.recv() => None,
            _ = terminate.recv() => None,
            why = app.shop().engine_stopped() => why,
        };
        tracing::info!("the shop is stopping: what it has accepted is finished");
        match app.stop().await.or(lost) {
            None => {
                tracing::info!("the shop is closed");
                Ok(())
            }
            Some(reason) => Err(CliError::Stopped(reason)),
        }
    })
}

/// Says it to whoever has started the shop. A shop serves, whether that can be printed or not.
pub fn tell(text: impl std::fmt::Display) {
    if let Err(error) = say(text) {
        tracing::warn!(%error, "the start could not be told on standard output");
    }
}
