//! Notifications: tells customers and staff how it went, once.
//! Not here: sending (a worker of the server does), and mails with a secret in them (identity asks for those).

pub mod model;
mod reactions;
pub mod texts;

use tradewind_engine::{Refusal, Service, Timer};

pub use model::Notifications;
use model::{Contact, Notification};

/// By notification: it has waited long enough for the address of its customer.
const GIVE_UP: Timer<Notifications> = Timer::new("give_up");

pub fn service(settings: Notifications) -> Service<Notifications> {
    Service::new(settings)
        .owns::<Contact>()
        .owns::<Notification>()
        .on(reactions::open_contact) // user.registered
        .on(reactions::move_contact) // user.email_changed
        .on(reactions::erase_contact) // user.deleted
        .on(reactions::tell_confirmed) // order.confirmed
        .on(reactions::tell_rejected) // order.rejected
        .on(reactions::tell_cancelled) // order.cancelled
        .on(reactions::tell_refunded) // order.refunded
        .on(reactions::tell_not_charged) // payment.voided
        .on(reactions::tell_dispatched) // shipment.dispatched
        .on(reactions::tell_stock_low) // stock.low
        .timer(GIVE_UP, reactions::give_up)
        .finished(reactions::settle)
}

/// It takes no commands, so it refuses nothing.
pub const PROBLEMS: &[Refusal] = &[];
