//! The brokers of a store, as far as the core knows them. The subscription at each is a consumer under the broker's name,
//! which is paused and resumed by itself; and each may refuse an event.

use tradewind_events::{Id, KeyText};

use super::{dead_letters::resume_by_engine, parking::read_consumers};
use crate::{
    Message, RefusedEvent, Stop,
    operator::{BROKER_CONSUMER, CONSUMER_UNKNOWN, RELAY_CONSUMER},
    ports::{Reader, StoreError},
    subscriber::UNKNOWN_EVENT,
    tables::ConsumerRow,
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
    /// An operator has set that aside, and the relay has not told yet that it has gone on.
    is_set_aside: bool,
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
        let known = |name: &KeyText| Known {
            name: name.clone(),
            paused: false,
            resumes: 0,
            refused: None,
            is_set_aside: false,
        };
        Ok(Self(names.iter().map(known).collect()))
    }

    /// The number of the broker of this name.
    pub fn number(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|known| *known.name == *name)
    }

    /// In the order of their numbers.
    pub fn names(&self) -> impl Iterator<Item = &KeyText> {
        self.0.iter().map(|known| &known.name)
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

    /// Those that refuse this event and whose relay still waits for a decision, each with its reason.
    pub fn refusing(&self, event: &Id) -> Vec<(usize, String)> {
        let known = self.0.iter().enumerate().filter(|(_, known)| !known.is_set_aside);
        let refused = known.filter_map(|(nth, known)| Some((nth, known.refused.as_ref()?)));
        refused.filter(|(_, refused)| refused.event_id == *event).map(|(nth, it)| (nth, it.reason.clone())).collect()
    }

    /// Whether each is paused, as the store has it.
    pub fn read(&mut self, reader: &dyn Reader) -> Result<(), StoreError> {
        let names: Vec<KeyText> = self.0.iter().map(|known| known.name.clone()).collect();
        let rows = read_consumers(&names, reader)?;
        for (known, row) in self.0.iter_mut().zip(rows) {
            known.paused = row.is_some_and(|row| row.paused);
            // The batch in which it was set aside may be one that is not applied.
            known.is_set_aside = false;
        }
        Ok(())
    }

    /// To be accepted after a start: another build may know the event of which the last one did not.
    pub fn resume_after_unknown_event(&self, reader: &dyn Reader) -> Result<Vec<Message>, StoreError> {
        let names: Vec<KeyText> = self.0.iter().map(|known| known.name.clone()).collect();
        let rows = read_consumers(&names, reader)?.into_iter().flatten();
        let was_unknown = |row: &ConsumerRow| {
            row.paused && row.reason.as_ref().is_some_and(|reason| reason.starts_with(UNKNOWN_EVENT))
        };
        Ok(rows.filter(was_unknown).map(|row| resume_by_engine(&row.name)).collect())
    }

    /// Whether the subscription at this broker takes nothing.
    pub fn is_paused(&self, broker: usize) -> bool {
        self.0.get(broker).is_none_or(|known| known.paused)
    }

    /// How often the subscription at this broker was resumed since the start.
    pub fn resumes(&self, broker: usize) -> u64 {
        self.0.get(broker).map_or(0, |known| known.resumes)
    }

    /// A broker refuses this event for good, or none any more.
    pub fn refuses(&mut self, broker: usize, event: Option<RefusedEvent>) {
        if let Some(known) = self.0.get_mut(broker)
            && known.refused != event
        {
            (known.refused, known.is_set_aside) = (event, false);
        }
    }

    /// An operator has set aside what this broker refuses.
    pub fn set_aside(&mut self, broker: usize) {
        if let Some(known) = self.0.get_mut(broker) {
            known.is_set_aside = true;
        }
    }

    /// An operator, or the engine, has paused the subscription or lets it go on. It has nothing parked.
    pub fn set_paused(&mut self, broker: usize, paused: bool) {
        if let Some(known) = self.0.get_mut(broker) {
            known.paused = paused;
            known.resumes += u64::from(!paused);
        }
    }
}

/// It is a label of figures and a part of paths.
fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    name.len() <= NAME_BYTES_MAX
        && name.bytes().all(allowed)
        && name.bytes().next().is_some_and(|first| first.is_ascii_lowercase())
}
