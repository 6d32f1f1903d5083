//! One order's claim on stock.

use std::{sync::Arc, time::Duration};

use tradewind_engine::{Entity, injected};
use tradewind_events::{
    Id, Lines, OrderSummary, TextEnum, Timestamp,
    inventory::{
        Insufficient, ReservationCommitRefused, ReservationCommitted, ReservationExpired, ReservationMade,
        ReservationRefusal, ReservationRefused, ReservationReleased, ReservationRestocked,
    },
    orders::OrderPriced,
};

use crate::Inventory;

/// One order's claim on stock: all of its lines or none.
///
/// The row also keeps what came before `order.priced`, and that an order ended before anything was held for it.
/// Invariant: what `lines` name is part of `Stock::reserved` exactly while the state is `active`.
#[derive(Debug, Clone, PartialEq, Entity)]
#[entity(owner = Inventory, table = "reservation", key = order_id)]
pub struct Reservation {
    order_id: Id,
    /// None: nothing was ever held.
    reservation_id: Option<Id>,
    #[column(copy)]
    state: ReservationState,
    #[column(flat)]
    summary: Arc<OrderSummary>,
    /// What is or was held, each piece with its location; empty if nothing was.
    lines: Lines,
    /// `payment.authorized` has been heard.
    #[column(no_accessor)]
    paid: bool,
    /// `payment.requested` has been heard: it sets the expiry once more, and only once.
    extended: bool,
    /// How long the order wants stock to be held unpaid; none: as configured.
    ttl_seconds: Option<u32>,
    /// Of the order.
    deadline: Option<Timestamp>,
    expires_at: Option<Timestamp>,
}

/// `active`, until it is committed, released or expired; `committed` may still be restocked. All others are final.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, TextEnum)]
pub enum ReservationState {
    /// Something was heard of the order, but not yet what it wants.
    #[text("unheard")]
    Unheard,
    /// The order ended before anything was held.
    #[text("ended")]
    Ended,
    #[text("refused")]
    Refused,
    #[text("active")]
    Active,
    #[text("committed")]
    Committed,
    #[text("released")]
    Released,
    #[text("expired")]
    Expired,
    #[text("restocked")]
    Restocked,
}

/// Which claim moves a stock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    pub order_id: Id,
    pub reservation_id: Id,
}

/// What an order that ended gives back.
#[derive(Debug, Clone, PartialEq)]
pub enum Ended {
    Nothing,
    Released(ReservationReleased),
    Restocked(ReservationRestocked),
}

impl Reservation {
    /// An order of which nothing was known.
    pub fn unheard(order: &Arc<OrderSummary>) -> Self {
        Self {
            order_id: order.order_id.clone(),
            reservation_id: None,
            state: ReservationState::Unheard,
            summary: Arc::clone(order),
            lines: Lines::default(),
            paid: false,
            extended: false,
            ttl_seconds: None,
            deadline: None,
            expires_at: None,
        }
    }

    /// The claim, for as long as something is or was held.
    pub fn claim(&self) -> Option<Claim> {
        let reservation_id = self.reservation_id.clone()?;
        Some(Claim { order_id: self.order_id.clone(), reservation_id })
    }

    /// What the order wants is heard for the first time, and nothing has ended it.
    pub fn is_open(&self) -> bool {
        self.state == ReservationState::Unheard
    }

    /// Money came before anything was held.
    pub fn is_paid(&self) -> bool {
        self.paid
    }

    /// All lines are there: they are held until the time is over.
    pub fn hold(&mut self, priced: &OrderPriced, id: Id, lines: Lines, expires_at: Timestamp) -> ReservationMade {
        self.state = ReservationState::Active;
        self.reservation_id = Some(id.clone());
        self.summary = Arc::clone(&priced.order);
        self.lines = lines.clone();
        self.ttl_seconds = priced.reservation_ttl_seconds;
        self.deadline = Some(priced.deadline);
        self.expires_at = Some(expires_at);
        ReservationMade { reservation_id: id, order: Arc::clone(&priced.order), lines, expires_at }
    }

    /// Nothing is held, for good. Money that came before is answered as money that comes after.
    pub fn refuse(
        &mut self,
        order: &Arc<OrderSummary>,
        reason: ReservationRefusal,
        insufficient: Vec<Insufficient>,
    ) -> (ReservationRefused, Option<ReservationCommitRefused>) {
        self.state = ReservationState::Refused;
        self.summary = Arc::clone(order);
        let refused = ReservationRefused { order: Arc::clone(order), reason, insufficient: insufficient.into() };
        (refused, self.paid.then(|| self.commit_refused()))
    }

    /// Somebody was asked for the money and needs time to give it: once more the whole time, within the order's
    /// deadline. The new expiry, if it moved.
    pub fn extend(&mut self, now: Timestamp, ttl: Duration) -> Option<Timestamp> {
        let first = !std::mem::replace(&mut self.extended, true);
        let (ReservationState::Active, true, Some(expires_at)) = (self.state, first, self.expires_at) else {
            return None;
        };
        let wanted = now.plus(ttl_of(self.ttl_seconds, ttl));
        let until = self.deadline.map_or(wanted, |deadline| wanted.min(deadline));
        (until > expires_at).then(|| *self.expires_at.insert(until))
    }

    /// The order is paid: what was set aside is sold, whatever the clock says.
    /// `None` when it was sold already, when the order has ended, or when it came early and the reservation has to
    /// come first. Refuses a claim that was lost before the money came.
    pub fn paid(&mut self) -> Result<Option<ReservationCommitted>, ReservationCommitRefused> {
        self.paid = true;
        let late = injected("sold-after-expiry") && self.state == ReservationState::Expired;
        match (self.state, &self.reservation_id) {
            (state, Some(reservation_id)) if state == ReservationState::Active || late => {
                let reservation_id = reservation_id.clone();
                self.state = ReservationState::Committed;
                Ok(Some(ReservationCommitted {
                    reservation_id,
                    order: Arc::clone(&self.summary),
                    lines: self.lines.clone(),
                }))
            }
            (ReservationState::Refused | ReservationState::Released | ReservationState::Expired, _) => {
                Err(self.commit_refused())
            }
            _ => Ok(None),
        }
    }

    /// The order has ended: what was set aside is free again, what was sold comes back.
    pub fn ended(&mut self, reason: &str) -> Ended {
        let (order, lines) = (Arc::clone(&self.summary), self.lines.clone());
        match (self.state, self.reservation_id.clone()) {
            (ReservationState::Unheard, _) => {
                self.state = ReservationState::Ended;
                Ended::Nothing
            }
            (ReservationState::Active, Some(reservation_id)) => {
                self.state = ReservationState::Released;
                Ended::Released(ReservationReleased { reservation_id, order, lines, reason: reason.into() })
            }
            (ReservationState::Committed, Some(reservation_id)) => {
                self.state = ReservationState::Restocked;
                Ended::Restocked(ReservationRestocked { reservation_id, order, lines, reason: reason.into() })
            }
            _ => Ended::Nothing,
        }
    }

    /// Nobody paid in time.
    pub fn expire(&mut self, now: Timestamp) -> Option<ReservationExpired> {
        let (ReservationState::Active, Some(reservation_id), Some(expires_at)) =
            (self.state, self.reservation_id.clone(), self.expires_at)
        else {
            return None;
        };
        if now < expires_at {
            return None;
        }
        self.state = ReservationState::Expired;
        let (order, lines) = (Arc::clone(&self.summary), self.lines.clone());
        Some(ReservationExpired { reservation_id, order, lines, expires_at })
    }

    fn commit_refused(&self) -> ReservationCommitRefused {
        ReservationCommitRefused {
            reservation_id: self.reservation_id.clone(),
            order: Arc::clone(&self.summary),
            reason: self.state.as_str().into(),
        }
    }
}

/// How long an order's stock is held unpaid.
pub fn ttl_of(wanted_seconds: Option<u32>, configured: Duration) -> Duration {
    wanted_seconds.map_or(configured, |seconds| Duration::from_secs(u64::from(seconds)))
}
