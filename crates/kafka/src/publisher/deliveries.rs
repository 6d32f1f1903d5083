//! What becomes of the messages of one call, as librdkafka's thread reports it.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rdkafka::{
    ClientContext,
    config::RDKafkaLogLevel,
    error::{KafkaError, RDKafkaErrorCode},
    message::DeliveryResult,
    producer::ProducerContext,
};

use crate::client::{Reports, is_refusal};

/// The outcomes of the messages of one call, by their places in it.
#[derive(Default)]
pub(super) struct Deliveries {
    call: Mutex<Call>,
    changed: Condvar,
}

#[derive(Default)]
struct Call {
    outcomes: Vec<Option<Result<(), RDKafkaErrorCode>>>,
    /// So many of the first are delivered.
    acknowledged: usize,
    /// As many are waited for.
    wanted: usize,
    /// Any outcome is waited for.
    wants_one: bool,
}

/// Tells the deliveries of a producer.
pub(super) struct Delivering {
    pub reports: Arc<Reports>,
    pub deliveries: Arc<Deliveries>,
}

impl Deliveries {
    /// Of so many messages nothing is known yet.
    pub fn begin(&self, messages: usize) {
        *self.call() = Call { outcomes: vec![None; messages], wanted: messages, ..Call::default() };
    }

    /// Waits until so many of the first are delivered, or the next one has failed, or none more was delivered for so
    /// long: at least `within`, and at most twice as long. Gives how many are.
    pub fn wait(&self, messages: usize, within: Duration) -> usize {
        let mut call = self.call();
        call.wanted = messages;
        loop {
            let before = call.acknowledged;
            let open = |call: &mut Call| !call.is_settled();
            let waited = self.changed.wait_timeout_while(call, within, open);
            call = waited.unwrap_or_else(PoisonError::into_inner).0;
            if call.is_settled() || call.acknowledged == before {
                return call.acknowledged.min(messages);
            }
        }
    }

    /// Waits until anything is known of one more. Gives whether it is.
    pub fn wait_for_one(&self, wait: Duration) -> bool {
        let mut call = self.call();
        call.wants_one = true;
        let waited = self.changed.wait_timeout_while(call, wait, |call| call.wants_one);
        !std::mem::take(&mut waited.unwrap_or_else(PoisonError::into_inner).0.wants_one)
    }

    /// The first message that is at fault, or else the first that has failed.
    pub fn failure(&self) -> Option<(usize, RDKafkaErrorCode)> {
        let call = self.call();
        let failures =
            || call.outcomes.iter().enumerate().filter_map(|(place, outcome)| Some((place, (*outcome)?.err()?)));
        failures().find(|(_, code)| is_refusal(*code)).or_else(|| failures().next())
    }

    fn report(&self, place: usize, outcome: Result<(), RDKafkaErrorCode>) {
        let mut call = self.call();
        if let Some(known) = call.outcomes.get_mut(place) {
            *known = Some(outcome);
        }
        while call.outcomes.get(call.acknowledged).is_some_and(|outcome| *outcome == Some(Ok(()))) {
            call.acknowledged += 1;
        }
        let wakes = std::mem::take(&mut call.wants_one) || call.is_settled();
        drop(call);
        if wakes {
            self.changed.notify_all();
        }
    }

    fn call(&self) -> MutexGuard<'_, Call> {
        self.call.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Call {
    fn is_settled(&self) -> bool {
        self.acknowledged >= self.wanted || self.outcomes.get(self.acknowledged).is_some_and(Option::is_some)
    }
}

impl ClientContext for Delivering {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        self.reports.log(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.reports.error(&error, reason);
    }
}

impl ProducerContext for Delivering {
    type DeliveryOpaque = usize;

    fn delivery(&self, delivered: &DeliveryResult<'_>, place: usize) {
        let outcome = match delivered {
            Ok(_) => Ok(()),
            Err((error, _)) => Err(error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail)),
        };
        self.deliveries.report(place, outcome);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::ZERO;

    #[test]
    fn only_those_without_a_hole_before_them_count() {
        let deliveries = Deliveries::default();
        deliveries.begin(4);
        for place in [3, 1, 0] {
            deliveries.report(place, Ok(()));
        }
        assert_eq!(deliveries.wait(4, SOON), 2);
        assert_eq!(deliveries.wait(1, SOON), 1, "no more than was asked for");
        deliveries.report(2, Ok(()));
        assert_eq!(deliveries.wait(4, SOON), 4);
        assert_eq!(deliveries.failure(), None);
    }

    /// More than enough for a test that fails if it waits to the end.
    const LONG: Duration = Duration::from_mins(5);

    #[test]
    fn a_delivery_that_has_come_renews_the_wait() {
        let deliveries = Deliveries::default();
        deliveries.begin(2);
        assert!(!deliveries.wait_for_one(SOON));
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| deliveries.wait_for_one(LONG));
            while !deliveries.call().wants_one {
                std::thread::yield_now();
            }
            deliveries.report(0, Ok(()));
            assert!(waits.join().expect("it returns"));
            let waits = scope.spawn(|| deliveries.wait(2, LONG));
            deliveries.report(1, Ok(()));
            assert_eq!(waits.join().expect("it returns"), 2);
        });
    }

    #[test]
    fn the_message_that_is_at_fault_is_named_and_not_the_one_that_fails_with_it() {
        let deliveries = Deliveries::default();
        deliveries.begin(3);
        deliveries.report(1, Err(RDKafkaErrorCode::Fatal));
        assert_eq!(deliveries.failure(), Some((1, RDKafkaErrorCode::Fatal)));
        deliveries.report(2, Err(RDKafkaErrorCode::MessageSizeTooLarge));
        assert_eq!(deliveries.failure(), Some((2, RDKafkaErrorCode::MessageSizeTooLarge)));
        assert_eq!(deliveries.wait(3, SOON), 0);
    }
}
