//! `tradewind rebuild`

use tradewind_engine::{
    StoredRow, Table,
    ports::{Clock, Commit, List, Reader, RowChange, RowWrite, SystemClock, Writer},
};
use tradewind_events::{Key, Value};
use tradewind_query::rebuild::{ReadModels, key_of, tables};
use tradewind_sqlite::OpenError;

use super::{CliError, say, screen, store::StoreArgs};
use crate::app::AppError;

/// Segments read at a time.
const SEGMENTS: u32 = 64;

/// Rows read or written at a time.
const ROWS: u32 = 2_000;

/// Make the read models again from the event log.
///
/// Lists, search, timelines and sales are made from the event log alone. Should they be wrong, this puts them right: stop the
/// shop, rebuild, start the shop. The shop must not run meanwhile, because only the owner of a store may write into it.
/// Only rows that differ are written, so it can be broken off and started again.
#[derive(clap::Args)]
pub struct Rebuild {
    #[command(flatten)]
    store: StoreArgs,
    /// Say what differs, and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// What a rebuild has found in one table.
#[derive(Default)]
struct Found {
    rows: usize,
    changes: Vec<RowChange>,
}

impl Rebuild {
    pub fn run(self) -> Result<(), CliError> {
        let (_, mut opened) = self.store.own().map_err(in_use)?;
        let last = opened.reader.last_segment().map_err(AppError::from)?;
        let bar = screen::bar(last, "{bar:40} {pos}/{len} commits read, {eta} left");
        let registry = tradewind_events::registry();
        let (mut models, mut events, mut next) = (ReadModels::default(), 0_u64, 1);
        loop {
            let segments = opened.reader.segments(next, SEGMENTS).map_err(AppError::from)?;
            let Some(last) = segments.last() else { break };
            next = last.number + 1;
            bar.set_position(last.number);
            for segment in &segments {
                for event in segment.read(&opened.meta.name)? {
                    let address = event.address;
                    models.hear(address, event.decode(&registry)?);
                    events += 1;
                }
            }
        }
        bar.finish_and_clear();
        say(format_args!("{events} events read\n"))?;
        for table in tables() {
            let found = differences(&opened.reader, table, &mut models)?;
            let differ = found.changes.len();
            say(format_args!("  {:<20} {:>9} rows, {differ} differ\n", table.name, found.rows))?;
            if !self.dry_run {
                write(&mut opened.writer, opened.meta.epoch, found.changes)?;
            }
        }
        for (address, stop) in &models.failed {
            say(format_args!(
                "  segment {} event {} could not be taken in: {stop:?}\n",
                address.segment, address.index
            ))?;
        }
        say(if self.dry_run { "Nothing was changed.\n" } else { "The read models are what the log says.\n" })?;
        if models.failed.is_empty() { Ok(()) } else { Err(CliError::NotAsTold) }
    }
}

/// Says how it can be done, where a shop runs on the store.
fn in_use(error: CliError) -> CliError {
    let CliError::App(AppError::Open(OpenError::Locked { store, process })) = &error else { return error };
    let process = process.map_or_else(String::new, |id| format!(" (process {id})"));
    CliError::InUse(format!(
        "a shop runs on {store}{process}, and nobody but the owner of a store may write into it. Nothing was changed.\n\
         Stop the shop (SIGTERM lets it finish what it has accepted), run this again, and start the shop.\n\
         `tradewind verify` says while it runs whether that is needed: invariant 9 holds the read models against the log."
    ))
}

/// What must be written so that a live table equals the rebuilt one.
fn differences(reader: &dyn Reader, table: &'static Table, models: &mut ReadModels) -> Result<Found, CliError> {
    let mut rebuilt = models.rows(table);
    let mut found = Found { rows: rebuilt.len(), changes: Vec::new() };
    let mut after = None;
    loop {
        let rows = reader.list(&List { after, ..List::of(table, ROWS) }).map_err(AppError::from)?;
        let Some(last) = rows.last() else { break };
        after = Some((Value::Null, key_of(table, &last.values)));
        for row in rows {
            let key = key_of(table, &row.values);
            let write = match rebuilt.remove(&key) {
                Some(values) if values == row.values => continue,
                Some(values) => RowWrite::Update {
                    expected_version: row.version,
                    row: StoredRow { values, version: row.version + 1, events: row.events },
                },
                None => RowWrite::Delete { expected_version: row.version },
            };
            found.changes.push(RowChange { table, key, write });
        }
    }
    found.changes.extend(rebuilt.into_iter().map(|(key, values): (Key, Vec<Value>)| {
        let row = StoredRow { values, version: 1, events: 0 };
        RowChange { table, key, write: RowWrite::Insert(row) }
    }));
    Ok(found)
}

fn write(writer: &mut dyn Writer, epoch: u64, changes: Vec<RowChange>) -> Result<(), CliError> {
    let mut changes = changes.into_iter().peekable();
    while changes.peek().is_some() {
        let rows = changes.by_ref().take(usize::try_from(ROWS).unwrap_or(1)).collect();
        writer.commit(&Commit { epoch, at: SystemClock.now(), rows, segment: None })?;
    }
    Ok(())
}
