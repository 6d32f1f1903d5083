//! Service clients: programs with an id and a secret of their own. The edge draws the secret and shows it once.

use std::sync::Arc;

use tradewind_engine::{Answer, Command, OrRefuse, Uow};
use tradewind_events::Id;

use super::actors;
use crate::model::{Actor, CLIENT_NAME_CHARS_MAX, CLIENT_NAME_INVALID, CLIENT_UNKNOWN, Client, Identity};

#[derive(Debug, Clone, Command)]
#[command(owner = Identity, name = "create_client", answer = Client)]
pub struct CreateClient {
    pub name: Arc<str>,
    /// SHA-256 of the secret.
    pub secret_hash: Id,
    /// An admin.
    pub actor: Actor,
}

/// The secret and the access tokens of a client are good for nothing any more. Doing it twice changes nothing.
#[derive(Debug, Clone, Command)]
#[command(owner = Identity, name = "revoke_client", answer = Client, key = client_id)]
pub struct RevokeClient {
    pub client_id: Id,
    /// An admin.
    pub actor: Actor,
}

pub fn create_client(uow: &mut Uow<'_, Identity>, create: &CreateClient) -> Answer<Client> {
    actors::admin(uow, &create.actor)?;
    let name = create.name.trim();
    if name.is_empty() || name.chars().count() > CLIENT_NAME_CHARS_MAX || name.chars().any(char::is_control) {
        let what = format!("A name has 1 to {CLIENT_NAME_CHARS_MAX} characters and no control characters.");
        return Err(CLIENT_NAME_INVALID.because(what).at("name").into());
    }
    let client = Client::create(uow.new_id(), name.into(), create.secret_hash.clone(), &create.actor, uow.now());
    uow.put(client.clone());
    Ok(client)
}

pub fn revoke_client(uow: &mut Uow<'_, Identity>, revoke: &RevokeClient) -> Answer<Client> {
    actors::admin(uow, &revoke.actor)?;
    let mut client = uow.get::<Client>(&revoke.client_id)?.or_refuse(|| CLIENT_UNKNOWN.problem())?;
    if let Some(revoked) = client.revoke(uow.now()) {
        uow.put(client.clone());
        uow.emit(revoked);
    }
    Ok(client)
}
