//! What is asked of workers outside, and what they answer. These may travel over a queue, so they are wire types;
//! they are no events: tokens and addresses stand here and nowhere else.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Currency, Id, Personal, TextEnum, notifications::Channel};

/// A request to the payment provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderCall {
    pub payment_id: Id,
    pub order_id: Id,
    /// The stable idempotency key: asking again under it is asking what became of the first call.
    pub key: Id,
    pub action: ProviderAction,
    /// In minor units of `currency`.
    pub amount_minor: i64,
    pub currency: Currency,
    /// The provider's own name for the charge, once it has told one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Arc<str>>,
    /// Of a refund.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refund_id: Option<Id>,
}

/// What the provider is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, TextEnum)]
pub enum ProviderAction {
    /// Hold the money.
    #[text("authorize")]
    Authorize,
    /// Take what is held.
    #[text("capture")]
    Capture,
    /// Let go of what is held.
    #[text("void")]
    Void,
    /// Give back what was taken, whole or in part.
    #[text("refund")]
    Refund,
    /// Undo an authorization whose outcome is not known.
    #[text("cancel")]
    Cancel,
    /// Give back surplus: what came for no reason.
    #[text("return")]
    Return,
}

/// What the provider answers. A call that timed out has no answer: it is unknown, never failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderAnswer {
    pub state: ProviderState,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Arc<str>>,
    /// In minor units of the call's currency.
    pub amount_minor: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Arc<str>>,
}

/// Where a charge stands at the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, TextEnum)]
pub enum ProviderState {
    #[text("authorized")]
    Authorized,
    /// It will not hold the money.
    #[text("declined")]
    Declined,
    #[text("captured")]
    Captured,
    #[text("voided")]
    Voided,
    #[text("refunded")]
    Refunded,
    /// Surplus went back.
    #[text("returned")]
    Returned,
    /// A cancel found nothing to let go, and nothing will be held under the key any more.
    #[text("nothing_held")]
    NothingHeld,
    /// A capture, void, refund or return is refused for good.
    #[text("refused")]
    Refused,
    /// Not decided yet: ask again under the same key.
    #[text("pending")]
    Pending,
}

/// A notification to send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailJob {
    pub notification_id: Id,
    /// Stable over attempts, so that a receiver can tell a repetition.
    pub message_id: Id,
    pub to: Personal<String>,
    pub subject: Arc<str>,
    pub body: Personal<String>,
    pub channel: Channel,
}

/// What became of a notification or mail. One that may or may not have been handed over has no receipt yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailReceipt {
    pub message_id: Id,
    /// Why it was given up for good, as a code (`mailbox_unavailable`); absent when it was handed over. Never what
    /// the other side wrote: that may name people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<Arc<str>>,
    /// What the other side calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Arc<str>>,
}

/// A mail with a secret in it, sent by identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityMail {
    pub kind: IdentityMailKind,
    pub to: Personal<String>,
    /// Lets its bearer do what `kind` says; it stands in no event and no log. In the mail the user's id and a dot stand
    /// before it.
    pub token: Personal<String>,
    pub user_id: Id,
}

/// What the token of an [`IdentityMail`] is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, TextEnum)]
pub enum IdentityMailKind {
    #[text("verify_email")]
    VerifyEmail,
    #[text("reset_password")]
    ResetPassword,
    /// Confirms another address: the mail goes to the new one.
    #[text("change_email")]
    ChangeEmail,
    /// Somebody wanted to use an address that is registered already; its owner may choose a new password.
    #[text("address_taken")]
    AddressTaken,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id;

    #[test]
    fn a_mail_travels_with_its_secret_and_shows_it_to_nobody() {
        let mail = IdentityMail {
            kind: IdentityMailKind::ResetPassword,
            to: Personal::new("ada@example.org".to_owned()),
            token: Personal::new("s3cret".to_owned()),
            user_id: id("user-1"),
        };
        let wire = serde_json::to_string(&mail).unwrap();
        let expected = r#"{"kind":"reset_password","to":"ada@example.org","token":"s3cret","user_id":"user-1"}"#;
        assert_eq!(wire, expected);
        assert_eq!(serde_json::from_str::<IdentityMail>(&wire).unwrap(), mail);
        let shown = format!("{mail:?}");
        assert!(!shown.contains("s3cret") && !shown.contains("ada"), "{shown}");
    }

    #[test]
    fn a_call_of_the_provider_leaves_out_what_it_has_not() {
        let call = ProviderCall {
            payment_id: id("payment-1"),
            order_id: id("order-1"),
            key: id("payment-1-authorize"),
            action: ProviderAction::Authorize,
            amount_minor: 5_936,
            currency: "EUR".parse().unwrap(),
            reference: None,
            refund_id: None,
        };
        let wire = serde_json::to_value(&call).unwrap();
        let expected = serde_json::json!({
            "payment_id": "payment-1", "order_id": "order-1", "key": "payment-1-authorize", "action": "authorize",
            "amount_minor": 5_936, "currency": "EUR",
        });
        assert_eq!(wire, expected);
        assert_eq!(serde_json::from_value::<ProviderCall>(wire).unwrap(), call);
    }
}
