//! A resumed consumer catches up in order while messages keep coming: there is always a batch with the writer and
//! something in line.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use proptest::prelude::*;
use tradewind_engine::{
    CommandMessage, Context, Core, EngineTime, Entity, Formed, Limits, Message, Received, Sealed, Setup, StoredAnswer,
    operator::{Action, Operator},
    ports::{CommitError, Writer},
};
use tradewind_events::{Envelope, Event, Id, KeyText, id};
use tradewind_testkit::{CountedIds, ManualClock, MemoryStore};

use crate::toy::{self, Changed, Happened, Image, add};

struct Bench {
    core: Core,
    store: MemoryStore,
    clock: ManualClock,
    writer: Box<dyn Writer>,
    writing: Option<Sealed>,
    /// What `mirror` has repeated in durable batches, by name.
    mirrored: BTreeMap<Id, Vec<i64>>,
    /// Commands are for so many names in turn.
    names: i64,
    asked: i64,
    /// Received events that wait for an image.
    waiting: usize,
}

const NAMES: i64 = 7;

impl Bench {
    fn new(limits: Limits) -> Self {
        Self::over(MemoryStore::new(), limits)
    }

    fn over(store: MemoryStore, limits: Limits) -> Self {
        let ((epoch, writer), clock) = (store.own(), ManualClock::default());
        let core = Core::new(Setup {
            store_name: "load".into(),
            epoch,
            services: vec![toy::tally(), toy::quiet_mirror()],
            registry: toy::registry(),
            reader: Arc::new(store.clone()),
            clock: EngineTime::new(Arc::new(clock.clone())),
            ids: Box::new(CountedIds::new(&format!("id{epoch}"))),
            limits,
            observer: Arc::new(()),
            log_remote: false,
        })
        .expect("the store in memory can be read");
        Self {
            core,
            store,
            clock,
            writer: Box::new(writer),
            writing: None,
            mirrored: BTreeMap::new(),
            names: NAMES,
            asked: 0,
            waiting: 0,
        }
    }

    fn context() -> Context {
        Context { request_id: id("r"), correlation_id: id("r"), traceparent: None }
    }

    /// So many commands arrive, for one name after the other.
    fn asks(&mut self, commands: i64) {
        for _ in 0..commands {
            // Never an unlucky total.
            let command = add(&format!("n{}", self.asked % self.names), 3);
            self.asked += 1;
            let message = CommandMessage::new(command, Self::context(), |_| StoredAnswer::default());
            self.core.accept(Message::Command(message));
        }
    }

    fn operates(&mut self, action: Action) {
        let operator = Operator { actor: "operator".into(), action };
        let message = CommandMessage::operator(operator, Self::context(), |_| StoredAnswer::default());
        self.core.accept(Message::Command(message));
    }

    fn pauses(&mut self) {
        self.operates(Action::Pause { consumer: id("mirror"), reason: "repair".into() });
    }

    fn resumes(&mut self) {
        self.operates(Action::Resume { consumer: id("mirror") });
    }

    /// The store refuses the next batch.
    fn refuses(&self) {
        let (table, reason) = ("(any)".to_owned(), "simulated".to_owned());
        self.store.fail_next_commit(CommitError::Constraint { table, reason });
    }

    /// Runs what waits into the open batch, then lets the writer finish the one before and hands this one over.
    fn turns(&mut self) {
        assert!(self.core.take_jobs().expect("the store in memory can be read").is_empty(), "no service asks for one");
        self.core.extend(usize::MAX).expect("the store in memory can be read");
        if !self.writes() {
            return;
        }
        match self.core.close() {
            Formed::Nothing => {}
            Formed::Unchanged => {
                let settled = self.core.settled();
                self.sees(&settled);
            }
            Formed::Batch(sealed) => self.writing = Some(sealed),
        }
    }

    /// The writer finishes. `false`: the store has refused the batch.
    fn writes(&mut self) -> bool {
        let Some(sealed) = self.writing.take() else { return true };
        match self.writer.commit(&sealed.encode().expect("it can be encoded")) {
            Ok(()) => {
                let settled = self.core.committed();
                self.sees(&settled);
                true
            }
            Err(error) => {
                self.core.failed(error).expect("a message is at fault");
                false
            }
        }
    }

    fn sees(&mut self, settled: &[tradewind_engine::Committed]) {
        for event in settled.iter().flat_map(|batch| batch.events.iter()) {
            if let Some(changed) = event.envelope.event.as_any().downcast_ref::<Changed>() {
                self.mirrored.entry(changed.name.clone()).or_default().push(changed.total);
            }
        }
    }

    fn finishes(&mut self) {
        // A core that is never done is a core that is busy for nothing.
        for _ in 0..10_000 {
            let is_due = self.core.next_due() <= self.clock.now();
            if self.core.waiting() == 0 && self.core.in_flight() == 0 && !is_due {
                return;
            }
            self.turns();
        }
        panic!("{} wait, {} are parked, and it is never done", self.core.waiting(), self.core.parked());
    }

    /// Each name was mirrored as often as it was counted, in order.
    fn judges(&self) {
        for nth in 0..self.names.min(self.asked) {
            let times = self.asked / self.names + i64::from(nth < self.asked % self.names);
            let totals = &self.mirrored[&id(&format!("n{nth}"))];
            judge(&id(&format!("n{nth}")), totals);
            assert_eq!(totals.last(), Some(&(3 * times)), "n{nth}");
        }
    }
}

fn judge(name: &Id, totals: &[i64]) {
    let wrong = totals.iter().zip(1..).find(|(total, time)| **total != 3 * time);
    assert_eq!(wrong, None, "{name}: a total, and how many it is");
}

/// Turns under load until nothing is parked any more.
fn turns_until_caught_up(bench: &mut Bench, commands: i64, turns_max: u32) -> u32 {
    for turn in 1..=turns_max {
        bench.asks(commands);
        bench.turns();
        assert!(bench.core.in_flight() > 0);
        if bench.core.parked() == 0 {
            return turn;
        }
    }
    panic!("{} are parked after {turns_max} turns", bench.core.parked())
}

#[test]
fn a_resumed_consumer_catches_up_in_order_while_messages_keep_coming() {
    for limits in [
        Limits::default(),
        Limits { batch_messages_max: 50, ..Limits::default() },
        Limits { cache_bytes_max: 0, batch_messages_max: 50, ..Limits::default() },
    ] {
        let messages_max = i64::try_from(limits.batch_messages_max).unwrap();
        let mut bench = Bench::new(limits);
        bench.pauses();
        bench.asks(2_000);
        for _ in 0..20 {
            bench.turns();
        }
        bench.resumes();
        // As much comes as a batch takes, so there is always something in line.
        turns_until_caught_up(&mut bench, messages_max.min(200), 2_000);
        // From now on it hears everything at once, as long as the load goes on.
        for _ in 0..20 {
            bench.asks(10);
            bench.turns();
            assert_eq!(bench.core.parked(), 0);
        }
        bench.finishes();
        bench.judges();
    }
}

#[test]
fn a_consumer_that_is_paused_again_or_whose_batch_is_refused_keeps_its_order() {
    let mut bench = Bench::new(Limits { batch_messages_max: 20, ..Limits::default() });
    bench.pauses();
    bench.asks(300);
    for turn in 0..200 {
        match turn % 23 {
            3 => bench.resumes(),
            9 if turn < 150 => bench.pauses(),
            5 | 12 => bench.refuses(),
            _ => {}
        }
        bench.asks(4);
        bench.turns();
    }
    bench.resumes();
    bench.finishes();
    assert_eq!(bench.core.parked(), 0);
    bench.judges();
}

#[test]
fn a_consumer_that_had_not_caught_up_before_a_restart_goes_on_after_it() {
    let mut bench = Bench::new(Limits { batch_messages_max: 20, ..Limits::default() });
    bench.pauses();
    bench.asks(500);
    bench.turns();
    bench.resumes();
    for _ in 0..30 {
        bench.turns();
    }
    assert!(bench.core.parked() > 0 && bench.core.in_flight() > 0);
    // What was with the writer is lost; those who asked ask again.
    let (mirrored, store) = (std::mem::take(&mut bench.mirrored), bench.store.clone());
    let mut bench = Bench::over(store, Limits { batch_messages_max: 20, ..Limits::default() });
    bench.mirrored = mirrored;
    for _ in 0..200 {
        bench.asks(4);
        bench.turns();
    }
    bench.finishes();
    assert_eq!(bench.core.parked(), 0);
    bench.mirrored.iter().for_each(|(name, totals)| judge(name, totals));
}

#[test]
fn a_stop_leaves_what_is_parked_to_the_next_start() {
    let limits = Limits { in_line_max: 10, ..Limits::default() };
    let mut bench = Bench::new(limits.clone());
    bench.pauses();
    bench.asks(500);
    bench.finishes();
    bench.resumes();
    bench.turns();
    bench.core.stop();
    bench.finishes();
    assert!(bench.core.parked() >= 450, "{} are still parked", bench.core.parked());
    let (mirrored, store) = (std::mem::take(&mut bench.mirrored), bench.store.clone());
    let mut bench = Bench { mirrored, asked: 500, ..Bench::over(store, limits) };
    bench.finishes();
    assert_eq!(bench.core.parked(), 0);
    bench.judges();
}

/// What can happen to a consumer, its operator and its writer.
#[derive(Debug, Clone)]
enum Step {
    Asks(i64),
    /// A received event waits for the image of this name.
    Waits(i64),
    Pauses,
    Resumes,
    /// The store refuses the batch that is with the writer, before or after the next one is formed.
    Refuses {
        forms: bool,
    },
    Passes(Duration),
    Turns,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..6_i64).prop_map(Step::Asks),
        1 => (0..NAMES).prop_map(Step::Waits),
        2 => Just(Step::Pauses),
        2 => Just(Step::Resumes),
        1 => any::<bool>().prop_map(|forms| Step::Refuses { forms }),
        2 => (0..2_000_u64).prop_map(|ms| Step::Passes(Duration::from_millis(ms))),
        6 => Just(Step::Turns),
    ]
}

impl Bench {
    fn happens(&mut self, step: &Step) {
        match step {
            Step::Asks(commands) => self.asks(*commands),
            Step::Waits(nth) => {
                self.waiting += 1;
                let (name, after) =
                    (id(&format!("waiting-{}", self.waiting)), Some(id(&format!("n{}", nth % self.names))));
                let event = Happened { name: name.clone(), after };
                let envelope = Envelope {
                    source: KeyText::literal("far"),
                    subject: Event::subject(&event),
                    key: Event::key(&event).clone(),
                    time: self.clock.now(),
                    sequence: 1,
                    correlation_id: name.clone(),
                    causation_id: None,
                    traceparent: None,
                    id: name,
                    event: Arc::new(event),
                };
                self.core.accept(Message::Received(Received { envelope: Arc::new(envelope), receipt: None }));
            }
            Step::Pauses => self.pauses(),
            Step::Resumes => self.resumes(),
            // One alone would be at fault itself.
            Step::Refuses { .. } if self.writing.as_ref().is_none_or(|batch| batch.messages() == 1) => {}
            Step::Refuses { forms } => {
                self.refuses();
                if *forms {
                    self.core.extend(usize::MAX).expect("the store in memory can be read");
                }
                self.writes();
            }
            Step::Passes(time) => self.clock.advance(*time),
            Step::Turns => self.turns(),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever is parked is handled once its consumer goes on for good, in order, and nothing is left.
    #[test]
    fn nothing_is_left_behind(
        steps in proptest::collection::vec(step(), 0..80),
        in_line_max in prop_oneof![Just(2_usize), Just(3), Just(1_024)],
        batch_messages_max in prop_oneof![Just(1_usize), Just(4), Just(1_024)],
        cache_bytes_max in prop_oneof![Just(0_usize), Just(64 * 1024 * 1024)],
        cache_forgets in any::<bool>(),
        names in prop_oneof![Just(1), Just(NAMES)],
    ) {
        let limits = Limits { in_line_max, batch_messages_max, cache_bytes_max, cache_forgets, ..Limits::default() };
        let mut bench = Bench { names, ..Bench::new(limits) };
        for step in &steps {
            bench.happens(step);
        }
        // Each name has an image in the end, so nobody waits for ever.
        bench.asks(NAMES);
        bench.resumes();
        bench.finishes();
        bench.clock.advance(Duration::from_mins(2));
        bench.finishes();
        prop_assert_eq!(bench.core.parked(), 0);
        bench.judges();
        let images = bench.store.rows(Image::TABLE);
        let images = images.iter().map(|row| Image::from_row(&row.values).expect("an image can be read").name);
        prop_assert_eq!(images.filter(|name| name.as_str().starts_with("waiting-")).count(), bench.waiting);
    }
}

#[test]
fn a_pause_and_a_resumption_among_messages_that_are_retried_keep_their_order() {
    for turns in 0..12 {
        for batch_messages_max in [2, 3, 4, 5, 8] {
            let limits = Limits { batch_messages_max, cache_forgets: true, cache_bytes_max: 0, ..Limits::default() };
            let mut bench = Bench { names: 1, ..Bench::new(limits) };
            bench.pauses();
            bench.asks(60);
            for _ in 0..40 {
                bench.turns();
            }
            bench.resumes();
            (0..turns).for_each(|_| bench.turns());
            bench.pauses();
            bench.resumes();
            bench.finishes();
            assert_eq!(bench.core.parked(), 0);
            bench.judges();
        }
    }
}

#[test]
fn what_is_refused_again_and_again_while_a_consumer_catches_up_keeps_its_order() {
    // Whether the next batch is formed when one is refused, for five refusals.
    for pattern in 0..32_u32 {
        for turns in 1..4 {
            let limits = Limits { batch_messages_max: 32, ..Limits::default() };
            let mut bench = Bench { names: 1, ..Bench::new(limits) };
            bench.pauses();
            bench.asks(100);
            (0..20).for_each(|_| bench.turns());
            bench.resumes();
            (0..turns).for_each(|_| bench.turns());
            for nth in 0..5 {
                bench.happens(&Step::Refuses { forms: pattern & (1 << nth) != 0 });
                bench.turns();
            }
            bench.finishes();
            assert_eq!(bench.core.parked(), 0);
            bench.judges();
        }
    }
}
