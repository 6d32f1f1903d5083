//! The checkpoint: the log of SQLite is copied back into the file on a thread of its own, while commits go on.
//!
//! SQLite begins the log anew with the first commit that finds all of it in the file. Commits add to it while it is copied, so
//! there is always a rest. The thread copies until that is small. Then the writer waits between two commits for the rest of it,
//! which takes as long as a commit or two.

use std::{
    fs::File,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
};

use rusqlite::{Connection, hooks::Wal};
use tradewind_engine::ports::StoreError;

use crate::{OpenError, connection, pool::Pool};

/// The thread copies the log when it has so many bytes. A page that is written again and again (hot rows, the end of an index)
/// is copied once, so more is cheaper: steps of 8 MiB cost a tenth of the orders of eight clients.
const LOG_BYTES: u64 = 32 * 1024 * 1024;

/// It tries again when so much was added, if somebody reads the log or an error has come between.
const RETRY_BYTES: u64 = 4 * 1024 * 1024;

/// When the log has so many bytes, commits have been faster than the thread: the writer copies it before each commit, until
/// it begins anew. Only a reader that needs an old state, or a disk that takes nothing, lets it grow further.
pub(crate) const LOG_BYTES_MAX: u32 = 64 * 1024 * 1024;

/// For such a rest the writer may wait.
const REST_BYTES_MAX: u64 = 1024 * 1024;

/// How often the thread tries for a small rest. With each time it is shorter, unless the disk is slower than the commits.
const PASSES_MAX: u32 = 4;

/// Bytes of a frame of the log beside its page.
const FRAME_HEAD_BYTES: u64 = 24;

/// Copies the log of a store as long as its writer lives.
pub(crate) struct Checkpointer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    /// Of whoever copies; one at a time. `None` when it has ended.
    copier: Mutex<Option<Copier>>,
    state: Mutex<State>,
    changed: Condvar,
    frame_bytes: u64,
    readers: Arc<Pool>,
}

struct Copier {
    connection: Connection,
    /// Of the store. It only grows: a file that was cut off is not written to.
    store_bytes: u64,
}

#[derive(Default)]
struct State {
    /// What is in the log after the last commit.
    log_bytes: u64,
    /// The thread copies when the log is as large.
    due_at: u64,
    commits: bool,
    /// The thread copies the rest.
    writer_waits: bool,
    ends: bool,
}

/// How far the log was copied, in bytes.
struct Copied {
    log_bytes: u64,
    copied_bytes: u64,
}

#[derive(Clone, Copy)]
enum Mode {
    /// As much as readers allow, beside commits.
    Beside,
    /// All of it; and waits for readers, until none needs the log.
    Restart,
}

impl Checkpointer {
    /// Starts the thread, which copies over a connection of its own.
    pub fn start(writer: &mut Connection, readers: Arc<Pool>) -> Result<Self, OpenError> {
        let path = readers.source.path().to_owned();
        let sqlite = |error: rusqlite::Error| OpenError::sqlite(&path, &error);
        let connection = connection::copier(&path).map_err(sqlite)?;
        let page_bytes: u32 = connection.pragma_query_value(None, "page_size", |row| row.get(0)).map_err(sqlite)?;
        let store_bytes = readers.source.bytes_in_place().map_err(|error| OpenError::lost(&path, &error))?;
        let copier = Mutex::new(Some(Copier { connection, store_bytes }));
        let state = Mutex::new(State { due_at: LOG_BYTES, ..State::default() });
        let (changed, frame_bytes) = (Condvar::new(), u64::from(page_bytes) + FRAME_HEAD_BYTES);
        let shared = Arc::new(Shared { copier, state, changed, frame_bytes, readers });
        let its = Arc::clone(&shared);
        let thread = thread::Builder::new().name(String::from("checkpoint")).spawn(move || its.run());
        let started = Self { shared, thread: Some(thread.map_err(|error| OpenError::io(&path, &error))?) };
        started.listen(writer).map_err(sqlite)?;
        Ok(started)
    }

    /// Lets the writer's connection tell how large the log is.
    fn listen(&self, writer: &mut Connection) -> rusqlite::Result<()> {
        let shared = Arc::clone(&self.shared);
        writer.wal_hook(Some(move |_: &mut Wal, frames| {
            let mut state = shared.state();
            let log_bytes = u64::try_from(frames).unwrap_or(0) * shared.frame_bytes;
            if log_bytes < state.log_bytes {
                state.due_at = LOG_BYTES;
            }
            state.log_bytes = log_bytes;
            Ok(())
        }))
    }

    /// Before a commit: waits for the rest of a checkpoint. What it can of a log that is too large, it copies itself.
    pub fn begin_commit(&self) {
        let mut state = self.shared.state();
        while state.writer_waits {
            state = self.shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.commits = true;
        let is_full = state.log_bytes >= u64::from(LOG_BYTES_MAX);
        drop(state);
        if is_full {
            self.shared.copy(Mode::Beside);
        }
    }

    /// After a commit, whatever became of it.
    pub fn end_commit(&self) {
        let mut state = self.shared.state();
        state.commits = false;
        if state.writer_waits || state.log_bytes >= state.due_at {
            self.shared.changed.notify_all();
        }
    }

    /// Ends the thread. Returns the connection.
    pub fn end(&mut self) -> Option<Connection> {
        self.shared.state().ends = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
        self.shared.copier().take().map(|copier| copier.connection)
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.end();
    }
}

/// The writer waits.
struct Held<'c>(&'c Shared);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.state().writer_waits = false;
        self.0.changed.notify_all();
    }
}

impl Shared {
    fn run(&self) {
        while self.is_due() {
            self.checkpoint();
            let mut state = self.state();
            state.due_at = LOG_BYTES.max(state.log_bytes + RETRY_BYTES);
        }
    }

    /// Waits until the log has to be copied; `false` at the end.
    fn is_due(&self) -> bool {
        let mut state = self.state();
        while !state.ends && state.log_bytes < state.due_at {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        !state.ends
    }

    /// Copies what is in the log. An error is found out again with the next try, but for those that end the writer.
    fn checkpoint(&self) {
        let mut is_held = true;
        for _ in 0..PASSES_MAX {
            let Some(Copied { log_bytes, copied_bytes }) = self.copy(Mode::Beside) else { return };
            // What was written and could not be flushed is not written once more.
            let flushed = self.readers.source.inode().file().and_then(File::sync_data);
            if let Err(error) = flushed {
                self.readers.end(StoreError::Unusable(format!("the store cannot be flushed: {error}")));
                return;
            }
            let State { log_bytes: now, ends, .. } = *self.state();
            if ends {
                return;
            }
            let is_small = now.saturating_sub(copied_bytes) <= REST_BYTES_MAX;
            // A reader needs the file as it was.
            is_held = copied_bytes < log_bytes && !is_small;
            if is_small {
                break;
            }
        }
        if is_held {
            return;
        }
        let _held = self.hold_writer();
        if self.copy(Mode::Restart).is_some() {
            self.state().log_bytes = 0;
        }
    }

    /// Waits until no commit is under way, and keeps the next one waiting.
    fn hold_writer(&self) -> Held<'_> {
        let held = Held(self);
        let mut state = self.state();
        state.writer_waits = true;
        while state.commits && !state.ends {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        drop(state);
        held
    }

    /// `None`: it could not, or others read or copy the log.
    fn copy(&self, mode: Mode) -> Option<Copied> {
        let mut copier = self.copier();
        let copier = copier.as_mut()?;
        self.readers.check_end().ok()?;
        let source = &self.readers.source;
        if source.bytes_in_place().ok()? < copier.store_bytes {
            return None;
        }
        let sql = match mode {
            Mode::Beside => "PRAGMA wal_checkpoint(PASSIVE)",
            Mode::Restart => "PRAGMA wal_checkpoint(RESTART)",
        };
        let bytes = |frames: i64| u64::try_from(frames).unwrap_or(0) * self.frame_bytes;
        let done = copier.connection.query_row(sql, [], |row| {
            Ok((row.get::<_, bool>(0)?, Copied { log_bytes: bytes(row.get(1)?), copied_bytes: bytes(row.get(2)?) }))
        });
        copier.store_bytes = source.bytes_in_place().ok()?;
        let (is_busy, progress) = done.map_err(|error| self.readers.failed(&error)).ok()?;
        (!is_busy).then_some(progress)
    }

    fn copier(&self) -> MutexGuard<'_, Option<Copier>> {
        self.copier.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
