//! What shipping says of an order's goods.

use tradewind_engine::{Outcome, Uow};
use tradewind_events::{
    Id,
    shipping::{
        ShipmentAllocated, ShipmentDelivered, ShipmentDispatched, ShipmentReady, ShipmentRefused,
        ShipmentReleaseRefused, ShipmentReleased,
    },
};

use super::change_order;
use crate::{
    Query,
    model::{ShipmentState, earliest},
};

pub fn allocated(uow: &mut Uow<'_, Query>, allocated: &ShipmentAllocated) -> Outcome {
    reach(uow, &allocated.order.order_id, Some(&allocated.shipment_id), ShipmentState::Allocated)
}

pub fn refused(uow: &mut Uow<'_, Query>, refused: &ShipmentRefused) -> Outcome {
    reach(uow, &refused.order.order_id, None, ShipmentState::Refused)
}

pub fn ready(uow: &mut Uow<'_, Query>, ready: &ShipmentReady) -> Outcome {
    reach(uow, &ready.order.order_id, Some(&ready.shipment_id), ShipmentState::Ready)
}

pub fn released(uow: &mut Uow<'_, Query>, released: &ShipmentReleased) -> Outcome {
    reach(uow, &released.order.order_id, Some(&released.shipment_id), ShipmentState::Released)
}

/// The goods have left, so the order cannot be stopped: it is as it was before somebody asked.
pub fn release_refused(uow: &mut Uow<'_, Query>, refused: &ShipmentReleaseRefused) -> Outcome {
    change_order(uow, &refused.order.order_id, |order, told| {
        order.cancels_refused.insert(told.address);
        Ok(())
    })
}

pub fn dispatched(uow: &mut Uow<'_, Query>, dispatched: &ShipmentDispatched) -> Outcome {
    change_order(uow, &dispatched.order.order_id, |order, told| {
        order.shipment(Some(&dispatched.shipment_id), ShipmentState::Dispatched);
        order.dispatched(dispatched.carrier.as_ref(), dispatched.tracking.as_ref(), told.at);
        Ok(())
    })
}

pub fn delivered(uow: &mut Uow<'_, Query>, delivered: &ShipmentDelivered) -> Outcome {
    change_order(uow, &delivered.order.order_id, |order, told| {
        order.shipment(Some(&delivered.shipment_id), ShipmentState::Delivered);
        earliest(&mut order.delivered_at, &told.at);
        Ok(())
    })
}

fn reach(uow: &mut Uow<'_, Query>, order_id: &Id, shipment_id: Option<&Id>, state: ShipmentState) -> Outcome {
    change_order(uow, order_id, |order, _| {
        order.shipment(shipment_id, state);
        Ok(())
    })
}
