//! The real binary under load: buyers who send orders, and what must be so of the orders that they were told of.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{BufReader, Lines, prelude::*},
    path::PathBuf,
    process::{Child, ChildStdout, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use hyper::Method;
use serde_json::{Value, json};
use tokio::{sync::mpsc, task::JoinSet, time::interval};
use tradewind::client::{Answer, Client, ClientError, Extra, ShopUrl};

use super::disk::Disk;
use crate::world::{Directory, PASSWORD};

/// Buyers at the same time.
const BUYERS: usize = 6;

/// How often a shop is looked at until it is as it must be, and how soon again.
const LOOKS_MAX: u32 = 1_200;
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The binary, with a store of its own, and what it has told its buyers.
pub struct Shop {
    pub disk: Option<Disk>,
    /// Some pay by card, and the provider keeps books of its own.
    pub takes_cards: bool,
    directory: Directory,
    token: Option<String>,
    buyer: String,
    orders: Orders,
}

/// One life of it.
pub struct Life {
    pub child: Child,
    url: ShopUrl,
    /// Kept open: who writes into a pipe that nobody reads is stopped by that.
    out: Lines<BufReader<ChildStdout>>,
}

/// Orders that somebody has sent, by their idempotency keys.
type Orders = BTreeMap<String, Sent>;

#[derive(Clone)]
struct Sent {
    body: Value,
    /// As it was answered first.
    answer: Option<(u16, String)>,
}

/// What a buyer tells.
enum Told {
    Asked { key: String, body: Value },
    Answered { key: String, answer: Answer },
}

/// Buyers who are sending orders.
pub struct Crowd {
    told: mpsc::UnboundedReceiver<Told>,
    enough: Arc<AtomicBool>,
    buyers: JoinSet<()>,
    sent: Orders,
}

impl Shop {
    pub fn new() -> Self {
        let directory = Directory::new();
        fs::create_dir(directory.0.join("disk")).unwrap();
        Self { disk: None, takes_cards: true, directory, token: None, buyer: String::new(), orders: Orders::new() }
    }

    /// On a disk that can fail.
    pub fn on_a_disk() -> Self {
        let shop = Self::new();
        let disk = Disk::new(&shop.folder(), &shop.directory.0);
        Self { disk: Some(disk), ..shop }
    }

    /// Where its store is, with nothing else.
    pub fn folder(&self) -> PathBuf {
        self.directory.0.join("disk")
    }

    /// The names of the files of its store.
    pub fn files(&self) -> BTreeSet<String> {
        let entries = fs::read_dir(self.folder()).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    pub fn serve(&self) -> Command {
        let log = fs::File::options().create(true).append(true).open(self.directory.0.join("log")).unwrap();
        let mut command = self.binary();
        command.args(["serve", "--store", "shop.db", "--listen", "127.0.0.1:0", "--log", "warn"]);
        command.args(["--password-memory", "8KiB", "--access-token-ttl", "1day", "--idempotency-kept", "1day"]);
        command.args(["--rate-per-second", "0"]);
        command.envs(self.disk.iter().flat_map(Disk::environment));
        command.stdout(Stdio::piped()).stderr(log);
        command
    }

    fn binary(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tradewind"));
        command.current_dir(self.folder()).env_clear();
        // A program whose lines are counted writes its count where it stands, and complains of a disk that is full.
        command.env("LLVM_PROFILE_FILE", "/dev/null");
        command
    }

    /// Starts it, and waits until it is ready.
    pub async fn begin(&self) -> Life {
        let mut child = self.serve().spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap()).lines();
        let open = out.next().unwrap_or_else(|| panic!("it does not start: {}", self.log())).unwrap();
        let url = open.split_whitespace().find(|word| word.starts_with("http://")).unwrap().parse().unwrap();
        let life = Life { child, url, out };
        let mut client = Client::new(life.url.clone());
        self.until("ready", async || client.get::<Value>("/readyz").await.is_ok()).await;
        life
    }

    /// The first start: there are goods and a customer with money.
    pub async fn open(&mut self) -> Life {
        let mut life = self.begin().await;
        let token = life.out.nth(1).unwrap().unwrap().trim().to_owned();
        let mut client = Client::new(life.url.clone());
        let person = json!({"email": "root@example.org", "password": PASSWORD});
        let mut admin = person.clone();
        admin["token"] = token.into();
        write(&mut client, Method::POST, "/v1/first-admin", &admin).await;
        self.token = Some(text(&write(&mut client, Method::POST, "/v1/sessions", &person).await, "access_token"));
        let mut staff = self.staff(&life);
        for sku in ["TEA", "POT", "CUP"] {
            let product = json!({
                "product_id": format!("p-{sku}"), "name": sku,
                "variants": [{"sku": sku, "amount_minor": 1_250, "currency": "EUR"}],
            });
            write(&mut staff, Method::POST, "/v1/products", &product).await;
            write(&mut staff, Method::POST, &format!("/v1/products/p-{sku}/publication"), &json!({})).await;
            let goods = json!({"delta": 1_000_000, "adjustment_type": "restock"});
            write(&mut staff, Method::POST, &format!("/v1/stock/{sku}/adjustments"), &goods).await;
        }
        let ada = json!({"email": "ada@example.org", "password": PASSWORD});
        self.buyer = text(&write(&mut client, Method::POST, "/v1/users", &ada).await, "user_id");
        let money = json!({"amount_minor": 100_000_000_000_i64, "cause": "top_up"});
        write(&mut staff, Method::POST, &format!("/v1/users/{}/accounts/EUR/credits", self.buyer), &money).await;
        life
    }

    /// Buyers come, and send orders until they have enough or the shop is gone. Their keys come from the seed.
    pub fn crowd(&self, life: &Life, seed: u64) -> Crowd {
        let (tell, told) = mpsc::unbounded_channel();
        let (next, enough) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let mut buyers = JoinSet::new();
        for _ in 0..BUYERS {
            let (client, tell, next) = (self.staff(life), tell.clone(), Arc::clone(&next));
            let wishes = Wishes { buyer: self.buyer.clone(), cards: self.takes_cards, seed };
            buyers.spawn(buy(client, wishes, next, tell, Arc::clone(&enough)));
        }
        Crowd { told, enough, buyers, sent: Orders::new() }
    }

    /// Every order that was answered is there; every request is answered as it was, or for the first time.
    pub async fn check(&mut self, life: &Life, sent: Sents) {
        let mut staff = self.staff(life);
        for (key, mut sent) in sent.0 {
            if let Some((_, answer)) = &sent.answer {
                let order = text(&serde_json::from_str(answer).unwrap(), "order_id");
                let found: Value = staff.get(&format!("/v1/orders/{order}")).await.unwrap();
                assert_eq!(found["order_id"], order.as_str());
            }
            let again = self.repeat(&mut staff, &key, &sent.body).await;
            let first = sent.answer.get_or_insert_with(|| again.clone());
            assert_eq!(*first, again, "the same key is the same answer");
            assert_eq!(*first, self.repeat(&mut staff, &key, &sent.body).await);
            self.orders.insert(key, sent);
        }
    }

    async fn repeat(&self, staff: &mut Client, key: &str, body: &Value) -> (u16, String) {
        let answer = place(staff, key, body).await.unwrap();
        assert_eq!(answer.status.as_u16(), 201, "{answer:?} {}", self.log());
        told_of(&answer)
    }

    /// What was checked up to now, for [`Self::forgets_all_but`].
    pub fn orders_so_far(&self) -> Sents {
        Sents(self.orders.clone())
    }

    /// An older store was put in the place of its own.
    pub fn forgets_all_but(&mut self, orders: Sents) {
        self.orders = orders.0;
    }

    /// At the end: every order was settled, there are as many as keys, all of them stand, and the audit is clean.
    pub async fn close(&self, mut life: Life) {
        let mut staff = self.staff(&life);
        let settled = async || {
            let sagas: Value = staff.get("/v1/operations/sagas").await.unwrap();
            sagas["items"].as_array().unwrap().is_empty()
        };
        self.until("settled", settled).await;
        self.count(&life).await;
        let report = self.audit(&["--json"]);
        let report: Value = serde_json::from_str(&report).unwrap();
        assert_eq!((&report["clean"], &report["set_aside"]), (&json!(true), &json!(0)), "{report}");
        life.child.kill().unwrap();
        life.child.wait().unwrap();
        self.audit(&[]);
    }

    async fn count(&self, life: &Life) {
        let mut staff = self.staff(life);
        let (mut found, mut cursor) = (BTreeMap::new(), String::new());
        loop {
            let path = format!("/v1/orders?customer_id={}&limit=100{cursor}", self.buyer);
            let page: Value = staff.get(&path).await.unwrap();
            for order in page["items"].as_array().unwrap() {
                found.insert(text(order, "order_id"), text(order, "status"));
            }
            let Some(next) = page.get("next_cursor").and_then(Value::as_str) else { break };
            cursor = format!("&cursor={next}");
        }
        let answered = |sent: &Sent| {
            let (_, answer) = sent.answer.as_ref().unwrap();
            text(&serde_json::from_str(answer).unwrap(), "order_id")
        };
        assert_eq!(found.keys().cloned().collect::<BTreeSet<_>>(), self.orders.values().map(answered).collect());
        assert_eq!(found.len(), self.orders.len());
        let other: Vec<_> = found.iter().filter(|(_, status)| *status != "confirmed").collect();
        assert!(other.is_empty(), "{other:?}");
    }

    /// The audit finds nothing.
    pub fn audit(&self, more: &[&str]) -> String {
        self.run(&[&["verify", "--store", "shop.db"], more].concat())
    }

    /// A command beside it that goes well.
    pub fn run(&self, command: &[&str]) -> String {
        let done = self.binary().args(command).output().unwrap();
        let (told, errors) = (String::from_utf8(done.stdout).unwrap(), String::from_utf8(done.stderr).unwrap());
        assert!(done.status.success(), "{command:?} {told}{errors}{}", self.log());
        told
    }

    /// Tells it to end, and waits until it has.
    pub async fn stop(&self, life: &mut Life) {
        signal(life, "TERM");
        assert_eq!(self.ended(life).await, Some(0), "{}", self.log());
    }

    /// Waits until it has ended; gives its exit status.
    pub async fn ended(&self, life: &mut Life) -> Option<i32> {
        let mut status = None;
        let mut look = async || {
            status = life.child.try_wait().unwrap();
            status.is_some()
        };
        self.until("at its end", &mut look).await;
        status.and_then(|status| status.code())
    }

    pub async fn until(&self, what: &str, mut is_so: impl AsyncFnMut() -> bool) {
        let mut look = interval(LOOK_EVERY);
        for _ in 0..LOOKS_MAX {
            look.tick().await;
            if is_so().await {
                return;
            }
        }
        panic!("it is not {what}: {}", self.log());
    }

    fn staff(&self, life: &Life) -> Client {
        Client::new(life.url.clone()).with_token(self.token.as_ref().unwrap()).unwrap()
    }

    /// What it has logged, and said at its end, in all of its lives.
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.0.join("log")).unwrap()
    }
}

pub fn signal(life: &Life, name: &str) {
    let sent = Command::new("kill").args(["-s", name, &life.child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

/// The orders of a crowd.
pub struct Sents(Orders);

impl Sents {
    /// Requests that were not answered.
    pub fn open(&self) -> usize {
        self.0.values().filter(|sent| sent.answer.is_none()).count()
    }
}

impl Crowd {
    /// Waits until so many more orders were taken, or everybody has left.
    pub async fn answers(&mut self, count: u64) {
        let mut left = count;
        while left > 0 {
            let Some(told) = self.told.recv().await else { return };
            left -= u64::from(self.hear(told));
        }
    }

    /// They have enough.
    pub fn enough(&self) {
        self.enough.store(true, Ordering::Relaxed);
    }

    /// Waits until everybody has left.
    pub async fn leave(mut self) -> Sents {
        while let Some(told) = self.told.recv().await {
            self.hear(told);
        }
        self.buyers.join_all().await;
        Sents(self.sent)
    }

    /// Whether an order was taken.
    fn hear(&mut self, told: Told) -> bool {
        match told {
            Told::Asked { key, body } => {
                self.sent.insert(key, Sent { body, answer: None });
                false
            }
            Told::Answered { key, answer } => {
                self.sent.get_mut(&key).unwrap().answer = Some(told_of(&answer));
                true
            }
        }
    }
}

/// Sends orders until nobody answers, nothing is taken in any more, or it is enough.
async fn buy(
    mut client: Client,
    wishes: Wishes,
    next: Arc<AtomicU64>,
    tell: mpsc::UnboundedSender<Told>,
    enough: Arc<AtomicBool>,
) {
    while !enough.load(Ordering::Relaxed) {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let key = format!("buy-{:x}-{number}", wishes.seed);
        let body = wishes.order(number);
        tell.send(Told::Asked { key: key.clone(), body: body.clone() }).unwrap();
        let Ok(answer) = place(&mut client, &key, &body).await else { return };
        if answer.status.as_u16() == 503 {
            return;
        }
        assert!(answer.status.is_success(), "{answer:?}");
        tell.send(Told::Answered { key, answer }).unwrap();
    }
}

async fn place(client: &mut Client, key: &str, body: &Value) -> Result<Answer, ClientError> {
    let extra = Extra { idempotency_key: Some(key), wait: None };
    client.send(Method::POST, "/v1/orders", Some(body), extra).await
}

/// What buyers want, by chance.
struct Wishes {
    buyer: String,
    cards: bool,
    seed: u64,
}

impl Wishes {
    /// One or two lines, paid from an account or by card.
    fn order(&self, number: u64) -> Value {
        let chance = Chance(self.seed ^ number).draw();
        let skus = ["TEA", "POT", "CUP"];
        let wanted = [Some(chance % 3), (chance & 8 != 0).then_some((chance + 1) % 3)];
        let lines = wanted.into_iter().flatten().map(|nth| {
            let sku = skus[usize::try_from(nth).unwrap()];
            json!({"product_id": format!("p-{sku}"), "sku": sku, "quantity": 1 + chance / 16 % 3})
        });
        let method = if self.cards && chance & 0x300 == 0 { "card" } else { "balance" };
        json!({"customer_id": self.buyer, "lines": lines.collect::<Vec<_>>(), "payment_method": method})
    }
}

async fn write(client: &mut Client, method: Method, path: &str, body: &Value) -> Value {
    let key = path.replace('/', "-");
    let key = format!("{key}-{}", body["sku"].as_str().or(body["product_id"].as_str()).unwrap_or("once"));
    client.write(method, path, body, &key[..key.len().min(64)]).await.unwrap()
}

fn told_of(answer: &Answer) -> (u16, String) {
    (answer.status.as_u16(), String::from_utf8(answer.body.to_vec()).unwrap())
}

fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_else(|| panic!("no {field} in {value}")).to_owned()
}

/// Numbers that look drawn, the same ones every time (splitmix64).
pub struct Chance(pub u64);

impl Chance {
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut drawn = self.0;
        drawn = (drawn ^ (drawn >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        drawn = (drawn ^ (drawn >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        drawn ^ (drawn >> 31)
    }

    /// From 1 to this.
    pub fn up_to(&mut self, most: u64) -> u64 {
        1 + self.draw() % most
    }
}
