//! What the relay and the subscriber of a process do with the broker, a step at a time, and what goes wrong with it.

use std::{sync::Arc, time::Duration};

use tradewind_engine::{
    LogPosition, Message, RelayStep, SubscriberStep,
    ports::{BrokerError, BrokerMessage, Reader},
    segment::event_position,
};
use tradewind_events::Id;

use crate::{fault::Fault, node::Ending, world::World};

/// Messages that a store takes at a time.
const DELIVERED_MAX: u64 = 12;

fn event_id(message: &BrokerMessage) -> Option<Id> {
    let body = serde_json::from_slice::<serde_json::Value>(message.body()).ok()?;
    Id::new(body["id"].as_str()?).ok()
}

fn unavailable() -> BrokerError {
    BrokerError::Unavailable("simulated".to_owned())
}

impl World {
    /// The relay takes its next step.
    pub fn relay(&mut self, nth: usize) {
        let now = self.elapsed();
        let node = &mut self.nodes[nth];
        let Some(engine) = &mut node.engine else { return };
        engine.relay.take(&mut engine.buffer);
        engine.core.relay_refused(0, engine.relay.refused().cloned());
        match engine.relay.next(now) {
            RelayStep::Publish => self.publish(nth),
            RelayStep::Read { from, segments_max } => {
                engine.relay.read(node.store.segments(from, segments_max), now);
            }
            RelayStep::SaveMark { segment } => {
                engine.core.accept(Message::Published { broker: 0, segment });
                engine.saved_mark = segment;
                let behind: Vec<LogPosition> =
                    node.unpublished.range(..=LogPosition { segment, index: u32::MAX }).copied().collect();
                if let Some(event) = behind.into_iter().find(|event| !node.has_set_aside(*event)) {
                    let detail = format!("goes behind segment {segment}, and event {event:?} is not published");
                    self.violate(format!("the mark of {}", self.nodes[nth].name), detail);
                }
            }
            RelayStep::Republished { dead_letter, refused } => {
                engine.core.accept(Message::Republished { dead_letter, refused });
            }
            RelayStep::Wait { .. } => {}
            RelayStep::Ended => engine.ending = Ending::RelayEnded,
        }
    }

    /// Sends the call of the relay to all other stores; when it fails, the broker may have taken some of it, and the
    /// relay may know of some of that.
    fn publish(&mut self, nth: usize) {
        let Some(engine) = &mut self.nodes[nth].engine else { return };
        let call = engine.relay.call().to_vec();
        if engine.ending != Ending::No {
            self.violate(format!("store {}", self.nodes[nth].name), "publishes while it stops");
        }
        let refused = self.refuses(&call);
        let (fails, partly) = (self.faults.strike(Fault::PublishFails), self.faults.strike(Fault::PublishPartly));
        let taken = if fails || partly { self.chance.index(call.len() + 1) } else { call.len() };
        let taken = taken.min(refused.unwrap_or(taken));
        let known = if partly { self.chance.index(taken + 1) } else { 0 };
        let answer = match refused {
            _ if fails || partly => Err((known, unavailable())),
            Some(_) => Err((taken, BrokerError::Refused("simulated".to_owned()))),
            None => Ok(()),
        };
        self.figures.publish_failures += u64::from(answer.is_err());
        self.trace.note(|| {
            let (name, of) = (&self.nodes[nth].name, call.len());
            let how = if answer.is_ok() { String::new() } else { format!(", and hears: {answer:?}") };
            format!("{name} publishes {taken} of {of} messages{how}")
        });
        for message in call.into_iter().take(taken) {
            self.send(nth, message);
        }
        if answer.is_ok() && self.faults.strike(Fault::CrashAfterPublish) {
            return self.crash(nth, "dies after publishing");
        }
        let now = self.elapsed();
        if let Some(engine) = &mut self.nodes[nth].engine {
            let before = engine.relay.refused().cloned();
            engine.relay.published(answer, now);
            if let Some(refused) = engine.relay.refused().cloned()
                && before.as_ref() != Some(&refused)
            {
                self.set_aside_later(nth, refused.event_id);
            }
        }
    }

    /// Whether the broker refuses one of these messages: the first that it does.
    fn refuses(&mut self, call: &[BrokerMessage]) -> Option<usize> {
        if self.faults.strike(Fault::EventRefused) {
            let nth = self.chance.index(call.len());
            self.refused.extend(event_id(&call[nth]));
        }
        if self.refused.is_empty() {
            return None;
        }
        call.iter().position(|message| event_id(message).is_some_and(|id| self.refused.contains(&id)))
    }

    fn send(&mut self, from: usize, message: BrokerMessage) {
        let Some(id) = event_id(&message).filter(|id| self.judge_publishing(from, id)) else {
            return self.violate(format!("a message of {}", self.nodes[from].name), "has no id of its store");
        };
        let (message, now) = (Arc::new(message), self.now());
        for to in (0..self.nodes.len()).filter(|to| *to != from) {
            self.figures.messages += 1;
            self.network.send(to, (&id, &message), now);
        }
    }

    /// An event that was never published before comes behind all that were. `false`: it is none of this store.
    fn judge_publishing(&mut self, from: usize, id: &Id) -> bool {
        let node = &mut self.nodes[from];
        let Some(address) = event_position(&node.name, id) else { return false };
        node.unpublished.remove(&address);
        let last = node.published.last().copied();
        if node.published.insert(address) && last.is_some_and(|last| address < last) && !node.has_set_aside(address) {
            let subject = format!("segment {} of {}", address.segment, node.name);
            self.violate(subject, format!("is published after {last:?}"));
        }
        true
    }

    /// The subscriber takes its next step.
    pub fn subscribe(&mut self, nth: usize) {
        self.subscriber_steps(nth);
        if let Some(engine) = &mut self.nodes[nth].engine {
            engine.retention.hold_inbox(engine.subscriber.may_repeat());
        }
    }

    fn subscriber_steps(&mut self, nth: usize) {
        let now = self.elapsed();
        let Some(engine) = &mut self.nodes[nth].engine else { return };
        match engine.subscriber.next(now, engine.core.admission(0)) {
            SubscriberStep::Acknowledge => self.acknowledge(nth),
            SubscriberStep::Release => self.release(nth),
            SubscriberStep::Poll { max, .. } => self.poll(nth, max),
            SubscriberStep::AskCaughtUp => {
                let answer = !self.network.is_ready(nth, self.clock.true_time());
                if engine.subscriber.caught_up(Ok(answer), now) {
                    engine.core.caught_up(0);
                    engine.look = true;
                }
            }
            SubscriberStep::Wait { .. } => {}
            SubscriberStep::Leave => self.leave(nth),
        }
    }

    /// Takes some of what has arrived. With a connection that was lost it fails, and the next poll has another one.
    fn poll(&mut self, nth: usize, max: usize) {
        let (now, elapsed) = (self.now(), self.elapsed());
        let most = usize::try_from(self.chance.between(1, DELIVERED_MAX)).unwrap_or(1);
        let Some(engine) = &mut self.nodes[nth].engine else { return };
        if self.network.is_cut(nth) {
            self.network.disconnect(nth, now);
            engine.subscriber.polled(Err(unavailable()), elapsed);
            return;
        }
        let delivered = self.network.poll(nth, most.min(max), now, engine.core.clock().now());
        let messages = engine.subscriber.polled(Ok(delivered), elapsed);
        if engine.subscriber.fell_behind() {
            engine.core.fell_behind(0);
        }
        self.receive(nth, messages);
    }

    /// Its consumer was resumed: what the subscription has kept back goes on.
    fn release(&mut self, nth: usize) {
        let elapsed = self.elapsed();
        let Some(engine) = &mut self.nodes[nth].engine else { return };
        let messages = engine.subscriber.release(elapsed);
        self.receive(nth, messages);
    }

    fn receive(&mut self, nth: usize, messages: Vec<Message>) {
        let mut unreadable = None;
        for message in messages {
            self.trace.note(|| {
                let name = &self.nodes[nth].name;
                match &message {
                    Message::Received(heard) => {
                        let envelope = &heard.envelope;
                        format!("{name} receives {} {} of {}", envelope.event.name(), envelope.id, envelope.key)
                    }
                    Message::Command(_) => format!("{name} pauses its subscription"),
                    _ => format!("{name} receives a message that it cannot read"),
                }
            });
            if let Message::Undecodable(undecodable) = &message
                && self.network.whole(nth, position(&undecodable.incoming.position)).is_none()
            {
                unreadable = Some(format!("cannot be read again: {}", undecodable.reason));
            }
            if matches!(message, Message::Command(_)) {
                self.resume_later(nth);
            }
            if let Some(engine) = &mut self.nodes[nth].engine {
                engine.core.accept(message);
            }
        }
        if let Some(detail) = unreadable {
            self.violate(format!("a message for {}", self.nodes[nth].name), detail);
        }
    }

    /// The broker takes acknowledgements, or some of them and then none until the process polls again.
    fn acknowledge(&mut self, nth: usize) {
        let (now, elapsed) = (self.now(), self.elapsed());
        let Some(engine) = &mut self.nodes[nth].engine else { return };
        let positions = engine.subscriber.committed().to_vec();
        let fails = self.faults.strike(Fault::AcknowledgingFails);
        if fails {
            self.network.cut(nth);
        }
        let cut = self.network.is_cut(nth);
        let taken = match (cut, fails) {
            (false, _) => positions.len(),
            (true, true) => self.chance.index(positions.len() + 1),
            (true, false) => 0,
        };
        for one in positions.iter().take(taken) {
            self.network.acknowledge(nth, position(one), now);
        }
        if !cut {
            engine.unacknowledged.clear();
        }
        engine.subscriber.acknowledged(if cut { Err(unavailable()) } else { Ok(()) }, elapsed);
    }

    /// An operator stops a process. It finishes what it has accepted.
    pub fn stop(&mut self, nth: usize) {
        let relays = self.relays();
        let Some(engine) = &mut self.nodes[nth].engine else { return };
        engine.ending = if relays { Ending::Finishes } else { Ending::RelayEnded };
        engine.core.stop();
        engine.relay.stop();
        engine.subscriber.stop();
        self.trace.note(|| format!("{} is stopped", self.nodes[nth].name));
    }

    /// The batch loop has ended: nothing more is committed.
    pub fn end(&mut self, nth: usize) {
        let (relays, now) = (self.relays(), self.elapsed());
        let Some(engine) = &mut self.nodes[nth].engine else { return };
        engine.ending = Ending::Leaves { by: now + self.shop.limits.broker_stop_wait };
        engine.subscriber.leave(now);
        if !relays {
            self.leave(nth);
        }
    }

    /// The process has ended.
    fn leave(&mut self, nth: usize) {
        let (now, relays) = (self.elapsed(), self.relays());
        let node = &self.nodes[nth];
        let Some(engine) = &node.engine else { return };
        let mut wrong = Vec::new();
        let in_time = matches!(engine.ending, Ending::Leaves { by } if now < by);
        if in_time && !engine.unacknowledged.is_empty() {
            let left = engine.unacknowledged.len();
            wrong.push(format!("leaves and has not acknowledged {left} messages that it has committed"));
        }
        // The store may have refused it for no reason.
        let (saved, published) = (engine.saved_mark, engine.relay.mark());
        if relays && saved < published {
            wrong.push(format!("ends with the mark {saved}, and has published up to {published}"));
        }
        for detail in wrong {
            self.violate(format!("store {}", self.nodes[nth].name), detail);
        }
        self.go(nth, "has ended");
    }

    /// How much time has passed since the beginning.
    pub fn elapsed(&self) -> Duration {
        use tradewind_engine::ports::Clock;
        self.clock.monotonic()
    }
}

fn position(position: &tradewind_engine::ports::Position) -> u64 {
    position.0.parse().unwrap_or(0)
}
