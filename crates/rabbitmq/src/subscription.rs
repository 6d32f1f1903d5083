//! Receiving: one queue, of which at most one member of the group is the active consumer.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use tradewind_engine::ports::{BrokerError, Incoming, Position, Subscription};

use crate::{
    clock::now,
    config::Settings,
    connection::{Connection, Fault, Inbox, expect},
    publisher::Shared,
    topology::{Queue, declare_exchange, explain},
    wire::{self, Method},
};

/// How often a member looks whether the other one, which has the messages, is gone.
const TURN_WAIT: Duration = Duration::from_millis(250);

/// A member of a group.
pub struct RabbitSubscription {
    shared: Arc<Shared>,
    queue: Queue,
    link: Option<Link>,
    /// Channels that were opened. A delivery tag is worth nothing without the number of its channel.
    channels: u64,
}

/// A connection with its channel.
struct Link {
    connection: Connection,
    channel: u64,
    stage: Stage,
    /// Handed out and not acknowledged: when each has come, by its tag.
    out: BTreeMap<u64, Instant>,
    handed_out: u64,
}

/// What a member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// It is connected and takes nothing, because it was not asked to or because another member has the messages. The
    /// queue had so many messages; none while another may have more of them.
    Waits { messages: Option<u64> },
    /// It has the messages since this time; there were so many.
    Consumes { messages: u64 },
}

impl RabbitSubscription {
    pub(crate) fn new(shared: Arc<Shared>, queue: Queue) -> Self {
        Self { shared, queue, link: None, channels: 0 }
    }

    /// The connection, which is opened if there is none. What has ended it is an error once.
    fn link(&mut self) -> Result<&mut Link, Fault> {
        let give_back_after = self.shared.settings.timing.give_back_after;
        if let Some(fault) = self.link.as_ref().and_then(|link| link.fault(give_back_after, &self.queue.group)) {
            self.link = None;
            return Err(fault);
        }
        match &mut self.link {
            Some(link) => Ok(link),
            none => {
                self.channels += 1;
                Ok(none.insert(Link::open(&self.shared, &self.queue, self.channels)?))
            }
        }
    }

    fn receive(&mut self, max: usize, wait: Duration) -> Result<Vec<Incoming>, Fault> {
        let deadline = now().checked_add(wait);
        let (answer_wait, prefetch) = (self.shared.settings.timing.answer_wait, self.shared.settings.prefetch);
        let queue = self.queue.clone();
        let link = self.link()?;
        loop {
            let left = deadline.map_or(wait, |deadline| deadline.saturating_duration_since(now()));
            match link.stage {
                Stage::Waits { messages: Some(_) } if max == 0 => return Ok(Vec::new()),
                Stage::Waits { .. } => {
                    link.look_for_turn(&queue, (max > 0).then_some(prefetch), answer_wait)?;
                    if max == 0 {
                        return Ok(Vec::new());
                    }
                }
                Stage::Consumes { .. } => {}
            }
            if matches!(link.stage, Stage::Consumes { .. }) {
                return link.take(max, left, &queue.group);
            }
            if left.is_zero() {
                return Ok(Vec::new());
            }
            link.connection.idle(left.min(TURN_WAIT))?;
        }
    }
}

impl Subscription for RabbitSubscription {
    fn poll(&mut self, max: usize, wait: Duration) -> Result<Vec<Incoming>, BrokerError> {
        self.receive(max, wait).map_err(|fault| {
            // The next poll begins anew. What was out comes again.
            self.link = None;
            self.shared.settings.error(&fault)
        })
    }

    /// Returns once the server has them: what is acknowledged does not come again though the connection breaks.
    fn acknowledge(&mut self, positions: &[Position]) -> Result<(), BrokerError> {
        let settings = &self.shared.settings;
        // Without a channel nothing is held.
        let Some(link) = &mut self.link else { return Ok(()) };
        let prefix = format!("{}/{}/", self.queue.group, link.channel);
        let tags = positions.iter().filter_map(|Position(text)| text.strip_prefix(&prefix)?.parse().ok());
        let bytes = link.acknowledgements(tags);
        if bytes.is_empty() || link.connection.end().is_some() {
            // The next poll says that the connection was lost.
            return Ok(());
        }
        link.reach(bytes, settings).map_err(|fault| settings.error(&fault))
    }

    fn caught_up(&mut self) -> Result<bool, BrokerError> {
        let settings = &self.shared.settings;
        let Some(link) = self.link.as_ref().filter(|link| link.connection.end().is_none()) else { return Ok(false) };
        let caught_up = match link.stage {
            Stage::Waits { messages } => messages == Some(0),
            Stage::Consumes { messages } => link.handed_out >= messages,
        };
        if caught_up {
            // A connection of which the end is on its way has caught up with nothing.
            link.reach(Vec::new(), settings).map_err(|fault| settings.error(&fault))?;
        }
        Ok(caught_up)
    }

    /// While the memory for deliveries is full no answer can be read: then it cannot tell.
    fn backlog(&mut self) -> Result<Option<u64>, BrokerError> {
        let settings = &self.shared.settings;
        let Some(link) = self.link.as_ref().filter(|link| link.connection.end().is_none()) else { return Ok(None) };
        if link.connection.look(|inbox| inbox.delivered_bytes()) >= settings.delivered_bytes_max {
            return Ok(None);
        }
        let depth = self.queue.declare(&link.connection, settings.timing.answer_wait);
        let depth = depth.map_err(|fault| settings.error(&fault))?;
        let here = link.connection.look(|inbox| inbox.deliveries.len());
        Ok(Some(depth.messages + u64::try_from(here).unwrap_or(u64::MAX)))
    }
}

impl Link {
    fn open(shared: &Shared, queue: &Queue, channel: u64) -> Result<Self, Fault> {
        let wait = shared.settings.timing.answer_wait;
        let connection = Connection::open(&shared.driver, &shared.settings, &format!("tradewind {}", queue.group))?;
        shared.topology.declare(&connection, wait)?;
        for (exchange, _) in &queue.bindings {
            if !shared.topology.exchanges.contains(exchange) {
                declare_exchange(&connection, exchange, wait)?;
            }
        }
        let depth = queue.declare(&connection, wait)?;
        queue.bind(&connection, wait)?;
        let stage = Stage::Waits { messages: (!depth.is_consumed).then_some(depth.messages) };
        Ok(Self { connection, channel, stage, out: BTreeMap::new(), handed_out: 0 })
    }

    /// Sends bytes and makes sure that the server has them: it answers in order, and this changes nothing. While the
    /// memory is full no answer can be read: the engine has to take messages first.
    fn reach(&self, mut bytes: Vec<u8>, settings: &Settings) -> Result<(), Fault> {
        let wait = settings.timing.answer_wait;
        bytes.extend(wire::qos(settings.prefetch));
        self.connection.push(bytes, wait)?;
        let answer = self.connection.wait(wait, "it did not answer", |look| match look.inbox.replies.pop_front() {
            None if look.inbox.delivered_bytes() >= settings.delivered_bytes_max => {
                look.inbox.skip_answer();
                Some(None)
            }
            answer => answer.map(Some),
        })?;
        answer.map_or(Ok(()), |answer| expect(answer, |method| matches!(method, Method::QosOk)).map(drop))
    }

    /// Why it is of no use any more.
    fn fault(&self, give_back_after: Duration, group: &str) -> Option<Fault> {
        if let Some(end) = self.connection.end() {
            return Some(end);
        }
        if self.connection.look(|inbox| inbox.cancelled) {
            let text = format!("the server has ended the consumer: was the queue {group} deleted, with what it had?");
            return Some(Fault::lost(text));
        }
        let waiting = self.connection.look(|inbox| inbox.deliveries.front().map(|delivery| delivery.at));
        let oldest = self.out.values().next().copied().or(waiting)?;
        (now().saturating_duration_since(oldest) >= give_back_after).then(|| {
            let text =
                format!("no acknowledgement for {give_back_after:?}: what is out goes back to the queue {group}");
            Fault::lost(text)
        })
    }

    /// Consumes if no other member does and a prefetch count is given. All that the queue has is ready then: what another
    /// member held is back, also what this one held on a connection of which the server has not seen the end.
    fn look_for_turn(&mut self, queue: &Queue, prefetch: Option<u16>, wait: Duration) -> Result<(), Fault> {
        let depth = queue.declare(&self.connection, wait)?;
        self.stage = Stage::Waits { messages: (!depth.is_consumed).then_some(depth.messages) };
        if let Some(prefetch) = prefetch.filter(|_| !depth.is_consumed) {
            expect(self.connection.call(wire::qos(prefetch), wait)?, |method| matches!(method, Method::QosOk))?;
            let consume = wire::consume(&queue.group).map_err(Fault::lost)?;
            let answer = self.connection.call(consume, wait).map_err(|fault| explain(fault, "queue", &queue.group))?;
            expect(answer, |method| matches!(method, Method::ConsumeOk))?;
            self.stage = Stage::Consumes { messages: depth.messages };
        }
        Ok(())
    }

    fn take(&mut self, max: usize, wait: Duration, group: &str) -> Result<Vec<Incoming>, Fault> {
        if max == 0 {
            return Ok(Vec::new());
        }
        let something = |inbox: &Inbox| !inbox.deliveries.is_empty() || inbox.cancelled;
        let waited = self.connection.wait(wait, "", |look| something(look.inbox).then_some(()));
        if self.connection.end().is_some() {
            waited?;
        }
        let mut taken = Vec::new();
        let deliveries: Vec<_> = self.connection.look(|inbox| {
            let count = max.min(inbox.deliveries.len());
            (0..count).filter_map(|_| inbox.take_delivery()).collect()
        });
        for delivery in deliveries {
            self.out.insert(delivery.tag, delivery.at);
            self.handed_out += 1;
            let position = Position(format!("{group}/{}/{}", self.channel, delivery.tag));
            taken.push(Incoming { message: delivery.message, position });
        }
        Ok(taken)
    }

    /// The methods that acknowledge these tags, as far as they are out: one for all before which nothing else is out, and
    /// one for each of the others.
    fn acknowledgements(&mut self, tags: impl Iterator<Item = u64>) -> Vec<u8> {
        let mut tags: Vec<u64> = tags.filter(|tag| self.out.remove(tag).is_some()).collect();
        tags.sort_unstable();
        let first_out = self.out.keys().next().copied().unwrap_or(u64::MAX);
        let together = tags.partition_point(|tag| *tag < first_out);
        let mut bytes = Vec::new();
        if let Some(last) = together.checked_sub(1).and_then(|last| tags.get(last)) {
            bytes.extend(wire::ack(*last, true));
        }
        bytes.extend(tags[together..].iter().flat_map(|tag| wire::ack(*tag, false)));
        bytes
    }
}
