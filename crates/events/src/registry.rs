//! The table of all canonical events: which service says what. Whatever lists events reads it here.

use crate::{EventKind, Registry};

/// Hands the table of events on to a macro.
macro_rules! with_events {
    ($then:ident) => {
        $then! {
            identity: UserRegistered, UserSignedIn, UserSignedOut, UserEmailVerified, UserProfileUpdated,
                UserEmailChanged, UserDeleted, SigningKeyPublished, SigningKeyRetired;
            catalog: ProductCreated, ProductUpdated, ProductPublished, ProductUnpublished, ProductArchived,
                VariantCreated, VariantUpdated, VariantDiscontinued, PriceChanged, ProductOutOfStock,
                ProductBackInStock, QuoteIssued, QuoteRefused, CategoryCreated, CategoryUpdated, CategoryDeleted;
            inventory: StockCreated, StockAdjusted, StockChanged, StockLow, StockDepleted, StockReplenished,
                ReservationMade, ReservationRefused, ReservationCommitted, ReservationCommitRefused,
                ReservationReleased, ReservationExpired, ReservationRestocked;
            carts: CartCheckedOut, CartDeleted, CartExpired;
            orders: OrderPlaced, OrderPriced, OrderValidated, OrderConfirmed, OrderRejected, OrderCancelRequested,
                OrderCancelled, OrderRefunded, OrderCompleted;
            payments: AccountOpened, AccountClosed, AccountCredited, AccountDebited, PaymentRequested,
                PaymentAuthorized, PaymentFailed, PaymentCaptured, PaymentCaptureFailed, PaymentVoided,
                PaymentRefunded, PaymentRefundFailed, PaymentSurplusReturned;
            shipping: ShipmentAllocated, ShipmentRefused, ShipmentReady, ShipmentReleased, ShipmentReleaseRefused,
                ShipmentDispatched, ShipmentDelivered;
            notifications: NotificationQueued, NotificationSent, NotificationFailed;
        }
    };
}
pub(crate) use with_events;

/// Every kind of event, with the service that says it.
pub fn registry() -> Registry {
    macro_rules! kinds {
        ($($service:ident: $($event:ident),+;)+) => {
            Registry::new([$($(EventKind::of::<$crate::$service::$event>(stringify!($service)),)+)+])
        };
    }
    with_events!(kinds)
}
