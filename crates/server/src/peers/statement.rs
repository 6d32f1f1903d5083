//! What the processes of a split shop tell each other: who they are, and the settings that must be the same everywhere.
//!
//! A process asks another with a nonce and proves that it has the master key by an HMAC of it. The answer is encrypted with
//! a key that is derived from the same, and bound to the nonce, so it is fresh, comes from a process of the shop and can be
//! read by nothing else. A process with another master key learns that, and no more.

use std::collections::BTreeMap;

use base64ct::{Base64UrlUnpadded, Encoding};
use ring::hmac;
use serde::{Deserialize, Serialize};
use tradewind_events::TextEnum;

use super::{Peer, Peers};
use crate::{
    config::{Config, Secret},
    secret::{Keys, decoded, drawn, encoded},
    split::Split,
};

/// Builds of one series understand each other: a patch changes neither events nor what services rely on.
const SERIES: &str = concat!(env!("CARGO_PKG_VERSION_MAJOR"), ".", env!("CARGO_PKG_VERSION_MINOR"));

const NONCE_BYTES: usize = 32;

/// What a process says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// Its name in the peers file.
    pub peer: String,
    pub services: Vec<String>,
    /// The name of its store, which stands in the ids of its events.
    pub store: String,
    /// Texts that must be the same in all processes, by the names of settings.
    pub settings: BTreeMap<String, String>,
}

/// A question to a peer.
#[derive(Debug, Clone)]
pub struct Question {
    pub nonce: String,
    /// Base64 for URLs.
    pub proof: String,
}

impl Statement {
    /// What this process says.
    pub fn own(config: &Config, split: &Split, keys: &Keys, store_name: &str) -> Self {
        let own = split.own();
        Self {
            peer: own.name.to_string(),
            services: own.services.iter().map(ToString::to_string).collect(),
            store: store_name.to_owned(),
            settings: settings(config, split.peers(), keys),
        }
    }

    /// Encrypted for the process that asked.
    ///
    /// # Panics
    /// Never: it has texts only.
    pub fn seal(&self, keys: &Keys, nonce: &str) -> String {
        let plain = serde_json::to_vec(self).expect("texts are JSON");
        encoded(&keys.seal(&plain, &bound_to(nonce)))
    }

    /// The answer to a question; `None` if it is not one, or comes from a process with another master key.
    pub fn open(keys: &Keys, question: &Question, sealed: &str) -> Option<Self> {
        let plain = keys.open(&decoded(sealed)?, &bound_to(&question.nonce))?;
        serde_json::from_slice(&plain).ok()
    }
}

impl Question {
    pub fn new(keys: &Keys) -> Self {
        let nonce = encoded(&drawn::<NONCE_BYTES>());
        let proof = encoded(hmac::sign(&keys.peers, &asked(&nonce)).as_ref());
        Self { nonce, proof }
    }

    /// Whether it comes from a process with the same master key.
    pub fn is_proven(&self, keys: &Keys) -> bool {
        let nonce_fits = Base64UrlUnpadded::decode_vec(&self.nonce).is_ok_and(|nonce| nonce.len() == NONCE_BYTES);
        let proof = decoded(&self.proof).unwrap_or_default();
        nonce_fits && hmac::verify(&keys.peers, &asked(&self.nonce), &proof).is_ok()
    }
}

fn asked(nonce: &str) -> Vec<u8> {
    format!("question 1 {nonce}").into_bytes()
}

fn bound_to(nonce: &str) -> String {
    format!("peer statement 1 {nonce}")
}

/// What services of different processes rely on. A setting that one service alone reads is not among them.
fn settings(config: &Config, peers: &Peers, keys: &Keys) -> BTreeMap<String, String> {
    let duration = |duration| humantime::format_duration(duration).to_string();
    let listed = |peer: &Peer| format!("{}: {}", peer.name, peer.services.join(" "));
    let mut listed: Vec<String> = peers.all().iter().map(listed).collect();
    listed.sort();
    let broker = config.broker.as_ref().map_or("", |url| url.kind.as_str());
    let settings = [
        ("version", SERIES.to_owned()),
        // Processes that know other peers send requests and events elsewhere. Its URLs may differ: a network may have
        // several names for one process.
        ("peers", listed.join("; ")),
        ("broker", broker.to_owned()),
        ("broker_prefix", config.broker_prefix.to_string()),
        // Catalog, carts, orders and payments reject each other's amounts in another one.
        ("currency", config.currency.to_string()),
        // Orders cancels when inventory's reservation is about to expire.
        ("reservation_ttl", duration(config.reservation_ttl)),
        ("order_deadline", duration(config.order_deadline)),
        // Orders and payments both decide on customers that identity does not know.
        ("foreign_customers", config.foreign_customers.to_string()),
        // Every process checks the tokens of identity, and forgets revoked ones when they have expired.
        ("token_issuer", config.token_issuer.to_string()),
        ("access_token_ttl", duration(config.access_token_ttl)),
        ("clock_skew", duration(config.clock_skew)),
        ("cart_secret", digest(keys, "cart_secret", config.cart_secret.as_ref())),
        ("provider_secret", digest(keys, "provider_secret", config.provider_secret.as_ref())),
    ];
    settings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Keyed: without the master key it tells nothing about the secret.
fn digest(keys: &Keys, name: &str, secret: Option<&Secret>) -> String {
    let mut digest = hmac::Context::with_key(&keys.peers);
    digest.update(format!("secret 1 {name} ").as_bytes());
    digest.update(secret.map_or(&[], |secret| secret.expose()));
    encoded(digest.sign().as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(master: &str) -> Keys {
        Keys::new(&Secret::new(master.as_bytes()))
    }

    #[test]
    fn a_question_and_its_answer_are_for_processes_with_the_same_master_key() {
        let (ours, theirs) = (keys("the master key of the shop"), keys("the master key of another"));
        let question = Question::new(&ours);
        assert!(question.is_proven(&ours) && !question.is_proven(&theirs));
        let statement = Statement {
            peer: "back".to_owned(),
            services: vec!["orders".to_owned()],
            store: "abcd".to_owned(),
            settings: BTreeMap::from([("currency".to_owned(), "EUR".to_owned())]),
        };
        let sealed = statement.seal(&ours, &question.nonce);
        assert_eq!(Statement::open(&ours, &question, &sealed), Some(statement.clone()));
        assert_eq!(Statement::open(&theirs, &question, &sealed), None);
        // An answer that was recorded does not answer the next question.
        assert_eq!(Statement::open(&ours, &Question::new(&ours), &sealed), None);
        for (nonce, proof) in [("", &*question.proof), (&question.nonce, ""), (&question.nonce, "!"), ("AAAA", "AAAA")]
        {
            assert!(!Question { nonce: nonce.to_owned(), proof: proof.to_owned() }.is_proven(&ours));
        }
        let short = encoded(hmac::sign(&ours.peers, &asked("AAAA")).as_ref());
        assert!(!Question { nonce: "AAAA".to_owned(), proof: short }.is_proven(&ours));
    }

    #[test]
    fn the_digest_of_a_secret_depends_on_the_master_key_and_the_setting() {
        let (ours, secret) = (keys("the master key of the shop"), Secret::new(*b"one cart secret"));
        let of = |keys: &Keys, name| digest(keys, name, Some(&secret));
        assert_eq!(of(&ours, "cart_secret"), of(&ours, "cart_secret"));
        assert_ne!(of(&ours, "cart_secret"), of(&ours, "provider_secret"));
        assert_ne!(of(&ours, "cart_secret"), of(&keys("the master key of another"), "cart_secret"));
    }
}
