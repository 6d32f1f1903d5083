//! What inventory says of an order's claim on stock.

use tradewind_engine::{Outcome, Uow};
use tradewind_events::{
    Id,
    inventory::{
        ReservationCommitted, ReservationExpired, ReservationMade, ReservationRefused, ReservationReleased,
        ReservationRestocked,
    },
};

use super::change_order;
use crate::{
    Query,
    model::ReservationState::{self, Active, Committed, Expired, Refused, Released, Restocked},
};

pub fn made(uow: &mut Uow<'_, Query>, made: &ReservationMade) -> Outcome {
    reach(uow, &made.order.order_id, Some(&made.reservation_id), Active)
}

pub fn refused(uow: &mut Uow<'_, Query>, refused: &ReservationRefused) -> Outcome {
    reach(uow, &refused.order.order_id, None, Refused)
}

pub fn committed(uow: &mut Uow<'_, Query>, committed: &ReservationCommitted) -> Outcome {
    reach(uow, &committed.order.order_id, Some(&committed.reservation_id), Committed)
}

pub fn released(uow: &mut Uow<'_, Query>, released: &ReservationReleased) -> Outcome {
    reach(uow, &released.order.order_id, Some(&released.reservation_id), Released)
}

pub fn expired(uow: &mut Uow<'_, Query>, expired: &ReservationExpired) -> Outcome {
    reach(uow, &expired.order.order_id, Some(&expired.reservation_id), Expired)
}

pub fn restocked(uow: &mut Uow<'_, Query>, restocked: &ReservationRestocked) -> Outcome {
    reach(uow, &restocked.order.order_id, Some(&restocked.reservation_id), Restocked)
}

fn reach(uow: &mut Uow<'_, Query>, order_id: &Id, reservation_id: Option<&Id>, state: ReservationState) -> Outcome {
    change_order(uow, order_id, |order, _| {
        order.reservation(reservation_id, state);
        Ok(())
    })
}
