//! A payment provider that hangs.

use std::time::Duration;

use tradewind_events::jobs::{ProviderAnswer, ProviderCall};
use tradewind_workers::provider::{PaymentProvider, Unanswered};

/// The client of a provider gives a call up after this.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// Takes every call and answers none.
pub struct HangingProvider;

impl PaymentProvider for HangingProvider {
    #[expect(clippy::disallowed_methods, reason = "the provider is the outside world, and what it does is wait")]
    fn ask(&self, _call: &ProviderCall) -> Result<ProviderAnswer, Unanswered> {
        std::thread::sleep(CALL_TIMEOUT);
        Err(Unanswered::TimedOut)
    }
}
