//! Which event is told to whom, as what.

use tradewind_events::{
    Event, Subject,
    inventory::StockLow,
    notifications::{Channel, NotificationKind, NotificationQueued},
    orders::{OrderCancelled, OrderConfirmed, OrderRefunded, OrderRejected},
    payments::PaymentVoided,
    samples::Sample,
    shipping::ShipmentDispatched,
};
use tradewind_notifications::{
    Notifications,
    model::{Delivery, Notification},
};
use tradewind_testkit::Stage;

use super::{confirmed, expect_quiet, mails, personal, registered, stage, stage_with};

fn told_of<E: Event + Sample>(kind: NotificationKind) {
    let mut stage = stage();
    stage.hear(registered());
    let event_id = stage.hear(E::sample());
    let [queued] = &stage.said::<NotificationQueued>()[..] else { panic!("{kind} is told") };
    assert_eq!((queued.kind, queued.channel), (kind, Channel::Email));
    assert_eq!((&queued.notification_id, &queued.subject.to_string()), (&event_id, &"order/order-1".to_owned()));
    assert!(queued.order.is_some());
    let [mail] = &mails(&stage)[..] else { panic!("one mail is sent") };
    assert_eq!((&mail.message_id, &mail.to), (&event_id, &personal("ada@example.org")));
    expect_quiet(&stage);
}

#[test]
fn a_customer_hears_every_outcome_of_an_order() {
    told_of::<OrderConfirmed>(NotificationKind::Confirmed);
    told_of::<OrderRejected>(NotificationKind::Rejected);
    told_of::<OrderCancelled>(NotificationKind::Cancelled);
    told_of::<OrderRefunded>(NotificationKind::Refunded);
    told_of::<PaymentVoided>(NotificationKind::Voided);
    told_of::<ShipmentDispatched>(NotificationKind::Dispatched);
}

#[test]
fn where_nothing_was_held_nobody_is_told_that_it_was_let_go() {
    let mut stage = stage();
    stage.hear(registered());
    stage.hear(PaymentVoided { amount_minor: 0, ..PaymentVoided::sample() });
    assert_eq!(stage.rows::<Notification>(), []);
}

#[test]
fn the_staff_hears_of_low_stock_if_it_has_an_address() {
    let mut stage = stage();
    stage.hear(StockLow::sample());
    assert_eq!(stage.rows::<Notification>(), []);
    let staff = Some(personal("staff@example.org"));
    let mut stage = stage_with(Notifications { staff, delivery: Delivery::Smtp, ..Notifications::default() });
    let said = StockLow::sample();
    let subject: Subject = Event::subject(&said);
    stage.hear(said);
    let [queued] = &stage.said::<NotificationQueued>()[..] else { panic!("low stock is told") };
    assert_eq!((queued.kind, &queued.subject, &queued.order), (NotificationKind::StockLow, &subject, &None));
    assert_eq!(mails(&stage)[0].to, personal("staff@example.org"));
    expect_quiet(&stage);
}

#[test]
fn the_channel_is_that_of_the_configured_delivery() {
    let mut stage = stage_with(Notifications::default());
    stage.hear(registered());
    stage.hear(confirmed("order-1"));
    assert_eq!(stage.said::<NotificationQueued>()[0].channel, Channel::Log);
    assert_eq!(mails(&stage)[0].channel, Channel::Log);
}

fn queued(stage: &Stage) -> usize {
    stage.said::<NotificationQueued>().len()
}

#[test]
fn an_event_is_told_once_however_often_it_comes_and_each_occurrence_for_itself() {
    let mut stage = stage();
    stage.hear(registered());
    stage.hear_as("refund-1", OrderRefunded::sample());
    stage.hear_as("refund-1", OrderRefunded::sample());
    assert_eq!((queued(&stage), mails(&stage).len()), (1, 1));
    stage.hear_as("refund-2", OrderRefunded::sample());
    assert_eq!((queued(&stage), mails(&stage).len()), (2, 2));
    expect_quiet(&stage);
}
