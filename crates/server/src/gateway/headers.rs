//! Which headers pass the gateway, and what it writes into them.

use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::http::{FORWARDED_FOR, Failure, refusals::LOOP_DETECTED};

/// A request that has passed so many proxies is taken for one that goes round in a loop.
pub const VIA_MAX: usize = 16;

/// They are about one connection (RFC 9110, 7.6.1), or the gateway answers for them itself: `Expect` is followed once the
/// peer takes the body, and `Forwarded` would tell peers what they must not believe.
const OF_ONE_CONNECTION: [HeaderName; 9] = [
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::EXPECT,
];

/// How a gateway names itself in `Via`.
pub struct Pseudonym {
    name: String,
    via: HeaderValue,
}

impl Pseudonym {
    /// `drawn` tells this gateway from all others: visible ASCII characters.
    pub fn new(drawn: &str) -> Self {
        let name = format!("tradewind-gateway-{drawn}");
        let via = HeaderValue::try_from(format!("1.1 {name}")).unwrap_or(HeaderValue::from_static("1.1 tradewind"));
        Self { name, via }
    }

    /// Refuses a request that has come through this gateway before, or through too many proxies.
    pub fn check(&self, headers: &HeaderMap) -> Result<(), Failure> {
        let lines = headers.get_all(header::VIA).iter().filter_map(|line| line.to_str().ok());
        let mut count = 0;
        for hop in lines.flat_map(|line| line.split(',')) {
            count += 1;
            if hop.split_ascii_whitespace().nth(1) == Some(&self.name) {
                return Err(LOOP_DETECTED.because("The request came back to the gateway that has sent it."));
            }
        }
        if count >= VIA_MAX {
            return Err(LOOP_DETECTED.because(format!("The request has passed {count} proxies.")));
        }
        Ok(())
    }
}

/// The headers of a request as a peer gets them.
pub fn to_peer(headers: &mut HeaderMap, client: IpAddr, own: &Pseudonym) {
    strip(headers);
    headers.remove(header::FORWARDED);
    // One address, which the gateway has found out: so peers need to trust the gateway alone.
    if let Ok(client) = HeaderValue::try_from(client.to_canonical().to_string()) {
        headers.insert(HeaderName::from_static(FORWARDED_FOR), client);
    }
    headers.append(header::VIA, own.via.clone());
}

/// Takes out what is about one connection.
pub fn strip(headers: &mut HeaderMap) {
    if headers.contains_key(header::CONNECTION) {
        let lines = headers.get_all(header::CONNECTION).iter().filter_map(|line| line.to_str().ok());
        let named = lines.flat_map(|line| line.split(',')).map(str::trim).filter(|name| *name != "close");
        let named: Vec<HeaderName> = named.filter_map(|name| HeaderName::from_bytes(name.as_bytes()).ok()).collect();
        // How long a body is says no connection.
        for name in named.iter().filter(|name| **name != header::CONTENT_LENGTH) {
            headers.remove(name);
        }
        headers.remove(header::CONNECTION);
    }
    for name in &OF_ONE_CONNECTION {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn what_is_about_one_connection_does_not_pass() {
        let mut given = headers(&[
            ("connection", "close, X-Mine"),
            ("connection", "keep-alive, content-length"),
            ("x-mine", "1"),
            ("keep-alive", "timeout=5"),
            ("te", "trailers"),
            ("trailer", "x"),
            ("upgrade", "h2c"),
            ("transfer-encoding", "chunked"),
            ("proxy-authorization", "Basic x"),
            ("proxy-connection", "close"),
            ("expect", "100-continue"),
            ("forwarded", "for=1.1.1.1"),
            ("x-forwarded-for", "1.1.1.1, 2.2.2.2"),
            ("content-length", "3"),
            ("authorization", "Bearer x"),
            ("idempotency-key", "k"),
            ("prefer", "wait=3"),
            ("traceparent", "00-1-1-00"),
            ("via", "1.0 cdn"),
        ]);
        to_peer(&mut given, "::ffff:203.0.113.7".parse().unwrap(), &Pseudonym::new("one"));
        let mut left: Vec<String> =
            given.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        left.sort();
        let expected = [
            "authorization: Bearer x",
            "content-length: 3",
            "idempotency-key: k",
            "prefer: wait=3",
            "traceparent: 00-1-1-00",
            "via: 1.0 cdn",
            "via: 1.1 tradewind-gateway-one",
            "x-forwarded-for: 203.0.113.7",
        ];
        assert_eq!(left, expected);
    }

    #[test]
    fn a_request_that_comes_back_or_has_passed_too_many_proxies_is_in_a_loop() {
        let own = Pseudonym::new("one");
        let refused = |lines: &[(&'static str, &'static str)]| own.check(&headers(lines)).is_err();
        assert!(!refused(&[]));
        assert!(!refused(&[("via", "1.1 tradewind-gateway-two, 1.0 cdn")]));
        assert!(refused(&[("via", "1.0 cdn"), ("via", "1.1 x,1.1 tradewind-gateway-one (us)")]));
        let passed = |count| std::iter::repeat_n(("via", "1.1 cdn"), count).collect::<Vec<_>>();
        assert!(!refused(&passed(VIA_MAX - 1)));
        assert!(refused(&passed(VIA_MAX)));
    }
}
