//! Samples of what identity says, and carts and notifications.

use super::{Sample, samples};
use crate::{
    Change, FreeJson, Personal, Subject,
    carts::{CartCheckedOut, CartDeleted, CartExpired},
    id,
    identity::{
        SigningKeyPublished, SigningKeyRetired, UserDeleted, UserEmailChanged, UserEmailVerified, UserProfileUpdated,
        UserRegistered, UserSignedIn, UserSignedOut,
    },
    notifications::{Channel, NotificationFailed, NotificationKind, NotificationQueued, NotificationSent},
    row_key,
};

fn personal(text: &str) -> Personal<String> {
    Personal::new(text.to_owned())
}

fn jwk() -> FreeJson {
    FreeJson::parse(r#"{"crv":"Ed25519","kid":"key-1","kty":"OKP","x":"c2FtcGxl"}"#).expect("a key is JSON")
}

fn order() -> Subject {
    Subject::new("order", row_key(&["order-1"]))
}

samples! {
    UserRegistered {
        user_id: id("user-1"),
        email: personal("ada@example.org"),
        username: Some(personal("ada")),
        first_name: Some(personal("Ada")),
        last_name: Some(personal("Lovelace")),
        email_verified: false,
    }
    UserSignedIn { user_id: id("user-1"), session_id: id("session-1") }
    UserSignedOut { user_id: id("user-1"), session_id: id("session-1") }
    UserEmailVerified { user_id: id("user-1"), email: personal("ada@example.org") }
    UserProfileUpdated {
        user_id: id("user-1"),
        username: Some(personal("ada")),
        email: personal("ada@example.org"),
        first_name: Some(personal("Ada")),
        last_name: Some(personal("King")),
        avatar_url: Some(personal("https://media.example.org/ada.jpg")),
        changes: Personal::new([Change {
            field: "last_name".into(),
            old_value: "Lovelace".into(),
            new_value: "King".into(),
        }].into()),
    }
    UserEmailChanged {
        user_id: id("user-1"),
        email: personal("ada.king@example.org"),
        previous_email: personal("ada@example.org"),
    }
    UserDeleted { user_id: id("user-1"), email: personal("ada.king@example.org") }
    SigningKeyPublished { kid: id("key-1"), public_jwk: jwk() }
    SigningKeyRetired { kid: id("key-1"), public_jwk: jwk() }

    CartCheckedOut { cart_id: id("cart-1"), order_id: id("order-1"), customer_id: id("user-1") }
    CartDeleted { cart_id: id("cart-1") }
    CartExpired { cart_id: id("cart-1") }

    NotificationQueued {
        notification_id: id("notification-1"),
        subject: order(),
        kind: NotificationKind::Confirmed,
        channel: Channel::Email,
        order: Some(Sample::sample()),
    }
    NotificationSent {
        notification_id: id("notification-1"),
        subject: order(),
        kind: NotificationKind::Confirmed,
        channel: Channel::Email,
        attempts: 1,
    }
    NotificationFailed {
        notification_id: id("notification-1"),
        subject: order(),
        kind: NotificationKind::Confirmed,
        channel: Channel::Email,
        reason: "mailbox_full".into(),
        attempts: 8,
    }
}
