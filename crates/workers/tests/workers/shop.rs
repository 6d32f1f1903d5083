//! The simulator beside the real payments: whatever it is forced to do and whenever the order ends, in the end the
//! list of charges that it keeps equals ours.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tradewind_engine::{EngineTime, Worker, tables::JobRow};
use tradewind_events::{
    CancelledBy, OrderSummary, PaymentMethod, TextEnum, id,
    orders::{OrderCancelled, OrderConfirmed, OrderRejected, OrderValidated},
    payments::PaymentAuthorized,
    samples::Sample,
};
use tradewind_payments::{
    AskProvider, Payment, Payments, Surplus,
    commands::ProviderCallback,
    model::{PaymentState, SurplusState},
};
use tradewind_testkit::{ManualClock, Stage};
use tradewind_workers::provider::{
    ASK_PROVIDER, Callback, Charge, ChargeState, Forced, ProviderSimulator, ProviderWorker, SimulatorOptions,
};

use crate::{callbacks::settle, sink::Sink};

const TOTAL: i64 = 5_000;

/// Rounds of work and waiting, after which a test has failed.
const ROUNDS_MAX: usize = 60;

/// What becomes of the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// It is confirmed, and that is all.
    Confirmed,
    /// It ends while nobody has answered to the authorization yet.
    EndedAtOnce,
    /// The same, and the cancel is faster than the authorization.
    EndedBefore,
    /// It ends as soon as the authorization was tried once.
    EndedWhenAsked,
    /// It ends after it was confirmed and all was done.
    CancelledLate,
}

/// Who is heard first, where both have something to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum First {
    Answer,
    Callback,
}

struct World {
    first: First,
    stage: Stage,
    worker: ProviderWorker,
    provider: Arc<ProviderSimulator>,
    sink: Sink,
    clock: ManualClock,
}

/// Where the money of a charge is. A hold that was let go and a surplus that was returned are the same to a customer,
/// and which of the two it was depends on who was faster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Held(i64),
    Taken(i64),
    Gone,
}

impl World {
    fn new(forced: Forced, first: First) -> Self {
        let (sink, clock) = (Sink::start(), ManualClock::default());
        let provider = Arc::new(
            ProviderSimulator::open(SimulatorOptions {
                callbacks: Some(sink.target()),
                clock: EngineTime::new(Arc::new(clock.clone())),
                ..SimulatorOptions::default()
            })
            .unwrap(),
        );
        provider.force(&id("order-1"), forced).unwrap();
        let worker = ProviderWorker::new(provider.clone());
        let stage = Stage::new([tradewind_payments::service(Payments::default()).into()]);
        Self { first, stage, worker, provider, sink, clock }
    }

    fn order() -> Arc<OrderSummary> {
        Arc::new(OrderSummary {
            order_id: id("order-1"),
            customer_id: id("customer-1"),
            currency: "EUR".parse().unwrap(),
            payment_method: PaymentMethod::Card,
            total_minor: Some(TOTAL),
            ..OrderSummary::sample()
        })
    }

    fn validates(&mut self) {
        self.stage.hear(OrderValidated { order: Self::order(), ..OrderValidated::sample() });
    }

    fn confirms(&mut self) {
        self.stage.hear(OrderConfirmed { order: Self::order(), ..OrderConfirmed::sample() });
    }

    fn cancels(&mut self) {
        let (reason, cancelled_by) = ("changed_mind".into(), CancelledBy::Customer);
        self.stage.hear(OrderCancelled { order: Self::order(), reason, cancelled_by, ..OrderCancelled::sample() });
    }

    /// Tries every job that is due once, and hears what was called back meanwhile.
    fn works(&mut self) {
        let now = self.stage.now();
        let due: Vec<_> = self.stage.rows::<JobRow>().into_iter().filter(|job| job.due_at <= now).collect();
        for job in due {
            self.tries(&job);
        }
        self.hears();
    }

    fn tries(&mut self, job: &JobRow) {
        assert_eq!(&*job.kind, ASK_PROVIDER);
        let outcome = self.worker.run(&job.id, &job.request, job.attempts + 1);
        if self.first == First::Callback {
            self.hears();
        }
        self.stage.try_job(&job.id, outcome);
        if self.first == First::Answer {
            self.hears();
        }
    }

    /// The cancel of an order that ended while its authorization is still on its way to the provider.
    fn tries_the_cancel_first(&mut self) {
        let mut jobs = self.stage.rows::<JobRow>();
        jobs.sort_by_key(|job| !job.id.as_str().contains("cancel"));
        for job in jobs {
            self.tries(&job);
        }
    }

    /// Lets the shop hear what has been called back.
    fn hears(&mut self) {
        settle(&self.provider);
        for request in self.sink.come() {
            let Callback { order_id, reference, state, amount_minor, currency, refund_id, reason } =
                request.callback(self.clock.now());
            let told = ProviderCallback { order_id, reference, state, amount_minor, currency, refund_id, reason };
            self.stage.ask(told).unwrap();
        }
    }

    /// Works and waits until nothing is open: no job, and no callback.
    fn settles(&mut self) {
        for _ in 0..ROUNDS_MAX {
            self.works();
            if self.stage.jobs::<AskProvider>().is_empty() && self.provider.callbacks().unwrap().waiting == 0 {
                self.hears();
                if self.stage.jobs::<AskProvider>().is_empty() {
                    return;
                }
            }
            self.clock.advance(Duration::from_secs(10));
            self.stage.advance(Duration::from_secs(10));
        }
        panic!("something is still open: {:?}", self.stage.jobs::<AskProvider>());
    }

    /// Every charge that the shop knows.
    fn ours(&self) -> BTreeMap<String, Standing> {
        let payments = self.stage.rows::<Payment>().into_iter().filter_map(|payment| {
            let reference = payment.reference()?.to_string();
            let state = match payment.state() {
                PaymentState::Authorized => Standing::Held(payment.authorized_minor()),
                PaymentState::Captured => Standing::Taken(payment.captured_minor() - payment.refunded_minor()),
                PaymentState::Refunded | PaymentState::Voided => Standing::Gone,
                other => panic!("a payment with a charge has settled as {other}"),
            };
            Some((reference, state))
        });
        let surpluses = self.stage.rows::<Surplus>().into_iter().map(|surplus| {
            let state = match surplus.state() {
                SurplusState::Returned => Standing::Gone,
                SurplusState::Refused => Standing::Held(surplus.amount_minor()),
                SurplusState::Returning => panic!("a surplus has not settled"),
            };
            (surplus.reference().to_string(), state)
        });
        payments.chain(surpluses).collect()
    }

    /// Every charge that the provider has.
    fn theirs(&self) -> BTreeMap<String, Standing> {
        let charges = self.provider.charges(None, 100).unwrap();
        let standing = |charge: &Charge| {
            let state = match charge.state {
                ChargeState::Authorized => Standing::Held(charge.amount_minor),
                ChargeState::Captured => Standing::Taken(charge.amount_minor - charge.refunded_minor),
                ChargeState::Voided | ChargeState::Refunded | ChargeState::Returned => Standing::Gone,
            };
            (charge.reference.to_string(), state)
        };
        charges.iter().map(standing).collect()
    }

    fn was_authorized(&self) -> bool {
        !self.stage.said::<PaymentAuthorized>().is_empty()
    }
}

fn run(forced: Forced, ending: Ending, first: First) -> World {
    let mut world = World::new(forced, first);
    world.validates();
    match ending {
        Ending::EndedAtOnce => world.cancels(),
        Ending::EndedBefore => {
            world.cancels();
            world.tries_the_cancel_first();
        }
        Ending::EndedWhenAsked => {
            world.works();
            world.cancels();
        }
        Ending::Confirmed | Ending::CancelledLate => {}
    }
    // An authorization of another amount, or none, is waited for until the order ends.
    if matches!(forced, Forced::WrongAmount | Forced::Silent)
        && matches!(ending, Ending::Confirmed | Ending::CancelledLate)
    {
        for _ in 0..3 {
            world.works();
            world.stage.advance(Duration::from_secs(10));
        }
        world.stage.hear(OrderRejected { order: World::order(), ..OrderRejected::sample() });
    }
    world.settles();
    if matches!(ending, Ending::Confirmed | Ending::CancelledLate) && world.was_authorized() {
        world.confirms();
        world.settles();
    }
    if ending == Ending::CancelledLate {
        world.cancels();
        world.settles();
    }
    world
}

#[test]
fn the_providers_list_of_charges_equals_ours_however_it_goes() {
    let endings =
        [Ending::Confirmed, Ending::EndedAtOnce, Ending::EndedBefore, Ending::EndedWhenAsked, Ending::CancelledLate];
    for forced in Forced::ALL {
        for (ending, first) in endings.iter().flat_map(|ending| [(*ending, First::Answer), (*ending, First::Callback)])
        {
            let world = run(*forced, ending, first);
            let how = format!("{forced}, {ending:?}, {first:?} first");
            assert_eq!(world.ours(), world.theirs(), "{how}");
            assert_eq!(world.stage.dead_letters(), [], "{how}");
            let held = world.theirs().into_values().any(|standing| matches!(standing, Standing::Held(_)));
            let refused = matches!(forced, Forced::CaptureRefused | Forced::VoidRefused | Forced::ReturnRefused);
            assert!(!held || refused, "money is still held: {how}");
        }
    }
}

#[test]
fn every_outcome_leads_where_it_says() {
    let state = |forced, ending| {
        let world = run(forced, ending, First::Answer);
        let payment: Payment = world.stage.row(id("order-1")).unwrap();
        let surpluses: Vec<_> = world.stage.rows::<Surplus>().iter().map(Surplus::state).collect();
        (payment.state(), surpluses)
    };
    let none = Vec::<SurplusState>::new();
    for forced in [
        Forced::Approved,
        Forced::TimeoutCharged,
        Forced::TimeoutNotCharged,
        Forced::Unavailable,
        Forced::CallbackOnly,
        Forced::CallbackTwice,
        Forced::CallbackFirst,
        Forced::Late,
        Forced::LateDespiteCancel,
        Forced::CaptureTimeout,
        Forced::CaptureLate,
    ] {
        assert_eq!(state(forced, Ending::Confirmed), (PaymentState::Captured, none.clone()), "{forced}");
        assert_eq!(state(forced, Ending::CancelledLate), (PaymentState::Refunded, none.clone()), "{forced}");
        assert_eq!(state(forced, Ending::EndedWhenAsked), (PaymentState::Voided, none.clone()), "{forced}");
    }
    assert_eq!(state(Forced::Declined, Ending::Confirmed), (PaymentState::Failed, none.clone()));
    assert_eq!(state(Forced::CaptureRefused, Ending::Confirmed), (PaymentState::Authorized, none.clone()));
    assert_eq!(state(Forced::CaptureRefused, Ending::CancelledLate), (PaymentState::Voided, none.clone()));
    assert_eq!(state(Forced::VoidRefused, Ending::EndedWhenAsked), (PaymentState::Authorized, none.clone()));
    assert_eq!(state(Forced::RefundRefused, Ending::CancelledLate), (PaymentState::Captured, none));
    let returned = vec![SurplusState::Returned];
    assert_eq!(state(Forced::SecondCharge, Ending::Confirmed), (PaymentState::Captured, returned.clone()));
    assert_eq!(state(Forced::ChargedAfterDecline, Ending::Confirmed), (PaymentState::Failed, returned.clone()));
    assert_eq!(state(Forced::WrongAmount, Ending::Confirmed), (PaymentState::Voided, returned));
    let refused = vec![SurplusState::Refused];
    assert_eq!(state(Forced::ReturnRefused, Ending::Confirmed), (PaymentState::Captured, refused));
}
