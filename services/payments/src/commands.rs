//! What payments is asked to do: by staff and operators, by whoever authorizes from outside, by the provider's callback.

mod callback;
mod credit;
mod external;
mod operator;
mod owed;

pub use callback::{ProviderCallback, provider_callback};
pub use credit::{CREDIT_MINOR_MAX, CreditAccount, credit_account};
pub use external::{AuthorizeExternal, ExternalAuthorization, FailExternal, Via, authorize_external, fail_external};
pub use operator::{CapturePayment, RefundPayment, capture_payment, refund_payment};
pub use owed::{Owed, RetryOwed, SettleOwed, SettlePayable, retry_owed, settle_owed, settle_payable};

use tradewind_engine::{OrRefuse, Stop, Uow};
use tradewind_events::Id;

use crate::{
    Payments,
    model::{PAYMENT_NOT_FOUND, Payment, PaymentState},
};

/// The payment of an order, once it was asked for or the order has ended.
fn payment_of(uow: &mut Uow<Payments>, order_id: &Id) -> Result<Payment, Stop> {
    let payment = uow.get::<Payment>(order_id)?.filter(|payment| payment.state() != PaymentState::Unheard);
    payment.or_refuse(|| PAYMENT_NOT_FOUND.because(format!("no payment of order {order_id} has been asked for")))
}
