//! A consumer that is resumed catches up in order: of one key, what was parked for it is handled before what came later.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use tradewind_engine::{
    Entity,
    ports::{Commit, RowWrite},
    tables::{DeadLetterRow, ParkedReason, ParkedRow},
};
use tradewind_events::{Id, Key, emitting_service};

use crate::world::World;

/// A consumer, a key, and the source in the same store.
type Lane = (Arc<str>, Id, Arc<str>);

/// What is parked in a store until its consumers go on, as it was committed.
#[derive(Default)]
pub struct Behind {
    rows: BTreeMap<Key, Lane>,
    lanes: BTreeMap<Lane, BTreeSet<Key>>,
}

/// What a commit has done with parked messages.
#[derive(Default)]
struct Moved {
    gone: Vec<(Lane, Key)>,
    come: Vec<(Lane, Key)>,
    /// Events that were not handled, by consumer.
    put_aside: BTreeSet<(Arc<str>, Id)>,
}

impl Behind {
    /// Takes a commit in. Returns what was handled before something that was parked earlier.
    fn committed(&mut self, moved: &Moved) -> Vec<(Lane, Key)> {
        for (lane, key) in &moved.gone {
            self.rows.remove(key);
            if let Some(keys) = self.lanes.get_mut(lane) {
                keys.remove(key);
            }
        }
        self.lanes.retain(|_, keys| !keys.is_empty());
        let is_early = |(lane, key): &&(Lane, Key)| {
            self.lanes.get(lane).and_then(BTreeSet::first).is_some_and(|first| first < key)
        };
        moved.gone.iter().filter(is_early).cloned().collect()
    }

    fn come(&mut self, moved: Moved) {
        for (lane, key) in moved.come {
            self.rows.insert(key.clone(), lane.clone());
            self.lanes.entry(lane).or_default().insert(key);
        }
    }
}

impl World {
    /// Looks at what was just committed by one store.
    pub fn judge_order(&mut self, nth: usize, commit: &Commit) {
        let moved = self.moved(nth, commit);
        let behind = &mut self.nodes[nth].behind;
        let mut wrong = Vec::new();
        for ((consumer, key, _), row) in behind.committed(&moved) {
            wrong.push((format!("parked message {row}"), format!("of {key} overtakes another one to {consumer}")));
        }
        // What is parked since before this commit goes before every event of it.
        if let (false, Some(segment)) = (behind.lanes.is_empty(), &commit.segment) {
            let node = &self.nodes[nth];
            let events = segment.read(&node.name).unwrap_or_default();
            for event in events.into_iter().filter(|event| !event.remote).map(|event| event.envelope) {
                let Some(kind) = self.registry.get(&event.name) else { continue };
                for consumer in node.services.iter().filter(|consumer| self.shop.hears(consumer, kind.name)) {
                    let lane = (Arc::from(*consumer), event.key.clone(), event.source.shared());
                    let is_put_aside = moved.put_aside.contains(&(Arc::clone(&lane.0), event.id.clone()));
                    if !is_put_aside && node.behind.lanes.contains_key(&lane) {
                        let detail = format!("of {} overtakes what is parked for {consumer}", event.key);
                        wrong.push((format!("event {}", event.id), detail));
                    }
                }
            }
        }
        self.nodes[nth].behind.come(moved);
        for (subject, detail) in wrong {
            self.violate(subject, detail);
        }
    }

    fn moved(&self, nth: usize, commit: &Commit) -> Moved {
        let (node, mut moved) = (&self.nodes[nth], Moved::default());
        for change in &commit.rows {
            let row = match &change.write {
                RowWrite::Insert(row) | RowWrite::Update { row, .. } => Some(row),
                RowWrite::Delete { .. } => None,
            };
            if change.table.name == DeadLetterRow::TABLE.name {
                let dead = row.and_then(|row| DeadLetterRow::from_row(&row.values).ok());
                moved.put_aside.extend(dead.and_then(|dead| Some((dead.consumer.shared(), dead.event_id?))));
            }
            if change.table.name != ParkedRow::TABLE.name {
                continue;
            }
            let parked = row.and_then(|row| ParkedRow::from_row(&row.values).ok());
            moved.put_aside.extend(parked.iter().map(|row| (row.consumer.shared(), row.event_id.clone())));
            // What has waited for a fact of another key has no place among the others.
            let waits = parked.filter(|row| row.reason == ParkedReason::Paused && row.attempts == 0);
            match (node.behind.rows.get(&change.key), waits) {
                (Some(lane), None) => moved.gone.push((lane.clone(), change.key.clone())),
                (None, Some(row)) => {
                    if let Some(source) = row.source.filter(|source| node.holds(emitting_service(source))) {
                        let lane = (row.consumer.shared(), row.message_key, source.shared());
                        moved.come.push((lane, change.key.clone()));
                    }
                }
                _ => {}
            }
        }
        moved
    }
}
