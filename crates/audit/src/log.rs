//! The logs of all stores, read once: invariants 7 and 9, and what the others need to know of what was said.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use tradewind_engine::{
    LogEvent, LogPosition, StoredRow, Table,
    ports::{List, Reader},
    segment::Segment,
};
use tradewind_events::{
    Envelope, Event, Id, InvalidKey, Key, Value, notifications as told, orders, payments, shipping,
};
use tradewind_query::rebuild::{ReadModels, Rows, compare, key_of, tables};

use crate::{
    Audit, AuditError, Report, StoreView,
    facts::{Facts, QUERY},
    report::Findings,
    transit::Transit,
};

/// Segments read at a time.
const SEGMENTS: u32 = 64;

/// What the logs say.
#[derive(Default)]
pub struct Log<'a> {
    pub orders: FxHashMap<Id, OrderLog>,
    /// By notification.
    pub told: FxHashMap<Id, Told>,
    /// Events that somebody must be told of, with their orders.
    pub tellable: FxHashMap<Id, Id>,
    /// For each store, whether its log begins with its first event.
    pub is_whole: Vec<bool>,
    /// What is between the stores; taken when it is judged.
    pub transit: Option<Transit<'a>>,
    /// The last number of each source and subject, by its hash: collisions among millions are one in millions.
    sequences: FxHashMap<u64, u64>,
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
pub struct Told {
    pub queued: u32,
    pub sent: u32,
    pub failed: u32,
}

pub fn read<'a>(audit: &'a Audit<'a>, facts: &Facts, report: &mut Report) -> Result<Log<'a>, AuditError> {
    let mut transit = Transit::new(audit)?;
    let mut log = Log::default();
    for (number, store) in audit.stores.iter().enumerate() {
        let mut found = report.of(store.name);
        let mut models = store.holds(QUERY).then(ReadModels::default);
        let (mut oldest, mut last) = (None, 0);
        pages(store.reader, 1, u64::MAX, &mut |segments| {
            let received = transit.received(number, segments)?;
            for segment in segments {
                oldest.get_or_insert(segment.number);
                last = segment.number;
                for LogEvent { position, remote, envelope } in segment.decode(store.name, audit.registry)? {
                    let envelope = Arc::new(envelope);
                    if let Some(models) = models.as_mut().filter(|_| facts.is_read(&envelope.id)) {
                        models.hear(position, Arc::clone(&envelope));
                    }
                    if !remote {
                        log.take(&envelope, position, &mut found);
                        if !facts.discarded.contains(&envelope.id) {
                            transit.follow(&envelope, position, &received, false)?;
                        }
                    }
                }
            }
            Ok(())
        })?;
        log.is_whole.push(oldest.is_none_or(|oldest| oldest == 1));
        if let Some(live) = store.live {
            follow_live(audit, &mut transit, (number, live), last + 1)?;
        }
        if let Some(models) = models {
            check_models(store, models, oldest.unwrap_or(1), &mut found)?;
        }
    }
    Ok(Log { transit: Some(transit), ..log })
}

/// Reads what a store has published since its copy was made.
fn follow_live(
    audit: &Audit<'_>,
    transit: &mut Transit<'_>,
    (number, live): (usize, &dyn Reader),
    from: u64,
) -> Result<(), AuditError> {
    // What it publishes from now on is of no matter: all copies are made.
    let until = live.last_segment()?;
    pages(live, from, until, &mut |segments| {
        let received = transit.received(number, segments)?;
        for segment in segments {
            for event in
                segment.decode(audit.stores[number].name, audit.registry)?.into_iter().filter(|event| !event.remote)
            {
                transit.follow(&event.envelope, event.position, &received, true)?;
            }
        }
        Ok(())
    })
}

/// The segments of a log from one number to another, a page at a time.
fn pages(
    reader: &dyn Reader,
    from: u64,
    until: u64,
    look: &mut dyn FnMut(&[Segment]) -> Result<(), AuditError>,
) -> Result<(), AuditError> {
    let mut from = from;
    while from <= until {
        let mut segments = reader.segments(from, SEGMENTS)?;
        segments.retain(|segment| segment.number <= until);
        let Some(last) = segments.last() else { break };
        from = last.number + 1;
        look(&segments)?;
    }
    Ok(())
}

impl Log<'_> {
    fn take(&mut self, envelope: &Envelope, position: LogPosition, found: &mut Findings<'_>) {
        let hash = subject_hash(envelope);
        let next = self.sequences.entry(hash).or_default();
        *next += 1;
        let (expected, number) = (*next, envelope.sequence);
        *next = number;
        found.hold(7, expected == number, || {
            let place = format!("segment {} event {}", position.segment, position.index);
            let (name, subject) = (envelope.event.name(), &envelope.subject);
            (place, format!("{name} about {subject} is number {number} where {expected} comes next"))
        });
        self.note(envelope, envelope.event.name());
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
        self.orders.entry(envelope.key.clone()).or_default()
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
fn check_models(
    store: &StoreView<'_>,
    models: ReadModels,
    oldest: u64,
    found: &mut Findings<'_>,
) -> Result<(), AuditError> {
    let mut models = models;
    for table in tables() {
        let live = rows(store.reader, table)?;
        let rebuilt = models.take_rows(table).collect();
        let (differences, frozen) = compare(table, &live, &rebuilt, oldest);
        found.freeze(frozen);
        for _ in differences.len()..live.len() {
            found.hold(9, true, Default::default);
        }
        for difference in differences {
            let subject = format!("{} {}", difference.table, difference.key);
            found.hold(9, false, || (subject, difference.kind.to_string()));
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
