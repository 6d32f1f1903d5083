//! Handlers run by hand do what they do in the engine.

use tradewind_engine::{
    Entity, EntityRef, Stop,
    handlers::{Done, Handlers, Moment, Rows},
    tables::{JobRow, TimerRow},
};
use tradewind_events::{AsKey, Timestamp, id, row_key};

use crate::toy::{self, Add, Count, POISON, Remind, Ring, add};

/// One service with the rows that it has made.
struct Alone {
    handlers: Handlers,
    rows: Rows,
    moment: Moment,
}

impl Alone {
    fn new() -> Self {
        Self { handlers: Handlers::new(toy::tally()), rows: Rows::new(), moment: Moment::default() }
    }

    fn keep(&mut self, done: Done) -> Vec<u64> {
        for (key, row) in done.rows {
            match row {
                Some(row) => self.rows.insert(key, row),
                None => self.rows.remove(&key),
            };
        }
        done.said.iter().map(|said| said.sequence).collect()
    }

    fn add(&mut self, add: &Add) -> Result<(i64, Vec<u64>), Stop> {
        let (done, answer) = self.handlers.ask(&self.rows, self.moment, add)?;
        Ok((answer, self.keep(done)))
    }

    fn row<E: Entity>(&self, key: impl AsKey) -> Option<&E> {
        let row = self.rows.get(&EntityRef { table: E::TABLE.name, key: key.as_key() });
        row.and_then(|row| row.entity.as_any().downcast_ref())
    }
}

#[test]
fn a_handler_run_by_hand_answers_writes_and_says_what_it_does_in_the_engine() {
    let (mut alone, mut stage) = (Alone::new(), toy::stage());
    for (nth, amount) in (1..).zip([3, 4]) {
        let answer = stage.ask(add("a", amount)).unwrap();
        assert_eq!(alone.add(&add("a", amount)).unwrap(), (answer, vec![nth]));
    }
    assert_eq!(alone.row::<Count>(id("a")), stage.row::<Count>(id("a")).as_ref());
    assert!(matches!(alone.add(&add("a", 0)), Err(Stop::Refused(problem)) if problem.code() == "too_small"));
}

#[test]
fn timers_and_jobs_are_rows_that_go_when_they_are_told() {
    let mut alone = Alone::new();
    let at = Some(Timestamp::from_millis(60_000));
    let (done, ()) = alone.handlers.ask(&alone.rows, alone.moment, &Remind { name: id("a"), at }).unwrap();
    alone.keep(done);
    let (done, ()) = alone.handlers.ask(&alone.rows, alone.moment, &Ring { name: id("b") }).unwrap();
    alone.keep(done);

    let timer: TimerRow = alone.row(row_key(&["tally", "reminder", "a"])).cloned().unwrap();
    let done = alone.handlers.fire(&alone.rows, alone.moment, &timer).unwrap();
    assert_eq!(alone.keep(done), [1]);
    let job: JobRow = alone.row(id("b")).cloned().unwrap();
    let broken = alone.handlers.finish(&alone.rows, alone.moment, &job, &POISON.to_string());
    assert!(matches!(broken, Err(Stop::Broken(reason)) if reason.contains("the bell is broken")));
    let done = alone.handlers.finish(&alone.rows, alone.moment, &job, "5").unwrap();
    alone.keep(done);

    assert_eq!(alone.row::<Count>(id("a")).unwrap().total, 1);
    assert_eq!(alone.row::<Count>(id("b")).unwrap().total, 5);
    assert_eq!(alone.rows.len(), 2);
}
