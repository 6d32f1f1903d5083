//! File descriptors: each connection takes one, and what the shop itself needs must not be taken by connections.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::Config;

/// For the store and its journal, the log, the listeners, the payment simulator, standard streams, and whatever a
/// library opens for a moment.
const OWN: usize = 64;

/// A reader of the store has the file, its journal and the index of that.
const PER_READER: usize = 3;

/// A job that runs outside has a connection, and may look a name up. There are two kinds of jobs.
const PER_JOB: usize = 4;

/// Connections that are still closing, and those to the port for probes.
const EDGE: usize = 96;

/// Raises the limit on open files as far as the system permits, and lowers `connections_max` to what fits below it.
pub fn fit(config: &mut Config) {
    let Some(limit) = raised() else { return };
    // Where the limit is very low, connections still get half of it.
    let reserved = reserved(config).min(limit / 2);
    let room = limit.saturating_sub(reserved).max(1);
    if room < config.connections_max {
        tracing::warn!(
            connections_max = room,
            configured = config.connections_max,
            open_files_max = limit,
            reserved,
            "connections_max is lowered to what the limit on open files allows: raise it (ulimit -n, LimitNOFILE)"
        );
        config.connections_max = room;
    }
}

/// Descriptors that connections leave to the shop.
fn reserved(config: &Config) -> usize {
    OWN + EDGE + PER_READER * config.readers_max + PER_JOB * config.jobs_running_max
}

/// The limit on open files that is in force; `None` when there is none.
fn raised() -> Option<usize> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let limit = match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => maximum,
        Err(error) => {
            tracing::debug!(%error, "the limit on open files cannot be raised");
            current
        }
    };
    limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX))
}
