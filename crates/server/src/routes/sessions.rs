//! Sessions: signing in, going on, signing out. An unknown address, a wrong password and a locked account look alike,
//! also to a watch.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tradewind_engine::{CommandMessage, StoredAnswer};
use tradewind_events::{Id, Personal, Timestamp, id};
use tradewind_identity::{
    commands::{RefreshSession, Refreshed, SignInFailed, SignInSucceeded, SignOut, SignOutEverywhere, SignedIn},
    model::{
        Credential, EmailAddress, NOT_ALLOWED, Role, SESSION_ENDED, SIGN_IN_REFUSED, Session, ShownToken, User,
        UserSessions, address_key,
    },
};

use super::users::UserView;
use crate::{
    http::{Call, Created, Done, Failure, Json, Okay, Path, Query, Sent},
    identity::{Bearer, Checked, RefreshToken},
    secret::{digest_of, drawn_text},
};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    email: Personal<String>,
    password: Personal<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Refresh {
    refresh_token: Personal<String>,
}

/// Who is signed in, and what shows it.
#[derive(Serialize, JsonSchema)]
pub struct SignedInView {
    access_token: String,
    /// Always `Bearer`.
    token_type: &'static str,
    /// Seconds.
    expires_in: u64,
    /// Good for one refresh, which gives the next one.
    refresh_token: String,
    session_id: Id,
    user: UserView,
}

/// An open session.
#[derive(Serialize, JsonSchema)]
pub struct SessionView {
    session_id: Id,
    opened_at: Timestamp,
    refreshed_at: Timestamp,
    expires_at: Timestamp,
    /// Whether the access token of this request is one of it.
    current: bool,
}

#[derive(Serialize, JsonSchema)]
pub struct Sessions {
    items: Vec<SessionView>,
}

#[derive(Deserialize, JsonSchema)]
pub struct Keep {
    /// Do not sign out here.
    #[serde(default)]
    keep_current: bool,
}

pub async fn sign_in(call: Call, Json(shown): Json<Credentials>) -> Result<Created<SignedInView>, Failure> {
    let address = call.load::<EmailAddress>(address_key(&shown.email)?).await?;
    // Without a user another row is looked for, in vain: it takes as long.
    let user_id = address.map_or_else(|| id("nobody"), |address| address.user_id().clone());
    let credential = call.load::<Credential>(&user_id).await?;
    let generation = credential.as_ref().map_or(0, Credential::generation);
    let locked = credential.as_ref().is_some_and(|credential| credential.is_locked(call.clock().now()));
    let hash = credential.map(|credential| credential.password_hash().clone());
    // While the credential is locked the right password is as good as a wrong one, and takes as long.
    if call.verify_password(shown.password, hash).await? == Checked::Wrong || locked {
        count_failure(&call, user_id, generation)?;
        return Err(SIGN_IN_REFUSED.problem().into());
    }
    let (family, secret) = (drawn_text(), drawn_text());
    let (family_hash, token_hash) = (digest_of(&family), digest_of(&secret));
    let signed_in = call.ask(SignInSucceeded { user_id, generation, family_hash, token_hash }).await?;
    let location = format!("/v1/users/{}/sessions", signed_in.user.user_id());
    Ok(Created { location, body: view(&call, &signed_in, &family, &secret)? })
}

/// Nobody waits for it: the answer comes as soon as for an address that is not known, for which the count is as empty
/// as its effect.
fn count_failure(call: &Call, user_id: Id, generation: u64) -> Result<(), Failure> {
    let failed = SignInFailed { user_id, generation };
    let message = CommandMessage::new(failed, call.context().clone(), |()| StoredAnswer::default());
    Ok(call.engine.submit(message)?)
}

pub async fn refresh(call: Call, Json(refresh): Json<Refresh>) -> Result<Okay<SignedInView>, Failure> {
    let ended = || Failure::from(SESSION_ENDED.problem());
    let token = RefreshToken::parse(refresh.refresh_token.expose()).ok_or_else(ended)?;
    let next = drawn_text();
    let shown = ShownToken {
        family_hash: digest_of(&token.family),
        token_hash: digest_of(&token.secret),
        next_hash: digest_of(&next),
    };
    match call.ask(RefreshSession { session_id: token.session_id, shown }).await? {
        Refreshed::Renewed(signed_in) => Ok(Okay(view(&call, &signed_in, &token.family, &next)?)),
        Refreshed::Reused => Err(ended()),
    }
}

pub async fn list(call: Call, Path(user_id): Path<Id>) -> Result<Okay<Sessions>, Failure> {
    let who = call.user()?;
    if who.id != user_id {
        let target = call.load::<User>(&user_id).await?.map_or(Role::Customer, |user| user.role());
        if !who.role.acts_for(target) {
            return Err(NOT_ALLOWED.because("Only an admin acts for staff and admins.").into());
        }
    }
    let open = call.load::<UserSessions>(&user_id).await?;
    let ids = open.iter().flat_map(|open| open.session_ids().iter());
    let (now, current) = (call.clock().now(), call.user()?.session_id.as_ref());
    let sessions = call.load_all::<Session>(ids).await?;
    let open = sessions.into_iter().filter(|session| now < session.expires_at());
    let items = open.map(|session| SessionView {
        current: current == Some(session.session_id()),
        session_id: session.session_id().clone(),
        opened_at: session.opened_at(),
        refreshed_at: session.refreshed_at(),
        expires_at: session.expires_at(),
    });
    Ok(Okay(Sessions { items: items.collect() }))
}

pub async fn sign_out(call: Call, Path((user_id, session_id)): Path<(Id, Id)>) -> Result<Sent<Done>, Failure> {
    let actor = call.actor()?;
    call.submit(SignOut { user_id, session_id, actor }, |()| Done).await
}

pub async fn sign_out_everywhere(
    call: Call,
    Path(user_id): Path<Id>,
    Query(keep): Query<Keep>,
) -> Result<Sent<Done>, Failure> {
    let here = call.user()?.session_id.clone();
    let (keep_session, actor) = (here.filter(|_| keep.keep_current), call.actor()?);
    call.submit(SignOutEverywhere { user_id, keep_session, actor }, |()| Done).await
}

fn view(call: &Call, signed_in: &SignedIn, family: &str, secret: &str) -> Result<SignedInView, Failure> {
    let SignedIn { user, session } = signed_in;
    let session_id = session.session_id().clone();
    let now = call.clock().now();
    let (id, role) = (user.user_id().clone(), user.role());
    let bearer = Bearer { id, role, session_id: Some(session_id.clone()), issued_at: now };
    // A token does not outlive its session.
    let life = call.config.access_token_ttl.min(session.expires_at().since(now));
    Ok(SignedInView {
        access_token: call.key_ring.sign(&bearer, call.clock().wall(), life)?,
        token_type: "Bearer",
        expires_in: life.as_secs(),
        refresh_token: RefreshToken::text(&session_id, family, secret),
        session_id,
        user: UserView::from(user),
    })
}
