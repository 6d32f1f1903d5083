//! `tradewind owed`

use std::{fs, path::PathBuf};

use clap::Subcommand;
use serde::Deserialize;
use serde_json::{Value, json};
use tradewind_engine::ports::{Clock, SystemClock};
use tradewind_events::{Currency, FreeJson, Id, Timestamp};

use super::{
    CliError, ShopArgs,
    desk::{Desk, Rows, ask, encoded},
    say,
    screen::{self, DIM, HEAD, styled},
    shop::AtMost,
    table::{Cell, Table},
};
use crate::words::{money, span};

const OWED: &str = "/v1/operations/owed";
/// What is owed to deleted customers.
const PAYABLES: &str = "/v1/operations/owed/payables";
const JOBS: &str = "/v1/operations/jobs";

/// The lists of money that is owed for orders.
const DEBTS: [(&str, &str); 3] = [("hold", "holds"), ("refund", "refunds"), ("surplus", "surplus")];

/// See what the shop could not bring to an end by itself, and bring it there.
///
/// Money that must go back and was refused for good, and jobs (calls of the payment provider, mails) that have used up
/// their attempts: whether they were done is not known. Ask once more, or say how it ended. These make `tradewind verify`
/// fail. Money of deleted customers, which has to be paid out by other means, is listed and settled here too.
#[derive(clap::Args)]
#[command(arg_required_else_help = true)]
pub struct Owed {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    List(List),
    Retry(Retry),
    Settle(Settle),
    PayOut(PayOut),
}

/// List what is owed, the oldest first
///
/// Money: holds that could not be let go, refunds that were refused, surplus that could not be sent back, and what is owed
/// to deleted customers. Jobs: those whose attempts are used up. -n counts for each kind.
#[derive(clap::Args)]
struct List {
    #[command(flatten)]
    most: AtMost,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    shop: ShopArgs,
}

/// Ask once more: the payment provider for the money of an order, or a worker for a job
#[derive(clap::Args)]
struct Retry {
    #[command(flatten)]
    debt: Debt,
    #[command(flatten)]
    shop: ShopArgs,
}

/// Say that it was brought to an end by other means
///
/// For money: that it went back. For a job: how it ended, as its worker would have said it, in JSON. Of a call of the payment
/// provider (`ask_provider`): `{"state": "authorized", "amount_minor": 1060, "reference": "…"}`, where the state is authorized,
/// declined, captured, voided, refunded, returned, `nothing_held` or refused. Of a mail: `{"message_id": "…"}`.
#[derive(clap::Args)]
struct Settle {
    #[command(flatten)]
    debt: Debt,
    /// For a job: a file with its reply, JSON
    #[arg(long, value_name = "FILE", requires_all = ["job", "reason"])]
    reply: Option<PathBuf>,
    /// For a job: why, for the audit trail; nothing personal
    #[arg(long, requires = "job")]
    reason: Option<String>,
    #[command(flatten)]
    shop: ShopArgs,
}

/// Record that a deleted customer was paid by other means
///
/// `tradewind owed list` shows what is owed to whom. The amount is in minor units: all that is owed, or a part of it.
#[derive(clap::Args)]
struct PayOut {
    /// The deleted customer
    customer: Id,
    /// In which currency
    currency: Currency,
    /// How much was paid out, in minor units
    amount_minor: i64,
    #[command(flatten)]
    shop: ShopArgs,
}

/// Which debt: the hold of an order, unless a refund or a surplus is named; or a job.
#[derive(clap::Args)]
struct Debt {
    /// The order whose money is owed
    #[arg(required_unless_present = "job")]
    order: Option<Id>,
    /// This refund of it, instead of its hold
    #[arg(long, value_name = "ID", conflicts_with = "reference", requires = "order")]
    refund: Option<Id>,
    /// This surplus of it, by the provider's reference
    #[arg(long, requires = "order")]
    reference: Option<Id>,
    /// A job instead of an order
    #[arg(long, value_name = "ID", conflicts_with = "order")]
    job: Option<Id>,
}

#[derive(Deserialize)]
struct MoneyOwed {
    order_id: Id,
    refund_id: Option<Id>,
    reference: Option<Id>,
    amount_minor: i64,
    currency: Currency,
    reason: Option<String>,
    owed_since: Option<Timestamp>,
}

#[derive(Deserialize)]
struct Payable {
    customer_id: Id,
    currency: Currency,
    amount_minor: i64,
    owed_since: Option<Timestamp>,
}

#[derive(Deserialize)]
struct Job {
    id: Id,
    service: String,
    kind: String,
    attempts: u32,
    asked_at: Timestamp,
    last_error: Option<String>,
}

#[derive(Deserialize)]
struct PaymentState {
    order_id: Id,
    state: String,
}

impl Owed {
    pub fn run(self) -> Result<(), CliError> {
        match self.command {
            Command::List(list) => ask(list.shop.clone(), async |desk| list.run(desk).await),
            Command::Retry(retry) => ask(retry.shop.clone(), async |desk| retry.run(desk).await),
            Command::Settle(settle) => ask(settle.shop.clone(), async |desk| settle.run(desk).await),
            Command::PayOut(paid) => ask(paid.shop.clone(), async |desk| paid.run(desk).await),
        }
    }
}

impl List {
    async fn run(self, desk: &mut Desk) -> Result<(), CliError> {
        let mut found = Vec::new();
        for (kind, list) in DEBTS {
            found.push((kind, desk.list(&format!("{OWED}/{list}"), &[], self.most.limit).await?));
        }
        let payables = desk.list(PAYABLES, &[], self.most.limit).await?;
        let jobs = desk.list(JOBS, &[("state", "exhausted")], self.most.limit).await?;
        if self.json {
            found.push(("payable", payables));
            found.push(("job", jobs));
            return found.into_iter().try_for_each(|(kind, rows)| say(named(kind, rows)));
        }
        let mut money = Table::new(&["KIND", "ORDER", "AMOUNT", "SINCE", "WHICH", "REASON"]).right(2);
        let now = SystemClock.wall();
        let (mut debts, mut more) = (0, jobs.more || payables.more);
        for (kind, rows) in &found {
            more |= rows.more;
            for owed in rows.typed::<MoneyOwed>(OWED)? {
                debts += 1;
                money.row(owed.cells(kind, now));
            }
        }
        for payable in payables.typed::<Payable>(PAYABLES)? {
            debts += 1;
            money.row(payable.cells(now));
        }
        if debts == 0 && jobs.rows.is_empty() {
            return say("Nothing is owed.\n");
        }
        if debts > 0 {
            say(format_args!("{}\n{}", styled(HEAD, "Money"), money.shown(screen::width())))?;
        }
        if !jobs.rows.is_empty() {
            say(format_args!(
                "{}{}\n{}",
                if debts > 0 { "\n" } else { "" },
                styled(HEAD, "Jobs"),
                table(&jobs.typed(JOBS)?, now).shown(screen::width())
            ))?;
        }
        if more {
            say("There are more: --limit shows them.\n")?;
        }
        say(screen::paragraph(
            "Ask once more with `tradewind owed retry`, or say with `tradewind owed settle` that it has come to an end. \
             Record what was paid to a deleted customer with `tradewind owed pay-out`.",
        ))
    }
}

/// One JSON object a line, each with its kind.
fn named(kind: &str, rows: Rows) -> String {
    let mut named = rows;
    for row in &mut named.rows {
        if let Some(row) = row.as_object_mut() {
            // A job has a kind of its own: of which job it is.
            let taken = row.remove("kind");
            row.insert("owed".into(), kind.into());
            row.extend(taken.map(|taken| ("kind".to_owned(), taken)));
        }
    }
    named.as_json()
}

fn table(jobs: &[Job], now: Timestamp) -> Table {
    let mut table = Table::new(&["JOB", "SERVICE", "KIND", "TRIES", "ASKED", "LAST ERROR"]).right(3);
    for job in jobs {
        table.row([
            Cell::from(job.id.as_str()),
            Cell::from(job.service.as_str()),
            Cell::from(job.kind.as_str()),
            Cell::from(job.attempts.to_string()),
            Cell::from(format!("{} ago", span(now.since(job.asked_at)))).style(DIM),
            Cell::from(job.last_error.as_deref().unwrap_or_default()),
        ]);
    }
    table
}

impl MoneyOwed {
    fn cells(&self, kind: &str, now: Timestamp) -> [Cell; 6] {
        let which = self.refund_id.as_ref().or(self.reference.as_ref().filter(|_| kind == "surplus"));
        let since = self.owed_since.map_or_else(|| String::from("-"), |since| span(now.since(since)));
        [
            Cell::from(kind),
            Cell::from(self.order_id.as_str()),
            Cell::from(money(self.amount_minor, self.currency)),
            Cell::from(since).style(DIM),
            Cell::from(which.map_or("-", Id::as_str)),
            Cell::from(self.reason.as_deref().unwrap_or_default()),
        ]
    }
}

impl Payable {
    fn cells(&self, now: Timestamp) -> [Cell; 6] {
        let since = self.owed_since.map_or_else(|| String::from("-"), |since| span(now.since(since)));
        [
            Cell::from("payable"),
            Cell::from("-"),
            Cell::from(money(self.amount_minor, self.currency)),
            Cell::from(since).style(DIM),
            Cell::from(self.customer_id.as_str()),
            Cell::from("customer deleted"),
        ]
    }
}

impl PayOut {
    async fn run(self, desk: &mut Desk) -> Result<(), CliError> {
        let path = format!("{PAYABLES}/{}/settlement", encoded(self.customer.as_str()));
        let paid = json!({ "currency": self.currency, "amount_minor": self.amount_minor });
        let left: Payable = desk.post(&path, &paid).await?;
        let (customer_id, left) = (left.customer_id, money(left.amount_minor, left.currency));
        say(format_args!("{left} are still owed to {customer_id}.\n"))
    }
}

impl Debt {
    fn body(&self) -> Value {
        json!({ "refund_id": self.refund, "reference": self.reference })
    }
}

impl Retry {
    async fn run(self, desk: &mut Desk) -> Result<(), CliError> {
        if let Some(job) = &self.debt.job {
            let _done: Value = desk.act(&format!("{JOBS}/{}/retry", encoded(job.as_str()))).await?;
            return say(format_args!("{job} is tried again. `tradewind owed list` shows if it fails.\n"));
        }
        say(asked(desk, &self.debt, "retry").await?)
    }
}

impl Settle {
    async fn run(self, desk: &mut Desk) -> Result<(), CliError> {
        let Some(job) = &self.debt.job else {
            return say(asked(desk, &self.debt, "settlement").await?);
        };
        let (Some(file), Some(reason)) = (&self.reply, &self.reason) else {
            return Err(CliError::Other(String::from("a job is settled with --reply and --reason")));
        };
        let broken = |error: &dyn std::fmt::Display| CliError::Other(format!("{}: {error}", file.display()));
        let text = fs::read_to_string(file).map_err(|error| broken(&error))?;
        let reply = FreeJson::parse(&text).map_err(|error| broken(&error))?;
        let path = format!("{JOBS}/{}/settlement", encoded(job.as_str()));
        let _done: Value = desk.post(&path, &json!({ "reply": reply, "reason": reason })).await?;
        say(format_args!("{job} is settled.\n"))
    }
}

async fn asked(desk: &mut Desk, debt: &Debt, what: &str) -> Result<String, CliError> {
    let order = debt.order.as_ref().map_or("", Id::as_str);
    let path = format!("{OWED}/{}/{what}", encoded(order));
    let after: PaymentState = desk.post(&path, &debt.body()).await?;
    Ok(format!("The payment of {} is {} now.\n", after.order_id, after.state))
}
