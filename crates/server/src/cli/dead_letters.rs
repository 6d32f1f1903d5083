//! `tradewind dead-letters`

mod redrive;

use std::{
    fs,
    io::{self, Read},
    path::PathBuf,
};

use clap::Subcommand;
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};
use tradewind_engine::ports::{Clock, SystemClock};
use tradewind_events::{FreeJson, Id, Timestamp};

use super::{
    CliError, ShopArgs,
    desk::{Desk, ask, encoded},
    say,
    screen::{self, BAD, DIM, GOOD, HEAD, styled},
    shop::{AtMost, OfStore},
    table::{Cell, Table},
};
use crate::words::{clean, count, short, span};

const PATH: &str = "/v1/operations/dead-letters";

/// See what could not be handled, and decide what becomes of it.
///
/// A message that a service failed on is kept with its bytes, its reason and how often it was tried, and holds nothing else
/// up. Send it again when the cause is mended, send it with other content, or decide that it needs no effect. Every
/// decision is written into the audit trail.
#[derive(clap::Args)]
#[command(arg_required_else_help = true)]
pub struct DeadLetters {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    List(List),
    Show(Show),
    Redrive(redrive::Redrive),
    Edit(Edit),
    Discard(Discard),
}

/// List dead letters, the newest first
#[derive(clap::Args)]
struct List {
    #[command(flatten)]
    filter: Filter,
    /// In this state; redriven: sent again and kept as history
    #[arg(long, default_value = "dead", value_parser = ["dead", "redriven", "discarded"])]
    state: String,
    #[command(flatten)]
    most: AtMost,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    shop: ShopArgs,
}

/// Which dead letters.
#[derive(clap::Args)]
struct Filter {
    /// Only those of this service or broker (what nobody could decode)
    #[arg(long, value_name = "SERVICE")]
    consumer: Option<String>,
    /// Only events of this name
    #[arg(long, value_name = "EVENT")]
    name: Option<String>,
    #[command(flatten)]
    of: OfStore,
}

/// Show a dead letter with its message
///
/// What is personal in the message is masked. A message that cannot be decoded is not shown, as nobody knows what is
/// personal in it. --message prints it as it came, and nothing else: a file to edit. That is a disclosure: its reason
/// stands in the audit trail.
#[derive(clap::Args)]
struct Show {
    /// The id of the dead letter
    id: Id,
    /// Print the message alone, exactly as it came, with what is personal in it
    #[arg(long, requires = "reason")]
    message: bool,
    /// Why the message is to be seen as it came, for the audit trail; nothing personal
    #[arg(long, requires = "message")]
    reason: Option<String>,
    /// Print one JSON object, with the message masked
    #[arg(long, conflicts_with = "message")]
    json: bool,
    #[command(flatten)]
    shop: ShopArgs,
}

/// Send a dead letter again with other content; the original is kept
///
/// Take the message with `tradewind dead-letters show ID --message --reason WHY > FILE`, mend it, and send it. It goes to the
/// service that failed, and to no other.
#[derive(clap::Args)]
struct Edit {
    /// The id of the dead letter
    id: Id,
    /// The whole message, an envelope in JSON; - reads standard input
    #[arg(long, value_name = "FILE")]
    message: PathBuf,
    #[command(flatten)]
    shop: ShopArgs,
}

/// Decide that dead letters need no effect
#[derive(clap::Args)]
struct Discard {
    /// The ids of the dead letters
    #[arg(value_name = "ID", required = true)]
    ids: Vec<Id>,
    /// Why, for the audit trail; nothing personal
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    shop: ShopArgs,
}

/// A dead letter, as the shop tells it.
#[derive(Debug, Deserialize)]
struct Letter {
    /// Where a gateway has told it.
    store: Option<String>,
    id: Id,
    consumer: String,
    kind: String,
    name: String,
    message_key: String,
    event_id: Option<String>,
    correlation_id: Option<String>,
    reason: String,
    attempts: u32,
    died_at: Timestamp,
    state: String,
    position: Option<String>,
    edited_from: Option<Id>,
}

/// The same with its message.
#[derive(Deserialize)]
struct Detail {
    #[serde(flatten)]
    letter: Letter,
    message: Option<Value>,
    message_bytes: usize,
}

/// The message as it came.
#[derive(Deserialize)]
struct Disclosure {
    message: Option<Box<RawValue>>,
    message_hex: Option<String>,
}

impl DeadLetters {
    pub fn run(self) -> Result<(), CliError> {
        match self.command {
            Command::List(list) => ask(list.shop.clone(), async |desk| list.run(desk).await),
            Command::Show(show) => ask(show.shop.clone(), async |desk| show.run(desk).await),
            Command::Redrive(redrive) => ask(redrive.shop.clone(), async |desk| redrive.run(desk).await),
            Command::Edit(edit) => ask(edit.shop.clone(), async |desk| edit.run(desk).await),
            Command::Discard(discard) => ask(discard.shop.clone(), async |desk| discard.run(desk).await),
        }
    }
}

impl Filter {
    fn query(&self) -> Vec<(&'static str, &str)> {
        let parts = [
            ("consumer", self.consumer.as_deref()),
            ("name", self.name.as_deref()),
            ("store", self.of.store.as_deref()),
        ];
        parts.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

impl List {
    async fn run(self, desk: &mut Desk) -> Result<(), CliError> {
        let mut query = self.filter.query();
        query.push(("state", &self.state));
        let found = desk.list(PATH, &query, self.most.limit).await?;
        if self.json {
            return say(found.as_json());
        }
        let letters: Vec<Letter> = found.typed(PATH)?;
        if letters.is_empty() {
            return say(match &*self.state {
                "dead" => String::from("There are no dead letters.\n"),
                state => format!("No dead letter was {state}.\n"),
            });
        }
        say(format_args!("{}{}", table(&letters).shown(screen::width()), found.more()))
    }
}

fn table(letters: &[Letter]) -> Table {
    let now = SystemClock.wall();
    let mut table = Table::new(&["ID", "DIED", "SERVICE", "MESSAGE", "OF", "TRIES", "REASON"]).right(5);
    for letter in letters {
        let died = format!("{} ago", span(now.since(letter.died_at)));
        let of = Id::new(letter.message_key.as_str()).map_or_else(|_| letter.message_key.clone(), |key| short(&key));
        table.row([
            Cell::from(letter.id.as_str()),
            Cell::from(died).style(DIM),
            Cell::from(letter.consumer.as_str()),
            Cell::from(letter.name.as_str()),
            Cell::from(of).style(DIM),
            Cell::from(letter.attempts.to_string()),
            Cell::from(letter.reason.as_str()),
        ]);
    }
    table.of_stores(letters.iter().map(|letter| letter.store.as_deref()))
}

impl Show {
    async fn run(self, desk: &mut Desk) -> Result<(), CliError> {
        let path = format!("{PATH}/{}", encoded(self.id.as_str()));
        if self.message {
            let reason = json!({ "reason": self.reason.unwrap_or_default() });
            let disclosed: Disclosure = desk.post(&format!("{path}/disclosure"), &reason).await?;
            return say(format_args!("{}\n", disclosed.into_text()?));
        }
        let raw: Box<RawValue> = desk.get(&path).await?;
        if self.json {
            return say(format_args!("{}\n", raw.get()));
        }
        let detail: Detail = serde_json::from_str(raw.get())?;
        say(detail.shown())
    }
}

impl Disclosure {
    /// The message alone: a parsed number could lose digits, and the order of fields.
    fn into_text(self) -> Result<String, CliError> {
        match (self.message, self.message_hex) {
            (Some(message), _) => Ok(message.get().to_owned()),
            (None, hex) => {
                let (bytes, hex) = (hex.as_ref().map_or(0, |hex| hex.len() / 2), hex.unwrap_or_default());
                Err(CliError::Other(format!("the message is no JSON, but {bytes} bytes, in hexadecimal: {hex}")))
            }
        }
    }
}

impl Detail {
    fn shown(&self) -> String {
        let letter = &self.letter;
        let mut table = Table::new(&["", ""]);
        let known = [
            ("service", Some(letter.consumer.clone())),
            ("message", Some(format!("{} {} of {}", letter.kind, letter.name, letter.message_key))),
            ("reason", Some(letter.reason.clone())),
            ("tries", Some(letter.attempts.to_string())),
            ("died", Some(letter.died_at.to_string())),
            ("event", letter.event_id.clone()),
            ("request", letter.correlation_id.clone()),
            ("position", letter.position.clone()),
            ("edit of", letter.edited_from.as_ref().map(ToString::to_string)),
            ("size", Some(format!("{} bytes", self.message_bytes))),
        ];
        for (name, value) in known.into_iter().filter_map(|(name, value)| Some((name, value?))) {
            table.row([Cell::from(format!("  {name}")).style(DIM), Cell::from(value)]);
        }
        let state = styled(if letter.state == "dead" { BAD } else { GOOD }, &clean(&letter.state));
        let head = styled(HEAD, &format!("Dead letter {}", letter.id));
        format!("{head} {state}\n{}\n{}", table.shown(screen::width()), self.masked())
    }

    /// The message, without what is personal.
    fn masked(&self) -> String {
        self.message.as_ref().map_or_else(
            || {
                screen::paragraph(
                    "The message is none that can be decoded, so it may hold anything: --message shows it as it came.",
                )
            },
            |message| format!("{message:#}\n"),
        )
    }
}

impl Edit {
    async fn run(self, desk: &mut Desk) -> Result<(), CliError> {
        let shown = self.message.display();
        let mut text = String::new();
        let read = if self.message.as_os_str() == "-" {
            io::stdin().read_to_string(&mut text).map(drop)
        } else {
            fs::read_to_string(&self.message).map(|file| text = file)
        };
        read.map_err(|error| CliError::Other(format!("{shown} cannot be read: {error}")))?;
        // Read by the rule of the shop: what it would change is refused here, too.
        let message =
            FreeJson::parse(&text).map_err(|error| CliError::Other(format!("{shown} cannot be sent: {error}")))?;
        let path = format!("{PATH}/{}", encoded(self.id.as_str()));
        let before: Letter = desk.get(&path).await?;
        let _done: Value = desk.post(&format!("{path}/edit"), &json!({ "message": message })).await?;
        // If it fails again, the edit is a dead letter of its own.
        let query = [("consumer", &*before.consumer), ("name", &*before.name), ("state", "dead")];
        let dead: Vec<Letter> = desk.list(PATH, &query, usize::MAX).await?.typed(PATH)?;
        match dead.iter().find(|letter| letter.edited_from.as_ref() == Some(&self.id)) {
            None => say(format_args!("{} is replaced, and its edit is handled.\n", self.id)),
            Some(edit) => Err(CliError::Other(format!(
                "{} is replaced, but its edit could not be handled either. It is the dead letter {}: {}",
                self.id, edit.id, edit.reason
            ))),
        }
    }
}

impl Discard {
    async fn run(self, desk: &mut Desk) -> Result<(), CliError> {
        for id in &self.ids {
            let path = format!("{PATH}/{}/discard", encoded(id.as_str()));
            let _done: Value = desk.post(&path, &json!({ "reason": self.reason })).await?;
            say(format_args!("{id} is discarded.\n"))?;
        }
        if self.ids.len() > 1 {
            say(format_args!("{} discarded.\n", count(self.ids.len() as u64, "dead letter", "dead letters")))?;
        }
        Ok(())
    }
}
