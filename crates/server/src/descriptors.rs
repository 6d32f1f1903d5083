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
    lower(config, (limit, reserved(config).min(limit / 2)));
}

/// The same for a gateway over so many peers: its connections to them are within the limit, too.
pub fn fit_gateway(config: &mut Config, peers: usize) {
    let Some(limit) = raised() else { return };
    let under_way = config.requests_max.saturating_add(config.waits_max).saturating_add(config.streams_max);
    let to_peers = config.peer_connections_max.saturating_mul(peers).min(under_way);
    lower(config, (limit, (OWN + EDGE).saturating_add(to_peers).min(limit / 2)));
}

/// Descriptors that connections leave to the shop.
fn reserved(config: &Config) -> usize {
    OWN + EDGE + PER_READER * config.readers_max + PER_JOB * config.jobs_running_max
}

/// Lowers `connections_max` to what is left of the limit.
fn lower(config: &mut Config, (limit, reserved): (usize, usize)) {
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
