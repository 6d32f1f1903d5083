//! The simulator's store: its rows, read and written in one transaction.

use std::{fs, io, os::unix::fs::OpenOptionsExt, path::Path, sync::Arc, time::Duration};

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, Result, Row, Transaction, params, types::Type};
use tradewind_events::{
    Id, TextEnum, Timestamp,
    jobs::{ProviderAction, ProviderAnswer, ProviderCall},
};

use super::{Charge, Forced, SimulatorError};

const SCHEMA: &str = include_str!("schema.sql");
const SCHEMA_VERSION: u32 = 1;

/// Marks the file as ours: "twps".
const APPLICATION_ID: u32 = 0x7477_7073;

/// It holds what customers pay: it is for its owner alone.
const FILE_MODE: u32 = 0o600;

/// How long another process that uses the file is waited for.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// A call, how often it was asked, and what is answered once it is done.
#[derive(Debug, Clone)]
pub(super) struct CallRow {
    pub call: ProviderCall,
    pub asked: u32,
    pub due_at: Option<Timestamp>,
    pub answer: Option<ProviderAnswer>,
}

/// A callback that is to be sent.
#[derive(Debug, Clone)]
pub(super) struct CallbackRow {
    pub number: i64,
    pub key: Id,
    pub body: String,
    pub attempts: u32,
}

impl CallRow {
    pub fn new(call: &ProviderCall) -> Self {
        Self { call: call.clone(), asked: 0, due_at: None, answer: None }
    }
}

/// Opens the store; in memory when there is no file.
pub(super) fn open(file: Option<&Path>) -> std::result::Result<Connection, SimulatorError> {
    let store = file.map_or_else(|| "in memory".to_owned(), |file| file.display().to_string());
    let failed = |error: rusqlite::Error| SimulatorError::Store { store: store.clone(), reason: error.to_string() };
    let mut connection = match file {
        Some(file) => {
            create(file).map_err(|error| SimulatorError::Store { store: store.clone(), reason: error.to_string() })?;
            Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        }
        None => Connection::open_in_memory(),
    }
    .map_err(failed)?;
    prepare(&mut connection, &store).map_err(failed)??;
    Ok(connection)
}

/// Opens the store of a simulator that may be running, only to look.
pub(super) fn open_reader(file: &Path) -> std::result::Result<Connection, SimulatorError> {
    let store = file.display().to_string();
    let failed = |error: rusqlite::Error| SimulatorError::Store { store: store.clone(), reason: error.to_string() };
    let read = |uri: Option<String>| {
        let flags = if uri.is_some() {
            OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI
        } else {
            OpenFlags::SQLITE_OPEN_READ_WRITE
        };
        let path = uri.as_deref().map_or(file, Path::new);
        let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.pragma_update(None, "query_only", true)?;
        let checked = check(&connection, &store)?;
        Ok((connection, checked))
    };
    let (connection, checked) = match read(None) {
        // It cannot be written, nor anything beside it. Where there is no log, nothing is written to it either.
        Err(error) if is_forbidden(&error) && !has_log(file) => read(Some(unchanging(file))),
        read => read,
    }
    .map_err(|error| {
        if is_forbidden(&error) { SimulatorError::Unreadable { store: store.clone() } } else { failed(error) }
    })?;
    checked?;
    Ok(connection)
}

/// Makes an empty file that its owner alone may read, unless there is one.
fn create(file: &Path) -> io::Result<()> {
    match fs::OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(file) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

fn is_forbidden(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error_code();
    matches!(code, Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied))
}

fn has_log(file: &Path) -> bool {
    let mut log = file.as_os_str().to_owned();
    log.push("-wal");
    fs::metadata(log).is_ok_and(|log| log.len() > 0)
}

/// The URI of a file that does not change.
fn unchanging(file: &Path) -> String {
    let path = file.display().to_string().replace('%', "%25").replace('?', "%3F").replace('#', "%23");
    format!("file:{path}?immutable=1")
}

fn prepare(connection: &mut Connection, store: &str) -> Result<std::result::Result<(), SimulatorError>> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    // What was answered is on the disk before the answer is given, also when the power fails.
    connection.pragma_update(None, "synchronous", "FULL")?;
    // What a crash has left in the log is written anew before anything is built on it: if a flush of it failed, it can
    // be read and is not on the disk.
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let tables: u32 = transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if tables == 0 {
        transaction.execute_batch(SCHEMA)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    }
    let checked = check(&transaction, store)?;
    transaction.commit()?;
    Ok(checked)
}

fn check(connection: &Connection, store: &str) -> Result<std::result::Result<(), SimulatorError>> {
    let number = |pragma: &str| connection.pragma_query_value(None, pragma, |row| row.get::<_, u32>(0));
    let (application_id, version) = (number("application_id")?, number("user_version")?);
    let store = store.to_owned();
    if application_id != APPLICATION_ID {
        return Ok(Err(SimulatorError::NotOurs { store }));
    }
    if version != SCHEMA_VERSION {
        return Ok(Err(SimulatorError::OtherVersion { store, theirs: version, ours: SCHEMA_VERSION }));
    }
    Ok(Ok(()))
}

const CHARGE: &str =
    "SELECT reference, order_id, payment_id, outcome, state, amount_minor, refunded_minor, currency FROM charge";

/// Charges in the order of their references, after one of them.
pub(super) fn charges(connection: &Connection, after: &str, limit: usize) -> Result<Vec<Charge>> {
    let sql = format!("{CHARGE} WHERE reference > ?1 ORDER BY reference LIMIT ?2");
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    connection.prepare_cached(&sql)?.query_map(params![after, limit], charge)?.collect()
}

/// Callbacks that are to be sent, and those that were given up.
pub(super) fn callback_counts(connection: &Connection) -> Result<(u32, u32)> {
    let sql = "SELECT count(due_at), count(*) - count(due_at) FROM callback";
    connection.prepare_cached(sql)?.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
}

/// When something is to be done next by itself.
pub(super) fn next_due(connection: &Connection) -> Result<Option<Timestamp>> {
    let sql = "SELECT min(due_at) FROM (SELECT min(due_at) AS due_at FROM call WHERE due_at IS NOT NULL
               UNION ALL SELECT min(due_at) FROM callback WHERE due_at IS NOT NULL)";
    let due: Option<i64> = connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
    Ok(due.map(Timestamp::from_millis))
}

/// Rows within a transaction.
pub(super) struct Rows<'a>(pub &'a Transaction<'a>);

impl Rows<'_> {
    pub fn charge(&self, reference: &str) -> Result<Option<Charge>> {
        self.0.prepare_cached(&format!("{CHARGE} WHERE reference = ?1"))?.query_row([reference], charge).optional()
    }

    pub fn put_charge(&self, charge: &Charge) -> Result<()> {
        let sql = "INSERT INTO charge (reference, order_id, payment_id, outcome, state, amount_minor, refunded_minor,
                       currency)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
                   ON CONFLICT (reference) DO UPDATE SET state = excluded.state,
                       refunded_minor = excluded.refunded_minor";
        self.0.prepare_cached(sql)?.execute(params![
            charge.reference.as_str(),
            charge.order_id.as_str(),
            charge.payment_id.as_str(),
            charge.forced.as_str(),
            charge.state.as_str(),
            charge.amount_minor,
            charge.refunded_minor,
            charge.currency.as_str(),
        ])?;
        Ok(())
    }

    pub fn call(&self, key: &Id, action: ProviderAction) -> Result<Option<CallRow>> {
        let sql = format!("{CALL} WHERE key = ?1 AND action = ?2");
        self.0.prepare_cached(&sql)?.query_row(params![key.as_str(), action.as_str()], call).optional()
    }

    /// Calls whose time has come.
    pub fn due_calls(&self, now: Timestamp) -> Result<Vec<CallRow>> {
        let sql = format!("{CALL} WHERE due_at <= ?1 ORDER BY due_at, key");
        self.0.prepare_cached(&sql)?.query_map([now.as_millis()], call)?.collect()
    }

    pub fn put_call(&self, row: &CallRow) -> Result<()> {
        let sql = "INSERT INTO call (key, action, request, asked, due_at, state, reference, amount_minor, reason)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
                   ON CONFLICT (key, action) DO UPDATE SET asked = excluded.asked, due_at = excluded.due_at,
                       state = excluded.state, reference = excluded.reference, amount_minor = excluded.amount_minor,
                       reason = excluded.reason";
        let request =
            serde_json::to_string(&row.call).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
        let answer = row.answer.as_ref();
        self.0.prepare_cached(sql)?.execute(params![
            row.call.key.as_str(),
            row.call.action.as_str(),
            request,
            row.asked,
            row.due_at.map(Timestamp::as_millis),
            answer.map(|answer| answer.state.as_str()),
            answer.and_then(|answer| answer.reference.as_deref()),
            answer.map(|answer| answer.amount_minor),
            answer.and_then(|answer| answer.reason.as_deref()),
        ])?;
        Ok(())
    }

    /// How much was given back for this refund, if it was.
    pub fn refunded(&self, reference: &str, refund_id: &Id) -> Result<Option<i64>> {
        let sql = "SELECT amount_minor FROM refund WHERE reference = ?1 AND refund_id = ?2";
        self.0.prepare_cached(sql)?.query_row([reference, refund_id.as_str()], |row| row.get(0)).optional()
    }

    pub fn put_refund(&self, reference: &str, refund_id: &Id, amount_minor: i64) -> Result<()> {
        let sql = "INSERT INTO refund (reference, refund_id, amount_minor) VALUES (?1, ?2, ?3)";
        self.0.prepare_cached(sql)?.execute(params![reference, refund_id.as_str(), amount_minor])?;
        Ok(())
    }

    pub fn forced(&self, order_id: &Id) -> Result<Option<Forced>> {
        let sql = "SELECT outcome FROM forced WHERE order_id = ?1";
        self.0.prepare_cached(sql)?.query_row([order_id.as_str()], |row| text(row, 0)).optional()
    }

    pub fn put_forced(&self, order_id: &Id, forced: Forced) -> Result<()> {
        let sql = "INSERT INTO forced (order_id, outcome) VALUES (?1, ?2)
                   ON CONFLICT (order_id) DO UPDATE SET outcome = excluded.outcome";
        self.0.prepare_cached(sql)?.execute([order_id.as_str(), forced.as_str()])?;
        Ok(())
    }

    /// Keeps a callback, to be sent from `due_at` on; gives its number.
    pub fn add_callback(&self, call: &ProviderCall, body: &str, due_at: Timestamp) -> Result<i64> {
        let sql = "INSERT INTO callback (key, action, body, attempts, due_at) VALUES (?1, ?2, ?3, 0, ?4)";
        let (key, action) = (call.key.as_str(), call.action.as_str());
        self.0.prepare_cached(sql)?.insert(params![key, action, body, due_at.as_millis()])
    }

    /// A callback about the call is still to be sent.
    pub fn is_to_be_told(&self, call: &ProviderCall) -> Result<bool> {
        let sql = "SELECT 1 FROM callback WHERE key = ?1 AND action = ?2 AND due_at IS NOT NULL";
        self.0.prepare_cached(sql)?.exists([call.key.as_str(), call.action.as_str()])
    }

    pub fn callback(&self, number: i64) -> Result<Option<CallbackRow>> {
        let sql = "SELECT number, key, body, attempts FROM callback WHERE number = ?1 AND due_at IS NOT NULL";
        self.0.prepare_cached(sql)?.query_row([number], callback).optional()
    }

    /// The callback that is due first.
    pub fn due_callback(&self, now: Timestamp) -> Result<Option<CallbackRow>> {
        let sql = "SELECT number, key, body, attempts FROM callback WHERE due_at <= ?1 ORDER BY due_at, number LIMIT 1";
        self.0.prepare_cached(sql)?.query_row([now.as_millis()], callback).optional()
    }

    /// The shop has taken it.
    pub fn delete_callback(&self, number: i64) -> Result<()> {
        self.0.prepare_cached("DELETE FROM callback WHERE number = ?1")?.execute([number])?;
        Ok(())
    }

    /// The shop has not taken it; it is tried again then, or never.
    pub fn put_off_callback(&self, number: i64, due_at: Option<Timestamp>) -> Result<()> {
        let sql = "UPDATE callback SET attempts = attempts + 1, due_at = ?2 WHERE number = ?1";
        self.0.prepare_cached(sql)?.execute(params![number, due_at.map(Timestamp::as_millis)])?;
        Ok(())
    }
}

const CALL: &str = "SELECT request, asked, due_at, state, reference, amount_minor, reason FROM call";

fn charge(row: &Row<'_>) -> Result<Charge> {
    Ok(Charge {
        reference: text(row, 0)?,
        order_id: text(row, 1)?,
        payment_id: text(row, 2)?,
        forced: text(row, 3)?,
        state: text(row, 4)?,
        amount_minor: row.get(5)?,
        refunded_minor: row.get(6)?,
        currency: text(row, 7)?,
    })
}

fn call(row: &Row<'_>) -> Result<CallRow> {
    let request: String = row.get(0)?;
    let call = serde_json::from_str(&request).map_err(|error| unreadable(0, error))?;
    let answer = match row.get::<_, Option<i64>>(5)? {
        Some(amount_minor) => {
            let (reference, reason) = (row.get::<_, Option<Arc<str>>>(4)?, row.get::<_, Option<Arc<str>>>(6)?);
            Some(ProviderAnswer { state: text(row, 3)?, reference, amount_minor, reason })
        }
        None => None,
    };
    let due_at = row.get::<_, Option<i64>>(2)?.map(Timestamp::from_millis);
    Ok(CallRow { call, asked: row.get(1)?, due_at, answer })
}

fn callback(row: &Row<'_>) -> Result<CallbackRow> {
    Ok(CallbackRow { number: row.get(0)?, key: text(row, 1)?, body: row.get(2)?, attempts: row.get(3)? })
}

/// A text that has a type.
fn text<T>(row: &Row<'_>, column: usize) -> Result<T>
where
    T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    row.get::<_, String>(column)?.parse().map_err(|error: T::Err| unreadable(column, error))
}

fn unreadable(column: usize, error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
}
