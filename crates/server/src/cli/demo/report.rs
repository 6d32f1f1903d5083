//! What the demo tells, for people.

use std::{fmt::Write, path::Path};

use tradewind_events::Id;
use tradewind_sqlite::Sqlite;
use tradewind_workers::provider::ProviderSimulator;

use super::{
    buy::Told,
    kinds::{GOODS, KINDS, RIVALS, UNPAID_SECONDS},
    street::Street,
};
use crate::{
    app::{App, AppError},
    cli::{CliError, say, screen, story, verify},
};

pub fn opening(app: &App, store: &Path) -> String {
    format!(
        "A shop is open at http://{}, on a fresh store: {}\n\
         Orders that nobody pays in time ask the shop to hold their stock for {UNPAID_SECONDS} s; others have 15 minutes.\n\n",
        app.address(),
        store.display(),
    )
}

pub fn seeded(street: &Street) -> String {
    format!(
        "On the shelves: {} products. In the street: {} customers with money, one without.\n\n",
        GOODS.len(),
        street.rich.len()
    )
}

/// Prints what became of every kind; `true` when all ended as they must.
pub fn outcomes(told: &Told) -> Result<bool, CliError> {
    let mut text = String::new();
    let mut all_right = told.wrong.is_empty();
    for (kind, ends) in KINDS.iter().zip(&told.ends) {
        let total: u32 = ends.values().sum();
        let right = ends.get(kind.ends).copied().unwrap_or_default();
        all_right &= right == total;
        let mark = if right == total { "ok" } else { "NOT AS IT SHOULD BE" };
        line(&mut text, format_args!("  {total:>6}  {:<60} {:<11} {mark}", kind.name, kind.ends));
        for (status, count) in ends.iter().filter(|(status, _)| *status != kind.ends) {
            line(&mut text, format_args!("          {count} ended as {status}"));
        }
    }
    let winners = told.rivals.get("confirmed").copied().unwrap_or_default();
    all_right &= winners == 1;
    let mark = if winners == 1 { "ok" } else { "NOT AS IT SHOULD BE" };
    line(
        &mut text,
        format_args!("  {RIVALS:>6}  {:<60} {winners} confirmed {mark}", "buyers of the last one, at the same time"),
    );
    for wrong in told.wrong.iter().take(10) {
        line(&mut text, format_args!("  {wrong}"));
    }
    let rate = f64::from(told.orders) / told.took.as_secs_f64().max(f64::EPSILON);
    let took = told.took.as_secs_f64();
    line(
        &mut text,
        format_args!(
            "\n{} orders in {took:.1} s, {rate:.0} a second; some of them wait for seconds on purpose.\n",
            told.orders
        ),
    );
    say(text)?;
    Ok(all_right)
}

/// Prints the story of one order that went through, and of one that was compensated.
pub fn stories(store: &Path, told: &Told) -> Result<(), CliError> {
    let (reader, meta) = Sqlite::open_reader(store).map_err(AppError::from)?;
    let both = [("An order that went through", &told.delivered), ("An order that was compensated", &told.compensated)];
    for (title, order_id) in both {
        let Some(order_id) = order_id.as_deref().and_then(|id| Id::new(id).ok()) else { continue };
        if let Some(story) = story::read(&reader, &meta.name, &order_id)? {
            say(format_args!("{title}:\n\n{}\n", story::shown(&story, screen::width())))?;
        }
    }
    Ok(())
}

/// Names the orders whose stories are worth reading.
pub fn examples(told: &Told) -> String {
    let both = [("went through", &told.delivered), ("was compensated", &told.compensated)];
    let named = both.iter().filter_map(|(what, order)| Some(format!("An order that {what}: {}\n", order.as_ref()?)));
    named.collect()
}

/// Audits the shop while it runs, and prints what was found; `true` when it is clean.
pub fn audit(store: &Path) -> Result<bool, CliError> {
    let audited = verify::audit(store, &ProviderSimulator::file_beside(store))?;
    say(&audited)?;
    Ok(audited.report.is_clean())
}

pub fn what_next(app: &App, store: &Path) -> String {
    let (address, store) = (app.address(), store.display());
    format!(
        "\nThe shop goes on at http://{address}. Try, in another terminal:\n  \
           tradewind events --store {store} --follow\n  \
           tradewind verify --store {store}\n  \
           tradewind story ORDER --store {store}\n  \
           TRADEWIND_EMAIL=staff@demo.example TRADEWIND_PASSWORD='a demo needs no secret' \\\n    \
           tradewind load --url http://{address} --orders 20000\n  \
           kill -9 {pid}, then: tradewind serve --store {store}\n\
         or open http://{address}/docs. Ctrl-C ends it.\n",
        pid = std::process::id(),
    )
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _written = writeln!(text, "{line}");
}
