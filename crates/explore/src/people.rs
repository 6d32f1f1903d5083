//! What people may want at any moment, by what a service has in its rows, and what the provider may call back about.

use std::sync::Arc;

use tradewind_events::id;
use tradewind_orders::{CancelOrder, Order};
use tradewind_payments::{
    Account, Payment, Refund, Surplus,
    commands::{
        AuthorizeExternal, CapturePayment, FailExternal, Owed, ProviderCallback, RefundPayment, RetryOwed, SettleOwed,
        SettlePayable, Via,
    },
    model::{Holder, RefundState, SurplusState},
};
use tradewind_shipping::{DeliverShipment, DispatchShipment, Shipment};

use crate::{
    provider::News,
    scenario::{customer_id, eur, order_id},
    stimulus::{Wish, wish},
    stores::Local,
};

/// A wish, and what it counts as.
pub struct Offer {
    pub wish: Arc<dyn Wish>,
    pub kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It brings the order further: while it can be done, the order is not stuck.
    Onward,
    /// It has what is owed tried once more, or settles it.
    Mend,
    /// It can be done, and the order comes no further by it.
    Aside,
    /// An operator ends the order, and is bound to do it once.
    Force,
    /// Somebody outside pays more or other than they should.
    Fault,
}

/// Of a refund of a part, in minor units.
const PART_MINOR: i64 = 100;

/// Everything that somebody may ask of the service of these rows. Most of it will be refused.
pub fn offers(local: &Local) -> Vec<Offer> {
    let mut offers = Vec::new();
    if local.row::<Order>(order_id()).is_some() {
        cancels(&mut offers);
    }
    if local.row::<Shipment>(order_id()).is_some() {
        let dispatch = DispatchShipment { order_id: order_id(), carrier: None, tracking: None };
        add(&mut offers, Kind::Onward, "staff dispatches the shipment", dispatch);
        add(&mut offers, Kind::Onward, "the shipment arrives", DeliverShipment { order_id: order_id() });
    }
    if let Some(payment) = local.row::<Payment>(order_id()) {
        money(local, payment, &mut offers);
    }
    for account in local.each::<Account>().filter(|account| account.payable_minor() > 0) {
        let (customer_id, currency, actor) = (account.customer_id().clone(), account.currency(), "staff".into());
        let settle = SettlePayable { customer_id, currency, amount_minor: account.payable_minor(), actor };
        add(&mut offers, Kind::Aside, "an operator pays out what is owed to the deleted customer", settle);
    }
    offers
}

fn add<C>(offers: &mut Vec<Offer>, kind: Kind, words: &str, command: C)
where
    C: tradewind_engine::Command + std::fmt::Debug,
{
    offers.push(Offer { wish: wish(words, command), kind });
}

fn cancels(offers: &mut Vec<Offer>) {
    let customer = CancelOrder { order_id: order_id(), customer: Some(customer_id()), reason: None };
    add(offers, Kind::Aside, "the customer cancels the order", customer);
    let operator = CancelOrder { order_id: order_id(), customer: None, reason: None };
    add(offers, Kind::Force, "an operator cancels the order", operator);
}

fn money(local: &Local, payment: &Payment, offers: &mut Vec<Offer>) {
    let capture = CapturePayment { order_id: order_id() };
    add(offers, Kind::Aside, "an operator has the money taken once more", capture);
    for (words, amount_minor) in
        [("an operator gives the money back", None), ("an operator gives a part of the money back", Some(PART_MINOR))]
    {
        // Part after part would never end.
        if amount_minor.is_some() && payment.refunds() > 0 {
            continue;
        }
        let (reason, actor) = ("it broke".into(), "staff".into());
        add(
            offers,
            Kind::Aside,
            words,
            RefundPayment { order_id: order_id(), refund_id: None, amount_minor, reason, actor },
        );
    }
    for (what, owed) in owed(local, payment) {
        let retry = RetryOwed { order_id: order_id(), owed: owed.clone() };
        add(offers, Kind::Mend, &format!("an operator has {what} tried once more"), retry);
        let settle = SettleOwed { order_id: order_id(), owed, actor: "staff".into() };
        add(offers, Kind::Mend, &format!("an operator settles {what} by other means"), settle);
    }
    if payment.holder() == Holder::External {
        outside(payment, offers);
    }
}

/// What cannot be given back by itself.
fn owed(local: &Local, payment: &Payment) -> Vec<(String, Owed)> {
    let mut owed = Vec::new();
    if payment.owed_since().is_some() {
        owed.push(("the hold".to_owned(), Owed::Hold));
    }
    for refund in local.each::<Refund>().filter(|refund| refund.state() == RefundState::Refused) {
        let refund_id = refund.refund_id().clone();
        owed.push((format!("refund {refund_id}"), Owed::Refund { refund_id }));
    }
    for surplus in local.each::<Surplus>().filter(|surplus| surplus.state() == SurplusState::Refused) {
        let reference = surplus.reference().clone();
        owed.push((format!("the surplus {reference}"), Owed::Surplus { reference }));
    }
    owed
}

/// Whoever else is to pay does or does not, twice or wrongly.
fn outside(payment: &Payment, offers: &mut Vec<Offer>) {
    let authorize = |reference: &str, more_minor: i64, via: Via| AuthorizeExternal {
        order_id: order_id(),
        reference: id(reference),
        amount_minor: payment.amount_minor() + more_minor,
        currency: eur(),
        via,
    };
    let fail = FailExternal { order_id: order_id(), reason: "no money".into() };
    add(offers, Kind::Aside, "somebody outside authorizes the payment", authorize("paid-1", 0, Via::Api));
    add(offers, Kind::Aside, "somebody outside fails the payment", fail);
    add(offers, Kind::Fault, "somebody outside pays a second time", authorize("paid-2", 0, Via::Api));
    add(offers, Kind::Fault, "somebody outside pays another amount", authorize("paid-3", 1, Via::Contract));
}

/// The provider calls back.
pub fn callback(news: &News) -> Arc<dyn Wish> {
    let News { reference, state, amount_minor, refund_id } = news.clone();
    let words = format!("the provider calls back: {reference} is {state}");
    let callback = ProviderCallback {
        order_id: order_id(),
        reference,
        state,
        amount_minor,
        currency: eur(),
        refund_id,
        reason: None,
    };
    wish(words, callback)
}
