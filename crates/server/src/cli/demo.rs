//! `tradewind demo`

mod buy;
mod kinds;
mod report;
mod street;

use std::path::PathBuf;

use tokio::{runtime::Builder, signal::ctrl_c};

use super::{
    CliError, say,
    shop::{FIRST_ADMIN_TOKEN, ShopArgs, Trusted, variable},
    store::private_directory,
};
use crate::{
    app::{App, AppError},
    client::{Client, ShopUrl},
    config::{Config, Flags, Layers},
};

/// See a shop at work: it opens one, fills its shelves, sends it some thousand orders, and tells what became of them.
///
/// Everything goes over the HTTP API of a real server on a fresh store. Among the orders is every way to fail: too little
/// stock, too little money, a declined card, a price that has changed, a payment that never comes, a change of mind.
/// So that nobody has to wait for half an hour, stock is held for seconds and deadlines are seconds.
/// Then it shows the story of one order that went through and of one that was compensated, audits the shop, says
/// what to try next, and keeps serving.
///
/// With --url it opens no shop. It sends the orders to one that runs, for example the gateway of a split shop, and ends.
/// That shop must be new: the demo becomes its first admin, with the token that its start has printed. Start its
/// processes with the settings that `tradewind demo --settings` prints.
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
    /// Send the orders to this new shop instead of opening one
    #[arg(long, value_name = "URL", conflicts_with_all = ["listen", "store"])]
    url: Option<ShopUrl>,
    #[command(flatten)]
    trusted: Trusted,
    /// Print the settings of a shop for the demo, as `KEY = "VALUE"` of a configuration file, and end
    #[arg(long, conflicts_with_all = ["listen", "store", "once", "url"])]
    settings: bool,
}

/// Settings of a shop for the demo beside its store and its address.
fn settings() -> [(&'static str, String); 7] {
    [
        ("log", "error".to_owned()),
        ("provider_rules", tradewind_workers::provider::AmountRules::documented().to_string()),
        ("provider_late_after", "2s".to_owned()),
        ("provider_wait_min", "1s".to_owned()),
        // One machine plays all the customers.
        ("rate_per_second", "0".to_owned()),
        ("caller_share", "1".to_owned()),
        ("secret_rate_per_second", "0".to_owned()),
    ]
}

impl Demo {
    pub fn run(self) -> Result<(), CliError> {
        if self.settings {
            return settings().iter().try_for_each(|(name, value)| say(format_args!("{name} = \"{value}\"\n")));
        }
        if let Some(url) = &self.url {
            let visitor = ShopArgs::at(url, &self.trusted).visitor()?;
            let runtime = Builder::new_multi_thread().enable_all().build()?;
            return runtime.block_on(visit(visitor, self.orders));
        }
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
        let own = [("store", store.display().to_string()), ("listen", self.listen.clone())];
        let flags = Flags::of(own.into_iter().chain(settings()));
        Ok(Config::load(&Layers::of_process(flags)?)?)
    }

    async fn show(self, config: Config, store: PathBuf) -> Result<(), CliError> {
        let app = App::start(config).await?;
        app.announced();
        say(report::opening(&app, &store))?;
        let address = app.address();
        let visitor = Client::new(ShopUrl::new(&address.ip().to_string(), address.port()));
        let street = street::Street::open(visitor, app.first_admin_token().unwrap_or_default()).await?;
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

/// Sends orders to a new shop that runs, and prints how they ended.
async fn visit(visitor: Client, orders: u32) -> Result<(), CliError> {
    let Some(token) = variable(FIRST_ADMIN_TOKEN) else {
        let reason = "set it to the token for the first admin, which a new shop prints when it starts";
        return Err(CliError::Usage(format!("{FIRST_ADMIN_TOKEN}: {reason}")));
    };
    let street = street::Street::open(visitor, &token).await?;
    say(report::seeded(&street))?;
    let told = buy::all(&street, orders).await?;
    let as_told = report::outcomes(&told)?;
    say(report::examples(&told))?;
    if as_told { Ok(()) } else { Err(CliError::NotAsTold) }
}

/// A place for a store that nobody has used.
fn fresh_store() -> Result<PathBuf, AppError> {
    let failed = |error| AppError::Prepare(tradewind_engine::operator::UNAVAILABLE.because(error));
    Ok(private_directory("demo").map_err(failed)?.join("shop.db"))
}
