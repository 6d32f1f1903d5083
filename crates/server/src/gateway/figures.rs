//! Figures of a gateway, for Prometheus.

use std::sync::Arc;

use prometheus_client::metrics::{counter::Counter, family::Family, gauge::Gauge};

use crate::metrics::{Answered, Book, EdgeFigures, Figure, RequestFigures};

/// By peer.
type ByPeer = [(&'static str, Arc<str>); 1];
/// By peer and what happened.
type ByOutcome = [(&'static str, Arc<str>); 2];

/// All figures of a gateway.
pub struct GatewayFigures {
    book: Book,
    requests: RequestFigures,
    pub edge: EdgeFigures,
    sent: Family<ByOutcome, Counter>,
    opened: Family<ByPeer, Counter>,
    idle: Family<ByPeer, Gauge>,
}

/// Those of one peer. Clones count together.
#[derive(Clone)]
pub struct PeerFigures {
    answered: Counter,
    repeated: Counter,
    unreachable: Counter,
    broken: Counter,
    timed_out: Counter,
    cut: Counter,
    opened: Counter,
    idle: Gauge,
}

impl Default for GatewayFigures {
    fn default() -> Self {
        let mut book = Book::default();
        let requests = RequestFigures::new(&mut book);
        let edge = EdgeFigures::new(&mut book);
        let (sent, opened, idle) = (Family::default(), Family::default(), Family::default());
        let help = "Requests that the gateway sent to a peer, by what happened: answered, repeated on a new connection, \
                    unreachable, broken, timed_out, or cut off in the middle of the answer";
        book.add("gateway_peer_requests", &["peer", "outcome"], help, Family::clone(&sent));
        let help = "Connections that the gateway opened to a peer";
        book.add("gateway_peer_connections_opened", &["peer"], help, Family::clone(&opened));
        let help = "Connections to a peer that are kept for the next request";
        book.add("gateway_peer_connections_idle", &["peer"], help, Family::clone(&idle));
        Self { book, requests, edge, sent, opened, idle }
    }
}

impl GatewayFigures {
    pub fn answered(&self, answered: &Answered) {
        self.requests.answered(answered);
    }

    pub fn of_peer(&self, name: &Arc<str>) -> PeerFigures {
        let sent = |outcome: &str| {
            Counter::clone(&self.sent.get_or_create(&[("peer", Arc::clone(name)), ("outcome", outcome.into())]))
        };
        let peer = [("peer", Arc::clone(name))];
        PeerFigures {
            answered: sent("answered"),
            repeated: sent("repeated"),
            unreachable: sent("unreachable"),
            broken: sent("broken"),
            timed_out: sent("timed_out"),
            cut: sent("cut"),
            opened: Counter::clone(&self.opened.get_or_create(&peer)),
            idle: Gauge::clone(&self.idle.get_or_create(&peer)),
        }
    }

    /// All figures, as Prometheus reads them.
    pub fn text(&self) -> String {
        self.book.text()
    }

    /// What there is to read, by name.
    pub fn figures(&self) -> Vec<&Figure> {
        self.book.figures()
    }
}

impl PeerFigures {
    pub fn answered(&self) {
        self.answered.inc();
    }

    pub fn repeated(&self) {
        self.repeated.inc();
    }

    pub fn unreachable(&self) {
        self.unreachable.inc();
    }

    pub fn broken(&self) {
        self.broken.inc();
    }

    pub fn timed_out(&self) {
        self.timed_out.inc();
    }

    pub fn cut(&self) {
        self.cut.inc();
    }

    pub fn opened(&self) {
        self.opened.inc();
    }

    pub fn idle(&self, count: usize) {
        self.idle.set(i64::try_from(count).unwrap_or(i64::MAX));
    }
}
