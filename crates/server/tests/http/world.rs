//! A shop for a test, and the people in it.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use serde_json::json;
use tradewind::{
    app::{App, Options},
    config::{Config, Flags, Layers},
    workers::{self, HireWorkers},
};
use tradewind_engine::{TryOutcome, Worker};
use tradewind_events::{
    Id, id,
    jobs::{IdentityMail, MailReceipt},
};
use tradewind_testkit::{ManualClock, cache_forgets, manual_clock};
use tradewind_workers::{
    mail::{MailOptions, mail_workers},
    provider::{ProviderSimulator, ProviderWorker},
};

use crate::client::{Client, Reply};

pub const PASSWORD: &str = "correct horse battery";

static WORLDS: AtomicU64 = AtomicU64::new(0);

/// A running shop. Its files are removed when it is dropped.
pub struct World {
    pub app: App,
    pub clock: ManualClock,
    pub mails: Mails,
    pub provider: Arc<ProviderSimulator>,
    directory: Directory,
}

/// What identity has mailed.
#[derive(Clone, Default)]
pub struct Mails(Arc<Mutex<Vec<IdentityMail>>>);

/// A directory of a test.
pub struct Directory(pub PathBuf);

/// A user who is signed in.
pub struct Person {
    pub user_id: String,
    pub email: String,
    pub client: Client,
    pub refresh_token: String,
}

impl World {
    pub async fn new() -> Self {
        Self::with(&[]).await
    }

    /// A shop with settings of its own.
    pub async fn with(settings: &[(&'static str, &str)]) -> Self {
        Self::open(Directory::new(), manual_clock(), Mails::default(), settings).await
    }

    /// Stops, and starts again on the same store.
    pub async fn restarted(self, settings: &[(&'static str, &str)]) -> Self {
        self.damaged(|| (), settings).await
    }

    /// The same, while something happens to its files.
    pub async fn damaged(self, damage: impl FnOnce(), settings: &[(&'static str, &str)]) -> Self {
        let Self { app, clock, mails, provider, directory } = self;
        assert_eq!(app.stop().await, None);
        drop(provider);
        damage();
        Self::open(directory, clock, mails, settings).await
    }

    async fn open(directory: Directory, clock: ManualClock, mails: Mails, settings: &[(&'static str, &str)]) -> Self {
        let (hired, hire) = hiring(mails.clone());
        let options =
            Options { clock: Arc::new(clock.clone()), hire, cache_forgets: cache_forgets(), ..Options::default() };
        let app = App::start_with(config(&directory, settings), options).await.unwrap();
        app.announced();
        let provider = hired.lock().unwrap().take().unwrap();
        Self { app, clock, mails, provider, directory }
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.0.join(name)
    }

    pub fn anonymous(&self) -> Client {
        Client::new(self.app.address())
    }

    pub async fn person(&self, name: &str) -> Person {
        self.anonymous().person(name).await
    }

    /// The first admin, made with the token of the first start.
    pub async fn admin(&self) -> Person {
        self.anonymous().first_admin(&self.app).await
    }

    pub async fn sign_in(&self, email: &str, password: &str) -> Reply {
        self.anonymous().sign_in(email, password).await
    }

    pub async fn signed_in(&self, email: &str) -> Person {
        self.anonymous().signed_in(email).await
    }

    /// Somebody in this role.
    pub async fn person_as(&self, admin: &Person, name: &str, role: &str) -> Person {
        self.anonymous().person_as(admin, name, role).await
    }

    /// A service client's token.
    pub async fn service(&self, admin: &Person) -> Client {
        self.anonymous().service(admin).await
    }
}

/// People, made by somebody who has no token.
impl Client {
    pub async fn person(&self, name: &str) -> Person {
        let email = format!("{name}@example.org");
        let new = json!({"email": email, "password": PASSWORD, "first_name": name});
        self.post("/v1/users", new).await.expect(201);
        self.signed_in(&email).await
    }

    pub async fn first_admin(&self, app: &App) -> Person {
        let token = app.first_admin_token().expect("there is no admin yet");
        let new = json!({"token": token, "email": "root@example.org", "password": PASSWORD});
        self.post("/v1/first-admin", new).await.expect(201);
        self.signed_in("root@example.org").await
    }

    pub async fn sign_in(&self, email: &str, password: &str) -> Reply {
        self.post("/v1/sessions", json!({"email": email, "password": password})).await
    }

    pub async fn signed_in(&self, email: &str) -> Person {
        let session = self.sign_in(email, PASSWORD).await.expect(201);
        Person {
            user_id: session.json()["user"]["user_id"].as_str().unwrap().to_owned(),
            email: email.to_owned(),
            client: self.with_token(&session.field("access_token")),
            refresh_token: session.field("refresh_token"),
        }
    }

    pub async fn person_as(&self, admin: &Person, name: &str, role: &str) -> Person {
        let person = self.person(name).await;
        admin.client.put(&format!("/v1/users/{}/role", person.user_id), json!({"role": role})).await.expect(200);
        self.signed_in(&person.email).await
    }

    pub async fn service(&self, admin: &Person) -> Client {
        let client = admin.client.post("/v1/clients", json!({"name": "warehouse"})).await.expect(201);
        let shown = json!({"client_id": client.field("client_id"), "client_secret": client.field("client_secret")});
        let token = self.post("/v1/tokens", shown).await.expect(200);
        self.with_token(&token.field("access_token"))
    }
}

/// The workers of a shop whose identity mails are kept for the test; the provider simulator is left in the slot.
pub fn hiring(mails: Mails) -> (Arc<Mutex<Option<Arc<ProviderSimulator>>>>, HireWorkers) {
    let slot = Arc::new(Mutex::new(None));
    let left = Arc::clone(&slot);
    let hire: HireWorkers = Box::new(move |config, clock, address| {
        let (notifications, _) = mail_workers(MailOptions { clock: clock.clone(), ..MailOptions::default() })?;
        let simulator = Arc::new(ProviderSimulator::open(workers::simulator(config, clock, address))?);
        let provider = ProviderWorker::new(Arc::clone(&simulator) as _);
        left.lock().unwrap().replace(simulator);
        Ok(vec![Arc::new(mails), Arc::new(notifications), Arc::new(provider)])
    });
    (slot, hire)
}

/// The configuration of a test: fast hashing, a free port.
pub fn config(directory: &Directory, settings: &[(&'static str, &str)]) -> Config {
    let store = directory.0.join("shop.db").display().to_string();
    let ours = [("store", &*store), ("listen", "127.0.0.1:0"), ("password_memory", "8KiB"), ("password_passes", "1")];
    let flags = ours.iter().chain(settings).map(|(name, text)| (*name, (*text).to_owned()));
    Config::load(&Layers::new(Flags::of(flags), BTreeMap::new()).unwrap()).unwrap()
}

impl Directory {
    pub fn new() -> Self {
        let number = WORLDS.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("tradewind-http-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

impl Worker for Mails {
    fn kind(&self) -> &'static str {
        "identity_mail"
    }

    fn run(&self, key: &Id, request: &str, _attempt: u32) -> TryOutcome {
        self.0.lock().unwrap().push(serde_json::from_str(request).unwrap());
        let receipt = MailReceipt { message_id: key.clone(), refused: None, reference: None };
        TryOutcome::Done(serde_json::to_string(&receipt).unwrap())
    }
}

impl Mails {
    /// The token of the last mail to this address, as its link has it. Waits for the worker.
    pub async fn token_to(&self, email: &str, count: usize) -> String {
        loop {
            let mails = self.to(email);
            if let Some(mail) = mails.get(count - 1) {
                return format!("{}.{}", mail.user_id, mail.token.expose());
            }
            tokio::task::yield_now().await;
        }
    }

    pub fn to(&self, email: &str) -> Vec<IdentityMail> {
        self.0.lock().unwrap().iter().filter(|mail| mail.to.expose() == email).cloned().collect()
    }
}

/// An id that nobody has.
pub fn nobody() -> Id {
    id("nobody")
}
