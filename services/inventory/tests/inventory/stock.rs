//! What can be asked of inventory, and what stock says of itself.

use tradewind_engine::Problem;
use tradewind_events::{
    AdjustmentType, LowLevel, StockCause, id,
    inventory::{StockAdjusted, StockChanged, StockDepleted, StockLow, StockReplenished},
    row_key,
};
use tradewind_inventory::{
    AdjustStock, CreateLocation, LOCATIONS_PER_SKU_MAX, Location, NAME_CHARS_MAX, ON_HAND_MAX, SetThresholds, Stock,
    TEXT_CHARS_MAX, Thresholds, UpdateLocation,
};

use crate::world::World;

fn thresholds(warning: Option<i64>, urgent: Option<i64>, critical: Option<i64>) -> Thresholds {
    Thresholds { warning, urgent, critical }
}

fn set(world: &mut World, thresholds: Thresholds) -> Result<Stock, Problem> {
    world.stage.ask(SetThresholds { sku: id("SKU-1"), location_id: None, thresholds })
}

/// Code and field of a refusal.
fn refused<T: std::fmt::Debug>(answer: Result<T, Problem>) -> (&'static str, String) {
    let problem = answer.expect_err("it should be refused");
    (problem.code(), problem.field.unwrap_or_default().into_owned())
}

#[test]
fn a_location_has_the_id_that_it_was_given_or_a_new_one() {
    let mut world = World::new();
    let create = CreateLocation { location_id: Some(id("north")), name: "North".into(), priority: Some(1) };
    let north = world.stage.ask(create.clone()).unwrap();
    assert_eq!(world.stage.row::<Location>(row_key(&["north"])), Some(north));
    assert_eq!(refused(world.stage.ask(create)), ("location_exists", "location_id".to_owned()));
    let minted = world.stage.ask(CreateLocation { location_id: None, name: "South".into(), priority: None }).unwrap();
    assert_eq!((minted.priority(), world.stage.rows::<Location>().len()), (100, 2));
}

#[test]
fn a_location_is_changed_where_something_is_given() {
    let mut world = World::new();
    world.has_location("north", 5);
    let update = |name: Option<&str>, priority| UpdateLocation {
        location_id: id("north"),
        name: name.map(Into::into),
        priority,
    };
    let renamed = world.stage.ask(update(Some("Far north"), None)).unwrap();
    assert_eq!((&**renamed.name(), renamed.priority()), ("Far north", 5));
    let moved = world.stage.ask(update(None, Some(0))).unwrap();
    assert_eq!((&**moved.name(), moved.priority()), ("Far north", 0));
    let unknown = UpdateLocation { location_id: id("south"), name: None, priority: None };
    assert_eq!(refused(world.stage.ask(unknown)).0, "location_not_found");
}

#[test]
fn a_location_has_a_name_of_bounded_length() {
    let mut world = World::new();
    for (name, fits) in
        [(String::new(), false), ("  ".into(), false), ("x".repeat(NAME_CHARS_MAX), true), ("x".repeat(101), false)]
    {
        let create = CreateLocation { location_id: None, name: name.as_str().into(), priority: None };
        let answer = world.stage.ask(create);
        if fits {
            assert_eq!(&**answer.unwrap().name(), name);
        } else {
            assert_eq!(refused(answer), ("invalid_location", "name".to_owned()));
        }
    }
}

#[test]
fn an_adjustment_is_told_with_all_that_it_says() {
    let mut world = World::with(&[("SKU-1", 10)]);
    let level = world
        .stage
        .ask(AdjustStock {
            sku: id("SKU-1"),
            location_id: None,
            delta: -4,
            adjustment_type: AdjustmentType::Damage,
            reason: Some("fell".into()),
            reference: Some("ADJ-1".into()),
            source: Some("inspection".into()),
            actor: Some("user-7".into()),
        })
        .unwrap();
    assert_eq!((level.on_hand, level.available, level.available_everywhere, level.version), (6, 6, 6, 3));
    assert_eq!(world.stage.said_names(), ["stock.adjusted", "stock.changed"]);
    let adjusted = StockAdjusted {
        stock: level.clone(),
        delta: -4,
        adjustment_type: AdjustmentType::Damage,
        reason: Some("fell".into()),
        reference: Some("ADJ-1".into()),
        actor: Some("user-7".into()),
    };
    assert_eq!(world.stage.said::<StockAdjusted>(), [adjusted]);
    let changed = StockChanged {
        stock: level,
        delta: -4,
        cause: StockCause::Adjusted,
        adjustment_type: Some(AdjustmentType::Damage),
        source: Some("inspection".into()),
        order_id: None,
        reservation_id: None,
    };
    assert_eq!(world.stage.said::<StockChanged>(), [changed]);
    world.audit();
}

#[test]
fn what_is_received_and_what_is_corrected_are_counted_apart() {
    let mut world = World::with(&[("SKU-1", 10)]);
    for (adjustment_type, delta) in [
        (AdjustmentType::Damage, -1),
        (AdjustmentType::Theft, -2),
        (AdjustmentType::Correction, 4),
        (AdjustmentType::Return, 1),
        (AdjustmentType::Manual, -3),
        (AdjustmentType::Restock, 6),
    ] {
        world.adjusts("SKU-1", "main", delta, adjustment_type).unwrap();
    }
    let stock = world.stock("SKU-1", "main");
    assert_eq!((stock.received(), stock.adjusted(), stock.on_hand()), (16, -1, 15));
    world.audit();
}

#[test]
fn the_sign_of_an_adjustment_fits_its_type() {
    let mut world = World::with(&[("SKU-1", 10)]);
    let bad = [
        (AdjustmentType::Restock, -1),
        (AdjustmentType::Return, -1),
        (AdjustmentType::Damage, 1),
        (AdjustmentType::Theft, 1),
        (AdjustmentType::Manual, 0),
        (AdjustmentType::Correction, 0),
    ];
    for (adjustment_type, delta) in bad {
        let answer = world.adjusts("SKU-1", "main", delta, adjustment_type);
        assert_eq!(refused(answer), ("invalid_adjustment", "delta".to_owned()));
    }
    assert_eq!(world.stage.said_names(), [""; 0]);
    assert_eq!(world.counts("SKU-1"), (10, 0));
}

#[test]
fn what_orders_have_a_claim_on_cannot_be_taken_away() {
    let mut world = World::with(&[("SKU-1", 5)]);
    world.prices("order-1", &[("SKU-1", 3)]);
    let answer = world.adjusts("SKU-1", "main", -3, AdjustmentType::Theft);
    assert_eq!(refused(answer), ("stock_reserved", "delta".to_owned()));
    let answer = world.adjusts("SKU-1", "main", -6, AdjustmentType::Theft);
    assert_eq!(refused(answer), ("stock_too_low", "delta".to_owned()));
    let answer = world.adjusts("SKU-1", "main", i64::MIN, AdjustmentType::Theft);
    assert_eq!(refused(answer).0, "stock_too_low");
    assert_eq!(world.adjusts("SKU-1", "main", -2, AdjustmentType::Theft).unwrap().available, 0);
    world.audit();
}

#[test]
fn stock_has_an_upper_bound() {
    let mut world = World::with(&[("SKU-1", 1)]);
    for too_much in [ON_HAND_MAX, i64::MAX] {
        let answer = world.adjusts("SKU-1", "main", too_much, AdjustmentType::Restock);
        assert_eq!(refused(answer), ("invalid_adjustment", "delta".to_owned()));
    }
    assert_eq!(world.receives("SKU-1", "main", ON_HAND_MAX - 1).on_hand, ON_HAND_MAX);
    world.audit();
}

#[test]
fn the_words_of_an_adjustment_are_bounded() {
    let mut world = World::with(&[("SKU-1", 1)]);
    let adjust = |reason: String| AdjustStock {
        sku: id("SKU-1"),
        location_id: None,
        delta: 1,
        adjustment_type: AdjustmentType::Manual,
        reason: Some(reason.into()),
        reference: None,
        source: None,
        actor: None,
    };
    assert!(world.stage.ask(adjust("ü".repeat(TEXT_CHARS_MAX))).is_ok());
    let answer = world.stage.ask(adjust("ü".repeat(TEXT_CHARS_MAX + 1)));
    assert_eq!(refused(answer), ("invalid_adjustment", "reason".to_owned()));
}

#[test]
fn a_sku_is_stocked_at_a_further_location_from_its_first_adjustment_there() {
    let mut world = World::with(&[("SKU-1", 5)]);
    world.has_location("north", 1);
    let level = world.receives("SKU-1", "north", 2);
    assert_eq!(world.stage.said_names(), ["stock.created", "stock.adjusted", "stock.changed", "stock.replenished"]);
    assert_eq!((level.available, level.available_everywhere, level.version), (2, 7, 4));
    world.audit();
}

#[test]
fn an_adjustment_needs_a_known_sku_and_location() {
    let mut world = World::with(&[("SKU-1", 5)]);
    let answer = world.adjusts("SKU-2", "main", 1, AdjustmentType::Restock);
    assert_eq!(refused(answer), ("stock_not_found", "sku".to_owned()));
    let answer = world.adjusts("SKU-1", "north", 1, AdjustmentType::Restock);
    assert_eq!(refused(answer), ("location_not_found", "location_id".to_owned()));
    assert_eq!(world.stage.rows::<Stock>().len(), 1);
}

#[test]
fn a_refused_first_adjustment_opens_nothing() {
    let mut world = World::with(&[("SKU-1", 5)]);
    world.has_location("north", 1);
    let answer = world.adjusts("SKU-1", "north", -1, AdjustmentType::Theft);
    assert_eq!(refused(answer).0, "stock_too_low");
    assert_eq!(world.stage.rows::<Stock>().len(), 1);
    assert_eq!(world.stage.said_names(), [""; 0]);
    world.audit();
}

#[test]
fn a_sku_is_stocked_at_a_bounded_number_of_locations() {
    let mut world = World::with(&[("SKU-1", 5)]);
    for nth in 1..LOCATIONS_PER_SKU_MAX {
        world.has_location(&format!("location-{nth}"), 1);
        world.receives("SKU-1", &format!("location-{nth}"), 1);
    }
    world.has_location("one-more", 1);
    let answer = world.adjusts("SKU-1", "one-more", 1, AdjustmentType::Restock);
    assert_eq!(refused(answer).0, "too_many_locations");
    world.receives("SKU-1", "location-1", 1);
    world.audit();
}

#[test]
fn a_stock_that_falls_to_a_threshold_is_told_once_a_level() {
    let mut world = World::with(&[("SKU-1", 12)]);
    set(&mut world, thresholds(Some(10), Some(5), Some(2))).unwrap();
    let mut told = Vec::new();
    for (delta, adjustment_type) in [
        (-1, AdjustmentType::Manual), // 11
        (-1, AdjustmentType::Manual), // 10: warning
        (-1, AdjustmentType::Manual), // 9
        (-4, AdjustmentType::Manual), // 5: urgent
        (2, AdjustmentType::Manual),  // 7
        (-5, AdjustmentType::Manual), // 2: critical, past urgent
        (20, AdjustmentType::Manual), // 22
        (-22, AdjustmentType::Theft), // 0: critical, and depleted
    ] {
        world.stage.clear();
        world.adjusts("SKU-1", "main", delta, adjustment_type).unwrap();
        let low = world.stage.said::<StockLow>();
        told.push(low.first().map(|low| (low.level, low.threshold, low.stock.available)));
    }
    let (warning, urgent) = (Some((LowLevel::Warning, 10, 10)), Some((LowLevel::Urgent, 5, 5)));
    let critical = |available| Some((LowLevel::Critical, 2, available));
    assert_eq!(told, [None, warning, None, urgent, None, critical(2), None, critical(0)]);
    assert_eq!(world.stage.said_names(), ["stock.adjusted", "stock.changed", "stock.low", "stock.depleted"]);
    world.audit();
}

#[test]
fn a_claim_makes_stock_low_and_its_sale_does_not_do_so_again() {
    let mut world = World::with(&[("SKU-1", 12)]);
    set(&mut world, thresholds(Some(10), None, None)).unwrap();
    world.prices("order-1", &[("SKU-1", 3)]);
    world.pays("order-1");
    assert_eq!(world.stage.said::<StockLow>().len(), 1);
    world.audit();
}

#[test]
fn a_threshold_that_finds_a_stock_low_tells_it_at_once() {
    let mut world = World::with(&[("SKU-1", 4)]);
    let stock = set(&mut world, thresholds(Some(5), None, None)).unwrap();
    assert_eq!((stock.low_warning(), stock.low_urgent(), stock.low_critical()), (Some(5), None, None));
    set(&mut world, thresholds(Some(6), None, None)).unwrap();
    set(&mut world, thresholds(Some(6), Some(4), None)).unwrap();
    set(&mut world, thresholds(None, None, None)).unwrap();
    let levels: Vec<_> = world.stage.said::<StockLow>().iter().map(|low| (low.level, low.threshold)).collect();
    assert_eq!(levels, [(LowLevel::Warning, 5), (LowLevel::Urgent, 4)]);
    assert_eq!(world.stock("SKU-1", "main").changes(), 2);
    world.audit();
}

#[test]
fn thresholds_are_in_order_and_in_bounds() {
    let mut world = World::with(&[("SKU-1", 4)]);
    let bad = [
        (thresholds(Some(-1), None, None), "warning"),
        (thresholds(None, None, Some(ON_HAND_MAX + 1)), "critical"),
        (thresholds(Some(5), Some(6), None), "urgent"),
        (thresholds(Some(5), None, Some(6)), "critical"),
        (thresholds(Some(9), Some(5), Some(6)), "critical"),
    ];
    for (bad, field) in bad {
        assert_eq!(refused(set(&mut world, bad)), ("invalid_thresholds", field.to_owned()));
    }
    assert!(set(&mut world, thresholds(Some(0), Some(0), Some(0))).is_ok());
}

#[test]
fn thresholds_belong_to_a_stock() {
    let mut world = World::with(&[("SKU-1", 4)]);
    let elsewhere =
        SetThresholds { sku: id("SKU-1"), location_id: Some(id("north")), thresholds: thresholds(None, None, None) };
    assert_eq!(refused(world.stage.ask(elsewhere)).0, "stock_not_found");
}

#[test]
fn the_last_unit_and_the_first_one_are_told_here_and_with_the_sum_everywhere() {
    let mut world = World::with(&[("SKU-1", 1)]);
    world.has_location("north", 200);
    world.receives("SKU-1", "north", 1);
    world.stage.clear();
    world.prices("order-1", &[("SKU-1", 1)]);
    world.prices("order-2", &[("SKU-1", 1)]);
    let depleted: Vec<_> = world.stage.said::<StockDepleted>();
    let told: Vec<_> =
        depleted.iter().map(|told| (told.stock.location_id.as_str(), told.stock.available_everywhere)).collect();
    assert_eq!(told, [("main", 1), ("north", 0)]);
    world.rejects("order-1");
    let replenished = world.stage.said::<StockReplenished>();
    assert_eq!(replenished.len(), 1);
    assert_eq!((replenished[0].stock.available, replenished[0].stock.available_everywhere), (1, 1));
    world.audit();
}
