//! The stock of one SKU at one location. Every movement goes through [`Stock::moved`], so that none is without its
//! `stock.changed`, and the sum over all locations follows.

use std::sync::Arc;

use tradewind_engine::{Entity, Events, Problem, Refusal, injected};
use tradewind_events::{
    AdjustmentType, Id, LowLevel, StockCause, StockLevel,
    inventory::{StockAdjusted, StockChanged, StockCreated, StockDepleted, StockLow, StockReplenished},
};

use super::{Claim, StockItem};
use crate::{Inventory, commands::AdjustStock};

/// The most that can be on hand at one location, in units; sums over all locations stay far below 2^63.
pub const ON_HAND_MAX: i64 = 1_000_000_000_000;

/// The longest reason, reference, source or actor of an adjustment, in characters.
pub const TEXT_CHARS_MAX: usize = 500;

pub const INVALID_ADJUSTMENT: Refusal = Refusal::invalid("invalid_adjustment", "Stock cannot be adjusted like this.");
pub const INVALID_THRESHOLDS: Refusal = Refusal::invalid("invalid_thresholds", "Thresholds cannot be like this.");
pub const STOCK_NOT_FOUND: Refusal = Refusal::not_found("stock_not_found", "There is no such stock.");
pub const STOCK_RESERVED: Refusal =
    Refusal::conflict("stock_reserved", "Less would be left than orders have a claim on.");
pub const STOCK_TOO_LOW: Refusal = Refusal::conflict("stock_too_low", "More would be taken off than is on hand.");

/// How much there is of a SKU at a location, in units.
///
/// Invariant: `0 ≤ reserved ≤ on_hand`, and `on_hand = received − committed + restocked + adjusted`.
#[derive(Debug, Clone, PartialEq, Eq, Entity)]
#[entity(owner = Inventory, table = "stock", key = (sku, location_id))]
pub struct Stock {
    sku: Id,
    location_id: Id,
    product_id: Id,
    on_hand: i64,
    /// Of `on_hand`, what active claims hold.
    reserved: i64,
    /// Running total of adjustments of type `restock`.
    received: i64,
    /// Running total of what was sold.
    committed: i64,
    /// Running total of what was sold and came back.
    restocked: i64,
    /// Running total of all other adjustments.
    adjusted: i64,
    /// `stock.low` is said when so much or less is available; none: never.
    low_warning: Option<i64>,
    low_urgent: Option<i64>,
    low_critical: Option<i64>,
    /// The number of its last change among the changes of its SKU.
    changes: u64,
}

/// When a stock counts as low, in available units; each level at most as high as the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Thresholds {
    pub warning: Option<i64>,
    pub urgent: Option<i64>,
    pub critical: Option<i64>,
}

/// What moved, and why, for `stock.changed`.
struct Movement<'a> {
    /// Of `on_hand`.
    delta: i64,
    cause: StockCause,
    claim: Option<&'a Claim>,
    adjustment_type: Option<AdjustmentType>,
    source: Option<&'a Arc<str>>,
}

impl Stock {
    /// Nothing of a SKU, at a location where it was not stocked before.
    pub fn open(item: &mut StockItem, location_id: Id) -> (Self, StockCreated) {
        let changes = item.stocked_at(location_id.clone());
        let stock = Self {
            sku: item.sku().clone(),
            location_id,
            product_id: item.product_id().clone(),
            on_hand: 0,
            reserved: 0,
            received: 0,
            committed: 0,
            restocked: 0,
            adjusted: 0,
            low_warning: None,
            low_urgent: None,
            low_critical: None,
            changes,
        };
        let created = StockCreated { stock: stock.level(item) };
        (stock, created)
    }

    pub fn available(&self) -> i64 {
        self.on_hand - self.reserved
    }

    pub fn level(&self, item: &StockItem) -> StockLevel {
        StockLevel {
            sku: self.sku.clone(),
            product_id: self.product_id.clone(),
            location_id: self.location_id.clone(),
            version: self.changes,
            on_hand: self.on_hand,
            reserved: self.reserved,
            available: self.available(),
            available_everywhere: item.available(),
        }
    }

    /// Somebody counted again, received or wrote off. What orders have a claim on cannot be taken away.
    pub fn adjust(&mut self, item: &mut StockItem, adjust: &AdjustStock) -> Result<Events, Problem> {
        check_adjustment(adjust)?;
        let AdjustStock { delta, adjustment_type, .. } = *adjust;
        let on_hand = self.on_hand.saturating_add(delta);
        let here = format_args!("{} of {} at {}", self.on_hand, self.sku, self.location_id).to_string();
        if on_hand > ON_HAND_MAX {
            return Err(INVALID_ADJUSTMENT.because(format!("at most {ON_HAND_MAX} can be on hand")).at("delta"));
        }
        if on_hand < 0 {
            return Err(STOCK_TOO_LOW.because(format!("{here} are on hand")).at("delta"));
        }
        if on_hand < self.reserved {
            let reserved = self.reserved;
            return Err(STOCK_RESERVED.because(format!("{reserved} of the {here} are reserved")).at("delta"));
        }
        let total = if adjustment_type == AdjustmentType::Restock { &mut self.received } else { &mut self.adjusted };
        *total = total.checked_add(delta).ok_or_else(|| INVALID_ADJUSTMENT.problem().at("delta"))?;
        let before = self.available();
        self.on_hand = on_hand;
        let changed = self.moved(
            item,
            before,
            &Movement {
                delta,
                cause: StockCause::Adjusted,
                claim: None,
                adjustment_type: Some(adjustment_type),
                source: adjust.source.as_ref(),
            },
        );
        let mut events = Events::from(StockAdjusted {
            stock: self.level(item),
            delta,
            adjustment_type,
            reason: adjust.reason.clone(),
            reference: adjust.reference.clone(),
            actor: adjust.actor.clone(),
        });
        events.extend(changed);
        Ok(events)
    }

    /// Sets aside what is available: the caller has looked.
    pub fn reserve(&mut self, item: &mut StockItem, quantity: i64, claim: &Claim) -> Events {
        let before = self.available();
        self.reserved += quantity;
        self.moved(item, before, &Movement::of_claim(0, StockCause::Reserved, claim))
    }

    /// What was set aside is sold.
    pub fn commit(&mut self, item: &mut StockItem, quantity: i64, claim: &Claim) -> Events {
        let before = self.available();
        self.reserved -= quantity;
        self.on_hand -= quantity;
        self.committed += quantity;
        self.moved(item, before, &Movement::of_claim(-quantity, StockCause::Committed, claim))
    }

    /// What was set aside is free again, because its order ended.
    pub fn release(&mut self, item: &mut StockItem, quantity: i64, claim: &Claim) -> Events {
        let before = self.available();
        self.reserved -= quantity;
        self.moved(item, before, &Movement::of_claim(0, StockCause::Released, claim))
    }

    /// What was set aside is free again, because nobody paid in time.
    pub fn expire(&mut self, item: &mut StockItem, quantity: i64, claim: &Claim) -> Events {
        let before = self.available();
        self.reserved -= if injected("stock-drifts") { quantity - 1 } else { quantity };
        self.moved(item, before, &Movement::of_claim(0, StockCause::Expired, claim))
    }

    /// What was sold is back on the shelf, because its order ended.
    pub fn restock(&mut self, item: &mut StockItem, quantity: i64, claim: &Claim) -> Events {
        let before = self.available();
        self.on_hand += quantity;
        self.restocked += quantity;
        self.moved(item, before, &Movement::of_claim(quantity, StockCause::Restocked, claim))
    }

    pub fn thresholds(&self) -> Thresholds {
        Thresholds { warning: self.low_warning, urgent: self.low_urgent, critical: self.low_critical }
    }

    /// Takes the place of all thresholds. A stock that counts as lower than before is told at once.
    pub fn set_thresholds(&mut self, item: &StockItem, thresholds: Thresholds) -> Result<Option<StockLow>, Problem> {
        thresholds.check()?;
        let before = self.thresholds().level(self.available());
        Thresholds { warning: self.low_warning, urgent: self.low_urgent, critical: self.low_critical } = thresholds;
        Ok(self.lower_than(before, item))
    }

    /// The one door of every change: counts it, and tells it with what follows from it.
    fn moved(&mut self, item: &mut StockItem, available_before: i64, movement: &Movement<'_>) -> Events {
        let available = self.available();
        self.changes = item.moved(available - available_before);
        let stock = self.level(item);
        let mut events = Events::from(StockChanged {
            stock: stock.clone(),
            delta: movement.delta,
            cause: movement.cause,
            adjustment_type: movement.adjustment_type,
            source: movement.source.cloned(),
            order_id: movement.claim.map(|claim| claim.order_id.clone()),
            reservation_id: movement.claim.map(|claim| claim.reservation_id.clone()),
        });
        if let Some(low) = self.lower_than(self.thresholds().level(available_before), item) {
            events.push(low);
        }
        match (available_before > 0, available > 0) {
            (true, false) => events.push(StockDepleted { stock }),
            (false, true) => events.push(StockReplenished { stock }),
            _ => {}
        }
        events
    }

    fn lower_than(&self, before: Option<(LowLevel, i64)>, item: &StockItem) -> Option<StockLow> {
        let (level, threshold) = self.thresholds().level(self.available())?;
        if before.is_some_and(|(before, _)| before >= level) {
            return None;
        }
        Some(StockLow { stock: self.level(item), threshold, level })
    }
}

impl Thresholds {
    fn check(self) -> Result<(), Problem> {
        let given: Vec<(&'static str, i64)> =
            [("warning", self.warning), ("urgent", self.urgent), ("critical", self.critical)]
                .into_iter()
                .filter_map(|(name, threshold)| threshold.map(|threshold| (name, threshold)))
                .collect();
        if let Some((name, _)) = given.iter().find(|(_, threshold)| !(0..=ON_HAND_MAX).contains(threshold)) {
            return Err(INVALID_THRESHOLDS.because(format!("a threshold is 0 to {ON_HAND_MAX}")).at(*name));
        }
        match given.windows(2).find(|pair| pair[0].1 < pair[1].1) {
            Some(pair) => {
                let (higher, lower) = (pair[0].0, pair[1].0);
                Err(INVALID_THRESHOLDS.because(format!("{lower} lies above {higher}")).at(lower))
            }
            None => Ok(()),
        }
    }

    /// How low it is when so much is available, and the threshold that says so.
    fn level(self, available: i64) -> Option<(LowLevel, i64)> {
        [(LowLevel::Critical, self.critical), (LowLevel::Urgent, self.urgent), (LowLevel::Warning, self.warning)]
            .into_iter()
            .filter_map(|(level, threshold)| threshold.map(|threshold| (level, threshold)))
            .find(|(_, threshold)| available <= *threshold)
    }
}

impl<'a> Movement<'a> {
    fn of_claim(delta: i64, cause: StockCause, claim: &'a Claim) -> Self {
        Self { delta, cause, claim: Some(claim), adjustment_type: None, source: None }
    }
}

/// Goods that come in or back are more, goods that are damaged or stolen are less.
fn check_adjustment(adjust: &AdjustStock) -> Result<(), Problem> {
    let fits = match adjust.adjustment_type {
        AdjustmentType::Restock | AdjustmentType::Return => adjust.delta > 0,
        AdjustmentType::Damage | AdjustmentType::Theft => adjust.delta < 0,
        AdjustmentType::Correction | AdjustmentType::Manual => adjust.delta != 0,
    };
    if !fits {
        let detail = format!("{} units are no {}", adjust.delta, adjust.adjustment_type);
        return Err(INVALID_ADJUSTMENT.because(detail).at("delta"));
    }
    let texts = [
        ("reason", &adjust.reason),
        ("reference", &adjust.reference),
        ("source", &adjust.source),
        ("actor", &adjust.actor),
    ];
    for (field, text) in texts {
        if text.as_ref().is_some_and(|text| text.chars().count() > TEXT_CHARS_MAX) {
            return Err(INVALID_ADJUSTMENT.because(format!("at most {TEXT_CHARS_MAX} characters")).at(field));
        }
    }
    Ok(())
}
