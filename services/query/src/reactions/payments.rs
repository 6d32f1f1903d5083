//! What payments says of an order's money.

use tradewind_engine::{Outcome, Stop, Uow};
use tradewind_events::{
    Id, minus,
    payments::{
        PaymentAuthorized, PaymentCaptureFailed, PaymentCaptured, PaymentFailed, PaymentRefunded, PaymentRequested,
        PaymentVoided,
    },
};

use super::{change_order, move_sales, told};
use crate::{
    Query,
    model::{PaymentState, RefundView, Sums, earliest},
};

pub fn requested(uow: &mut Uow<'_, Query>, requested: &PaymentRequested) -> Outcome {
    reach(uow, &requested.order.order_id, &requested.payment_id, PaymentState::Requested)
}

pub fn authorized(uow: &mut Uow<'_, Query>, authorized: &PaymentAuthorized) -> Outcome {
    change_order(uow, &authorized.order.order_id, |order, told| {
        order.authorized(&authorized.payment_id, authorized.amount_minor, told.at);
        Ok(())
    })
}

pub fn failed(uow: &mut Uow<'_, Query>, failed: &PaymentFailed) -> Outcome {
    reach(uow, &failed.order.order_id, &failed.payment_id, PaymentState::Failed)
}

pub fn captured(uow: &mut Uow<'_, Query>, captured: &PaymentCaptured) -> Outcome {
    change_order(uow, &captured.order.order_id, |order, _| {
        order.captured(&captured.payment_id, captured.amount_minor, captured.captured_at);
        Ok(())
    })
}

pub fn capture_failed(uow: &mut Uow<'_, Query>, failed: &PaymentCaptureFailed) -> Outcome {
    change_order(uow, &failed.order.order_id, |order, told| {
        order.payment(&failed.payment_id, PaymentState::CaptureFailed);
        earliest(&mut order.capture_failed_at, &told.at);
        Ok(())
    })
}

pub fn voided(uow: &mut Uow<'_, Query>, voided: &PaymentVoided) -> Outcome {
    reach(uow, &voided.order.order_id, &voided.payment_id, PaymentState::Voided)
}

/// Money went back: a row a refund, so that each counts once in its order and on its day.
pub fn refunded(uow: &mut Uow<'_, Query>, refunded: &PaymentRefunded) -> Outcome {
    let (order_id, told) = (&refunded.order.order_id, told(uow)?);
    let before = uow.get::<RefundView>((order_id, &refunded.refund_id))?;
    let new = RefundView {
        order_id: order_id.clone(),
        refund_id: refunded.refund_id.clone(),
        currency: refunded.order.currency,
        amount_minor: refunded.amount_minor,
        reason: refunded.reason.clone(),
        refunded_at: told.at,
        since_segment: told.address.segment,
    };
    let after = before.clone().map_or_else(|| new.clone(), |before| before.merged(new.clone()));
    if before.as_ref() == Some(&after) {
        return Ok(());
    }
    let counted_minor = before.as_ref().map_or(0, |before| before.amount_minor);
    let more_minor = minus(after.amount_minor, counted_minor).map_err(Stop::broken)?;
    change_order(uow, order_id, |order, _| order.refunded(&refunded.payment_id, more_minor).map_err(Stop::broken))?;
    let counted = before.map_or_else(Sums::new, |before| before.sales());
    move_sales(uow, &counted, &after.sales(), after.since_segment)?;
    uow.put(after);
    Ok(())
}

fn reach(uow: &mut Uow<'_, Query>, order_id: &Id, payment_id: &Id, state: PaymentState) -> Outcome {
    change_order(uow, order_id, |order, _| {
        order.payment(payment_id, state);
        Ok(())
    })
}
