//! Jobs on their way to the world outside, and what becomes of them there: the payment provider and the mail server,
//! over wires that lose requests and answers.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tradewind_engine::{Message, TriedJob, TryOutcome, tables::JobRow};
use tradewind_events::{
    Id, Timestamp,
    jobs::{MailReceipt, ProviderCall},
};

use crate::{chance::Chance, fault::Fault, network::NEVER, people::Wish, world::World};

/// A worker gives up waiting for the provider after this, in milliseconds.
const TIMEOUT_MS: u64 = 10_000;

/// An answer takes at most this, in milliseconds, when nothing goes wrong.
const ANSWER_MS_MAX: u64 = 500;

pub struct Wires {
    chance: Chance,
    under_way: BTreeMap<(Timestamp, u64), Wire>,
    count: u64,
}

/// Something that arrives at one of its ends.
enum Wire {
    /// The provider gets a request. Whether its answer is awaited is with the worker who asked.
    Call { call: ProviderCall, answers: Option<Worker> },
    /// The provider has decided what it had left open.
    Decide(ProviderCall),
    /// A worker has an outcome.
    Outcome { worker: Worker, outcome: TryOutcome },
}

/// Who tries a job. A process that has died hears nothing any more.
#[derive(Clone)]
struct Worker {
    node: usize,
    epoch: u64,
    job: Id,
}

impl Wires {
    pub fn new(seed: u64) -> Self {
        Self { chance: Chance::new(seed, "wires"), under_way: BTreeMap::new(), count: 0 }
    }

    pub fn is_empty(&self) -> bool {
        self.under_way.is_empty()
    }

    pub fn next_at(&self) -> Timestamp {
        self.under_way.first_key_value().map_or(NEVER, |((at, _), _)| *at)
    }

    /// The jobs that workers of this process try now.
    pub fn under_way(&self, node: usize, epoch: u64) -> impl Iterator<Item = &Id> {
        let workers = self.under_way.values().filter_map(|wire| match wire {
            Wire::Call { answers, .. } => answers.as_ref(),
            Wire::Outcome { worker, .. } => Some(worker),
            Wire::Decide(_) => None,
        });
        workers.filter(move |worker| worker.node == node && worker.epoch == epoch).map(|worker| &worker.job)
    }

    fn put(&mut self, at: Timestamp, wire: Wire) {
        self.count += 1;
        self.under_way.insert((at, self.count), wire);
    }

    fn moment(&mut self, now: Timestamp) -> Timestamp {
        now.plus(Duration::from_millis(self.chance.between(1, ANSWER_MS_MAX)))
    }
}

impl World {
    /// Gives workers the jobs that are due.
    pub fn hand_out(&mut self, nth: usize) {
        let Some(engine) = &mut self.nodes[nth].engine else { return };
        let epoch = engine.epoch;
        match engine.core.take_jobs() {
            Err(error) => self.violate("an engine", format!("cannot read its jobs: {error}")),
            Ok(jobs) => {
                for job in jobs {
                    let worker = Worker { node: nth, epoch, job: job.id.clone() };
                    self.try_job(worker, &job);
                }
            }
        }
    }

    fn try_job(&mut self, worker: Worker, job: &Arc<JobRow>) {
        self.figures.jobs += 1;
        self.trace.note(|| format!("a worker tries {} {} for the {}. time", job.kind, job.id, job.attempts + 1));
        if &*job.kind != "ask_provider" {
            return self.send_mail(worker, job);
        }
        let call: ProviderCall = match serde_json::from_str(&job.request) {
            Ok(call) => call,
            Err(error) => return self.violate(format!("job {}", job.id), format!("cannot be read: {error}")),
        };
        let now = self.now();
        let gives_up_at = now.plus(Duration::from_millis(TIMEOUT_MS));
        let arrives_at = self.wires.moment(now);
        let unknown =
            Wire::Outcome { worker: worker.clone(), outcome: TryOutcome::Unknown("simulated: no answer".into()) };
        if self.faults.strike(Fault::ProviderUnreached) {
            self.wires.put(gives_up_at, unknown);
        } else if self.faults.strike(Fault::ProviderLate) {
            let late_ms = self.wires.chance.mostly_short(TIMEOUT_MS, 2_400_000);
            self.wires.put(gives_up_at, unknown);
            self.wires.put(now.plus(Duration::from_millis(late_ms)), Wire::Call { call, answers: None });
        } else if self.faults.strike(Fault::ProviderAnswerLost) {
            self.wires.put(gives_up_at, unknown);
            self.wires.put(arrives_at, Wire::Call { call, answers: None });
        } else {
            self.wires.put(arrives_at, Wire::Call { call, answers: Some(worker) });
        }
    }

    fn send_mail(&mut self, worker: Worker, job: &JobRow) {
        let at = {
            let now = self.now();
            self.wires.moment(now)
        };
        let refused = self.faults.strike(Fault::MailRefused);
        let unknown = self.faults.strike(Fault::MailUnknown);
        if !refused && (!unknown || self.wires.chance.one_in(2)) {
            self.people.receive_mail(&job.id);
        }
        let outcome = if unknown {
            TryOutcome::Unknown("simulated: the connection broke".to_owned())
        } else {
            let refused = refused.then(|| Arc::from("mailbox_unavailable"));
            let receipt = MailReceipt { message_id: job.id.clone(), refused, reference: None };
            TryOutcome::Done(serde_json::to_string(&receipt).unwrap_or_default())
        };
        self.wires.put(at, Wire::Outcome { worker, outcome });
    }

    /// The next request or answer arrives.
    pub fn arrive(&mut self) {
        let Some((_, wire)) = self.wires.under_way.pop_first() else { return };
        match wire {
            Wire::Call { call, answers } => self.call_provider(&call, answers),
            Wire::Decide(call) => self.call_provider(&call, None),
            Wire::Outcome { worker, outcome } => {
                let engine = self.nodes[worker.node].engine.as_mut().filter(|engine| engine.epoch == worker.epoch);
                let Some(engine) = engine else { return };
                engine.core.accept(Message::Tried(TriedJob { id: worker.job, outcome }));
            }
        }
    }

    fn call_provider(&mut self, call: &ProviderCall, answers: Option<Worker>) {
        let now = self.now();
        let done = self.provider.call(call, now);
        self.trace.note(|| {
            let (action, key, state) = (call.action, &call.key, done.answer.state);
            format!("the provider is asked to {action} under {key}: {state}")
        });
        if let Some(at) = done.decides_at {
            self.wires.put(at, Wire::Decide(call.clone()));
        }
        let early = self.faults.strike(Fault::EarlyCallback);
        if let Some(worker) = answers {
            let slow_ms = if early { self.wires.chance.between(1_000, TIMEOUT_MS - 1) } else { 0 };
            let at = self.wires.moment(now).plus(Duration::from_millis(slow_ms));
            let outcome = TryOutcome::Done(serde_json::to_string(&done.answer).unwrap_or_default());
            self.wires.put(at, Wire::Outcome { worker, outcome });
        }
        let last = done.callbacks.len();
        for (nth, callback) in done.callbacks.into_iter().enumerate() {
            // What nobody asked for is told by its callback alone.
            let asked_for = nth + 1 == last;
            if asked_for && !early && self.wires.chance.one_in(2) {
                continue;
            }
            let delay_ms = if early { 1 } else { self.wires.chance.mostly_short(100, 600_000) };
            if self.faults.strike(Fault::CallbackTwice) {
                let later_ms = delay_ms + self.wires.chance.mostly_short(100, 3_600_000);
                let at = now.plus(Duration::from_millis(later_ms));
                self.people.plan(at, None, Wish::Callback(callback.clone()));
            }
            let at = now.plus(Duration::from_millis(delay_ms));
            self.people.plan(at, None, Wish::Callback(callback));
        }
    }
}
