//! A shop with its doors closed: the engine on a store that nobody serves, for a command that changes something. No
//! worker is hired and nobody is heard; what is due goes on as it would with open doors.

use std::sync::{Arc, Mutex, PoisonError, mpsc};

use tradewind_engine::{
    Audit, Command, CommandMessage, Context, EngineTime, Handle, Parts, Problem, Settings, Setup, StoredAnswer,
    operator::UNAVAILABLE,
    ports::{Ids, SystemClock, UuidV7},
};
use tradewind_events::Id;
use tradewind_sqlite::Sqlite;

use crate::{
    app::{AppError, Store, open_sqlite},
    config::Config,
    services,
};

/// An engine that runs for a moment.
pub struct Backroom {
    engine: Handle,
    ids: Mutex<UuidV7>,
}

impl Backroom {
    /// Becomes the owner of the store. Refused while another process is, and where there is no store.
    pub fn open(config: &Config) -> Result<Self, AppError> {
        // A store that is not there is not made by a command that changes one.
        let (reader, meta) = Sqlite::open_reader(&config.store)?;
        drop(reader);
        let recorded = |name: &&'static str| meta.services.iter().any(|recorded| recorded == name);
        let names: Vec<&'static str> = services::NAMES.into_iter().filter(recorded).collect();
        let Store { name, epoch, reader, writer } = open_sqlite(config, &names, None, &SystemClock)?;
        let setup = Setup {
            store_name: name,
            epoch,
            services: services::some(config, &names),
            registry: tradewind_events::registry(),
            reader,
            clock: EngineTime::default(),
            ids: Box::new(UuidV7::default()),
            limits: services::limits(config),
            observer: Arc::new(()),
            log_remote: false,
        };
        let engine = Handle::start(setup, Parts { writer, workers: Vec::new(), brokers: Vec::new() })?;
        Ok(Self { engine, ids: Mutex::default() })
    }

    /// Carries a command out, and returns when its effect is durable.
    pub fn run<C: Command>(&self, command: C) -> Result<C::Answer, Problem> {
        let request_id = self.ids.lock().unwrap_or_else(PoisonError::into_inner).next(self.engine.clock().now());
        let context = Context { correlation_id: request_id.clone(), request_id, traceparent: None };
        let (told, tell) = mpsc::channel();
        let (action, target) = (C::NAME, command.key().map_or(C::Owner::SERVICE, Id::as_str));
        let audit = Audit { actor: "cli".into(), action: action.into(), target: target.into(), reason: None };
        let message = CommandMessage::new(command, context, |_| StoredAnswer::default());
        let message = message.audited(Some(audit)).reply(move |answer| {
            if told.send(answer).is_err() {
                tracing::debug!("nobody waits for the answer any more");
            }
        });
        self.engine.submit(message)?;
        let stopped = || UNAVAILABLE.because("The engine has stopped.");
        let answered = tell.recv().map_err(|_| stopped())??;
        let typed = answered.typed.and_then(|typed| typed.downcast().ok());
        typed.map(|typed| *typed).ok_or_else(stopped)
    }

    /// Makes durable what was accepted, and lets the store go.
    pub fn close(self) {
        if let Some(reason) = self.engine.stop() {
            tracing::warn!(%reason, "the engine had stopped by itself");
        }
    }
}
