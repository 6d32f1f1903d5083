//! The thread of the relay: does what [`Relay`] says, with a broker and the log.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering, mpsc};

use super::{BrokerThreads, Input, Shared};
use crate::{
    Logged, Message, Relay, RelayBuffer, RelayOrder, RelayStep,
    observe::Stopwatch,
    ports::{Broker, StoreError},
};

/// The side of the loop. When it is dropped the relay ends.
pub(super) struct RelayThread {
    buffer: Arc<Mutex<RelayBuffer>>,
    wake: mpsc::SyncSender<()>,
}

impl RelayThread {
    pub fn start(
        shared: &Arc<Shared>,
        mut relay: Relay,
        mut broker: Box<dyn Broker>,
        threads: &mut BrokerThreads,
    ) -> Result<Self, StoreError> {
        let buffer = RelayBuffer::new(shared.reader.last_segment()?, shared.limits.relay_bytes_max);
        let buffer = Arc::new(Mutex::new(buffer));
        let (wake, woken) = mpsc::sync_channel(1);
        let (here, taken) = (Arc::clone(shared), Arc::clone(&buffer));
        threads.spawn(shared, "relay", move || {
            publish(&here, &mut relay, &mut *broker, &taken, &woken);
            here.tell(Input::RelayEnded);
        });
        Ok(Self { buffer, wake })
    }

    /// A segment is durable.
    pub fn committed(&self, segment: u64, events: &Arc<[Logged]>) {
        lock(&self.buffer).push(segment, events);
        self.wake();
    }

    /// An operator has decided about events.
    pub fn order(&self, orders: Vec<RelayOrder>) {
        if !orders.is_empty() {
            lock(&self.buffer).order(orders);
            self.wake();
        }
    }

    /// It looks whether the engine stops, or something is committed.
    pub fn wake(&self) {
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
    relay: &mut Relay,
    broker: &mut dyn Broker,
    buffer: &Mutex<RelayBuffer>,
    woken: &mpsc::Receiver<()>,
) {
    let (clock, mut told) = (Stopwatch::start(), None);
    loop {
        if shared.is_stopping() {
            relay.stop();
        }
        relay.take(&mut lock(buffer));
        if relay.refused() != told.as_ref() {
            told = relay.refused().cloned();
            shared.tell(Input::Refused(told.clone()));
        }
        match relay.next(clock.read()) {
            RelayStep::Publish => {
                let answer = broker.publish(relay.call());
                relay.published(answer, clock.read());
                shared.published.store(relay.mark(), Ordering::Release);
            }
            RelayStep::Read { from, segments_max } => {
                relay.read(shared.reader.segments(from, segments_max), clock.read());
            }
            RelayStep::SaveMark { segment } => {
                shared.published.store(segment, Ordering::Release);
                if shared.send(Message::Published { segment }).is_err() {
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
