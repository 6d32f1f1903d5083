//! What identity does by itself: it retires keys, and hears what became of its mails.

use tradewind_engine::{Finished, Outcome, Uow};
use tradewind_events::Id;

use crate::{
    commands::SendIdentityMail,
    model::{Identity, SigningKey},
};

/// The last token that a replaced key signed has expired.
pub fn retire_key(uow: &mut Uow<'_, Identity>, kid: &Id) -> Outcome {
    let mut key = uow.load::<SigningKey>(kid)?;
    if let Some(retired) = key.retire(uow.now()) {
        uow.put(key);
        uow.emit(retired);
    }
    Ok(())
}

/// Nothing follows from it: who did not get the mail asks for another. The job, and the token in it, is gone.
#[expect(clippy::unnecessary_wraps, reason = "the shape of every handler")]
pub fn mail_ended(_uow: &mut Uow<'_, Identity>, _mail: &Finished<SendIdentityMail>) -> Outcome {
    Ok(())
}
