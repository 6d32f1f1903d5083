//! Events of notifications: what is told to whom it concerns. They never carry where to.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Event, Id, OrderSummary, Subject, TextEnum};

/// A worker is asked to send it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event(
    "notification.queued",
    version = 1,
    about = notification(notification_id),
    key = notification_id,
    party = order
)]
pub struct NotificationQueued {
    pub notification_id: Id,
    /// What it is about.
    pub subject: Subject,
    pub kind: NotificationKind,
    pub channel: Channel,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<Arc<OrderSummary>>,
}

/// It was handed over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("notification.sent", version = 1, about = notification(notification_id), key = notification_id)]
pub struct NotificationSent {
    pub notification_id: Id,
    /// What it is about.
    pub subject: Subject,
    pub kind: NotificationKind,
    pub channel: Channel,
    /// Counts from 1.
    pub attempts: u32,
}

/// It was given up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("notification.failed", version = 1, about = notification(notification_id), key = notification_id)]
pub struct NotificationFailed {
    pub notification_id: Id,
    /// What it is about.
    pub subject: Subject,
    pub kind: NotificationKind,
    pub channel: Channel,
    pub reason: Arc<str>,
    /// Counts from 1.
    pub attempts: u32,
}

/// What a notification tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, TextEnum)]
pub enum NotificationKind {
    /// The order stands.
    #[text("confirmed")]
    Confirmed,
    #[text("rejected")]
    Rejected,
    #[text("cancelled")]
    Cancelled,
    #[text("refunded")]
    Refunded,
    /// The customer is not charged.
    #[text("voided")]
    Voided,
    #[text("dispatched")]
    Dispatched,
    /// To the shop itself.
    #[text("stock_low")]
    StockLow,
}

/// How a notification travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, TextEnum)]
pub enum Channel {
    #[text("email")]
    Email,
    #[text("sms")]
    Sms,
    /// Into the log of the shop: nobody outside is told.
    #[text("log")]
    Log,
}
