//! The packs of this repository are whole: they load without a fault, with every message of their documents.

use std::collections::BTreeSet;

use crate::loading::load;
use tradewind_contracts::Pack;

/// Distinct messages, and those that are exported and imported.
fn messages(pack: &Pack) -> usize {
    let names: BTreeSet<&str> = pack.messages().map(|message| message.name.as_str()).collect();
    for name in &names {
        let (exported, imported) = pack.events_of(name);
        assert!(!exported.is_empty() && !imported.is_empty(), "{name} works one way only");
    }
    names.len()
}

#[test]
fn stocklet_has_its_24_messages_on_27_topics() {
    let pack = load("stocklet");
    assert_eq!(messages(&pack), 24);
    let topics: BTreeSet<&str> = pack.messages().map(|message| message.channel.as_str()).collect();
    assert_eq!(topics.len(), 27);
}

#[test]
fn queues_has_its_6_messages() {
    assert_eq!(messages(&load("queues")), 6);
}
