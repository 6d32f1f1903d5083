//! Audits of the shop while it runs. Its stores are copied at moments of chance, in an order of chance, and the copies are
//! judged together: whatever is under way, no invariant is violated.

use tradewind_audit::{Audit, AuditError, Charge, Charges, Report, StoreView};
use tradewind_memory::MemoryStore;

use crate::{Violation, chance::Chance, judge::END, world::World};

/// One of so many steps makes the next copy; each audit has a pace of its own.
const PACES: [u64; 4] = [3, 20, 100, 400];

/// Between two audits, one of so many steps begins the next.
const PAUSE: u64 = 300;

/// The audits of one seed.
pub struct Audits {
    chance: Chance,
    /// How many are still to be made.
    left: u32,
    pace: u64,
    /// Of the stores, as far as they were copied for the next audit.
    copies: Vec<Option<MemoryStore>>,
    /// The provider's list, made before the first copy.
    charges: Vec<Charge>,
}

impl Audits {
    pub fn new(seed: u64, audits: u32, stores: usize) -> Self {
        let copies = vec![None; stores];
        Self { chance: Chance::new(seed, "audits"), left: audits, pace: PAUSE, copies, charges: Vec::new() }
    }
}

impl World {
    /// Makes the next copy now and then, and the audit after the last one.
    pub fn audit_now_and_then(&mut self) {
        if self.audits.left == 0 || !self.audits.chance.one_in(self.audits.pace) {
            return;
        }
        let audits = &mut self.audits;
        let missing: Vec<usize> = (0..audits.copies.len()).filter(|nth| audits.copies[*nth].is_none()).collect();
        if let [nth, ..] = missing[..] {
            if missing.len() == audits.copies.len() {
                audits.charges = self.provider.charges();
                audits.pace = audits.chance.pick(&PACES);
            }
            let nth = if missing.len() > 1 { audits.chance.pick(&missing) } else { nth };
            audits.copies[nth] = Some(self.nodes[nth].store.copied());
            self.trace.note(|| format!("s{nth} is copied for an audit"));
            return;
        }
        let copies: Vec<MemoryStore> = audits.copies.iter_mut().filter_map(Option::take).collect();
        (audits.left, audits.pace) = (audits.left - 1, PAUSE);
        let before = std::mem::take(&mut audits.charges);
        match self.audit_copies(&copies, before) {
            Ok(report) => self.take_audit(&report),
            Err(error) => self.violate("an audit of the running shop", error.to_string()),
        }
    }

    fn audit_copies(&self, copies: &[MemoryStore], before: Vec<Charge>) -> Result<Report, AuditError> {
        let services: Vec<_> = self.nodes.iter().map(|node| node.build(&self.shop)).collect();
        let stores = self.nodes.iter().zip(copies).zip(&services);
        let stores: Vec<_> = stores
            .map(|((node, copy), services)| StoreView::new(&node.name, copy, services).with_live(&node.store))
            .collect();
        let charges = Charges::between(before, self.provider.charges());
        Audit { stores: &stores, registry: &self.registry, charges: Some(&charges), now: END }.run()
    }

    fn take_audit(&mut self, report: &Report) {
        self.figures.audits += 1;
        // Invariant 4 compares stores, for orders with nothing under way.
        self.figures.audited_orders += report.checks[3].examined;
        for (number, check) in (1..).zip(&report.checks) {
            for violation in &check.violations {
                let subject = format!("{} in {}, while the shop runs", violation.subject, violation.store);
                self.found(Violation { invariant: Some(number), subject, detail: violation.detail.clone() });
            }
        }
    }
}
