//! The least of an HTTP client: one request on a connection of its own. Load comes from `tradewind load`.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, TcpStream},
    time::Duration,
};

use serde_json::Value;

/// The longest that an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Sends a body to a shop on this machine. The body of the answer, where it is a success.
pub fn post(port: u16, token: &str, path: &str, key: &str, body: &Value) -> io::Result<Value> {
    let body = body.to_string();
    let authorization = if token.is_empty() { String::new() } else { format!("Authorization: Bearer {token}\r\n") };
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n{authorization}Idempotency-Key: {key}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    body_of(&answer_to(port, &request)?)
}

/// Reads a page that needs no token.
pub fn text(port: u16, path: &str) -> io::Result<String> {
    let answer =
        answer_to(port, &format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n"))?;
    Ok(parted(&answer)?.to_owned())
}

fn answer_to(port: u16, request: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn body_of(answer: &str) -> io::Result<Value> {
    let body = parted(answer)?;
    Ok(if body.is_empty() { Value::Null } else { serde_json::from_str(body)? })
}

/// The body of an answer, if it is a success.
fn parted(answer: &str) -> io::Result<&str> {
    let (head, body) = answer.split_once("\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    let status = head.split(' ').nth(1).unwrap_or_default();
    if status.starts_with('2') { Ok(body) } else { Err(io::Error::other(format!("{status}: {body}"))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_success_has_a_body_to_be_read() {
        assert_eq!(body_of("HTTP/1.1 201 Created\r\na: b\r\n\r\n{\"one\":1}").unwrap()["one"], 1);
        assert_eq!(body_of("HTTP/1.1 204 No Content\r\n\r\n").unwrap(), Value::Null);
        assert!(body_of("HTTP/1.1 503 Service Unavailable\r\n\r\n{}").is_err());
        assert!(body_of("").is_err());
    }
}
