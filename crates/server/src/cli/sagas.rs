//! `tradewind sagas`

use std::time::Duration;

use serde::Deserialize;
use tradewind_engine::ports::{Clock, SystemClock};
use tradewind_events::{Id, Timestamp};

use super::{
    CliError, ShopArgs,
    desk::{Desk, ask},
    say,
    screen::{self, BAD},
    shop::AtMost,
    table::{Cell, Table},
};
use crate::words::span;

const PATH: &str = "/v1/operations/sagas";

/// Show orders that wait for a step: which one, and who owes it.
///
/// The longest wait comes first. An order that waits for its parcel to leave or to arrive is not among them: people and
/// parcels take their time.
#[derive(clap::Args)]
pub struct Sagas {
    /// Only those that have waited at least so long, such as 60s or 5m
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = humantime::parse_duration)]
    waiting: Duration,
    #[command(flatten)]
    most: AtMost,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    shop: ShopArgs,
}

#[derive(Deserialize)]
struct Saga {
    order_id: Id,
    status: String,
    deadline_at: Timestamp,
    waits_since: Option<Timestamp>,
    step: Option<String>,
    owed_by: Option<String>,
}

impl Sagas {
    pub fn run(self) -> Result<(), CliError> {
        ask(self.shop.clone(), async |desk| self.show(desk).await)
    }

    async fn show(self, desk: &mut Desk) -> Result<(), CliError> {
        let seconds = self.waiting.as_secs().min(u64::from(u32::MAX)).to_string();
        let found = desk.list(PATH, &[("waiting_seconds", &seconds)], self.most.limit).await?;
        if self.json {
            return say(found.as_json());
        }
        let sagas: Vec<Saga> = found.typed(PATH)?;
        if sagas.is_empty() {
            return say(match self.waiting {
                Duration::ZERO => String::from("No order waits for a step.\n"),
                waiting => format!("No order has waited for a step for {}.\n", span(waiting)),
            });
        }
        let mut table = Table::new(&["ORDER", "STATUS", "WAITS", "DEADLINE", "FOR"]);
        let now = SystemClock.wall();
        for saga in &sagas {
            table.row(saga.cells(now));
        }
        say(format_args!("{}{}", table.shown(screen::width()), found.more()))
    }
}

/// Who owes a step, if it is no service.
fn who(by: &str) -> &str {
    match by {
        "external" => "somebody outside",
        "operator" => "an operator",
        service => service,
    }
}

impl Saga {
    fn cells(&self, now: Timestamp) -> [Cell; 5] {
        let owed = self.step.as_ref().zip(self.owed_by.as_ref());
        let since = self.waits_since.map_or_else(|| String::from("-"), |since| span(now.since(since)));
        // Once it is confirmed or ended, the deadline means nothing.
        let counts = matches!(&*self.status, "placed" | "priced" | "validated" | "paid");
        let deadline = match (counts, self.deadline_at > now) {
            (false, _) => Cell::from("-"),
            (true, true) => Cell::from(format!("in {}", span(self.deadline_at.since(now)))),
            (true, false) => Cell::from(format!("over for {}", span(now.since(self.deadline_at)))).style(BAD),
        };
        [
            Cell::from(self.order_id.as_str()),
            Cell::from(self.status.as_str()),
            Cell::from(since),
            deadline,
            Cell::from(owed.map_or_else(String::new, |(step, by)| format!("{step}, owed by {}", who(by)))),
        ]
    }
}
