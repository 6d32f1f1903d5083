//! What an audit has found, as people and as programs read it.

use std::fmt;

use serde_json::json;
use tradewind_audit::{Check, INVARIANTS};

use super::Audited;
use crate::{
    cli::{
        screen::{self, BAD, GOOD},
        table::{Cell, Table},
    },
    words::{clean, count},
};

impl fmt::Display for Audited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { report, unread, .. } = self;
        self.write_stores(f)?;
        let mut table = Table::new(&["", "", "", ""]).right(0).right(2);
        for (number, (check, says)) in (1..).zip(report.checks.iter().zip(INVARIANTS)) {
            let verdict = match (check.examined, check.violated) {
                (0, _) => Cell::from("-"),
                (_, 0) => Cell::from("ok").style(GOOD),
                _ => Cell::from("FAILED").style(BAD),
            };
            let number = Cell::from(format!("  {number}"));
            table.row([number, verdict, Cell::from(check.examined.to_string()), Cell::from(says)]);
            self.list_violations(check, &mut table);
        }
        f.write_str(&table.shown(screen::width()))?;
        let aside = match report.set_aside {
            0 => String::from("nothing"),
            some => count(some, "order, SKU or customer", "orders, SKUs or customers"),
        };
        let moves = if self.stores.len() > 1 { "in flight, changed meanwhile, parked" } else { "in flight, parked" };
        f.write_str(&screen::paragraph(&format!("Set aside, because something is {moves}, dead or owed: {aside}")))?;
        if self.stores.len() > 1 {
            let in_flight = match report.in_flight {
                0 => String::from("nothing"),
                some => count(some, "event for a consumer", "events, counted for each consumer"),
            };
            writeln!(f, "In flight between the stores: {in_flight}")?;
        }
        if let Some(unread) = unread {
            f.write_str(&screen::paragraph(&format!("Not compared with the books of the payment provider: {unread}")))?;
        }
        if report.frozen > 0 {
            writeln!(f, "Not compared, because their events are no longer in the log: {} rows", report.frozen)?;
        }
        self.write_owed(f)
    }
}

impl Audited {
    fn write_stores(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.at;
        if let [store] = &self.stores[..] {
            writeln!(f, "Audit of {} at {at}, up to segment {} of its log", store.path.display(), store.last_segment)?;
        } else {
            writeln!(f, "Audit of {} stores at {at}, each up to a segment of its log", self.stores.len())?;
            let mut table = Table::new(&["  STORE", "SEGMENT", "FILE", "SERVICES"]).right(1);
            for store in &self.stores {
                let (name, segment) = (format!("  {}", store.name), store.last_segment.to_string());
                let path = store.path.display().to_string();
                table.row([name, segment, path, store.services.join(", ")].map(Cell::from));
            }
            f.write_str(&table.shown(screen::width()))?;
        }
        if !self.services_unseen.is_empty() {
            let unseen = self.services_unseen.join(", ");
            let where_not = if self.stores.len() > 1 { "none of these stores has" } else { "this store does not have" };
            f.write_str(&screen::paragraph(&format!("Not looked at, because {where_not} them: {unseen}")))?;
        }
        Ok(())
    }

    fn list_violations(&self, check: &Check, table: &mut Table) {
        for violation in &check.violations {
            let store = if self.stores.len() > 1 { format!("{}: ", violation.store) } else { String::new() };
            table.line(format!("        {store}{}: {}", clean(&violation.subject), clean(&violation.detail)));
        }
        let more = check.violated.saturating_sub(u64::try_from(check.violations.len()).unwrap_or(0));
        if more > 0 {
            table.line(format!("        and {more} more"));
        }
    }

    fn write_owed(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.report.owed.is_empty() {
            return f.write_str("Owed by an operator: nothing\n");
        }
        f.write_str("Owed by an operator:\n")?;
        let several = self.stores.len() > 1;
        let mut table = Table::new(if several { &["", "", "", ""] } else { &["", "", ""] });
        for owed in &self.report.owed {
            let cells = [Cell::from(&*owed.id), Cell::from(&*owed.detail)];
            let store = several.then(|| Cell::from(&*owed.store));
            table.row([Cell::from(format!("  {}", owed.kind))].into_iter().chain(store).chain(cells));
        }
        f.write_str(&table.shown(screen::width()))
    }

    pub fn as_json(&self) -> serde_json::Value {
        let Self { report, unread, at, .. } = self;
        let checks = (1..).zip(report.checks.iter().zip(INVARIANTS)).map(|(number, (check, says))| {
            let violations = check.violations.iter().map(|violation| {
                json!({ "store": violation.store, "subject": violation.subject, "detail": violation.detail })
            });
            json!({
                "invariant": number, "says": says, "examined": check.examined, "violated": check.violated,
                "violations": violations.collect::<Vec<_>>(),
            })
        });
        let owed = report
            .owed
            .iter()
            .map(|owed| json!({ "store": owed.store, "kind": owed.kind, "id": owed.id, "detail": owed.detail }));
        let stores = self.stores.iter().map(|store| {
            let path = store.path.display().to_string();
            let (name, services, last_segment) = (&store.name, &store.services, store.last_segment);
            json!({ "name": name, "path": path, "services": services, "last_segment": last_segment })
        });
        json!({
            "at": at, "stores": stores.collect::<Vec<_>>(), "services_not_audited": self.services_unseen,
            "clean": report.is_clean(), "set_aside": report.set_aside, "in_flight": report.in_flight,
            "frozen": report.frozen, "provider_unread": unread, "owed": owed.collect::<Vec<_>>(),
            "checks": checks.collect::<Vec<_>>(),
        })
    }
}
