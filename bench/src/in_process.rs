//! `tradewind-bench in-process`: whole orders through the engine's handle, without HTTP.

use std::{
    collections::BTreeMap,
    fmt::{self, Write},
    fs,
    path::PathBuf,
    time::Duration,
};

use serde_json::{Value, json};
use tradewind_events::PaymentMethod;

use crate::{
    Failure,
    host::{self, Usage},
    say,
    shop::{Batches, Market, Shop},
    store::{self, Audited},
};

/// Settle orders inside this process: the nine services, the engine, an SQLite file, and no HTTP.
///
/// An order is settled when it is confirmed, captured, in the read model and on the disk. Every one has an idempotency
/// key and is paid by balance. At the end the store is audited; a violation makes the exit status 1.
#[derive(clap::Args)]
pub struct InProcess {
    /// How many orders are measured
    #[arg(long, default_value_t = 50_000)]
    orders: u64,
    /// Orders before the clock starts
    #[arg(long, default_value_t = 2_000)]
    warm_up: u64,
    /// SKUs that orders are spread over; 1 makes all buyers want the same
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    skus: u64,
    /// Customers that orders are spread over
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    customers: u64,
    /// Lines of an order
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=10))]
    lines: u64,
    /// Orders that are under way at a time
    #[arg(long, default_value_t = 4_096, value_parser = clap::value_parser!(u64).range(1..=8_192))]
    under_way: u64,
    /// Threads that send them
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=64))]
    threads: u64,
    /// Where the store is made, and removed afterwards. Default: the system's folder for such things
    #[arg(long, value_name = "FOLDER")]
    directory: Option<PathBuf>,
    /// Leave the store there
    #[arg(long)]
    keep: bool,
    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
}

/// What came of it.
struct Figures {
    orders: u64,
    /// As the store says, of the measured ones.
    settled: u64,
    took: Duration,
    /// From the last answer until every job was done as well.
    drained_in: Duration,
    /// Until the last answer.
    usage: Usage,
    batches: Batches,
    /// With jobs.
    usage_with_jobs: Usage,
    batches_with_jobs: Batches,
    resident_bytes: u64,
    store_bytes: u64,
    /// Bytes that one order has added to each table.
    tables: BTreeMap<String, f64>,
    audited: Audited,
}

impl InProcess {
    pub fn run(self) -> Result<(), Failure> {
        let folder = self.directory.clone().unwrap_or_else(std::env::temp_dir);
        let folder = folder.join(format!("tradewind-bench-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let measured = self.measure(&folder.join("shop.db"));
        if self.keep {
            say(format_args!("{}\n", folder.display()))?;
        } else {
            fs::remove_dir_all(&folder)?;
        }
        let figures = measured?;
        if self.json {
            say(format_args!("{}\n", figures.as_json()))?;
        } else {
            say(&figures)?;
        }
        if figures.is_good() { Ok(()) } else { Err("not every order is settled, or the audit is not clean".into()) }
    }

    fn measure(&self, path: &std::path::Path) -> Result<Figures, Failure> {
        let market = Market {
            skus: self.skus,
            customers: self.customers,
            lines: self.lines.min(self.skus),
            paid_by: PaymentMethod::Balance,
        };
        let threads = usize::try_from(self.threads)?;
        let shop = Shop::open(path, market, usize::try_from(self.under_way)?)?;
        shop.place(0..self.warm_up, threads)?;
        shop.drain()?;
        let tables_before = store::bytes_by_table(path)?;
        let (usage, batches, start) = (Usage::of_this_process()?, shop.batches(), host::now());
        shop.place(self.warm_up..self.warm_up + self.orders, threads)?;
        let took = start.elapsed();
        let (usage_after, batches_after) = (Usage::of_this_process()?, shop.batches());
        shop.drain()?;
        let drained_in = start.elapsed().saturating_sub(took);
        let (usage_drained, batches_drained) = (Usage::of_this_process()?, shop.batches());
        let resident_bytes = host::resident_bytes(std::process::id())?;
        shop.stop()?;
        let added = |(table, bytes): (String, u64)| {
            let before = tables_before.get(&table).copied().unwrap_or(0);
            (table, per(bytes.saturating_sub(before), self.orders))
        };
        Ok(Figures {
            orders: self.orders,
            settled: store::settled(path)?.saturating_sub(self.warm_up),
            took,
            drained_in,
            usage: usage_after.since(&usage),
            batches: batches_after.since(batches),
            usage_with_jobs: usage_drained.since(&usage),
            batches_with_jobs: batches_drained.since(batches),
            resident_bytes,
            store_bytes: store::bytes(path),
            tables: store::bytes_by_table(path)?.into_iter().map(added).filter(|(_, bytes)| *bytes >= 1.0).collect(),
            audited: store::audit(path)?,
        })
    }
}

impl Figures {
    fn is_good(&self) -> bool {
        self.settled == self.orders && self.audited.violations == 0 && self.audited.owed == 0
    }

    /// Nothing, where not every order is as it must be.
    fn settled_per_second(&self) -> f64 {
        if self.is_good() { rate(self.settled, self.took) } else { 0.0 }
    }

    fn cpu_micros(&self, spent: Duration) -> f64 {
        spent.as_secs_f64() * 1e6 / self.orders_f64()
    }

    fn orders_f64(&self) -> f64 {
        per(self.orders, 1)
    }

    /// Bytes that one order takes in the file.
    fn bytes_an_order(&self) -> f64 {
        self.tables.values().sum()
    }

    fn as_json(&self) -> Value {
        let Figures { usage, batches, batches_with_jobs, audited, .. } = self;
        let threads: BTreeMap<_, _> =
            usage.threads.iter().map(|(name, spent)| (name, self.cpu_micros(spent.sum()))).collect();
        json!({
            "orders": self.orders,
            "settled": self.settled,
            "settled_per_second": self.settled_per_second(),
            "settled_per_second_with_jobs": rate(self.settled, self.took + self.drained_in),
            "took_seconds": self.took.as_secs_f64(),
            "jobs_after_seconds": self.drained_in.as_secs_f64(),
            "cpu_micros_an_order": self.cpu_micros(usage.cpu.sum()),
            "cpu_micros_an_order_with_jobs": self.cpu_micros(self.usage_with_jobs.cpu.sum()),
            "cpu_micros_an_order_by_thread": threads,
            "batches": batches.count,
            "messages_a_batch": per(batches.messages, batches.count),
            "rows_an_order": per(batches_with_jobs.rows, self.orders),
            "events_an_order": per(batches_with_jobs.events, self.orders),
            "events_per_second": rate(batches.events, self.took),
            "bytes_an_order": self.bytes_an_order(),
            "bytes_an_order_by_table": self.tables,
            "written_bytes_an_order": per(usage.written_bytes, self.orders),
            "store_bytes": self.store_bytes,
            "resident_bytes": self.resident_bytes,
            "violations": audited.violations,
            "set_aside": audited.set_aside,
            "owed": audited.owed,
        })
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Figures { usage, batches, batches_with_jobs, audited, .. } = self;
        let (took, rate) = (self.took.as_secs_f64(), self.settled_per_second());
        writeln!(f, "{} of {} orders settled in {took:.2} s: {rate:.0} orders/s", self.settled, self.orders)?;
        let with_jobs = self::rate(self.settled, self.took + self.drained_in);
        let after = self.drained_in.as_secs_f64();
        writeln!(f, "jobs     done {after:.2} s later: {with_jobs:.0} orders/s with all that follows")?;
        let mut threads = String::new();
        for (name, spent) in usage.threads.iter().filter(|(_, spent)| self.cpu_micros(spent.sum()) >= 0.5) {
            let (user, system) = (self.cpu_micros(spent.user), self.cpu_micros(spent.system));
            write!(threads, "  {name} {:.0} ({user:.0} user, {system:.0} system)", user + system)?;
        }
        let (cpu, all) = (self.cpu_micros(usage.cpu.sum()), self.cpu_micros(self.usage_with_jobs.cpu.sum()));
        writeln!(f, "cpu      {cpu:.0} µs an order, {all:.0} with jobs: {threads}")?;
        writeln!(
            f,
            "batches  {}, of {:.0} messages, formed in {:.2} ms, written in {:.2} ms",
            batches.count,
            per(batches.messages, batches.count),
            per(batches.formed_micros, batches.count) / 1e3,
            per(batches.written_micros, batches.count) / 1e3,
        )?;
        writeln!(
            f,
            "order    {:.1} rows written, {:.1} events, {:.0} bytes in the file, {:.0} bytes to the disk",
            per(batches_with_jobs.rows, self.orders),
            per(batches_with_jobs.events, self.orders),
            self.bytes_an_order(),
            per(usage.written_bytes, self.orders),
        )?;
        let mut tables: Vec<_> = self.tables.iter().collect();
        tables.sort_by(|one, other| other.1.total_cmp(one.1));
        let tables: Vec<_> = tables.iter().map(|(table, bytes)| format!("{table} {bytes:.0}")).collect();
        writeln!(f, "tables   {}", tables.join(", "))?;
        writeln!(f, "memory   {} MB", self.resident_bytes / 1_000_000)?;
        let Audited { violations, set_aside, owed, first } = audited;
        writeln!(f, "audit    {violations} violations, {set_aside} set aside, {owed} owed")?;
        first.iter().try_for_each(|first| writeln!(f, "         {first}"))
    }
}

#[expect(clippy::cast_precision_loss, reason = "a figure is rounded anyway")]
fn per(sum: u64, count: u64) -> f64 {
    sum as f64 / count.max(1) as f64
}

fn rate(count: u64, took: Duration) -> f64 {
    per(count, 1) / took.as_secs_f64().max(f64::EPSILON)
}
