//! The books of the payment provider, as an audit compares them.

use std::path::Path;

use tradewind_audit::{Charge, Charges};
use tradewind_workers::provider::{self, ChargeState, ProviderRecords, SimulatorError};

use crate::cli::CliError;

/// The provider's charges, or why this user cannot read them.
pub type Books = Result<Vec<Charge>, String>;

/// Compares the books as they were before the copies were made with what they are now.
pub fn compare(before: Option<Books>, provider: Option<&Path>) -> Result<(Option<Charges>, Option<String>), CliError> {
    Ok(match (before, provider) {
        (Some(Ok(before)), Some(provider)) => (Some(Charges::between(before, charges(provider)?)), None),
        (Some(Err(unread)), _) => (None, Some(unread)),
        _ => (None, None),
    })
}

/// The books now.
pub fn read(provider: &Path) -> Result<Books, CliError> {
    match charges(provider) {
        Err(CliError::Provider(error @ SimulatorError::Unreadable { .. })) => Ok(Err(error.to_string())),
        read => Ok(Ok(read?)),
    }
}

fn charges(provider: &Path) -> Result<Vec<Charge>, CliError> {
    let mut all = Vec::new();
    // Where nobody ever paid by card there is no such file.
    if !provider.exists() {
        return Ok(all);
    }
    let (records, mut after) = (ProviderRecords::open(provider)?, None);
    loop {
        let page = records.charges(after.as_ref(), CHARGES_A_PAGE)?;
        let Some(last) = page.last() else { return Ok(all) };
        after = Some(last.reference.clone());
        all.extend(page.into_iter().map(ours));
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
