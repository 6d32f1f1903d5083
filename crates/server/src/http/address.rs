//! From where a request comes: for limits only. It stands in no log.

use std::net::{IpAddr, Ipv6Addr};

use axum::http::HeaderMap;

const FORWARDED_FOR: &str = "x-forwarded-for";

/// The client's address, as limits count it: of IPv6 the network, of which one customer has all addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Client(pub IpAddr);

impl Default for Client {
    fn default() -> Self {
        Self(Ipv6Addr::UNSPECIFIED.into())
    }
}

/// The client behind `peer`: the last address of X-Forwarded-For that is no trusted proxy, if the peer is one.
pub fn client(peer: IpAddr, headers: &HeaderMap, trusted: &[IpAddr]) -> Client {
    if !trusted.contains(&peer) {
        return Client(network(peer));
    }
    let values = headers.get_all(FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok());
    let hops: Vec<IpAddr> =
        values.flat_map(|value| value.split(',')).filter_map(|hop| hop.trim().parse().ok()).collect();
    let client = hops.into_iter().rev().find(|hop| !trusted.contains(hop));
    Client(network(client.unwrap_or(peer)))
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
    }
}
