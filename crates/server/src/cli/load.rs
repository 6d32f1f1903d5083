//! `tradewind load`

mod run;
mod tally;

use std::{thread::available_parallelism, time::Duration};

use tokio::runtime::Builder;

use super::{
    CliError, ShopArgs,
    market::{Market, Mix},
    say,
};
use run::{Plan, Shape};

/// Put a running shop under load, and measure.
///
/// With --rate orders come at that rate whatever the shop does, and each is measured from the moment at which it was to
/// be sent, so that a shop that stalls cannot hide it (no coordinated omission). Without it each of --concurrency clients
/// sends its next order when the last one is answered. Every order waits for its outcome, and outcomes are counted.
///
/// With --skus 1 --lines 1 everybody wants the same. With --declined and --out-of-stock a part of the orders fails: their
/// customers have no money, or one of their goods was never stocked.
///
/// It signs in as staff: it makes products of its own (SKU load-…) with stock for all of it, and customers with money.
/// Limits on one client apply to it too: start the shop with --rate-per-second 0 --caller-share 1 to measure it alone.
#[derive(clap::Args)]
pub struct Load {
    #[command(flatten)]
    shop: ShopArgs,
    /// How many orders
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..))]
    orders: u64,
    /// Orders a second, on average, whatever the shop does
    #[arg(long, value_name = "PER_SECOND", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// Clients at the same time; with --rate the most that may wait for an answer
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=4_096))]
    concurrency: u32,
    /// SKUs that orders are spread over; 1 makes all buyers want the same
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    skus: u32,
    /// Lines of an order, each of another SKU; no more than there are SKUs
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=20))]
    lines: u32,
    /// Orders of customers without money
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=50))]
    declined: u32,
    /// Orders of something that is sold out
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=50))]
    out_of_stock: u32,
    /// Customers that orders are spread over
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    customers: u32,
    /// Do not wait for outcomes: measure how fast orders are accepted
    #[arg(long)]
    no_wait: bool,
    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
}

/// How long an order waits for its outcome, in seconds.
const WAIT_SECONDS: u32 = 15;

impl Load {
    pub fn run(self) -> Result<(), CliError> {
        // Half of the cores are for the shop, if it runs on the same machine.
        let threads = available_parallelism().map_or(1, |cores| (cores.get() / 2).max(1));
        Builder::new_multi_thread().worker_threads(threads).enable_all().build()?.block_on(self.measure())
    }

    async fn measure(self) -> Result<(), CliError> {
        let mut staff = self.shop.sign_in().await?;
        let mix = Mix {
            skus: self.skus,
            customers: self.customers,
            lines: self.lines,
            declined_percent: self.declined,
            out_of_stock_percent: self.out_of_stock,
        };
        // Enough even if every line of every order were of one SKU.
        let units = i64::try_from(self.orders).unwrap_or(i64::MAX).saturating_mul(i64::from(self.lines));
        let market = Market::prepare(&mut staff, mix, units).await?;
        let plan = Plan {
            shape: match self.rate {
                Some(per_second) => Shape::Open { every: Duration::from_secs(1) / per_second },
                None => Shape::Closed,
            },
            orders: self.orders,
            clients: self.concurrency,
            wait_seconds: (!self.no_wait).then_some(WAIT_SECONDS),
        };
        let tally = run::run(&staff, &market, &plan).await?;
        say(if self.json { format!("{}\n", tally.as_json()) } else { tally.to_string() })
    }
}
