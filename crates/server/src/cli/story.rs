//! `tradewind story`

mod remote;

use std::{
    fmt::{self, Write},
    path::PathBuf,
};

use serde::Serialize;
use tradewind_engine::ports::Reader;
use tradewind_events::{Id, TextEnum};
use tradewind_query::{OrderStatus, OrderView};
use tradewind_sqlite::Sqlite;

use super::{
    CliError, ShopArgs,
    desk::ask,
    say,
    screen::{self, BAD, DIM, GOOD, HEAD, OPEN, styled, wrapped},
    shop::Trusted,
    store::StoresArgs,
    table::{Cell, Table},
};
use crate::{
    app::AppError,
    client::ShopUrl,
    routes::{orders::OrderDetails, timelines::TimelineEvent},
    story::{Cause, Chapter, Story},
    words::{clean, money, short, span},
};

/// What the names of what is known of an order take.
const NAME_COLUMNS: usize = 10;

/// Tell the story of one order: what happened to it, when, and what caused what.
///
/// It is read from the file of the shop, whether the shop runs or not; with --url, of a shop or a gateway that runs. If the
/// shop is split over several stores, name the store of `query`: its log has every event that has arrived there. Or name
/// several stores: the command reads their logs from the beginning and merges them.
///
/// Each line is an event: its number, the time since the first one, the service that emitted it, the number of the event
/// that caused it, and what it says in a few words. Causes stand before their effects, whatever the clocks of the stores
/// say. What came from outside (a request, a time that had come, an answer of the payment provider) stands above what
/// followed from it. Nothing personal is shown.
#[derive(clap::Args)]
pub struct Tell {
    /// The id of the order
    order: Id,
    #[command(flatten)]
    stores: StoresArgs,
    /// Ask the shop that listens here, in the name of staff, instead of reading a file. A gateway tells of all stores
    #[arg(long, conflicts_with_all = ["stores", "config"])]
    url: Option<ShopUrl>,
    #[command(flatten)]
    trusted: Trusted,
    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct StoryJson<Order> {
    order_id: Id,
    /// Absent while nobody has told who placed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    order: Option<Order>,
    events: Vec<ChapterJson>,
}

#[derive(Serialize)]
struct ChapterJson {
    number: usize,
    after_ms: u128,
    /// The number of the event that caused it.
    #[serde(skip_serializing_if = "Option::is_none")]
    caused_by: Option<usize>,
    cause: String,
    facts: String,
    #[serde(flatten)]
    event: TimelineEvent,
}

impl Tell {
    pub fn run(self) -> Result<(), CliError> {
        if let Some(url) = &self.url {
            let shop = ShopArgs::at(url, &self.trusted);
            return ask(shop, async |desk| {
                let (story, order) = remote::read(desk, &self.order).await?;
                self.tell(&story, Some(order))
            });
        }
        let (_, paths) = self.stores.configured_to_read()?;
        let story = read_all(&paths, &self.order)?.ok_or_else(|| {
            let stores: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
            CliError::Other(format!("there is no order {} in {}", self.order, stores.join(", ")))
        })?;
        self.tell(&story, OrderDetails::of_view(story.order.clone()))
    }

    /// `order` is how JSON shows it.
    fn tell<Order: Serialize>(&self, story: &Story, order: Option<Order>) -> Result<(), CliError> {
        if !self.json {
            return say(shown(story, screen::width()));
        }
        let events = story.chapters.iter().zip(1..).map(|(chapter, number)| ChapterJson::of(chapter, number));
        let json = StoryJson { order_id: self.order.clone(), order, events: events.collect::<Result<_, _>>()? };
        say(format_args!("{}\n", serde_json::to_string(&json)?))
    }
}

/// The story of an order in an open store.
pub fn read(reader: &dyn Reader, store: &str, order_id: &Id) -> Result<Option<Story>, CliError> {
    Ok(Story::read(reader, store, order_id).map_err(AppError::from)?)
}

/// The story of an order in one store, as its read model has it, or in the logs of several.
fn read_all(paths: &[PathBuf], order_id: &Id) -> Result<Option<Story>, CliError> {
    let open = |path: &PathBuf| Sqlite::open_reader(path).map_err(AppError::from);
    let stores = paths.iter().map(open).collect::<Result<Vec<_>, _>>()?;
    if let [(reader, meta)] = &stores[..] {
        return read(reader, &meta.name, order_id);
    }
    let stores: Vec<(&str, &dyn Reader)> =
        stores.iter().map(|(reader, meta)| (meta.name.as_str(), reader as &dyn Reader)).collect();
    Ok(Story::merged(&stores, order_id).map_err(AppError::from)?)
}

/// A story as people read it.
pub fn shown(story: &Story, width: Option<usize>) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _written = write(story, width, &mut text);
    text
}

fn write(story: &Story, width: Option<usize>, out: &mut String) -> fmt::Result {
    let order = &story.order;
    writeln!(out, "{} {}", styled(HEAD, &format!("Order {}", order.order_id)), status(order))?;
    for (name, value) in about(order) {
        let room = width.map_or(usize::MAX, |width| width.saturating_sub(NAME_COLUMNS + 2));
        for (nth, line) in wrapped(&clean(&value), room).iter().enumerate() {
            let name = if nth == 0 { name } else { "" };
            writeln!(out, "  {}{line}", styled(DIM, &format!("{name:<NAME_COLUMNS$}")))?;
        }
    }
    out.write_str(&timeline(&story.chapters).shown(width))?;
    Ok(())
}

fn status(order: &OrderView) -> String {
    let Some(status) = order.status else { return styled(DIM, "was never placed") };
    let style = match status {
        OrderStatus::Completed | OrderStatus::Confirmed | OrderStatus::Dispatched => GOOD,
        OrderStatus::Rejected | OrderStatus::Cancelled => BAD,
        _ => OPEN,
    };
    let unsettled = matches!(status, OrderStatus::Rejected | OrderStatus::Cancelled) && !order.settled;
    let more = if unsettled { " (something is still held for it)" } else { "" };
    format!("{}{more}", styled(style, status.as_str()))
}

/// What the order is, as far as it is known.
fn about(order: &OrderView) -> Vec<(&'static str, String)> {
    let amount = |amount: Option<i64>| Some(money(amount?, order.currency?));
    let ended = order.reason.as_ref().map(|reason| {
        let by = order.cancelled_by.map_or_else(String::new, |by| format!("by {}: ", by.as_str()));
        format!("{by}{reason}")
    });
    let lines = order.lines.iter().map(|line| {
        let each =
            line.unit_price_minor.zip(order.currency).map(|(price_minor, currency)| money(price_minor, currency));
        format!("{} × {}{}", line.quantity, line.sku, each.map_or_else(String::new, |each| format!(" at {each}")))
    });
    let lines: Vec<String> = lines.collect();
    let known = [
        ("customer", order.customer_id.as_ref().map(ToString::to_string)),
        ("placed", order.placed_at.map(|at| at.to_string())),
        ("lines", (!lines.is_empty()).then(|| lines.join(", "))),
        ("total", amount(order.total_minor)),
        ("paid by", order.payment_method.map(|method| method.as_str().to_owned())),
        ("went back", amount(Some(order.refunded_minor).filter(|minor| *minor > 0))),
        ("ended", ended),
    ];
    known.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

fn timeline(chapters: &[Chapter]) -> Table {
    let mut table = Table::new(&["", "", "", "", "", ""]).right(0).right(1).right(4);
    let mut last = None;
    for (number, chapter) in (1_usize..).zip(chapters) {
        let cause = match &chapter.cause {
            Cause::Event(number) => format!("← {number}"),
            outside => {
                if last != Some(outside) {
                    table.line(format!("{}{}", if number == 1 { "\n" } else { "" }, outside_line(outside)));
                }
                last = Some(outside);
                String::new()
            }
        };
        let after = if chapter.after.is_zero() { String::from("0 ms") } else { format!("+{}", span(chapter.after)) };
        table.row([
            Cell::from(number.to_string()).style(DIM),
            Cell::from(after),
            Cell::from(&*chapter.envelope.source).style(DIM),
            Cell::from(chapter.envelope.event.name()).style(style_of(chapter.envelope.event.name())),
            Cell::from(cause).style(DIM),
            Cell::from(chapter.facts.as_str()),
        ]);
    }
    table
}

/// Where something came from outside.
fn outside_line(cause: &Cause) -> String {
    let said = match cause {
        Cause::Timer(name) => format!("The time had come: {name}"),
        Cause::Answer(who) => format!("An answer of {who}"),
        Cause::Request(id) => format!("A request {}", short(id)),
        Cause::Event(_) | Cause::Unknown => String::from("For a reason that is not known"),
    };
    styled(HEAD, &clean(&said))
}

/// By how the name ends: what went wrong, what was undone.
fn style_of(name: &str) -> anstyle::Style {
    let (_, action) = name.split_once('.').unwrap_or(("", name));
    match action {
        "rejected" | "cancelled" | "refused" | "failed" | "expired" | "commit_refused" | "capture_failed"
        | "refund_failed" | "release_refused" => BAD,
        "released" | "restocked" | "voided" | "refunded" | "surplus_returned" | "cancel_requested" => OPEN,
        "confirmed" | "completed" => GOOD,
        _ => anstyle::Style::new(),
    }
}

impl ChapterJson {
    fn of(chapter: &Chapter, number: usize) -> Result<Self, serde_json::Error> {
        Ok(Self {
            number,
            after_ms: chapter.after.as_millis(),
            caused_by: if let Cause::Event(number) = chapter.cause { Some(number) } else { None },
            cause: chapter.cause.to_string(),
            facts: chapter.facts.clone(),
            event: TimelineEvent::of(&chapter.envelope, false)?,
        })
    }
}
