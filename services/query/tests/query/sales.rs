//! What was sold on which day.

use tradewind_events::{
    KeyText, id,
    orders::{OrderCancelled, OrderCompleted, OrderConfirmed, OrderRejected},
    payments::{PaymentCaptureFailed, PaymentCaptured, PaymentRefunded},
    row_key,
    samples::Sample,
};
use tradewind_query::SalesDay;

use super::world::{DAY, MINUTE, NOON, World, eur, quoted};

fn day(world: &World, day: &str) -> Option<SalesDay> {
    world.row((KeyText::new(day).expect("a day"), eur()))
}

fn confirmed(order_id: &str) -> OrderConfirmed {
    let order = tradewind_events::OrderSummary { order_id: id(order_id), ..(*quoted()).clone() };
    OrderConfirmed { order: order.into(), ..Sample::sample() }
}

#[test]
fn an_order_counts_on_the_day_of_its_confirmation_and_its_end_on_its_own_day() {
    let mut world = World::new();
    world.tell(confirmed("order-1")).tell(confirmed("order-2"));
    world.now = NOON.plus(DAY);
    world.tell(OrderCancelled { cancelled_at: NOON.plus(DAY), ..Sample::sample() });
    world.tell(PaymentRefunded { amount_minor: 5_936, ..Sample::sample() });
    let second = confirmed("order-2").order;
    world.tell(OrderCompleted { order: second, completed_at: NOON.plus(2 * DAY), ..Sample::sample() });
    let sold = day(&world, "2026-01-31").unwrap();
    assert_eq!((sold.confirmed, sold.gross_minor, sold.completed, sold.cancelled), (2, 11_872, 0, 0));
    let next = day(&world, "2026-02-01").unwrap();
    assert_eq!((next.confirmed, next.gross_minor, next.cancelled, next.refunded_minor), (0, 0, 1, 5_936));
    let last = day(&world, "2026-02-02").unwrap();
    assert_eq!((last.completed, last.cancelled), (1, 0));
    assert_eq!((sold.net_minor, next.net_minor, next.uncollected_minor), (5_936, 0, 0), "by the day of the sale");
    world.check();
}

#[test]
fn an_order_counts_once_whatever_is_told_again() {
    let mut world = World::new();
    for _ in 0..3 {
        world.tell(confirmed("order-1")).tell(OrderCancelled { cancelled_at: NOON, ..Sample::sample() });
        world.tell(PaymentRefunded { amount_minor: 100, ..Sample::sample() });
    }
    let sold = day(&world, "2026-01-31").unwrap();
    assert_eq!((sold.confirmed, sold.cancelled, sold.gross_minor), (1, 1, 5_936));
    assert_eq!((sold.refunded_minor, sold.uncollected_minor, sold.net_minor), (5_936, 5_836, 0), "100 came and went");
    world.check();
}

#[test]
fn a_sale_whose_money_never_came_is_not_kept_and_one_whose_money_comes_late_is() {
    let mut world = World::new();
    world.tell(confirmed("order-1"));
    world.tell(OrderCancelled { cancelled_at: NOON.plus(DAY), ..Sample::sample() });
    let (sold, ended) = (day(&world, "2026-01-31").unwrap(), day(&world, "2026-02-01").unwrap());
    assert_eq!((sold.gross_minor, sold.net_minor), (5_936, 0));
    assert_eq!((ended.refunded_minor, ended.uncollected_minor, ended.net_minor), (5_936, 5_936, 0));
    world.check();
    // It did come, as it turns out, and goes back.
    world.now = NOON.plus(DAY);
    world.tell(PaymentCaptured { amount_minor: 5_936, ..Sample::sample() });
    let (sold, ended) = (day(&world, "2026-01-31").unwrap(), day(&world, "2026-02-01").unwrap());
    assert_eq!((sold.net_minor, ended.refunded_minor, ended.uncollected_minor), (5_936, 0, 0));
    world.tell(PaymentRefunded { amount_minor: 5_936, ..Sample::sample() });
    let (sold, ended) = (day(&world, "2026-01-31").unwrap(), day(&world, "2026-02-01").unwrap());
    assert_eq!((sold.net_minor, ended.refunded_minor, ended.uncollected_minor), (0, 5_936, 0));
    world.check();
}

#[test]
fn a_sale_whose_capture_is_refused_after_the_goods_have_left_is_not_kept_until_it_is_captured_after_all() {
    let mut world = World::new();
    world.tell(confirmed("order-1")).tell(PaymentCaptureFailed::sample());
    let sold = day(&world, "2026-01-31").unwrap();
    assert_eq!(
        (sold.gross_minor, sold.refunded_minor, sold.uncollected_minor, sold.net_minor),
        (5_936, 5_936, 5_936, 0)
    );
    world.tell(PaymentCaptured { amount_minor: 5_936, ..Sample::sample() });
    let sold = day(&world, "2026-01-31").unwrap();
    assert_eq!((sold.gross_minor, sold.refunded_minor, sold.uncollected_minor, sold.net_minor), (5_936, 0, 0, 5_936));
    world.check();
}

#[test]
fn an_order_that_was_never_confirmed_is_no_sale() {
    let mut world = World::new();
    world.tell(OrderCancelled::sample()).tell(OrderRejected::sample());
    assert_eq!(world.stage.rows::<SalesDay>(), []);
    world.check();
}

#[test]
fn a_confirmation_that_comes_after_the_cancellation_makes_it_one_after_confirm() {
    let mut world = World::new();
    world.tell(OrderCancelled { cancelled_at: NOON, ..Sample::sample() }).tell(confirmed("order-1"));
    let sold = day(&world, "2026-01-31").unwrap();
    assert_eq!((sold.confirmed, sold.cancelled), (1, 1));
    world.check();
}

#[test]
fn an_earlier_telling_that_comes_late_moves_the_sale_to_its_day() {
    let mut world = World::new();
    let early = world.envelope(confirmed("order-1"));
    world.now = NOON.plus(DAY);
    world.tell(confirmed("order-1"));
    assert_eq!(day(&world, "2026-02-01").map(|day| day.confirmed), Some(1));
    world.deliver(early);
    assert_eq!(day(&world, "2026-02-01"), None, "nothing is left of that day");
    assert_eq!(day(&world, "2026-01-31").map(|day| day.confirmed), Some(1));
    world.check();
}

#[test]
fn a_sum_that_is_too_large_is_a_dead_letter_and_changes_nothing() {
    let mut world = World::new();
    let order = |order_id: &str| {
        let order = tradewind_events::OrderSummary {
            order_id: id(order_id),
            total_minor: Some(i64::MAX),
            ..(*quoted()).clone()
        };
        OrderConfirmed { order: order.into(), ..Sample::sample() }
    };
    world.tell(order("order-1")).tell(order("order-2"));
    assert_eq!(world.stage.dead_letters().len(), 1);
    assert_eq!(day(&world, "2026-01-31").map(|day| day.gross_minor), Some(i64::MAX));
    assert_eq!(world.stage.row::<tradewind_query::OrderView>(row_key(&["order-2"])), None);
    assert_eq!(world.now, NOON.plus(2 * MINUTE));
}
