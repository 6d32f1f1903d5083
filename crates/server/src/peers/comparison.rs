//! Compares what a process says about itself with what its peers say. A state machine without a clock and I/O:
//! [`Comparison::next`] says which peers to ask, [`Comparison::answered`] takes their answers. `keep.rs` drives it.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use tradewind_events::Timestamp;

use super::{Peer, Statement};

/// How often a peer is asked that agreed the last time.
pub const COMPARE_EVERY: Duration = Duration::from_mins(1);

/// How soon a peer is asked again that differs or did not answer.
pub const ASK_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// What this process knows about its peers.
pub struct Comparison {
    own: Statement,
    peers: Vec<Known>,
}

/// A peer, as the peers file has it, and what it said last.
struct Known {
    name: Arc<str>,
    services: BTreeSet<String>,
    ask_at: Timestamp,
    /// It was asked since the start.
    was_asked: bool,
    /// It did not answer the last question.
    is_silent: bool,
    said: Option<Said>,
}

/// The last answer of a peer. It stands until the next: a peer that stops answering still has its settings.
enum Said {
    Statement(Statement),
    Stranger(Stranger),
}

/// An answer that is no statement of the shop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stranger {
    /// It has another master key.
    OtherMasterKey,
    /// It is no process of a split shop, or of another version.
    NoPeer,
}

/// How a peer has answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Statement(Statement),
    Stranger(Stranger),
    /// It cannot be reached, or does not answer now.
    Silent,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ComparisonStep {
    /// Ask these peers, by their numbers; then [`Comparison::answered`] for each.
    Ask(Vec<usize>),
    Wait {
        until: Timestamp,
    },
}

/// What the comparison has found, by the names of settings and peers. It has no values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// Peers that were not asked yet.
    pub unasked: Vec<Arc<str>>,
    /// Sentences about what differs: while there is one the process is not ready.
    pub differences: Vec<String>,
    /// Peers that do not answer.
    pub silent: Vec<Arc<str>>,
}

impl Comparison {
    /// `others` are the other peers of the shop; their numbers count from 0.
    pub fn new<'a>(own: Statement, others: impl IntoIterator<Item = &'a Peer>) -> Self {
        let known = |peer: &Peer| Known {
            name: Arc::clone(&peer.name),
            services: peer.services.iter().map(ToString::to_string).collect(),
            ask_at: Timestamp::default(),
            was_asked: false,
            is_silent: false,
            said: None,
        };
        Self { own, peers: others.into_iter().map(known).collect() }
    }

    /// What this process says about itself.
    pub fn own(&self) -> &Statement {
        &self.own
    }

    pub fn next(&self, now: Timestamp) -> ComparisonStep {
        let due: Vec<usize> =
            self.peers.iter().enumerate().filter_map(|(number, peer)| (peer.ask_at <= now).then_some(number)).collect();
        if !due.is_empty() {
            return ComparisonStep::Ask(due);
        }
        let until = self.peers.iter().map(|peer| peer.ask_at).min().unwrap_or(now.plus(COMPARE_EVERY));
        ComparisonStep::Wait { until }
    }

    /// All peers are asked at once: they may have been restarted, as after a new connection to the broker.
    pub fn ask_all(&mut self) {
        self.peers.iter_mut().for_each(|peer| peer.ask_at = Timestamp::default());
    }

    /// How the peer of this number has answered.
    pub fn answered(&mut self, number: usize, answer: Answer, now: Timestamp) {
        let Some(peer) = self.peers.get_mut(number) else { return };
        peer.was_asked = true;
        peer.is_silent = answer == Answer::Silent;
        match answer {
            Answer::Statement(statement) => peer.said = Some(Said::Statement(statement)),
            Answer::Stranger(stranger) => peer.said = Some(Said::Stranger(stranger)),
            Answer::Silent => {}
        }
        let agrees = !self.peers[number].is_silent && self.differences_of(number).is_empty();
        self.peers[number].ask_at = now.plus(if agrees { COMPARE_EVERY } else { ASK_AGAIN_AFTER });
    }

    pub fn findings(&self) -> Findings {
        let names = |which: fn(&Known) -> bool| {
            self.peers.iter().filter(|peer| which(peer)).map(|peer| Arc::clone(&peer.name)).collect()
        };
        Findings {
            unasked: names(|peer| !peer.was_asked),
            differences: (0..self.peers.len()).flat_map(|number| self.differences_of(number)).collect(),
            silent: names(|peer| peer.is_silent),
        }
    }

    /// What is wrong with a peer, a sentence each.
    fn differences_of(&self, number: usize) -> Vec<String> {
        let peer = &self.peers[number];
        let name = &peer.name;
        let theirs = match &peer.said {
            None => return Vec::new(),
            Some(Said::Stranger(Stranger::OtherMasterKey)) => {
                return vec![format!("the peer {name} has another master_key")];
            }
            Some(Said::Stranger(Stranger::NoPeer)) => {
                return vec![format!("what answers at the URL of the peer {name} is no process of this shop")];
            }
            Some(Said::Statement(theirs)) => theirs,
        };
        let mut differences = Vec::new();
        if theirs.peer != **name {
            differences.push(format!("the peer {} answers at the URL of the peer {name}", theirs.peer));
        }
        let before = self.peers[..number].iter().filter_map(Known::statement);
        for other in std::iter::once(&self.own).chain(before) {
            let both = theirs.services.iter().filter(|service| other.services.contains(service));
            differences.extend(both.map(|service| format!("the peers {} and {name} both run {service}", other.peer)));
            if theirs.store == other.store {
                differences.push(format!("the peers {} and {name} run on copies of one store", other.peer));
            }
        }
        if theirs.services.iter().cloned().collect::<BTreeSet<_>>() != peer.services {
            differences.push(format!("the peer {name} runs other services than the peers file lists"));
        }
        let (ours, theirs) = (&self.own.settings, &theirs.settings);
        let names: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
        let differing = names.into_iter().filter(|setting| ours.get(*setting) != theirs.get(*setting));
        differences.extend(differing.map(|setting| format!("the peer {name} has another {setting}")));
        differences
    }
}

impl Known {
    fn statement(&self) -> Option<&Statement> {
        match &self.said {
            Some(Said::Statement(statement)) => Some(statement),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::services;

    const START: Timestamp = Timestamp::from_millis(1_769_860_800_000);

    fn peer(name: &str, services: &[&'static str]) -> Peer {
        let url = format!("http://{name}").parse().expect("a URL");
        Peer { name: name.into(), url, trust: None, services: services.to_vec() }
    }

    fn statement(peer: &Peer) -> Statement {
        Statement {
            peer: peer.name.to_string(),
            services: peer.services.iter().map(ToString::to_string).collect(),
            store: format!("store of {}", peer.name),
            settings: BTreeMap::from([("currency".to_owned(), "EUR".to_owned())]),
        }
    }

    /// The process `front` with two peers.
    fn comparison() -> (Comparison, Vec<Peer>) {
        let (front, others) = services::NAMES.split_at(3);
        let (middle, back) = others.split_at(3);
        let others = vec![peer("middle", middle), peer("back", back)];
        (Comparison::new(statement(&peer("front", front)), &others), others)
    }

    fn asked(comparison: &Comparison, after: Duration) -> Vec<usize> {
        match comparison.next(START.plus(after)) {
            ComparisonStep::Ask(due) => due,
            ComparisonStep::Wait { .. } => Vec::new(),
        }
    }

    #[test]
    fn a_process_waits_for_one_answer_of_each_peer_and_then_asks_from_time_to_time() {
        let (mut comparison, others) = comparison();
        assert_eq!(comparison.findings().unasked, ["middle".into(), "back".into()]);
        assert_eq!(asked(&comparison, Duration::ZERO), [0, 1]);
        comparison.answered(0, Answer::Statement(statement(&others[0])), START);
        comparison.answered(1, Answer::Silent, START);
        let findings = comparison.findings();
        assert_eq!(findings, Findings { silent: vec!["back".into()], ..Findings::default() });
        assert_eq!(comparison.next(START), ComparisonStep::Wait { until: START.plus(ASK_AGAIN_AFTER) });
        assert_eq!(asked(&comparison, ASK_AGAIN_AFTER), [1]);
        comparison.answered(1, Answer::Statement(statement(&others[1])), START.plus(ASK_AGAIN_AFTER));
        assert_eq!(comparison.findings(), Findings::default());
        assert_eq!(asked(&comparison, COMPARE_EVERY - Duration::from_millis(1)), [0_usize; 0]);
        assert_eq!(asked(&comparison, COMPARE_EVERY), [0]);
        comparison.ask_all();
        assert_eq!(asked(&comparison, Duration::ZERO), [0, 1]);
    }

    #[test]
    fn what_a_peer_said_stands_while_it_is_silent() {
        let (mut comparison, others) = comparison();
        let settings = BTreeMap::from([("currency".to_owned(), "USD".to_owned())]);
        comparison.answered(0, Answer::Statement(Statement { settings, ..statement(&others[0]) }), START);
        comparison.answered(0, Answer::Silent, START);
        let findings = comparison.findings();
        assert_eq!(findings.differences, ["the peer middle has another currency"]);
        assert_eq!(findings.silent, ["middle".into()]);
        comparison.answered(0, Answer::Statement(statement(&others[0])), START);
        assert_eq!(comparison.findings().differences, [""; 0]);
    }

    #[test]
    fn each_difference_is_a_sentence() {
        let difference = |answer: &dyn Fn(Statement) -> Answer| {
            let (mut comparison, others) = comparison();
            comparison.answered(0, Answer::Statement(statement(&others[0])), START);
            comparison.answered(1, answer(statement(&others[1])), START);
            assert_eq!(asked(&comparison, ASK_AGAIN_AFTER), [1]);
            comparison.findings().differences
        };
        let of = |change: &dyn Fn(&mut Statement)| {
            difference(&|mut statement| {
                change(&mut statement);
                Answer::Statement(statement)
            })
        };
        assert_eq!(
            difference(&|_| Answer::Stranger(Stranger::OtherMasterKey)),
            ["the peer back has another master_key"]
        );
        let stranger = difference(&|_| Answer::Stranger(Stranger::NoPeer));
        assert_eq!(stranger, ["what answers at the URL of the peer back is no process of this shop"]);
        assert_eq!(of(&|theirs| theirs.peer = "other".into()), ["the peer other answers at the URL of the peer back"]);
        let copied = of(&|theirs| theirs.store = "store of front".into());
        assert_eq!(copied, ["the peers front and back run on copies of one store"]);
        let copied = of(&|theirs| theirs.store = "store of middle".into());
        assert_eq!(copied, ["the peers middle and back run on copies of one store"]);
        let other_services = "the peer back runs other services than the peers file lists";
        assert_eq!(of(&|theirs| theirs.services.clear()), [other_services]);
        let twice = of(&|theirs| theirs.services.push("identity".into()));
        assert_eq!(twice, ["the peers front and back both run identity", other_services]);
        let twice = of(&|theirs| theirs.services.push("orders".into()));
        assert_eq!(twice, ["the peers middle and back both run orders", other_services]);
        assert_eq!(of(&|theirs| theirs.settings.clear()), ["the peer back has another currency"]);
        let newer = of(&|theirs| drop(theirs.settings.insert("new".into(), String::new())));
        assert_eq!(newer, ["the peer back has another new"]);
    }
}
