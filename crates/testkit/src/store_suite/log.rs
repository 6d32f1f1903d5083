//! The event log: segments in order, without a gap, through the months.

use tradewind_engine::{
    ports::{Commit, CommitError},
    segment::Segment,
};
use tradewind_events::Timestamp;

use super::{
    StoreUnderTest, insert, refused_table,
    tables::{ITEM, item},
};

pub(super) fn segment(number: u64, at: &str) -> Segment {
    let committed_at: Timestamp = at.parse().unwrap_or_else(|_| panic!("{at} is a time"));
    let blocks =
        format!("events of {number}").into_bytes().repeat(usize::try_from(number % 5).unwrap_or(0) * 2_000 + 1);
    Segment { number, committed_at, events: u32::try_from(number).unwrap_or(0), directory: vec![0xd1; 12], blocks }
}

pub fn segments_come_in_order_without_a_gap(store: &dyn StoreUnderTest) {
    let mut owner = store.own();
    assert_eq!(owner.reader.last_segment(), Ok(0));
    assert_eq!(owner.reader.segments(1, 10), Ok(Vec::new()));
    let all: Vec<Segment> = (1..=20).map(|number| segment(number, "2026-03-01T00:00:00Z")).collect();
    for one in &all {
        owner.commits(Vec::new(), Some(one.clone())).expect("the next segment");
        assert_eq!(owner.reader.last_segment(), Ok(one.number));
    }
    assert_eq!(owner.reader.segments(0, 100).as_deref(), Ok(&all[..]));
    assert_eq!(owner.reader.segments(1, 3).as_deref(), Ok(&all[..3]));
    assert_eq!(owner.reader.segments(18, 100).as_deref(), Ok(&all[17..]));
    assert_eq!(owner.reader.segments(20, 1).as_deref(), Ok(&all[19..]));
    assert_eq!(owner.reader.segments(21, 1), Ok(Vec::new()));
    assert_eq!(owner.reader.segments(1, 0), Ok(Vec::new()));
}

pub fn segments_run_through_the_months_even_if_the_clock_goes_back(store: &dyn StoreUnderTest) {
    let times = [
        "2025-12-31T23:59:59.999Z",
        "2026-01-01T00:00:00Z",
        "2026-01-31T23:59:59.999Z",
        "2026-02-01T00:00:00Z",
        // An hour back, over the edge of a month, and on again.
        "2026-01-31T23:30:00Z",
        "2026-02-01T00:00:01Z",
        "2027-02-01T00:00:00Z",
        "2027-02-03T00:00:00Z",
    ];
    let mut owner = store.own();
    let all: Vec<Segment> = times.iter().zip(1..).map(|(at, number)| segment(number, at)).collect();
    for one in &all {
        owner.commits(Vec::new(), Some(one.clone())).expect("the next segment");
        assert_eq!(owner.reader.last_segment(), Ok(one.number));
    }
    for from in 0..all.len() {
        for limit in 0..=all.len() {
            let first = u64::try_from(from + 1).unwrap_or(0);
            let wanted = &all[from..(from + limit).min(all.len())];
            let found = owner.reader.segments(first, u32::try_from(limit).unwrap_or(0));
            assert_eq!(found.as_deref(), Ok(wanted), "{limit} from {first} on");
        }
    }
}

pub fn a_segment_out_of_line_is_refused(store: &dyn StoreUnderTest) {
    let mut owner = store.own();
    let at = "2026-03-01T00:00:00Z";
    let row = vec![insert(&ITEM, &item("a", 1))];
    assert_eq!(refused_table(owner.commits(row.clone(), Some(segment(2, at)))), "segment");
    owner.commits(Vec::new(), Some(segment(1, at))).expect("the first segment");
    for number in [0, 1, 3] {
        let refused = owner.commits(row.clone(), Some(segment(number, "2026-04-01T00:00:00Z")));
        assert!(matches!(refused, Err(CommitError::Constraint { .. })), "{number} after 1: {refused:?}");
        assert_eq!(owner.reader.last_segment(), Ok(1));
    }
    // And with a row that is refused there is no segment either.
    let bad = vec![row[0].clone(), row[0].clone()];
    assert_eq!(refused_table(owner.commits(bad, Some(segment(2, at)))), "suite_item");
    assert_eq!(owner.reader.last_segment(), Ok(1));
    owner.commits(row, Some(segment(2, "2026-04-01T00:00:00Z"))).expect("the next segment");
    assert_eq!(owner.reader.segments(1, 9).map(|segments| segments.len()), Ok(2));
}

/// Rows hold the moment of their commit, also where it has said nothing.
pub fn the_moment_of_the_last_commit_is_kept_with_and_without_a_segment(store: &dyn StoreUnderTest) {
    let at = |text: &str| text.parse::<Timestamp>().expect("a time");
    let mut owner = store.own();
    assert_eq!(owner.reader.last_commit_at(), Ok(Timestamp::default()));
    let (first, second, third) = ("2026-03-01T00:00:00Z", at("2026-03-01T00:00:05.001Z"), "2026-03-01T00:00:05.002Z");
    let commits = |owner: &mut super::Owner, at: Timestamp, nth: i64, segment: Option<Segment>| {
        let rows = vec![insert(&ITEM, &item(&format!("item-{nth}"), nth))];
        owner.writer.commit(&Commit { epoch: owner.epoch, at, rows, segment }).expect("a commit");
    };
    commits(&mut owner, at(first), 1, Some(segment(1, first)));
    assert_eq!(owner.reader.last_commit_at(), Ok(at(first)));
    commits(&mut owner, second, 2, None);
    assert_eq!(owner.reader.last_commit_at(), Ok(second));
    let mut next = store.own();
    assert_eq!(next.reader.last_commit_at(), Ok(second));
    commits(&mut next, at(third), 3, Some(segment(2, third)));
    assert_eq!(next.reader.last_commit_at(), Ok(at(third)));
}
