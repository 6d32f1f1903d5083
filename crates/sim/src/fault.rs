//! Everything that can go wrong, and when it does. Each fault has a stream of chance of its own.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{Options, chance::Chance};

macro_rules! faults {
    ($($(#[$doc:meta])* $fault:ident $name:literal $permille:literal,)+) => {
        /// Something that goes wrong.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Fault {
            $($(#[$doc])* $fault,)+
        }

        impl Fault {
            pub const ALL: &[Self] = &[$(Self::$fault,)+];

            /// As it is named on a command line.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$fault => $name,)+
                }
            }

            /// How often it happens among a thousand occasions, in a seed of middling weather.
            const fn permille(self) -> u32 {
                match self {
                    $(Self::$fault => $permille,)+
                }
            }
        }
    };
}

faults! {
    /// A process dies with a batch that was not committed.
    CrashBeforeCommit "crash-before-commit" 2,
    /// A process dies after a commit, before it has published, answered or acknowledged anything of it.
    CrashAfterCommit "crash-after-commit" 2,
    /// A process dies after publishing, before the mark of its relay is saved.
    CrashAfterPublish "crash-after-publish" 3,
    /// A process dies after it has answered, before it acknowledges what it heard.
    CrashBeforeAck "crash-before-ack" 2,
    /// A process dies between two steps.
    Kill "kill" 1,
    /// An operator stops a process, and starts it again after a while.
    Stop "stop" 2,
    /// Another process takes the store over while the old one still writes.
    TakeOver "take-over" 2,
    /// The store refuses some batches for no reason of theirs.
    CommitRefused "commit-refused" 3,
    /// The store fails: nothing of the batch is there.
    StoreFails "store-fails" 1,
    /// The store fails, although the batch is there.
    CommitUnknown "commit-unknown" 2,
    /// A handler panics.
    HandlerPanics "handler-panics" 2,
    /// A process stands still for a while.
    Stall "stall" 1,
    /// Somebody sets the wall clock ahead.
    ClockJump "clock-jump" 1,
    /// Somebody sets the wall clock back.
    ClockBack "clock-back" 1,
    /// The wall clock jumps ahead and comes back after a while.
    ClockSpike "clock-spike" 1,
    /// A batch takes long: time passes while its handlers run, and until it is written.
    SlowBatch "slow-batch" 20,
    /// An operator pauses a consumer for a while.
    ConsumerPaused "consumer-paused" 1,
    /// The broker refuses an event for good; an operator sets it aside.
    EventRefused "event-refused" 2,
    /// The broker takes some of a batch of messages, and then fails.
    PublishFails "publish-fails" 15,
    /// The broker takes some of a batch of messages, acknowledges some of those, and then fails.
    PublishPartly "publish-partly" 15,
    /// An acknowledgement fails, and every further one until the process polls again.
    AcknowledgingFails "acknowledging-fails" 10,
    /// A delivery does not arrive; it comes again.
    DeliveryLost "delivery-lost" 15,
    /// A message takes minutes.
    MessageDelayed "message-delayed" 8,
    /// A message is there twice.
    MessageDuplicated "message-duplicated" 20,
    /// An acknowledgement does not arrive: the message comes again.
    AckLost "ack-lost" 15,
    /// A message arrives broken.
    MessageGarbled "message-garbled" 2,
    /// A client does not get the answer to its command.
    AnswerLost "answer-lost" 30,
    /// The payment provider is not reached.
    ProviderUnreached "provider-unreached" 60,
    /// The payment provider has done it, but its answer is lost.
    ProviderAnswerLost "provider-answer-lost" 80,
    /// The payment provider does it minutes after everybody has given up waiting.
    ProviderLate "provider-late" 40,
    /// The payment provider has not decided yet.
    ProviderUndecided "provider-undecided" 60,
    /// The payment provider refuses to take or to give back money.
    ProviderRefuses "provider-refuses" 60,
    /// The payment provider charges a second time.
    SecondCharge "second-charge" 30,
    /// The payment provider calls back before it answers.
    EarlyCallback "early-callback" 100,
    /// The payment provider calls back twice, the second time late.
    CallbackTwice "callback-twice" 60,
    /// It is not known whether a mail went out.
    MailUnknown "mail-unknown" 60,
    /// A mail is refused for good.
    MailRefused "mail-refused" 30,
    /// The store rejects a row that a message needs, and answers everything else.
    RowRejected "row-rejected" 2,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The weather of one seed. Clones share it: a handler's gate sees the same one.
#[derive(Clone)]
pub struct Faults(Arc<Mutex<State>>);

struct State {
    on: bool,
    happened: u64,
    left: u64,
    kinds: BTreeMap<Fault, Kind>,
}

struct Kind {
    /// It does not happen, because somebody wants it so.
    left_out: bool,
    permille: u32,
    chance: Chance,
    happened: u64,
}

impl Faults {
    /// Nothing goes wrong before [`Faults::begin`].
    pub fn new(seed: u64, options: &Options) -> Self {
        let mut weather = Chance::new(seed, "weather");
        let storm = weather.pick(&[1, 1, 1, 2, 3]);
        let mut kinds = BTreeMap::new();
        for fault in Fault::ALL {
            // Each seed is without some faults, and rich in others: what hides behind the usual mixture comes out.
            let share = weather.pick(&[0, 1, 1, 1, 3]);
            let left_out = options.without_faults.contains(fault);
            let permille = if left_out { 0 } else { fault.permille() * share * storm };
            let chance = Chance::new(seed, fault.name());
            kinds.insert(*fault, Kind { left_out, permille: permille.min(500), chance, happened: 0 });
        }
        Self(Arc::new(Mutex::new(State { on: false, happened: 0, left: options.faults_max, kinds })))
    }

    pub fn begin(&self) {
        self.state().on = true;
    }

    /// This fault does not happen.
    pub fn leave_out(&self, fault: Fault) {
        if let Some(kind) = self.state().kinds.get_mut(&fault) {
            (kind.left_out, kind.permille) = (true, 0);
        }
    }

    /// From now on nothing goes wrong.
    pub fn end(&self) {
        self.state().on = false;
    }

    pub fn are_on(&self) -> bool {
        self.state().on
    }

    /// Whether it happens on this occasion.
    pub fn strike(&self, fault: Fault) -> bool {
        self.strikes(fault, |kind| kind.permille > 0 && kind.chance.permille(kind.permille))
    }

    /// Whether it happens because fewer faults than this have happened so far.
    pub fn strike_below(&self, fault: Fault, least: u64) -> bool {
        self.state().happened < least && self.strikes(fault, |kind| !kind.left_out)
    }

    fn strikes(&self, fault: Fault, decide: impl FnOnce(&mut Kind) -> bool) -> bool {
        let mut state = self.state();
        if !state.on || state.left == 0 {
            return false;
        }
        let Some(kind) = state.kinds.get_mut(&fault) else { return false };
        let strikes = decide(kind);
        if strikes {
            kind.happened += 1;
            state.happened += 1;
            state.left -= 1;
        }
        strikes
    }

    /// How bad it is: a draw from the fault's own stream.
    pub fn draw<T>(&self, fault: Fault, draw: impl FnOnce(&mut Chance) -> T) -> Option<T> {
        self.state().kinds.get_mut(&fault).map(|kind| draw(&mut kind.chance))
    }

    /// How often each has happened.
    pub fn happened(&self) -> BTreeMap<Fault, u64> {
        let state = self.state();
        state.kinds.iter().filter(|(_, kind)| kind.happened > 0).map(|(fault, kind)| (*fault, kind.happened)).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
