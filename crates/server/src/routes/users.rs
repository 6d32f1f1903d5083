//! Users: signing up, their profile, address and password, and leaving.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tradewind_engine::{Entity, ports::List};
use tradewind_events::{Id, Personal, Timestamp};
use tradewind_identity::{
    commands::{
        ChangeEmail, ChangePassword, ChangeProfile, ChangeRole, ConfirmPasswordReset, DeleteUser,
        RedeemFirstAdminToken, Register, RequestPasswordReset, RequestVerification, SignInFailed, VerifyEmail,
    },
    model::{
        Credential, EmailAddress, Field, Names, ProfileChange, Role, TOKEN_INVALID, USER_UNKNOWN, User, address_key,
    },
};

use crate::{
    http::{
        Accepted, Call, Created, Done, Failure, Json, Okay, Page, PageOf, Patch, Path, Query, Sent,
        refusals::{NOT_ALLOWED, PASSWORD_WRONG},
    },
    identity::{Checked, Token},
    secret::digest_of,
};

/// A user. Only they themselves and staff see it.
#[derive(Serialize, JsonSchema)]
pub struct UserView {
    user_id: Id,
    /// Absent once the user has left.
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<Personal<String>>,
    email_verified: bool,
    role: Role,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<Personal<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_name: Option<Personal<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_name: Option<Personal<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    avatar_url: Option<Personal<String>>,
    registered_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted_at: Option<Timestamp>,
}

#[derive(Deserialize, JsonSchema)]
pub struct UserQuery {
    /// Only the user with this address. Upper and lower case make no difference.
    #[serde(default)]
    email: Option<Personal<String>>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewUser {
    email: Personal<String>,
    password: Personal<String>,
    #[serde(default)]
    username: Option<Personal<String>>,
    #[serde(default)]
    first_name: Option<Personal<String>>,
    #[serde(default)]
    last_name: Option<Personal<String>>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAdmin {
    /// What the first start of the shop has shown.
    token: Personal<String>,
    email: Personal<String>,
    password: Personal<String>,
}

/// What is absent stays as it is; null clears it.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    #[serde(default)]
    username: Patch<Personal<String>>,
    #[serde(default)]
    first_name: Patch<Personal<String>>,
    #[serde(default)]
    last_name: Patch<Personal<String>>,
    #[serde(default)]
    avatar_url: Patch<Personal<String>>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewEmail {
    email: Personal<String>,
    /// The present one; staff leaves it out.
    #[serde(default)]
    password: Option<Personal<String>>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPassword {
    password: Personal<String>,
    new_password: Personal<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRole {
    role: Role,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Leaving {
    /// The present one; staff leaves it out.
    #[serde(default)]
    password: Option<Personal<String>>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ShownToken {
    token: Personal<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Forgetful {
    email: Personal<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reset {
    token: Personal<String>,
    password: Personal<String>,
}

/// The same for everybody, so that nobody learns who is registered.
#[derive(Serialize, JsonSchema)]
pub struct MailMayFollow {
    /// Always `a mail follows if the address is known`.
    status: &'static str,
}

pub async fn register(call: Call, Json(new): Json<NewUser>) -> Result<Sent<Created<UserView>>, Failure> {
    let register = Register {
        conceal_taken: true,
        email: new.email,
        names: Names { username: new.username, first_name: new.first_name, last_name: new.last_name },
        password_hash: call.hash_password(new.password, "password").await?,
        verification: Some(Token::mailed()),
    };
    call.submit(register, created).await
}

pub async fn become_first_admin(call: Call, Json(new): Json<NewAdmin>) -> Result<Sent<Created<UserView>>, Failure> {
    // Whoever holds the token runs the shop: they are told what is wrong.
    let register = Register {
        conceal_taken: false,
        email: new.email,
        names: Names::default(),
        password_hash: call.hash_password(new.password, "password").await?,
        verification: None,
    };
    let redeem = RedeemFirstAdminToken { token_hash: digest_of(new.token.expose().trim()), register };
    call.submit(redeem, created).await
}

/// By id; or the one with an address, if there is one.
pub async fn list(call: Call, page: Page, Query(wanted): Query<UserQuery>) -> Result<Okay<PageOf<UserView>>, Failure> {
    if let Some(email) = wanted.email {
        let known = call.load::<EmailAddress>(address_key(&email)?).await?;
        let user = match known {
            Some(known) => call.load::<User>(known.user_id()).await?,
            None => None,
        };
        return Ok(Okay(PageOf { items: user.iter().map(UserView::from).collect(), next_cursor: None }));
    }
    call.page(&page, List::of(User::TABLE, page.limit), |user: User| UserView::from(&user)).await
}

pub async fn me(call: Call) -> Result<Okay<UserView>, Failure> {
    let user_id = call.user_id()?.clone();
    read(call, Path(user_id)).await
}

pub async fn read(call: Call, Path(user_id): Path<Id>) -> Result<Okay<UserView>, Failure> {
    let user = call.load::<User>(&user_id).await?.ok_or_else(|| USER_UNKNOWN.problem())?;
    Ok(Okay(UserView::from(&user)))
}

pub async fn change_profile(
    call: Call,
    Path(user_id): Path<Id>,
    Json(profile): Json<Profile>,
) -> Result<Sent<Okay<UserView>>, Failure> {
    let change = ProfileChange {
        username: field(profile.username),
        first_name: field(profile.first_name),
        last_name: field(profile.last_name),
        avatar_url: field(profile.avatar_url),
    };
    let actor = call.actor()?;
    call.submit(ChangeProfile { user_id, change, actor }, shown).await
}

pub async fn change_email(
    call: Call,
    Path(user_id): Path<Id>,
    Json(new): Json<NewEmail>,
) -> Result<Sent<Okay<UserView>>, Failure> {
    let generation = proof(&call, &user_id, new.password).await?;
    let (verification, actor) = (Some(Token::mailed()), call.actor()?);
    call.submit(ChangeEmail { user_id, email: new.email, generation, verification, actor }, shown).await
}

/// Only who knows the present password sets another: who does not takes the way of the reset mail.
pub async fn change_password(
    call: Call,
    Path(user_id): Path<Id>,
    Json(new): Json<NewPassword>,
) -> Result<Sent<Done>, Failure> {
    // Hashed first, so that the right password takes no longer than a wrong one.
    let password_hash = call.hash_password(new.new_password, "new_password").await?;
    let generation = verified(&call, &user_id, new.password).await?;
    let keep_session = call.user()?.session_id.clone();
    call.submit(ChangePassword { user_id, generation, password_hash, keep_session }, |()| Done).await
}

pub async fn change_role(
    call: Call,
    Path(user_id): Path<Id>,
    Json(new): Json<NewRole>,
) -> Result<Sent<Okay<UserView>>, Failure> {
    let actor = call.actor()?;
    call.submit(ChangeRole { user_id, role: new.role, actor }, shown).await
}

pub async fn remove(call: Call, Path(user_id): Path<Id>, Json(leaving): Json<Leaving>) -> Result<Sent<Done>, Failure> {
    let generation = proof(&call, &user_id, leaving.password).await?;
    let actor = call.actor()?;
    call.submit(DeleteUser { user_id, generation, actor }, |()| Done).await
}

pub async fn request_verification(
    call: Call,
    Path(user_id): Path<Id>,
) -> Result<Sent<Accepted<MailMayFollow>>, Failure> {
    let (verification, actor) = (Token::mailed(), call.actor()?);
    call.submit(RequestVerification { user_id, verification, actor }, |()| mail_may_follow()).await
}

pub async fn verify_email(call: Call, Json(shown): Json<ShownToken>) -> Result<Sent<Done>, Failure> {
    let token = Token::parse(shown.token.expose()).ok_or_else(|| TOKEN_INVALID.problem())?;
    call.submit(VerifyEmail { user_id: token.holder, token_hash: token.hash }, |()| Done).await
}

pub async fn request_reset(
    call: Call,
    Json(forgetful): Json<Forgetful>,
) -> Result<Sent<Accepted<MailMayFollow>>, Failure> {
    let request = RequestPasswordReset { email: forgetful.email, reset: Token::mailed() };
    call.submit(request, |()| mail_may_follow()).await
}

pub async fn confirm_reset(call: Call, Json(reset): Json<Reset>) -> Result<Sent<Done>, Failure> {
    let token = Token::parse(reset.token.expose()).ok_or_else(|| TOKEN_INVALID.problem())?;
    let password_hash = call.hash_password(reset.password, "password").await?;
    let confirm = ConfirmPasswordReset { user_id: token.holder, token_hash: token.hash, password_hash };
    call.submit(confirm, |()| Done).await
}

/// What shows that the user wants it: their password. Staff acts without; for whom, the command finds out.
async fn proof(call: &Call, user_id: &Id, password: Option<Personal<String>>) -> Result<Option<u64>, Failure> {
    match password {
        Some(password) => verified(call, user_id, password).await.map(Some),
        None if call.is_staff() && call.user_id()? != user_id => Ok(None),
        None => Err(PASSWORD_WRONG.because("The present password is missing.").at("password")),
    }
}

/// The generation of the user's password, if this is it. A wrong one counts as it does when signing in, and while the
/// credential is locked the right one is as good as a wrong one.
async fn verified(call: &Call, user_id: &Id, password: Personal<String>) -> Result<u64, Failure> {
    if call.user_id()? != user_id {
        return Err(NOT_ALLOWED.because("Only users themselves show their password."));
    }
    let credential = call.load::<Credential>(user_id).await?.ok_or_else(|| USER_UNKNOWN.problem())?;
    let (generation, locked) = (credential.generation(), credential.is_locked(call.clock().now()));
    match call.verify_password(password, Some(credential.password_hash().clone())).await? {
        Checked::Right if !locked => Ok(generation),
        _ if call.is_repeated().await? => Err(PASSWORD_WRONG.problem().at("password")),
        _ => {
            call.ask(SignInFailed { user_id: user_id.clone(), generation }).await?;
            Err(PASSWORD_WRONG.problem().at("password"))
        }
    }
}

fn created(user: &User) -> Created<UserView> {
    Created { location: format!("/v1/users/{}", user.user_id()), body: UserView::from(user) }
}

fn shown(user: &User) -> Okay<UserView> {
    Okay(UserView::from(user))
}

fn mail_may_follow() -> Accepted<MailMayFollow> {
    Accepted(MailMayFollow { status: "a mail follows if the address is known" })
}

fn field(change: Patch<Personal<String>>) -> Field {
    match change {
        Patch::Keep => Field::Keep,
        Patch::Clear => Field::Clear,
        Patch::Set(text) => Field::Set(text),
    }
}

impl From<&User> for UserView {
    fn from(user: &User) -> Self {
        Self {
            user_id: user.user_id().clone(),
            email: user.email().cloned(),
            email_verified: user.email_verified(),
            role: user.role(),
            username: user.username().cloned(),
            first_name: user.first_name().cloned(),
            last_name: user.last_name().cloned(),
            avatar_url: user.avatar_url().cloned(),
            registered_at: user.registered_at(),
            deleted_at: user.deleted_at(),
        }
    }
}
