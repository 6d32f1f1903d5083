//! The part of a shop that this process is: one peer of the peers file, and the events that it needs of the others.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use tradewind_engine::{AnyService, BrokerParts, Settings};
use tradewind_identity::Identity;

use crate::{
    brokers,
    client::Client,
    config::Config,
    identity,
    peers::{Peer, Peers, PeersError},
    services,
};

/// A process of a shop whose peers file it has read.
#[derive(Debug, Clone)]
pub struct Split {
    peers: Arc<Peers>,
    /// This process.
    own: Peer,
}

/// Which part of a shop a process is.
pub struct Part {
    pub services: Vec<&'static str>,
    /// The peers of a split shop.
    pub split: Option<Split>,
    /// None: no event leaves this process.
    pub brokers: Option<OpenBrokers>,
    /// A client of the process where identity runs, if that is another one: it has the public keys of access tokens.
    pub identity: Option<Client>,
}

/// Makes what reaches the brokers, once the name of the store is known: a consumer group has it.
pub type OpenBrokers = Box<dyn FnOnce(&str) -> Result<Vec<BrokerParts>, SplitError> + Send>;

/// Names of events by the service that emits them.
pub type Consumed = BTreeMap<&'static str, BTreeSet<&'static str>>;

/// Why a process cannot be a part of the shop that its peers file describes.
#[derive(Debug, thiserror::Error)]
pub enum SplitError {
    #[error(transparent)]
    Peers(#[from] PeersError),
    #[error(
        "the peers file {path} has no peer with exactly the services of this process ({}); it has {}: list them there, or \
         start this process with the services of a peer",
        .services.join(", "), .peers.join("; ")
    )]
    NotListed { path: String, services: Vec<&'static str>, peers: Vec<String> },
    #[error(
        "{} must be given: all processes of a split shop share their secrets, and none draws its own",
        .names.join(", ")
    )]
    Secrets { names: Vec<&'static str> },
    #[error("the broker {url} cannot be used: {reason}")]
    Broker { url: String, reason: String },
}

/// The whole shop.
impl Default for Part {
    fn default() -> Self {
        Self { services: services::NAMES.to_vec(), split: None, brokers: None, identity: None }
    }
}

impl Part {
    /// The part that is configured.
    pub fn of(config: &Config) -> Result<Self, SplitError> {
        let (services, split) = (config.services.names().to_vec(), Split::of(config)?);
        let brokers = brokers::configured(config, split.as_ref())?;
        let identity = split.as_ref().and_then(|split| split.peer_of(Identity::SERVICE)).map(Peer::client);
        Ok(Self { services, split, brokers, identity })
    }

    pub fn holds(&self, service: &str) -> bool {
        self.services.contains(&service)
    }

    /// Its brokers. Once.
    pub fn open_brokers(&mut self, store_name: &str) -> Result<Vec<BrokerParts>, SplitError> {
        self.brokers.take().map_or_else(|| Ok(Vec::new()), |open| open(store_name))
    }
}

impl Split {
    /// The part that is configured; `None` without a peers file.
    pub fn of(config: &Config) -> Result<Option<Self>, SplitError> {
        let Some(path) = &config.peers else { return Ok(None) };
        let (peers, services) = (Arc::new(Peers::read(path)?), config.services.names());
        let Some(split) = Self::new(&peers, services) else {
            let shown = |peer: &Peer| format!("{} with {}", peer.name, peer.services.join(", "));
            let peers = peers.all().iter().map(shown).collect();
            return Err(SplitError::NotListed { path: path.display().to_string(), services: services.to_vec(), peers });
        };
        let secrets = [
            ("master_key", &config.master_key),
            ("cart_secret", &config.cart_secret),
            ("provider_secret", &config.provider_secret),
        ];
        let missing = secrets.into_iter().filter(|(_, secret)| secret.is_none()).map(|(name, _)| name);
        let names: Vec<&'static str> = if peers.all().len() > 1 { missing.collect() } else { Vec::new() };
        if names.is_empty() { Ok(Some(split)) } else { Err(SplitError::Secrets { names }) }
    }

    /// The process with exactly these services; `None` if it is not among the peers.
    pub fn new(peers: &Arc<Peers>, services: &[&str]) -> Option<Self> {
        let own = peers.with_services(services)?.clone();
        Some(Self { peers: Arc::clone(peers), own })
    }

    pub fn peers(&self) -> &Arc<Peers> {
        &self.peers
    }

    /// This process, as the others know it.
    pub fn own(&self) -> &Peer {
        &self.own
    }

    /// The other process that has this service; `None` if it runs here.
    pub fn peer_of(&self, service: &str) -> Option<&Peer> {
        self.others().find(|peer| peer.serves(service))
    }

    /// All peers but this process.
    pub fn others(&self) -> impl Iterator<Item = &Peer> {
        self.peers.all().iter().filter(|peer| peer.name != self.own.name)
    }
}

/// The events of other processes that a process with these services needs: those that its services consume and, where
/// identity runs elsewhere, those that end access tokens and change their keys.
pub fn consumed(config: &Config, names: &[&'static str]) -> Consumed {
    let services = services::some(config, names);
    let registry = tradewind_events::registry();
    let mut consumed = Consumed::new();
    for kind in registry.kinds().filter(|kind| !names.contains(&kind.source)) {
        let is_for_service =
            |service: &AnyService| service.consumed_events().any(|event| event.is_none_or(|name| name == kind.name));
        let is_for_tokens = kind.source == Identity::SERVICE && identity::CONSUMED_EVENTS.contains(&kind.name);
        if is_for_tokens || services.iter().any(is_for_service) {
            consumed.entry(kind.source).or_default().insert(kind.name);
        }
    }
    consumed
}
