//! A shop in one store or in several, each behind a door of its own, with a broker between them; its staff, its buyers, and
//! the payment provider.

mod carrier;
mod placed;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Value, json};
use tradewind::{
    app::{App, Options},
    client::{Client as ShopClient, ShopUrl},
    config::Config,
    gateway::Running,
    peers::Peers,
    services,
    shop::Shop,
    split::Part,
};
use tradewind_audit::{Audit, Charge as Audited, Charges, StoreView};
use tradewind_engine::{
    Entity,
    ports::List,
    tables::{JobRow, TimerRow},
};
use tradewind_events::{AsKey, TextEnum, Value as Column, id, row_key};
use tradewind_testkit::{ManualClock, cache_forgets, manual_clock};
use tradewind_workers::provider::{ChargeState, Forced, ProviderSimulator};

use crate::{
    client::{Client, Doors},
    world::{Directory, Mails, Person, config, hiring},
};

pub use carrier::{Carrier, RealBroker, Server};
pub use placed::{Placed, checked_out, named, order_of};

/// A test that waits longer has failed.
const PATIENCE: Duration = Duration::from_mins(3);

/// Which services live together.
pub type Layout = &'static [&'static [&'static str]];

pub const ONE_STORE: Layout = &[&services::NAMES];
pub const TWO_STORES: Layout =
    &[&["identity", "catalog", "carts", "orders", "notifications", "query"], &["inventory", "payments", "shipping"]];
pub const THREE_STORES: Layout =
    &[&["identity", "catalog", "carts", "query"], &["orders", "notifications"], &["inventory", "payments", "shipping"]];
pub const NINE_STORES: Layout = &[
    &["identity"],
    &["catalog"],
    &["inventory"],
    &["carts"],
    &["orders"],
    &["payments"],
    &["shipping"],
    &["notifications"],
    &["query"],
];

/// A running shop.
pub struct Town {
    pub doors: Vec<Door>,
    /// In front of the doors, if there is one.
    pub gateway: Option<Running>,
    pub clock: ManualClock,
    provider: Option<Arc<ProviderSimulator>>,
    pub admin: Client,
    pub staff: Client,
    pub service: Client,
    addresses: Arc<Mutex<Addresses>>,
    plan: Plan,
}

/// How its doors are opened.
struct Plan {
    directory: Directory,
    clock: ManualClock,
    carrier: Carrier,
    layout: Layout,
    settings: &'static [(&'static str, &'static str)],
    /// A door that is opened again is where it was: a gateway knows it by its address.
    addresses: Mutex<Vec<SocketAddr>>,
}

/// Where each door is.
type Addresses = Vec<(&'static [&'static str], SocketAddr)>;

/// One store of it.
pub struct Door {
    pub app: App,
    services: &'static [&'static str],
}

impl Town {
    pub async fn new() -> Self {
        Self::laid_out(ONE_STORE, &[]).await
    }

    pub async fn with(settings: &'static [(&'static str, &'static str)]) -> Self {
        Self::laid_out(ONE_STORE, settings).await
    }

    pub async fn laid_out(layout: Layout, settings: &'static [(&'static str, &'static str)]) -> Self {
        Self::opened(layout, Carrier::memory(), settings, None).await
    }

    /// The same with a gateway, which all clients go to.
    pub async fn behind_a_gateway(layout: Layout, settings: &'static [(&'static str, &'static str)]) -> Self {
        Self::opened(layout, Carrier::memory(), settings, Some(&[])).await
    }

    /// The same with settings of the gateway's own.
    pub async fn behind_a_gateway_with(layout: Layout, settings: &'static [(&'static str, &'static str)]) -> Self {
        Self::opened(layout, Carrier::memory(), &[], Some(settings)).await
    }

    /// With a real broker between the stores.
    pub async fn over(broker: RealBroker, layout: Layout, settings: &'static [(&'static str, &'static str)]) -> Self {
        Self::opened(layout, Carrier::Real(broker), settings, None).await
    }

    async fn opened(
        layout: Layout,
        carrier: Carrier,
        settings: &'static [(&'static str, &'static str)],
        of_gateway: Option<&'static [(&'static str, &'static str)]>,
    ) -> Self {
        let (directory, clock) = (Directory::new(), manual_clock());
        let plan = Plan { directory, clock, carrier, layout, settings, addresses: Mutex::default() };
        // Names alone: where the processes are is not known yet.
        let unknown = (1..).map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let parts = layout.iter().enumerate().zip(unknown);
        peers_file(&plan.directory, parts.map(|((number, services), at)| (part(number), at, *services)));
        let (mut doors, mut provider, mut identity) = (Vec::new(), None, None);
        for number in 0..layout.len() {
            let (door, hired) = plan.open(number, identity.take()).await;
            provider = hired.or(provider);
            doors.push(door);
            identity = Some(url_of(&doors[0]));
        }
        let gateway = of_gateway.map(|settings| plan.gateway(&doors, settings));
        let addresses = Arc::new(Mutex::new(addresses(&doors)));
        let anonymous = match &gateway {
            Some(gateway) => Client::new(gateway.address()),
            None => anonymous(&addresses),
        };
        let admin = anonymous.first_admin(&doors[0].app).await;
        let staff = anonymous.person_as(&admin, "staff", "staff").await.client;
        let service = anonymous.service(&admin).await;
        let (clock, admin) = (plan.clock.clone(), admin.client);
        Self { doors, gateway, clock, provider, admin, staff, service, addresses, plan }
    }

    /// Stops one of the doors with its store, whatever it does, and opens it again.
    pub async fn restarts(&mut self, number: usize) {
        let old = self.doors.remove(number);
        let identity = (number > 0).then(|| url_of(&self.doors[0]));
        assert_eq!(old.app.stop().await, None);
        if old.services.contains(&"payments") {
            self.provider = None;
        }
        let (door, hired) = self.plan.open(number, identity).await;
        self.provider = hired.or(self.provider.take());
        self.doors.insert(number, door);
        *self.addresses.lock().unwrap() = addresses(&self.doors);
    }

    /// Where its stores are: `store-0.db` and so on, by door.
    pub fn folder(&self) -> &Path {
        &self.plan.directory.0
    }

    pub fn provider(&self) -> &ProviderSimulator {
        self.provider.as_ref().expect("payments live somewhere")
    }

    pub fn anonymous(&self) -> Client {
        match &self.gateway {
            Some(gateway) => Client::new(gateway.address()),
            None => anonymous(&self.addresses),
        }
    }

    /// A door of its own, without the gateway.
    pub fn at_door(&self, number: usize, client: &Client) -> Client {
        Client { address: self.doors[number].app.address(), doors: None, ..client.clone() }
    }

    /// A customer with so much money on their account.
    pub async fn buyer(&self, name: &str, amount_minor: i64) -> Person {
        let person = self.anonymous().person(name).await;
        if amount_minor > 0 {
            let credits = format!("/v1/users/{}/accounts/EUR/credits", person.user_id);
            self.staff.post(&credits, json!({"amount_minor": amount_minor, "cause": "top_up"})).await.expect(200);
        }
        person
    }

    /// A product `p-SKU` for 10.00 EUR, with so many units.
    pub async fn stocks(&self, sku: &str, units: i64) {
        self.sells(sku, 1_000, units).await;
    }

    pub async fn sells(&self, sku: &str, amount_minor: i64, units: i64) {
        let product = json!({
            "product_id": format!("p-{sku}"), "name": sku,
            "variants": [{"sku": sku, "amount_minor": amount_minor, "currency": "EUR"}],
        });
        self.staff.post("/v1/products", product).await.expect(201);
        self.staff.post(&format!("/v1/products/p-{sku}/publication"), json!({})).await.expect(200);
        self.settles().await;
        if units > 0 {
            let adjustment = json!({"delta": units, "adjustment_type": "restock"});
            self.staff.post(&format!("/v1/stock/{sku}/adjustments"), adjustment).await.expect(200);
            self.settles().await;
        }
    }

    /// Places an order, and says its id.
    pub async fn places(&self, buyer: &Person, order: Value) -> Placed<'_> {
        let reply = buyer.client.post("/v1/orders", order).await.expect(201);
        Placed { town: self, order_id: reply.field("order_id"), buyer: buyer.client.clone() }
    }

    /// The same, and waits until nothing moves any more.
    pub async fn settles_order(&self, buyer: &Person, order: Value) -> Placed<'_> {
        let order = self.places(buyer, order).await;
        self.settles().await;
        order
    }

    /// From now on a service hears nothing; what it would hear is parked.
    pub async fn pauses(&self, service: &str) {
        let path = format!("/v1/operations/consumers/{service}/pause");
        self.staff.post(&path, json!({"reason": "for the test"})).await.expect(200);
        self.settles().await;
    }

    /// It hears again, what is parked first.
    pub async fn resumes(&self, service: &str) {
        self.staff.post(&format!("/v1/operations/consumers/{service}/resume"), json!({})).await.expect(200);
        self.settles().await;
    }

    /// Moves the clock, and waits until nothing moves any more.
    pub async fn advance(&self, by: Duration) {
        self.clock.advance(by);
        self.settles().await;
    }

    /// From now on the provider goes about this order like this. It is held up until then by its payment method alone,
    /// so the order brings an id of its own.
    pub fn force(&self, order_id: &str, forced: Forced) {
        self.provider().force(&id(order_id), forced).unwrap();
    }

    /// Waits until nothing is in flight anywhere: no message, no due timer, no due job.
    pub async fn settles(&self) {
        let mut calm = 0;
        let wait = async {
            let mut look = tokio::time::interval(Duration::from_millis(1));
            let mut before = Vec::new();
            while calm < 2 {
                look.tick().await;
                let segments: Vec<u64> = self.doors.iter().map(|door| door.shop().engine.status().segment).collect();
                let quiet = (0..self.doors.len()).all(|number| self.is_quiet(number));
                calm = if quiet && segments == before { calm + 1 } else { 0 };
                before = segments;
            }
        };
        let settled = tokio::time::timeout(PATIENCE, wait).await;
        settled.unwrap_or_else(|_| panic!("it has not settled: {:?}", self.unsettled()));
    }

    /// The same, with every callback of the provider taken, which must be due.
    pub async fn settles_with_callbacks(&self) {
        let wait = async {
            let mut look = tokio::time::interval(Duration::from_millis(1));
            while self.provider().callbacks().unwrap().waiting > 0 {
                look.tick().await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.expect("the callbacks are taken");
        self.settles().await;
    }

    fn is_quiet(&self, number: usize) -> bool {
        let door = &self.doors[number];
        let status = door.shop().engine.status();
        assert_eq!(status.stopped, None, "an engine has stopped");
        let idle = status.waiting == 0 && status.in_flight == 0 && status.published_segment == status.segment;
        idle && self.plan.carrier.owed(number) == 0 && self.due(door).is_empty()
    }

    fn due(&self, door: &Door) -> Vec<String> {
        let (reader, now) = (door.shop().engine.reader(), Column::Int(self.clock.now().as_millis()));
        let timers = List::of(TimerRow::TABLE, 10).at_most("due_at", now.clone());
        let jobs = List::of(JobRow::TABLE, 10).at_most("due_at", now).equal("state", Column::Text("waiting".into()));
        let rows = [timers, jobs].into_iter().flat_map(|list| reader.list(&list).unwrap());
        rows.map(|row| format!("{:?}", row.values)).collect()
    }

    fn unsettled(&self) -> Vec<String> {
        let door = |(number, door): (usize, &Door)| {
            let (status, owed) = (door.shop().engine.status(), self.plan.carrier.owed(number));
            format!("{:?}: {status:?}, owed {owed}, due {:?}", door.services, self.due(door))
        };
        self.doors.iter().enumerate().map(door).collect()
    }

    /// How far the clock was moved.
    pub fn clock_since_start(&self) -> Duration {
        self.clock.now().since(ManualClock::default().now())
    }

    /// The state of an order in the store of orders.
    pub fn status_of_order(&self, order_id: &str) -> &'static str {
        self.row::<tradewind_orders::Order>("orders", row_key(&[order_id])).map_or("", |order| order.state().as_str())
    }

    /// A row of whichever service it is.
    pub fn row<E: Entity>(&self, service: &str, key: impl AsKey) -> Option<E> {
        let rows = self.door_of(service).shop().engine.reader().load(E::TABLE, &[key.as_key()]).unwrap();
        rows.into_iter().flatten().next().map(|row| E::from_row(&row.values).unwrap())
    }

    pub fn rows<E: Entity>(&self, service: &str) -> Vec<E> {
        let list = List::of(E::TABLE, 10_000);
        let rows = self.door_of(service).shop().engine.reader().list(&list).unwrap();
        rows.iter().map(|row| E::from_row(&row.values).unwrap()).collect()
    }

    fn door_of(&self, service: &str) -> &Door {
        self.doors.iter().find(|door| door.services.contains(&service)).expect("every service lives somewhere")
    }

    /// Audits all stores, and the books of the provider: every invariant holds, nothing is owed or set aside.
    pub async fn is_clean(&self) {
        self.settles().await;
        let report = self.audited();
        let violations: Vec<_> = report.checks.iter().flat_map(|check| &check.violations).collect();
        assert!(violations.is_empty() && report.owed.is_empty(), "{violations:?} {:?}", report.owed);
        assert_eq!(report.set_aside, 0, "orders that are not settled");
        assert_ne!(self.copies_received(), Some(0), "nothing came over the broker");
    }

    pub fn audited(&self) -> tradewind_audit::Report {
        let config = &self.doors[0].shop().config;
        let services: Vec<_> = self.doors.iter().map(|door| services::some(config, door.services)).collect();
        let view = |(door, services)| {
            let shop = Door::shop(door);
            StoreView::new(&shop.store_name, &**shop.engine.reader(), services)
        };
        let stores: Vec<_> = self.doors.iter().zip(services.iter().map(Vec::as_slice)).map(view).collect();
        let charges = self.charges();
        let registry = tradewind_events::registry();
        let audit = Audit { stores: &stores, registry: &registry, charges: Some(&charges), now: self.clock.now() };
        audit.run().unwrap()
    }

    fn charges(&self) -> Charges {
        let charges = self.provider().charges(None, 10_000).unwrap();
        let audited = |charge: tradewind_workers::provider::Charge| {
            let taken = matches!(charge.state, ChargeState::Captured | ChargeState::Refunded);
            Audited {
                order_id: charge.order_id,
                reference: charge.reference,
                currency: charge.currency,
                captured_minor: if taken { charge.amount_minor } else { 0 },
                refunded_minor: if taken { charge.refunded_minor } else { 0 },
            }
        };
        Charges { list: charges.into_iter().map(audited).collect(), ..Charges::default() }
    }
}

impl Door {
    pub fn shop(&self) -> &Shop {
        self.app.shop()
    }
}

impl Plan {
    async fn open(&self, number: usize, identity: Option<ShopUrl>) -> (Door, Option<Arc<ProviderSimulator>>) {
        let (slot, hire) = hiring(Mails::default());
        let (services, config) = (self.layout[number], self.configured(number));
        let brokers = self.carrier.brokers(self.layout, number, &config);
        let identity = identity.map(ShopClient::new);
        let part = Some(Part { services: services.to_vec(), split: None, brokers, identity });
        let cache_forgets = cache_forgets();
        let options = Options { clock: Arc::new(self.clock.clone()), hire, part, cache_forgets, ..Options::default() };
        let app = App::start_with(config, options).await.unwrap();
        app.announced();
        self.addresses.lock().unwrap().push(app.address());
        let hired = slot.lock().unwrap().take().filter(|_| services.contains(&"payments"));
        (Door { app, services }, hired)
    }

    fn configured(&self, number: usize) -> Config {
        let file = |name: &str| self.directory.0.join(name).display().to_string();
        let (store, secrets) = (file(&format!("store-{number}.db")), file("secrets"));
        let known = self.addresses.lock().unwrap().get(number).map(ToString::to_string);
        let ours = [
            ("store", &*store),
            ("listen", known.as_deref().unwrap_or("127.0.0.1:0")),
            ("trusted_proxies", "127.0.0.1"),
            ("secrets_file", &secrets),
            ("rate_per_second", "0"),
            ("secret_rate_per_second", "0"),
            ("access_token_ttl", "30days"),
        ];
        let of_broker = self.carrier.settings(self.layout[number], &self.directory.0.join(PEERS_FILE));
        let of_broker: Vec<_> = of_broker.iter().map(|(name, text)| (*name, &**text)).collect();
        config(&self.directory, &[&ours, &*of_broker, self.settings].concat())
    }

    fn gateway(&self, doors: &[Door], settings: &[(&'static str, &str)]) -> Running {
        let peer = |(number, door): (usize, &Door)| (part(number), door.app.address(), door.services);
        let peers = peers_file(&self.directory, doors.iter().enumerate().map(peer));
        Running::start(config(&self.directory, settings), &Peers::read(peers).unwrap()).unwrap()
    }
}

const PEERS_FILE: &str = "peers.toml";

/// What the process of a door is called.
fn part(number: usize) -> String {
    format!("part-{number}")
}

/// A peers file: the name, the address and the services of each peer.
pub fn peers_file<'a>(
    directory: &Directory,
    peers: impl IntoIterator<Item = (String, SocketAddr, &'a [&'static str])>,
) -> PathBuf {
    let entry = |(name, address, services): (String, SocketAddr, &[&'static str])| {
        format!("[[peer]]\nname = \"{name}\"\nurl = \"http://{address}\"\nservices = {services:?}\n")
    };
    let path = directory.0.join(PEERS_FILE);
    std::fs::write(&path, peers.into_iter().map(entry).collect::<String>()).unwrap();
    path
}

fn url_of(door: &Door) -> ShopUrl {
    let address = door.app.address();
    ShopUrl::new(&address.ip().to_string(), address.port())
}

fn addresses(doors: &[Door]) -> Addresses {
    doors.iter().map(|door| (door.services, door.app.address())).collect()
}

fn anonymous(addresses: &Arc<Mutex<Addresses>>) -> Client {
    let first = addresses.lock().unwrap()[0].1;
    let addresses = Arc::clone(addresses);
    let find: Doors = Arc::new(move |method, path| {
        let service = service_of(method, path);
        let addresses = addresses.lock().unwrap();
        addresses.iter().find(|(services, _)| services.contains(&service)).expect("every service has a door").1
    });
    Client { doors: Some(find), ..Client::new(first) }
}

/// Which service answers.
fn service_of(method: &str, path: &str) -> &'static str {
    let parts: Vec<&str> = path.split('?').next().unwrap().split('/').skip(1).collect();
    match (method, &parts[..]) {
        (
            _,
            ["v1", "users", _, "accounts", ..]
            | ["v1", "provider-callbacks"]
            | ["v1", "orders", _, "payment", ..]
            | ["v1", "operations", "owed", ..],
        ) => "payments",
        (_, ["v1", "orders", _, "shipment", ..] | ["v1", "shipments"]) => "shipping",
        ("GET", ["v1", "orders", ..]) => "query",
        (_, ["v1", "orders", ..]) => "orders",
        (_, ["v1", "stock" | "locations", ..]) => "inventory",
        (_, ["v1", "carts", ..] | ["v1", "users", _, "carts"]) => "carts",
        (_, ["v1", "products" | "categories" | "variants", ..]) => "catalog",
        (_, ["v1", "operations", "consumers", service, _]) => {
            services::NAMES.into_iter().find(|name| name == service).expect("a service")
        }
        _ => "identity",
    }
}
