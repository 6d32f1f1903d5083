//! Invariants 1 and 2: what is on the shelves, and who has a claim on it.

use rustc_hash::FxHashMap;
use tradewind_events::Id;
use tradewind_inventory::{MAIN_LOCATION, Reservation, ReservationState, Stock};

use crate::{Audit, AuditError, Report};

/// What reservations say of one SKU at one location.
#[derive(Default)]
struct Claims {
    active: i64,
    /// Committed ever: restocked ones were committed before.
    committed: i64,
    restocked: i64,
}

pub fn check(audit: &Audit<'_>, report: &mut Report) -> Result<(), AuditError> {
    let mut found = report.of(audit.name_of("inventory"));
    let mut claims: FxHashMap<(Id, Id), Claims> = FxHashMap::default();
    audit.each::<Reservation>("inventory", |row| {
        for line in row.lines() {
            let location = line.location_id.clone().unwrap_or_else(|| tradewind_events::id(MAIN_LOCATION));
            let claim = claims.entry((line.sku.clone(), location)).or_default();
            let quantity = i64::from(line.quantity);
            match row.state() {
                ReservationState::Active => claim.active += quantity,
                ReservationState::Committed => claim.committed += quantity,
                ReservationState::Restocked => {
                    claim.committed += quantity;
                    claim.restocked += quantity;
                }
                _ => {}
            }
        }
    })?;
    audit.each::<Stock>("inventory", |row| {
        let subject = || format!("stock {} at {}", row.sku(), row.location_id());
        let claim = claims.remove(&(row.sku().clone(), row.location_id().clone())).unwrap_or_default();
        found.hold(1, 0 <= row.reserved() && row.reserved() <= row.on_hand(), || {
            (subject(), format!("{} reserved of {} on hand", row.reserved(), row.on_hand()))
        });
        found.hold(1, claim.active == row.reserved(), || {
            (subject(), format!("{} reserved, but active reservations hold {}", row.reserved(), claim.active))
        });
        let sum = row.received() - row.committed() + row.restocked() + row.adjusted();
        found.hold(2, row.on_hand() == sum, || {
            (subject(), format!("{} on hand, but its running totals make {sum}", row.on_hand()))
        });
        found.hold(2, (claim.committed, claim.restocked) == (row.committed(), row.restocked()), || {
            let (sold, back) = (claim.committed, claim.restocked);
            let totals = format!("{} sold and {} restocked", row.committed(), row.restocked());
            (subject(), format!("{totals}, but reservations say {sold} and {back}"))
        });
        found.hold(2, row.committed() - row.restocked() <= row.received() + row.adjusted(), || {
            (subject(), "more was sold than there ever was".to_owned())
        });
    })?;
    for ((sku, location), claim) in claims {
        found.hold(1, claim.active == 0 && claim.committed == 0, || {
            (format!("stock {sku} at {location}"), "reservations name it, but there is no such row".to_owned())
        });
    }
    Ok(())
}
