//! What one process does, a step at a time, as the threads of a running engine do it; and how it dies.

use std::{sync::Arc, time::Duration};

use tradewind_engine::{
    Committed, Entity, Formed, Heard, Message, Receipt, injected,
    ports::{Commit, CommitError, Incoming, Position, RowChange, StoreError},
    tables::InboxRow,
};
use tradewind_events::{Envelope, Id, Timestamp};

use tradewind_memory::ManualClock;

use crate::{chance::Chance, fault::Fault, node::Engine, watch, world::World};

/// Messages that a store takes at a time.
const DELIVERED_MAX: u64 = 12;

impl World {
    /// Takes what waits into the open batch, and hands that to the writer if it has none.
    pub fn form(&mut self, nth: usize) {
        let now = self.now();
        let due = self.nodes[nth].dues.next_timer();
        let Some(engine) = &mut self.nodes[nth].engine else { return };
        engine.look = false;
        if let Some(prune) = engine.retention.look(engine.core.clock().now()) {
            self.figures.forgotten += (prune.inbox.len() + prune.idempotency.len()) as u64;
            engine.core.accept(Message::Prune(prune));
        }
        let slow =
            self.faults.strike(Fault::SlowBatch).then(|| self.faults.draw(Fault::SlowBatch, Chance::fork)).flatten();
        let extended = match slow {
            Some(chance) => extend_slowly(engine, due, &self.clock, chance),
            None => engine.core.extend(usize::MAX),
        };
        if let Err(error) = extended {
            return self.violate("an engine", format!("cannot form a batch: {error}"));
        }
        if engine.core.deadlines_held().is_none() {
            engine.confirm_at = None;
        } else if engine.catching_up_until.is_none() && engine.confirm_at.is_none() {
            engine.confirm_at = Some(now.plus(self.confirms_after));
        }
        let formed = if engine.is_writing() { Formed::Nothing } else { engine.core.close() };
        let settled = match formed {
            Formed::Nothing => Vec::new(),
            Formed::Unchanged => engine.core.settled(),
            Formed::Batch(sealed) => {
                self.figures.batches += 1;
                engine.sealed = Some(sealed);
                Vec::new()
            }
        };
        self.settled(nth, settled);
        self.hand_out(nth);
    }

    /// Commits the batch that is closed.
    pub fn write(&mut self, nth: usize) {
        if self.faults.strike(Fault::CrashBeforeCommit) {
            return self.crash(nth, "dies before a commit");
        }
        let node = &mut self.nodes[nth];
        let Some(engine) = &mut node.engine else { return };
        let Some(sealed) = engine.sealed.take() else { return };
        let mut commit = match sealed.encode() {
            Ok(commit) => commit,
            Err(error) => return self.violate("a batch", format!("cannot be encoded: {error}")),
        };
        let inbox = injected("inbox-apart").then(|| inbox_of(&mut commit));
        if self.faults.strike(Fault::CommitRefused) {
            let times = self.faults.draw(Fault::CommitRefused, |chance| chance.mostly_short(1, 6)).unwrap_or(1);
            for _ in 0..times {
                let reason = "simulated".to_owned();
                node.store.fail_next_commit(CommitError::Constraint { table: "(any)".to_owned(), reason });
            }
        }
        if self.faults.strike(Fault::StoreFails) {
            node.store.fail_next_commit(StoreError::Full("simulated".to_owned()).into());
        }
        let taken_over = self.faults.strike(Fault::TakeOver).then(|| node.store.own());
        let mut written = engine.writer.commit(&commit);
        if taken_over.is_some() && written.is_ok() {
            return self.violate("a process", "has written to a store that another one owns");
        }
        self.trace.note(|| {
            let (name, rows) = (&self.nodes[nth].name, commit.rows.len());
            match (&written, &commit.segment) {
                (Ok(()), Some(segment)) => format!("{name} commits {rows} rows, segment {}", segment.number),
                (Ok(()), None) => format!("{name} commits {rows} rows, and nothing is said"),
                (Err(error), _) => format!("{name} could not commit {rows} rows: {error}"),
            }
        });
        if written.is_ok() {
            self.watch(&commit);
            self.judge_order(nth, &commit);
            for row in watch::written::<InboxRow>(&commit) {
                self.network.received(nth, row.event_id, row.received_at);
            }
            self.nodes[nth].dues.committed(&commit);
        }
        if written.is_ok() && self.faults.strike(Fault::CrashAfterCommit) {
            return self.crash(nth, "dies after a commit");
        }
        if let (true, Some(inbox), Some(engine)) = (written.is_ok(), &inbox, &mut self.nodes[nth].engine) {
            written = engine.writer.commit(inbox);
        }
        if written.is_ok() && self.faults.strike(Fault::CommitUnknown) {
            written = Err(StoreError::Unusable("simulated: the outcome is unknown".to_owned()).into());
        }
        if let Some(engine) = &mut self.nodes[nth].engine {
            engine.wrote = Some(written);
        }
    }

    /// Takes notice of what the writer has done.
    pub fn settle(&mut self, nth: usize) {
        let Some(engine) = &mut self.nodes[nth].engine else { return };
        engine.look = true;
        match engine.wrote.take() {
            None => {}
            Some(Ok(())) => {
                let settled = engine.core.committed();
                self.settled(nth, settled);
            }
            Some(Err(error)) => {
                if let Err(error) = engine.core.failed(error) {
                    engine.core.abandon("simulated: the store failed");
                    self.take_replies();
                    self.crash(nth, &format!("stops: {error}"));
                }
            }
        }
    }

    /// Batches are durable: answers go out, their events go on, what was heard is acknowledged.
    fn settled(&mut self, nth: usize, settled: Vec<Committed>) {
        let now = self.now();
        for mut batch in settled {
            batch.answer();
            self.take_replies();
            self.figures.commits += 1;
            self.figures.events += batch.events.len() as u64;
            let relays = self.relays();
            let Some(engine) = &mut self.nodes[nth].engine else { return };
            if batch.pruned() {
                engine.retention.committed();
            }
            if batch.segment > 0 {
                engine.relay.last = batch.segment;
                if relays {
                    engine.relay.offer(batch.segment, &batch.events);
                }
            }
            if !batch.receipts.is_empty() && self.faults.strike(Fault::CrashBeforeAck) {
                return self.crash(nth, "dies before it acknowledges");
            }
            for receipt in batch.receipts {
                self.network.acknowledge(nth, position(&receipt.position), now);
            }
        }
    }

    /// Publishes the next segment, or saves the mark.
    pub fn relay(&mut self, nth: usize) {
        let now = self.now();
        let Some(engine) = &mut self.nodes[nth].engine else { return };
        if engine.relay.mark == engine.relay.last || engine.relay.retry_at > now {
            engine.relay.saved = engine.relay.mark;
            engine.core.accept(Message::Published { segment: engine.relay.mark });
            return;
        }
        let next = engine.relay.mark + 1;
        if let Some(at) = engine.relay.ahead.iter().position(|ahead| *ahead == next) {
            engine.relay.ahead.remove(at);
            engine.relay.mark = next;
            return;
        }
        let fails = self.faults.strike(Fault::PublishFails);
        if !self.publish(nth, next, fails) {
            return;
        }
        let Some(engine) = &mut self.nodes[nth].engine else { return };
        if fails {
            self.figures.publish_failures += 1;
            engine.relay.retry_at = now.plus(Duration::from_millis(self.chance.mostly_short(50, 10_000)));
            if injected("mark-before-ack") {
                engine.relay.mark = next;
            }
            if injected("retry-out-of-order") && next < engine.relay.last {
                engine.relay.ahead.push(next + 1);
                self.publish(nth, next + 1, false);
            }
            return;
        }
        engine.relay.mark = next;
        if self.faults.strike(Fault::CrashAfterPublish) {
            self.crash(nth, "dies after publishing");
        }
    }

    /// Sends a segment to all other stores; when it fails, the broker has taken some of it.
    fn publish(&mut self, nth: usize, segment: u64, fails: bool) -> bool {
        let now = self.now();
        let node = &mut self.nodes[nth];
        let Some(engine) = &mut node.engine else { return false };
        let messages = match engine.relay.messages(segment, (&node.name, &node.store)) {
            Ok(messages) => messages,
            Err(error) => {
                self.violate(format!("segment {segment} of {}", self.nodes[nth].name), error);
                return false;
            }
        };
        let taken = if fails { self.chance.index(messages.len() + 1) } else { messages.len() };
        if segment > node.published + 1 {
            let skipped = format!("is published before segment {}", node.published + 1);
            let subject = format!("segment {segment} of {}", node.name);
            self.violate(subject, skipped);
        } else if taken == messages.len() {
            node.published = node.published.max(segment);
        }
        self.trace.note(|| format!("{} publishes {taken} messages of segment {segment}", self.nodes[nth].name));
        for (event_id, body) in messages.into_iter().take(taken) {
            self.send(nth, &event_id, body, now);
        }
        true
    }

    fn send(&mut self, from: usize, event_id: &Id, body: Vec<u8>, now: Timestamp) {
        let envelope = match Envelope::from_json(&body, &self.registry) {
            Ok(envelope) => Arc::new(envelope),
            Err(error) => return self.violate(format!("event {event_id}"), format!("cannot be read again: {error}")),
        };
        let body: Arc<[u8]> = body.into();
        for to in (0..self.nodes.len()).filter(|to| *to != from) {
            self.figures.messages += 1;
            self.network.send(to, &body, &envelope, now);
        }
    }

    /// Takes some of what has arrived.
    pub fn deliver(&mut self, nth: usize) {
        let (now, most) = (self.now(), self.chance.between(1, DELIVERED_MAX));
        let Some(engine) = &self.nodes[nth].engine else { return };
        let engine_now = engine.core.clock().now();
        let deliveries = self.network.deliver(nth, usize::try_from(most).unwrap_or(1), now, engine_now);
        let early = injected("ack-before-commit");
        for delivery in deliveries {
            let Some(engine) = &mut self.nodes[nth].engine else { return };
            let position = Position(delivery.position.to_string());
            let message = match delivery.broken {
                None => {
                    let receipt = (!early).then_some(Receipt { subscription: 0, position });
                    Message::Heard(Heard { envelope: Arc::clone(&delivery.envelope), receipt })
                }
                Some(body) => {
                    let topic = format!("simulated.{}", delivery.envelope.source);
                    let key = Some(delivery.envelope.key.to_string());
                    let incoming = Incoming { topic, key, headers: Vec::new(), body, position };
                    Message::Undecodable { incoming, reason: "simulated".to_owned(), subscription: 0 }
                }
            };
            engine.core.accept(message);
            if early {
                self.network.acknowledge(nth, delivery.position, now);
            }
            self.trace.note(|| {
                let (name, event) = (&self.nodes[nth].name, &delivery.envelope);
                format!("{name} hears {} {} of {}", event.event.name(), event.id, event.key)
            });
        }
    }

    /// Deadlines that were held go on: all is heard that was there at the start, or an operator confirms the clock.
    pub fn let_go(&mut self, nth: usize) {
        let now = self.now();
        let Some(engine) = &mut self.nodes[nth].engine else { return };
        engine.look = true;
        if engine.confirm_at.is_some_and(|at| at <= now) {
            engine.confirm_at = None;
            engine.core.confirm_clock();
            self.trace.note(|| "an operator confirms the clock".to_owned());
        }
        if engine.catching_up_until.take().is_some() {
            engine.core.hold_deadlines(None);
        }
    }

    /// A process dies: only what is in its store stays, and whoever waits for an answer gets none.
    pub fn crash(&mut self, nth: usize, how: &str) {
        let now = self.now();
        self.figures.crashes += 1;
        self.trace.note(|| format!("{} {how}", self.nodes[nth].name));
        let engine: Option<Engine> = self.nodes[nth].engine.take();
        drop(engine);
        self.take_replies();
        self.nodes[nth].up_at = now.plus(Duration::from_millis(self.chance.mostly_short(10, 20_000)));
        self.nodes[nth].stalled_until = now;
        self.network.disconnect(nth, now);
        self.people.lose_contact(nth, now);
    }
}

/// How much time passes whenever the clock is read, in milliseconds.
const CREEP_MS_MAX: u64 = 500;

/// How long a writer needs for a batch, and how far ahead the timer is that falls due in one.
const SLOW: Duration = Duration::from_mins(10);

/// Takes what waits into the open batch while time passes, so that a timer that is due at `due` falls due in the middle
/// of it.
fn extend_slowly(
    engine: &mut Engine,
    due: Timestamp,
    clock: &ManualClock,
    mut chance: Chance,
) -> Result<(), StoreError> {
    let slow_ms = chance.mostly_short(10, u64::try_from(SLOW.as_millis()).unwrap_or(0));
    engine.written_at = clock.true_time().plus(Duration::from_millis(slow_ms));
    engine.core.extend(1)?;
    let wait = engine.core.clock().wait_for(due);
    let past = if wait <= SLOW && chance.one_in(2) { wait } else { Duration::ZERO };
    clock.advance(past + Duration::from_millis(chance.mostly_short(1, CREEP_MS_MAX)));
    clock.creep(Some(Box::new(move || Duration::from_millis(chance.mostly_short(1, CREEP_MS_MAX)))));
    let extended = engine.core.extend(usize::MAX);
    clock.creep(None);
    extended
}

fn position(position: &Position) -> u64 {
    position.0.parse().unwrap_or(0)
}

/// The inbox rows of a commit, taken out of it. Only a bug does so.
fn inbox_of(commit: &mut Commit) -> Commit {
    let is_inbox = |row: &RowChange| row.table.name == InboxRow::TABLE.name;
    let (inbox, others) = std::mem::take(&mut commit.rows).into_iter().partition(is_inbox);
    commit.rows = others;
    Commit { epoch: commit.epoch, at: commit.at, rows: inbox, segment: None }
}
