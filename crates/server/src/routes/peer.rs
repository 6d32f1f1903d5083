//! What this process says about itself to the other processes of a split shop, and to nothing else.

use std::sync::PoisonError;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    http::{
        Call, Failure, Okay, Query,
        refusals::{PEER_REFUSED, ROUTE_UNKNOWN},
    },
    peers::Question,
};

#[derive(Deserialize, JsonSchema)]
pub struct PeerQuery {
    /// 32 random bytes in base64url.
    nonce: String,
    /// An HMAC of the nonce, with a key that is derived from the master key, in base64url.
    proof: String,
}

#[derive(Serialize, JsonSchema)]
pub struct SealedStatement {
    /// Encrypted with a key that is derived from the master key, and bound to the nonce.
    sealed: String,
}

pub async fn read(
    call: Call,
    Query(PeerQuery { nonce, proof }): Query<PeerQuery>,
) -> Result<Okay<SealedStatement>, Failure> {
    let Some(comparison) = &call.comparison else {
        return Err(ROUTE_UNKNOWN.because("This process is not part of a split shop."));
    };
    let question = Question { nonce, proof };
    if !question.is_proven(&call.keys) {
        return Err(PEER_REFUSED.problem());
    }
    let own = comparison.lock().unwrap_or_else(PoisonError::into_inner).own().clone();
    Ok(Okay(SealedStatement { sealed: own.seal(&call.keys, &question.nonce) }))
}
