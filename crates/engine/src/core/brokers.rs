//! The brokers of a store, as far as the core knows them. The subscription at each is a consumer under the broker's name,
//! which is paused and resumed by itself; and each may refuse an event.

use tradewind_events::{AsKey, Id, Key, KeyText, id};
use uuid::Uuid;

use super::{Core, causes::resume_by_engine};
use crate::{
    Admission, Entity, RefusedEvent, Stop, StoredRow,
    entity::readable,
    operator::{BROKER_CONSUMER, CONSUMER_UNKNOWN, RELAY_CONSUMER},
    ports::{Incoming, StoreError},
    subscriber::UNKNOWN_EVENT,
    tables::ConsumerRow,
    work::Item,
};

/// So many brokers one store has at most. What is received and not committed is bounded for each.
pub const BROKERS_MAX: usize = 16;

/// The longest name of a broker, in bytes.
const NAME_BYTES_MAX: usize = 32;

/// The name of a broker that is the only one.
pub(crate) const BROKER: KeyText = KeyText::literal(BROKER_CONSUMER);

/// They are numbered in the order in which they are configured.
pub(super) struct Brokers(Vec<Known>);

struct Known {
    name: KeyText,
    /// Its subscription takes nothing.
    paused: bool,
    /// How often its subscription was resumed.
    resumes: u64,
    /// What it refuses, as its relay has told.
    refused: Option<RefusedEvent>,
}

impl Brokers {
    /// Of these names. A store without any has one by convention, so that what an earlier process has paused can be
    /// resumed.
    pub fn new(names: &[KeyText], is_taken: impl Fn(&str) -> bool) -> Result<Self, StoreError> {
        let unusable = |reason: String| Err(StoreError::Unusable(reason));
        if names.len() > BROKERS_MAX {
            return unusable(format!("{} brokers are configured: there are {BROKERS_MAX} at most", names.len()));
        }
        for (nth, name) in names.iter().enumerate() {
            if !is_name(name) {
                return unusable(format!(
                    "a broker is named {name:?}: its name has 1 to {NAME_BYTES_MAX} lower-case letters, digits and dashes, \
                     the first a letter"
                ));
            }
            if names[..nth].contains(name) {
                return unusable(format!("two brokers are named {name}: each needs a name of its own"));
            }
            if **name == *RELAY_CONSUMER || is_taken(name) {
                return unusable(format!("a broker is named {name}, which is the name of another consumer"));
            }
        }
        let by_convention = [BROKER];
        let names = if names.is_empty() { &by_convention } else { names };
        let known = |name: &KeyText| Known { name: name.clone(), paused: false, resumes: 0, refused: None };
        Ok(Self(names.iter().map(known).collect()))
    }

    /// The number of the broker of this name.
    pub fn number(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|known| *known.name == *name)
    }

    pub fn name(&self, broker: usize) -> Result<&KeyText, Stop> {
        let known = self.0.get(broker).map(|known| &known.name);
        known.ok_or_else(|| Stop::Broken(format!("there is no broker of number {broker}")))
    }

    /// The number of the broker that a dead letter of the relay goes back to: rows of earlier versions do not name it.
    pub fn of_relay(&self, name: Option<&KeyText>) -> Result<usize, Stop> {
        let name = name.cloned().unwrap_or(BROKER);
        let unknown = || CONSUMER_UNKNOWN.because(format!("The broker {name} is not configured here.")).into();
        self.number(&name).ok_or_else(unknown)
    }

    /// Those that refuse this event, each with its reason.
    pub fn refusing(&self, event: &Id) -> Vec<(usize, String)> {
        let refused = self.0.iter().enumerate().filter_map(|(nth, known)| Some((nth, known.refused.as_ref()?)));
        refused.filter(|(_, refused)| refused.event_id == *event).map(|(nth, it)| (nth, it.reason.clone())).collect()
    }

    /// An operator, or the engine, has paused the subscription or lets it go on. It has nothing parked.
    pub fn set_paused(&mut self, broker: usize, paused: bool) {
        if let Some(known) = self.0.get_mut(broker) {
            known.paused = paused;
            known.resumes += u64::from(!paused);
        }
    }
}

/// What tells a message that cannot be read from all others of its broker: the id that its producer gave it, or else its
/// position. A UUID of version 5 ([RFC 9562](https://www.rfc-editor.org/rfc/rfc9562#name-uuid-version-5)). The name of the
/// broker that was once the only one is no part of it: stores know its messages without.
pub(super) fn identity(broker: &KeyText, incoming: &Incoming) -> Id {
    let message = &incoming.message;
    let headers = ["ce_id", "id"].into_iter().find_map(|name| message.header(name));
    let own = headers.or(message.properties.message_id.as_deref());
    let name = own.map_or_else(|| format!("position {}", incoming.position.0), |id| format!("id {id}"));
    let at = if *broker == BROKER { String::new() } else { format!("broker {broker}\n") };
    let name = format!("{at}{}\n{name}", message.topic);
    id(&Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes()).to_string())
}

/// It is a label of figures and a part of paths.
fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    name.len() <= NAME_BYTES_MAX
        && name.bytes().all(allowed)
        && name.bytes().next().is_some_and(|first| first.is_ascii_lowercase())
}

impl Core {
    /// A broker refuses this event for good, so that an operator may set it aside; or none any more.
    pub fn relay_refused(&mut self, broker: usize, event: Option<RefusedEvent>) {
        if let Some(known) = self.brokers.0.get_mut(broker) {
            known.refused = event;
        }
    }

    /// How far the subscription at this broker may go.
    pub fn admission(&self, broker: usize) -> Admission {
        let known = self.brokers.0.get(broker);
        Admission {
            takes: self.has_room_to_park() && known.is_some_and(|known| !known.paused),
            resumes: known.map_or(0, |known| known.resumes),
        }
    }

    /// Whether the subscription at this broker is paused.
    pub fn is_paused(&self, broker: usize) -> bool {
        self.brokers.0.get(broker).is_some_and(|known| known.paused)
    }

    /// Whether each is paused, as the store has it.
    pub(super) fn read_brokers(&mut self) -> Result<(), StoreError> {
        let rows = self.broker_rows()?;
        for (known, row) in self.brokers.0.iter_mut().zip(rows) {
            let row = row.map(|row| ConsumerRow::from_row(&row.values)).transpose();
            let named = |error| StoreError::Corrupt(format!("consumer {} cannot be read: {error}", known.name));
            known.paused = row.map_err(named)?.is_some_and(|row| row.paused);
        }
        Ok(())
    }

    /// Another build may know the event of which the last one did not.
    pub(super) fn resume_after_unknown_event(&mut self) -> Result<(), StoreError> {
        for row in self.broker_rows()?.iter().flatten().filter_map(readable::<ConsumerRow>) {
            if row.paused && row.reason.is_some_and(|reason| reason.starts_with(UNKNOWN_EVENT)) {
                self.intake.push_front(Item::new(resume_by_engine(&row.name)));
            }
        }
        Ok(())
    }

    fn broker_rows(&self) -> Result<Vec<Option<StoredRow>>, StoreError> {
        let keys: Vec<Key> = self.brokers.0.iter().map(|known| known.name.as_key()).collect();
        self.reader.load(ConsumerRow::TABLE, &keys)
    }
}
