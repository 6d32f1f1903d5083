//! The address of a server, taken apart.

use std::{path::PathBuf, time::Duration};

use super::{ConfigError, Timing};

/// Seconds between two heartbeats, at most.
const HEARTBEAT_SECONDS_MAX: u64 = 60;

/// What an address says.
#[derive(Debug, PartialEq, Eq)]
pub struct Parts {
    pub tls: bool,
    pub user: String,
    pub host: String,
    pub port: u16,
    pub vhost: String,
    pub ca_file: Option<PathBuf>,
    pub heartbeat: Duration,
    pub prefetch: Option<u16>,
}

pub fn parse(url: &str) -> Result<Parts, ConfigError> {
    let wrong = |what: &str| ConfigError::Url(what.to_owned());
    let (scheme, rest) = url.split_once("://").ok_or_else(|| wrong("it has no scheme"))?;
    let tls = match scheme {
        "amqp" => false,
        "amqps" => true,
        _ => return Err(wrong("its scheme is neither amqp nor amqps")),
    };
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, vhost) = rest.split_once('/').unwrap_or((rest, ""));
    let (user, place) = authority.rsplit_once('@').unwrap_or(("guest", authority));
    if user.contains(':') {
        return Err(wrong("it has a password, which belongs into a setting of its own"));
    }
    let (host, port) = match place.rsplit_once(':') {
        // The colons of an IPv6 address stand in brackets.
        Some((host, port)) if !port.ends_with(']') => (
            host,
            port.parse().ok().filter(|port| *port > 0).ok_or_else(|| wrong("its port is no number from 1 to 65535"))?,
        ),
        _ => (place, if tls { 5_671 } else { 5_672 }),
    };
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    if host.is_empty() {
        return Err(wrong("it names no host"));
    }
    let decoded = |text: &str, what: &str| decode(text).ok_or_else(|| wrong(&format!("{what} is not percent-encoded")));
    let vhost = decoded(vhost, "its virtual host")?;
    let mut parts = Parts {
        tls,
        user: decoded(user, "its user")?,
        host: host.to_owned(),
        port,
        vhost: if vhost.is_empty() { "/".to_owned() } else { vhost },
        ca_file: None,
        heartbeat: Timing::default().heartbeat,
        prefetch: None,
    };
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let wrong = |problem: &str| ConfigError::Parameter { parameter: name.to_owned(), problem: problem.to_owned() };
        let value = decode(value).ok_or_else(|| wrong("is not percent-encoded"))?;
        match name {
            "ca_file" if !tls => return Err(wrong("is for amqps only")),
            "ca_file" if value.is_empty() => return Err(wrong("names no file")),
            "ca_file" => parts.ca_file = Some(PathBuf::from(value)),
            "heartbeat" => {
                let seconds = value.parse().ok().filter(|seconds| (1..=HEARTBEAT_SECONDS_MAX).contains(seconds));
                parts.heartbeat = Duration::from_secs(seconds.ok_or_else(|| wrong("must be from 1 to 60 seconds"))?);
            }
            "prefetch" => {
                let prefetch = value.parse().ok().filter(|prefetch| *prefetch > 0);
                parts.prefetch = Some(prefetch.ok_or_else(|| wrong("must be from 1 to 65535"))?);
            }
            _ => return Err(wrong("is unknown; there are ca_file, heartbeat and prefetch")),
        }
    }
    Ok(parts)
}

fn decode(text: &str) -> Option<String> {
    let (mut bytes, mut rest) = (Vec::new(), text.bytes());
    while let Some(byte) = rest.next() {
        bytes.push(if byte == b'%' {
            let digit = |byte: Option<u8>| char::from(byte?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
            digit(rest.next())? * 16 + digit(rest.next())?
        } else {
            byte
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_but_the_host_may_be_left_out() {
        let parts = parse("amqp://broker").unwrap();
        assert_eq!(
            (parts.tls, &*parts.user, &*parts.host, parts.port, &*parts.vhost),
            (false, "guest", "broker", 5672, "/")
        );
        let parts = parse("amqps://a%40b@[::1]:7/x%2Fy?ca_file=/a%20b&heartbeat=9&prefetch=3").unwrap();
        assert_eq!((parts.tls, &*parts.user, &*parts.host, parts.port, &*parts.vhost), (true, "a@b", "::1", 7, "x/y"));
        assert_eq!(
            (parts.ca_file, parts.heartbeat, parts.prefetch),
            (Some("/a b".into()), Duration::from_secs(9), Some(3))
        );
        assert_eq!(parse("amqps://[::1]/").unwrap().port, 5671);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (url, named) in [
            ("broker:5672", "no scheme"),
            ("http://broker", "neither amqp nor amqps"),
            ("amqp://user:secret@broker", "a password"),
            ("amqp://broker:70000", "port"),
            ("amqp://broker:0", "port"),
            ("amqp://:5672", "no host"),
            ("amqp://broker/%zz", "virtual host"),
            ("amqp://broker?ca_file=a", "`ca_file`"),
            ("amqps://broker?ca_file=", "`ca_file`"),
            ("amqp://broker?heartbeat=0", "`heartbeat`"),
            ("amqp://broker?heartbeat=61", "`heartbeat`"),
            ("amqp://broker?prefetch=65536", "`prefetch`"),
            ("amqp://broker?verify=none", "`verify`"),
        ] {
            let error = parse(url).unwrap_err().to_string();
            assert!(error.contains(named) && !error.contains("secret"), "{url}: {error}");
        }
    }
}
