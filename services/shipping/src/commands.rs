//! What can be asked of shipping: send what is ready, say that it has arrived.

use std::sync::Arc;

use tradewind_engine::{Answer, Command, OrRefuse, Uow};
use tradewind_events::Id;

use crate::{
    Shipping,
    model::{SHIPMENT_NOT_FOUND, Shipment},
};

/// The goods leave.
#[derive(Debug, Clone, Command)]
#[command(owner = Shipping, name = "dispatch_shipment", answer = Shipment, key = order_id)]
pub struct DispatchShipment {
    pub order_id: Id,
    pub carrier: Option<Arc<str>>,
    pub tracking: Option<Arc<str>>,
}

/// The goods have arrived.
#[derive(Debug, Clone, Command)]
#[command(owner = Shipping, name = "deliver_shipment", answer = Shipment, key = order_id)]
pub struct DeliverShipment {
    pub order_id: Id,
}

pub fn dispatch(uow: &mut Uow<Shipping>, dispatch: &DispatchShipment) -> Answer<Shipment> {
    let mut shipment = shipment_of(uow, &dispatch.order_id)?;
    uow.emit(shipment.dispatch(dispatch.carrier.clone(), dispatch.tracking.clone(), uow.now())?);
    uow.put(shipment.clone());
    Ok(shipment)
}

pub fn deliver(uow: &mut Uow<Shipping>, deliver: &DeliverShipment) -> Answer<Shipment> {
    let mut shipment = shipment_of(uow, &deliver.order_id)?;
    uow.emit(shipment.deliver(uow.now())?);
    uow.put(shipment.clone());
    Ok(shipment)
}

fn shipment_of(uow: &mut Uow<Shipping>, order_id: &Id) -> Answer<Shipment> {
    uow.get::<Shipment>(order_id)?
        .or_refuse(|| SHIPMENT_NOT_FOUND.because(format!("nothing is allocated for order {order_id}")))
}
