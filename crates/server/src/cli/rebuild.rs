//! `tradewind rebuild`

use std::{mem, sync::mpsc, thread};

use tradewind_engine::{
    LogEvent, StoredRow, Table,
    ports::{Clock, Commit, List, Reader, RowChange, RowWrite, SystemClock, Writer},
};
use tradewind_events::{Key, Value};
use tradewind_query::rebuild::{ReadModels, key_of, tables};
use tradewind_sqlite::{OpenError, Opened};

use super::{CliError, say, screen, store::StoreArgs};
use crate::app::AppError;

/// Segments read at a time.
const SEGMENTS: u32 = 64;

/// Segments that are decoded before they are heard.
const SEGMENTS_AHEAD: usize = 4;

/// Rows read at a time.
const ROWS: u32 = 2_000;

/// Rows written at a time: a commit waits for the disk, and what it holds is in memory.
const WRITTEN_MAX: usize = 8_000;

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

/// One table that is made equal to the rebuilt one.
struct Mending<'a> {
    opened: &'a mut Opened,
    dry_run: bool,
    /// Found and not written yet.
    changes: Vec<RowChange>,
    differ: usize,
}

impl Rebuild {
    pub fn run(self) -> Result<(), CliError> {
        let (_, mut opened) = self.store.own().map_err(in_use)?;
        let last = opened.reader.last_segment().map_err(AppError::from)?;
        let bar = screen::bar(last, "{bar:40} {pos}/{len} commits read, {eta} left");
        let (mut models, mut events) = (ReadModels::default(), 0_u64);
        let (decoded_to, decoded) = mpsc::sync_channel(SEGMENTS_AHEAD);
        thread::scope(|scope| -> Result<(), CliError> {
            let (reader, store) = (&opened.reader, &*opened.meta.name);
            let decoding = scope.spawn(move || decode(reader, store, &decoded_to));
            for segment in decoded {
                bar.set_position(segment.first().map_or(0, |event| event.position.segment));
                for event in segment {
                    models.hear(event.position, event.envelope);
                    events += 1;
                }
            }
            decoding.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })?;
        bar.finish_and_clear();
        say(format_args!("{events} events read\n"))?;
        for table in tables() {
            let mut mending = Mending { opened: &mut opened, dry_run: self.dry_run, changes: Vec::new(), differ: 0 };
            let rows = mending.table(table, &mut models)?;
            say(format_args!("  {:<20} {rows:>9} rows, {} differ\n", table.name, mending.differ))?;
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

/// Decodes the log segment by segment, on a thread of its own: that takes longer than to hear it.
fn decode(reader: &dyn Reader, store: &str, to: &mpsc::SyncSender<Vec<LogEvent>>) -> Result<(), CliError> {
    let (registry, mut next) = (tradewind_events::registry(), 1);
    loop {
        let segments = reader.segments(next, SEGMENTS).map_err(AppError::from)?;
        let Some(last) = segments.last() else { return Ok(()) };
        next = last.number + 1;
        for segment in &segments {
            if to.send(segment.decode(store, &registry)?).is_err() {
                return Ok(());
            }
        }
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

fn row_key(table: &Table, row: &StoredRow) -> Result<Key, CliError> {
    key_of(table, &row.values).map_err(|error| {
        CliError::Other(format!("a row of {} has no key ({error}): run `tradewind verify`", table.name))
    })
}

impl Mending<'_> {
    /// Makes a live table equal the rebuilt one, and returns how many rows that has.
    fn table(&mut self, table: &'static Table, models: &mut ReadModels) -> Result<usize, CliError> {
        let (mut count, mut after) = (0, None);
        loop {
            let rows = self.opened.reader.list(&List { after, ..List::of(table, ROWS) }).map_err(AppError::from)?;
            let Some(last) = rows.last() else { break };
            after = Some((Value::Null, row_key(table, last)?));
            for row in rows {
                let key = row_key(table, &row)?;
                let rebuilt = models.take_row(table, &key);
                count += usize::from(rebuilt.is_some());
                let write = match rebuilt {
                    Some(values) if values == row.values => continue,
                    Some(values) => RowWrite::Update {
                        expected_version: row.version,
                        row: StoredRow { values, version: row.version + 1, events: row.events },
                    },
                    None => RowWrite::Delete { expected_version: row.version },
                };
                self.change(RowChange { table, key, write })?;
            }
        }
        for (key, values) in models.take_rows(table) {
            count += 1;
            let row = StoredRow { values, version: 1, events: 0 };
            self.change(RowChange { table, key, write: RowWrite::Insert(row) })?;
        }
        self.write()?;
        Ok(count)
    }

    fn change(&mut self, change: RowChange) -> Result<(), CliError> {
        self.differ += 1;
        if !self.dry_run {
            self.changes.push(change);
        }
        if self.changes.len() < WRITTEN_MAX { Ok(()) } else { self.write() }
    }

    fn write(&mut self) -> Result<(), CliError> {
        let rows = mem::take(&mut self.changes);
        if !rows.is_empty() {
            let epoch = self.opened.meta.epoch;
            self.opened.writer.commit(&Commit { epoch, at: SystemClock.wall(), rows, segment: None })?;
        }
        Ok(())
    }
}
