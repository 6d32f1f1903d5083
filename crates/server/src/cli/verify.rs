//! `tradewind verify`

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    fs::{self, OpenOptions},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use serde_json::json;
use tradewind_audit::{Audit, Charge, Charges, INVARIANTS, Report, StoreView};
use tradewind_engine::ports::{Clock, Reader, SystemClock};
use tradewind_events::{Id, Timestamp};
use tradewind_sqlite::Sqlite;
use tradewind_workers::provider::{self, ChargeState, ProviderRecords, ProviderSimulator, SimulatorError};

use super::{
    CliError, interrupt, say,
    screen::{self, BAD, GOOD},
    store::{StoreArgs, private_directory},
    table::{Cell, Table},
};
use crate::{
    app::AppError,
    config::{Config, Layers},
    services,
    words::{clean, count},
};

/// Audit the ten invariants of a shop on its store, running or not.
///
/// It looks at a copy as of one commit, so a shop that runs is not disturbed. The exit status is 1 when an invariant is
/// violated or an operator owes something.
///
/// The copy takes as much of the disk as the store until the audit has ended: beside it, or in the directory for temporary
/// files where nothing can be written beside it. Memory grows with the orders:
/// about 1.6 GB for each million.
#[derive(clap::Args)]
pub struct Verify {
    #[command(flatten)]
    store: StoreArgs,
    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
}

impl Verify {
    pub fn run(self) -> Result<(), CliError> {
        let config = self.store.configured_to_read()?;
        let provider = config.provider_store.clone().unwrap_or_else(|| ProviderSimulator::file_beside(&config.store));
        let copy = Copy::place(&config.store)?;
        let file = copy.file.clone();
        let audited = interrupt::removing(&copy.file, move || audit_by(&file, &config.store, &provider))?;
        drop(copy);
        if self.json {
            say(format_args!("{}\n", audited.as_json()))?;
        } else {
            say(&audited)?;
        }
        if audited.report.is_clean() { Ok(()) } else { Err(CliError::NotClean) }
    }
}

/// Of the copy, until SQLite writes it.
const FILE_MODE: u32 = 0o600;

/// A store that was audited.
pub struct Audited {
    pub report: Report,
    store: PathBuf,
    /// Why the books of the provider were not compared: they may be closed to who may read the store.
    unread: Option<String>,
    /// Where the log ended.
    last_segment: u64,
    at: Timestamp,
}

/// Audits a copy of a store as of one commit, and compares it with the payment provider's charges if it has any.
pub fn audit(store: &Path, provider: &Path) -> Result<Audited, CliError> {
    let copy = Copy::place(store)?;
    audit_by(&copy.file, store, provider)
}

/// The same with the copy in this file.
fn audit_by(copy: &Path, store: &Path, provider: &Path) -> Result<Audited, CliError> {
    let (live, _) = Sqlite::open_reader(store).map_err(AppError::from)?;
    let before = books(provider)?;
    live.back_up(copy, &mut |_| {})?;
    let (charges, unread) = match before {
        Ok(before) => (Some(settled(before, charges(provider)?)), None),
        Err(unread) => (None, Some(unread)),
    };
    let (reader, meta) = Sqlite::open_reader(copy).map_err(AppError::from)?;
    // Which events a service hears does not depend on how it is configured.
    let services = services::all(&Config::load(&Layers::default())?);
    let stores = [StoreView::new(&meta.name, &reader, &services)];
    let (registry, at) = (tradewind_events::registry(), SystemClock.wall());
    let report = Audit { stores: &stores, registry: &registry, charges: charges.as_ref(), now: at }.run()?;
    let last_segment = reader.last_segment().map_err(AppError::from)?;
    Ok(Audited { report, store: store.to_owned(), unread, last_segment, at })
}

/// Charges by order and reference.
type ByReference = BTreeMap<(Id, Id), Charge>;

/// The provider's charges now, or why this user cannot read them.
fn books(provider: &Path) -> Result<Result<ByReference, String>, CliError> {
    match charges(provider) {
        Err(CliError::Provider(error @ SimulatorError::Unreadable { .. })) => Ok(Err(error.to_string())),
        read => Ok(Ok(read?)),
    }
}

/// The provider's charges now, by order and reference.
fn charges(provider: &Path) -> Result<ByReference, CliError> {
    let mut all = BTreeMap::new();
    // Where nobody ever paid by card there is no such file.
    if !provider.exists() {
        return Ok(all);
    }
    let (records, mut after) = (ProviderRecords::open(provider)?, None);
    loop {
        let page = records.charges(after.as_ref(), CHARGES_A_PAGE)?;
        let Some(last) = page.last() else { return Ok(all) };
        after = Some(last.reference.clone());
        all.extend(page.into_iter().map(|charge| ((charge.order_id.clone(), charge.reference.clone()), ours(charge))));
    }
}

const CHARGES_A_PAGE: usize = 1_000;

fn ours(charge: provider::Charge) -> Charge {
    let provider::Charge { reference, order_id, state, amount_minor, refunded_minor, currency, .. } = charge;
    let (captured_minor, refunded_minor) = match state {
        ChargeState::Authorized | ChargeState::Voided => (0, 0),
        ChargeState::Captured | ChargeState::Refunded => (amount_minor, refunded_minor),
        ChargeState::Returned => (amount_minor, amount_minor),
    };
    Charge { order_id, reference, currency, captured_minor, refunded_minor }
}

/// What was the same before and after the copy was made was so when it was made.
fn settled(before: ByReference, mut after: ByReference) -> Charges {
    let mut unsure = BTreeSet::new();
    for (key, charge) in &before {
        if after.remove(key).as_ref() != Some(charge) {
            unsure.insert(key.0.clone());
        }
    }
    unsure.extend(after.into_keys().map(|(order_id, _)| order_id));
    Charges { list: before.into_values().collect(), unsure }
}

/// The copy that is audited, gone when the audit is done.
struct Copy {
    file: PathBuf,
    /// Made for it, where there is no room beside the store.
    directory: Option<PathBuf>,
}

impl Copy {
    /// Beside the store, or among temporary files where its directory cannot be written.
    fn place(store: &Path) -> Result<Self, CliError> {
        let name = store.file_name().unwrap_or_default();
        let beside = store.with_file_name(format!("{}.audit-{}", name.display(), std::process::id()));
        let made = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(&beside);
        if made.and_then(|_| fs::remove_file(&beside)).is_ok() {
            return Ok(Self { file: beside, directory: None });
        }
        let directory = private_directory("verify")?;
        Ok(Self { file: directory.join("copy.db"), directory: Some(directory) })
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        interrupt::remove(&self.file);
        if let Some(directory) = &self.directory
            && let Err(error) = fs::remove_dir_all(directory)
        {
            tracing::warn!(path = %directory.display(), %error, "a copy is left over");
        }
    }
}

/// As people read it.
impl fmt::Display for Audited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { report, store, unread, last_segment, at } = self;
        writeln!(f, "Audit of {} at {at}, up to segment {last_segment} of its log", store.display())?;
        let mut table = Table::new(&["", "", "", ""]).right(0).right(2);
        for (number, (check, says)) in (1..).zip(report.checks.iter().zip(INVARIANTS)) {
            let verdict = match (check.examined, check.violated) {
                (0, _) => Cell::from("-"),
                (_, 0) => Cell::from("ok").style(GOOD),
                _ => Cell::from("FAILED").style(BAD),
            };
            let number = Cell::from(format!("  {number}"));
            table.row([number, verdict, Cell::from(check.examined.to_string()), Cell::from(says)]);
            for violation in &check.violations {
                table.line(format!("        {}: {}", clean(&violation.subject), clean(&violation.detail)));
            }
            let more = check.violated.saturating_sub(u64::try_from(check.violations.len()).unwrap_or(0));
            if more > 0 {
                table.line(format!("        and {more} more"));
            }
        }
        f.write_str(&table.shown(screen::width()))?;
        let aside = match report.set_aside {
            0 => String::from("nothing"),
            some => count(some, "order, SKU or customer", "orders, SKUs or customers"),
        };
        f.write_str(&screen::paragraph(&format!(
            "Set aside, because something is in flight, parked, dead or owed: {aside}"
        )))?;
        if let Some(unread) = unread {
            f.write_str(&screen::paragraph(&format!("Not compared with the books of the payment provider: {unread}")))?;
        }
        if report.frozen > 0 {
            writeln!(f, "Not compared, because their events are no longer in the log: {} rows", report.frozen)?;
        }
        if report.owed.is_empty() {
            f.write_str("Owed by an operator: nothing\n")
        } else {
            f.write_str("Owed by an operator:\n")?;
            let mut table = Table::new(&["", "", ""]);
            for owed in &report.owed {
                table.row([Cell::from(format!("  {}", owed.kind)), Cell::from(&*owed.id), Cell::from(&*owed.detail)]);
            }
            f.write_str(&table.shown(screen::width()))
        }
    }
}

impl Audited {
    fn as_json(&self) -> serde_json::Value {
        let Self { report, unread, last_segment, at, .. } = self;
        let checks = (1..).zip(report.checks.iter().zip(INVARIANTS)).map(|(number, (check, says))| {
            let violations: Vec<_> = check
                .violations
                .iter()
                .map(|violation| json!({ "subject": violation.subject, "detail": violation.detail }))
                .collect();
            json!({
                "invariant": number, "says": says, "examined": check.examined, "violated": check.violated,
                "violations": violations,
            })
        });
        let owed: Vec<_> =
            report.owed.iter().map(|owed| json!({ "kind": owed.kind, "id": owed.id, "detail": owed.detail })).collect();
        json!({
            "at": at, "last_segment": last_segment, "clean": report.is_clean(), "set_aside": report.set_aside,
            "frozen": report.frozen, "provider_unread": unread, "owed": owed, "checks": checks.collect::<Vec<_>>(),
        })
    }
}
