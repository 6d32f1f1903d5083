//! `tradewind parked`

use clap::Subcommand;
use serde::Deserialize;
use serde_json::Value;
use tradewind_engine::ports::{Clock, SystemClock};
use tradewind_events::{Id, Timestamp};

use super::{
    CliError, ShopArgs,
    desk::{Desk, ask, encoded},
    say,
    screen::{self, DIM},
    shop::{AtMost, OfStore},
    table::{Cell, Table},
};
use crate::words::{short, span};

const PATH: &str = "/v1/operations/parked";

/// Show messages that wait: for something that was not heard of yet, or for their service to be resumed.
///
/// They hold nothing else up, and are tried again by themselves. At its deadline a message that waits for a fact becomes
/// a dead letter.
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Parked {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    list: List,
}

#[derive(Subcommand)]
enum Command {
    Retry(Retry),
}

#[derive(clap::Args)]
struct List {
    #[command(flatten)]
    of: OfStore,
    #[command(flatten)]
    most: AtMost,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    shop: ShopArgs,
}

/// Try a parked message now
#[derive(clap::Args)]
struct Retry {
    /// The id of the parked message
    id: Id,
    #[command(flatten)]
    shop: ShopArgs,
}

#[derive(Deserialize)]
struct Message {
    store: Option<String>,
    id: Id,
    consumer: String,
    event: String,
    #[serde(rename = "message_key")]
    of: Id,
    reason: String,
    waits_for: Option<String>,
    attempts: u32,
    due_at: Timestamp,
    deadline: Timestamp,
}

impl Parked {
    pub fn run(self) -> Result<(), CliError> {
        match self.command {
            None => ask(self.list.shop.clone(), async |desk| self.list.run(desk).await),
            Some(Command::Retry(retry)) => ask(retry.shop.clone(), async |desk| retry.run(desk).await),
        }
    }
}

impl List {
    async fn run(self, desk: &mut Desk) -> Result<(), CliError> {
        let query: Vec<(&str, &str)> = self.of.store.iter().map(|store| ("store", store.as_str())).collect();
        let found = desk.list(PATH, &query, self.most.limit).await?;
        if self.json {
            return say(found.as_json());
        }
        let messages: Vec<Message> = found.typed(PATH)?;
        if messages.is_empty() {
            return say("Nothing is parked.\n");
        }
        let mut table = Table::new(&["ID", "SERVICE", "EVENT", "OF", "TRIES", "NEXT", "WHY"]).right(4);
        let now = SystemClock.wall();
        for message in &messages {
            table.row(message.cells(now));
        }
        let table = table.of_stores(messages.iter().map(|message| message.store.as_deref()));
        say(format_args!("{}{}", table.shown(screen::width()), found.more()))
    }
}

impl Message {
    fn cells(&self, now: Timestamp) -> [Cell; 7] {
        let is_paused = self.reason == "paused";
        let next = match is_paused {
            true => String::from("-"),
            false if self.due_at <= now => String::from("now"),
            false => format!("in {}", span(self.due_at.since(now))),
        };
        let why = if is_paused {
            String::from("its service is paused")
        } else {
            let what = self.waits_for.as_deref().unwrap_or("a fact");
            format!("waits for {what}, for another {} at most", span(self.deadline.since(now)))
        };
        [
            Cell::from(self.id.as_str()),
            Cell::from(self.consumer.as_str()),
            Cell::from(self.event.as_str()),
            Cell::from(short(&self.of)).style(DIM),
            Cell::from(self.attempts.to_string()),
            Cell::from(next),
            Cell::from(why),
        ]
    }
}

impl Retry {
    async fn run(self, desk: &mut Desk) -> Result<(), CliError> {
        let _done: Value = desk.act(&format!("{PATH}/{}/retry", encoded(self.id.as_str()))).await?;
        say(format_args!("{} was tried. `tradewind parked` shows whether it still waits.\n", self.id))
    }
}
