//! `tradewind verify`

mod books;
mod copies;
mod report;

use std::path::{Path, PathBuf};

use tradewind_audit::{Audit, Report, StoreView};
use tradewind_engine::{
    AnyService,
    ports::{Clock, Reader, SystemClock},
};
use tradewind_events::Timestamp;
use tradewind_sqlite::{Sqlite, SqliteReader};
use tradewind_workers::provider::ProviderSimulator;

use self::copies::{Copy, Given};
use super::{CliError, interrupt, say, store::StoresArgs};
use crate::{
    app::AppError,
    config::{Config, Layers},
    services,
};

/// Audit the ten invariants of a shop on its stores, running or not.
///
/// Give all stores of a shop that is split over several, each with `--store`. The audit looks at a copy of each store as of
/// one commit, so it does not disturb a shop that runs. The copies are made one after the other: orders that change
/// meanwhile, or whose events are still on their way from store to store, are set aside and counted.
///
/// If you leave stores out, the audit judges what the others can show, and lists the services that it has not looked at.
///
/// The exit status is 1 when an invariant is violated or an operator owes something.
///
/// The copies take as much of the disk as the stores until the audit has ended: beside each store, or in the directory for
/// temporary files where nothing can be written beside it. Memory grows with the orders: about 1.6 GB for each million.
#[derive(clap::Args)]
pub struct Verify {
    #[command(flatten)]
    stores: StoresArgs,
    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
}

impl Verify {
    pub fn run(self) -> Result<(), CliError> {
        let (config, paths) = self.stores.configured_to_read()?;
        let given = copies::open(&paths)?;
        let copies = paths.iter().map(|store| Copy::place(store)).collect::<Result<Vec<_>, _>>()?;
        let files: Vec<PathBuf> = copies.iter().map(|copy| copy.file.clone()).collect();
        let provider = provider_of(&given, config.provider_store);
        let audited = interrupt::removing(&files.clone(), move || audit_by(&files, given, provider.as_deref()))?;
        drop(copies);
        if self.json {
            say(format_args!("{}\n", audited.as_json()))?;
        } else {
            say(&audited)?;
        }
        if audited.report.is_clean() { Ok(()) } else { Err(CliError::NotClean) }
    }
}

/// Stores that were audited.
pub struct Audited {
    pub report: Report,
    stores: Vec<AuditedStore>,
    /// Services that live in none of the stores.
    services_unseen: Vec<&'static str>,
    /// Why the books of the provider were not compared: they may be closed to who may read the store.
    unread: Option<String>,
    at: Timestamp,
}

/// One of them.
struct AuditedStore {
    name: String,
    path: PathBuf,
    services: Vec<String>,
    /// Where the log of its copy ends.
    last_segment: u64,
}

/// Audits a copy of a store as of one commit, and compares it with the payment provider's charges if it has any.
pub fn audit(store: &Path, provider: &Path) -> Result<Audited, CliError> {
    let given = copies::open(&[store.to_owned()])?;
    let copy = Copy::place(store)?;
    audit_by(std::slice::from_ref(&copy.file), given, Some(provider))
}

/// The books of the provider are where payments live, unless they are configured to be elsewhere.
fn provider_of(given: &[Given], configured: Option<PathBuf>) -> Option<PathBuf> {
    let payments = given.iter().find(|store| store.meta.services.iter().any(|service| service == "payments"))?;
    Some(configured.unwrap_or_else(|| ProviderSimulator::file_beside(&payments.path)))
}

/// Makes the copies in these files, one after the other, and audits them.
fn audit_by(files: &[PathBuf], given: Vec<Given>, provider: Option<&Path>) -> Result<Audited, CliError> {
    // Deadlines that pass from now on are not judged.
    let at = SystemClock.wall();
    let before = provider.map(books::read).transpose()?;
    for (file, store) in files.iter().zip(&given) {
        store.live.back_up(file, &mut |_| {})?;
    }
    let (charges, unread) = books::compare(before, provider)?;
    let open = |file: &PathBuf| Ok(Sqlite::open_reader(file).map_err(AppError::from)?.0);
    let copies = files.iter().map(open).collect::<Result<Vec<SqliteReader>, CliError>>()?;
    let services = given.iter().map(services_of).collect::<Result<Vec<_>, _>>()?;
    let stores = given.iter().zip(&copies).zip(&services);
    let views: Vec<_> = stores
        .map(|((store, copy), services)| StoreView::new(&store.meta.name, copy, services).with_live(&store.live))
        .collect();
    let registry = tradewind_events::registry();
    let report = Audit { stores: &views, registry: &registry, charges: charges.as_ref(), now: at }.run()?;
    drop(views);
    let last = copies.iter().map(Reader::last_segment).collect::<Result<Vec<_>, _>>().map_err(AppError::from)?;
    let lives = |service: &&str| given.iter().any(|store| store.holds(service));
    let services_unseen = services::NAMES.into_iter().filter(|service| !lives(service)).collect();
    let stores = given.into_iter().zip(last).map(|(store, last_segment)| AuditedStore {
        name: store.meta.name,
        path: store.path,
        services: store.meta.services,
        last_segment,
    });
    Ok(Audited { report, stores: stores.collect(), services_unseen, unread, at })
}

/// The services that a store records. Which events a service consumes does not depend on how it is configured.
fn services_of(store: &Given) -> Result<Vec<AnyService>, CliError> {
    let names: Vec<&str> = store.meta.services.iter().map(String::as_str).collect();
    Ok(services::some(&Config::load(&Layers::default())?, &names))
}
