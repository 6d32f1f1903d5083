//! Notifications on the real engine, through the events that they hear.

#![expect(clippy::unwrap_used, reason = "what helps a test may fail like a test")]

mod contacts;
mod jobs;
mod kinds;

use std::sync::Arc;

use tradewind_events::{
    Id, OrderSummary, Personal, id,
    identity::{UserDeleted, UserEmailChanged, UserRegistered},
    jobs::MailJob,
    orders::OrderConfirmed,
    samples::Sample,
};
use tradewind_notifications::{
    Notifications,
    model::{Contact, Delivery, Notification, SendNotification},
};
use tradewind_testkit::Stage;

/// Notifications alone, sending by mail.
fn stage() -> Stage {
    stage_with(Notifications { delivery: Delivery::Smtp, ..Notifications::default() })
}

fn stage_with(settings: Notifications) -> Stage {
    Stage::new([tradewind_notifications::service(settings).into()])
}

fn personal(text: &str) -> Personal<String> {
    Personal::new(text.to_owned())
}

/// `user-1` is the customer of every sample of an order.
fn registered() -> UserRegistered {
    UserRegistered { email: personal("ada@example.org"), ..UserRegistered::sample() }
}

fn moved(from: &str, to: &str) -> UserEmailChanged {
    UserEmailChanged { user_id: id("user-1"), email: personal(to), previous_email: personal(from) }
}

fn deleted() -> UserDeleted {
    UserDeleted { user_id: id("user-1"), email: personal("ada@example.org") }
}

fn confirmed(order_id: &str) -> OrderConfirmed {
    let order = Arc::new(OrderSummary { order_id: id(order_id), ..OrderSummary::sample() });
    OrderConfirmed { order, ..OrderConfirmed::sample() }
}

fn mails(stage: &Stage) -> Vec<MailJob> {
    stage.jobs::<SendNotification>().into_iter().map(|(_, mail)| mail).collect()
}

fn notification(stage: &Stage, notification_id: &Id) -> Notification {
    stage.row(notification_id).unwrap()
}

fn contact(stage: &Stage) -> Contact {
    stage.row(id("user-1")).unwrap()
}

fn expect_quiet(stage: &Stage) {
    assert_eq!(stage.dead_letters(), []);
    assert_eq!(stage.parked(), []);
}
