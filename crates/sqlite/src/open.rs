//! Opening a store: take ownership, bring the schema up to date, become its next owner.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use rusqlite::{Connection, TransactionBehavior, params};
use tradewind_events::Timestamp;

use crate::{
    OpenError, SqliteReader, SqliteWriter,
    checkpoint::Checkpointer,
    connection,
    inode::Inode,
    lock::{Ownership, refuse_hard_link, refuse_mount},
    migrate,
    place::{Place, Watch, with_end},
    pool::Pool,
    segments,
    source::Source,
    value::unsigned,
};

/// The store, as a door.
pub enum Sqlite {}

/// What opening must know beside the path.
#[derive(Debug, Clone)]
pub struct Options {
    /// The name of a store that is created now: short and random, 1 to 16 visible ASCII characters. It stands in the
    /// id of every event. A store that is there keeps its own.
    pub new_name: String,
    /// The services that run on the store. It remembers them: a start with others is refused.
    pub services: Vec<String>,
    /// The name of the process in the peers file of a split shop. The store remembers it: a start under another name is
    /// refused. None: the shop is not split.
    pub peer: Option<String>,
    pub now: Timestamp,
    /// How many threads may read at a time; more wait.
    pub readers_max: usize,
    /// The size that the file may reach; beyond it a commit fails with [`tradewind_engine::ports::StoreError::Full`].
    pub bytes_max: Option<u64>,
}

/// Connections for readers, unless said otherwise: the engine's loads, the console and HTTP beside it.
pub const READERS_MAX: usize = 4;

/// A store that this process owns until it drops the writer.
pub struct Opened {
    pub writer: SqliteWriter,
    pub reader: SqliteReader,
    pub meta: Meta,
    /// The store was a backup until now. Its log goes on behind this number: those before it may have been used by the
    /// store that it is a copy of, and the ids of events, which are made of them, are given once.
    pub resumed_behind: Option<u64>,
    /// Damage is found when it is read. Not so in a file that another program has made, as with `.recover` of `sqlite3`.
    pub has_checksums: bool,
}

/// What a store says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meta {
    pub name: String,
    pub created_at: Timestamp,
    /// Sorted.
    pub services: Vec<String>,
    /// The last migration.
    pub schema: u32,
    /// Counts its owners. Commits carry it.
    pub epoch: u64,
}

/// The part of its services' keys that every store has: all. It is recorded now, so that a program that does not know of
/// shards refuses a store that is one of several.
const SHARD: &str = "1 of 1";

/// Written into the header of the file, as "TRWD", so that no other program's database is taken for a store.
const APPLICATION_ID: i32 = 0x5452_5744;

/// After an unclean end, when the log is still beside it, a file of up to this size is checked before use: it takes
/// about 0.1 s. A larger one is checked on demand ([`SqliteReader::check`]); SQLite recovers its log by itself.
const CHECKED_AT_OPEN_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Far more than a disk can flush; and numbers that are made with it fit into the 53 bits of a JSON number until 2248.
const SEGMENTS_A_MILLISECOND_MAX: u64 = 1_024;

impl Options {
    /// For a store of these services.
    pub fn new<'a>(new_name: &str, services: impl IntoIterator<Item = &'a str>, now: Timestamp) -> Self {
        Self {
            new_name: new_name.to_owned(),
            services: services.into_iter().map(str::to_owned).collect(),
            peer: None,
            now,
            readers_max: READERS_MAX,
            bytes_max: None,
        }
    }
}

impl Sqlite {
    /// Opens a store as its owner; creates it when there is none.
    pub fn open(path: &Path, options: &Options) -> Result<Opened, OpenError> {
        let path = resolved(path)?;
        let ownership = Ownership::take(&path)?;
        let place = Place::new(path.clone(), ownership.inode.id);
        let crashed = bytes_of(&with_end(&path, "-wal")) > 0;
        let suspect = crashed && bytes_of(&path) <= CHECKED_AT_OPEN_BYTES_MAX;
        let mut connection = connection::writer(&path).map_err(|error| OpenError::sqlite(&path, &error))?;
        check_kind(&connection, &path)?;
        make_writable(&connection, &path, options)?;
        if suspect {
            quick_check(&connection, &path)?;
        }
        if crashed {
            connection::put_log_back(&connection).map_err(|error| OpenError::sqlite(&path, &error))?;
        }
        let (meta, resumed_behind) = become_owner(&mut connection, &path, options)?;
        let source = Source::of_owner(path.clone(), Arc::clone(&ownership.inode));
        let readers = Arc::new(Pool::new(source, options.readers_max));
        let checkpointer = Checkpointer::start(&mut connection, Arc::clone(&readers))?;
        // SQLite opens a path, so it may have found another file there than the one that is locked.
        place.check().map_err(|error| OpenError::lost(&path, &error))?;
        let has_checksums = connection::has_checksums(&connection).map_err(|error| OpenError::sqlite(&path, &error))?;
        let watch = Watch::new(place).map_err(|error| OpenError::io(&path, &error))?;
        let writer = SqliteWriter::new(connection, Arc::clone(&readers), checkpointer, watch, ownership);
        Ok(Opened { writer, reader: SqliteReader::new(readers), meta, resumed_behind, has_checksums })
    }

    /// Opens a store for reading alone, beside whoever owns it.
    pub fn open_reader(path: &Path) -> Result<(SqliteReader, Meta), OpenError> {
        let path = resolved(path)?;
        let store = path.display().to_string();
        if !path.exists() {
            return Err(OpenError::Missing { store });
        }
        let inode = Inode::open(&path).map_err(|error| OpenError::unreadable(&path, &error))?;
        refuse_hard_link(&path)?;
        refuse_mount(&path, &inode)?;
        let source = Source::of_reader(&path, inode)?;
        let sqlite = |error: &rusqlite::Error| OpenError::sqlite(&path, error);
        let connection = source.connect().map_err(|error| OpenError::lost(&path, &error))?;
        check_kind(&connection, &path)?;
        migrate::check(&connection, &path)?;
        let meta = read_meta(&connection).map_err(|error| sqlite(&error))?.ok_or(OpenError::Missing { store })?;
        if meta.schema < migrate::newest() {
            let store = path.display().to_string();
            return Err(OpenError::OlderVersion { store, theirs: meta.schema, ours: migrate::newest() });
        }
        drop(connection);
        Ok((SqliteReader::new(Arc::new(Pool::new(source, READERS_MAX))), meta))
    }
}

/// One name for one file, however it was written: the lock stands beside it.
fn resolved(path: &Path) -> Result<PathBuf, OpenError> {
    if let Ok(known) = fs::canonicalize(path) {
        return Ok(known);
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let (Ok(directory), Some(name)) = (fs::canonicalize(parent), path.file_name()) else {
        return Err(OpenError::NoDirectory { directory: parent.display().to_string() });
    };
    Ok(directory.join(name))
}

fn bytes_of(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |file| file.len())
}

fn make_writable(connection: &Connection, path: &Path, options: &Options) -> Result<(), OpenError> {
    let (sqlite, store) = (|error: rusqlite::Error| OpenError::sqlite(path, &error), path.display().to_string());
    if connection.is_readonly("main").map_err(sqlite)? {
        return Err(OpenError::ReadOnly { path: store, reason: String::from("the file can only be read") });
    }
    if connection::use_wal(connection, options.bytes_max).map_err(sqlite)? {
        Ok(())
    } else {
        Err(OpenError::Unusable { store, reason: String::from("its file system has no shared memory") })
    }
}

fn quick_check(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let found: String = connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(|error| OpenError::sqlite(path, &error))?;
    if found == "ok" { Ok(()) } else { Err(OpenError::Corrupt { store: path.display().to_string(), reason: found }) }
}

/// Everything that opening changes, in one transaction: whoever is refused has changed nothing.
fn become_owner(connection: &mut Connection, path: &Path, options: &Options) -> Result<(Meta, Option<u64>), OpenError> {
    let sqlite = |error: rusqlite::Error| OpenError::sqlite(path, &error);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(sqlite)?;
    let applied = migrate::check(&transaction, path)?;
    let mut services = options.services.clone();
    services.sort();
    if applied > 0
        && let Some(meta) = read_meta(&transaction).map_err(sqlite)?
    {
        if meta.services != services {
            let store = path.display().to_string();
            return Err(OpenError::OtherServices { store, recorded: meta.services, asked: services });
        }
        migrate::apply(&transaction, applied, options.now).map_err(sqlite)?;
    } else {
        create(&transaction, applied, &services, options, path)?;
    }
    check_part(&transaction, path, options)?;
    let took = "UPDATE store_meta SET epoch = epoch + 1, peer = coalesce(peer, ?1)";
    transaction.execute(took, [&options.peer]).map_err(sqlite)?;
    let resumed_behind = resume_copy(&transaction, options.now).map_err(sqlite)?;
    let meta = read_meta(&transaction).map_err(sqlite)?;
    transaction.commit().map_err(sqlite)?;
    let meta = meta.ok_or_else(|| OpenError::NotOurs { store: path.display().to_string() })?;
    Ok((meta, resumed_behind))
}

/// Refuses a store that is another part of a shop.
fn check_part(connection: &Connection, path: &Path, options: &Options) -> Result<(), OpenError> {
    let part = connection.query_row("SELECT shard, peer FROM store_meta", [], |row| Ok((row.get(0)?, row.get(1)?)));
    let (shard, peer): (String, Option<String>) = part.map_err(|error| OpenError::sqlite(path, &error))?;
    let store = path.display().to_string();
    if shard != SHARD {
        return Err(OpenError::OtherShard { store, recorded: shard, ours: SHARD });
    }
    match (peer, &options.peer) {
        (Some(recorded), Some(asked)) if recorded != *asked => {
            Err(OpenError::OtherPeer { store, recorded, asked: asked.clone() })
        }
        _ => Ok(()),
    }
}

/// A backup that becomes a store cannot know how far the log went that it is a copy of. No store makes segments faster
/// than [`SEGMENTS_A_MILLISECOND_MAX`], so a number that is made of the time is behind all of them, and behind those of
/// every earlier restart from the same backup.
fn resume_copy(connection: &Connection, now: Timestamp) -> rusqlite::Result<Option<u64>> {
    let is_copy: bool = connection.query_row("SELECT is_copy FROM store_meta", [], |row| row.get(0))?;
    if !is_copy {
        return Ok(None);
    }
    let behind = unsigned(now.as_millis()).saturating_mul(SEGMENTS_A_MILLISECOND_MAX);
    let behind = behind.max(segments::last(connection)? + 1);
    segments::go_on_behind(connection, behind, now)?;
    connection.execute("UPDATE store_meta SET is_copy = 0", [])?;
    Ok(Some(behind))
}

fn create(
    connection: &Connection,
    applied: usize,
    services: &[String],
    options: &Options,
    path: &Path,
) -> Result<(), OpenError> {
    let name = &options.new_name;
    if !(1..=16).contains(&name.len()) || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(OpenError::InvalidName { name: name.clone() });
    }
    let created = (|| {
        connection.pragma_update(None, "application_id", APPLICATION_ID)?;
        migrate::apply(connection, applied, options.now)?;
        connection.execute(
            "INSERT INTO store_meta (id, name, created_at, services, epoch) VALUES (1, ?1, ?2, ?3, 0)",
            params![name, options.now.as_millis(), services.join(",")],
        )
    })();
    created.map(|_| ()).map_err(|error| OpenError::sqlite(path, &error))
}

/// Ours, or empty.
fn check_kind(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let sqlite = |error: rusqlite::Error| OpenError::sqlite(path, &error);
    let id: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0)).map_err(sqlite)?;
    let empty: bool =
        connection.query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| row.get(0)).map_err(sqlite)?;
    if id == APPLICATION_ID || (id == 0 && empty) {
        Ok(())
    } else {
        Err(OpenError::NotOurs { store: path.display().to_string() })
    }
}

fn read_meta(connection: &Connection) -> rusqlite::Result<Option<Meta>> {
    if !migrate::has_table(connection, "store_meta")? {
        return Ok(None);
    }
    let sql = "SELECT name, created_at, services, epoch, (SELECT max(number) FROM store_migration) FROM store_meta";
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let services: String = row.get(2)?;
    Ok(Some(Meta {
        name: row.get(0)?,
        created_at: Timestamp::from_millis(row.get(1)?),
        services: services.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect(),
        epoch: unsigned(row.get(3)?),
        schema: row.get(4)?,
    }))
}
