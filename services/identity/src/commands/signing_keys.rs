//! Keys that sign tokens: the edge makes and encrypts them, here is decided which one signs.

use std::sync::Arc;

use tradewind_engine::{Answer, Command, OrRefuse, Uow};
use tradewind_events::{Id, identity::Jwk};

use super::{actors, realm};
use crate::{
    RETIRE_KEY,
    model::{Actor, Identity, SIGNING_KEY_CHANGED, SIGNING_KEY_UNKNOWN, SigningKey},
};

/// A new key signs from now on. The one before it verifies until the last token that it signed has expired.
#[derive(Clone, Command)]
#[command(owner = Identity, name = "publish_signing_key", key = kid)]
pub struct PublishSigningKey {
    pub kid: Id,
    pub public_jwk: Jwk,
    /// Encrypted.
    pub private_key: Arc<[u8]>,
    /// The key that signed when this one was made. Of two processes that make one at the same time, one is refused.
    pub replaces: Option<Id>,
    /// An admin, or the shop itself.
    pub actor: Actor,
}

/// A key is not to be trusted any more, at once: nothing that it signed is good.
#[derive(Debug, Clone, Command)]
#[command(owner = Identity, name = "retire_signing_key", key = kid)]
pub struct RetireSigningKey {
    pub kid: Id,
    /// An admin.
    pub actor: Actor,
}

pub fn publish_signing_key(uow: &mut Uow<'_, Identity>, publish: &PublishSigningKey) -> Answer<()> {
    actors::admin(uow, &publish.actor)?;
    let now = uow.now();
    let mut realm = realm(uow)?;
    if realm.active_kid() != publish.replaces.as_ref() || uow.get::<SigningKey>(&publish.kid)?.is_some() {
        return Err(SIGNING_KEY_CHANGED.problem().into());
    }
    if let Some(kid) = realm.active_kid() {
        let mut before = uow.load::<SigningKey>(kid)?;
        let retires_at = now.plus(uow.settings().access_token_ttl);
        before.replaced(retires_at);
        uow.put(before);
        uow.set_timer(&RETIRE_KEY, kid, retires_at);
    }
    let (key, published) =
        SigningKey::publish(publish.kid.clone(), publish.public_jwk.clone(), Arc::clone(&publish.private_key), now);
    realm.activate(publish.kid.clone());
    uow.put(realm);
    uow.put(key);
    uow.emit(published);
    Ok(())
}

/// Retiring a key twice changes nothing. After the active one no key signs, until the edge publishes the next.
pub fn retire_signing_key(uow: &mut Uow<'_, Identity>, retire: &RetireSigningKey) -> Answer<()> {
    actors::admin(uow, &retire.actor)?;
    let mut key = uow.get::<SigningKey>(&retire.kid)?.or_refuse(|| SIGNING_KEY_UNKNOWN.problem())?;
    let Some(retired) = key.retire(uow.now()) else { return Ok(()) };
    let mut realm = realm(uow)?;
    if realm.active_kid() == Some(&retire.kid) {
        realm.deactivate();
        uow.put(realm);
    }
    uow.cancel_timer(&RETIRE_KEY, &retire.kid);
    uow.put(key);
    uow.emit(retired);
    Ok(())
}
