//! The gate before every route: who asks, whether they may, how often, under which idempotency key, with which body.

use std::{borrow::Cow, sync::Arc};

use axum::{
    body::{Body, BodyDataStream, Bytes},
    extract::{Query, Request, State},
    http::{HeaderMap, HeaderValue, Method, header, request},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures_util::StreamExt;
use ring::hmac;
use tradewind_engine::{Context, Idempotency, operator::SERVICE_ELSEWHERE};
use tradewind_events::{Id, KeyText};
use tradewind_identity::model::Role;

use super::{
    address::Client,
    body::BodyBytes,
    call::{Call, Parts, Principal},
    describe::Describer,
    problem::Failure,
    refusals::{
        ACCESS_TOKEN_EXPIRED, ACCESS_TOKEN_INVALID, BODY_INVALID, BODY_TOO_LARGE, HEADER_INVALID,
        IDEMPOTENCY_KEY_MISSING, NOT_ALLOWED, NOT_SIGNED_IN, QUERY_INVALID,
    },
    route::{Route, Who},
};
use crate::{identity::InvalidToken, secret::encoded, shop::Shop};

pub const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// Under this every name in a query means something. Pages for people may be asked for with whatever a link has added.
const API: &str = "/v1/";

/// Of a body that is refused; a client that sends more is hung up on.
const DRAINED_BYTES_MAX: usize = 4 * 1024 * 1024;

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
            } else if response.status().is_client_error() {
                // What a handler looks at before it asks the engine may have changed by its own first effect.
                call.answered_before().await.unwrap_or(response)
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
        Self { shop, route, query_names }
    }

    async fn open(&self, request: Request, passed: &mut Passed) -> Result<(Call, Request), Failure> {
        let (mut parts, body) = request.into_parts();
        let mut body = body.into_data_stream();
        let admitted = match self.admit(&parts, passed).await {
            Ok(principal) => self.read(&parts.headers, &mut body).await.map(|body| (principal, body)),
            Err(failure) => Err(failure),
        };
        let (principal, body) = match admitted {
            Ok(admitted) => admitted,
            Err(failure) => {
                drain(body).await;
                return Err(failure);
            }
        };
        self.know_query(&parts)?;
        let idempotency = self.idempotency(&parts, principal.as_ref(), &body)?;
        let context = parts.extensions.remove::<Context>().unwrap_or_else(|| self.context());
        let call = Call::new(Parts {
            shop: self.shop.clone(),
            context,
            principal,
            idempotency,
            must_own: self.route.who == Who::Owner && owner_in_path(self.route.path, parts.uri.path()).is_none(),
            owned: false.into(),
        });
        parts.extensions.insert(BodyBytes(body));
        parts.extensions.insert(call.clone());
        Ok((call, Request::from_parts(parts, Body::empty())))
    }

    /// Who asks, if they may and do not ask too often.
    async fn admit(&self, parts: &request::Parts, passed: &mut Passed) -> Result<Option<Principal>, Failure> {
        let client = parts.extensions.get::<Client>().copied().unwrap_or_default();
        let (limiter, now) = (&self.shop.limiter, self.shop.clock().now());
        let shown = if self.route.who == Who::Public { Ok(None) } else { self.principal(&parts.headers).await };
        // A token that is not good is nobody's request: it counts for the address.
        let known = shown.as_ref().ok().and_then(Option::as_ref).map(|principal| &principal.id);
        limiter.admit(known, client, now)?;
        if let Some(service) = self.route.services.iter().find(|service| !self.shop.services.contains(service)) {
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
        let Some(header) = headers.get(header::AUTHORIZATION) else { return Ok(None) };
        let text = header.to_str().unwrap_or_default();
        let token = text.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let Some((_, token)) = token else {
            return Err(challenge(
                ACCESS_TOKEN_INVALID.because("The header must be: Authorization: Bearer TOKEN."),
                "invalid_token",
            ));
        };
        let token = token.trim();
        if self.shop.key_ring.may_lack_key_of(token) {
            self.shop.key_ring.fetch(&self.shop).await;
        }
        match self.shop.key_ring.check(token, self.shop.clock().moment()) {
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

    /// A filter with a wrong name must not pass for none.
    fn know_query(&self, parts: &request::Parts) -> Result<(), Failure> {
        let Some(known) = &self.query_names else { return Ok(()) };
        let Ok(Query(given)) = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri) else { return Ok(()) };
        let Some((name, _)) = given.into_iter().find(|(name, _)| !known.contains(name)) else { return Ok(()) };
        let takes = if known.is_empty() { String::from("nothing") } else { known.join(", ") };
        Err(QUERY_INVALID.because(format!("This takes {takes} in the query.")).at(name))
    }

    async fn read(&self, headers: &HeaderMap, body: &mut BodyDataStream) -> Result<Bytes, Failure> {
        if self.route.method == Method::GET {
            return Ok(Bytes::new());
        }
        let limit = self.route.body_max.unwrap_or(self.shop.config.body_max).in_memory();
        let too_large = || BODY_TOO_LARGE.because(format!("This route takes at most {limit} bytes."));
        let told = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        if told.is_some_and(|told| told > limit) {
            return Err(too_large());
        }
        let mut read = Vec::with_capacity(told.unwrap_or_default());
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(|_| BODY_INVALID.because("The body ended before its time."))?;
            if read.len() + chunk.len() > limit {
                return Err(too_large());
            }
            read.extend_from_slice(&chunk);
        }
        Ok(read.into())
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

/// Takes what is still to come of a body that nobody wants, as far as is reasonable: a client that is hung up on while it
/// sends may never see the answer.
async fn drain(mut body: BodyDataStream) {
    let mut drained = 0;
    while let Some(Ok(chunk)) = body.next().await {
        drained += chunk.len();
        if drained > DRAINED_BYTES_MAX {
            return;
        }
    }
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
