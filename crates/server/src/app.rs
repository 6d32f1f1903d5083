//! A shop put together: store, engine, services, HTTP. The same for `serve`, for `demo`, and for tests, which bring a
//! clock and a store of their own.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::sync::Semaphore;
use tradewind_engine::{
    Entity, Handle, Parts as EngineParts, Problem, Setup, Worker,
    ports::{Clock, Reader, StoreError, SystemClock, UuidV7, Writer},
};
use tradewind_identity::{
    commands::IssueFirstAdminToken,
    model::{REALM, Realm},
};
use tradewind_sqlite::{OpenError, Options as SqliteOptions, Sqlite};

use crate::{
    alarm::Alarm,
    config::{Config, Secret, SecretsError},
    http::{self, Limiter, Server, TlsError},
    hub::Hub,
    identity::{KeyRing, Passwords, keep_rotated},
    metrics::Metrics,
    secret::{Keys, digest_of, drawn_text},
    services,
    shop::{Parts, Shop},
    tasks::Tasks,
};

/// The longest name of a store.
const STORE_NAME_CHARS: usize = 8;

/// A shop that runs.
pub struct App {
    shop: Shop,
    tasks: Tasks,
    address: SocketAddr,
    first_admin_token: Option<String>,
}

/// A store that this process owns.
pub struct Store {
    /// Stands in the id of every event.
    pub name: Arc<str>,
    pub epoch: u64,
    pub reader: Arc<dyn Reader>,
    pub writer: Box<dyn Writer>,
}

/// Opens the store of a shop.
pub type OpenStore = Box<dyn FnOnce(&Config, &dyn Clock) -> Result<Store, AppError> + Send>;

/// What an app is made of, beside its configuration.
pub struct Options {
    pub clock: Arc<dyn Clock>,
    pub open: OpenStore,
    /// Who does the jobs of services.
    pub workers: Vec<Arc<dyn Worker>>,
}

/// Why a shop did not start.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("{address} cannot be listened on: {error}")]
    Listen { address: SocketAddr, error: io::Error },
    #[error("the shop could not be prepared: {0}")]
    Prepare(#[from] Problem),
}

impl App {
    /// Starts a shop on its SQLite file, with the system's clock.
    pub async fn start(config: Config) -> Result<Self, AppError> {
        let open = Box::new(open_sqlite);
        Self::start_with(config, Options { clock: Arc::new(SystemClock), open, workers: Vec::new() }).await
    }

    /// The same with another clock and store: tests drive the real server by hand.
    pub async fn start_with(mut config: Config, options: Options) -> Result<Self, AppError> {
        let Options { clock, open, workers } = options;
        let Store { name, epoch, reader, writer } = open(&config, &*clock)?;
        // Only now: whoever owns the store owns the file of secrets beside it.
        config.draw_missing_secrets()?;
        if let Some(path) = config.exposed_secrets_file() {
            tracing::warn!(path = %path.display(), "the file of secrets can be read by others: chmod 600");
        }
        let metrics = Arc::new(Metrics::default());
        let setup = Setup {
            store_name: name,
            epoch,
            services: services::all(&config),
            registry: tradewind_events::registry(),
            reader: Arc::clone(&reader),
            clock: Arc::clone(&clock),
            ids: Box::new(UuidV7::default()),
            limits: services::limits(&config),
            observer: Arc::clone(&metrics) as _,
            log_heard: false,
        };
        let engine = Handle::start(setup, EngineParts { writer, workers, broker: None })?;
        let tasks = Tasks::default();
        let shop = assemble(config, engine, metrics, &tasks)?;
        match open_doors(&shop, &tasks).await {
            Ok((address, first_admin_token)) => Ok(Self { shop, tasks, address, first_admin_token }),
            Err(error) => {
                halt(&shop).await;
                Err(error)
            }
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn shop(&self) -> &Shop {
        &self.shop
    }

    /// What makes its bearer the first admin, while there is none. It is good for one sign-up and in no log.
    pub fn first_admin_token(&self) -> Option<&str> {
        self.first_admin_token.as_deref()
    }

    /// Takes nothing more in, answers what was asked, makes durable what was accepted. Returns why the engine had
    /// stopped by itself before, if it had.
    pub async fn stop(self) -> Option<String> {
        self.tasks.stop(self.shop.config.shutdown_grace * 2).await;
        halt(&self.shop).await
    }
}

/// The shop around a running engine.
fn assemble(config: Config, engine: Handle, metrics: Arc<Metrics>, tasks: &Tasks) -> Result<Shop, StoreError> {
    let config = Arc::new(config);
    let master = config.master_key.clone().unwrap_or_else(|| Secret::new(drawn_text().into_bytes()));
    let keys = Arc::new(Keys::new(&master));
    let shop = Shop::new(Parts {
        alarm: Alarm::new(Arc::clone(engine.clock())),
        key_ring: KeyRing::new(&config, Arc::clone(&keys), Arc::clone(engine.reader()))?,
        passwords: Passwords::new(&config),
        limiter: Limiter::new(&config),
        hub: Arc::default(),
        stopping: tasks.stopping(),
        requests: Arc::new(Semaphore::new(config.requests_max)),
        streams: Arc::new(Semaphore::new(config.streams_max)),
        reads: Arc::new(Semaphore::new(config.readers_max)),
        ids: Mutex::default(),
        metrics,
        keys,
        engine,
        config,
    });
    let heard = shop.clone();
    shop.engine.listen(Box::new(move |events| {
        Hub::hear(&heard.hub, events);
        heard.metrics.hear(events);
        heard.key_ring.hear(events);
    }));
    Ok(shop)
}

/// Prepares what the first request needs, and listens.
async fn open_doors(shop: &Shop, tasks: &Tasks) -> Result<(SocketAddr, Option<String>), AppError> {
    let config = &shop.config;
    let tls = http::acceptor(config)?;
    let token = first_admin_token(shop).await?;
    shop.key_ring.ensure(shop).await?;
    tasks.spawn("signing keys", keep_rotated(shop.clone()));
    let router = http::router(shop, http::table());
    let unheard = |error| AppError::Listen { address: config.listen, error };
    let server = Server::bind(config.listen, tls, shop.clone(), router).await.map_err(unheard)?;
    let address = server.address().map_err(unheard)?;
    tasks.spawn_to_end("http", server.run(tasks.stopping()));
    tracing::info!(%address, tls = config.tls_certificate.is_some(), "the shop is open");
    Ok((address, token))
}

/// A new token for the first admin, unless there is an admin.
async fn first_admin_token(shop: &Shop) -> Result<Option<String>, AppError> {
    let realm = shop.engine.reader().load(Realm::TABLE, &[tradewind_events::Key::of(&[REALM])])?.pop().flatten();
    let realm = realm.and_then(|row| Realm::from_row(&row.values).ok()).unwrap_or_default();
    if realm.admins > 0 {
        return Ok(None);
    }
    let token = drawn_text();
    shop.run(IssueFirstAdminToken { token_hash: digest_of(&token) }).await?;
    Ok(Some(token))
}

/// Stopping joins threads, so it does not happen on one that serves.
async fn halt(shop: &Shop) -> Option<String> {
    let engine = shop.engine.clone();
    tokio::task::spawn_blocking(move || engine.stop()).await.unwrap_or_else(|panic| Some(panic.to_string()))
}

/// The store of `serve`: an SQLite file.
pub fn open_sqlite(config: &Config, clock: &dyn Clock) -> Result<Store, AppError> {
    let name = drawn_text().chars().filter(char::is_ascii_alphanumeric).take(STORE_NAME_CHARS).collect::<String>();
    let options = SqliteOptions {
        readers_max: config.readers_max + 1,
        bytes_max: config.store_size_max.map(|size| size.0),
        ..SqliteOptions::new(&name, services::NAMES, clock.now())
    };
    let opened = Sqlite::open(&config.store, &options)?;
    Ok(Store {
        name: opened.meta.name.as_str().into(),
        epoch: opened.meta.epoch,
        reader: Arc::new(opened.reader),
        writer: Box::new(opened.writer),
    })
}
