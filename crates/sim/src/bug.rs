//! Known defects that can be put in one at a time, to show that the simulation sees them.

use tradewind_engine::{
    Entity, Handling,
    ports::{Commit, RowWrite},
    tables::InboxRow,
};
use tradewind_events::Value;
use tradewind_inventory::{Reservation, Stock};

macro_rules! bugs {
    ($($(#[$doc:meta])* $bug:ident $name:literal,)+) => {
        /// A defect that others have shipped.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Bug {
            $($(#[$doc])* $bug,)+
        }

        impl Bug {
            pub const ALL: &[Self] = &[$(Self::$bug,)+];

            /// As it is named on a command line.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$bug => $name,)+
                }
            }
        }
    };
}

bugs! {
    /// O6: the relay saves its mark before the broker has acknowledged.
    MarkBeforeAck "mark-before-ack",
    /// O9: after a failure the relay goes on with what comes next, and comes back to what failed.
    RetryOutOfOrder "retry-out-of-order",
    /// O12: a commit is published by whoever made it; after a crash in between nobody does.
    PublishOnlyFromMemory "publish-only-from-memory",
    /// O20: a message is acknowledged when it is taken, not when its effect is committed.
    AckBeforeCommit "ack-before-commit",
    /// O23: the inbox is not kept.
    InboxForgotten "inbox-forgotten",
    /// C3: stock that expires is not given back in full.
    StockDrifts "stock-drifts",
    /// Inventory does not act on the end of an order.
    EndUnheard "end-unheard",
}

impl Bug {
    /// Whether a handler is not run at all.
    pub(crate) fn passes_over(self, handling: &Handling<'_>) -> bool {
        self == Self::EndUnheard && handling.service == "inventory" && handling.message == "order.cancelled"
    }

    /// Changes what is committed.
    pub(crate) fn spoil(self, commit: &mut Commit) {
        match self {
            Self::InboxForgotten => commit.rows.retain(|row| row.table.name != InboxRow::TABLE.name),
            Self::StockDrifts => drift(commit),
            _ => {}
        }
    }
}

fn drift(commit: &mut Commit) {
    let state = Reservation::TABLE.position("state");
    let expires = commit.rows.iter().any(|change| {
        change.table.name == Reservation::TABLE.name
            && matches!((&change.write, state), (RowWrite::Update { row, .. }, Some(state))
                if row.values[state] == Value::Text("expired".into()))
    });
    let reserved = Stock::TABLE.position("reserved");
    for change in commit.rows.iter_mut().filter(|change| expires && change.table.name == Stock::TABLE.name) {
        if let (RowWrite::Update { row, .. }, Some(reserved)) = (&mut change.write, reserved)
            && let Value::Int(reserved) = &mut row.values[reserved]
        {
            *reserved += 1;
        }
    }
}
