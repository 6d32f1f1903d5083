//! `tradewind-bench run`, which is what `bench/run` calls: every measure by its name, a line each.

use std::{fs, path::PathBuf, process::Command};

use serde_json::Value;

use crate::{
    Failure, complain,
    line::HEAD,
    measures::{MEASURES, Measure},
    postgres::Postgres,
    say,
    server::{Life, Loaded, Shop},
};

/// Measure the shop, beside a PostgreSQL that does the same by hand where the two are compared.
///
/// One line a name: our figure, what it is compared with, their ratio, and what it is to be. What falls short says so.
/// Every store is audited; a violation makes the result nothing and the exit status 1.
#[derive(clap::Args)]
pub struct Run {
    /// What is measured; everything when none is named
    #[arg(value_name = "NAME", value_parser = known)]
    names: Vec<&'static Measure>,
    /// Little of everything: to see that it works, not for figures
    #[arg(long)]
    quick: bool,
    /// How many pairs are measured
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=99))]
    pairs: Option<u8>,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
    /// Leave PostgreSQL out; what is compared with it has no ratio then
    #[arg(long)]
    without_postgres: bool,
    /// Where stores are made, and removed afterwards. Default: the system's folder for such things
    #[arg(long, value_name = "FOLDER")]
    directory: Option<PathBuf>,
}

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    pub pairs: usize,
    /// Orders of one run inside this process.
    pub in_process: u64,
    /// Orders of one run over HTTP.
    pub http: u64,
    /// Orders after which a shop is aged.
    pub aged: u64,
    /// Orders of a store that is not fresh.
    pub old: u64,
    /// Jobs of a payment provider that hangs.
    pub overdue: u64,
    /// Events of another store.
    pub backlog: u64,
    /// Events that are published at once, by our relay and by another's.
    pub relay: u64,
    /// Orders whose events wait for a process with the read models.
    pub drain: u64,
    /// Orders, one at a time.
    pub alone: u32,
    /// SKUs and customers.
    pub market: u32,
    /// Of one run of PostgreSQL.
    pub seconds: u32,
}

const FULL: Scale = Scale {
    pairs: 5,
    in_process: 50_000,
    http: 20_000,
    aged: 1_000_000,
    old: 300_000,
    overdue: 100_000,
    backlog: 1_000_000,
    relay: 1_000_000,
    drain: 50_000,
    alone: 500,
    market: 1_000,
    seconds: 10,
};

const QUICK: Scale = Scale {
    pairs: 1,
    in_process: 2_000,
    http: 500,
    aged: 1_500,
    old: 500,
    overdue: 500,
    backlog: 50_000,
    relay: 5_000,
    drain: 500,
    alone: 50,
    market: 50,
    seconds: 1,
};

/// Where and how it is measured.
pub struct World {
    pub scale: Scale,
    /// `tradewind`, built as this program is.
    pub binary: PathBuf,
    folder: PathBuf,
    made: u32,
    with_postgres: bool,
    postgres: Option<Postgres>,
}

fn known(name: &str) -> Result<&'static Measure, String> {
    let names = || MEASURES.iter().map(|measure| measure.name).collect::<Vec<_>>().join(", ");
    MEASURES.iter().find(|measure| measure.name == name).ok_or_else(|| format!("there are: {}", names()))
}

impl Run {
    pub fn run(self) -> Result<(), Failure> {
        let folder = self.directory.clone().unwrap_or_else(std::env::temp_dir);
        let folder = folder.join(format!("tradewind-bench-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let scale = if self.quick { QUICK } else { FULL };
        let scale = Scale { pairs: self.pairs.map_or(scale.pairs, usize::from), ..scale };
        let myself = std::env::current_exe()?;
        let mut world = World {
            scale,
            binary: myself.with_file_name("tradewind"),
            folder: folder.clone(),
            made: 0,
            with_postgres: !self.without_postgres,
            postgres: None,
        };
        let measured = self.measure(&mut world);
        drop(world);
        fs::remove_dir_all(&folder)?;
        measured
    }

    fn measure(&self, world: &mut World) -> Result<(), Failure> {
        let all: Vec<_> = MEASURES.iter().collect();
        let wanted = if self.names.is_empty() { &all } else { &self.names };
        if !self.json {
            say(HEAD)?;
        }
        let mut violations = 0;
        for measure in wanted {
            complain(format_args!("{}: {}", measure.name, measure.says));
            for line in (measure.run)(world)? {
                violations += line.violations;
                if self.json {
                    say(format_args!("{}\n", line.as_json()))?;
                } else {
                    say(line)?;
                }
            }
        }
        if violations == 0 { Ok(()) } else { Err("an audit has found violations".into()) }
    }
}

impl World {
    /// A folder of its own, for one store.
    pub fn folder(&mut self) -> Result<PathBuf, Failure> {
        self.made += 1;
        let folder = self.folder.join(self.made.to_string());
        fs::create_dir(&folder)?;
        Ok(folder)
    }

    /// Opens a new shop.
    pub fn shop(&mut self) -> Result<(Shop, Life), Failure> {
        self.new_shop()?.open()
    }

    /// A new shop that does not run yet.
    pub fn new_shop(&mut self) -> Result<Shop, Failure> {
        let folder = self.folder()?;
        Shop::new(&self.binary, &folder)
    }

    /// So many orders of the whole market over HTTP.
    pub fn load(&self, shop: &Shop, orders: u64, more: &[&str]) -> Result<Loaded, Failure> {
        let market = self.scale.market.to_string();
        shop.load(orders, &[&["--skus", &market, "--customers", &market], more].concat())
    }

    /// Orders a second of PostgreSQL, where it is not left out.
    pub fn one_tx(&mut self) -> Result<Option<f64>, Failure> {
        let seconds = self.scale.seconds;
        self.postgres()?.map(|postgres| postgres.one_tx(seconds)).transpose()
    }

    /// The same with so many clients, and the microseconds that 99 of 100 orders took at most.
    pub fn one_tx_timed(&mut self, clients: u32) -> Result<Option<(f64, f64)>, Failure> {
        let seconds = self.scale.seconds;
        self.postgres()?.map(|postgres| postgres.one_tx_timed(clients, seconds)).transpose()
    }

    fn postgres(&mut self) -> Result<Option<&mut Postgres>, Failure> {
        if self.with_postgres && self.postgres.is_none() {
            // The folder is its owner's, who is somebody else where this is run by root.
            self.postgres = Some(Postgres::start(self.folder.join("postgres"))?);
        }
        Ok(self.postgres.as_mut())
    }

    /// How many clients were the fastest for PostgreSQL.
    pub fn postgres_clients(&self) -> u32 {
        self.postgres.as_ref().map_or(0, Postgres::clients)
    }

    /// Settles orders in a process of its own, on a fresh store.
    pub fn in_process(&mut self, more: &[&str]) -> Result<Value, Failure> {
        let folder = self.folder()?;
        let (orders, market) = (self.scale.in_process.to_string(), self.scale.market.to_string());
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["in-process", "--json", "--orders", &orders, "--customers", &market]);
        // Given twice the last one counts, so what is asked for comes after.
        command.arg("--directory").arg(&folder);
        if !more.contains(&"--skus") {
            command.args(["--skus", &market]);
        }
        let output = command.args(more).output()?;
        fs::remove_dir_all(&folder)?;
        serde_json::from_slice(&output.stdout)
            .map_err(|error| format!("in-process: {error}: {}", String::from_utf8_lossy(&output.stderr)).into())
    }
}
