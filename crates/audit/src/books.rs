//! Invariant 8: what went from store to store arrived, waits, or is accounted for.

use std::collections::BTreeMap;

use tradewind_engine::tables::{CounterRow, DeadLetterRow, DeadLetterState, ParkedRow};
use tradewind_events::{KeyText, RawEnvelope};

use crate::{Audit, AuditError, Report, each, facts::Facts, log::Log};

/// Sets aside what is in flight, and gives the log back without what was between the stores.
pub fn check<'a>(
    audit: &Audit<'_>,
    mut log: Log<'a>,
    facts: &mut Facts,
    report: &mut Report,
) -> Result<Log<'a>, AuditError> {
    let Some(mut transit) = log.transit.take() else { return Ok(log) };
    for (number, store) in audit.stores.iter().enumerate() {
        let mut found = report.of(store.name);
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
            let subject = || format!("{} from {}", row.consumer, row.source);
            let (parked, dead) =
                waiting.get(&(row.consumer.to_string(), row.source.to_string())).copied().unwrap_or_default();
            found.hold(8, (parked, dead) == (row.parked, row.dead), || {
                let counted = format!("{} parked and {} dead are counted", row.parked, row.dead);
                (subject(), format!("{counted}, but {parked} and {dead} are there"))
            });
            let taken = row.handled + row.parked + row.dead + row.discarded;
            let published = transit.published(number, &row.consumer, &row.source, taken);
            // What lives in a store that is not looked at has published who knows how much.
            if audit.number_of(&row.source).is_some_and(|producer| log.is_whole[producer]) {
                found.hold(8, taken <= published, || {
                    (subject(), format!("{taken} are accounted for, but only {published} were published"))
                });
            }
        })?;
    }
    transit.conclude(&log.is_whole, facts, report);
    Ok(log)
}

/// Rows of earlier versions do not name the source.
fn source_of(named: Option<KeyText>, message: &[u8]) -> Option<String> {
    let source = named.or_else(|| RawEnvelope::from_json(message).ok().map(|envelope| envelope.source));
    source.map(|source| source.to_string())
}
