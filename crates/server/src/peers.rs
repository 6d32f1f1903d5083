//! The peers file: the processes of a shop that is split, with the URL of each and the services that it serves. All
//! processes of a shop and its gateway read the same file, so it also lists the process that reads it. It says nothing
//! about whether a peer runs.
//!
//! ```toml
//! [[peer]]
//! name = "front"
//! url = "https://front.internal:8443"
//! trusted = "internal-ca.pem"
//! services = ["identity", "catalog", "carts", "query"]
//!
//! [[peer]]
//! name = "back"
//! url = "http://127.0.0.1:8081"
//! services = ["inventory", "orders", "payments", "shipping", "notifications"]
//! ```

mod comparison;
mod keep;
mod read;
mod statement;

pub use comparison::{Answer, Comparison, ComparisonStep, Findings, Stranger};
pub use keep::keep_compared;
pub use statement::{Question, Statement};

use std::{collections::BTreeSet, io, path::PathBuf, sync::Arc};

use crate::client::{Client, ShopUrl, Trust};

/// The largest peers file, in bytes.
pub const PEERS_BYTES_MAX: usize = 64 * 1024;

/// The longest name of a peer, in characters.
pub const PEER_NAME_CHARS_MAX: usize = 32;

/// The processes of a shop: each of the nine services belongs to exactly one of them, so there are at most nine.
#[derive(Debug, Clone)]
pub struct Peers {
    all: Vec<Peer>,
}

/// A process of a shop.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Lower-case letters, digits and hyphens, starting with a letter.
    pub name: Arc<str>,
    /// Where its API listens.
    pub url: ShopUrl,
    /// The certificates that its clients trust: those of the system and those of the file that `trusted` names. `None`
    /// for a peer without TLS.
    pub trust: Option<Trust>,
    /// The services that it serves, in the order of [`crate::services::NAMES`]. At least one.
    pub services: Vec<&'static str>,
}

/// Why a peers file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PeersError {
    #[error("the peers file {path} cannot be read: {error}")]
    Read { path: String, error: io::Error },
    #[error("the peers file {path} is larger than {PEERS_BYTES_MAX} bytes")]
    TooLarge { path: String },
    #[error("the peers file {path} is not UTF-8")]
    NotUtf8 { path: String },
    #[error("the peers file {path}, line {line}: {reason}")]
    Entry { path: String, line: usize, reason: String },
    #[error("the peers file {path} has no peer with {}; each service needs one", .services.join(", "))]
    Unserved { path: String, services: Vec<&'static str> },
}

impl Peers {
    /// Reads a peers file and the certificates that it names. A relative path in it starts at the file's directory.
    pub fn read(path: impl Into<PathBuf>) -> Result<Self, PeersError> {
        Ok(Self { all: read::peers(&path.into())? })
    }

    /// All peers, in the order of the file.
    pub fn all(&self) -> &[Peer] {
        &self.all
    }

    /// The peer that serves this service; `None` if there is no service of this name.
    pub fn of_service(&self, service: &str) -> Option<&Peer> {
        self.all.iter().find(|peer| peer.serves(service))
    }

    /// The peer of this name.
    pub fn named(&self, name: &str) -> Option<&Peer> {
        self.all.iter().find(|peer| &*peer.name == name)
    }

    /// The peer that serves exactly these services: the process that is started with them.
    pub fn with_services(&self, services: &[&str]) -> Option<&Peer> {
        let wanted: BTreeSet<&str> = services.iter().copied().collect();
        self.all.iter().find(|peer| peer.services.iter().copied().collect::<BTreeSet<_>>() == wanted)
    }
}

impl Peer {
    pub fn serves(&self, service: &str) -> bool {
        self.services.contains(&service)
    }

    /// A client of its API, not yet connected.
    pub fn client(&self) -> Client {
        let client = Client::new(self.url.clone());
        match &self.trust {
            Some(trust) => client.trusting(trust.clone()),
            None => client,
        }
    }
}
