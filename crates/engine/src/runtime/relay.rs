//! The threads of the relays: each does what its [`Relay`] says, with its broker and the log.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};

use super::{BrokerThreads, Input, Shared, broker::Calls};
use crate::{
    Logged, Message, Relay, RelayBuffer, RelayOrder, RelayStep,
    observe::Stopwatch,
    ports::{Broker, StoreError},
};

/// The side of the loop, by the numbers of the brokers: none of a relay that has ended.
pub(super) struct Relays(Vec<Option<RelayThread>>);

impl Relays {
    pub fn start(
        shared: &Arc<Shared>,
        relays: Vec<(Relay, Box<dyn Broker>)>,
        threads: &mut BrokerThreads,
    ) -> Result<Self, StoreError> {
        let numbered = relays.into_iter().enumerate();
        let start = |(broker, relay)| RelayThread::start(shared, broker, relay, threads).map(Some);
        Ok(Self(numbered.map(start).collect::<Result<_, _>>()?))
    }

    /// A segment is durable.
    pub fn committed(&self, segment: u64, events: &Arc<[Logged]>) {
        for relay in self.0.iter().flatten() {
            lock(&relay.buffer).push(segment, events);
            relay.wake();
        }
    }

    /// An operator has decided about events. A relay that has ended reads it from the store after the next start.
    pub fn order(&self, orders: Vec<RelayOrder>) {
        for order in orders {
            if let Some(relay) = self.0.get(order.broker()).and_then(Option::as_ref) {
                lock(&relay.buffer).order(vec![order]);
                relay.wake();
            }
        }
    }

    /// They look whether the engine stops.
    pub fn wake(&self) {
        self.0.iter().flatten().for_each(RelayThread::wake);
    }

    /// The relay of this broker has ended.
    pub fn ended(&mut self, broker: usize) {
        if let Some(relay) = self.0.get_mut(broker) {
            *relay = None;
        }
    }

    /// The numbers of the brokers whose relays have not ended.
    pub fn running(&self) -> impl Iterator<Item = usize> {
        self.0.iter().enumerate().filter_map(|(broker, relay)| relay.is_some().then_some(broker))
    }

    /// All end, as soon as their brokers answer.
    pub fn leave(&mut self) {
        self.0.clear();
    }
}

/// One of them. When it is dropped the relay ends.
struct RelayThread {
    buffer: Arc<Mutex<RelayBuffer>>,
    wake: mpsc::SyncSender<()>,
}

impl RelayThread {
    fn start(
        shared: &Arc<Shared>,
        number: usize,
        (mut relay, mut broker): (Relay, Box<dyn Broker>),
        threads: &mut BrokerThreads,
    ) -> Result<Self, StoreError> {
        let buffer = RelayBuffer::new(shared.reader.last_segment()?, shared.brokers[number].limits.relay_bytes_max);
        let buffer = Arc::new(Mutex::new(buffer));
        let (wake, woken) = mpsc::sync_channel(1);
        let (here, taken) = (Arc::clone(shared), Arc::clone(&buffer));
        threads.spawn(shared, "relay", number, move || {
            publish(&here, number, (&mut relay, &mut *broker), &taken, &woken);
            here.tell(Input::RelayEnded(number));
        });
        Ok(Self { buffer, wake })
    }

    /// It looks whether the engine stops, or something is committed.
    fn wake(&self) {
        // A full line means that it will look anyway.
        if let Err(mpsc::TrySendError::Disconnected(())) = self.wake.try_send(()) {
            tracing::debug!("the relay has ended");
        }
    }
}

fn lock(buffer: &Mutex<RelayBuffer>) -> MutexGuard<'_, RelayBuffer> {
    buffer.lock().unwrap_or_else(PoisonError::into_inner)
}

fn publish(
    shared: &Shared,
    number: usize,
    (relay, broker): (&mut Relay, &mut dyn Broker),
    buffer: &Mutex<RelayBuffer>,
    woken: &mpsc::Receiver<()>,
) {
    let (clock, mut told, status) = (Stopwatch::start(), None, &shared.brokers[number]);
    relay.returned(broker.returned());
    loop {
        if shared.is_stopping() {
            relay.stop();
        }
        relay.take(&mut lock(buffer));
        if relay.refused() != told.as_ref() {
            told = relay.refused().cloned();
            shared.tell(Input::Refused(number, told.clone()));
        }
        match relay.next(clock.read()) {
            RelayStep::Publish => {
                let answer = broker.publish(relay.call());
                status.answered(Calls::Publish, answer.as_ref().map_err(|(_, error)| error));
                relay.published(answer, clock.read());
                relay.returned(broker.returned());
                status.published(relay.mark());
            }
            RelayStep::Read { from, segments_max } => {
                relay.read(shared.reader.segments(from, segments_max), clock.read());
            }
            RelayStep::SaveMark { segment } => {
                status.published(segment);
                if shared.send(Message::Published { broker: number, segment }).is_err() {
                    return;
                }
            }
            RelayStep::Republished { dead_letter, refused } => {
                if shared.send(Message::Republished { dead_letter, refused }).is_err() {
                    return;
                }
            }
            RelayStep::Wait { until } => {
                let ended = match until {
                    None => woken.recv().is_err(),
                    Some(until) => {
                        let waited = woken.recv_timeout(until.saturating_sub(clock.read()));
                        waited == Err(mpsc::RecvTimeoutError::Disconnected)
                    }
                };
                if ended {
                    return;
                }
            }
            RelayStep::Ended => return,
        }
    }
}
