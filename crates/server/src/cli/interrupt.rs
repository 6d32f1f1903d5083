//! Commands that leave files behind while they work: where they are interrupted, those files are removed.

use std::{fs, path::Path};

use tokio::{
    runtime::Builder,
    select,
    signal::unix::{SignalKind, signal},
    task::spawn_blocking,
};

use super::CliError;

/// What SQLite puts beside a file.
const ENDS: [&str; 4] = ["", "-journal", "-shm", "-wal"];

/// Does the work, and removes the file and what belongs to it when the work is broken off by SIGINT or SIGTERM.
pub fn removing<T: Send + 'static>(
    file: &Path,
    work: impl FnOnce() -> Result<T, CliError> + Send + 'static,
) -> Result<T, CliError> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let done = runtime.block_on(async {
        let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        select! {
            done = spawn_blocking(work) => done.unwrap_or_else(|panic| Err(CliError::Other(panic.to_string()))),
            _ = interrupt.recv() => Err(CliError::Interrupted),
            _ = terminate.recv() => Err(CliError::Interrupted),
        }
    });
    if matches!(done, Err(CliError::Interrupted)) {
        remove(file);
    }
    // What was broken off ends with the process, which is now.
    runtime.shutdown_background();
    done
}

/// Removes a file that SQLite wrote, with what belongs to it.
pub fn remove(file: &Path) {
    for end in ENDS {
        let mut path = file.as_os_str().to_owned();
        path.push(end);
        if let Err(error) = fs::remove_file(&path)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(path = %path.display(), %error, "a copy is left over");
        }
    }
}
