//! The gate before every route: who asks, whether they may, how often, under which idempotency key, with which body.

use std::{borrow::Cow, sync::Arc};

use axum::{
    body::{Body, BodyDataStream, Bytes},
    extract::{Query, Request, State},
    http::{HeaderMap, HeaderValue, Method, header, request},
    middleware::Next,
    response::{IntoResponse, Response},
};
use ring::hmac;
use tradewind_engine::{Audit, Context, Idempotency, operator::SERVICE_ELSEWHERE};
use tradewind_events::{Id, KeyText};
use tradewind_identity::model::Role;

use super::{
    address::Client,
    body::BodyBytes,
    call::{Call, Parts, Principal},
    describe::Describer,
    edge::PROBES,
    intake,
    places::Place,
    problem::Failure,
    reads::ReadsFor,
    refusals::{
        ACCESS_TOKEN_EXPIRED, ACCESS_TOKEN_INVALID, BODY_TOO_SLOW, HEADER_INVALID, IDEMPOTENCY_KEY_MISSING,
        NOT_ALLOWED, NOT_SIGNED_IN, QUERY_INVALID,
    },
    route::{Route, Who},
};
use crate::{
    identity::{self, InvalidToken},
    secret::encoded,
    shop::Shop,
};

pub const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// Why staff, an admin or a service client makes a change: optional, and kept in the audit trail.
pub const AUDIT_REASON: &str = "x-audit-reason";

/// Of a reason in the audit trail.
pub const AUDIT_REASON_CHARS_MAX: usize = 500;

/// Under this every name in a query means something. Pages for people may be asked for with whatever a link has added.
const API: &str = "/v1/";

/// Of the hash of a request: enough that no two requests of one client ever have the same.
const FINGERPRINT_BYTES: usize = 16;

/// Of the digest of an address: more than enough that no two are alike.
const ANONYMOUS_CHARS: usize = 22;

/// What a gate knows.
pub struct Gate {
    shop: Shop,
    route: Route,
    /// The names that it takes in the query; `None` where whatever else stands there is nobody's business.
    query_names: Option<Vec<String>>,
    /// It tells how the shop is: it has places of its own, and no rate.
    is_probe: bool,
}

/// A request that may be read: who sends it, and its place.
struct Admitted {
    client: Client,
    principal: Option<Principal>,
    place: Place,
}

/// What the log and the metrics tell of a request that came to a route.
#[derive(Clone)]
pub struct Passed {
    pub route: &'static str,
    pub principal: Option<Id>,
}

/// Lets a request through to its handler, or not.
pub async fn pass(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    let mut passed = Passed { route: gate.route.path, principal: None };
    let mut response = match gate.open(request, &mut passed).await {
        Ok((call, request)) => {
            let response = next.run(request).await;
            let answered = response.status().is_success();
            if answered && call.misses_owner() {
                let route = gate.route.path;
                Failure::internal("checking an owner", &format_args!("{route} did not say whose it is")).into_response()
            } else if answered && call.misses_audit() {
                let route = gate.route.path;
                Failure::internal("auditing", &format_args!("{route} left no row in the audit trail")).into_response()
            } else if response.status().is_client_error() {
                // What a handler looks at before it asks the engine may have changed by its own first effect.
                match call.answered_before().await {
                    Ok(before) => before.unwrap_or(response),
                    Err(failure) => failure.into_response(),
                }
            } else {
                response
            }
        }
        Err(failure) => failure.into_response(),
    };
    response.extensions_mut().insert(passed);
    response
}

impl Gate {
    pub fn new(shop: Shop, route: Route) -> Self {
        let query_names = route.path.starts_with(API).then(|| Describer::query_names(route.describe));
        let is_probe = PROBES.contains(&route.path);
        Self { shop, route, query_names, is_probe }
    }

    async fn open(&self, request: Request, passed: &mut Passed) -> Result<(Call, Request), Failure> {
        let (mut parts, body) = request.into_parts();
        let mut body = body.into_data_stream();
        let admitted = match self.admit(&parts, passed).await {
            Ok(admitted) => {
                let read = self.read(&parts.headers, &mut body, &admitted).await;
                read.map(|body| (admitted, body))
            }
            Err(failure) => Err(failure),
        };
        let (Admitted { client, principal, place }, body) = match admitted {
            Ok(admitted) => admitted,
            // It holds no place any more.
            Err(failure) => {
                if failure.code() != BODY_TOO_SLOW.refusal.code {
                    intake::drain(&parts.headers, body).await;
                }
                return Err(failure);
            }
        };
        self.know_query(&parts)?;
        let idempotency = self.idempotency(&parts, principal.as_ref(), &body)?;
        let audit = self.audit(&parts, principal.as_ref())?;
        let context = parts.extensions.remove::<Context>().unwrap_or_else(|| self.context());
        let reads_for = ReadsFor::caller(client, principal.as_ref().map(|principal| &principal.id));
        let call = Call::new(Parts {
            shop: self.shop.reading_for(reads_for),
            context,
            client,
            principal,
            authorization: parts.headers.get(header::AUTHORIZATION).cloned(),
            idempotency,
            place: Some(place).into(),
            must_own: self.route.who == Who::Owner && owner_in_path(self.route.path, parts.uri.path()).is_none(),
            owned: false.into(),
            audit,
            audited: false.into(),
        });
        parts.extensions.insert(BodyBytes(body));
        parts.extensions.insert(call.clone());
        Ok((call, Request::from_parts(parts, Body::empty())))
    }

    /// Takes a place for a request whose sender may make it, and not too often. What is refused takes none.
    async fn admit(&self, parts: &request::Parts, passed: &mut Passed) -> Result<Admitted, Failure> {
        let client = parts.extensions.get::<Client>().copied().unwrap_or_default();
        if self.is_probe {
            return Ok(Admitted { client, principal: None, place: self.shop.probes.admit(client, None)? });
        }
        let principal = self.check(parts, client, passed).await?;
        let place = self.shop.requests.admit(client, principal.as_ref().map(|principal| &principal.id))?;
        Ok(Admitted { client, principal, place })
    }

    /// Who asks, if they may and do not ask too often.
    async fn check(
        &self,
        parts: &request::Parts,
        client: Client,
        passed: &mut Passed,
    ) -> Result<Option<Principal>, Failure> {
        let (limiter, now) = (&self.shop.limiter, self.shop.clock().now());
        let shown = if self.route.who == Who::Public { Ok(None) } else { self.principal(&parts.headers).await };
        // A token that is not good is nobody's request: it counts for the address.
        let known = shown.as_ref().ok().and_then(Option::as_ref).map(|principal| &principal.id);
        limiter.admit(known, client, now)?;
        if let Some(service) = self.route.service.filter(|service| !self.shop.services.contains(service)) {
            return Err(SERVICE_ELSEWHERE.because(format!("Ask where {service} lives.")).into());
        }
        let principal = shown?;
        passed.principal = principal.as_ref().map(|principal| principal.id.clone());
        if self.route.tries_secret {
            limiter.admit_secret(client, now)?;
        }
        self.authorize(principal.as_ref(), owner_in_path(self.route.path, parts.uri.path()))?;
        Ok(principal)
    }

    /// For a request that did not come through the edge.
    fn context(&self) -> Context {
        let request_id = self.shop.new_id();
        Context { correlation_id: request_id.clone(), request_id, traceparent: None }
    }

    async fn principal(&self, headers: &HeaderMap) -> Result<Option<Principal>, Failure> {
        let mut shown = headers.get_all(header::AUTHORIZATION).iter();
        let Some(header) = shown.next() else { return Ok(None) };
        // Of two tokens, a proxy may have checked the other one.
        let Some(token) = bearer_token(header).filter(|_| shown.next().is_none()) else {
            return Err(challenge(
                ACCESS_TOKEN_INVALID.because("The header must be: Authorization: Bearer TOKEN."),
                "invalid_token",
            ));
        };
        match identity::check(&self.shop, token).await? {
            Ok(bearer) => Ok(Some(bearer)),
            Err(InvalidToken::Expired) => Err(challenge(ACCESS_TOKEN_EXPIRED.problem(), "invalid_token")),
            Err(InvalidToken::Refused) => Err(challenge(ACCESS_TOKEN_INVALID.problem(), "invalid_token")),
        }
    }

    /// `owner` is the user that the path names, if it names one.
    fn authorize(&self, principal: Option<&Principal>, owner: Option<&str>) -> Result<(), Failure> {
        let who = self.route.who;
        if matches!(who, Who::Public | Who::Anyone) {
            return Ok(());
        }
        let Some(principal) = principal else { return Err(challenge(NOT_SIGNED_IN.problem(), "")) };
        let may = match (who, principal.role) {
            (Who::User, role) => role != Role::Service,
            (Who::Owner, Role::Customer) => owner.is_none_or(|owner| owner == principal.id.as_str()),
            (Who::Public | Who::Anyone | Who::Owner, _) => true,
            (Who::Service, role) => role != Role::Customer,
            (Who::Staff, role) => matches!(role, Role::Staff | Role::Admin),
            (Who::Admin, role) => role == Role::Admin,
        };
        if may { Ok(()) } else { Err(NOT_ALLOWED.problem()) }
    }

    /// What the audit trail tells of a write by somebody who is no customer, unless it is about themselves.
    fn audit(&self, parts: &request::Parts, principal: Option<&Principal>) -> Result<Option<Audit>, Failure> {
        let Some(who) = principal.filter(|who| self.route.is_audited() && who.role != Role::Customer) else {
            return Ok(None);
        };
        let path = parts.uri.path();
        if self.route.who == Who::Owner && owner_in_path(self.route.path, path) == Some(who.id.as_str()) {
            return Ok(None);
        }
        let mut reasons = parts.headers.get_all(AUDIT_REASON).iter();
        let reason = reasons.next().map(reason).transpose()?;
        if reasons.next().is_some() {
            return Err(HEADER_INVALID.because("A request has one X-Audit-Reason.").at("X-Audit-Reason"));
        }
        let (actor, action) = (who.id.shared(), self.route.name.as_str().into());
        Ok(Some(Audit { actor, action, target: path.into(), reason }))
    }

    /// A filter with a wrong name must not pass for none.
    fn know_query(&self, parts: &request::Parts) -> Result<(), Failure> {
        let Some(known) = &self.query_names else { return Ok(()) };
        let Query(given) = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri)
            .map_err(|rejection| QUERY_INVALID.because(rejection.body_text()))?;
        let Some((name, _)) = given.into_iter().find(|(name, _)| !known.contains(name)) else { return Ok(()) };
        let takes = if known.is_empty() { String::from("nothing") } else { known.join(", ") };
        Err(QUERY_INVALID.because(format!("This takes {takes} in the query.")).at(name))
    }

    /// The body of a request. What its token stands for may end while the body is on its way.
    async fn read(
        &self,
        headers: &HeaderMap,
        body: &mut BodyDataStream,
        admitted: &Admitted,
    ) -> Result<Bytes, Failure> {
        intake::check_transfer(headers)?;
        if self.route.method == Method::GET {
            return Ok(Bytes::new());
        }
        let limit = self.route.body_max.unwrap_or(self.shop.config.body_max).in_memory();
        let (read, waited) = intake::read(headers, body, limit, (&self.shop.config, &admitted.place)).await?;
        if waited && admitted.principal.is_some() {
            self.principal(headers).await?;
        }
        Ok(read)
    }

    /// Whoever has no token is known by their address: a key of theirs is not one of a stranger elsewhere. The address
    /// itself is not kept.
    fn anonymous(&self, client: Client) -> Cow<'static, str> {
        let mut digest = hmac::Context::with_key(&self.shop.keys.fingerprints);
        digest.update(format!("client {}", client.0).as_bytes());
        format!("anonymous@{}", &encoded(digest.sign().as_ref())[..ANONYMOUS_CHARS]).into()
    }

    /// The key counts for one principal on one route; its fingerprint tells whether the request is the same.
    fn idempotency(
        &self,
        parts: &request::Parts,
        principal: Option<&Principal>,
        body: &[u8],
    ) -> Result<Option<Idempotency>, Failure> {
        if !self.route.keyed {
            return Ok(None);
        }
        let refused = |failure: Failure| failure.at("Idempotency-Key");
        let mut keys = parts.headers.get_all(IDEMPOTENCY_KEY).iter();
        let key = keys.next().ok_or_else(|| refused(IDEMPOTENCY_KEY_MISSING.problem()))?;
        if keys.next().is_some() {
            return Err(refused(HEADER_INVALID.because("A request has one Idempotency-Key.")));
        }
        let key = key.to_str().ok().and_then(|key| Id::new(key).ok()).ok_or_else(|| {
            refused(HEADER_INVALID.because("An Idempotency-Key has 1 to 64 visible ASCII characters."))
        })?;
        let who = match principal {
            Some(principal) => principal.id.as_str().into(),
            None => self.anonymous(parts.extensions.get::<Client>().copied().unwrap_or_default()),
        };
        // Both are texts of ours: a principal's id or a digest, and a route of the table.
        let scope = KeyText::new(format!("{who} {} {}", self.route.method, self.route.path));
        let scope = scope.map_err(|error| Failure::internal("the scope of an idempotency key", &error))?;
        let mut fingerprint = hmac::Context::with_key(&self.shop.keys.fingerprints);
        for part in [parts.uri.path(), "?", parts.uri.query().unwrap_or_default(), "\n"] {
            fingerprint.update(part.as_bytes());
        }
        fingerprint.update(body);
        Ok(Some(Idempotency {
            scope,
            key,
            fingerprint: encoded(&fingerprint.sign().as_ref()[..FINGERPRINT_BYTES]).into(),
        }))
    }
}

/// The token of an `Authorization` header.
pub(super) fn bearer_token(header: &HeaderValue) -> Option<&str> {
    let (scheme, token) = header.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Whether the audit trail keeps this text as a reason.
pub fn is_reason(text: &str) -> bool {
    let chars = text.chars().count();
    (1..=AUDIT_REASON_CHARS_MAX).contains(&chars) && !text.trim().is_empty() && !text.chars().any(char::is_control)
}

/// Why somebody does something, as the audit trail keeps it.
fn reason(header: &HeaderValue) -> Result<Arc<str>, Failure> {
    let text = std::str::from_utf8(header.as_bytes()).map(str::trim).unwrap_or_default();
    if is_reason(text) {
        return Ok(text.into());
    }
    let rule = format!("A reason has 1 to {AUDIT_REASON_CHARS_MAX} characters of UTF-8, and no control characters.");
    Err(HEADER_INVALID.because(rule).at("X-Audit-Reason"))
}

/// What stands in a path where its template has `{user_id}`.
fn owner_in_path<'a>(template: &str, path: &'a str) -> Option<&'a str> {
    let place = template.split('/').position(|part| part == "{user_id}")?;
    path.split('/').nth(place)
}

/// Says how to show who one is (RFC 6750).
fn challenge(failure: Failure, error: &'static str) -> Failure {
    let challenge = if error.is_empty() { "Bearer" } else { r#"Bearer error="invalid_token""# };
    failure.header(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
}
