//! A bridge without a contract: a service that emits what it is given, as the sources that it declares.

use std::sync::Arc;

use tradewind_engine::{Answer, AnyService, Command, Events, InvalidSource, Service, Settings, Uow};
use tradewind_events::{AnyEvent, Event, KeyText};

/// The service `bridge`, without rows of its own.
pub struct Bridge;

impl Settings for Bridge {
    const SERVICE: &'static str = "bridge";
}

/// Events that a foreign system has told, in canonical form.
#[derive(Debug, Clone, Command)]
#[command(owner = Bridge, name = "import")]
pub struct Import {
    /// `bridge.ROLE`.
    pub source: KeyText,
    pub events: Vec<Arc<dyn AnyEvent>>,
}

impl Bridge {
    /// A bridge that may emit as these sources.
    pub fn service(sources: &[&str]) -> Result<AnyService, InvalidSource> {
        let mut service = Service::new(Self).command(import);
        for source in sources {
            service = service.emits_as(KeyText::new(*source).expect("a test names a source"))?;
        }
        Ok(service.build())
    }

    /// The source of a role.
    pub fn source(role: &str) -> KeyText {
        KeyText::new(format!("{}.{role}", Self::SERVICE)).expect("a test names a role")
    }
}

impl Import {
    /// One event, as the player of this role.
    pub fn of(role: &str, event: impl Event) -> Self {
        Self { source: Bridge::source(role), events: vec![Arc::new(event)] }
    }
}

#[expect(clippy::unnecessary_wraps, reason = "a command answers")]
fn import(uow: &mut Uow<'_, Bridge>, import: &Import) -> Answer<()> {
    uow.emit_as(&import.source, import.events.iter().cloned().collect::<Events>());
    Ok(())
}
