//! Clocks that are set, and whether the shop is punctual all the same: engine time goes on whatever the wall clock
//! shows, and a process that has nothing to do has nothing that is due.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tradewind_engine::{
    Entity, SLEW_PARTS, Table,
    ports::{Commit, RowWrite},
    tables::{JobRow, JobState, TimerRow},
};
use tradewind_events::{Key, Timestamp};

use crate::{
    fault::Fault,
    network::NEVER,
    node::{Ending, Engine},
    world::World,
};

/// By how much a wall clock is set, in milliseconds.
const SET_MS_MIN: u64 = 5_000;
const SET_MS_MAX: u64 = 2 * 3_600_000;

/// How long a jump lasts that comes back, in milliseconds.
const SPIKE_MS_MAX: u64 = 600_000;

/// A job whose row the store has rejected is looked at again later.
const JOB_LATE_MAX: Duration = Duration::from_secs(65);

/// Engine time is told in whole milliseconds.
const ROUNDED: Duration = Duration::from_millis(2);

/// The timers and jobs of a store that wait, with what they are and when they are due.
#[derive(Default)]
pub struct Dues {
    timers: BTreeMap<Key, Timestamp>,
    jobs: BTreeMap<Key, (Timestamp, Arc<str>)>,
    /// The time of the last commit.
    last: Timestamp,
    /// A commit of an earlier time than the one before it.
    back: Option<(Timestamp, Timestamp)>,
}

/// Where the clocks of a process stood, true time and engine time.
pub struct Hands {
    began: (Timestamp, Timestamp),
    engine: Timestamp,
}

impl Dues {
    /// When the next timer is due.
    pub fn next_timer(&self) -> Timestamp {
        self.timers.values().copied().min().unwrap_or(NEVER)
    }

    pub fn committed(&mut self, commit: &Commit) {
        for change in &commit.rows {
            let row = match &change.write {
                RowWrite::Insert(row) | RowWrite::Update { row, .. } => Some(row),
                RowWrite::Delete { .. } => None,
            };
            if is::<TimerRow>(change.table) {
                self.timers.remove(&change.key);
                let timer = row.and_then(|row| TimerRow::from_row(&row.values).ok());
                self.timers.extend(timer.map(|timer| (change.key.clone(), timer.due_at)));
            } else if is::<JobRow>(change.table) {
                self.jobs.remove(&change.key);
                let job = row.and_then(|row| JobRow::from_row(&row.values).ok());
                let waits = job.filter(|job| job.state == JobState::Waiting);
                self.jobs.extend(waits.map(|job| (change.key.clone(), (job.due_at, job.kind))));
            }
        }
        if commit.segment.is_some() {
            if commit.at < self.last {
                self.back = Some((self.last, commit.at));
            }
            self.last = commit.at;
        }
    }
}

impl Hands {
    pub fn new(now: Timestamp, engine: Timestamp) -> Self {
        Self { began: (now, engine), engine }
    }

    /// What is wrong with how engine time has gone on.
    fn look(&mut self, now: Timestamp, engine: Timestamp) -> Option<String> {
        let before = std::mem::replace(&mut self.engine, engine);
        if engine < before {
            return Some(format!("has gone back from {before} to {engine}"));
        }
        let (truly, went_on) = (now.since(self.began.0), engine.since(self.began.1));
        let least = truly.saturating_sub(truly / SLEW_PARTS);
        (went_on + ROUNDED < least).then(|| format!("went on by {went_on:?} in {truly:?}"))
    }
}

impl World {
    /// Somebody sets the wall clock, perhaps.
    pub fn set_clock(&mut self) {
        for fault in [Fault::ClockJump, Fault::ClockBack, Fault::ClockSpike] {
            if !self.faults.strike(fault) {
                continue;
            }
            let drawn = self.faults.draw(fault, |chance| {
                let confirms_after_ms = chance.mostly_short(1_000, 600_000);
                (chance.mostly_short(SET_MS_MIN, SET_MS_MAX), chance.mostly_short(1, SPIKE_MS_MAX), confirms_after_ms)
            });
            let Some((by_ms, lasts_ms, confirms_after_ms)) = drawn else { continue };
            let by_ms = i64::try_from(by_ms).unwrap_or(0);
            let by_ms = if fault == Fault::ClockBack { -by_ms } else { by_ms };
            self.confirms_after = Duration::from_millis(confirms_after_ms);
            self.clock.jump(by_ms);
            self.trace.note(|| format!("the wall clock is set by {by_ms} ms"));
            if fault == Fault::ClockSpike {
                self.clock_back.push((self.now().plus(Duration::from_millis(lasts_ms)), by_ms));
            }
        }
    }

    /// A wall clock that has jumped for a while comes back.
    pub fn come_back(&mut self) {
        let now = self.now();
        let (due, later) = std::mem::take(&mut self.clock_back).into_iter().partition(|(at, _)| *at <= now);
        self.clock_back = later;
        let due: Vec<(Timestamp, i64)> = due;
        for (_, by_ms) in due {
            self.clock.jump(-by_ms);
            self.trace.note(|| "the wall clock comes back".to_owned());
        }
    }

    /// The latest time that any process has.
    pub fn latest_engine_time(&self) -> Timestamp {
        let engines = self.nodes.iter().filter_map(|node| node.engine.as_ref());
        engines.map(|engine| engine.core.clock().now()).fold(self.now(), Timestamp::max)
    }

    /// Engine time never goes back, also not over a restart, and loses no more than it may.
    pub fn judge_time(&mut self) {
        let now = self.now();
        let mut wrong = Vec::new();
        for node in &mut self.nodes {
            let looked = node.engine.as_mut().and_then(|engine| engine.hands.look(now, engine.core.clock().now()));
            let back =
                node.dues.back.take().map(|(before, after)| format!("goes back from {before} to {after} in the log"));
            wrong.extend(looked.into_iter().chain(back).map(|what| (format!("the time of {}", node.name), what)));
        }
        for (subject, detail) in wrong {
            self.violate(subject, detail);
        }
    }

    /// Nothing can happen before the clock moves: so where no batch is under way, no timer and no job is due that has
    /// not been taken. A process that ends leaves what is due to the next one.
    pub fn judge_idle(&mut self) {
        let mut late = Vec::new();
        for (nth, node) in self.nodes.iter().enumerate() {
            let is_idle = |engine: &&Engine| {
                node.stalled_until <= self.now() && engine.core.in_flight() == 0 && engine.ending == Ending::No
            };
            let Some(engine) = node.engine.as_ref().filter(is_idle) else { continue };
            let now = engine.core.clock().now();
            if engine.core.deadlines_held().is_none() {
                let due = node.dues.timers.iter().filter(|(_, due_at)| **due_at <= now);
                late.extend(due.map(|(key, due_at)| (format!("timer {key} of {}", node.name), now.since(*due_at))));
            }
            let tried: Vec<Key> = self.wires.under_way(nth, engine.epoch).map(Key::from).collect();
            // One whose row is gone may be of any kind.
            let kind = |key: &Key| node.dues.jobs.get(key).map(|(_, kind)| kind);
            for (key, (due_at, of)) in node
                .dues
                .jobs
                .iter()
                .filter(|(key, (due_at, _))| due_at.plus(JOB_LATE_MAX) <= now && !tried.contains(key))
            {
                let running = tried.iter().filter(|key| kind(key).is_none_or(|kind| kind == of)).count();
                if running < self.shop.limits.jobs_running_max {
                    late.push((format!("job {key} of {}", node.name), now.since(*due_at)));
                }
            }
        }
        for (subject, by) in late {
            self.violate(subject, format!("is due for {by:?}, and nobody is about to take it"));
        }
    }
}

fn is<E: Entity>(table: &Table) -> bool {
    table.name == E::TABLE.name
}
