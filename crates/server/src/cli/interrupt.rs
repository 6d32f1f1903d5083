//! Commands that are interrupted: files that they would leave behind are removed, and what they have found out is told.

use std::{
    fs,
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::{
    runtime::Builder,
    select,
    signal::unix::{SignalKind, signal},
    task::spawn_blocking,
};

use super::CliError;

/// What SQLite puts beside a file.
const ENDS: [&str; 4] = ["", "-journal", "-shm", "-wal"];

/// Whether SIGINT or SIGTERM has come.
#[derive(Clone, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Neither has.
    pub fn goes_on(&self) -> bool {
        !self.0.load(Ordering::Relaxed)
    }

    /// The same, for work that looks now and then.
    pub fn flow(&self) -> ControlFlow<()> {
        if self.goes_on() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }

    /// How a command ends that has told what it found out.
    pub fn ended(&self, as_told: bool) -> Result<(), CliError> {
        match (self.goes_on(), as_told) {
            (false, _) => Err(CliError::BrokenOff),
            (true, false) => Err(CliError::NotAsTold),
            (true, true) => Ok(()),
        }
    }

    /// One has come: whether it was not the first.
    fn again(&self) -> bool {
        self.0.swap(true, Ordering::Relaxed)
    }
}

/// Does the work, and removes the files and what belongs to them when the work is broken off by SIGINT or SIGTERM.
pub fn removing<T: Send + 'static>(
    files: &[PathBuf],
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
        for file in files {
            remove(file);
        }
    }
    // What was broken off ends with the process, which is now.
    runtime.shutdown_background();
    done
}

/// Does the work, which looks whether SIGINT or SIGTERM has come, and then ends early. A second signal ends it where it is.
pub fn noticing<T: Send + 'static>(
    work: impl FnOnce(&Interrupt) -> Result<T, CliError> + Send + 'static,
) -> Result<T, CliError> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let done = runtime.block_on(async {
        let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let told = Interrupt::default();
        let interrupted = told.clone();
        let mut working = spawn_blocking(move || work(&interrupted));
        loop {
            select! {
                done = &mut working => return done.unwrap_or_else(|panic| Err(CliError::Other(panic.to_string()))),
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if told.again() {
                return Err(CliError::BrokenOff);
            }
        }
    });
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
