//! A request that came through its gate: who asks, and how its command goes to the engine.

use std::{
    future::Future,
    ops::Deref,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    extract::FromRequestParts,
    http::{HeaderValue, StatusCode, request},
    response::Response,
};
use tradewind_engine::{
    Audit, Command, CommandMessage, Context, Idempotency, Refusal,
    operator::{Done as OperatorDone, Operator},
    tables::IdempotencyRow,
};
use tradewind_events::{Id, Personal, Timestamp};
use tradewind_identity::model::{Actor, PasswordHash, Role};

use super::{
    address::Client,
    answer::{Answer, Sent, replayed},
    describe::{Describe, Describer},
    gate::bearer_token,
    places::{Place, Places},
    problem::Failure,
    refusals::NOT_SIGNED_IN,
};
use crate::{
    hub::Watch,
    identity::{Bearer, Checked},
    shop::Shop,
};

/// Who asks, as an access token says.
pub type Principal = Bearer;

/// A request, for its handler. It is a shop too: `call.load(…)`.
#[derive(Clone)]
pub struct Call(Arc<Parts>);

/// What a request is made of.
pub struct Parts {
    pub shop: Shop,
    pub context: Context,
    pub(super) client: Client,
    pub principal: Option<Principal>,
    /// What shows the principal.
    pub(super) authorization: Option<HeaderValue>,
    pub idempotency: Option<Idempotency>,
    /// Among the requests that are answered, until it is or waits for an outcome.
    pub(super) place: Mutex<Option<Place>>,
    pub(super) must_own: bool,
    pub(super) owned: AtomicBool,
    /// What the audit trail tells of it, if it tells anything.
    pub(super) audit: Option<Audit>,
    pub(super) audited: AtomicBool,
}

/// How long the client is ready to wait for the outcome, if it is: `Prefer: wait=N` (RFC 7240).
#[derive(Debug, Clone, Copy)]
pub struct Wait(pub Option<Duration>);

/// How long the client is ready to wait until what it reads is there, if it is: `Prefer: wait=N` on a read.
#[derive(Debug, Clone, Copy)]
pub struct WaitUntilFound(Option<Duration>);

/// Who waits looks again so often even when nothing was said here: what another store says may change a row silently.
const LOOK_EVERY: Duration = Duration::from_millis(200);

impl Call {
    pub(super) fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// Sends a command, and makes its answer when the effect is durable. `answer` runs on a thread of the engine, once:
    /// whoever repeats the request gets the same bytes.
    pub async fn submit<C: Command, A: Answer>(
        &self,
        command: C,
        answer: impl Fn(&C::Answer) -> A + Send + 'static,
    ) -> Result<Sent<A>, Failure> {
        let message = CommandMessage::new(command, self.0.context.clone(), move |told| answer(told).stored());
        self.send(message).await
    }

    /// The same for an operator's action on the engine.
    pub async fn operate<A: Answer>(
        &self,
        operator: Operator,
        answer: impl Fn(&OperatorDone) -> A + Send + 'static,
    ) -> Result<Sent<A>, Failure> {
        let message = CommandMessage::operator(operator, self.0.context.clone(), move |told| answer(told).stored());
        self.send(message).await
    }

    async fn send<A>(&self, message: CommandMessage) -> Result<Sent<A>, Failure> {
        self.0.audited.store(true, Ordering::Release);
        let message = message.idempotent(self.0.idempotency.clone()).audited(self.0.audit.clone());
        Ok(Sent::new(self.0.shop.send(message).await?))
    }

    /// Sends a command whose answer the handler itself looks at. Nothing is kept under an idempotency key.
    pub async fn ask<C: Command>(&self, command: C) -> Result<C::Answer, Failure> {
        Ok(self.0.shop.run_in(command, self.0.context.clone()).await?)
    }

    /// The same request was followed before under its key: whatever it came with may no longer be so.
    pub async fn is_repeated(&self) -> Result<bool, Failure> {
        Ok(self.before().await?.is_some())
    }

    /// The answer of then.
    pub(super) async fn answered_before(&self) -> Result<Option<Response>, Failure> {
        Ok(self.before().await?.map(replayed))
    }

    async fn before(&self) -> Result<Option<IdempotencyRow>, Failure> {
        let Some(Idempotency { scope, key, fingerprint }) = &self.0.idempotency else { return Ok(None) };
        let row = self.load::<IdempotencyRow>((scope, key)).await?;
        Ok(row.filter(|row| row.fingerprint == *fingerprint))
    }

    /// Takes a place among those who wait for an outcome, and leaves the one among the requests. `None`: there is none.
    pub fn begins_to_wait(&self) -> Option<Place> {
        let place = self.place_among(&self.waits).ok()?;
        drop(self.0.place.lock().unwrap_or_else(PoisonError::into_inner).take());
        Some(place)
    }

    /// Reads something that may be on its way here from another store. Where it is not found, this looks again whenever
    /// an event of `key` is handled here, for as long as the client prefers to wait.
    pub async fn until_found<T, Reading: Future<Output = Result<T, Failure>> + Send>(
        &self,
        WaitUntilFound(wait): WaitUntilFound,
        key: &Id,
        read: impl Fn() -> Reading + Send + Sync,
    ) -> Result<T, Failure> {
        let Some(wait) = wait else { return read().await };
        let give_up_at = self.clock().now().plus(wait);
        let mut place = None;
        loop {
            // Watched before the row is read, so that nothing is missed between the two.
            let mut watch = self.hub.watch(key);
            let found = read().await;
            let is_missing = matches!(&found, Err(failure) if failure.status() == StatusCode::NOT_FOUND);
            if !is_missing || self.stopping.is_stopping() || self.clock().now() >= give_up_at {
                return found;
            }
            // Without a place it is as if the time were over: to wait is a preference.
            place = place.or_else(|| self.begins_to_wait());
            if place.is_none() {
                return found;
            }
            self.news(&mut watch, give_up_at).await;
        }
    }

    /// Waits until it is worth looking again: an event has come, a while is over, it is time to give up, or the shop
    /// stops.
    pub async fn news(&self, watch: &mut Watch, give_up_at: Timestamp) {
        let said = async {
            tokio::select! {
                heard = tokio::time::timeout(LOOK_EVERY, watch.next()) => drop(heard),
                () = self.stopping.stopped() => {}
            }
        };
        self.alarm.until(give_up_at, said).await;
    }

    /// A place of this caller.
    pub(super) fn place_among(&self, places: &Places) -> Result<Place, Failure> {
        places.admit(self.0.client, self.0.principal.as_ref().map(|principal| &principal.id))
    }

    /// Checks that a new password is good enough, and hashes it, in a place of this caller.
    pub async fn hash_password(
        &self,
        password: Personal<String>,
        field: &'static str,
    ) -> Result<PasswordHash, Failure> {
        let place = self.place_among(self.passwords.places())?;
        self.passwords.hash(password, field, Some(place)).await
    }

    /// Verifies a password, in a place of this caller.
    pub async fn verify_password(
        &self,
        password: Personal<String>,
        hash: Option<PasswordHash>,
    ) -> Result<Checked, Failure> {
        let place = self.place_among(self.passwords.places())?;
        self.passwords.verify(password, hash, place).await
    }

    /// The token of who asks, if somebody is known to ask.
    pub(super) fn token(&self) -> Option<&str> {
        self.0.principal.as_ref()?;
        bearer_token(self.0.authorization.as_ref()?)
    }

    /// The user who asks.
    pub fn user(&self) -> Result<&Principal, Failure> {
        self.0.principal.as_ref().ok_or_else(|| NOT_SIGNED_IN.problem())
    }

    pub fn user_id(&self) -> Result<&Id, Failure> {
        self.user().map(|user| &user.id)
    }

    /// Who asks, for identity, which looks at their rows.
    pub fn actor(&self) -> Result<Actor, Failure> {
        let who = self.user()?.clone();
        match (who.role, who.session_id) {
            (Role::Service, _) => Ok(Actor::Client { client_id: who.id }),
            (_, Some(session_id)) => Ok(Actor::User { user_id: who.id, session_id }),
            (_, None) => Err(NOT_SIGNED_IN.problem()),
        }
    }

    /// Whoever asks is staff or admin.
    pub fn is_staff(&self) -> bool {
        self.0.principal.as_ref().is_some_and(|principal| matches!(principal.role, Role::Staff | Role::Admin))
    }

    /// Whoever asks may see what is personal of this user: themselves, and staff.
    pub fn sees_personal(&self, owner: &Id) -> bool {
        self.is_staff() || self.0.principal.as_ref().is_some_and(|who| who.id == *owner)
    }

    /// What is asked for belongs to this user. For anybody else but staff and services it is as if it were not there.
    pub fn owned_by(&self, owner: &Id, unknown: Refusal) -> Result<(), Failure> {
        self.0.owned.store(true, Ordering::Release);
        let may = self.0.principal.as_ref().is_some_and(|who| who.role != Role::Customer || who.id == *owner);
        if may { Ok(()) } else { Err(unknown.problem().into()) }
    }

    pub(super) fn misses_audit(&self) -> bool {
        self.0.audit.is_some() && !self.0.audited.load(Ordering::Acquire)
    }

    pub(super) fn misses_owner(&self) -> bool {
        self.0.must_own && !self.0.owned.load(Ordering::Acquire)
    }
}

impl Deref for Call {
    type Target = Shop;
    fn deref(&self) -> &Shop {
        &self.0.shop
    }
}

impl Call {
    pub fn principal(&self) -> Option<&Principal> {
        self.0.principal.as_ref()
    }

    pub fn context(&self) -> &Context {
        &self.0.context
    }

    pub fn idempotency(&self) -> Option<&Idempotency> {
        self.0.idempotency.as_ref()
    }
}

impl FromRequestParts<Shop> for Call {
    type Rejection = Failure;
    async fn from_request_parts(parts: &mut request::Parts, _shop: &Shop) -> Result<Self, Failure> {
        let call = parts.extensions.get::<Self>().cloned();
        call.ok_or_else(|| Failure::internal("answering", &"a route without a gate"))
    }
}

impl Describe for Call {}

impl FromRequestParts<Shop> for Wait {
    type Rejection = Failure;
    async fn from_request_parts(parts: &mut request::Parts, shop: &Shop) -> Result<Self, Failure> {
        Ok(Self(preferred(parts, shop)))
    }
}

impl Describe for Wait {
    fn describe(describer: &mut Describer) {
        describe_wait(describer, "`wait=N` waits up to N seconds for the outcome, and answers with it.");
    }
}

impl FromRequestParts<Shop> for WaitUntilFound {
    type Rejection = Failure;
    async fn from_request_parts(parts: &mut request::Parts, shop: &Shop) -> Result<Self, Failure> {
        Ok(Self(preferred(parts, shop)))
    }
}

impl Describe for WaitUntilFound {
    fn describe(describer: &mut Describer) {
        let help = "`wait=N` waits up to N seconds for what is not found: in a split shop it may be on its way here.";
        describe_wait(describer, help);
    }
}

/// The time of `Prefer: wait=N`, as far as it is followed.
fn preferred(parts: &request::Parts, shop: &Shop) -> Option<Duration> {
    let preferences = parts.headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    let mut words = preferences.flat_map(|value| value.split([',', ';'])).map(str::trim);
    let seconds = words.find_map(|word| word.strip_prefix("wait=")?.trim_matches('"').parse().ok());
    seconds.map(|seconds| Duration::from_secs(seconds).min(shop.config.wait_max))
}

fn describe_wait(describer: &mut Describer, help: &str) {
    describer.header("Prefer", help, serde_json::json!({"type": "string", "pattern": "^wait=[0-9]+$"}));
}
