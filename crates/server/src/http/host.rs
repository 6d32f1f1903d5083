//! The `Host` of a request (RFC 9112, 3.2). A request that names two hosts, or none, may be read by a proxy in another way
//! than here.

use axum::http::{HeaderValue, Request, Version, header};

use super::{problem::Failure, refusals::HEADER_INVALID};

/// A request has one `Host`, which is a host with or without a port, or empty. One of HTTP/1.0 may have none.
pub fn check<B>(request: &Request<B>) -> Result<(), Failure> {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let rule = match (hosts.next(), hosts.next()) {
        (Some(host), None) if is_host(host.as_bytes()) => return Ok(()),
        (None, _) if request.version() < Version::HTTP_11 => return Ok(()),
        (Some(_), None) => "A Host is a host with or without a port: shop.example:8080.",
        _ => "A request has one Host header.",
    };
    let close = HeaderValue::from_static("close");
    Err(HEADER_INVALID.because(rule).at("Host").header(header::CONNECTION, close))
}

/// `uri-host [":" port]` (RFC 3986, 3.2.2).
fn is_host(value: &[u8]) -> bool {
    let (host, port) = match value {
        [b'[', rest @ ..] => {
            let Some(end) = rest.iter().position(|byte| *byte == b']') else { return false };
            let (address, port) = (&rest[..end], &rest[end + 1..]);
            let is_address = |byte: &u8| byte.is_ascii_hexdigit() || b":.".contains(byte);
            if address.is_empty() || !address.iter().all(is_address) {
                return false;
            }
            (&[][..], port)
        }
        _ => value.split_at(value.iter().position(|byte| *byte == b':').unwrap_or(value.len())),
    };
    let is_named = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=".contains(byte);
    let is_port = match port {
        [] => true,
        [b':', digits @ ..] => digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    is_port && host.iter().all(is_named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address_with_or_without_a_port() {
        for host in
            ["shop.example", "shop:8080", "shop:", "127.0.0.1", "[::1]", "[::ffff:10.0.0.1]:80", "a_b", "%41", ""]
        {
            assert!(is_host(host.as_bytes()), "{host}");
        }
        for host in
            ["a b", "a/b", "me@shop", "shop:http", "shop:80:80", "::1", "[::1", "[]", "[::1]x", "[x]", "ä", "a?"]
        {
            assert!(!is_host(host.as_bytes()), "{host}");
        }
    }
}
