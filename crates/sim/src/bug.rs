//! Known bugs that can be put in one at a time, to prove that the simulation sees them. Each is one line where somebody
//! would make it: in a service, or in the engine.

macro_rules! bugs {
    ($($bug:ident $name:literal $row:literal $says:literal,)+) => {
        /// A bug that others have shipped, or that this shop is one line away from.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Bug {
            $(#[doc = $says] $bug,)+
        }

        impl Bug {
            pub const ALL: &[Self] = &[$(Self::$bug,)+];

            /// As it is named on a command line, and where it is put in.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$bug => $name,)+
                }
            }

            /// Its number among the known ways to get a shop (C) or an outbox (O) wrong.
            pub const fn number(self) -> &'static str {
                match self {
                    $(Self::$bug => $row,)+
                }
            }

            /// What is wrong, as a sentence.
            pub const fn says(self) -> &'static str {
                match self {
                    $(Self::$bug => $says,)+
                }
            }
        }
    };
}

bugs! {
    SoldTwice "sold-twice" "C1" "Two buyers get the last unit: a claim looks at what is on the shelf, not at what is free.",
    StockDrifts "stock-drifts" "C3" "Reservations and the reserved quantity drift apart: what expires is not given back whole.",
    SoldAfterExpiry "sold-after-expiry" "C7" "A payment that comes after its reservation has expired sells stock that was let go.",
    BalanceSpentTwice "balance-spent-twice" "C8" "A balance is spent twice: what is held for other orders still counts as there.",
    FailureRecordedAsPaid "failure-recorded-as-paid" "C12" "A charge that the provider refused is recorded as taken.",
    StatusGoesBack "status-goes-back" "C12" "An order that was cancelled goes back to confirmed when a late fact comes.",
    MarkBeforeAck "mark-before-ack" "O6" "The relay moves its mark before the broker has acknowledged.",
    PartForWhole "part-for-whole" "O5" "A segment of which the broker has acknowledged a part counts as published.",
    RetryOutOfOrder "retry-out-of-order" "O9" "After a failure the relay sends what comes next, and then what failed.",
    PublishOnlyFromMemory "publish-only-from-memory" "O12" "Commit, then publish: what a process did not get to publish nobody publishes.",
    AckBeforeCommit "ack-before-commit" "O20" "A message is acknowledged when it is taken, not when its effect is committed.",
    FailedAckStopsPolling "failed-ack-stops-polling" "T9" "After a failed acknowledgement nothing is polled, and polling is what connects again.",
    StopDrainsBacklog "stop-drains-backlog" "-" "A process that is stopped publishes its whole backlog before it ends.",
    StopForgetsMark "stop-forgets-mark" "-" "A stop does not save how far the relay has published.",
    StopForgetsReceipts "stop-forgets-receipts" "-" "A stop leaves the group without the last acknowledgements.",
    InboxApart "inbox-apart" "O23" "The inbox is written in a transaction of its own, after the effect.",
    InboxPrunedEarly "inbox-pruned-early" "O31" "Rows of the inbox are forgotten while the broker may still repeat their messages.",
    InboxSwallowsNeighbour "inbox-swallows-neighbour" "-" "A range of the inbox takes in the event between two that were received.",
    ColdRowsFail "cold-rows-fail" "-" "A handler works only with rows in memory: after two loads it is given up.",
    EndForgotten "end-forgotten" "-" "Shipping forgets the end of an order of which it knew nothing.",
    DueByTwoClocks "due-by-two-clocks" "-" "A timer is found due by the clock, and fired by the time of a batch that was open before: it is lost.",
    TimeGoesBack "time-goes-back" "-" "Time goes back with the wall clock: what is due waits for as long as that.",
    RejectionEndsEngine "rejection-ends-engine" "T3" "A row that the store rejects for one message is taken for a failed store, and ends the engine.",
    ParkedOvertaken "parked-overtaken" "-" "A consumer that is resumed handles what is new before what was parked for it.",
    CancelUnasked "cancel-unasked" "-" "A confirmed order is cancelled without asking shipping, while goods may be leaving.",
}
