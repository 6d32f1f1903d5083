//! `tradewind consumers`

use clap::Subcommand;
use serde::Deserialize;
use serde_json::{Value, json};
use tradewind_engine::ports::{Clock, SystemClock};
use tradewind_events::{Id, Timestamp};

use super::{
    CliError, ShopArgs,
    desk::{Desk, ask, at_store, encoded},
    say,
    screen::{self, GOOD, OPEN},
    shop::OfStore,
    table::{Cell, Table},
};
use crate::words::span;

const PATH: &str = "/v1/operations/consumers";

/// See how far consumers of events are behind, and pause or resume one.
///
/// A consumer is a service, or the subscription at a broker, which has the broker's name. While a service is paused, what it
/// would receive is parked for it, in order. While a subscription is paused, messages stay at the broker. The shop pauses a
/// service by itself after too many dead letters within a minute, and a subscription whose messages it cannot decode.
#[derive(clap::Args)]
#[command(arg_required_else_help = true)]
pub struct Consumers {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    List(List),
    Pause(Pause),
    Resume(Resume),
    SkipGaps(SkipGaps),
}

/// List the consumers: which are paused, and what waits for them
#[derive(clap::Args)]
struct List {
    #[command(flatten)]
    of: OfStore,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    shop: ShopArgs,
}

/// Pause a service or a subscription until it is resumed
#[derive(clap::Args)]
struct Pause {
    /// The service, or the name of a broker
    #[arg(value_name = "CONSUMER")]
    service: Id,
    #[command(flatten)]
    of: OfStore,
    /// Why, for the audit trail; nothing personal
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    shop: ShopArgs,
}

/// Resume a service or a subscription: it begins with what has waited
#[derive(clap::Args)]
struct Resume {
    /// The service, or the name of a broker
    #[arg(value_name = "CONSUMER")]
    service: Id,
    #[command(flatten)]
    of: OfStore,
    #[command(flatten)]
    shop: ShopArgs,
}

/// Let a subscription go on behind events that its broker no longer has: they stay missing
#[derive(clap::Args)]
struct SkipGaps {
    /// The name of the broker
    #[arg(value_name = "CONSUMER")]
    broker: Id,
    #[command(flatten)]
    of: OfStore,
    /// Why, for the audit trail; nothing personal
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    shop: ShopArgs,
}

#[derive(Deserialize)]
struct Gap {
    reason: String,
}

#[derive(Deserialize)]
struct Consumer {
    store: Option<String>,
    name: String,
    paused: bool,
    reason: Option<String>,
    since: Option<Timestamp>,
    waiting: Option<u64>,
    behind_since: Option<Timestamp>,
    #[serde(default)]
    gaps: Vec<Gap>,
}

impl Consumers {
    pub fn run(self) -> Result<(), CliError> {
        match self.command {
            Command::List(list) => ask(list.shop.clone(), async |desk| list.run(desk).await),
            Command::Pause(pause) => ask(pause.shop.clone(), async |desk| pause.run(desk).await),
            Command::Resume(resume) => ask(resume.shop.clone(), async |desk| resume.run(desk).await),
            Command::SkipGaps(skip) => ask(skip.shop.clone(), async |desk| skip.run(desk).await),
        }
    }
}

impl List {
    async fn run(self, desk: &mut Desk) -> Result<(), CliError> {
        let found = desk.whole(&at_store(PATH, self.of.store.as_deref())).await?;
        if self.json {
            return say(found.as_json());
        }
        let mut table = Table::new(&["CONSUMER", "STATE", "SINCE", "WAITING", "BEHIND", "REASON"]).right(3);
        let now = SystemClock.wall();
        let consumers: Vec<Consumer> = found.typed(PATH)?;
        for consumer in &consumers {
            let state = match (consumer.paused, consumer.gaps.is_empty()) {
                (true, _) => ("paused", OPEN),
                (false, false) => ("gaps", OPEN),
                (false, true) => ("runs", GOOD),
            };
            let reasons = consumer.reason.iter().chain(consumer.gaps.iter().map(|gap| &gap.reason));
            let reasons: Vec<&str> = reasons.map(String::as_str).collect();
            let ago = |at: Option<Timestamp>| at.map_or_else(|| String::from("-"), |at| span(now.since(at)));
            let since = ago(consumer.since);
            table.row([
                Cell::from(consumer.name.as_str()),
                Cell::from(state.0).style(state.1),
                Cell::from(since),
                Cell::from(consumer.waiting.map_or_else(|| String::from("-"), |waiting| waiting.to_string())),
                Cell::from(ago(consumer.behind_since)),
                Cell::from(reasons.join("; ")),
            ]);
        }
        let table = table.of_stores(consumers.iter().map(|consumer| consumer.store.as_deref()));
        say(table.shown(screen::width()))
    }
}

impl Pause {
    async fn run(self, desk: &mut Desk) -> Result<(), CliError> {
        let path = format!("{PATH}/{}/pause", encoded(self.service.as_str()));
        let path = at_store(&path, self.of.store.as_deref());
        let _done: Value = desk.post(&path, &json!({ "reason": self.reason })).await?;
        say(format_args!(
            "{} is paused: what it would receive waits. `tradewind consumers resume {0}` lets it go on.\n",
            self.service
        ))
    }
}

impl Resume {
    async fn run(self, desk: &mut Desk) -> Result<(), CliError> {
        let path = format!("{PATH}/{}/resume", encoded(self.service.as_str()));
        let _done: Value = desk.act(&at_store(&path, self.of.store.as_deref())).await?;
        say(format_args!("{} goes on.\n", self.service))
    }
}

impl SkipGaps {
    async fn run(self, desk: &mut Desk) -> Result<(), CliError> {
        let path = format!("{PATH}/{}/skip-gaps", encoded(self.broker.as_str()));
        let path = at_store(&path, self.of.store.as_deref());
        let _done: Value = desk.post(&path, &json!({ "reason": self.reason })).await?;
        say(format_args!("{} goes on behind its gaps. What is missing stands in the audit trail.\n", self.broker))
    }
}
