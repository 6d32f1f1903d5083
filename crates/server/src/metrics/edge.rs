//! What happens to connections, and how long the certificate is good.

use prometheus_client::metrics::{counter::Counter, family::Family, gauge::Gauge};
use tradewind_events::Timestamp;

use super::{Labels, book::Book};

/// The figures of the HTTP edge beside those of requests.
pub struct EdgeFigures {
    pub connections: ConnectionFigures,
    accept_failures: Counter,
    certificate_expires: Gauge,
}

/// Connections that are open, and those that the server ended. Clones count together.
#[derive(Clone, Default)]
pub struct ConnectionFigures {
    pub open: Gauge,
    ended: Family<Labels<1>, Counter>,
}

impl EdgeFigures {
    pub fn new(book: &mut Book) -> Self {
        let figures = Self {
            connections: ConnectionFigures::default(),
            accept_failures: Counter::default(),
            certificate_expires: Gauge::default(),
        };
        let ConnectionFigures { open, ended } = &figures.connections;
        book.add("http_connections", &[], "Connections that are open", open.clone());
        let help = "Connections that the server refused, displaced, or closed because the client was too slow";
        book.add("http_connections_ended", &["reason"], help, ended.clone());
        let help = "Connections that could not be accepted, most often for lack of file descriptors";
        book.add("http_accept_failures", &[], help, figures.accept_failures.clone());
        let help = "When the TLS certificate expires, in seconds since 1970; 0 without TLS";
        book.add("tls_certificate_expiry_timestamp_seconds", &[], help, figures.certificate_expires.clone());
        figures
    }

    pub fn accept_failed(&self) {
        self.accept_failures.inc();
    }

    pub fn certificate_expires(&self, at: Timestamp) {
        self.certificate_expires.set(at.as_millis().div_euclid(1_000));
    }
}

impl ConnectionFigures {
    pub fn ended(&self, reason: &'static str) {
        self.ended.get_or_create(&[("reason", reason)]).inc();
    }
}
