//! Who can be told, what is told, and what became of it.

use std::sync::Arc;

use tradewind_engine::{Finished, Outcome, Stop, Uow};
use tradewind_events::{
    AsKey, Id, Key, OrderSummary, Personal, Subject,
    identity::{UserDeleted, UserEmailChanged, UserRegistered},
    inventory::StockLow,
    notifications::NotificationKind,
    orders::{OrderCancelled, OrderConfirmed, OrderRefunded, OrderRejected},
    payments::PaymentVoided,
    shipping::ShipmentDispatched,
};

use crate::{
    GIVE_UP,
    model::{
        CONTACT_ERASED, Contact, ContactState, NO_CONTACT, Notification, Notifications, Recipient, SendNotification,
        TOO_MANY_WAITING, Tell, Text,
    },
    texts,
};

pub fn open_contact(uow: &mut Uow<'_, Notifications>, user: &UserRegistered) -> Outcome {
    reach(uow, &user.user_id, &user.email)
}

pub fn move_contact(uow: &mut Uow<'_, Notifications>, user: &UserEmailChanged) -> Outcome {
    reach(uow, &user.user_id, &user.email)
}

/// The address is forgotten. What still waits for it fails; a mail that is on its way goes out.
pub fn erase_contact(uow: &mut Uow<'_, Notifications>, user: &UserDeleted) -> Outcome {
    let mut contact = contact(uow, &user.user_id)?;
    let waited = contact.erase(sequence(uow));
    uow.put(contact);
    for notification in waiting(uow, &waited)? {
        fail(uow, notification, CONTACT_ERASED, 0);
    }
    Ok(())
}

pub fn tell_confirmed(uow: &mut Uow<'_, Notifications>, said: &OrderConfirmed) -> Outcome {
    let text = texts::confirmed(said, &uow.settings().shop);
    tell_customer(uow, NotificationKind::Confirmed, &said.order, text)
}

pub fn tell_rejected(uow: &mut Uow<'_, Notifications>, said: &OrderRejected) -> Outcome {
    let text = texts::rejected(said, &uow.settings().shop);
    tell_customer(uow, NotificationKind::Rejected, &said.order, text)
}

pub fn tell_cancelled(uow: &mut Uow<'_, Notifications>, said: &OrderCancelled) -> Outcome {
    let text = texts::cancelled(said, &uow.settings().shop);
    tell_customer(uow, NotificationKind::Cancelled, &said.order, text)
}

pub fn tell_refunded(uow: &mut Uow<'_, Notifications>, said: &OrderRefunded) -> Outcome {
    let text = texts::refunded(said, &uow.settings().shop);
    tell_customer(uow, NotificationKind::Refunded, &said.order, text)
}

/// Where nothing was held, there is nothing to tell.
pub fn tell_not_charged(uow: &mut Uow<'_, Notifications>, said: &PaymentVoided) -> Outcome {
    if said.amount_minor == 0 {
        return Ok(());
    }
    let text = texts::not_charged(said, &uow.settings().shop);
    tell_customer(uow, NotificationKind::Voided, &said.order, text)
}

pub fn tell_dispatched(uow: &mut Uow<'_, Notifications>, said: &ShipmentDispatched) -> Outcome {
    let text = texts::dispatched(said, &uow.settings().shop);
    tell_customer(uow, NotificationKind::Dispatched, &said.order, text)
}

/// A shop without an address for its staff does not want to be told.
pub fn tell_stock_low(uow: &mut Uow<'_, Notifications>, said: &StockLow) -> Outcome {
    let Some(staff) = &uow.settings().staff else { return Ok(()) };
    let stock = &said.stock;
    let tell = Tell {
        kind: NotificationKind::StockLow,
        subject: Subject::new("stock", (&stock.sku, &stock.location_id).as_key()),
        to: Recipient::Staff(staff.clone()),
        order: None,
        text: texts::stock_low(said, &uow.settings().shop),
    };
    tell_once(uow, &tell)
}

/// A worker has sent it, or given it up.
pub fn settle(uow: &mut Uow<'_, Notifications>, job: &Finished<SendNotification>) -> Outcome {
    let mut notification = uow.load::<Notification>(&job.key)?;
    if let Some(reason) = &job.reply.refused {
        fail(uow, notification, reason, job.attempts);
    } else if let Some(sent) = notification.sent(job.attempts, uow.now()) {
        uow.put(notification);
        uow.emit(sent);
    }
    Ok(())
}

/// The customer is still unknown: nobody can be told.
pub fn give_up(uow: &mut Uow<'_, Notifications>, notification_id: &Id) -> Outcome {
    let notification = uow.load::<Notification>(notification_id)?;
    if let Some(user_id) = notification.user_id() {
        let mut contact = contact(uow, user_id)?;
        contact.wait_no_more(notification_id);
        uow.put(contact);
    }
    fail(uow, notification, NO_CONTACT, 0);
    Ok(())
}

/// The user can be reached here from now on; what waited for it is sent.
fn reach(uow: &mut Uow<'_, Notifications>, user_id: &Id, email: &Personal<String>) -> Outcome {
    let mut contact = contact(uow, user_id)?;
    let waited = contact.reach(email, sequence(uow));
    uow.put(contact);
    for mut notification in waiting(uow, &waited)? {
        if let Some(text) = notification.take_text() {
            send(uow, &notification, email, &text);
            uow.put(notification);
        }
    }
    Ok(())
}

/// What has waited for a contact waits no longer. All rows are asked for before the first that is missing stops the
/// handler.
fn waiting(uow: &mut Uow<'_, Notifications>, waited: &[Id]) -> Result<Vec<Notification>, Stop> {
    for notification_id in waited {
        uow.cancel_timer(&GIVE_UP, notification_id);
    }
    uow.load_all(waited)
}

fn tell_customer(
    uow: &mut Uow<'_, Notifications>,
    kind: NotificationKind,
    order: &Arc<OrderSummary>,
    text: Text,
) -> Outcome {
    let tell = Tell {
        kind,
        subject: Subject::new("order", Key::from(&order.order_id)),
        to: Recipient::User(order.customer_id.clone()),
        order: Some(Arc::clone(order)),
        text,
    };
    tell_once(uow, &tell)
}

/// Tells what this event is about, unless it was told before.
fn tell_once(uow: &mut Uow<'_, Notifications>, tell: &Tell) -> Outcome {
    let notification_id = uow.cause().id.clone();
    if uow.get::<Notification>(&notification_id)?.is_some() {
        return Ok(());
    }
    let channel = uow.settings().delivery.channel();
    let (notification, queued) = Notification::queue(notification_id, tell, channel, uow.now());
    uow.emit(queued);
    match &tell.to {
        Recipient::Staff(email) => {
            send(uow, &notification, email, &tell.text);
            uow.put(notification);
            Ok(())
        }
        Recipient::User(user_id) => tell_user(uow, notification, user_id, &tell.text),
    }
}

/// An order can be heard of before its customer: then the notification waits, for a while.
fn tell_user(uow: &mut Uow<'_, Notifications>, mut notification: Notification, user_id: &Id, text: &Text) -> Outcome {
    let mut contact = contact(uow, user_id)?;
    if let Some(email) = contact.email() {
        send(uow, &notification, email, text);
        uow.put(notification);
    } else if contact.state() == ContactState::Erased {
        fail(uow, notification, CONTACT_ERASED, 0);
    } else if contact.wait(notification.notification_id()) {
        uow.put(contact);
        uow.set_timer(&GIVE_UP, notification.notification_id(), uow.now().plus(uow.settings().contact_wait));
        notification.keep(text);
        uow.put(notification);
    } else {
        fail(uow, notification, TOO_MANY_WAITING, 0);
    }
    Ok(())
}

fn send(uow: &mut Uow<'_, Notifications>, notification: &Notification, to: &Personal<String>, text: &Text) {
    uow.request_job::<SendNotification>(notification.notification_id(), &notification.job(to, text));
}

/// Nobody tries to send it any more.
fn fail(uow: &mut Uow<'_, Notifications>, mut notification: Notification, reason: &str, attempts: u32) {
    if let Some(failed) = notification.failed(reason, attempts, uow.now()) {
        uow.put(notification);
        uow.emit(failed);
    }
}

fn contact(uow: &mut Uow<'_, Notifications>, user_id: &Id) -> Result<Contact, Stop> {
    Ok(uow.get::<Contact>(user_id)?.unwrap_or_else(|| Contact::unknown(user_id.clone())))
}

/// Which event about its user this is.
fn sequence(uow: &Uow<'_, Notifications>) -> u64 {
    uow.cause().event.as_ref().map_or(0, |event| event.envelope().sequence)
}
