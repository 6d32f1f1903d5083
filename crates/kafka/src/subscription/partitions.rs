//! How far a group is with each partition: what was handed out, what is acknowledged, and what is gone.

use std::collections::{BTreeMap, BTreeSet};

use rdkafka::message::Message;
use tradewind_engine::ports::{BrokerError, Position};

use super::connection::{Offsets, Record};
use crate::{Gap, GapReason};

/// All partitions of a subscription, by topic and number.
#[derive(Default)]
pub(super) struct Partitions(BTreeMap<String, Vec<Partition>>);

#[derive(Default)]
struct Partition {
    /// The offset after the last message that was taken from librdkafka.
    taken: i64,
    /// The offset after the last message that was handed out.
    next: i64,
    /// Handed out, and not acknowledged.
    out: BTreeSet<i64>,
    /// What the group's offset is known to be.
    committed: Option<i64>,
    /// Where the partition ended when the connection began.
    end: i64,
    /// Nothing was taken since the connection began.
    is_new: bool,
}

/// What a connection has found when it began.
pub(super) struct Found {
    pub committed: Offsets,
    pub begins: Offsets,
    pub ends: Offsets,
}

/// An offset of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
}

/// How a message follows on those before it.
pub(super) enum Checked {
    Follows,
    /// The first message of a connection is not the one that was asked for.
    SkipsSome {
        topic: String,
        partition: i32,
    },
}

/// Where a record stands.
pub(super) fn position(record: &Record<'_>) -> Position {
    Position(format!("{}/{}/{}", record.topic(), record.partition(), record.offset()))
}

/// The topic, the partition and the offset of a position of ours.
fn parse(position: &Position) -> Option<(&str, i32, i64)> {
    let (rest, offset) = position.0.rsplit_once('/')?;
    let (topic, partition) = rest.rsplit_once('/')?;
    Some((topic, partition.parse().ok()?, offset.parse().ok()?))
}

impl Partitions {
    /// A connection begins with these partitions at the group's offsets. What is gone meanwhile is a gap.
    pub fn begin(&mut self, counts: &BTreeMap<String, i32>, found: &Found) -> Vec<Gap> {
        let mut gaps = Vec::new();
        for (topic, count) in counts {
            let known = self.0.entry(topic.clone()).or_default();
            known.resize_with(usize::try_from(*count).unwrap_or(0), Partition::default);
            for (number, partition) in (0..).zip(known.iter_mut()) {
                let place = (topic.clone(), number);
                let offset = |offsets: &Offsets| offsets.get(&place).copied();
                let (committed, begins) = (offset(&found.committed), offset(&found.begins).unwrap_or(0));
                let ends = offset(&found.ends).unwrap_or(begins);
                let reason = partition.gap(committed, begins, ends);
                if let Some((read_to, reason)) = reason {
                    gaps.push(Gap { topic: topic.clone(), partition: number, read_to, continues_at: begins, reason });
                    continue;
                }
                let start = committed.unwrap_or(begins);
                *partition =
                    Partition { taken: start, next: start, out: BTreeSet::new(), committed, end: ends, is_new: true };
            }
        }
        gaps
    }

    /// A connection was lost and is there again: it ends there now.
    pub fn begin_to_catch_up(&mut self, ends: &Offsets) {
        for ((topic, number), end) in ends {
            if let Some(partition) = self.get(topic, *number) {
                partition.end = *end;
            }
        }
    }

    /// Where the connection begins.
    pub fn starts(&self) -> Vec<Mark> {
        self.collect(|partition| Some(partition.next))
    }

    /// The offset of each partition before which all is acknowledged.
    pub fn marks(&self) -> Vec<Mark> {
        self.collect(|partition| Some(partition.mark()))
    }

    /// Those of them that the group's offsets are behind.
    pub fn uncommitted_marks(&self) -> Vec<Mark> {
        self.collect(|partition| {
            let mark = partition.mark();
            let is_behind = partition.committed.is_none_or(|committed| committed < mark);
            is_behind.then_some(mark)
        })
    }

    /// The group's offsets are there now.
    pub fn committed(&mut self, marks: &[Mark]) {
        for mark in marks {
            if let Some(partition) = self.get(&mark.topic, mark.partition) {
                partition.committed = Some(mark.offset);
            }
        }
    }

    pub fn count(&self, topic: &str) -> usize {
        self.0.get(topic).map_or(0, Vec::len)
    }

    /// A message comes from librdkafka.
    pub fn check(&mut self, record: &Record<'_>) -> Result<Checked, BrokerError> {
        let (topic, number, offset) = (record.topic(), record.partition(), record.offset());
        let odd = |what: &str| BrokerError::Unavailable(format!("{topic}/{number}/{offset} came {what}"));
        let partition = self.get(topic, number).ok_or_else(|| odd("although it was not asked for"))?;
        if offset < partition.taken {
            return Err(odd("again, or out of order"));
        }
        let skips = partition.is_new && offset > partition.taken;
        if skips {
            // Until it is known that nothing is gone.
            return Ok(Checked::SkipsSome { topic: topic.to_owned(), partition: number });
        }
        partition.is_new = false;
        partition.taken = offset + 1;
        Ok(Checked::Follows)
    }

    /// Whether messages are gone that were to come next, as this is the first offset that the partition still has. If
    /// not, it goes on.
    pub fn is_missed(&mut self, topic: &str, number: i32, begins: i64) -> bool {
        let Some(partition) = self.get(topic, number) else { return true };
        partition.is_new = false;
        begins > partition.taken
    }

    pub fn hand_out(&mut self, position: &Position) {
        if let Some((topic, number, offset)) = parse(position)
            && let Some(partition) = self.get(topic, number)
        {
            partition.next = offset + 1;
            partition.taken = partition.taken.max(partition.next);
            partition.out.insert(offset);
        }
    }

    /// What is not out, or no position of ours, is passed over.
    pub fn acknowledge(&mut self, position: &Position) {
        if let Some((topic, number, offset)) = parse(position)
            && let Some(partition) = self.get(topic, number)
        {
            partition.out.remove(&offset);
        }
    }

    pub fn have_caught_up(&self) -> bool {
        self.0.values().flatten().all(|partition| partition.next >= partition.end)
    }

    /// How many offsets there are between what was handed out and these ends.
    pub fn waiting(&self, ends: &Offsets) -> u64 {
        let waiting = |mark: Mark| {
            let end = ends.get(&(mark.topic, mark.partition)).copied().unwrap_or(mark.offset);
            u64::try_from(end - mark.offset).unwrap_or(0)
        };
        self.starts().into_iter().map(waiting).sum()
    }

    fn get(&mut self, topic: &str, number: i32) -> Option<&mut Partition> {
        self.0.get_mut(topic)?.get_mut(usize::try_from(number).ok()?)
    }

    fn collect(&self, offset: impl Fn(&Partition) -> Option<i64>) -> Vec<Mark> {
        let mut marks = Vec::new();
        for (topic, partitions) in &self.0 {
            for (number, partition) in (0..).zip(partitions) {
                let mark = |offset| Mark { topic: topic.clone(), partition: number, offset };
                marks.extend(offset(partition).map(mark));
            }
        }
        marks
    }
}

impl Partition {
    /// The first offset that is not acknowledged.
    fn mark(&self) -> i64 {
        self.out.first().copied().unwrap_or(self.next)
    }

    /// What the group has not read and cannot read any more: how far it has, and why.
    fn gap(&self, committed: Option<i64>, begins: i64, ends: i64) -> Option<(i64, GapReason)> {
        match (committed, self.committed) {
            (Some(committed), _) if committed < begins => Some((committed, GapReason::Removed)),
            (Some(committed), _) if committed > ends => Some((committed, GapReason::CreatedAgain)),
            // Kafka forgets the offsets of a topic that is deleted.
            (None, Some(_)) if self.mark() > 0 => Some((self.mark(), GapReason::CreatedAgain)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(committed: Option<i64>, begins: i64, ends: i64) -> Found {
        let place = || ("t".to_owned(), 0);
        let one = |offset| Offsets::from([(place(), offset)]);
        Found { committed: committed.map(one).unwrap_or_default(), begins: one(begins), ends: one(ends) }
    }

    fn begin(partitions: &mut Partitions, found: &Found) -> Vec<Gap> {
        partitions.begin(&BTreeMap::from([("t".to_owned(), 1)]), found)
    }

    fn at(offset: i64) -> Position {
        Position(format!("t/0/{offset}"))
    }

    fn offsets(marks: &[Mark]) -> Vec<i64> {
        marks.iter().map(|mark| mark.offset).collect()
    }

    #[test]
    fn the_mark_is_the_first_that_is_not_acknowledged() {
        let mut partitions = Partitions::default();
        assert_eq!(begin(&mut partitions, &found(Some(5), 2, 20)), []);
        assert_eq!((offsets(&partitions.starts()), offsets(&partitions.uncommitted_marks())), (vec![5], vec![]));
        for offset in 5..9 {
            partitions.hand_out(&at(offset));
        }
        partitions.acknowledge(&at(7));
        partitions.acknowledge(&at(6));
        assert_eq!(partitions.uncommitted_marks(), []);
        partitions.acknowledge(&at(5));
        assert_eq!(offsets(&partitions.uncommitted_marks()), [8]);
        let marks = partitions.uncommitted_marks();
        partitions.committed(&marks);
        assert_eq!(partitions.uncommitted_marks(), []);
        for odd in ["t/0/8", "t/0/8", "t/0/4", "t/9/1", "u/0/1", "", "t", "t/0/x"] {
            partitions.acknowledge(&Position(odd.to_owned()));
        }
        assert_eq!(offsets(&partitions.uncommitted_marks()), [9]);
    }

    #[test]
    fn it_has_caught_up_when_all_was_handed_out_that_was_there_when_it_connected() {
        let mut partitions = Partitions::default();
        begin(&mut partitions, &found(None, 3, 5));
        for offset in 3..5 {
            assert!(!partitions.have_caught_up());
            partitions.hand_out(&at(offset));
        }
        assert!(partitions.have_caught_up());
        partitions.begin_to_catch_up(&found(None, 3, 6).ends);
        assert!(!partitions.have_caught_up());
    }

    #[test]
    fn what_is_gone_is_a_gap_and_an_offset_that_was_set_back_is_none() {
        for (committed, begins, ends, expected) in [
            (None, 7, 9, None),
            (Some(7), 7, 9, None),
            (Some(9), 7, 9, None),
            (Some(0), 0, 9, None),
            (Some(6), 7, 9, Some((6, GapReason::Removed))),
            (Some(10), 7, 9, Some((10, GapReason::CreatedAgain))),
        ] {
            let gaps = begin(&mut Partitions::default(), &found(committed, begins, ends));
            let gap = gaps.first().map(|gap| (gap.read_to, gap.reason));
            assert_eq!(gap, expected, "{committed:?} in {begins}..{ends}");
            assert!(gaps.iter().all(|gap| gap.continues_at == begins));
        }
    }

    #[test]
    fn a_topic_that_was_created_again_is_noticed() {
        let mut partitions = Partitions::default();
        begin(&mut partitions, &found(Some(4), 0, 4));
        let gaps = begin(&mut partitions, &found(None, 0, 1));
        assert_eq!(
            gaps.iter().map(|gap| (gap.read_to, gap.reason)).collect::<Vec<_>>(),
            [(4, GapReason::CreatedAgain)]
        );
    }
}
