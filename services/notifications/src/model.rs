//! Who can be told, and what was told. Transitions are pure and return their event.

use std::{sync::Arc, time::Duration};

use tradewind_engine::{Entity, Job, Settings};
use tradewind_events::{
    Id, OrderSummary, Personal, Subject, TextEnum, Timestamp,
    jobs::{MailJob, MailReceipt},
    notifications::{Channel, NotificationFailed, NotificationKind, NotificationQueued, NotificationSent},
};

/// Notifications that wait for one contact; what comes beyond fails at once.
pub const WAITING_MAX: usize = 100;

/// Why a notification failed before anybody tried to send it.
pub const NO_CONTACT: &str = "no_contact";
pub const CONTACT_ERASED: &str = "contact_erased";
pub const TOO_MANY_WAITING: &str = "too_many_waiting";

/// Owns contacts and notifications.
#[derive(Debug, Clone)]
pub struct Notifications {
    /// How notifications leave the shop.
    pub delivery: Delivery,
    /// Who is told about low stock; nobody when there is no address.
    pub staff: Option<Personal<String>>,
    /// How the shop signs what it sends.
    pub shop: Arc<str>,
    /// How long a notification waits for a customer whose address is not known yet.
    pub contact_wait: Duration,
}

impl Settings for Notifications {
    const SERVICE: &'static str = "notifications";
}

impl Default for Notifications {
    fn default() -> Self {
        Self { delivery: Delivery::Log, staff: None, shop: "The shop".into(), contact_wait: Duration::from_hours(1) }
    }
}

/// How notifications leave the shop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, TextEnum)]
pub enum Delivery {
    /// Noted, but sent to nobody.
    #[text("log")]
    Log,
    #[text("smtp")]
    Smtp,
}

impl Delivery {
    pub const fn channel(self) -> Channel {
        match self {
            Self::Log => Channel::Log,
            Self::Smtp => Channel::Email,
        }
    }
}

/// A worker sends a notification. Its key is the notification's id, so that it is one job however often it is asked.
pub struct SendNotification;

impl Job for SendNotification {
    type Owner = Notifications;
    type Request = MailJob;
    type Reply = MailReceipt;
    const NAME: &'static str = "notification";
}

/// Where a user can be reached. An erased one is never known again.
#[derive(Debug, Clone, PartialEq, Eq, Entity)]
#[entity(owner = Notifications, table = "contact", key = user_id)]
pub struct Contact {
    user_id: Id,
    #[column(copy)]
    state: ContactState,
    email: Option<Personal<String>>,
    /// The number of the newest event about the user that counted here: what is older comes late.
    heard: u64,
    /// Notifications for a user who is unknown yet, the oldest first.
    #[column(json)]
    waiting: Arc<[Id]>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, TextEnum)]
pub enum ContactState {
    /// Something is to be told to the user, of whom nothing was heard.
    #[text("unknown")]
    Unknown,
    #[text("known")]
    Known,
    /// The user was deleted.
    #[text("erased")]
    Erased,
}

/// One thing that is told to one recipient, once. It is named after the event that caused it: an event that is heard
/// again is not told again.
#[derive(Debug, Clone, PartialEq, Eq, Entity)]
#[entity(owner = Notifications, table = "notification", key = notification_id)]
pub struct Notification {
    /// The id of the event that caused it. It is the Message-ID as well.
    notification_id: Id,
    /// What it is about.
    subject: Subject,
    #[column(copy)]
    kind: NotificationKind,
    #[column(copy)]
    channel: Channel,
    /// Who is told; `None` for the staff.
    user_id: Option<Id>,
    #[column(copy)]
    state: NotificationState,
    /// The text, as long as it waits for a contact.
    title: Option<Arc<str>>,
    body: Option<Arc<str>>,
    /// How often it was tried.
    attempts: u32,
    /// Why it failed.
    reason: Option<Arc<str>>,
    queued_at: Timestamp,
    /// When it was sent or given up.
    settled_at: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, TextEnum)]
pub enum NotificationState {
    #[text("queued")]
    Queued,
    #[text("sent")]
    Sent,
    #[text("failed")]
    Failed,
}

/// What is to be told, and to whom.
#[derive(Debug, Clone)]
pub struct Tell {
    pub kind: NotificationKind,
    pub subject: Subject,
    pub to: Recipient,
    /// The order that it is about.
    pub order: Option<Arc<OrderSummary>>,
    pub text: Text,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recipient {
    User(Id),
    Staff(Personal<String>),
}

/// What is written. Nothing in it is about a person but the order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// One line.
    pub title: Arc<str>,
    pub body: Arc<str>,
}

impl Contact {
    pub fn unknown(user_id: Id) -> Self {
        Self { user_id, state: ContactState::Unknown, email: None, heard: 0, waiting: Arc::from([]) }
    }

    /// The user can be reached here, as event number `sequence` about the user says. Gives what waited for it.
    pub fn reach(&mut self, email: &Personal<String>, sequence: u64) -> Arc<[Id]> {
        if self.state == ContactState::Erased || sequence <= self.heard {
            return Arc::from([]);
        }
        self.state = ContactState::Known;
        self.email = Some(email.clone());
        self.heard = sequence;
        std::mem::replace(&mut self.waiting, Arc::from([]))
    }

    /// The user is gone. Gives what waited in vain.
    pub fn erase(&mut self, sequence: u64) -> Arc<[Id]> {
        self.state = ContactState::Erased;
        self.email = None;
        self.heard = self.heard.max(sequence);
        std::mem::replace(&mut self.waiting, Arc::from([]))
    }

    /// `false` when too many wait already.
    pub fn wait(&mut self, notification_id: &Id) -> bool {
        if self.waiting.len() >= WAITING_MAX {
            return false;
        }
        self.waiting = self.waiting.iter().chain([notification_id]).cloned().collect();
        true
    }

    pub fn wait_no_more(&mut self, notification_id: &Id) {
        self.waiting = self.waiting.iter().filter(|waiting| *waiting != notification_id).cloned().collect();
    }
}

impl Notification {
    pub fn queue(notification_id: Id, tell: &Tell, channel: Channel, now: Timestamp) -> (Self, NotificationQueued) {
        let notification = Self {
            notification_id,
            subject: tell.subject.clone(),
            kind: tell.kind,
            channel,
            user_id: match &tell.to {
                Recipient::User(user_id) => Some(user_id.clone()),
                Recipient::Staff(_) => None,
            },
            state: NotificationState::Queued,
            title: None,
            body: None,
            attempts: 0,
            reason: None,
            queued_at: now,
            settled_at: None,
        };
        let queued = NotificationQueued {
            notification_id: notification.notification_id.clone(),
            subject: notification.subject.clone(),
            kind: notification.kind,
            channel,
            order: tell.order.clone(),
        };
        (notification, queued)
    }

    /// It waits for a contact, with its text.
    pub fn keep(&mut self, text: &Text) {
        self.title = Some(Arc::clone(&text.title));
        self.body = Some(Arc::clone(&text.body));
    }

    /// The text of one that waits; it waits no more.
    pub fn take_text(&mut self) -> Option<Text> {
        self.title.take().zip(self.body.take()).map(|(title, body)| Text { title, body })
    }

    /// What a worker needs to send it.
    pub fn job(&self, to: &Personal<String>, text: &Text) -> MailJob {
        MailJob {
            notification_id: self.notification_id.clone(),
            message_id: self.notification_id.clone(),
            to: to.clone(),
            subject: Arc::clone(&text.title),
            body: Personal::new(text.body.to_string()),
            channel: self.channel,
        }
    }

    /// It was handed over. `None` when it was settled before.
    pub fn sent(&mut self, attempts: u32, now: Timestamp) -> Option<NotificationSent> {
        self.settle(NotificationState::Sent, attempts, now).then(|| NotificationSent {
            notification_id: self.notification_id.clone(),
            subject: self.subject.clone(),
            kind: self.kind,
            channel: self.channel,
            attempts,
        })
    }

    /// It was given up, after so many attempts. `None` when it was settled before.
    pub fn failed(&mut self, reason: &str, attempts: u32, now: Timestamp) -> Option<NotificationFailed> {
        if !self.settle(NotificationState::Failed, attempts, now) {
            return None;
        }
        let reason: Arc<str> = reason.into();
        self.reason = Some(Arc::clone(&reason));
        Some(NotificationFailed {
            notification_id: self.notification_id.clone(),
            subject: self.subject.clone(),
            kind: self.kind,
            channel: self.channel,
            reason,
            attempts,
        })
    }

    fn settle(&mut self, state: NotificationState, attempts: u32, now: Timestamp) -> bool {
        if self.state != NotificationState::Queued {
            return false;
        }
        self.state = state;
        self.attempts = attempts;
        self.settled_at = Some(now);
        self.title = None;
        self.body = None;
        true
    }
}

#[cfg(test)]
mod tests {
    use tradewind_events::id;

    use super::*;

    fn personal(text: &str) -> Personal<String> {
        Personal::new(text.to_owned())
    }

    #[test]
    fn the_newest_address_counts_whatever_comes_late() {
        let mut contact = Contact::unknown(id("user-1"));
        contact.reach(&personal("new@example.org"), 4);
        for late in [1, 3, 4] {
            contact.reach(&personal("old@example.org"), late);
        }
        assert_eq!(contact.email, Some(personal("new@example.org")));
        contact.reach(&personal("newer@example.org"), 5);
        assert_eq!(contact.email, Some(personal("newer@example.org")));
    }

    #[test]
    fn an_erased_contact_is_never_known_again() {
        let mut contact = Contact::unknown(id("user-1"));
        contact.erase(2);
        contact.reach(&personal("ada@example.org"), 9);
        assert_eq!((contact.state, contact.email), (ContactState::Erased, None));
    }

    #[test]
    fn no_more_wait_for_a_contact_than_the_limit_says() {
        let mut contact = Contact::unknown(id("user-1"));
        for nth in 0..WAITING_MAX {
            assert!(contact.wait(&id(&format!("n{nth}"))));
        }
        assert!(!contact.wait(&id("one-more")));
        contact.wait_no_more(&id("n0"));
        assert!(contact.wait(&id("one-more")));
        assert_eq!(contact.reach(&personal("ada@example.org"), 1).len(), WAITING_MAX);
        assert!(contact.waiting.is_empty());
    }
}
