//! What is not settled: orders with something in flight, parked, dead or owed.

use rustc_hash::FxHashSet;
use tradewind_engine::{
    operator::{BROKER_CONSUMER, RELAY_CONSUMER},
    tables::{DeadLetterRow, DeadLetterState, JobRow, JobState, ParkedRow},
};
use tradewind_events::{Id, RawEnvelope, TextEnum};
use tradewind_payments::{
    Payment, Refund, Surplus,
    model::{PaymentState, RefundState, SurplusState},
};

use crate::{Audit, AuditError, Report, each};

/// What is not judged yet.
#[derive(Default)]
pub struct Facts {
    /// Orders, and whatever else messages are about.
    unsettled: FxHashSet<Id>,
    /// Events of its store that `query` has not taken in yet: parked or dead there.
    unread: FxHashSet<Id>,
    /// Events that do not arrive, because an operator has decided so.
    pub discarded: FxHashSet<Id>,
}

impl Facts {
    pub fn is_settled(&self, order_id: &Id) -> bool {
        !self.unsettled.contains(order_id)
    }

    /// They are not judged.
    pub fn set_aside(&mut self, keys: impl IntoIterator<Item = Id>) {
        self.unsettled.extend(keys);
    }

    pub fn count(&self) -> u64 {
        u64::try_from(self.unsettled.len()).unwrap_or(u64::MAX)
    }

    /// The read models know this event, as far as can be told.
    pub fn is_read(&self, event_id: &Id) -> bool {
        !self.unread.contains(event_id)
    }
}

/// The service that keeps the read models.
pub const QUERY: &str = "query";

pub fn gather(audit: &Audit<'_>, report: &mut Report) -> Result<Facts, AuditError> {
    let mut facts = Facts::default();
    for store in audit.stores {
        let mut found = report.of(store.name);
        each::<ParkedRow>(store.reader, &mut |row| {
            facts.unread.extend((&*row.consumer == QUERY).then_some(row.event_id));
            facts.unsettled.insert(row.message_key);
        })?;
        each::<DeadLetterRow>(store.reader, &mut |row| {
            if row.state == DeadLetterState::Redriving {
                facts.unsettled.extend(Id::new(&*row.message_key));
            }
            if row.state == DeadLetterState::Discarded {
                facts.discarded.extend(undelivered(&row));
            }
            if row.state == DeadLetterState::Dead {
                facts.unsettled.extend(Id::new(&*row.message_key));
                found.owe("dead_letter", &row.id, format!("{} of {}: {}", row.name, row.consumer, row.reason));
                facts.unread.extend(row.event_id.filter(|_| &*row.consumer == QUERY));
            }
        })?;
        each::<JobRow>(store.reader, &mut |row| {
            // A job that was erased when it was given up has no request any more.
            let request: Option<serde_json::Value> = serde_json::from_str(&row.request).ok();
            if request.is_none() && row.state == JobState::Waiting {
                found.owe("job", &row.id, format!("{}: its request cannot be read", row.kind));
            }
            let order = request.as_ref().and_then(|request| request.get("order_id")?.as_str());
            facts.unsettled.extend(order.and_then(|order| Id::new(order).ok()));
            if row.state == JobState::Exhausted {
                let why = row.last_error.as_deref().unwrap_or("its outcome is not known");
                found.owe("job", &row.id, format!("{}: {why}", row.kind));
            }
        })?;
    }
    money(audit, &mut facts, report)?;
    Ok(facts)
}

/// The event that did not get from store to store: its broker refused it, or it could not be decoded where it arrived.
fn undelivered(row: &DeadLetterRow) -> Option<Id> {
    if &*row.consumer == RELAY_CONSUMER {
        return row.event_id.clone();
    }
    let is_brokers = row.broker.is_some() || &*row.consumer == BROKER_CONSUMER;
    let envelope = is_brokers.then(|| RawEnvelope::from_json(&row.message).ok()).flatten();
    envelope.map(|envelope| envelope.id)
}

fn money(audit: &Audit<'_>, facts: &mut Facts, report: &mut Report) -> Result<(), AuditError> {
    let mut found = report.of(audit.name_of("payments"));
    audit.each::<Payment>("payments", |row| {
        use PaymentState::{Authorizing, Capturing, Refunding, Voiding};
        if row.owed_since().is_some() {
            found.owe("payment", row.payment_id(), "a hold that cannot be let go");
        }
        if row.owed_since().is_some() || matches!(row.state(), Authorizing | Capturing | Refunding | Voiding) {
            facts.unsettled.insert(row.order_id().clone());
        }
    })?;
    audit.each::<Refund>("payments", |row| {
        if row.state() != RefundState::Refunded && row.settled_by().is_none() {
            if row.owed_since().is_some() {
                found.owe("refund", row.refund_id(), row.refused_reason().map_or("refused", AsRef::as_ref));
            }
            facts.unsettled.insert(row.order_id().clone());
        }
    })?;
    audit.each::<Surplus>("payments", |row| {
        if row.state() != SurplusState::Returned && row.settled_by().is_none() {
            if row.owed_since().is_some() {
                let why = row.refused_reason().map_or(SurplusState::Refused.as_str(), AsRef::as_ref);
                found.owe("surplus", row.reference(), why);
            }
            facts.unsettled.insert(row.order_id().clone());
        }
    })
}
