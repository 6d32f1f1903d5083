//! The payment provider: whoever it is, it is asked through [`PaymentProvider`]. The built-in one is a simulator.

mod callbacks;
mod charge;
mod desk;
mod forced;
mod rows;
mod signature;
mod simulator;

use std::sync::Arc;

use tradewind_engine::{TryOutcome, Worker};
use tradewind_events::{
    Id,
    jobs::{ProviderAnswer, ProviderCall},
};

pub use callbacks::{Callback, CallbackTarget};
pub use charge::{Charge, ChargeState};
pub use forced::{AmountRules, Forced, InvalidRules};
pub use signature::{SIGNATURE_HEADER, SIGNATURE_TOLERANCE, SignatureError, sign, verify};
pub use simulator::{CallbackCounts, ProviderRecords, ProviderSimulator, SimulatorError, SimulatorOptions};

/// The name of the jobs that ask the provider.
pub const ASK_PROVIDER: &str = "ask_provider";

/// A payment provider.
///
/// **Invariant:** under one key a call is done at most once, and asking again gives the same answer. A cancel names the
/// key of the authorization that it undoes: after it, an authorization under that key holds nothing, also one that
/// comes later.
pub trait PaymentProvider: Send + Sync + 'static {
    /// Ends by itself within a bounded time. Without an answer nobody knows whether the call is done.
    fn ask(&self, call: &ProviderCall) -> Result<ProviderAnswer, Unanswered>;
}

/// Why there is no answer. It says nothing of what became of the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unanswered {
    #[error("the provider has not answered in time")]
    TimedOut,
    #[error("the provider is not available")]
    Unavailable,
    #[error("the key was used for another call before")]
    KeyReused,
}

/// Asks a provider on behalf of payments.
pub struct ProviderWorker(Arc<dyn PaymentProvider>);

impl ProviderWorker {
    pub fn new(provider: Arc<dyn PaymentProvider>) -> Self {
        Self(provider)
    }
}

impl Worker for ProviderWorker {
    fn kind(&self) -> &'static str {
        ASK_PROVIDER
    }

    fn run(&self, key: &Id, request: &str, attempt: u32) -> TryOutcome {
        let call: ProviderCall = match serde_json::from_str(request) {
            Ok(call) => call,
            Err(error) => return TryOutcome::Unknown(format!("the call cannot be read: {error}")),
        };
        let (order_id, action) = (&call.order_id, call.action);
        match self.0.ask(&call) {
            Ok(answer) => {
                tracing::debug!(%key, %order_id, %action, attempt, state = %answer.state, "the provider has answered");
                done(&answer)
            }
            Err(why) => {
                tracing::debug!(%key, %order_id, %action, attempt, %why, "the provider has not answered");
                TryOutcome::Unknown(why.to_string())
            }
        }
    }
}

/// The reply as the engine keeps it.
pub(crate) fn done(reply: &impl serde::Serialize) -> TryOutcome {
    match serde_json::to_string(reply) {
        Ok(reply) => TryOutcome::Done(reply),
        Err(error) => TryOutcome::Unknown(format!("the reply cannot be written: {error}")),
    }
}
