//! The services of this store, and which of them consume which events. It does not change while the engine runs.

use std::{collections::BTreeMap, sync::Arc};

use rustc_hash::FxHashMap;
use tradewind_events::{KeyText, Registry, emitting_service, id};

use crate::{AnyService, Reaction, Stop, tables::ENGINE_TABLES};

pub(super) struct Services {
    store_name: Arc<str>,
    services: Vec<AnyService>,
    /// Names of the services, shared by the envelopes of what they emit.
    names: Vec<KeyText>,
    /// Event name to the services that consume it, in their order.
    routes: FxHashMap<&'static str, Arc<[Route]>>,
    registry: Registry,
    logs_remote: bool,
}

/// One service that consumes an event.
#[derive(Debug, Clone)]
pub(super) struct Route {
    pub service: usize,
    /// Which of its reactions run.
    pub reactions: Vec<usize>,
}

impl Services {
    /// # Panics
    /// When two entities share a table: that is a defect of the build.
    pub fn new(store_name: Arc<str>, services: Vec<AnyService>, registry: Registry, logs_remote: bool) -> Self {
        check_tables(&services);
        let names = services.iter().map(|service| KeyText::from(&id(service.name))).collect();
        let routes = routes(&services, &registry);
        Self { store_name, services, names, routes, registry, logs_remote }
    }

    pub fn store_name(&self) -> &str {
        &self.store_name
    }

    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    pub fn all(&self) -> &[AnyService] {
        &self.services
    }

    pub fn get(&self, number: usize) -> &AnyService {
        &self.services[number]
    }

    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.services.iter().map(|service| service.name)
    }

    pub fn name(&self, number: usize) -> &KeyText {
        &self.names[number]
    }

    /// The number of a service.
    pub fn number(&self, name: &str) -> Option<usize> {
        self.services.iter().position(|service| service.name == name)
    }

    /// The same for one that a message needs.
    pub fn number_of(&self, name: &str) -> Result<usize, Stop> {
        self.number(name).ok_or_else(|| Stop::Broken(format!("{name} is not served here")))
    }

    /// The services that consume an event, in their order.
    pub fn consumers(&self, event: &str) -> Arc<[Route]> {
        self.routes.get(event).cloned().unwrap_or_default()
    }

    /// Whether events of this source are emitted in this store, by a service of that name or by a bridge.
    pub fn serves(&self, source: &str) -> bool {
        self.number(emitting_service(source)).is_some()
    }

    /// Whether received events are kept in the log, for rebuilding.
    pub fn logs_remote(&self) -> bool {
        self.logs_remote
    }
}

/// Rows are found by the name of their table, so two entities must not share one.
fn check_tables(services: &[AnyService]) {
    let mut owners: BTreeMap<&str, &str> = ENGINE_TABLES.iter().map(|table| (table.name, "engine")).collect();
    for service in services {
        for table in &service.tables {
            let before = owners.insert(table.name, service.name);
            assert!(before.is_none(), "{} and {before:?} both own a table {}", service.name, table.name);
        }
    }
}

fn routes(services: &[AnyService], registry: &Registry) -> FxHashMap<&'static str, Arc<[Route]>> {
    let mut routes = FxHashMap::default();
    for kind in registry.kinds() {
        let consumers: Vec<Route> = services
            .iter()
            .enumerate()
            .filter_map(|(service, table)| {
                let consumes = |(nth, reaction): (usize, &Reaction)| {
                    (reaction.event.is_none() || reaction.event == Some(kind.name)).then_some(nth)
                };
                let reactions: Vec<usize> = table.reactions.iter().enumerate().filter_map(consumes).collect();
                (!reactions.is_empty()).then_some(Route { service, reactions })
            })
            .collect();
        routes.insert(kind.name, consumers.into());
    }
    routes
}
