//! Requests to the real server: its gate, its extractors, its services, on a real store. A line says who asks, with which
//! method, for what; headers follow, an empty line, the body. Words in braces stand for what is in the shop: `{order}`.
//!
//! Whatever comes, the answer is one that the API promises: never a defect, a problem with a known code and the id of
//! the request, nothing for who may not have it, the same answer again for the same key. After some thousand requests the
//! shop is audited.

mod seeds;
mod shop;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use serde_json::Value;
use tradewind::{
    http::{Failure, Route, Who, table},
    problems,
};
use tradewind_events::Id;

use crate::{Check, line};
use shop::{Answer, Person, Shop};

pub use seeds::seeds;

/// After so many requests the shop is closed, audited, and opened anew.
const REQUESTS_MAX: u32 = 4_000;

/// A request that can be sent.
#[derive(Clone)]
pub struct Sent {
    who: Person,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Vec<u8>,
}

pub fn start() -> Check {
    let (mut shop, mut requests) = (Shop::open(), 0);
    let routes: Vec<Route> = table().into_iter().flat_map(|section| section.routes).collect();
    Box::new(move |input| {
        let Some(sent) = Sent::read(input, &shop) else { return };
        requests += 1;
        check(&shop, &routes, &sent);
        if requests % REQUESTS_MAX == 0 || !shop.knows_everybody() {
            shop.reopen();
        }
    })
}

impl Sent {
    /// `None` for what no client could send.
    fn read(input: &[u8], shop: &Shop) -> Option<Self> {
        let (first, mut rest) = line(input);
        let filled = shop.filled(std::str::from_utf8(first).ok()?);
        let mut words = filled.splitn(3, ' ');
        let who = Person::named(words.next()?)?;
        let method = Method::from_bytes(words.next()?.as_bytes()).ok()?;
        let uri: Uri = words.next()?.parse().ok().filter(|uri: &Uri| uri.path().starts_with('/'))?;
        let mut headers = HeaderMap::new();
        loop {
            let (header, after) = line(rest);
            rest = after;
            if header.is_empty() {
                break;
            }
            let (name, value) = std::str::from_utf8(header).ok()?.split_once(':')?;
            let value = shop.filled(value.trim());
            headers.append(HeaderName::try_from(name).ok()?, HeaderValue::from_str(&value).ok()?);
        }
        let body = std::str::from_utf8(rest).map_or_else(|_| rest.to_vec(), |text| shop.filled(text).into_bytes());
        Some(Self { who, method, uri, headers, body })
    }

    /// Whether this is a route for it.
    fn fits(&self, route: &Route) -> bool {
        let parts = || self.uri.path().split('/');
        let fixed = |(ours, asked): (&str, &str)| ours.starts_with('{') || ours == asked;
        let method = if self.method == Method::HEAD { &Method::GET } else { &self.method };
        route.method == *method
            && route.path.split('/').count() == parts().count()
            && route.path.split('/').zip(parts()).all(fixed)
    }

    /// Who is let in knows a token, and none can be made up.
    fn who(&self) -> Person {
        if self.headers.contains_key(header::AUTHORIZATION) { Person::Anonymous } else { self.who }
    }
}

fn check(shop: &Shop, routes: &[Route], sent: &Sent) {
    let answer = shop.ask(sent);
    assert_is_promised(sent, &answer);
    if !answer.status.is_success() {
        return;
    }
    let fitting = || routes.iter().filter(|route| sent.fits(route));
    assert!(fitting().any(|route| may(sent.who(), route.who)), "not for {:?}: {}", sent.who(), answer.text());
    // The outcome that is waited for goes on.
    if !sent.headers.contains_key("prefer") && fitting().any(|route| route.keyed) {
        let again = shop.ask(sent);
        assert_eq!(again.status, answer.status, "repeated: {}", again.text());
        assert_eq!(again.text(), answer.text(), "repeated");
    }
}

/// Whether somebody can be who the table has a route for.
fn may(person: Person, who: Who) -> bool {
    match who {
        Who::Public | Who::Anyone => true,
        Who::User => !matches!(person, Person::Anonymous | Person::Service),
        Who::Owner => person != Person::Anonymous,
        Who::Service => !matches!(person, Person::Anonymous | Person::Customer),
        Who::Staff => matches!(person, Person::Staff | Person::Admin),
        Who::Admin => person == Person::Admin,
    }
}

fn assert_is_promised(sent: &Sent, answer: &Answer) {
    let text = answer.text();
    assert_ne!(answer.status, StatusCode::INTERNAL_SERVER_ERROR, "{text}");
    let request_id = answer.header("x-request-id").expect("every answer has the id of its request");
    let chosen = sent.headers.get("x-request-id").and_then(|id| Id::new(id.to_str().ok()?).ok());
    assert!(chosen.is_none_or(|chosen| chosen.as_str() == request_id), "{request_id}");
    let media_type = answer.header(header::CONTENT_TYPE.as_str()).unwrap_or_default();
    if answer.status.is_client_error() || answer.status.is_server_error() {
        assert_eq!(media_type, "application/problem+json", "{text}");
        let problem: Value = serde_json::from_slice(&answer.body).expect("a problem is JSON");
        let code = problem["code"].as_str().expect("a problem has a code");
        let known = problems::all().into_iter().any(|(status, known)| known.code == code && status == answer.status);
        assert!(known, "no such problem: {text}");
        assert_eq!(problem["request_id"], request_id, "{text}");
        assert!(problems::page(code).is_some() && problem["detail"].is_string(), "{text}");
    } else if media_type == "application/json" {
        serde_json::from_slice::<Value>(&answer.body).expect("what is called JSON is JSON");
    }
}

/// A body was refused for what it is.
pub fn assert_body_refusal(failure: &Failure) {
    let codes = ["body_invalid", "json_invalid", "json_too_deep"];
    assert!(failure.status() == StatusCode::BAD_REQUEST && codes.contains(&failure.code()), "{failure}");
}
