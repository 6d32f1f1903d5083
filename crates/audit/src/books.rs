//! Invariant 8: what went from store to store arrived, waits, or is accounted for.

use std::collections::BTreeMap;

use tradewind_engine::tables::{CounterRow, DeadLetterRow, DeadLetterState, ParkedRow};
use tradewind_events::{KeyText, RawEnvelope};

use crate::{Audit, AuditError, Report, each, log::Log};

pub fn check(audit: &Audit<'_>, log: &Log, report: &mut Report) -> Result<(), AuditError> {
    for store in audit.stores {
        let mut waiting: BTreeMap<(String, String), (u64, u64)> = BTreeMap::new();
        each::<ParkedRow>(store.reader, &mut |row| {
            if let Some(source) = source_of(row.source, row.message.as_bytes()) {
                waiting.entry((row.consumer.to_string(), source)).or_default().0 += 1;
            }
        })?;
        each::<DeadLetterRow>(store.reader, &mut |row| {
            let is_dead = row.state == DeadLetterState::Dead;
            if let Some(source) = source_of(row.source, &row.message).filter(|_| is_dead) {
                waiting.entry((row.consumer.to_string(), source)).or_default().1 += 1;
            }
        })?;
        each::<CounterRow>(store.reader, &mut |row| {
            let subject = || format!("{} in store {} from {}", row.consumer, store.name, row.source);
            let (parked, dead) =
                waiting.get(&(row.consumer.to_string(), row.source.to_string())).copied().unwrap_or_default();
            report.hold(8, (parked, dead) == (row.parked, row.dead), || {
                let counted = format!("{} parked and {} dead are counted", row.parked, row.dead);
                (subject(), format!("{counted}, but {parked} and {dead} are there"))
            });
            let taken = row.handled + row.parked + row.dead + row.discarded;
            // What lives in a store that is not looked at has published who knows how much.
            if audit.store_of(&row.source).is_none() {
                return;
            }
            let heard = audit.registry.kinds().filter(|kind| store.hears(&row.consumer, kind.name));
            let published: u64 = heard.filter_map(|kind| log.published.get(&(row.source.to_string(), kind.name))).sum();
            report.in_flight += published.saturating_sub(taken);
            report.hold(8, taken <= published, || {
                (subject(), format!("{taken} are accounted for, but only {published} were published"))
            });
        })?;
    }
    Ok(())
}

/// Rows of earlier versions do not name the source.
fn source_of(named: Option<KeyText>, message: &[u8]) -> Option<String> {
    let source = named.or_else(|| RawEnvelope::from_json(message).ok().map(|envelope| envelope.source));
    source.map(|source| source.to_string())
}
