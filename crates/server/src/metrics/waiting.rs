//! What waits: for a batch, for a broker, for a fact, for an operator; how much, and for how long the oldest has.

use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::{family::Family, gauge::Gauge};
use tradewind_engine::{
    BrokerStatus, Entity, Status, StoredRow,
    ports::{Direction, List, Reader, StoreError},
    tables::{ConsumerRow, DeadLetterRow, DeadLetterState, JobRow, JobState, ParkedRow, TimerRow},
};
use tradewind_events::{KeyText, TextEnum, Timestamp, Value};
use tradewind_orders::{Order, Step, owed_step};

use super::{Labels, StoreSize, book::Book};
use crate::config::Config;

/// What waits in the store is counted up to here.
const COUNTED_MAX: u32 = 1_000;

/// Taken whenever somebody asks.
#[derive(Default)]
pub struct WaitingFigures {
    waiting: Gauge,
    in_flight: Gauge,
    parked: Gauge,
    segment: Gauge,
    unpublished: Gauge,
    refused: Gauge,
    held: Gauge,
    stopped: Gauge,
    damaged: Gauge,
    dead: Gauge,
    jobs_waiting: Gauge,
    jobs_owed: Gauge,
    paused: Gauge,
    lag: Family<Labels<1>, Seconds>,
    broker_unpublished: OfBrokers,
    broker_refused: OfBrokers,
    broker_paused: OfBrokers,
}

/// By the name of a broker. Their number is bounded, and names are configured.
type OfBrokers = Family<[(&'static str, String); 1], Gauge>;

/// A gauge of seconds.
pub(super) type Seconds = Gauge<f64, AtomicU64>;

/// What waits for an operator.
#[derive(Debug, Clone, Default)]
pub struct Owed {
    pub dead_letters: usize,
    pub jobs: usize,
    /// Names of services and brokers.
    pub paused: Vec<String>,
}

/// All that waits in the store.
#[derive(Debug, Clone, Default)]
pub struct Waiting {
    pub(super) owed: Owed,
    jobs: usize,
    /// A read has met damage, or the file is gone.
    damaged: bool,
    /// Since when the oldest waits, of each kind.
    lag: Vec<(&'static str, f64)>,
    /// By broker: for how long the oldest segment waits that it has not acknowledged.
    pub(super) relays: Vec<(KeyText, f64)>,
    pub(super) store: StoreSize,
}

impl WaitingFigures {
    pub fn new(book: &mut Book) -> Self {
        let figures = Self::default();
        for (gauge, name, help) in [
            (&figures.waiting, "waiting", "Messages that wait for a batch"),
            (&figures.in_flight, "batches_in_flight", "Batches that are not durable yet"),
            (&figures.parked, "parked", "Messages that wait for a fact, or for their service to be resumed"),
            (&figures.segment, "log_segment", "The last segment of the event log"),
            (&figures.unpublished, "unpublished_segments", "Segments that not every broker has acknowledged yet"),
            (&figures.held, "deadlines_held", "1 when deadlines are held"),
            (
                &figures.refused,
                "refused_event_bytes",
                "Size of the largest event that a broker refuses, and that holds up all after it there; 0 without one",
            ),
            (&figures.stopped, "stopped", "1 when the engine has stopped by itself"),
            (&figures.damaged, "store_damaged", "1 when a read has met damage in the store, or its file is gone"),
            (&figures.dead, "dead_letters", "Dead letters that nobody has decided on; counted up to 1000"),
            (&figures.jobs_waiting, "jobs_waiting", "Jobs that are done or tried again later; counted up to 1000"),
            (&figures.jobs_owed, "jobs_owed", "Jobs whose attempts are used up; counted up to 1000"),
            (&figures.paused, "consumers_paused", "Services and subscriptions that are paused"),
        ] {
            book.add(name, &[], help, gauge.clone());
        }
        let help = "For how long the oldest has waited: of what is unpublished, parked, dead, overdue timers and jobs, and \
                    orders that wait for a service (of the 1000 that wait longest)";
        book.add("lag_seconds", &["of"], help, figures.lag.clone());
        for (family, name, help) in [
            (
                &figures.broker_unpublished,
                "broker_unpublished_segments",
                "Segments that this broker has not acknowledged yet",
            ),
            (
                &figures.broker_refused,
                "broker_refused_event_bytes",
                "Size of the event that this broker refuses, and that holds up all after it there; 0 without one",
            ),
            (&figures.broker_paused, "broker_paused", "1 when the subscription at this broker is paused"),
        ] {
            book.add(name, &["broker"], help, family.clone());
        }
        figures
    }

    pub fn set(&self, status: &Status, waiting: &Waiting) {
        let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        for (gauge, value) in [
            (&self.waiting, count(status.waiting)),
            (&self.in_flight, count(status.in_flight)),
            (&self.parked, count(status.parked)),
            (&self.segment, number(status.segment)),
            (&self.unpublished, number(status.segment.saturating_sub(status.published_segment))),
            (&self.held, i64::from(status.deadlines_held.is_some())),
            (&self.refused, count(status.brokers.iter().map(refused_bytes).max().unwrap_or(0))),
            (&self.stopped, i64::from(status.stopped.is_some())),
            (&self.damaged, i64::from(waiting.damaged)),
            (&self.dead, count(waiting.owed.dead_letters)),
            (&self.jobs_waiting, count(waiting.jobs)),
            (&self.jobs_owed, count(waiting.owed.jobs)),
            (&self.paused, count(waiting.owed.paused.len())),
        ] {
            gauge.set(value);
        }
        for (of, seconds) in &waiting.lag {
            self.lag.get_or_create(&[("of", of)]).set(*seconds);
        }
        for broker in &status.brokers {
            for (family, value) in [
                (&self.broker_unpublished, number(status.segment.saturating_sub(broker.published_segment))),
                (&self.broker_refused, count(refused_bytes(broker))),
                (&self.broker_paused, i64::from(broker.paused)),
            ] {
                family.get_or_create(&[("broker", broker.name.to_string())]).set(value);
            }
        }
    }
}

impl Owed {
    pub fn read(reader: &dyn Reader) -> Result<Self, StoreError> {
        let paused = List::of(ConsumerRow::TABLE, COUNTED_MAX).equal("paused", Value::Int(1));
        let rows = reader.list(&paused)?;
        let names = rows.iter().map(read::<ConsumerRow>).collect::<Result<Vec<_>, _>>()?.into_iter();
        Ok(Self {
            dead_letters: reader.list(&dead(COUNTED_MAX))?.len(),
            jobs: reader.list(&jobs(JobState::Exhausted, COUNTED_MAX))?.len(),
            paused: names.map(|consumer| consumer.name.to_string()).collect(),
        })
    }
}

impl Waiting {
    /// As of now.
    pub fn read(reader: &dyn Reader, status: &Status, now: Timestamp, config: &Config) -> Result<Self, StoreError> {
        let since = |at: Option<Timestamp>| at.map_or(0.0, |at| now.since(at).as_secs_f64());
        let unpublished = |published: u64| -> Result<f64, StoreError> {
            let first = if published < status.segment { reader.segments(published + 1, 1)? } else { Vec::new() };
            Ok(since(first.first().map(|segment| segment.committed_at)))
        };
        let relay = |broker: &BrokerStatus| Ok((broker.name.clone(), unpublished(broker.published_segment)?));
        let relays = status.brokers.iter().map(relay).collect::<Result<_, StoreError>>()?;
        let parked = first(reader, List::of(ParkedRow::TABLE, 1), "parked_at", |row: ParkedRow| row.parked_at)?;
        let dead = first(reader, dead(1), "died_at", |row: DeadLetterRow| row.died_at)?;
        let timer = first(reader, List::of(TimerRow::TABLE, 1), "due_at", |row: TimerRow| row.due_at)?;
        let job = first(reader, jobs(JobState::Waiting, 1), "due_at", |row: JobRow| row.due_at)?;
        Ok(Self {
            owed: Owed::read(reader)?,
            jobs: reader.list(&jobs(JobState::Waiting, COUNTED_MAX))?.len(),
            damaged: reader.fault().is_some(),
            lag: vec![
                ("publishing", unpublished(status.published_segment)?),
                ("parked", since(parked)),
                ("dead_letters", since(dead)),
                ("timers", since(timer)),
                ("jobs", since(job)),
                ("sagas", since(stuck(reader, now)?)),
            ],
            relays,
            store: StoreSize::read(config),
        })
    }
}

/// Zero when it refuses none.
fn refused_bytes(broker: &BrokerStatus) -> usize {
    broker.refused.as_ref().map_or(0, |event| event.bytes)
}

/// Since when an order waits for a step that a service takes by itself: not for people who pay, pack or deliver, nor for an
/// operator.
fn stuck(reader: &dyn Reader, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
    let waiting = List::of(Order::TABLE, COUNTED_MAX).at_most("waits_since", Value::Int(now.as_millis()));
    let rows = reader.list(&waiting.order_by("waits_since", Direction::Ascending))?;
    let by_itself = |order: &Order| {
        owed_step(order).is_some_and(|(step, by)| {
            !matches!(step, Step::Dispatch | Step::Delivery) && !matches!(by, "external" | "operator")
        })
    };
    // A row that cannot be read hides none of the others.
    let mut orders = rows.iter().filter_map(|row| Order::from_row(&row.values).ok());
    Ok(orders.find(by_itself).and_then(|order| order.waits_since()))
}

fn dead(limit: u32) -> List {
    List::of(DeadLetterRow::TABLE, limit).equal("state", Value::Text(DeadLetterState::Dead.as_str().into()))
}

fn jobs(state: JobState, limit: u32) -> List {
    List::of(JobRow::TABLE, limit).equal("state", Value::Text(state.as_str().into()))
}

/// The earliest time in this column.
fn first<E: Entity>(
    reader: &dyn Reader,
    list: List,
    column: &'static str,
    at: impl Fn(E) -> Timestamp,
) -> Result<Option<Timestamp>, StoreError> {
    let rows = reader.list(&list.order_by(column, Direction::Ascending))?;
    Ok(rows.first().map(read::<E>).transpose()?.map(at))
}

/// A figure of rows that cannot be read would be a wrong one: the reason is logged in its place.
fn read<E: Entity>(row: &StoredRow) -> Result<E, StoreError> {
    let named = |error| StoreError::Rejected(format!("a row of {} cannot be read: {error}", E::TABLE.name));
    E::from_row(&row.values).map_err(named)
}
