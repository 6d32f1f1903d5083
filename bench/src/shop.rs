//! The whole shop inside this process: the nine services, the engine with its threads, an SQLite file. No HTTP.

use std::{
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tradewind_carts::Carts;
use tradewind_catalog::{
    Catalog,
    commands::{CreateProduct, NewVariant, PublishProduct},
};
use tradewind_engine::{
    AnyService, BatchFigures, Command, CommandMessage, Context, EngineTime, Entity, Handle, Idempotency, Limits,
    Observer, Parts, Setup, StoredAnswer, Worker,
    ports::{Ids, List, UuidV7},
    tables::JobRow,
};
use tradewind_events::{AdjustmentType, Attributes, Currency, Id, KeyText, Line, PaymentMethod, Value};
use tradewind_identity::Identity;
use tradewind_inventory::{AdjustStock, Inventory};
use tradewind_notifications::Notifications;
use tradewind_orders::{Basket, OrderAccepted, Orders, PlaceOrder, PlacedBy};
use tradewind_payments::{Payments, commands::CreditAccount};
use tradewind_query::Query;
use tradewind_shipping::Shipping;
use tradewind_sqlite::{Options, Sqlite};
use tradewind_workers::mail::{MailOptions, mail_workers};

use crate::{Failure, host, window::Window};

/// What every unit costs, in minor units.
const PRICE_MINOR: i64 = 1_250;

/// Enough for any run: units of a SKU, and a customer's money.
const UNITS: i64 = 1_000_000_000;
const CREDIT_MINOR: i64 = 100_000_000_000;

/// The longest that jobs may take after the last order.
const DRAIN_MAX: Duration = Duration::from_mins(10);

/// A shop that runs.
pub struct Shop {
    engine: Handle,
    counts: Arc<Counts>,
    window: Arc<Window>,
    market: Market,
}

/// What can be bought, and by whom. Orders are spread evenly over both.
#[derive(Debug, Clone)]
pub struct Market {
    pub skus: u64,
    pub customers: u64,
    /// Of an order, each of another SKU.
    pub lines: u64,
}

/// What the engine has told of its batches.
#[derive(Debug, Default)]
pub struct Counts {
    batches: AtomicU64,
    messages: AtomicU64,
    rows: AtomicU64,
    events: AtomicU64,
    formed_micros: AtomicU64,
    written_micros: AtomicU64,
}

/// The same at one moment, or between two.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Batches {
    pub count: u64,
    pub messages: u64,
    pub rows: u64,
    pub events: u64,
    pub formed_micros: u64,
    pub written_micros: u64,
}

impl Observer for Counts {
    fn committed(&self, batch: &BatchFigures) {
        let add = |sum: &AtomicU64, more: usize| sum.fetch_add(u64::try_from(more).unwrap_or(0), Ordering::Relaxed);
        let time = |sum: &AtomicU64, took: Duration| {
            sum.fetch_add(u64::try_from(took.as_micros()).unwrap_or(0), Ordering::Relaxed)
        };
        self.batches.fetch_add(1, Ordering::Relaxed);
        add(&self.messages, batch.messages);
        add(&self.rows, batch.rows);
        add(&self.events, batch.events);
        time(&self.formed_micros, batch.formed_in);
        time(&self.written_micros, batch.written_in);
    }
}

impl Batches {
    pub fn since(self, earlier: Self) -> Self {
        Self {
            count: self.count - earlier.count,
            messages: self.messages - earlier.messages,
            rows: self.rows - earlier.rows,
            events: self.events - earlier.events,
            formed_micros: self.formed_micros - earlier.formed_micros,
            written_micros: self.written_micros - earlier.written_micros,
        }
    }
}

impl Shop {
    /// Opens a shop on a new file, fills its shelves and its customers' accounts. So many commands are under way at a
    /// time at most.
    pub fn open(store: &Path, market: Market, under_way: usize) -> Result<Self, Failure> {
        let (clock, services) = (EngineTime::default(), services());
        let names = services.iter().map(|service| service.name);
        let opened = Sqlite::open(store, &Options::new("bench", names, clock.now()))?;
        let counts = Arc::new(Counts::default());
        let setup = Setup {
            store_name: opened.meta.name.as_str().into(),
            epoch: opened.meta.epoch,
            services,
            registry: tradewind_events::registry(),
            reader: Arc::new(opened.reader),
            clock: clock.clone(),
            ids: Box::new(UuidV7::default()),
            limits: Limits::default(),
            observer: Arc::clone(&counts) as _,
            log_remote: false,
        };
        let workers = workers(clock)?;
        let engine = Handle::start(setup, Parts { writer: Box::new(opened.writer), workers, broker: None })?;
        let shop = Self { engine, counts, window: Arc::new(Window::new(under_way)), market };
        shop.fill()?;
        Ok(shop)
    }

    /// Places the orders of these numbers, from so many threads. Returns when all of them are answered, which is when
    /// they are durable.
    pub fn place(&self, orders: std::ops::Range<u64>, threads: usize) -> Result<(), Failure> {
        let next = AtomicU64::new(orders.start);
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    let mut ids = UuidV7::default();
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= orders.end {
                            return;
                        }
                        self.send(self.order(number, &mut ids));
                    }
                });
            }
        });
        self.finish()
    }

    /// Waits until every job is done: what orders cause after they are settled.
    pub fn drain(&self) -> Result<(), Failure> {
        let waiting = List::of(JobRow::TABLE, 1).equal("state", Value::Text("waiting".into()));
        let is_idle = || {
            let status = self.engine.status();
            status.waiting == 0
                && status.in_flight == 0
                && self.engine.reader().list(&waiting).is_ok_and(|rows| rows.is_empty())
        };
        if host::until(DRAIN_MAX, is_idle) { Ok(()) } else { Err("jobs are left".into()) }
    }

    pub fn batches(&self) -> Batches {
        let now = |sum: &AtomicU64| sum.load(Ordering::Relaxed);
        Batches {
            count: now(&self.counts.batches),
            messages: now(&self.counts.messages),
            rows: now(&self.counts.rows),
            events: now(&self.counts.events),
            formed_micros: now(&self.counts.formed_micros),
            written_micros: now(&self.counts.written_micros),
        }
    }

    pub fn stop(self) -> Result<(), Failure> {
        self.engine.stop().map_or(Ok(()), |reason| Err(reason.into()))
    }

    fn fill(&self) -> Result<(), Failure> {
        let ids = Mutex::new(UuidV7::default());
        let context = || {
            let mut ids = ids.lock().unwrap_or_else(PoisonError::into_inner);
            let request_id = ids.next(self.engine.clock().now());
            Context { correlation_id: request_id.clone(), request_id, traceparent: None }
        };
        // One step after the other: what has no key yet may be overtaken by what stands on it.
        for number in 0..self.market.skus {
            self.send(command(create(number), context()));
        }
        self.finish()?;
        for number in 0..self.market.skus {
            self.send(command(PublishProduct { product_id: product(number) }, context()));
            self.send(command(restock(number), context()));
        }
        for number in 0..self.market.customers {
            self.send(command(credit(number), context()));
        }
        self.finish()
    }

    fn send(&self, message: CommandMessage) {
        self.window.enter();
        let window = Arc::clone(&self.window);
        let message = message.reply(move |answer| window.leave(answer.err().map(|problem| problem.code())));
        if let Err(problem) = self.engine.submit(message) {
            self.window.leave(Some(problem.code()));
        }
    }

    fn finish(&self) -> Result<(), Failure> {
        let refused = self.window.finish();
        if refused.is_empty() { Ok(()) } else { Err(format!("refused: {refused:?}").into()) }
    }

    /// As the HTTP route makes it, with an idempotency key and an answer that is kept under it.
    fn order(&self, number: u64, ids: &mut UuidV7) -> CommandMessage {
        let Market { skus, customers, lines } = self.market;
        // The further goods are others, and combinations vary.
        let goods = (0..lines).map(|line| (number + line * (1 + (number / 7) % skus.saturating_sub(1).max(1))) % skus);
        let place = PlaceOrder {
            by: PlacedBy::Shop,
            customer_id: customer(number % customers),
            basket: Basket::Lines { order_id: None, currency: None, lines: goods.map(line).collect() },
            payment_method: PaymentMethod::Balance,
            shipping_address: None,
            billing_address: None,
            reservation_ttl_seconds: None,
        };
        let request_id = ids.next(self.engine.clock().now());
        let idempotency = Idempotency {
            scope: KeyText::literal("019a0000-0000-7000-8000-000000000001 POST /v1/orders"),
            key: id(format!("bench-{request_id}")),
            fingerprint: format!("{number:043}").into(),
        };
        let context = Context { correlation_id: request_id.clone(), request_id, traceparent: None };
        CommandMessage::new(place, context, accepted).idempotent(Some(idempotency))
    }
}

/// All nine as a shop has them by default; `query` hears an event last.
pub fn services() -> Vec<AnyService> {
    vec![
        tradewind_identity::service(Identity::default()).build(),
        tradewind_catalog::service(Catalog::default()).build(),
        tradewind_inventory::service(Inventory::default()).build(),
        tradewind_carts::service(Carts::default()).build(),
        tradewind_orders::service(Orders::default()).build(),
        tradewind_payments::service(Payments::default()).build(),
        tradewind_shipping::service(Shipping::default()).build(),
        tradewind_notifications::service(Notifications::default()).build(),
        tradewind_query::service(Query).build(),
    ]
}

/// Who sends mail, which goes nowhere, as by default. No provider is asked: everything is paid by balance.
fn workers(clock: EngineTime) -> Result<Vec<Arc<dyn Worker>>, Failure> {
    let (notifications, identity) = mail_workers(MailOptions {
        from: "shop@localhost".to_owned(),
        shop: "The shop".to_owned(),
        link: "http://localhost".to_owned(),
        smtp: None,
        folder: None,
        clock,
    })?;
    Ok(vec![Arc::new(notifications), Arc::new(identity)])
}

/// What the HTTP route answers.
fn accepted(told: &OrderAccepted) -> StoredAnswer {
    let OrderAccepted { order_id, customer_id, status, placed_at, deadline_at, .. } = told;
    let body = format!(
        r#"{{"order_id":"{order_id}","customer_id":"{customer_id}","status":"{status}","placed_at":"{placed_at}","deadline_at":"{deadline_at}"}}"#
    );
    StoredAnswer { status: 201, location: Some(format!("/v1/orders/{order_id}")), body: body.into_bytes() }
}

fn command<C: Command>(command: C, context: Context) -> CommandMessage {
    CommandMessage::new(command, context, |_| StoredAnswer::default())
}

fn create(number: u64) -> CreateProduct {
    let variant =
        NewVariant { sku: sku(number), attributes: Attributes::default(), amount_minor: PRICE_MINOR, currency: euro() };
    CreateProduct {
        product_id: Some(product(number)),
        name: format!("Product {number}").into(),
        description: "Something to measure with".into(),
        brand: None,
        category_ids: Arc::default(),
        attributes: Attributes::default(),
        media: Vec::new(),
        variants: vec![variant],
    }
}

fn restock(number: u64) -> AdjustStock {
    AdjustStock {
        sku: sku(number),
        location_id: None,
        delta: UNITS,
        adjustment_type: AdjustmentType::Restock,
        reason: None,
        reference: None,
        source: None,
        actor: None,
    }
}

fn credit(number: u64) -> CreditAccount {
    CreditAccount {
        customer_id: customer(number),
        currency: euro(),
        amount_minor: CREDIT_MINOR,
        cause: "top_up".into(),
        reference: None,
        actor: "bench".into(),
    }
}

fn line(good: u64) -> Line {
    Line {
        product_id: product(good),
        sku: sku(good),
        quantity: 1,
        unit_price_minor: None,
        location_id: None,
        reservation_id: None,
    }
}

fn product(number: u64) -> Id {
    id(format!("p-load-6f1c02d4-{number}"))
}

fn sku(number: u64) -> Id {
    id(format!("load-6f1c02d4-{number}"))
}

fn customer(number: u64) -> Id {
    id(format!("load-6f1c02d4-c{number}"))
}

fn euro() -> Currency {
    "EUR".parse().expect("EUR is a currency")
}

fn id(text: String) -> Id {
    Id::new(text).expect("it is short and visible")
}
