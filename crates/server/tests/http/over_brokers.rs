//! The sagas and the faults of shops over real brokers: in two, three and nine stores, on Kafka and on RabbitMQ, with every
//! message published twice. Each case runs in one of these six layouts, spread evenly; in all of them with
//! `TRADEWIND_SAGAS=all`.

use crate::{
    faults::{self, DISCOUNTED, LOST_CALLBACKS},
    sagas,
    town::{Layout, NINE_STORES, RealBroker, Server, THREE_STORES, TWO_STORES, Town},
};

/// Set to `all`, it runs each case in each layout.
const VARIABLE: &str = "TRADEWIND_SAGAS";

const LAYOUTS: [(&str, Layout, Server); 6] = [
    ("two stores on Kafka", TWO_STORES, Server::Kafka),
    ("three stores on RabbitMQ", THREE_STORES, Server::RabbitMq),
    ("nine stores on Kafka", NINE_STORES, Server::Kafka),
    ("two stores on RabbitMQ", TWO_STORES, Server::RabbitMq),
    ("three stores on Kafka", THREE_STORES, Server::Kafka),
    ("nine stores on RabbitMQ", NINE_STORES, Server::RabbitMq),
];

macro_rules! cases {
    ($($from:ident $settings:expr => $($name:ident)*;)*) => {
        /// All of them. The position of a case decides where it runs.
        const CASES: &[&str] = &[$($(stringify!($name)),*),*];

        $($(
            #[tokio::test]
            async fn $name() {
                for running in chosen(stringify!($name)) {
                    let town = Town::over(RealBroker::on(running.2), running.1, $settings).await;
                    let layout = Label(running.0);
                    $from::$name(town).await;
                    drop(layout);
                }
            }
        )*)*
    };
}

cases! {
    sagas sagas::SETTINGS =>
        an_order_that_is_paid_from_a_balance_goes_through
        an_order_that_is_paid_by_card_goes_through
        an_order_that_is_paid_outside_goes_through
        goods_that_are_not_for_sale_are_refused
        a_price_that_has_changed_is_refused
        stock_that_is_not_there_is_refused
        an_address_that_is_not_shipped_to_is_refused
        money_that_is_not_there_is_refused
        an_order_is_cancelled_in_every_state_before_its_goods_leave
        an_order_that_has_left_or_ended_is_not_cancelled
        an_order_ends_by_its_deadline_in_every_state
        a_payment_after_the_expiry_goes_back
        a_provider_that_is_silent_holds_nothing_back_for_ever
        a_capture_that_is_refused_lets_everything_go
        a_capture_that_comes_after_the_wish_to_cancel_is_given_back
        the_last_unit_goes_to_one_of_many_buyers
        what_a_broker_says_twice_or_late_happens_once;
    faults &[] =>
        c1_two_buyers_do_not_both_get_one_unit
        c2_two_lines_of_one_sku_are_not_checked_each_alone
        c3_reservations_and_the_reserved_quantity_do_not_drift_apart
        c4_a_webhook_and_an_answer_that_race_are_one_capture_and_one_order
        c5_there_is_no_second_capture_through_another_door
        c7_a_payment_after_the_expiry_sells_nothing_that_is_not_there
        c8_a_balance_is_not_spent_twice_by_requests_at_once
        c9_a_cart_that_changes_after_its_checkout_does_not_change_the_order
        c10_nobody_is_charged_a_price_that_he_has_not_seen
        c11_no_order_stays_pending_for_ever
        c12_a_failed_payment_stays_failed_and_a_status_does_not_go_back
        c14_of_two_wishes_at_once_one_comes_true
        c14_a_crash_in_between_leaves_a_way_back;
    faults LOST_CALLBACKS =>
        c6_a_callback_that_fails_costs_neither_the_order_nor_the_money_twice;
    faults DISCOUNTED =>
        c13_a_total_is_exact_and_each_part_of_it_is_computed_from_what_it_is_a_part_of;
}

/// The layouts in which a case runs.
fn chosen(case: &str) -> impl Iterator<Item = (&'static str, Layout, Server)> {
    #[expect(clippy::disallowed_methods, reason = "a test has no configuration")]
    let all = std::env::var(VARIABLE).is_ok_and(|value| value == "all");
    let position = CASES.iter().position(|name| *name == case).expect("every case is listed");
    let of_case = move |number: &usize| all || number % LAYOUTS.len() == position % LAYOUTS.len();
    (0..LAYOUTS.len()).filter(of_case).map(|number| LAYOUTS[number])
}

/// Prints in which layout a case failed.
struct Label(&'static str);

impl Drop for Label {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("It failed in {}.", self.0);
        }
    }
}
