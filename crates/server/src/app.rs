//! A shop put together: store, engine, services, HTTP. The same for `serve`, for `demo`, and for tests, which bring a
//! clock and a store of their own.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use tokio::net::{TcpListener, TcpSocket};
use tradewind_engine::{
    EngineTime, Entity, Handle, Limits, Parts as EngineParts, Problem, Settings, Setup,
    ports::{Clock, Reader, StoreError, SystemClock, UuidV7, Writer},
};
use tradewind_identity::{
    Identity,
    commands::IssueFirstAdminToken,
    model::{REALM, Realm},
};
use tradewind_sqlite::{OpenError, Options as SqliteOptions, Sqlite};

use crate::{
    alarm::Alarm,
    client::Client,
    config::{Config, Secret, SecretsError, is_exposed},
    descriptors,
    http::{self, Limiter, Places, Reads, Server, ShopDoor, Tls, TlsError},
    hub::Hub,
    identity::{KeyRing, Passwords, Revocations, keep_fetched, keep_rotated},
    metrics::Metrics,
    peers::{Comparison, Statement, keep_compared},
    scrub::keep_scrubbed,
    secret::{Keys, digest_of, drawn_text},
    services,
    shop::{Parts, Shop},
    split::{Part, SplitError},
    tasks::Tasks,
    traces::{Instance, Traces, TracesError},
    workers::{self, HireWorkers, WorkersError},
};

/// The longest name of a store.
const STORE_NAME_CHARS: usize = 8;

/// Connections that may wait to be accepted; the system may allow fewer. With the usual 128 a burst is cut off.
const BACKLOG: u32 = 4_096;

/// Probes that are answered at the same time, and those of them that read the store.
const PROBES_MAX: usize = 64;
const PROBE_READERS: usize = 1;

/// A shop that runs. One that is dropped without [`App::stop`] stops its engine too, on a thread of its own.
pub struct App {
    shop: Shop,
    tasks: Tasks,
    engine: Running,
    address: SocketAddr,
    probe_address: Option<SocketAddr>,
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

/// Opens the store of a shop for the services that live in it.
pub type OpenStore = Box<dyn FnOnce(&Config, &Part, &dyn Clock) -> Result<Store, AppError> + Send>;

/// What an app is made of, beside its configuration.
pub struct Options {
    pub clock: Arc<dyn Clock>,
    pub open: OpenStore,
    pub hire: HireWorkers,
    /// None: the part that is configured.
    pub part: Option<Part>,
    /// For tests: see [`Limits::cache_forgets`].
    pub cache_forgets: bool,
}

/// Why a shop did not start.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    #[error(transparent)]
    Split(#[from] SplitError),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Traces(#[from] TracesError),
    #[error(transparent)]
    Workers(#[from] WorkersError),
    #[error("{address} cannot be listened on: {error}")]
    Listen { address: SocketAddr, error: io::Error },
    #[error("the shop could not be prepared: {0}")]
    Prepare(#[from] Problem),
}

/// As `serve` runs.
impl Default for Options {
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            open: Box::new(|config, part, clock| {
                let peer = part.split.as_ref().map(|split| &*split.own().name);
                open_sqlite(config, &part.services, peer, clock)
            }),
            hire: Box::new(workers::hire),
            part: None,
            cache_forgets: false,
        }
    }
}

impl App {
    /// Starts a shop on its SQLite file, with the system's clock.
    pub async fn start(config: Config) -> Result<Self, AppError> {
        Self::start_with(config, Options::default()).await
    }

    /// The same with another clock and store: tests drive the real server by hand.
    pub async fn start_with(mut config: Config, options: Options) -> Result<Self, AppError> {
        let Options { clock, open, hire, part, cache_forgets } = options;
        descriptors::fit(&mut config);
        // Before the store: a shop whose files cannot be used changes nothing.
        let tls = Tls::of(&config)?;
        let mut part = part.map_or_else(|| Part::of(&config), Ok)?;
        let Store { name, epoch, reader, writer } = open(&config, &part, &*clock)?;
        // Only now: whoever owns the store owns the file of secrets beside it.
        config.draw_missing_secrets()?;
        if let Some(path) = config.exposed_secrets_file() {
            tracing::warn!(path = %path.display(), "the file of secrets can be read by others: chmod 600");
        }
        let (listener, address) = listen(config.listen)?;
        let probe_listener = config.probe_listen.map(listen).transpose()?;
        let probe_address = probe_listener.as_ref().map(|(_, address)| *address);
        let time = EngineTime::new(clock);
        let workers = hire(&config, time.clone(), address)?;
        let brokers = part.open_brokers(&name)?;
        let (traces, metrics) = traced(&config, &Instance { store_name: &name, epoch })?;
        let setup = Setup {
            store_name: Arc::clone(&name),
            epoch,
            services: services::some(&config, &part.services),
            registry: tradewind_events::registry(),
            reader: Arc::clone(&reader),
            clock: time,
            ids: Box::new(UuidV7::default()),
            limits: Limits { cache_forgets, ..services::limits(&config) },
            observer: Arc::clone(&metrics) as _,
            log_remote: part.holds("query") && brokers.iter().any(|broker| broker.routing.subscribes()),
        };
        let engine = Handle::start(setup, EngineParts { writer, workers, brokers })?;
        let tasks = Tasks::default();
        let shop = assemble(config, Started { engine, name, metrics, traces }, &part, &tasks)?;
        let doors = Doors { listener, probe_listener: probe_listener.map(|(listener, _)| listener), tls };
        match open_doors(&shop, &tasks, doors, &part).await {
            Ok(first_admin_token) => {
                let engine = Running(Some(shop.engine.clone()));
                Ok(Self { shop, tasks, engine, address, probe_address, first_admin_token })
            }
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

    /// Where it listens for probes besides, if it does.
    pub fn probe_address(&self) -> Option<SocketAddr> {
        self.probe_address
    }

    /// To be called once the token for the first admin has been shown, or when none is needed: `/readyz` waits for it.
    pub fn announced(&self) {
        self.shop.is_announced.store(true, Ordering::Release);
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
    pub async fn stop(mut self) -> Option<String> {
        self.engine.0.take();
        self.tasks.stop(self.shop.config.shutdown_grace * 2).await;
        halt(&self.shop).await
    }
}

/// The engine of an app. Its threads would outlive the app otherwise.
struct Running(Option<Handle>);

impl Drop for Running {
    fn drop(&mut self) {
        let Some(engine) = self.0.take() else { return };
        let stops = move || drop(engine.stop());
        if let Err(error) = thread::Builder::new().name("stop".to_owned()).spawn(stops) {
            tracing::error!(%error, "an engine goes on, because no thread can stop it");
        }
    }
}

/// Where requests come in.
struct Doors {
    listener: TcpListener,
    probe_listener: Option<TcpListener>,
    tls: Option<Tls>,
}

/// An engine that runs, with what the shop around it needs to know.
struct Started {
    engine: Handle,
    name: Arc<str>,
    metrics: Arc<Metrics>,
    traces: Option<Arc<Traces>>,
}

/// The shop around a running engine.
fn assemble(config: Config, started: Started, part: &Part, tasks: &Tasks) -> Result<Shop, StoreError> {
    let Started { engine, name: store_name, metrics, traces } = started;
    let config = Arc::new(config);
    let master = config.master_key.clone().unwrap_or_else(|| Secret::new(drawn_text().into_bytes()));
    let keys = Arc::new(Keys::new(&master));
    let shop = Shop::new(Parts {
        alarm: Alarm::new(engine.clock().clone()),
        key_ring: KeyRing::new(&config, Arc::clone(&keys), Arc::clone(engine.reader()), Vec::new())?
            .asking(part.identity.as_ref().map(Client::another)),
        revocations: if part.holds("identity") {
            Revocations::here()
        } else {
            Revocations::elsewhere(config.access_token_ttl + 2 * config.clock_skew)
        },
        comparison: part.split.as_ref().map(|split| {
            let own = Statement::own(&config, split, &keys, &store_name);
            Mutex::new(Comparison::new(own, split.others()))
        }),
        split: part.split.clone(),
        services: part.services.clone(),
        passwords: Passwords::new(&config),
        limiter: Limiter::new(&config),
        hub: Arc::default(),
        stopping: tasks.stopping(),
        requests: Places::new("requests", config.requests_max, config.caller_share),
        probes: Places::new("probes", PROBES_MAX, config.caller_share),
        waits: Places::new("waiting requests", config.waits_max, config.caller_share),
        streams: Places::new("streams", config.streams_max, config.caller_share),
        reads: Reads::new(config.readers_max, config.caller_share),
        probe_reads: Reads::new(PROBE_READERS, config.caller_share),
        is_announced: AtomicBool::new(false),
        ids: Mutex::default(),
        metrics,
        traces,
        keys,
        store_name,
        engine,
        config,
    });
    let heard = shop.clone();
    shop.engine.listen(Box::new(move |events| {
        Hub::hear(&heard.hub, events);
        heard.metrics.hear(events);
    }));
    let heard = shop.clone();
    shop.engine.before_answers(Box::new(move |envelope| {
        // What a bridge imports from a foreign identity service ends no access and brings no key.
        if &*envelope.source != Identity::SERVICE {
            return;
        }
        heard.revocations.hear(envelope, heard.clock().now());
        heard.key_ring.hear(envelope);
    }));
    Ok(shop)
}

/// Takes the address. Whoever connects is answered once everything is ready.
pub(crate) fn listen(at: SocketAddr) -> Result<(TcpListener, SocketAddr), AppError> {
    let failed = |error| AppError::Listen { address: at, error };
    let socket = if at.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }.map_err(failed)?;
    socket.set_reuseaddr(true).map_err(failed)?;
    socket.bind(at).map_err(failed)?;
    let listener = socket.listen(BACKLOG).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

/// Prepares what the first request needs, and answers.
async fn open_doors(shop: &Shop, tasks: &Tasks, doors: Doors, part: &Part) -> Result<Option<String>, AppError> {
    let Doors { listener, probe_listener, tls } = doors;
    if let Some(tls) = &tls {
        tls.warn_unless_good(shop.clock().now());
        if let Some(at) = tls.expires_at() {
            shop.metrics.edge.certificate_expires(at);
        }
    }
    let mut token = None;
    if part.holds("identity") {
        token = first_admin_token(shop).await?;
        shop.key_ring.ensure(shop).await?;
        tasks.spawn("signing keys", keep_rotated(shop.clone()));
    } else {
        shop.key_ring.fetch(shop).await;
        tasks.spawn("keys of identity", keep_fetched(shop.clone()));
    }
    tasks.spawn("peers", keep_compared(shop.clone()));
    tasks.spawn("scrub", keep_scrubbed(shop.clone()));
    let door = ShopDoor { shop: shop.clone(), router: http::router(shop, http::table()) };
    let address = listener.local_addr().map_or_else(|error| error.to_string(), |address| address.to_string());
    let encrypted = tls.is_some();
    let acceptor = tls.map(|tls| tls.acceptor);
    tasks.spawn_to_end("http", Server::new(listener, acceptor, door).run(tasks.stopping()));
    if let Some(listener) = probe_listener {
        let door = ShopDoor { shop: shop.clone(), router: http::router(shop, http::probe_table()) };
        tasks.spawn_to_end("probes", Server::for_probes(listener, door).run(tasks.stopping()));
    }
    tracing::info!(address, tls = encrypted, "the shop is open");
    Ok(token)
}

/// A new token for the first admin, unless there is an admin.
async fn first_admin_token(shop: &Shop) -> Result<Option<String>, AppError> {
    let realm = shop.engine.reader().load(Realm::TABLE, &[tradewind_events::row_key(&[REALM])])?.pop().flatten();
    // A realm that cannot be read is no realm without an admin: its token would open the shop.
    let realm = realm.map(|row| Realm::from_row(&row.values)).transpose();
    let realm =
        realm.map_err(|error| StoreError::Corrupt(format!("the realm of identity: {error}")))?.unwrap_or_default();
    if realm.admins() > 0 {
        return Ok(None);
    }
    let token = drawn_text();
    shop.run(IssueFirstAdminToken { token_hash: digest_of(&token) }).await?;
    Ok(Some(token))
}

/// Stopping joins threads, so it does not happen on one that serves.
async fn halt(shop: &Shop) -> Option<String> {
    let shop = shop.clone();
    let ended = move || {
        let reason = shop.engine.stop();
        // Last: until here there were steps to tell.
        if let Some(traces) = &shop.traces {
            traces.stop();
        }
        reason
    };
    tokio::task::spawn_blocking(ended).await.unwrap_or_else(|panic| Some(panic.to_string()))
}

/// Figures, and whom steps are told, if anybody.
fn traced(config: &Config, instance: &Instance<'_>) -> Result<(Option<Arc<Traces>>, Arc<Metrics>), TracesError> {
    let mut metrics = Metrics::default();
    let traces = Traces::start(config, instance, &metrics.traces)?;
    metrics.tracer = traces.clone().map(|traces| traces as _);
    Ok((traces, Arc::new(metrics)))
}

/// The store of `serve`: an SQLite file.
pub fn open_sqlite(
    config: &Config,
    services: &[&'static str],
    peer: Option<&str>,
    clock: &dyn Clock,
) -> Result<Store, AppError> {
    let name = drawn_text().chars().filter(char::is_ascii_alphanumeric).take(STORE_NAME_CHARS).collect::<String>();
    let options = SqliteOptions {
        readers_max: config.readers_max + PROBE_READERS + 1,
        bytes_max: config.store_size_max.map(|size| size.0),
        peer: peer.map(str::to_owned),
        ..SqliteOptions::new(&name, services.iter().copied(), clock.wall())
    };
    let opened = Sqlite::open(&config.store, &options)?;
    if is_exposed(&config.store) {
        tracing::warn!(path = %config.store.display(), "the store can be read by others than its owner: chmod 600");
    }
    if !opened.has_checksums {
        tracing::warn!(
            path = %config.store.display(),
            "another program has made the file of the store, without checksums: damage may be served as an answer"
        );
    }
    if let Some(resumed_behind) = opened.resumed_behind {
        tracing::warn!(resumed_behind, "the store was a backup until now: its log goes on behind this segment");
    }
    Ok(Store {
        name: opened.meta.name.as_str().into(),
        epoch: opened.meta.epoch,
        reader: Arc::new(opened.reader),
        writer: Box::new(opened.writer),
    })
}
