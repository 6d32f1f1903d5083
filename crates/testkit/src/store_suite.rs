//! What every store must do, whatever it is made of: one suite for the store in memory, SQLite and PostgreSQL.
//!
//! An adapter implements [`StoreUnderTest`] in its tests, makes [`TABLES`] beside its migrations, and writes
//! `tradewind_testkit::store_suite!(fresh);` where `fresh()` gives an empty store. Each case is a test of its own.

mod ids;
mod lists;
mod log;
mod owners;
mod related;
mod rows;
mod tables;

use std::sync::Arc;

use tradewind_engine::{
    StoredRow, Table,
    ports::{Commit, CommitError, Reader, RowChange, RowWrite, Writer},
    segment::Segment,
};
use tradewind_events::{Key, Timestamp, Value};

pub use ids::*;
pub use lists::*;
pub use log::*;
pub use owners::*;
pub use related::*;
pub use rows::*;
pub use tables::TABLES;

/// A store, as an operator sees it: a place that processes become the owner of.
pub trait StoreUnderTest {
    /// Becomes its owner, as a process that starts. An owner that is still there has lost the store by that, as when
    /// its lock or lease was taken from it.
    fn own(&self) -> Owner;
}

/// What a process has that owns a store.
pub struct Owner {
    pub writer: Box<dyn Writer>,
    pub reader: Arc<dyn Reader>,
    pub epoch: u64,
}

/// A test for each case of the suite, on a store that `$fresh()` makes.
#[macro_export]
macro_rules! store_suite {
    ($fresh:expr) => {
        $crate::store_suite!(
            $fresh;
            a_row_is_inserted_updated_and_deleted_by_its_version,
            a_batch_is_there_whole_or_not_at_all,
            a_store_goes_on_after_a_refusal,
            a_refusal_names_the_table,
            a_key_that_does_not_fit_is_no_fault_of_the_store,
            keys_may_have_several_parts_and_odd_characters,
            values_come_back_as_they_were,
            rows_come_in_the_order_of_their_keys,
            a_thousand_rows_are_one_batch,
            any_history_ends_as_the_model_says,
            any_list_is_as_the_model_says,
            pages_join_to_the_whole_list,
            a_list_names_an_unknown_column,
            an_id_is_found_and_comes_back_as_it_is_spelt,
            pages_over_ids_of_any_sort_are_complete_and_in_one_order_in_every_store,
            a_list_has_the_rows_of_which_another_table_has_one_that_fits,
            a_search_finds_phrases_and_beginnings,
            segments_come_in_order_without_a_gap,
            segments_run_through_the_months_even_if_the_clock_goes_back,
            a_segment_out_of_line_is_refused,
            the_moment_of_the_last_commit_is_kept_with_and_without_a_segment,
            an_older_owner_is_refused,
            everything_is_there_for_the_next_owner,
            reads_see_whole_commits_beside_the_writer,
        );
    };
    ($fresh:expr; $($case:ident),* $(,)?) => {
        $(
            #[test]
            fn $case() {
                $crate::store_suite::$case(&$fresh());
            }
        )*
    };
}

impl Owner {
    /// Commits rows and nothing else.
    fn writes(&mut self, rows: Vec<RowChange>) -> Result<(), CommitError> {
        self.commits(rows, None)
    }

    fn commits(&mut self, rows: Vec<RowChange>, segment: Option<Segment>) -> Result<(), CommitError> {
        self.writer.commit(&Commit { epoch: self.epoch, at: Timestamp::default(), rows, segment })
    }

    fn loads(&self, table: &'static Table, key: &Key) -> Option<StoredRow> {
        let mut rows = self.reader.load(table, std::slice::from_ref(key)).expect("the store answers");
        assert_eq!(rows.len(), 1, "as many answers as keys");
        rows.pop().flatten()
    }
}

fn insert(table: &'static Table, row: &StoredRow) -> RowChange {
    RowChange { table, key: tables::key(table, row), write: RowWrite::Insert(row.clone()) }
}

fn update(table: &'static Table, expected_version: u64, row: &StoredRow) -> RowChange {
    RowChange { table, key: tables::key(table, row), write: RowWrite::Update { expected_version, row: row.clone() } }
}

fn delete(table: &'static Table, expected_version: u64, key: &Key) -> RowChange {
    RowChange { table, key: key.clone(), write: RowWrite::Delete { expected_version } }
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

/// The table that a commit was refused for.
fn refused_table(outcome: Result<(), CommitError>) -> String {
    match outcome {
        Err(CommitError::Constraint { table, .. }) => table,
        other => panic!("a refusal of a row was expected, not {other:?}"),
    }
}
