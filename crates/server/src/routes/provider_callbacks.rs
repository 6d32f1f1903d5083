//! The payment provider calls back. Whoever knows the secret is the provider; nobody else is believed. It is answered
//! once what it says is durable: until then it calls again.

use tradewind_engine::Moment;
use tradewind_payments::commands::ProviderCallback;
use tradewind_workers::provider::{Callback, SIGNATURE_TOLERANCE, SignatureError, verify};

use crate::http::{
    BodyBytes, Call, Done, Failure, Signature,
    refusals::{SIGNATURE_EXPIRED, SIGNATURE_INVALID, SIGNATURE_MALFORMED},
};

/// Where it calls.
pub const PATH: &str = "/v1/provider-callbacks";

/// Much more than a callback has.
pub const BODY_BYTES_MAX: u64 = 16 * 1_024;

/// The signature is checked over the bytes as they came, before anything is read from them.
pub async fn take(call: Call, Signature(signature): Signature, BodyBytes(body): BodyBytes) -> Result<Done, Failure> {
    let signature = signature.ok_or_else(|| SIGNATURE_MALFORMED.because("The callback is not signed."))?;
    let secret = call.config.provider_secret.as_ref().ok_or_else(|| SIGNATURE_INVALID.problem())?;
    checked(secret.expose(), &signature, &body, call.clock().moment()).map_err(|error| match error {
        SignatureError::Malformed => SIGNATURE_MALFORMED.because(error),
        SignatureError::Wrong => SIGNATURE_INVALID.problem(),
        SignatureError::TooOld | SignatureError::TooEarly => SIGNATURE_EXPIRED.because(error),
    })?;
    let Callback { order_id, reference, state, amount_minor, currency, refund_id, reason } = crate::http::read(&body)?;
    call.ask(ProviderCallback { order_id, reference, state, amount_minor, currency, refund_id, reason }).await?;
    Ok(Done)
}

/// The provider signs by its own clock. While the wall clock here is behind engine time, either of them may be the one
/// that is right, so a signature that fits one of them is recent.
fn checked(secret: &[u8], signature: &str, body: &[u8], now: Moment) -> Result<(), SignatureError> {
    match verify(secret, signature, body, now.wall, SIGNATURE_TOLERANCE) {
        Err(SignatureError::TooEarly) => verify(secret, signature, body, now.engine, SIGNATURE_TOLERANCE),
        by_wall => by_wall,
    }
}
