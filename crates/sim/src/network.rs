//! What lies between the stores: messages on their way to each of them. A broker that delays, repeats and reorders,
//! and forgets nothing that was not acknowledged. What has taken effect it repeats for a while at most.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use tradewind_engine::ports::{BrokerMessage, Incoming, Position};
use tradewind_events::{Id, Timestamp};

use crate::{
    chance::Chance,
    fault::{Fault, Faults},
};

/// A message on its way to one store.
#[derive(Clone)]
pub struct Parcel {
    /// Of the event in it.
    event_id: Id,
    message: Arc<BrokerMessage>,
    /// Not delivered before this.
    ready_at: Timestamp,
    /// Delivered and not acknowledged.
    out: bool,
    /// It arrives broken.
    garbled: bool,
    /// It comes once more: what was published later does not wait for it.
    again: bool,
}

/// No moment that comes.
pub const NEVER: Timestamp = Timestamp::from_millis(i64::MAX);

/// Where rows of the inbox are forgotten after hours, the broker repeats a message no longer than this after its effect.
const REPEATED_MAX: Duration = Duration::from_hours(1);

/// The messages for one store, in the order in which they were published.
#[derive(Default)]
struct Inbox {
    parcels: BTreeMap<u64, Parcel>,
    /// Nothing is ready before this.
    quiet_until: Timestamp,
    /// The connection is lost, until the store polls.
    cut: bool,
}

pub struct Network {
    inboxes: Vec<Inbox>,
    faults: Faults,
    chance: Chance,
    next_position: u64,
    /// Also what one service says of one key comes in any order.
    unordered: bool,
    delay_ms_max: u64,
    /// What arrived broken, by store and position.
    garbled: BTreeMap<(usize, u64), Arc<BrokerMessage>>,
    /// A message comes again no longer than this after its effect, by the time of its store.
    repeats_for: Duration,
    /// When the effect of an event was committed in a store, by the time of that.
    received: BTreeMap<(usize, Id), Timestamp>,
    pub delivered: u64,
}

impl Network {
    pub fn new(seed: u64, stores: usize, faults: Faults, forgets_soon: bool) -> Self {
        let mut chance = Chance::new(seed, "network");
        Self {
            inboxes: (0..stores).map(|_| Inbox::default()).collect(),
            faults,
            next_position: 1,
            unordered: chance.percent(50),
            delay_ms_max: chance.pick(&[0, 20, 300, 5_000, 30_000]),
            garbled: BTreeMap::new(),
            repeats_for: if forgets_soon { REPEATED_MAX } else { Duration::MAX },
            received: BTreeMap::new(),
            delivered: 0,
            chance,
        }
    }

    /// A message is published to a store.
    pub fn send(&mut self, to: usize, (event_id, message): (&Id, &Arc<BrokerMessage>), now: Timestamp) {
        let parcel = Parcel {
            event_id: event_id.clone(),
            message: Arc::clone(message),
            ready_at: self.arrival(now),
            out: false,
            garbled: self.faults.strike(Fault::MessageGarbled),
            again: false,
        };
        let copy = self.faults.strike(Fault::MessageDuplicated).then(|| parcel.clone());
        self.put(to, parcel);
        if let Some(copy) = copy {
            let ready_at = now.plus(Duration::from_millis(self.chance.mostly_short(1, 1_800_000)));
            self.put(to, Parcel { ready_at, garbled: false, again: true, ..copy });
        }
    }

    fn arrival(&mut self, now: Timestamp) -> Timestamp {
        let mut delay_ms = 0;
        if self.faults.are_on() {
            delay_ms = self.chance.between(0, self.delay_ms_max);
        }
        if self.faults.strike(Fault::MessageDelayed) {
            delay_ms += self.chance.mostly_short(1_000, 3_600_000);
        }
        now.plus(Duration::from_millis(delay_ms))
    }

    fn put(&mut self, to: usize, parcel: Parcel) {
        let inbox = &mut self.inboxes[to];
        inbox.quiet_until = inbox.quiet_until.min(parcel.ready_at);
        inbox.parcels.insert(self.next_position, parcel);
        self.next_position += 1;
    }

    /// Whether something may be ready for a store.
    pub fn is_ready(&self, to: usize, now: Timestamp) -> bool {
        self.inboxes[to].quiet_until <= now && !self.inboxes[to].parcels.is_empty()
    }

    /// When the next message may be ready; never when none is on its way.
    pub fn next_at(&self, to: usize) -> Timestamp {
        let inbox = &self.inboxes[to];
        if inbox.parcels.is_empty() { NEVER } else { inbox.quiet_until }
    }

    /// A store, where it is `engine_now`, polls: it gets at most so many messages that are ready.
    pub fn poll(&mut self, to: usize, most: usize, now: Timestamp, engine_now: Timestamp) -> Vec<Incoming> {
        let mut ready = self.ready(to, now);
        ready.retain(|position| self.may_come(to, *position, engine_now));
        let mut deliveries = Vec::new();
        while deliveries.len() < most && !ready.is_empty() {
            let position = ready.swap_remove(self.chance.index(ready.len()));
            let lost = self.faults.strike(Fault::DeliveryLost);
            let again = now.plus(Duration::from_millis(self.chance.mostly_short(50, 60_000)));
            let Some(parcel) = self.inboxes[to].parcels.get_mut(&position) else { continue };
            if lost {
                parcel.ready_at = again;
                continue;
            }
            parcel.out = true;
            self.delivered += 1;
            let mut message = BrokerMessage::clone(&parcel.message);
            if parcel.garbled {
                message.body = message.body.map(|body| body[..body.len() / 2].to_vec());
            }
            deliveries.push(Incoming { message, position: Position(position.to_string()) });
            if parcel.garbled {
                self.garbled.insert((to, position), Arc::clone(&parcel.message));
            }
        }
        deliveries
    }

    /// The positions of what can be delivered now. Where order is kept, what was published later of the same service
    /// and key waits for its turn.
    fn ready(&mut self, to: usize, now: Timestamp) -> Vec<u64> {
        let unordered = self.unordered;
        let inbox = &mut self.inboxes[to];
        let mut before = BTreeSet::new();
        let mut ready = Vec::new();
        let mut next = NEVER;
        for (position, parcel) in inbox.parcels.iter().filter(|(_, parcel)| !parcel.out) {
            if !unordered && !parcel.again && !before.insert((&parcel.message.topic, &parcel.message.key)) {
                continue;
            }
            if parcel.ready_at <= now {
                ready.push(*position);
            } else {
                next = next.min(parcel.ready_at);
            }
        }
        inbox.quiet_until = if ready.is_empty() { next } else { now };
        ready
    }

    /// The effect of an event is committed in a store.
    pub fn received(&mut self, to: usize, event_id: Id, at: Timestamp) {
        self.received.entry((to, event_id)).or_insert(at);
    }

    /// What has taken effect too long ago does not come again.
    fn may_come(&mut self, to: usize, position: u64, engine_now: Timestamp) -> bool {
        let parcels = &mut self.inboxes[to].parcels;
        let Some(parcel) = parcels.get(&position) else { return false };
        let received = self.received.get(&(to, parcel.event_id.clone()));
        let is_over = received.is_some_and(|at| at.plus(self.repeats_for) < engine_now);
        if is_over {
            parcels.remove(&position);
        }
        !is_over
    }

    /// The effect of a message is committed.
    pub fn acknowledge(&mut self, to: usize, position: u64, now: Timestamp) {
        if self.faults.strike(Fault::AckLost) {
            let again = now.plus(Duration::from_millis(self.chance.mostly_short(50, 1_800_000)));
            self.redeliver(to, position, again);
        } else {
            self.inboxes[to].parcels.remove(&position);
        }
    }

    fn redeliver(&mut self, to: usize, position: u64, at: Timestamp) {
        let inbox = &mut self.inboxes[to];
        if let Some(parcel) = inbox.parcels.get_mut(&position) {
            parcel.out = false;
            parcel.ready_at = at;
            parcel.again = true;
            inbox.quiet_until = inbox.quiet_until.min(at);
        }
    }

    /// A store loses its connection: it acknowledges nothing more, until it polls.
    pub fn cut(&mut self, to: usize) {
        self.inboxes[to].cut = true;
    }

    pub fn is_cut(&self, to: usize) -> bool {
        self.inboxes[to].cut
    }

    /// A store has another connection: what it has not acknowledged comes again.
    pub fn disconnect(&mut self, to: usize, now: Timestamp) {
        let inbox = &mut self.inboxes[to];
        inbox.cut = false;
        for parcel in inbox.parcels.values_mut().filter(|parcel| parcel.out) {
            parcel.out = false;
            parcel.ready_at = now;
        }
        inbox.quiet_until = now;
    }

    /// Nothing takes long any more.
    pub fn calm_down(&mut self, now: Timestamp) {
        for inbox in &mut self.inboxes {
            for parcel in inbox.parcels.values_mut() {
                parcel.ready_at = parcel.ready_at.min(now);
            }
            inbox.quiet_until = now;
        }
    }

    /// The body of what arrived broken at this position.
    pub fn whole(&self, to: usize, position: u64) -> Option<Arc<[u8]>> {
        self.garbled.get(&(to, position)).map(|message| message.body().into())
    }

    /// Messages that no store has acknowledged.
    pub fn under_way(&self) -> usize {
        self.inboxes.iter().map(|inbox| inbox.parcels.len()).sum()
    }
}
