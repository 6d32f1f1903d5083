//! Waiting for a moment of the shop's clock, which a test moves by hand.

use std::{future::Future, sync::Arc};

use tokio::sync::Notify;
use tradewind_engine::EngineTime;
use tradewind_events::Timestamp;

/// Wakes tasks. Clones watch the same clock.
#[derive(Clone)]
pub struct Alarm {
    clock: EngineTime,
    jumped: Arc<Notify>,
}

impl Alarm {
    pub fn new(clock: EngineTime) -> Self {
        let jumped = Arc::new(Notify::new());
        let wake = Arc::downgrade(&jumped);
        clock.on_jump(Box::new(move || {
            if let Some(jumped) = wake.upgrade() {
                jumped.notify_waiters();
            }
        }));
        Self { clock, jumped }
    }

    /// Waits until the clock shows `at`, or until `or` is done.
    pub async fn until(&self, at: Timestamp, or: impl Future<Output = ()>) {
        let mut or = std::pin::pin!(or);
        loop {
            // Asked for before the clock is read, so that no jump is missed between the two.
            let mut jump = std::pin::pin!(self.jumped.notified());
            jump.as_mut().enable();
            if self.clock.now() >= at {
                return;
            }
            let real = self.clock.until(at);
            let moment = async {
                match real {
                    Some(wait) => tokio::time::timeout(wait, jump).await.unwrap_or_default(),
                    None => jump.await,
                }
            };
            tokio::select! {
                () = moment => {}
                () = &mut or => return,
            }
        }
    }
}
