//! `kill -9` of the real binary under load: what was answered is there after the restart, what is repeated is answered the
//! same, and the audit is clean. The moments come from a seed: after so many answers, while others are on their way.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{BufReader, Lines, prelude::*},
    process::{Child, ChildStdout, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use hyper::Method;
use serde_json::{Value, json};
use tokio::{sync::mpsc, task::JoinSet, time::interval};
use tradewind::client::{Answer, Client, ClientError, Extra, ShopUrl};

use crate::world::{Directory, PASSWORD};

/// Kills, unless `TRADEWIND_KILLS` says how many.
const KILLS: u64 = 3;

const SEED: u64 = 0x7261_6465_7769_6e64;

/// Buyers at the same time.
const BUYERS: usize = 6;

/// A kill comes after at least and at most so many answers.
const ANSWERS: (u64, u64) = (1, 150);

/// How often a shop is looked at until it is as it must be, and how soon again.
const LOOKS_MAX: u32 = 1_200;
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The binary, with a store of its own.
struct Shop {
    directory: Directory,
    token: Option<String>,
}

/// One life of it.
struct Life {
    child: Child,
    url: ShopUrl,
    /// Kept open: who writes into a pipe that nobody reads is stopped by that.
    out: Lines<BufReader<ChildStdout>>,
}

/// An order that somebody has sent, by its idempotency key.
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

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_that_was_answered_is_lost_and_nothing_is_done_twice_however_often_it_is_killed() {
    let (mut shop, mut chance) = (Shop { directory: Directory::new(), token: None }, Chance(SEED));
    let mut orders = Orders::new();
    let mut life = shop.begin().await;
    let buyer = shop.open(&mut life).await;
    for round in 0..kills() {
        let answers = ANSWERS.0 + chance.draw() % (ANSWERS.1 - ANSWERS.0 + 1);
        let sent = shop.buy_until_killed(life, &buyer, chance.draw(), answers).await;
        let open = sent.values().filter(|sent| sent.answer.is_none()).count();
        println!("round {round}: killed after {answers} answers, {open} requests were under way");
        life = shop.begin().await;
        shop.check(&life, sent, &mut orders).await;
        shop.audit(&["verify", "--store", "shop.db"]);
    }
    shop.settle(&life).await;
    shop.count(&life, &buyer, &orders).await;
    let report = shop.audit(&["verify", "--store", "shop.db", "--json"]);
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!((&report["clean"], &report["set_aside"]), (&json!(true), &json!(0)), "{report}");
    life.child.kill().unwrap();
    life.child.wait().unwrap();
    shop.audit(&["verify", "--store", "shop.db"]);
}

impl Shop {
    fn binary(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tradewind"));
        command.current_dir(&self.directory.0).env_clear();
        command
    }

    /// Starts it, and waits until it is ready.
    async fn begin(&self) -> Life {
        let log = fs::File::options().create(true).append(true).open(self.directory.0.join("log")).unwrap();
        let mut command = self.binary();
        command.args(["serve", "--store", "shop.db", "--listen", "127.0.0.1:0", "--log", "warn"]);
        command.args(["--password-memory", "8KiB", "--access-token-ttl", "1day", "--idempotency-kept", "1day"]);
        command.args(["--rate-per-second", "0"]);
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap()).lines();
        let open = out.next().unwrap_or_else(|| panic!("it does not start: {}", self.log())).unwrap();
        let url = open.split_whitespace().find(|word| word.starts_with("http://")).unwrap().parse().unwrap();
        let life = Life { child, url, out };
        let mut client = Client::new(life.url.clone());
        self.until("ready", async || client.get::<Value>("/readyz").await.is_ok()).await;
        life
    }

    /// Fills the shelves of a new shop, and gives a customer with money.
    async fn open(&mut self, life: &mut Life) -> String {
        let token = life.out.nth(1).unwrap().unwrap().trim().to_owned();
        let mut client = Client::new(life.url.clone());
        let person = json!({"email": "root@example.org", "password": PASSWORD});
        let mut admin = person.clone();
        admin["token"] = token.into();
        write(&mut client, Method::POST, "/v1/first-admin", &admin).await;
        self.token = Some(text(&write(&mut client, Method::POST, "/v1/sessions", &person).await, "access_token"));
        let mut staff = self.staff(life);
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
        let ada = text(&write(&mut client, Method::POST, "/v1/users", &ada).await, "user_id");
        let money = json!({"amount_minor": 100_000_000_000_i64, "cause": "top_up"});
        write(&mut staff, Method::POST, &format!("/v1/users/{ada}/accounts/EUR/credits"), &money).await;
        ada
    }

    /// Many buyers send orders; after so many answers the shop is killed.
    async fn buy_until_killed(&self, mut life: Life, buyer: &str, seed: u64, answers: u64) -> Orders {
        let (tell, mut told) = mpsc::unbounded_channel();
        let next = Arc::new(AtomicU64::new(0));
        let mut buyers = JoinSet::new();
        for _ in 0..BUYERS {
            let (client, tell, next) = (self.staff(&life), tell.clone(), Arc::clone(&next));
            buyers.spawn(buy(client, buyer.to_owned(), seed, next, tell));
        }
        drop(tell);
        let (mut sent, mut left) = (Orders::new(), answers);
        while let Some(told) = told.recv().await {
            match told {
                Told::Asked { key, body } => drop(sent.insert(key, Sent { body, answer: None })),
                Told::Answered { key, answer } => {
                    assert!(answer.status.is_success(), "{} {answer:?}", self.log());
                    sent.get_mut(&key).unwrap().answer = Some(told_of(&answer));
                    left = left.saturating_sub(1);
                }
            }
            if left == 0 {
                // SIGKILL; a second one finds nobody.
                life.child.kill().unwrap();
            }
        }
        life.child.wait().unwrap();
        buyers.join_all().await;
        sent
    }

    /// Every order that was answered is there; every request is answered as it was, or for the first time.
    async fn check(&self, life: &Life, sent: Orders, orders: &mut Orders) {
        let mut staff = self.staff(life);
        for (key, mut sent) in sent {
            if let Some((_, answer)) = &sent.answer {
                let order = text(&serde_json::from_str(answer).unwrap(), "order_id");
                let found: Value = staff.get(&format!("/v1/orders/{order}")).await.unwrap();
                assert_eq!(found["order_id"], order.as_str());
            }
            let again = self.repeat(&mut staff, &key, &sent.body).await;
            let first = sent.answer.get_or_insert_with(|| again.clone());
            assert_eq!(*first, again, "the same key is the same answer");
            assert_eq!(*first, self.repeat(&mut staff, &key, &sent.body).await);
            orders.insert(key, sent);
        }
    }

    async fn repeat(&self, staff: &mut Client, key: &str, body: &Value) -> (u16, String) {
        let answer = place(staff, key, body).await.unwrap();
        assert_eq!(answer.status.as_u16(), 201, "{answer:?} {}", self.log());
        told_of(&answer)
    }

    /// Waits until no order waits for anybody.
    async fn settle(&self, life: &Life) {
        let mut staff = self.staff(life);
        let settled = async || {
            let sagas: Value = staff.get("/v1/operations/sagas").await.unwrap();
            sagas["items"].as_array().unwrap().is_empty()
        };
        self.until("settled", settled).await;
    }

    /// There are as many orders as keys, all of them, each once, and all of them stand.
    async fn count(&self, life: &Life, buyer: &str, orders: &Orders) {
        let mut staff = self.staff(life);
        let (mut found, mut cursor) = (BTreeMap::new(), String::new());
        loop {
            let page: Value = staff.get(&format!("/v1/orders?customer_id={buyer}&limit=100{cursor}")).await.unwrap();
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
        assert_eq!(found.keys().cloned().collect::<BTreeSet<_>>(), orders.values().map(answered).collect());
        assert_eq!(found.len(), orders.len());
        let other: Vec<_> = found.iter().filter(|(_, status)| *status != "confirmed").collect();
        assert!(other.is_empty(), "{other:?}");
    }

    /// The audit finds nothing.
    fn audit(&self, command: &[&str]) -> String {
        let audit = self.binary().args(command).output().unwrap();
        let (report, errors) = (String::from_utf8(audit.stdout).unwrap(), String::from_utf8(audit.stderr).unwrap());
        assert!(audit.status.success(), "{report}{errors}");
        report
    }

    async fn until(&self, what: &str, mut is_so: impl AsyncFnMut() -> bool) {
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
        Client::new(life.url.clone()).with_token(self.token.as_ref().unwrap())
    }

    fn log(&self) -> String {
        fs::read_to_string(self.directory.0.join("log")).unwrap()
    }
}

/// Sends orders until nobody answers.
async fn buy(mut client: Client, buyer: String, seed: u64, next: Arc<AtomicU64>, tell: mpsc::UnboundedSender<Told>) {
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let key = format!("kill-{seed:x}-{number}");
        let body = order(&buyer, Chance(seed ^ number).draw());
        tell.send(Told::Asked { key: key.clone(), body: body.clone() }).unwrap();
        let Ok(answer) = place(&mut client, &key, &body).await else { return };
        tell.send(Told::Answered { key, answer }).unwrap();
    }
}

async fn place(client: &mut Client, key: &str, body: &Value) -> Result<Answer, ClientError> {
    let extra = Extra { idempotency_key: Some(key), wait: None };
    client.send(Method::POST, "/v1/orders", Some(body), extra).await
}

/// One or two lines, paid from an account or by card.
fn order(buyer: &str, chance: u64) -> Value {
    let skus = ["TEA", "POT", "CUP"];
    let wanted = [Some(chance % 3), (chance & 8 != 0).then_some((chance + 1) % 3)];
    let lines = wanted.into_iter().flatten().map(|nth| {
        let sku = skus[usize::try_from(nth).unwrap()];
        json!({"product_id": format!("p-{sku}"), "sku": sku, "quantity": 1 + chance / 16 % 3})
    });
    let method = if chance & 0x300 == 0 { "card" } else { "balance" };
    json!({"customer_id": buyer, "lines": lines.collect::<Vec<_>>(), "payment_method": method})
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

#[expect(clippy::disallowed_methods, reason = "a test asks how long it may take")]
fn kills() -> u64 {
    std::env::var("TRADEWIND_KILLS").ok().map_or(KILLS, |kills| kills.parse().expect("TRADEWIND_KILLS is a number"))
}

/// Numbers that look drawn, the same ones every time (splitmix64).
struct Chance(u64);

impl Chance {
    fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut drawn = self.0;
        drawn = (drawn ^ (drawn >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        drawn = (drawn ^ (drawn >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        drawn ^ (drawn >> 31)
    }
}
