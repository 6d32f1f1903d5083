//! How money moves through the books when an order goes on or ends. What moves is never zero.

use std::sync::Arc;

use tradewind_engine::{Outcome, Stop, Uow};
use tradewind_events::{Currency, Id, KeyText};

use crate::{
    Payments,
    model::{
        Account, AccountState, Book, Holder, HouseAccount, Movement, Payment, Posting, Refund, cause, house, post,
        reason,
    },
};

/// One side of a movement. The row of a customer is kept by whoever brings it, that of the house here.
pub(crate) enum Party<'a> {
    Customer(&'a mut Account),
    House(&'a KeyText),
}

/// What moves, and why.
pub(crate) struct Move<'a> {
    pub amount_minor: i64,
    pub currency: Currency,
    pub cause: &'a str,
    pub order_id: Option<&'a Id>,
    pub reference: Option<Arc<str>>,
    pub actor: Option<Arc<str>>,
}

impl<'a> Move<'a> {
    fn of(payment: &'a Payment, amount_minor: i64, cause: &'a str) -> Self {
        let currency = payment.order().currency;
        Self { amount_minor, currency, cause, order_id: Some(payment.order_id()), reference: None, actor: None }
    }
}

pub(crate) fn transfer(
    uow: &mut Uow<Payments>,
    from: Party<'_>,
    to: Party<'_>,
    what: Move<'_>,
) -> Result<Posting, Stop> {
    let movement = Movement {
        posting_id: uow.new_id(),
        amount_minor: what.amount_minor,
        cause: what.cause.into(),
        order_id: what.order_id.cloned(),
        reference: what.reference,
        actor: what.actor,
        posted_at: uow.now(),
    };
    let (mut from_house, mut to_house) = (None, None);
    let from = book(uow, from, what.currency, &mut from_house)?;
    let to = book(uow, to, what.currency, &mut to_house)?;
    let posting = post(from, to, movement).map_err(Stop::broken)?;
    uow.put(posting.clone());
    for house in [from_house, to_house].into_iter().flatten() {
        uow.put(house);
    }
    Ok(posting)
}

fn book<'a>(
    uow: &mut Uow<Payments>,
    party: Party<'a>,
    currency: Currency,
    loaded: &'a mut Option<HouseAccount>,
) -> Result<&'a mut dyn Book, Stop> {
    Ok(match party {
        Party::Customer(account) => account,
        Party::House(name) => {
            let house = uow.get::<HouseAccount>((name, currency))?;
            loaded.insert(house.unwrap_or_else(|| HouseAccount::new(name.clone(), currency)))
        }
    })
}

/// Sets aside what an order costs, or says why it cannot.
pub(super) fn hold(uow: &mut Uow<Payments>, payment: &Payment) -> Result<Option<&'static str>, Stop> {
    let Some(mut account) = uow.get::<Account>((&payment.order().customer_id, payment.order().currency))? else {
        return Ok(Some(reason::NO_ACCOUNT));
    };
    let amount_minor = payment.amount_minor();
    if let Some(reason) = account.refuses(amount_minor) {
        return Ok(Some(reason));
    }
    let what = Move::of(payment, amount_minor, cause::HOLD);
    let posting = transfer(uow, Party::Customer(&mut account), Party::House(&house::HELD), what)?;
    account.hold(amount_minor);
    uow.emit(account.debited(&posting));
    uow.put(account);
    Ok(None)
}

/// What is held for an order goes back to its customer.
pub(super) fn unhold(uow: &mut Uow<Payments>, payment: &Payment) -> Outcome {
    let mut account = account_of(uow, payment)?;
    let what = Move::of(payment, payment.authorized_minor(), cause::VOID);
    let posting = transfer(uow, Party::House(&house::HELD), Party::Customer(&mut account), what)?;
    account.unhold(payment.authorized_minor());
    uow.emit(account.credited(&posting));
    close_if_due(uow, &mut account)?;
    uow.put(account);
    Ok(())
}

/// What an order cost is ours.
pub(super) fn capture(uow: &mut Uow<Payments>, payment: &Payment) -> Outcome {
    let clearing = match payment.holder() {
        Holder::Nobody => return Ok(()),
        Holder::Balance => {
            let mut account = account_of(uow, payment)?;
            account.unhold(payment.authorized_minor());
            close_if_due(uow, &mut account)?;
            uow.put(account);
            house::HELD
        }
        Holder::Provider => house::clearing(&uow.settings().provider).map_err(Stop::broken)?,
        Holder::External => house::EXTERNAL,
    };
    let what = Move::of(payment, payment.authorized_minor(), cause::CAPTURE);
    transfer(uow, Party::House(&clearing), Party::House(&house::REVENUE), what)?;
    Ok(())
}

/// A refund leaves us: the way the money came, or by other means when an operator settled it.
pub(super) fn refund(uow: &mut Uow<Payments>, payment: &Payment, refund: &Refund) -> Outcome {
    let mut what = Move::of(payment, refund.amount_minor(), cause::REFUND);
    what.reference = Some(refund.refund_id().shared());
    what.actor = refund.requested_by().cloned();
    if refund.settled_by().is_some() {
        what.cause = cause::SETTLE;
        what.actor = refund.settled_by().cloned();
        transfer(uow, Party::House(&house::REVENUE), Party::House(&house::SETTLEMENT), what)?;
        return Ok(());
    }
    let clearing = match payment.holder() {
        Holder::Nobody => return Ok(()),
        Holder::Balance => return refund_to_account(uow, payment, what),
        Holder::Provider => house::clearing(&uow.settings().provider).map_err(Stop::broken)?,
        Holder::External => house::EXTERNAL,
    };
    transfer(uow, Party::House(&house::REVENUE), Party::House(&clearing), what)?;
    Ok(())
}

/// To the customer's account; what comes for one that is closed is payable.
fn refund_to_account(uow: &mut Uow<Payments>, payment: &Payment, what: Move<'_>) -> Outcome {
    let mut account = account_of(uow, payment)?;
    let revenue = Party::House(&house::REVENUE);
    if account.state() == AccountState::Closed {
        let amount_minor = what.amount_minor;
        transfer(uow, revenue, Party::House(&house::PAYABLE), what)?;
        account.owe(amount_minor, uow.now()).map_err(Stop::broken)?;
        uow.put(account);
        return Ok(());
    }
    let posting = transfer(uow, revenue, Party::Customer(&mut account), what)?;
    uow.emit(account.credited(&posting));
    uow.put(account);
    Ok(())
}

/// Closes an account that nothing keeps open any more; what is left in it is payable.
pub(super) fn close_if_due(uow: &mut Uow<Payments>, account: &mut Account) -> Outcome {
    if !account.can_close() {
        return Ok(());
    }
    let (left_minor, currency) = (account.balance_minor(), account.currency());
    if left_minor > 0 {
        let reference = Some(account.customer_id().shared());
        let what =
            Move { amount_minor: left_minor, currency, cause: cause::CLOSE, order_id: None, reference, actor: None };
        transfer(uow, Party::Customer(account), Party::House(&house::PAYABLE), what)?;
        account.owe(left_minor, uow.now()).map_err(Stop::broken)?;
    }
    let closed = account.close(left_minor, uow.now());
    uow.emit(closed);
    Ok(())
}

fn account_of(uow: &mut Uow<Payments>, payment: &Payment) -> Result<Account, Stop> {
    uow.load::<Account>((&payment.order().customer_id, payment.order().currency))
}
