//! From which locations the lines of an order are served.

use std::collections::BTreeMap;

use tradewind_engine::injected;
use tradewind_events::{
    Id, Line, Lines, ORDER_PIECES_MAX,
    inventory::{Insufficient, ReservationRefusal},
};

use super::Stock;

/// A line is served in the order of priority if that takes at most so many locations; else the locations that have most
/// of it serve it, so that it comes from as few as can be.
pub const LINE_PIECES_MAX: usize = 10;

/// Why nothing can be held, and which lines are to blame.
pub type Refused = (ReservationRefusal, Vec<Insufficient>);

/// How many locations serve one order.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// See [`LINE_PIECES_MAX`].
    pub line: usize,
    /// Over all lines of the order: see [`ORDER_PIECES_MAX`].
    pub order: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { line: LINE_PIECES_MAX, order: ORDER_PIECES_MAX }
    }
}

/// The locations that have something of a SKU, each with how much, in the order in which they serve.
#[derive(Debug, Clone)]
pub struct Shelves(Vec<(Id, i64)>);

/// How many locations a line takes.
struct Plan {
    by_priority: usize,
    /// The fewest that can serve it.
    fewest: usize,
}

impl Shelves {
    /// The location with the lowest priority first; among equals the one that stocked the SKU first.
    pub fn new(mut stocks: Vec<Stock>, priorities: &BTreeMap<Id, u32>) -> Self {
        stocks.sort_by_key(|stock| priorities.get(stock.location_id()).copied());
        let free = |stock: &Stock| if injected("sold-twice") { stock.on_hand() } else { stock.available() };
        let shelf = |stock: Stock| (free(&stock) > 0).then(|| (stock.location_id().clone(), free(&stock)));
        Self(stocks.into_iter().filter_map(shelf).collect())
    }

    /// The largest first; among equals in the order in which they serve.
    fn largest(&self) -> Self {
        let mut shelves = self.0.clone();
        shelves.sort_by_key(|(_, free)| std::cmp::Reverse(*free));
        Self(shelves)
    }

    /// How many of the first locations it takes for so many units. `None`: there are not so many.
    fn count(&self, quantity: u32) -> Option<usize> {
        let mut open = i64::from(quantity);
        let all = self.0.iter().position(|(_, free)| {
            open -= free;
            open <= 0
        });
        all.map(|last| last + 1)
    }

    /// What the first so many locations have together.
    fn sum(&self, locations: usize) -> i64 {
        self.0.iter().take(locations).map(|(_, free)| free).sum()
    }

    fn plan(&self, line: &Line) -> Result<Plan, Insufficient> {
        let by_priority = self.count(line.quantity).ok_or_else(|| short(line, self.sum(self.0.len())))?;
        // One location is never too many, and most lines need no more.
        let fewest = if by_priority == 1 { Some(1) } else { self.largest().count(line.quantity) };
        Ok(Plan { by_priority, fewest: fewest.unwrap_or(by_priority) })
    }

    /// Takes a line from the first locations on. A line that comes in pieces has an id for each of them.
    fn take(&self, line: &Line, mut new_id: impl FnMut() -> Id) -> Vec<Line> {
        let (mut open, in_pieces) = (i64::from(line.quantity), self.count(line.quantity) != Some(1));
        let mut pieces = Vec::with_capacity(1);
        for (location_id, free) in &self.0 {
            if open == 0 {
                break;
            }
            let taken = open.min(*free);
            open -= taken;
            pieces.push(Line {
                quantity: u32::try_from(taken).unwrap_or(line.quantity),
                location_id: Some(location_id.clone()),
                reservation_id: in_pieces.then(&mut new_id),
                ..line.clone()
            });
        }
        pieces
    }
}

/// Serves all lines, each of another SKU, or none. Whatever there is can be sold: where priority would take too many
/// locations, the largest serve. Refuses with what one order can get of the lines at fault: there is too little, or it is
/// at too many locations.
pub fn allocate(
    lines: &Lines,
    shelves: &BTreeMap<Id, Shelves>,
    bounds: Bounds,
    mut new_id: impl FnMut() -> Id,
) -> Result<Vec<Line>, Refused> {
    let (mut plans, mut refused) = (Vec::with_capacity(lines.len()), Vec::new());
    for line in lines {
        let unknown = || (ReservationRefusal::Insufficient, vec![insufficient(line)]);
        let shelf = shelves.get(&line.sku).ok_or_else(unknown)?;
        match shelf.plan(line) {
            Ok(plan) => plans.push((line, shelf, plan)),
            Err(insufficient) => refused.push(insufficient),
        }
    }
    if !refused.is_empty() {
        return Err((ReservationRefusal::Insufficient, refused));
    }
    let fewest: usize = plans.iter().map(|(_, _, plan)| plan.fewest).sum();
    let Some(mut room) = bounds.order.checked_sub(fewest) else {
        // With no more than its share each, all lines can be served.
        let share = bounds.order / plans.len().max(1);
        let greedy = plans.iter().filter(|(_, _, plan)| plan.fewest > share);
        let blamed = greedy.map(|(line, shelf, _)| short(line, shelf.largest().sum(share))).collect();
        return Err((ReservationRefusal::TooManyLocations, blamed));
    };
    let mut pieces = Vec::with_capacity(lines.len());
    for (line, shelf, Plan { by_priority, fewest }) in plans {
        let more = by_priority - fewest;
        if more == 0 || (by_priority <= bounds.line && more <= room) {
            room -= more;
            pieces.extend(shelf.take(line, &mut new_id));
        } else {
            pieces.extend(shelf.largest().take(line, &mut new_id));
        }
    }
    Ok(pieces)
}

/// A line that cannot be served; how much of it could is not known.
pub fn insufficient(line: &Line) -> Insufficient {
    Insufficient {
        sku: line.sku.clone(),
        product_id: line.product_id.clone(),
        requested: Some(line.quantity),
        available: None,
    }
}

fn short(line: &Line, available: i64) -> Insufficient {
    Insufficient { available: Some(available), ..insufficient(line) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tradewind_events::id;

    use super::*;

    /// What is free at each location of a SKU by priority, and how many of it are wanted.
    type Wanted = (Vec<i64>, u32);

    fn sku(nth: usize) -> Id {
        id(&format!("SKU-{nth}"))
    }

    fn run(wanted: &[Wanted], bounds: Bounds) -> Result<Vec<Line>, Refused> {
        let shelf = |free: &[i64]| {
            let at = (0..).zip(free).filter(|(_, free)| **free > 0);
            Shelves(at.map(|(nth, free): (u32, _)| (id(&format!("location-{nth}")), *free)).collect())
        };
        let shelves = wanted.iter().enumerate().map(|(nth, (free, _))| (sku(nth), shelf(free))).collect();
        let line = |(nth, (_, quantity)): (usize, &Wanted)| Line {
            product_id: id("product-1"),
            sku: sku(nth),
            quantity: *quantity,
            unit_price_minor: None,
            location_id: None,
            reservation_id: None,
        };
        let lines = wanted.iter().enumerate().map(line).collect();
        let mut ids = 0;
        allocate(&lines, &shelves, bounds, || {
            ids += 1;
            id(&format!("piece-{ids}"))
        })
    }

    /// The fewest locations that have so many together, by trying all sets of them.
    fn fewest((free, quantity): &Wanted) -> Option<u32> {
        let covers = |set: &u32| {
            let chosen = (0..).zip(free).filter(|(nth, _)| set & (1 << nth) != 0);
            chosen.map(|(_, free): (u32, _)| free).sum::<i64>() >= i64::from(*quantity)
        };
        (0..1_u32 << free.len()).filter(covers).map(u32::count_ones).min()
    }

    fn can_be_served(wanted: &[Wanted], bounds: Bounds) -> bool {
        let fewest: Option<Vec<u32>> = wanted.iter().map(fewest).collect();
        fewest.is_some_and(|fewest| usize::try_from(fewest.iter().sum::<u32>()).unwrap() <= bounds.order)
    }

    fn check_served(wanted: &[Wanted], pieces: &[Line], bounds: Bounds) {
        assert!(pieces.len() <= bounds.order);
        for (nth, (free, quantity)) in wanted.iter().enumerate() {
            let own: Vec<_> = pieces.iter().filter(|piece| piece.sku == sku(nth)).collect();
            assert_eq!(own.iter().map(|piece| piece.quantity).sum::<u32>(), *quantity);
            let mut places: Vec<_> = own.iter().map(|piece| piece.location_id.clone().unwrap()).collect();
            for (piece, place) in own.iter().zip(&places) {
                let nth: usize = place.as_str().strip_prefix("location-").unwrap().parse().unwrap();
                assert!(piece.quantity > 0 && i64::from(piece.quantity) <= free[nth], "{piece:?}");
                assert_eq!(piece.reservation_id.is_some(), own.len() > 1);
            }
            places.sort();
            places.dedup();
            assert_eq!(places.len(), own.len(), "a location serves a line once");
        }
    }

    proptest! {
        #[test]
        fn an_order_is_served_if_any_choice_of_locations_can_serve_it(
            wanted in prop::collection::vec((prop::collection::vec(0_i64..6, 1..7), 1_u32..12), 1..4),
            line in 1_usize..4,
            order in 3_usize..10,
        ) {
            let bounds = Bounds { line, order };
            match run(&wanted, bounds) {
                Ok(pieces) => {
                    prop_assert!(can_be_served(&wanted, bounds));
                    check_served(&wanted, &pieces, bounds);
                }
                Err((reason, short)) => {
                    prop_assert!(!can_be_served(&wanted, bounds));
                    let is_there = |(free, quantity): &Wanted| free.iter().sum::<i64>() >= i64::from(*quantity);
                    let too_many = wanted.iter().all(is_there);
                    prop_assert_eq!(reason == ReservationRefusal::TooManyLocations, too_many);
                    prop_assert!(!short.is_empty());
                    // What it says that can be had can be had, all of it together.
                    let mut less = wanted.clone();
                    for insufficient in &short {
                        let nth = (0..wanted.len()).find(|nth| sku(*nth) == insufficient.sku).unwrap();
                        let available = insufficient.available.unwrap();
                        prop_assert!(available < i64::from(wanted[nth].1));
                        less[nth].1 = u32::try_from(available).unwrap();
                    }
                    less.retain(|(_, quantity)| *quantity > 0);
                    prop_assert!(can_be_served(&less, bounds) || !too_many);
                }
            }
        }

        #[test]
        fn priority_decides_wherever_the_bounds_leave_room_for_it(
            wanted in prop::collection::vec((prop::collection::vec(1_i64..6, 1..6), 1_u32..6), 1..4),
        ) {
            let bounds = Bounds { line: 5, order: 15 };
            let served = |(free, quantity): &Wanted| free.iter().sum::<i64>() >= i64::from(*quantity);
            prop_assume!(wanted.iter().all(served));
            let pieces = run(&wanted, bounds).unwrap();
            for (nth, (free, quantity)) in wanted.iter().enumerate() {
                let mut open = i64::from(*quantity);
                let mut expected = Vec::new();
                for (nth, free) in free.iter().enumerate().filter(|(_, free)| **free > 0) {
                    if open > 0 {
                        expected.push((id(&format!("location-{nth}")), u32::try_from(open.min(*free)).unwrap()));
                        open -= open.min(*free);
                    }
                }
                let own = pieces.iter().filter(|piece| piece.sku == sku(nth));
                let own: Vec<_> = own.map(|piece| (piece.location_id.clone().unwrap(), piece.quantity)).collect();
                prop_assert_eq!(own, expected);
            }
        }
    }
}
