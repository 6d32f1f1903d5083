//! `tradewind demo`

mod buy;
mod kinds;
mod report;
mod street;

use std::path::PathBuf;

use tokio::{runtime::Builder, signal::ctrl_c};

use super::{CliError, say, store::private_directory};
use crate::{
    app::{App, AppError},
    config::{Config, Flags, Layers},
};

/// See a shop at work: it opens one, fills its shelves, sends it some thousand orders, and tells what became of them.
///
/// Everything goes over the HTTP API of a real server on a fresh store. Among the orders is every way to fail: too little
/// stock, too little money, a declined card, a price that has changed, a payment that never comes, a change of mind.
/// So that nobody has to wait for half an hour, stock is held for seconds and deadlines are seconds.
/// Then it shows the story of one order that went through and of one that was compensated, audits the shop, says
/// what to try next, and keeps serving.
#[derive(clap::Args)]
pub struct Demo {
    /// How many orders
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    orders: u32,
    /// Where the shop listens
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    listen: String,
    /// The file of the shop, which must not exist. Default: a new one in the directory for temporary files
    #[arg(long, value_name = "FILE")]
    store: Option<PathBuf>,
    /// End when all is told, with exit status 0 only if everything went as it should
    #[arg(long)]
    once: bool,
}

impl Demo {
    pub fn run(self) -> Result<(), CliError> {
        let store = match &self.store {
            Some(store) => store.clone(),
            None => fresh_store()?,
        };
        if store.exists() {
            return Err(CliError::Other(format!("{} exists; the demo needs a store of its own", store.display())));
        }
        let config = self.config(&store)?;
        crate::telemetry::start(&config);
        Builder::new_multi_thread().enable_all().build()?.block_on(self.show(config, store))
    }

    fn config(&self, store: &std::path::Path) -> Result<Config, CliError> {
        let flags = Flags::of([
            ("store", store.display().to_string()),
            ("listen", self.listen.clone()),
            ("log", "error".to_owned()),
            ("provider_rules", tradewind_workers::provider::AmountRules::documented().to_string()),
            ("provider_late_after", "2s".to_owned()),
            ("provider_wait_min", "1s".to_owned()),
            // One machine plays all the customers.
            ("rate_per_second", "0".to_owned()),
            ("caller_share", "1".to_owned()),
            ("secret_rate_per_second", "0".to_owned()),
        ]);
        Ok(Config::load(&Layers::of_process(flags)?)?)
    }

    async fn show(self, config: Config, store: PathBuf) -> Result<(), CliError> {
        let app = App::start(config).await?;
        app.announced();
        say(report::opening(&app, &store))?;
        let street = street::Street::open(&app).await?;
        say(report::seeded(&street))?;
        let told = buy::all(&street, self.orders).await?;
        let as_told = report::outcomes(&told)?;
        report::stories(&store, &told)?;
        let clean = report::audit(&store)?;
        if !self.once {
            say(report::what_next(&app, &store))?;
            ctrl_c().await?;
        }
        if let Some(reason) = app.stop().await {
            return Err(CliError::Stopped(reason));
        }
        if as_told && clean { Ok(()) } else { Err(CliError::NotAsTold) }
    }
}

/// A place for a store that nobody has used.
fn fresh_store() -> Result<PathBuf, AppError> {
    let failed = |error| AppError::Prepare(tradewind_engine::operator::UNAVAILABLE.because(error));
    Ok(private_directory("demo").map_err(failed)?.join("shop.db"))
}
