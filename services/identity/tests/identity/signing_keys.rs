//! The keys that sign tokens.

use std::{sync::Arc, time::Duration};

use tradewind_events::{
    Id, id,
    identity::{SigningKeyPublished, SigningKeyRetired},
    row_key,
};
use tradewind_identity::{
    Identity,
    commands::{PublishSigningKey, RetireSigningKey},
    model::{Actor, KeyState, REALM, Realm, SigningKey},
};
use tradewind_testkit::Stage;

use super::{code, expect_quiet, stage};

fn publish(kid: &str, replaces: Option<&str>) -> PublishSigningKey {
    PublishSigningKey {
        kid: id(kid),
        public_jwk: kid.into(),
        private_key: Arc::from(*b"ciphertext"),
        replaces: replaces.map(id),
        actor: Actor::Shop,
    }
}

fn state(stage: &Stage, kid: &str) -> KeyState {
    stage.row::<SigningKey>(id(kid)).unwrap().state()
}

fn active(stage: &Stage) -> Option<Id> {
    stage.row::<Realm>(row_key(&[REALM])).unwrap().active_kid().cloned()
}

#[test]
fn the_key_before_verifies_until_its_last_token_has_expired() {
    let mut stage = stage();
    stage.ask(publish("k1", None)).unwrap();
    stage.ask(publish("k2", Some("k1"))).unwrap();
    assert_eq!(stage.said::<SigningKeyPublished>().len(), 2);
    assert_eq!((state(&stage, "k1"), state(&stage, "k2")), (KeyState::Verifying, KeyState::Active));
    assert_eq!(active(&stage), Some(id("k2")));
    assert_eq!(stage.row::<SigningKey>(id("k1")).unwrap().private_key(), None, "what signs nothing keeps no secret");
    stage.advance(Duration::from_secs(599));
    assert_eq!(state(&stage, "k1"), KeyState::Verifying);
    stage.advance(Duration::from_secs(1));
    assert_eq!(state(&stage, "k1"), KeyState::Retired);
    assert_eq!(stage.said::<SigningKeyRetired>()[0].kid, id("k1"));
    expect_quiet(&stage);
}

#[test]
fn of_two_who_replace_a_key_at_the_same_time_one_is_refused() {
    let mut stage = stage();
    stage.ask(publish("k1", None)).unwrap();
    assert_eq!(code(stage.ask(publish("k2", None))), "signing_key_changed");
    stage.ask(publish("k2", Some("k1"))).unwrap();
    assert_eq!(code(stage.ask(publish("k3", Some("k1")))), "signing_key_changed");
    assert_eq!(code(stage.ask(publish("k1", Some("k2")))), "signing_key_changed", "a key comes once");
    assert_eq!(stage.rows::<SigningKey>().len(), 2);
}

#[test]
fn a_key_that_is_not_to_be_trusted_is_retired_at_once() {
    let mut stage = stage();
    stage.ask(publish("k1", None)).unwrap();
    stage.ask(RetireSigningKey { kid: id("k1"), actor: Actor::Shop }).unwrap();
    stage.ask(RetireSigningKey { kid: id("k1"), actor: Actor::Shop }).unwrap();
    assert_eq!(stage.said_names(), ["signing_key.published", "signing_key.retired"]);
    assert_eq!(active(&stage), None);
    stage.ask(publish("k2", None)).unwrap();
    assert_eq!(code(stage.ask(RetireSigningKey { kid: id("k9"), actor: Actor::Shop })), "signing_key_unknown");
}

#[test]
fn a_replaced_key_that_is_retired_by_hand_is_not_retired_again() {
    let mut stage = stage();
    stage.ask(publish("k1", None)).unwrap();
    stage.ask(publish("k2", Some("k1"))).unwrap();
    stage.ask(RetireSigningKey { kid: id("k1"), actor: Actor::Shop }).unwrap();
    assert_eq!(active(&stage), Some(id("k2")));
    stage.advance(Identity::default().access_token_ttl);
    assert_eq!(stage.said::<SigningKeyRetired>().len(), 1);
    expect_quiet(&stage);
}
