//! From where a request comes: for limits only. It stands in no log.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::http::HeaderMap;

pub const FORWARDED_FOR: &str = "x-forwarded-for";

/// The client's address, as limits count it: of IPv6 the network, of which one customer has all addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Client(pub IpAddr);

impl Default for Client {
    fn default() -> Self {
        Self(Ipv6Addr::UNSPECIFIED.into())
    }
}

/// The client behind `peer`, as limits count it: see [`client_address`].
pub fn client(peer: IpAddr, headers: &HeaderMap, trusted: &[IpAddr]) -> Client {
    Client(network(client_address(peer, headers, trusted)))
}

/// The address of the client behind `peer`: the last address of X-Forwarded-For that is no trusted proxy, if the peer is
/// one. What stands before an entry that is no address is not believed: only the client itself may have written it.
pub fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpAddr]) -> IpAddr {
    if !is_trusted(peer, trusted) {
        return peer;
    }
    let mut nearest = peer;
    for value in headers.get_all(FORWARDED_FOR).iter().rev() {
        for entry in value.as_bytes().rsplit(|byte| *byte == b',') {
            let Some(hop) = address(entry) else { return nearest };
            if !is_trusted(hop, trusted) {
                return hop;
            }
            nearest = hop;
        }
    }
    nearest
}

/// Whether an address is the one of a trusted proxy. A socket for both versions shows an IPv4 address as an IPv6 one.
pub fn is_trusted(address: IpAddr, trusted: &[IpAddr]) -> bool {
    trusted.iter().any(|proxy| proxy.to_canonical() == address.to_canonical())
}

/// An entry of X-Forwarded-For: an address, with or without a port.
fn address(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry).ok()?.trim();
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|socket| socket.ip());
    text.parse().ok().or_else(with_port).or_else(bracketed)
}

/// As limits count an address.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        four @ IpAddr::V4(_) => four,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        let mut headers = HeaderMap::new();
        headers.insert(FORWARDED_FOR, "1.1.1.1, 203.0.113.7, 10.0.0.2".parse().unwrap());
        let proxies: [IpAddr; 2] = ["10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap()];
        let seen = |peer: &str| client(peer.parse().unwrap(), &headers, &proxies).0.to_string();
        assert_eq!(seen("10.0.0.1"), "203.0.113.7");
        assert_eq!(seen("198.51.100.9"), "198.51.100.9", "whoever asks may write what they like there");
        assert_eq!(seen("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(seen("::ffff:10.0.0.1"), "203.0.113.7", "a socket for both versions shows the proxy so");
    }

    #[test]
    fn what_only_the_client_can_have_written_is_not_believed() {
        let proxies: [IpAddr; 1] = ["10.0.0.1".parse().unwrap()];
        let seen = |lines: &[&[u8]]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(FORWARDED_FOR, axum::http::HeaderValue::from_bytes(line).unwrap());
            }
            client(proxies[0], &headers, &proxies).0.to_string()
        };
        assert_eq!(seen(&[b"1.1.1.1, 203.0.113.7:4711"]), "203.0.113.7", "some proxies write the port");
        assert_eq!(seen(&[b"1.1.1.1, [2001:db8:1:2::3]:4711"]), "2001:db8:1:2::");
        assert_eq!(seen(&[b"1.1.1.1, [2001:db8:1:2::3]"]), "2001:db8:1:2::");
        assert_eq!(seen(&[b"1.1.1.1, unknown"]), "10.0.0.1", "of the one who asked the proxy nothing is known");
        assert_eq!(seen(&[b"1.1.1.1", b"\xff, 203.0.113.7, 10.0.0.1"]), "203.0.113.7");
        assert_eq!(seen(&[]), "10.0.0.1");
    }
}
