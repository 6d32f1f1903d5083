//! One card order beside a provider that forgets answers, repeats them, and calls back whenever it likes. In whatever
//! order all of it arrives: what the provider has at the end is what the order is worth, and never more on the way.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tradewind_engine::TryOutcome;
use tradewind_events::{
    Id, id,
    jobs::{ProviderAction, ProviderAnswer, ProviderCall, ProviderState},
};
use tradewind_payments::{
    Surplus,
    commands::{CapturePayment, Owed, ProviderCallback, RetryOwed},
    model::{PaymentState, SurplusState},
};

use crate::{
    model::{config, configured},
    world::{Order, TOTAL, World, callback},
};

/// How long a run is, unless `TRADEWIND_MODEL_STEPS` says otherwise.
const STEPS: usize = 40;

#[derive(Debug, Clone)]
enum Happens {
    Validated,
    Confirmed,
    Completed,
    Ended,
    /// The provider gets the nth call that waits; `Received`: we get its answer, too. A refusal is for good.
    Call {
        nth: usize,
        refuses: bool,
        heard: bool,
    },
    /// The provider tells where the nth charge stands.
    CallsBack {
        nth: usize,
    },
    /// Somebody charges the customer once more, under no key of ours.
    ChargesAgain,
    Captures,
    Retries {
        nth: usize,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Charge {
    state: ProviderState,
    taken: i64,
}

/// A provider as it should be: one charge a key, and the same answer to the same question.
#[derive(Default)]
struct Provider {
    charges: BTreeMap<Id, Charge>,
    /// What was decided under a key of a call.
    answers: BTreeMap<Id, ProviderAnswer>,
    /// The charge of an authorization's key; `None` when nothing will be held under it.
    authorized: BTreeMap<Id, Option<Id>>,
}

impl Provider {
    fn charge(&mut self) -> Id {
        let reference = id(&format!("charge-{}", self.charges.len() + 1));
        self.charges.insert(reference.clone(), Charge { state: ProviderState::Authorized, taken: 0 });
        reference
    }

    fn call(&mut self, job: &Id, call: &ProviderCall, refuses: bool) -> ProviderAnswer {
        if let Some(answer) = self.answers.get(job) {
            return answer.clone();
        }
        let (state, reference) = match call.action {
            ProviderAction::Authorize => self.authorize(&call.key, refuses),
            ProviderAction::Cancel => self.cancel(&call.key),
            _ => {
                let reference = Id::new(call.reference.clone().expect("a reference")).unwrap();
                (self.change(&reference, call, refuses), Some(reference))
            }
        };
        let (reference, amount_minor) = (reference.map(|reference| reference.shared()), call.amount_minor);
        let answer = ProviderAnswer { state, reference, amount_minor, reason: None };
        self.answers.insert(job.clone(), answer.clone());
        answer
    }

    fn authorize(&mut self, key: &Id, refuses: bool) -> (ProviderState, Option<Id>) {
        if let Some(before) = self.authorized.get(key) {
            // Cancelled before it came.
            return before.as_ref().map_or((ProviderState::Declined, None), |reference| {
                (self.charges[reference].state, Some(reference.clone()))
            });
        }
        if refuses {
            self.authorized.insert(key.clone(), None);
            return (ProviderState::Declined, None);
        }
        let reference = self.charge();
        self.authorized.insert(key.clone(), Some(reference.clone()));
        (ProviderState::Authorized, Some(reference))
    }

    fn cancel(&mut self, key: &Id) -> (ProviderState, Option<Id>) {
        let Some(reference) = self.authorized.entry(key.clone()).or_default().clone() else {
            return (ProviderState::NothingHeld, None);
        };
        self.charges.get_mut(&reference).expect("a charge").state = ProviderState::Voided;
        (ProviderState::Voided, Some(reference))
    }

    /// A capture, void, refund or return of a charge.
    fn change(&mut self, reference: &Id, call: &ProviderCall, refuses: bool) -> ProviderState {
        let charge = self.charges.get_mut(reference).expect("a charge");
        let (needs, becomes) = match call.action {
            ProviderAction::Capture => (ProviderState::Authorized, ProviderState::Captured),
            ProviderAction::Void => (ProviderState::Authorized, ProviderState::Voided),
            ProviderAction::Refund => (ProviderState::Captured, ProviderState::Refunded),
            _ => (charge.state, ProviderState::Returned),
        };
        let gone = [ProviderState::Voided, ProviderState::Refunded, ProviderState::Returned].contains(&charge.state);
        if gone {
            return charge.state;
        }
        if refuses || charge.state != needs {
            return ProviderState::Refused;
        }
        match call.action {
            ProviderAction::Capture => charge.taken += call.amount_minor,
            ProviderAction::Void => {}
            _ => charge.taken = 0,
        }
        charge.state = becomes;
        becomes
    }

    /// Charges that still hold or have taken money.
    fn live(&self) -> Vec<(&Id, &Charge)> {
        let live = [ProviderState::Authorized, ProviderState::Captured];
        self.charges.iter().filter(|(_, charge)| live.contains(&charge.state)).collect()
    }
}

fn happens() -> impl Strategy<Value = Happens> {
    let call = (0..3_usize, prop::bool::weighted(0.2), prop::bool::weighted(0.7));
    prop_oneof![
        3 => Just(Happens::Validated),
        3 => Just(Happens::Confirmed),
        1 => Just(Happens::Completed),
        1 => Just(Happens::Ended),
        12 => call.prop_map(|(nth, refuses, heard)| Happens::Call { nth, refuses, heard }),
        6 => (0..3_usize).prop_map(|nth| Happens::CallsBack { nth }),
        1 => Just(Happens::ChargesAgain),
        1 => Just(Happens::Captures),
        2 => (0..3_usize).prop_map(|nth| Happens::Retries { nth }),
    ]
}

fn take(world: &mut World, provider: &mut Provider, order: &Order, step: &Happens) {
    match step {
        Happens::Validated => world.validates(order),
        Happens::Confirmed => world.confirms(order),
        Happens::Completed => world.completes(order),
        Happens::Ended => world.cancels(order),
        Happens::Call { nth, refuses, heard } => {
            let calls = world.calls();
            let Some((job, call)) = calls.get(nth % calls.len().max(1)) else { return };
            let answer = provider.call(job, call, *refuses);
            if *heard {
                world.answers_call(job, &answer);
            } else {
                world.stage.try_job(job, TryOutcome::Unknown("timed out".to_owned()));
            }
        }
        Happens::CallsBack { nth } => {
            let Some((reference, charge)) = provider.charges.iter().nth(*nth) else { return };
            let told = ProviderCallback { reference: reference.clone(), ..callback(charge.state) };
            world.stage.ask(told).ok();
        }
        Happens::ChargesAgain => {
            provider.charge();
        }
        Happens::Captures => {
            world.stage.ask(CapturePayment { order_id: id("order-1") }).ok();
        }
        Happens::Retries { nth } => {
            if let Some(owed) = debts(world).into_iter().nth(*nth) {
                world.stage.ask(RetryOwed { order_id: id("order-1"), owed }).ok();
            }
        }
    }
}

fn debts(world: &World) -> Vec<Owed> {
    let refunds = world.stage.rows::<tradewind_payments::Refund>().into_iter();
    let refunds = refunds.map(|refund| Owed::Refund { refund_id: refund.refund_id().clone() });
    let surpluses = world.stage.rows::<Surplus>().into_iter();
    let surpluses = surpluses.map(|surplus| Owed::Surplus { reference: surplus.reference().clone() });
    [Owed::Hold].into_iter().chain(refunds).chain(surpluses).collect()
}

/// From now on nothing fails: everything is answered and called back, and what is owed is retried.
fn settle(world: &mut World, provider: &mut Provider) {
    for _ in 0..20 {
        for (reference, charge) in provider.charges.clone() {
            let told = ProviderCallback { reference, ..callback(charge.state) };
            world.stage.ask(told).ok();
        }
        for (job, call) in world.calls() {
            let answer = provider.call(&job, &call, false);
            world.answers_call(&job, &answer);
        }
        for owed in debts(world) {
            world.stage.ask(RetryOwed { order_id: id("order-1"), owed }).ok();
        }
    }
    assert_eq!(world.calls(), []);
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_provider_holds_and_takes_what_the_order_is_worth_and_no_more(
        steps in prop::collection::vec(happens(), configured("TRADEWIND_MODEL_STEPS", STEPS)),
        ends in any::<bool>(),
    ) {
        let (mut world, mut provider, order) = (World::new(), Provider::default(), Order::card());
        for step in &steps {
            take(&mut world, &mut provider, &order, step);
            world.audit();
            assert!(provider.charges.values().filter(|charge| charge.taken > 0).count() <= 1, "captured twice");
        }
        world.validates(&order);
        if ends {
            world.cancels(&order);
        } else {
            world.confirms(&order);
        }
        settle(&mut world, &mut provider);
        world.audit();
        let payment = world.payment();
        let live = provider.live();
        match payment.state() {
            PaymentState::Captured => {
                assert_eq!(live.len(), 1, "{live:?}");
                assert_eq!((Some(live[0].0), live[0].1.taken), (payment.reference(), TOTAL));
                assert!(!payment.ended());
            }
            // A refused capture waits for an operator while its order goes on.
            PaymentState::Authorized => {
                assert_eq!(live.len(), 1, "{live:?}");
                assert!(!payment.ended() && payment.captures() > 0);
            }
            _ => assert_eq!(live, [], "{payment:?}"),
        }
        assert!(!payment.ended() || live.is_empty());
        let surpluses = world.stage.rows::<Surplus>();
        assert!(surpluses.iter().all(|surplus| surplus.state() == SurplusState::Returned), "{surpluses:?}");
    }
}
