//! Invariant 10: who must be told of something is told once.

use rustc_hash::FxHashSet;
use tradewind_notifications::model::Notification;

use crate::{Audit, AuditError, Report, each, facts::Facts, log::Log};

pub fn check(audit: &Audit<'_>, facts: &Facts, log: &Log<'_>, report: &mut Report) -> Result<(), AuditError> {
    let Some(store) = audit.store_of("notifications") else { return Ok(()) };
    let mut found = report.of(store.name);
    for (id, told) in &log.told {
        let once = told.queued == 1 && told.sent <= 1 && told.sent + told.failed <= 1;
        found.hold(10, once, || {
            let (queued, sent, failed) = (told.queued, told.sent, told.failed);
            (format!("notification {id}"), format!("queued {queued} times, sent {sent}, failed {failed}"))
        });
    }
    let mut rows = FxHashSet::default();
    each::<Notification>(store.reader, &mut |row| {
        rows.insert(row.notification_id().clone());
    })?;
    // Without an inbox nothing tells which events of other stores have arrived.
    let complete = store.has_inbox || ["orders", "shipping"].iter().all(|role| store.plays(role));
    let settled = log.tellable.iter().filter(|(_, order_id)| complete && facts.is_settled(order_id));
    for (id, _) in settled {
        found.hold(10, rows.contains(id), || (format!("event {id}"), "nobody is told of it".to_owned()));
    }
    Ok(())
}
