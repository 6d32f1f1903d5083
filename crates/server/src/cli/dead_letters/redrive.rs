//! `tradewind dead-letters redrive`

use std::time::Duration;

use serde_json::{Value, json};
use tradewind_events::Id;

use super::{
    super::desk::{Desk, at_store, encoded, pause},
    Filter, Letter, PATH, table,
};
use crate::{
    cli::{
        CliError, ShopArgs, say,
        screen::{self, BAD, GOOD, OPEN, styled},
    },
    client::ClientError,
    words::{clean, count},
};

/// Send dead letters again to the services that failed on them
///
/// Name them, or choose them by --consumer, --name or --all. The set is looked up first and stays as it is: what dies
/// meanwhile is not part of it. Each is sent once, the oldest first. One that is taken is handled, or parked if its
/// service is paused; one that fails again stays a dead letter, with its new reason. The exit status is 0 only if all of
/// them were taken.
#[derive(clap::Args)]
#[group(id = "which", required = true, multiple = true, args = ["ids", "consumer", "name", "all"])]
pub struct Redrive {
    /// The ids of dead letters
    #[arg(value_name = "ID", conflicts_with_all = ["consumer", "name", "all"])]
    ids: Vec<Id>,
    #[command(flatten)]
    filter: Filter,
    /// All that there are
    #[arg(long)]
    all: bool,
    /// Show which ones, and send none
    #[arg(long)]
    dry_run: bool,
    /// At most so many a second
    #[arg(long, value_name = "PER_SECOND", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// Print one JSON object a line: each dead letter, then the sums
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    pub(super) shop: ShopArgs,
}

/// What became of a dead letter.
enum Fate {
    /// Handled, or parked because its service is paused.
    Taken,
    DeadAgain(String),
    /// Somebody else was faster.
    Settled,
    Refused(String),
}

/// How many had which fate.
#[derive(Default)]
struct Sums {
    taken: u64,
    dead_again: u64,
    settled: u64,
    refused: u64,
    left: u64,
}

impl Redrive {
    pub async fn run(self, desk: &mut Desk) -> Result<(), CliError> {
        let letters = self.chosen(desk).await?;
        if self.dry_run {
            return self.show(&letters);
        }
        if !self.json {
            say(format_args!("{} to send again.\n", count(letters.len() as u64, "dead letter", "dead letters")))?;
        }
        let mut sums = Sums { left: letters.len() as u64, ..Sums::default() };
        let mut stopped = None;
        for (nth, letter) in letters.iter().enumerate() {
            if let Some(rate) = self.rate.filter(|_| nth > 0) {
                pause(Duration::from_secs(1) / rate).await;
            }
            match send(desk, letter).await {
                Ok(fate) => {
                    sums.count(&fate);
                    self.tell(letter, &fate)?;
                }
                Err(error) => {
                    stopped = Some(error);
                    break;
                }
            }
        }
        say(if self.json { format!("{}\n", sums.as_json()) } else { sums.shown() })?;
        match stopped {
            Some(error) => Err(error),
            None if sums.taken == letters.len() as u64 => Ok(()),
            None => Err(CliError::NotAsTold),
        }
    }

    /// The set, from now on as it is; the oldest first.
    async fn chosen(&self, desk: &mut Desk) -> Result<Vec<Letter>, CliError> {
        if !self.ids.is_empty() {
            let mut letters = Vec::new();
            for id in &self.ids {
                letters.push(desk.get(&format!("{PATH}/{}", encoded(id.as_str()))).await?);
            }
            return Ok(letters);
        }
        let mut letters: Vec<Letter> = desk.list(PATH, &self.filter.query(), usize::MAX).await?.typed(PATH)?;
        letters.reverse();
        Ok(letters)
    }

    fn show(&self, letters: &[Letter]) -> Result<(), CliError> {
        if self.json {
            return letters.iter().try_for_each(|letter| say(format_args!("{}\n", json!({ "id": letter.id }))));
        }
        let sum = count(letters.len() as u64, "dead letter", "dead letters");
        let rows = if letters.is_empty() { String::new() } else { table(letters).shown(screen::width()) };
        say(format_args!("{rows}{sum} would be sent again. Nothing was sent.\n"))
    }

    fn tell(&self, letter: &Letter, fate: &Fate) -> Result<(), CliError> {
        if self.json {
            return say(format_args!("{}\n", fate.as_json(letter)));
        }
        let what = clean(&format!("{} → {}", letter.name, letter.consumer));
        say(format_args!("{}  {what}  {}\n", letter.id, fate.shown()))
    }
}

async fn send(desk: &mut Desk, letter: &Letter) -> Result<Fate, CliError> {
    let path = format!("{PATH}/{}", encoded(letter.id.as_str()));
    let store = letter.store.as_deref();
    match desk.act::<Value>(&at_store(&format!("{path}/redrive"), store)).await {
        Ok(_) => {}
        Err(CliError::Client(ClientError::Refused { code, .. })) if code == "dead_letter_settled" => {
            return Ok(Fate::Settled);
        }
        Err(CliError::Client(ClientError::Refused { status: 404 | 422, code, detail, .. })) => {
            return Ok(Fate::Refused(format!("{code}: {detail}")));
        }
        Err(error) => return Err(error),
    }
    let after: Letter = desk.get(&at_store(&path, store)).await?;
    Ok(if after.state == "dead" { Fate::DeadAgain(after.reason) } else { Fate::Taken })
}

impl Fate {
    fn shown(&self) -> String {
        match self {
            Self::Taken => styled(GOOD, "taken"),
            Self::DeadAgain(reason) => styled(BAD, &format!("dead again: {}", clean(reason))),
            Self::Settled => styled(OPEN, "settled by somebody else"),
            Self::Refused(reason) => styled(BAD, &format!("refused: {}", clean(reason))),
        }
    }

    fn as_json(&self, letter: &Letter) -> Value {
        let (fate, reason) = match self {
            Self::Taken => ("taken", None),
            Self::DeadAgain(reason) => ("dead_again", Some(reason)),
            Self::Settled => ("settled", None),
            Self::Refused(reason) => ("refused", Some(reason)),
        };
        json!({ "id": letter.id, "fate": fate, "reason": reason })
    }
}

impl Sums {
    fn count(&mut self, fate: &Fate) {
        self.left -= 1;
        *match fate {
            Fate::Taken => &mut self.taken,
            Fate::DeadAgain(_) => &mut self.dead_again,
            Fate::Settled => &mut self.settled,
            Fate::Refused(_) => &mut self.refused,
        } += 1;
    }

    fn shown(&self) -> String {
        let parts = [
            (self.taken, "taken"),
            (self.dead_again, "dead again"),
            (self.settled, "settled by somebody else"),
            (self.refused, "refused"),
            (self.left, "not sent"),
        ];
        let some = parts.iter().filter(|(number, what)| *number > 0 || *what == "taken");
        format!("{}.\n", some.map(|(number, what)| format!("{number} {what}")).collect::<Vec<_>>().join(", "))
    }

    fn as_json(&self) -> Value {
        json!({
            "taken": self.taken, "dead_again": self.dead_again, "settled": self.settled,
            "refused": self.refused, "not_sent": self.left,
        })
    }
}
