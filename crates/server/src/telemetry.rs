//! The log: for people on a terminal, JSON elsewhere. It goes to standard error, so that output stays output.

use std::io::{self, IsTerminal, Write};

use tracing_subscriber::{Layer, Registry, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use crate::config::{Config, LogFormat};

/// Sends the log of this process where it belongs. Once a process; a second call changes nothing.
pub fn start(config: &Config) {
    let terminal = io::stderr().is_terminal();
    let human = match config.log_format {
        LogFormat::Auto => terminal,
        LogFormat::Human => true,
        LogFormat::Json => false,
    };
    let layer: Box<dyn Layer<Registry> + Send + Sync> = if human {
        Box::new(fmt::layer().with_writer(|| Patient).log_internal_errors(false).with_ansi(terminal))
    } else {
        Box::new(fmt::layer().with_writer(|| Patient).log_internal_errors(false).json().flatten_event(true))
    };
    let log = tracing_subscriber::registry().with(layer.with_filter(config.log.clone()));
    if log.try_init().is_err() {
        tracing::debug!("the log was started before");
    }
}

/// Standard error, where a line that cannot be written is dropped: the disk of the log may be full, or nobody reads it.
/// Otherwise the one who logs would panic while it reports just that.
struct Patient;

impl Write for Patient {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        // Nothing can be said about it anywhere.
        let _written = io::stderr().write_all(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
