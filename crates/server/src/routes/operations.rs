//! Operations: what is stuck, parked, dead or owed, and the means to mend it. Every action is audited.

pub mod consumers;
pub mod dead_letters;
pub mod jobs;
pub mod owed;
pub mod parked;
pub mod sagas;
pub mod status;
pub mod timers;
pub mod trail;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tradewind_engine::operator::{Action, Done as OperatorDone, Operator};
use tradewind_events::Id;

use crate::http::{AUDIT_REASON_CHARS_MAX, Call, Failure, Okay, Sent, is_reason, refusals::BODY_INVALID};

/// An action that was carried out.
#[derive(Serialize, JsonSchema)]
pub struct ActionView {
    /// As it stands in the audit trail.
    action: &'static str,
    target: Id,
}

/// Why something is done, where that is all there is to say.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// For the audit trail; no personal data.
    reason: String,
}

/// An action in the name of whoever asks. Its reason is bounded as one in a header is.
fn operator(call: &Call, action: Action) -> Result<Operator, Failure> {
    if action.reason().is_some_and(|reason| !is_reason(reason)) {
        let rule = format!("A reason has 1 to {AUDIT_REASON_CHARS_MAX} characters, and no control characters.");
        return Err(BODY_INVALID.because(rule).at("reason"));
    }
    Ok(Operator { actor: call.user_id()?.shared(), action })
}

/// Carries an action out in the name of whoever asks.
async fn operate(call: &Call, action: Action) -> Result<Sent<Okay<ActionView>>, Failure> {
    let operator = operator(call, action)?;
    call.operate(operator, |done: &OperatorDone| Okay(ActionView { action: done.action, target: done.target.clone() }))
        .await
}
