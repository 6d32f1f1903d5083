//! What is in a store when nobody runs on it: orders that are settled, bytes by table, and the audit.

use std::{collections::BTreeMap, fs, path::Path};

use rusqlite::{Connection, OpenFlags};
use tradewind_audit::{Audit, Charges, StoreView};
use tradewind_engine::{
    AnyService,
    ports::{Clock, SystemClock},
};
use tradewind_sqlite::Sqlite;

use crate::{Failure, shop::services};

/// An order is settled when it is confirmed, its money is captured, and the read model shows both.
const SETTLED: &str = r#"
    SELECT COUNT(*)
    FROM "order" JOIN payment USING (order_id) JOIN order_view USING (order_id)
    WHERE "order".state = 'confirmed' AND payment.state = 'captured'
      AND order_view.status = 'confirmed' AND order_view.payment_state = 'captured'"#;

/// The same in the stores of a split shop, which all have the tables of all services: what three services have done.
const SETTLED_BY_SERVICE: [&str; 3] = [
    r#"SELECT COUNT(*) FROM "order" WHERE state = 'confirmed'"#,
    "SELECT COUNT(*) FROM payment WHERE state = 'captured'",
    SHOWN,
];

/// What the read model shows as settled.
const SHOWN: &str = "SELECT COUNT(*) FROM order_view WHERE status = 'confirmed' AND payment_state = 'captured'";

/// Calls of the payment provider that should have been made by now.
const OVERDUE: &str = "
    SELECT COUNT(*) FROM job
    WHERE state = 'waiting' AND kind = 'ask_provider' AND due_at <= CAST(unixepoch('subsec') * 1000 AS INTEGER)";

/// Users of whom another store has told. One who only buys has no address.
const REGISTERED: &str = "SELECT COUNT(*) FROM contact WHERE state = 'known'";

/// Bytes of pages by table, indexes with their tables.
const BYTES_BY_TABLE: &str = "
    SELECT COALESCE(tbl_name, dbstat.name), SUM(pgsize)
    FROM dbstat LEFT JOIN sqlite_schema ON sqlite_schema.name = dbstat.name
    WHERE aggregate = TRUE GROUP BY 1";

/// What the audit has found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Audited {
    pub violations: u64,
    /// Orders that were not judged, because something of them is in flight, parked, dead or owed.
    pub set_aside: u64,
    /// What an operator has to settle.
    pub owed: usize,
    /// The first thing that is wrong, if anything is.
    pub first: Option<String>,
}

/// The bytes of a store, all of its files.
pub fn bytes(store: &Path) -> u64 {
    let file = |end: &str| format!("{}{end}", store.display());
    ["", "-wal"].iter().filter_map(|end| fs::metadata(file(end)).ok()).map(|found| found.len()).sum()
}

pub fn settled(store: &Path) -> Result<u64, Failure> {
    count(store, SETTLED)
}

/// Orders that all of the services have settled, wherever they live.
pub fn settled_by_all(stores: &[&Path]) -> Result<u64, Failure> {
    let mut least = u64::MAX;
    for sql in SETTLED_BY_SERVICE {
        let counts = stores.iter().map(|store| count(store, sql)).collect::<Result<Vec<_>, _>>()?;
        least = least.min(counts.iter().sum());
    }
    Ok(least)
}

/// Orders that the read model shows as settled.
pub fn shown(store: &Path) -> Result<u64, Failure> {
    count(store, SHOWN)
}

/// Jobs for the payment provider that are due, those included that are under way.
pub fn overdue(store: &Path) -> Result<u64, Failure> {
    count(store, OVERDUE)
}

/// Users whose registration has taken effect.
pub fn registered(store: &Path) -> Result<u64, Failure> {
    count(store, REGISTERED)
}

/// Events in the log.
pub fn events(store: &Path) -> Result<u64, Failure> {
    let connection = open(store)?;
    let mut statement = connection.prepare("SELECT 'segment_' || period FROM segment_period")?;
    let tables = statement.query_map([], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
    let mut events = 0;
    for table in tables {
        let sql = format!("SELECT COALESCE(SUM(events), 0) FROM {table}");
        events += connection.query_row(&sql, [], |row| row.get::<_, i64>(0))?.unsigned_abs();
    }
    Ok(events)
}

/// Empties the read models, so that they are made again from nothing. Nobody may run on the store.
pub fn forget_read_models(store: &Path) -> Result<(), Failure> {
    let connection = open(store)?;
    for table in tradewind_query::rebuild::tables() {
        connection.execute(&format!("DELETE FROM {}", table.name), [])?;
    }
    Ok(())
}

pub fn bytes_by_table(store: &Path) -> Result<BTreeMap<String, u64>, Failure> {
    let connection = open(store)?;
    let mut statement = connection.prepare(BYTES_BY_TABLE)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs())))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Checks the ten invariants in a store on which no shop runs. The provider has no charges: no card was used, or it does
/// not answer.
pub fn audit(store: &Path) -> Result<Audited, Failure> {
    audit_of(store, &services())
}

/// The same for a store in which only these services live.
pub fn audit_of(store: &Path, services: &[AnyService]) -> Result<Audited, Failure> {
    let (reader, meta) = Sqlite::open_reader(store)?;
    let stores = [StoreView::new(&meta.name, &reader, services)];
    let (registry, charges) = (tradewind_events::registry(), Charges::default());
    let audit = Audit { stores: &stores, registry: &registry, charges: Some(&charges), now: SystemClock.wall() };
    let report = audit.run()?;
    let violations = report.checks.iter().flat_map(|check| &check.violations);
    let first = violations.map(|violation| format!("{}: {}", violation.subject, violation.detail)).next();
    Ok(Audited { violations: report.violated(), set_aside: report.set_aside, owed: report.owed.len(), first })
}

fn count(store: &Path, sql: &str) -> Result<u64, Failure> {
    let count: i64 = open(store)?.query_row(sql, [], |row| row.get(0))?;
    Ok(u64::try_from(count)?)
}

fn open(store: &Path) -> Result<Connection, Failure> {
    Ok(Connection::open_with_flags(store, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?)
}
