//! Contacts: early, late, twice, and erased.

use tradewind_events::{id, identity::UserRegistered, notifications::NotificationFailed, samples::Sample};
use tradewind_notifications::{
    Notifications,
    model::{Contact, ContactState, NotificationState, WAITING_MAX},
};

use super::{confirmed, contact, deleted, expect_quiet, mails, moved, notification, personal, registered, stage};

#[test]
fn mail_goes_to_the_address_of_the_moment() {
    let mut stage = stage();
    stage.hear(registered());
    stage.hear(confirmed("order-1"));
    stage.hear(moved("ada@example.org", "king@example.org"));
    stage.hear(confirmed("order-2"));
    let to: Vec<_> = mails(&stage).into_iter().map(|mail| mail.to).collect();
    assert_eq!(to, [personal("ada@example.org"), personal("king@example.org")]);
    expect_quiet(&stage);
}

#[test]
fn an_address_that_comes_late_or_twice_does_not_replace_the_newest() {
    let mut stage = stage();
    let first = stage.envelope("e1", registered());
    let second = stage.envelope("e2", moved("ada@example.org", "king@example.org"));
    let third = stage.envelope("e3", moved("king@example.org", "queen@example.org"));
    for envelope in [third.clone(), second, third, first.clone(), first] {
        stage.hear_envelope(envelope);
    }
    assert_eq!(contact(&stage).email(), Some(&personal("queen@example.org")));
    stage.hear(moved("queen@example.org", "ace@example.org"));
    assert_eq!(contact(&stage).email(), Some(&personal("ace@example.org")));
    expect_quiet(&stage);
}

#[test]
fn a_change_of_address_that_comes_before_the_registration_makes_the_contact() {
    let mut stage = stage();
    let registration = stage.envelope("e1", registered());
    stage.hear(moved("ada@example.org", "king@example.org"));
    stage.hear_envelope(registration);
    assert_eq!(contact(&stage).email(), Some(&personal("king@example.org")));
}

#[test]
fn a_deleted_user_is_erased_and_stays_so_whatever_comes_late() {
    let mut stage = stage();
    let late = stage.envelope("e1", registered());
    stage.hear(deleted());
    stage.hear_envelope(late);
    stage.hear(deleted());
    stage.hear(moved("ada@example.org", "king@example.org"));
    assert_eq!((contact(&stage).state(), contact(&stage).email()), (ContactState::Erased, None));
    let told = stage.hear(confirmed("order-1"));
    assert_eq!(stage.said_names(), ["notification.queued", "notification.failed"]);
    let row = notification(&stage, &told);
    assert_eq!((row.state(), row.reason().map(AsRef::as_ref)), (NotificationState::Failed, Some("contact_erased")));
    assert_eq!(mails(&stage), []);
    expect_quiet(&stage);
}

#[test]
fn an_order_that_is_heard_of_before_its_customer_waits_and_is_told_then() {
    let mut stage = stage();
    let told = stage.hear(confirmed("order-1"));
    assert_eq!(stage.said_names(), ["notification.queued"]);
    assert_eq!(mails(&stage), []);
    assert_eq!(**contact(&stage).waiting(), *std::slice::from_ref(&told));
    stage.hear(registered());
    let [mail] = &mails(&stage)[..] else { panic!("one mail is sent") };
    assert_eq!((&mail.notification_id, &mail.to), (&told, &personal("ada@example.org")));
    assert!(mail.subject.contains("order-1") && mail.body.expose().contains("order-1"));
    let row = notification(&stage, &told);
    assert_eq!((row.state(), row.title()), (NotificationState::Queued, None));
    assert!(contact(&stage).waiting().is_empty());
    stage.advance(Notifications::default().contact_wait);
    assert_eq!(stage.said_names(), ["notification.queued"], "it waits no more");
    expect_quiet(&stage);
}

#[test]
fn who_stays_unknown_is_not_told_and_the_notification_says_so() {
    let mut stage = stage();
    let told = stage.hear(confirmed("order-1"));
    stage.advance(Notifications::default().contact_wait);
    let [failed] = &stage.said::<NotificationFailed>()[..] else { panic!("it is given up") };
    assert_eq!((&failed.notification_id, &*failed.reason, failed.attempts), (&told, "no_contact", 0));
    stage.hear(registered());
    assert_eq!(mails(&stage), []);
    expect_quiet(&stage);
}

#[test]
fn what_waits_for_a_user_who_is_deleted_fails() {
    let mut stage = stage();
    let told = stage.hear(confirmed("order-1"));
    stage.hear(deleted());
    assert_eq!(notification(&stage, &told).reason().map(AsRef::as_ref), Some("contact_erased"));
    stage.advance(Notifications::default().contact_wait);
    assert_eq!(stage.said::<NotificationFailed>().len(), 1);
    expect_quiet(&stage);
}

#[test]
fn more_than_the_limit_do_not_wait() {
    let mut stage = stage();
    for nth in 0..=WAITING_MAX {
        stage.hear(confirmed(&format!("order-{nth}")));
    }
    let [failed] = &stage.said::<NotificationFailed>()[..] else { panic!("one is too many") };
    assert_eq!(&*failed.reason, "too_many_waiting");
    stage.hear(registered());
    assert_eq!(mails(&stage).len(), WAITING_MAX);
    expect_quiet(&stage);
}

#[test]
fn each_user_has_a_contact_of_their_own() {
    let mut stage = stage();
    stage.hear(registered());
    stage.hear(UserRegistered { user_id: id("user-2"), ..UserRegistered::sample() });
    stage.hear(deleted());
    let states: Vec<_> = stage.rows::<Contact>().into_iter().map(|contact| contact.state()).collect();
    assert_eq!(states, [ContactState::Erased, ContactState::Known]);
}
