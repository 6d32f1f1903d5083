//! The shop that is asked: the real one, with goods, people and an order in it, without a network between.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header},
};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};
use tradewind::{
    app::{App, Options},
    config::{Config, Flags, Layers},
    http, services,
};
use tradewind_audit::{Audit, StoreView};
use tradewind_testkit::ManualClock;

use super::Sent;

const PASSWORD: &str = "correct horse battery";

/// Of an answer. A stream of events goes on, so it is not read.
const ANSWER_BYTES_MAX: usize = 16 * 1_024 * 1_024;

static SHOPS: AtomicU64 = AtomicU64::new(0);

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Person {
    Anonymous,
    Customer,
    Service,
    Staff,
    Admin,
}

/// What came back.
pub struct Answer {
    pub status: StatusCode,
    headers: HeaderMap,
    pub body: Bytes,
}

/// A shop that runs, until it is closed.
pub struct Shop {
    runtime: Runtime,
    open: Option<Open>,
}

struct Open {
    app: App,
    router: Router,
    clock: ManualClock,
    folder: PathBuf,
    tokens: BTreeMap<Person, String>,
    /// What stands for what: `{order}`.
    words: BTreeMap<&'static str, String>,
}

impl Person {
    const ALL: [(&'static str, Self); 5] = [
        ("anonymous", Self::Anonymous),
        ("customer", Self::Customer),
        ("service", Self::Service),
        ("staff", Self::Staff),
        ("admin", Self::Admin),
    ];

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, person)| *person)
    }
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn field(&self, name: &str) -> String {
        let body: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        body[name].as_str().unwrap_or_else(|| panic!("no {name} in {}", self.text())).to_owned()
    }
}

impl Shop {
    pub fn open() -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("the system gives threads");
        let open = Some(runtime.block_on(Open::new()));
        Self { runtime, open }
    }

    /// Closes and audits it, and opens another.
    pub fn reopen(&mut self) {
        self.close();
        self.open = Some(self.runtime.block_on(Open::new()));
    }

    pub fn ask(&self, sent: &Sent) -> Answer {
        self.runtime.block_on(self.here().ask(sent))
    }

    /// The text with what its words stand for.
    pub fn filled(&self, text: &str) -> String {
        let fill = |text: String, (word, value): (&&str, &String)| text.replace(*word, value);
        self.here().words.iter().fold(text.to_owned(), fill)
    }

    /// Nobody was deleted, demoted or signed out.
    pub fn knows_everybody(&self) -> bool {
        let known = |person: &Person| {
            let path = if *person == Person::Service { "/v1/products" } else { "/v1/me" };
            self.ask(&Sent::get(*person, path)).status == StatusCode::OK
        };
        self.here().tokens.keys().all(known)
    }

    fn here(&self) -> &Open {
        self.open.as_ref().expect("the shop is open until it is dropped")
    }

    fn close(&mut self) {
        if let Some(open) = self.open.take() {
            self.runtime.block_on(open.close());
        }
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        // What is wrong is being told already.
        if !std::thread::panicking() {
            self.close();
        }
    }
}

impl Sent {
    pub fn get(who: Person, path: &str) -> Self {
        let uri = path.parse().expect("a path");
        Self { who, method: Method::GET, uri, headers: HeaderMap::new(), body: Vec::new() }
    }
}

impl Open {
    async fn new() -> Self {
        let number = SHOPS.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("tradewind-fuzzing-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("the system has room");
        let clock = ManualClock::default();
        let options = Options { clock: Arc::new(clock.clone()), ..Options::default() };
        let store = folder.join("shop.db").display().to_string();
        let app = App::start_with(config(&store), options).await.expect("the shop starts");
        app.announced();
        let router = http::router(app.shop(), http::table());
        let mut open = Self { app, router, clock, folder, tokens: BTreeMap::new(), words: BTreeMap::new() };
        open.hire().await;
        open.stock().await;
        open
    }

    async fn ask(&self, sent: &Sent) -> Answer {
        let mut request = Request::new(Body::from(sent.body.clone()));
        *request.method_mut() = sent.method.clone();
        *request.uri_mut() = sent.uri.clone();
        *request.headers_mut() = sent.headers.clone();
        request.headers_mut().entry(header::HOST).or_insert(HeaderValue::from_static("shop"));
        if let Some(token) = self.tokens.get(&sent.who) {
            let token = format!("Bearer {token}").parse().expect("a token is visible");
            request.headers_mut().entry(header::AUTHORIZATION).or_insert(token);
        }
        let answered = http::answer(self.app.shop().clone(), self.router.clone(), request).await;
        let (parts, body) = answered.unwrap_or_else(|never| match never {}).into_parts();
        let streams = parts.headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind == "text/event-stream");
        let body = if streams { Bytes::new() } else { to_bytes(body, ANSWER_BYTES_MAX).await.expect("an answer ends") };
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// A write that must succeed.
    async fn write(&self, who: Person, method: Method, path: &str, body: Value) -> Answer {
        let key = path.rsplit('/').next().unwrap_or(path);
        self.write_as(key, Sent { method, body: body.to_string().into_bytes(), ..Sent::get(who, path) }).await
    }

    async fn write_as(&self, key: &str, mut sent: Sent) -> Answer {
        sent.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        sent.headers.insert("idempotency-key", key.parse().expect("a key is visible"));
        let answer = self.ask(&sent).await;
        assert!(answer.status.is_success(), "{}: {}", sent.uri, answer.text());
        answer
    }

    /// Everybody signs in.
    async fn hire(&mut self) {
        let token = self.app.first_admin_token().expect("there is no admin yet");
        let new = json!({"token": token, "email": "admin@example.org", "password": PASSWORD});
        self.write(Person::Anonymous, Method::POST, "/v1/first-admin", new).await;
        self.sign_in(Person::Admin, "admin@example.org").await;
        for (person, name) in [(Person::Staff, "staff"), (Person::Customer, "customer")] {
            let email = format!("{name}@example.org");
            let new = json!({"email": email, "password": PASSWORD, "first_name": name});
            let body = new.to_string().into_bytes();
            let sent = Sent { method: Method::POST, body, ..Sent::get(Person::Anonymous, "/v1/users") };
            let user_id = self.write_as(name, sent).await.field("user_id");
            if person == Person::Staff {
                let path = format!("/v1/users/{user_id}/role");
                self.write(Person::Admin, Method::PUT, &path, json!({"role": "staff"})).await;
            } else {
                self.words.insert("{customer}", user_id);
            }
            self.sign_in(person, &email).await;
        }
        let client = self.write(Person::Admin, Method::POST, "/v1/clients", json!({"name": "warehouse"})).await;
        let shown = json!({"client_id": client.field("client_id"), "client_secret": client.field("client_secret")});
        let token = self.write(Person::Anonymous, Method::POST, "/v1/tokens", shown).await;
        self.tokens.insert(Person::Service, token.field("access_token"));
    }

    async fn sign_in(&mut self, person: Person, email: &str) {
        let shown = json!({"email": email, "password": PASSWORD});
        let session = self.write(Person::Anonymous, Method::POST, "/v1/sessions", shown).await;
        self.tokens.insert(person, session.field("access_token"));
    }

    /// Goods on the shelf, money in the account, a cart, an order that waits to be paid.
    async fn stock(&mut self) {
        let (staff, post) = (Person::Staff, Method::POST);
        self.write(staff, post.clone(), "/v1/categories", json!({"category_id": "ware", "name": "Ware"})).await;
        let variants = json!([{"sku": "TEA", "amount_minor": 500, "currency": "EUR"}]);
        let tea = json!({"product_id": "tea", "name": "Tea", "category_ids": ["ware"], "variants": variants});
        self.write(staff, post.clone(), "/v1/products", tea).await;
        self.write(staff, post.clone(), "/v1/products/tea/publication", json!({})).await;
        let restock = json!({"delta": 1_000, "adjustment_type": "restock"});
        self.write(staff, post.clone(), "/v1/stock/TEA/adjustments", restock).await;
        let customer = self.words["{customer}"].clone();
        let credit = json!({"amount_minor": 1_000_000, "cause": "top_up"});
        self.write(staff, post.clone(), &format!("/v1/users/{customer}/accounts/EUR/credits"), credit).await;
        let cart = self.write(Person::Customer, post.clone(), "/v1/carts", json!({})).await.field("cart_id");
        let line = json!({"sku": "TEA", "quantity": 2});
        self.write(Person::Customer, post.clone(), &format!("/v1/carts/{cart}/lines"), line).await;
        let lines = json!([{"product_id": "tea", "sku": "TEA", "quantity": 1}]);
        let order = json!({"lines": lines, "payment_method": "external"});
        let order = self.write(Person::Customer, post, "/v1/orders", order).await.field("order_id");
        self.words.extend([("{cart}", cart), ("{order}", order)]);
    }

    /// Stops it, and finds everything in order.
    async fn close(self) {
        let Self { app, clock, folder, .. } = self;
        let shop = app.shop().clone();
        assert_eq!(app.stop().await, None, "the engine had stopped by itself");
        let services = services::all(&shop.config);
        let stores = [StoreView::new(&shop.store_name, &**shop.engine.reader(), &services)];
        let registry = tradewind_events::registry();
        let report = Audit { stores: &stores, registry: &registry, charges: None, now: clock.now() }.run();
        let report = report.expect("the store can be audited");
        assert!(report.is_clean(), "{report:#?}");
        drop(std::fs::remove_dir_all(folder));
    }
}

/// Fast hashing, no rates: nobody else is asking. Nobody waits for long.
fn config(store: &str) -> Config {
    let wait = humantime(Duration::from_millis(20));
    let settings = [
        ("store", store),
        ("listen", "127.0.0.1:0"),
        ("password_memory", "8KiB"),
        ("password_passes", "1"),
        ("rate_per_second", "0"),
        ("secret_rate_per_second", "0"),
        ("identity_mail_interval", "0s"),
        ("wait_max", &wait),
    ];
    let flags = Flags::of(settings.map(|(name, text)| (name, text.to_owned())));
    let layers = Layers::new(flags, BTreeMap::new()).expect("there is no other place for settings");
    Config::load(&layers).expect("these settings are good")
}

fn humantime(wait: Duration) -> String {
    format!("{}ms", wait.as_millis())
}
