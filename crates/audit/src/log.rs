//! The logs of all stores, read once: invariants 7, 9 and 10, and what the others need to know of what was said.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};
use tradewind_engine::{
    LogEvent, LogPosition, StoredRow, Table,
    ports::{List, Reader},
};
use tradewind_events::{
    Envelope, Event, Id, InvalidKey, Key, Value, notifications as told, orders, payments, shipping,
};
use tradewind_notifications::model::Notification;
use tradewind_query::rebuild::{ReadModels, Rows, compare, key_of, tables};

use crate::{
    Audit, AuditError, Report, StoreView, each,
    facts::{Facts, QUERY},
};

/// Segments read at a time.
const SEGMENTS: u32 = 64;

/// What the logs say.
#[derive(Default)]
pub struct Log {
    pub orders: FxHashMap<Id, OrderLog>,
    /// By source and event name.
    pub published: FxHashMap<(String, &'static str), u64>,
}

/// What was said of one order.
#[derive(Debug, Clone, Copy, Default)]
pub struct OrderLog {
    pub completed: u32,
    pub rejected: u32,
    pub cancelled: u32,
    pub captured: u32,
}

/// How often a notification was spoken of.
#[derive(Default)]
struct Told {
    queued: u32,
    sent: u32,
    failed: u32,
}

#[derive(Default)]
struct Reading {
    log: Log,
    /// The last number of each source and subject, by its hash: collisions among millions are one in millions.
    sequences: FxHashMap<u64, u64>,
    told: FxHashMap<Id, Told>,
    /// Events that somebody must be told of, with their orders.
    tellable: FxHashMap<Id, Id>,
}

pub fn read(audit: &Audit<'_>, facts: &Facts, report: &mut Report) -> Result<Log, AuditError> {
    let mut reading = Reading::default();
    for store in audit.stores {
        let mut models = store.holds(QUERY).then(ReadModels::default);
        let mut oldest = None;
        let mut from = 1;
        loop {
            let segments = store.reader.segments(from, SEGMENTS)?;
            let Some(last) = segments.last() else { break };
            from = last.number + 1;
            for segment in &segments {
                oldest.get_or_insert(segment.number);
                for LogEvent { position: address, remote, envelope } in segment.decode(store.name, audit.registry)? {
                    let envelope = Arc::new(envelope);
                    if let Some(models) = models.as_mut().filter(|_| facts.is_read(&envelope.id)) {
                        models.hear(address, Arc::clone(&envelope));
                    }
                    if !remote {
                        reading.take(&envelope, address, store.name, report);
                    }
                }
            }
        }
        if let Some(models) = models {
            check_models(store, models, oldest.unwrap_or(1), report)?;
        }
    }
    check_told(audit, &reading, facts, report)?;
    Ok(reading.log)
}

impl Reading {
    fn take(&mut self, envelope: &Envelope, address: LogPosition, store: &str, report: &mut Report) {
        let hash = subject_hash(envelope);
        let next = self.sequences.entry(hash).or_default();
        *next += 1;
        let (expected, found) = (*next, envelope.sequence);
        *next = found;
        report.hold(7, expected == found, || {
            let place = format!("{store} segment {} event {}", address.segment, address.index);
            let (name, subject) = (envelope.event.name(), &envelope.subject);
            (place, format!("{name} about {subject} is number {found} where {expected} comes next"))
        });
        let name = envelope.event.name();
        *self.log.published.entry((envelope.source.to_string(), name)).or_default() += 1;
        self.note(envelope, name);
    }

    fn note(&mut self, envelope: &Envelope, name: &'static str) {
        if TELLABLE.contains(&name) {
            self.tellable.insert(envelope.id.clone(), envelope.key.clone());
        }
        match name {
            orders::OrderCompleted::NAME => self.order(envelope).completed += 1,
            orders::OrderRejected::NAME => self.order(envelope).rejected += 1,
            orders::OrderCancelled::NAME => self.order(envelope).cancelled += 1,
            payments::PaymentCaptured::NAME => self.order(envelope).captured += 1,
            told::NotificationQueued::NAME => self.told(envelope).queued += 1,
            told::NotificationSent::NAME => self.told(envelope).sent += 1,
            told::NotificationFailed::NAME => self.told(envelope).failed += 1,
            _ => {}
        }
    }

    fn order(&mut self, envelope: &Envelope) -> &mut OrderLog {
        self.log.orders.entry(envelope.key.clone()).or_default()
    }

    fn told(&mut self, envelope: &Envelope) -> &mut Told {
        self.told.entry(envelope.key.clone()).or_default()
    }
}

/// Events of which a customer is always told.
const TELLABLE: [&str; 5] = [
    orders::OrderConfirmed::NAME,
    orders::OrderRejected::NAME,
    orders::OrderCancelled::NAME,
    orders::OrderRefunded::NAME,
    shipping::ShipmentDispatched::NAME,
];

fn subject_hash(envelope: &Envelope) -> u64 {
    use std::hash::{BuildHasher, Hash, Hasher};
    let mut hasher = rustc_hash::FxBuildHasher.build_hasher();
    envelope.source.hash(&mut hasher);
    envelope.subject.hash(&mut hasher);
    hasher.finish()
}

/// Invariant 9.
fn check_models(store: &StoreView<'_>, models: ReadModels, oldest: u64, report: &mut Report) -> Result<(), AuditError> {
    let mut models = models;
    for table in tables() {
        let live = rows(store.reader, table)?;
        let rebuilt = models.take_rows(table).collect();
        let (differences, frozen) = compare(table, &live, &rebuilt, oldest);
        report.frozen += u64::try_from(frozen).unwrap_or(u64::MAX);
        for _ in differences.len()..live.len() {
            report.hold(9, true, Default::default);
        }
        for difference in differences {
            let subject = format!("{} {}", difference.table, difference.key);
            report.hold(9, false, || (subject, difference.kind.to_string()));
        }
    }
    Ok(())
}

fn rows(reader: &dyn Reader, table: &'static Table) -> Result<Rows, AuditError> {
    let (mut rows, mut after): (Rows, Option<(Value, Key)>) = (Rows::new(), None);
    loop {
        let page = reader.list(&List { after, ..List::of(table, crate::PAGE_ROWS) })?;
        let Some(last) = page.last() else { return Ok(rows) };
        let key = |row: &StoredRow| {
            let unreadable = |error: InvalidKey| AuditError::Row { table: table.name, reason: error.to_string() };
            key_of(table, &row.values).map_err(unreadable)
        };
        after = Some((Value::Null, key(last)?));
        for row in page {
            rows.insert(key(&row)?, row.values);
        }
    }
}

/// Invariant 10.
fn check_told(audit: &Audit<'_>, reading: &Reading, facts: &Facts, report: &mut Report) -> Result<(), AuditError> {
    for (id, told) in &reading.told {
        let once = told.queued == 1 && told.sent <= 1 && told.sent + told.failed <= 1;
        report.hold(10, once, || {
            let (queued, sent, failed) = (told.queued, told.sent, told.failed);
            (format!("notification {id}"), format!("queued {queued} times, sent {sent}, failed {failed}"))
        });
    }
    let Some(store) = audit.store_of("notifications") else { return Ok(()) };
    let mut rows = FxHashSet::default();
    each::<Notification>(store.reader, &mut |row| {
        rows.insert(row.notification_id().clone());
    })?;
    // Elsewhere an event may still be on its way.
    let complete = ["orders", "shipping"].iter().all(|role| store.plays(role));
    let settled = reading.tellable.iter().filter(|(_, order_id)| complete && facts.is_settled(order_id));
    for (id, _) in settled {
        report.hold(10, rows.contains(id), || (format!("event {id}"), "nobody is told of it".to_owned()));
    }
    Ok(())
}
