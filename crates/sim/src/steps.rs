//! What one process does, a step at a time, as the threads of a running engine do it; and how it dies.

use std::time::Duration;

use tradewind_engine::{Committed, Formed, Message, ports::StoreError, tables::InboxSegmentRow};
use tradewind_events::{Timestamp, id};
use tradewind_memory::ManualClock;

use crate::{chance::Chance, fault::Fault, node::Engine, watch, world::World};

impl World {
    /// Takes what waits into the open batch, and hands that to the writer if it has none.
    pub fn form(&mut self, nth: usize) {
        let now = self.now();
        let due = self.nodes[nth].dues.next_timer();
        let Some(engine) = &mut self.nodes[nth].engine else { return };
        engine.look = false;
        if let Some(prune) = engine.retention.look(engine.core.clock().now()) {
            self.figures.forgotten += prune.len() as u64;
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
        } else if engine.core.clock().has_jumped() && engine.confirm_at.is_none() {
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
        let node = &mut self.nodes[nth];
        let Some(engine) = &mut node.engine else { return };
        let Some(sealed) = engine.sealed.take() else { return };
        let written = sealed.write(&mut engine.writer);
        let done = std::mem::take(&mut engine.writer.done);
        engine.wrote = Some(written);
        for commit in &done.committed {
            self.watch(commit);
            self.judge_order(nth, commit);
            for row in watch::written::<InboxSegmentRow>(commit) {
                for index in row.indexes.iter() {
                    self.network.received(nth, id(&format!("{}-{index}", row.segment)), row.received_at);
                }
            }
            self.nodes[nth].dues.committed(commit);
        }
        if !done.asked {
            self.violate("a batch", "cannot be encoded");
        }
        if done.usurped {
            self.violate("a process", "has written to a store that another one owns");
        }
        if let Some(how) = done.died {
            self.crash(nth, how);
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
        for mut batch in settled {
            batch.answer();
            self.take_replies();
            self.figures.commits += 1;
            self.figures.events += batch.events.len() as u64;
            let relays = self.relays();
            let node = &mut self.nodes[nth];
            let Some(engine) = &mut node.engine else { return };
            if batch.pruned() {
                engine.retention.committed();
            }
            engine.buffer.order(std::mem::take(&mut batch.relay));
            if relays && batch.segment > 0 {
                engine.buffer.push(batch.segment, &batch.events);
                let emitted = batch.events.iter().filter(|event| !event.remote).map(|event| event.position);
                node.unpublished.extend(emitted.filter(|address| !node.published.contains(address)));
            }
            if !batch.receipts.is_empty() && self.faults.strike(Fault::CrashBeforeAck) {
                return self.crash(nth, "dies before it acknowledges");
            }
            engine.unacknowledged.extend(batch.receipts.iter().map(|receipt| receipt.position.clone()));
            engine.subscriber.commit(batch.receipts);
        }
    }

    /// An operator confirms the clock: deadlines that were held go on.
    pub fn let_go(&mut self, nth: usize) {
        let now = self.now();
        let Some(engine) = &mut self.nodes[nth].engine else { return };
        engine.look = true;
        if engine.confirm_at.is_some_and(|at| at <= now) {
            engine.confirm_at = None;
            engine.core.confirm_clock();
            self.trace.note(|| "an operator confirms the clock".to_owned());
        }
    }

    /// A process dies: only what is in its store stays, and whoever waits for an answer gets none.
    pub fn crash(&mut self, nth: usize, how: &str) {
        self.figures.crashes += 1;
        self.go(nth, how);
    }

    /// A process is there no more. Another one starts after a while.
    pub fn go(&mut self, nth: usize, how: &str) {
        let now = self.now();
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
