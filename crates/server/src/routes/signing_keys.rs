//! Signing keys: which there are, a new one before its time, and one that is not to be trusted any more.

use schemars::JsonSchema;
use serde::Serialize;
use tradewind_engine::{Entity, ports::List};
use tradewind_events::{Id, Timestamp};
use tradewind_identity::{
    commands::RetireSigningKey,
    model::{KeyState, SigningKey},
};

use crate::http::{Accepted, Call, Done, Failure, Okay, Page, PageOf, Path, Sent};

/// A signing key, without what it signs with.
#[derive(Serialize, JsonSchema)]
pub struct SigningKeyView {
    kid: Id,
    state: KeyState,
    created_at: Timestamp,
    /// When the last token that it signed has expired, or when it was retired.
    #[serde(skip_serializing_if = "Option::is_none")]
    retires_at: Option<Timestamp>,
}

#[derive(Serialize, JsonSchema)]
pub struct Rotated {
    /// The key that signs from now on.
    kid: Id,
}

pub async fn list(call: Call, page: Page) -> Result<Okay<PageOf<SigningKeyView>>, Failure> {
    let view = |key: SigningKey| SigningKeyView {
        kid: key.kid().clone(),
        state: key.state(),
        created_at: key.created_at(),
        retires_at: key.retires_at(),
    };
    call.page(&page, List::of(SigningKey::TABLE, page.limit), view).await
}

pub async fn rotate(call: Call) -> Result<Sent<Accepted<Rotated>>, Failure> {
    let next = call.key_ring.next(call.actor()?);
    let kid = next.kid.clone();
    call.submit(next, move |()| Accepted(Rotated { kid: kid.clone() })).await
}

/// When it is the one that signs, another is made at once.
pub async fn retire(call: Call, Path(kid): Path<Id>) -> Result<Sent<Done>, Failure> {
    let actor = call.actor()?;
    call.submit(RetireSigningKey { kid, actor }, |()| Done).await
}
