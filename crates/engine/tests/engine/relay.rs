//! The relay by hand: with a log, a broker in memory, and a clock that is moved by hand.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tradewind_engine::{
    CommandMessage, Limits, Logged, Message, Problem, Received, Relay, RelayBuffer, RelaySetup, RelayStep, Routing,
    StoredAnswer,
    operator::Action,
    ports::{Broker, BrokerMessage, Reader},
    tables::{AuditRow, DeadLetterRow, DeadLetterState},
};
use tradewind_events::{KeyText, id};
use tradewind_testkit::{BrokerFaults, MemoryBroker, Stage};

use crate::toy::{self, Happened, add};

/// A relay over the log of a stage.
struct Bench {
    stage: Stage,
    broker: MemoryBroker,
    relay: Relay,
    buffer: RelayBuffer,
    now: Duration,
    /// What has become of the steps: the marks that were saved, and from where the log was read.
    saved: Vec<u64>,
    read: Vec<u64>,
}

impl Bench {
    fn new(limits: &Limits) -> Self {
        let stage = Stage::with([toy::tally()], toy::registry(), Limits::default());
        Self::over(stage, MemoryBroker::new(), limits)
    }

    /// As after a start.
    fn over(stage: Stage, broker: MemoryBroker, limits: &Limits) -> Self {
        Self::routed(stage, broker, limits, Routing::by_source("test"))
    }

    fn routed(stage: Stage, broker: MemoryBroker, limits: &Limits, routing: Routing) -> Self {
        let bytes_max = limits.relay_bytes_max;
        let observer = Arc::new(());
        let setup = RelaySetup {
            store_name: "stage".into(),
            broker: KeyText::literal("broker"),
            routing,
            limits: limits.into(),
            observer,
        };
        let relay = Relay::new(setup, stage.store()).expect("the store in memory can be read");
        let buffer = RelayBuffer::new(stage.store().last_segment().expect("the store can be read"), bytes_max);
        Self { stage, broker, relay, buffer, now: Duration::ZERO, saved: Vec::new(), read: Vec::new() }
    }

    fn restart(self, limits: &Limits) -> Self {
        Self::over(self.stage, self.broker, limits)
    }

    fn faults(&self, faults: BrokerFaults) {
        self.broker.set_faults(faults);
    }

    /// Commits a segment with so many events that this store has emitted.
    fn commits(&mut self, events: usize) {
        self.stage.clear();
        for _ in 0..events {
            let message = CommandMessage::new(add("a", 1), self.stage.context(), |_| StoredAnswer::default());
            self.stage.accept(Message::Command(message));
        }
        self.stage.run();
        let mut segments: BTreeMap<u64, Vec<Logged>> = BTreeMap::new();
        for event in self.stage.log() {
            segments.entry(event.position.segment).or_default().push(event.clone());
        }
        for (segment, events) in segments {
            self.buffer.push(segment, &events.into());
        }
    }

    /// Commits a segment in which nothing is emitted.
    fn receives(&mut self) {
        let envelope = Arc::new(self.stage.envelope("far-1", Happened { name: id("x"), after: None }));
        self.stage.accept(Message::Received(Received { envelope, receipt: None }));
        self.stage.run();
        self.buffer.push(self.stage.store().last_segment().expect("the store can be read"), &Arc::from([]));
    }

    /// Does the next step; `None` when that is to wait, or nothing any more.
    fn step(&mut self) -> Option<()> {
        self.relay.take(&mut self.buffer);
        assert!(self.relay.call().len() <= 5_000);
        match self.relay.next(self.now) {
            RelayStep::Publish => {
                let answer = self.broker.publish(self.relay.call());
                self.relay.published(answer, self.now);
            }
            RelayStep::Read { from, segments_max } => {
                self.read.push(from);
                self.relay.read(self.stage.store().segments(from, segments_max), self.now);
            }
            RelayStep::SaveMark { segment } => {
                self.saved.push(segment);
                self.stage.accept(Message::Published { broker: 0, segment });
                self.stage.run();
            }
            RelayStep::Republished { dead_letter, refused } => {
                self.stage.accept(Message::Republished { dead_letter, refused });
                self.stage.run();
            }
            RelayStep::Wait { .. } | RelayStep::Ended => return None,
        }
        Some(())
    }

    fn runs(&mut self) {
        while self.step().is_some() {}
    }

    /// Runs so often, and each time waits for longer than any backoff.
    fn retries(&mut self, times: u32) {
        for _ in 0..times {
            self.runs();
            self.now += Duration::from_secs(10);
        }
    }

    /// An operator's action, which the relay learns of once it is committed.
    fn operates(&mut self, action: Action) -> Result<(), Problem> {
        self.stage.core().relay_refused(0, self.relay.refused().cloned());
        self.stage.operate(action)?;
        self.buffer.order(self.stage.take_relay_orders());
        Ok(())
    }

    fn dead_letters(&self) -> Vec<DeadLetterRow> {
        self.stage.rows::<DeadLetterRow>()
    }

    fn published(&self) -> Vec<BrokerMessage> {
        self.broker.published("test.tally")
    }

    /// The totals that were published, in their order.
    fn totals(&self) -> Vec<i64> {
        let total = |message: &BrokerMessage| {
            let body: serde_json::Value = serde_json::from_slice(message.body()).expect("JSON");
            body["data"]["total"].as_i64().expect("a number")
        };
        self.published().iter().map(total).collect()
    }
}

fn numbers(last: i64) -> Vec<i64> {
    (1..=last).collect()
}

#[test]
fn segments_that_wait_are_published_in_one_call_and_the_mark_moves_behind_the_last() {
    let mut bench = Bench::new(&Limits::default());
    (0..300).for_each(|_| bench.commits(1));
    bench.runs();
    assert_eq!((bench.broker.publish_calls(), bench.totals()), (1, numbers(300)));
    assert_eq!((bench.relay.mark(), &*bench.saved, &*bench.read), (300, &[300][..], &[][..]));
}

#[test]
fn a_backlog_in_the_log_is_read_in_pieces_and_published_in_few_calls() {
    let mut bench = Bench::new(&Limits::default());
    (0..300).for_each(|_| bench.commits(1));
    bench = bench.restart(&Limits::default());
    bench.runs();
    assert_eq!(bench.totals(), numbers(300));
    assert!(bench.broker.publish_calls() <= 12, "{} calls", bench.broker.publish_calls());
    assert_eq!(bench.saved.last(), Some(&300));
}

#[test]
fn a_call_that_is_acknowledged_partly_goes_on_at_the_right_message() {
    let mut bench = Bench::new(&Limits::default());
    (0..10).for_each(|_| bench.commits(3));
    bench.faults(BrokerFaults { taken_at_a_time: Some(8), ..BrokerFaults::default() });
    bench.runs();
    // The third segment is there in part.
    assert_eq!((bench.published().len(), bench.relay.mark(), &*bench.saved), (8, 2, &[][..]));
    while bench.relay.mark() < 10 {
        bench.now += Duration::from_secs(10);
        bench.runs();
    }
    assert_eq!(bench.totals(), numbers(30), "nothing is published twice");
}

#[test]
fn a_segment_that_is_too_large_for_a_call_is_split_and_the_mark_moves_behind_its_end() {
    let limits = Limits { publish_messages_max: 10, ..Limits::default() };
    let mut bench = Bench::new(&limits);
    bench.commits(1);
    bench.commits(30);
    bench.commits(1);
    let mut marks = Vec::new();
    while bench.step().is_some() {
        marks.push(bench.relay.mark());
    }
    assert_eq!((bench.broker.publish_calls(), bench.totals()), (5, numbers(32)));
    marks.dedup();
    assert_eq!(marks, [1, 2, 3]);
}

#[test]
fn a_call_has_no_more_bytes_than_it_may_and_a_larger_message_goes_alone() {
    let mut bench = Bench::new(&Limits { publish_bytes_max: 10, ..Limits::default() });
    bench.commits(5);
    bench.runs();
    assert_eq!((bench.broker.publish_calls(), bench.totals()), (5, numbers(5)));

    let mut bench = Bench::new(&Limits { publish_bytes_max: 10_000, ..Limits::default() });
    (0..100).for_each(|_| bench.commits(1));
    bench.runs();
    let bytes: usize = bench.published().iter().map(BrokerMessage::bytes).sum();
    let calls = bench.broker.publish_calls();
    assert!(calls >= bytes.div_ceil(10_000) && calls <= bytes.div_ceil(5_000), "{bytes} bytes in {calls} calls");
}

#[test]
fn the_buffer_keeps_no_more_bytes_than_it_may_and_the_log_has_the_rest() {
    let limits = Limits { relay_bytes_max: 50_000, ..Limits::default() };
    let mut bench = Bench::new(&limits);
    for _ in 0..200 {
        bench.commits(1);
        assert!(bench.buffer.bytes() <= 50_000);
    }
    assert!(bench.buffer.bytes() > 40_000);
    bench.runs();
    assert_eq!(bench.totals(), numbers(200));
    assert!(bench.read.first().is_some_and(|first| *first > 1), "what is in memory is not read");
    assert_eq!(bench.buffer.bytes(), 0);
    let read = bench.read.len();
    bench.commits(1);
    bench.runs();
    assert_eq!((bench.totals(), bench.read.len()), (numbers(201), read), "it goes on from memory");
}

#[test]
fn a_segment_that_is_larger_than_the_buffer_is_not_kept() {
    let mut bench = Bench::new(&Limits { relay_bytes_max: 3_000, ..Limits::default() });
    bench.commits(1);
    bench.commits(100);
    bench.commits(1);
    assert!(bench.buffer.bytes() <= 3_000 && bench.buffer.bytes() > 0);
    bench.runs();
    assert_eq!((bench.totals(), &*bench.read), (numbers(102), &[2][..]));
}

#[test]
fn after_a_failure_it_waits_and_what_failed_comes_first() {
    let mut bench = Bench::new(&Limits::default());
    bench.faults(BrokerFaults { down: true, ..BrokerFaults::default() });
    bench.commits(1);
    bench.runs();
    bench.commits(1);
    bench.runs();
    assert_eq!(bench.broker.publish_calls(), 1, "it does not try again at once");
    let first = bench.relay.retry_at().expect("it tries again");
    bench.faults(BrokerFaults::default());
    bench.now = first;
    bench.runs();
    assert_eq!((bench.broker.publish_calls(), bench.totals()), (3, numbers(2)));
    assert_eq!(bench.relay.retry_at(), None);
}

#[test]
fn waits_between_tries_grow_up_to_ten_seconds() {
    let mut bench = Bench::new(&Limits::default());
    bench.faults(BrokerFaults { down: true, ..BrokerFaults::default() });
    bench.commits(1);
    let mut waits = Vec::new();
    for _ in 0..12 {
        bench.runs();
        let at = bench.relay.retry_at().expect("it tries again");
        waits.push(at.saturating_sub(bench.now));
        bench.now = at;
    }
    assert!(waits[0] < Duration::from_millis(101) && waits[4] > waits[0] * 8);
    assert!(waits.iter().all(|wait| *wait <= Duration::from_secs(10)));
}

#[test]
fn a_lost_acknowledgement_repeats_messages_in_their_order() {
    let mut bench = Bench::new(&Limits::default());
    bench.faults(BrokerFaults { acknowledgement_lost: true, ..BrokerFaults::default() });
    (0..3).for_each(|_| bench.commits(1));
    bench.runs();
    assert_eq!((bench.relay.mark(), bench.totals()), (0, numbers(3)));
    bench.faults(BrokerFaults::default());
    bench.now += Duration::from_secs(10);
    bench.runs();
    assert_eq!((bench.relay.mark(), bench.totals()), (3, [1, 2, 3, 1, 2, 3].to_vec()));
}

#[test]
fn a_segment_in_which_nothing_is_emitted_moves_the_mark() {
    let mut bench = Bench::new(&Limits::default());
    bench.commits(1);
    bench.receives();
    bench.receives();
    bench.runs();
    assert_eq!((bench.relay.mark(), bench.broker.publish_calls()), (2, 1));
    assert_eq!(bench.saved, [2], "of two that are the same one is committed");
}

#[test]
fn the_mark_is_saved_after_so_many_segments_though_there_is_more_to_publish() {
    let limits = Limits { mark_every_segments: 5, publish_messages_max: 4, ..Limits::default() };
    let mut bench = Bench::new(&limits);
    (0..17).for_each(|_| bench.commits(1));
    bench.runs();
    assert_eq!(bench.saved, [8, 16, 17]);
}

#[test]
fn a_stop_saves_the_mark_and_leaves_the_backlog_to_the_next_start() {
    let limits = Limits { publish_messages_max: 20, ..Limits::default() };
    let mut bench = Bench::new(&limits);
    (0..100).for_each(|_| bench.commits(1));
    assert_eq!(bench.step(), Some(()));
    bench.relay.stop();
    bench.runs();
    assert_eq!((bench.broker.publish_calls(), &*bench.saved), (1, &[20][..]));
    bench.relay.take(&mut bench.buffer);
    assert_eq!(bench.relay.next(bench.now), RelayStep::Ended);

    bench = bench.restart(&limits);
    bench.runs();
    assert_eq!(bench.totals(), numbers(100), "nothing is published twice");
}

#[test]
fn a_stop_does_not_wait_for_a_broker_that_fails() {
    let mut bench = Bench::new(&Limits::default());
    bench.faults(BrokerFaults { down: true, ..BrokerFaults::default() });
    bench.commits(1);
    bench.runs();
    bench.relay.stop();
    bench.relay.take(&mut bench.buffer);
    assert_eq!((bench.relay.next(bench.now), &*bench.saved), (RelayStep::Ended, &[][..]));
}

/// The event with this total is refused by the broker.
fn refuses(bench: &Bench, total: i64) {
    let is_it = move |message: &BrokerMessage| {
        String::from_utf8_lossy(message.body()).contains(&format!("\"total\":{total}}}"))
    };
    bench.broker.refuse(Some(Arc::new(is_it)));
}

#[test]
fn an_event_that_the_broker_refuses_is_found_told_and_set_aside_and_published_again() {
    let mut bench = Bench::new(&Limits::default());
    (0..4).for_each(|_| bench.commits(3));
    refuses(&bench, 8);
    bench.retries(10);
    // Nothing behind it is published, and nothing before it twice.
    assert_eq!(bench.totals(), numbers(7));
    let refused = bench.relay.refused().expect("it is told").clone();
    assert_eq!((refused.event_id.as_str(), &*refused.topic), ("stage-3-1", "test.tally"));
    assert!(refused.bytes > 100 && refused.reason.contains("refused"), "{refused:?}");
    let set_aside = |event: &str| Action::SetAside { event: id(event), reason: "too large".into() };
    for another in ["stage-3-2", "stage-2-1", "stage-9-9", "what"] {
        assert_eq!(bench.operates(set_aside(another)).unwrap_err().code(), "event_not_refused");
    }
    bench.operates(set_aside("stage-3-1")).unwrap();
    let again = bench.operates(set_aside("stage-3-1")).unwrap_err();
    assert_eq!((again.code(), bench.dead_letters().len()), ("event_not_refused", 1), "the relay has not moved yet");
    bench.runs();
    let others: Vec<i64> = numbers(12).into_iter().filter(|total| *total != 8).collect();
    assert_eq!((bench.totals(), bench.relay.refused(), bench.relay.mark()), (others.clone(), None, 4));
    let dead = bench.dead_letters().pop().expect("a dead letter");
    assert_eq!((&*dead.consumer, &*dead.name, dead.state), ("relay", "tally.counted", DeadLetterState::Dead));
    assert_eq!((dead.segment, dead.segment_index), (3, 1));
    assert_eq!(bench.stage.rows::<AuditRow>().len(), 1);

    // It is refused once more: it is a dead letter again, and holds up nothing.
    bench.operates(Action::Redrive { dead_letter: dead.id.clone() }).unwrap();
    assert_eq!(bench.dead_letters()[0].state, DeadLetterState::Redriving);
    bench.commits(1);
    bench.retries(3);
    let again = bench.dead_letters().pop().expect("a dead letter");
    assert_eq!((again.state, again.attempts), (DeadLetterState::Dead, 2));
    assert_eq!((bench.totals().last(), bench.relay.mark()), (Some(&13), 5));
    let edit = Action::EditAndRedrive { dead_letter: dead.id.clone(), message: Arc::from(*b"{}") };
    assert_eq!(bench.operates(edit).unwrap_err().code(), "dead_letter_in_log");

    // The broker is mended. A process that dies meanwhile publishes it all the same.
    bench.broker.refuse(None);
    bench.operates(Action::Redrive { dead_letter: dead.id }).unwrap();
    bench = bench.restart(&Limits::default());
    bench.runs();
    assert_eq!((bench.totals().last(), bench.totals().len()), (Some(&8), 13));
    assert_eq!(bench.dead_letters()[0].state, DeadLetterState::Redriven);
}

#[test]
fn what_was_set_aside_is_not_published_after_a_restart_before_its_mark() {
    let limits = Limits { mark_every_segments: 1_000, ..Limits::default() };
    let mut bench = Bench::new(&limits);
    (0..3).for_each(|_| bench.commits(2));
    refuses(&bench, 2);
    bench.retries(10);
    bench.operates(Action::SetAside { event: id("stage-1-1"), reason: "too large".into() }).unwrap();
    // Before the relay has moved.
    let mut bench = bench.restart(&limits);
    bench.runs();
    assert_eq!((bench.totals(), bench.relay.refused()), (vec![1, 1, 3, 4, 5, 6], None));
}

#[test]
fn a_refused_event_that_the_broker_takes_after_all_goes_on_by_itself() {
    let mut bench = Bench::new(&Limits::default());
    bench.commits(6);
    refuses(&bench, 3);
    bench.retries(10);
    assert!(bench.relay.refused().is_some());
    bench.broker.refuse(None);
    bench.runs();
    assert_eq!((bench.totals(), bench.relay.refused()), (numbers(6), None));
    let set_aside = Action::SetAside { event: id("stage-1-2"), reason: "too late".into() };
    assert_eq!(bench.operates(set_aside).unwrap_err().code(), "event_not_refused");
}

#[test]
fn a_broker_that_routes_by_type_gets_type_and_id_and_another_gets_neither() {
    let by_source = Routing::by_source("test");
    for (routing, expected) in [
        (by_source.clone(), (None, None, None)),
        (by_source.route_by_type(), (Some("tally.counted"), Some("stage-1-0"), Some(2))),
    ] {
        let limits = Limits::default();
        let stage = Stage::with([toy::tally()], toy::registry(), limits.clone());
        let mut bench = Bench::routed(stage, MemoryBroker::new(), &limits, routing);
        bench.commits(1);
        bench.relay.take(&mut bench.buffer);
        assert_eq!(bench.relay.next(bench.now), RelayStep::Publish);
        let BrokerMessage { routing_key, properties, .. } = &bench.relay.call()[0];
        let carried = (routing_key.as_deref(), properties.message_id.as_deref(), properties.delivery_mode);
        assert_eq!(carried, expected);
    }
}
