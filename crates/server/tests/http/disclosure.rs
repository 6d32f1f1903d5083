//! Dead letters: what is personal in them is masked, and shown by an action that stands in the audit trail.

use serde_json::{Value, json};
use tradewind_engine::ports::BrokerMessage;

use crate::{
    client::{Client, Reply},
    town::{TWO_STORES, Town},
};

/// A message of identity that the second store cannot handle.
async fn dies(town: &Town, body: &[u8]) -> String {
    let door = second(town);
    let before = dead(&door).await.len();
    town.broker().inject(BrokerMessage::new("town.identity", body).with_key([255]).with_header("x", "ada"));
    loop {
        let dead = dead(&door).await;
        if dead.len() > before {
            return dead[0]["id"].as_str().unwrap().to_owned();
        }
        tokio::task::yield_now().await;
    }
}

fn second(town: &Town) -> Client {
    Client { address: town.doors[1].app.address(), doors: None, ..town.staff.clone() }
}

async fn dead(door: &Client) -> Vec<Value> {
    door.get("/v1/operations/dead-letters").await.expect(200).json()["items"].as_array().unwrap().clone()
}

async fn disclosed(door: &Client, id: &str, key: &str, reason: &str) -> Reply {
    let path = format!("/v1/operations/dead-letters/{id}/disclosure");
    let request = door.request("POST", &path).header("Idempotency-Key", &format!("{key}-{id}"));
    request.json(&json!({"reason": reason})).send().await
}

#[tokio::test]
async fn what_is_personal_in_a_dead_letter_is_shown_for_a_reason_alone() {
    let town = Town::laid_out(TWO_STORES, &[]).await;
    town.buyer("ada", 0).await;
    town.settles().await;
    let door = second(&town);
    // An event under the name of a service that lives in the store where it arrives.
    let published = town.broker().published("town.identity");
    let registered = published.iter().find(|message| {
        let text = String::from_utf8_lossy(message.body());
        text.contains("user.registered") && text.contains("ada@example.org")
    });
    let mut envelope: Value = serde_json::from_slice(registered.unwrap().body()).unwrap();
    envelope["id"] = json!("forged-1");
    let source = envelope["source"].as_str().unwrap().replace("identity", "shipping");
    envelope["source"] = json!(source);
    let readable = dies(&town, &serde_json::to_vec(&envelope).unwrap()).await;
    let unreadable = dies(&town, br#"{"email": "ada@example.org"}"#).await;
    let binary = dies(&town, b"\xff ada@example.org").await;

    for id in [&readable, &unreadable, &binary] {
        let path = format!("/v1/operations/dead-letters/{id}");
        let shown = door.get(&path).await.expect(200);
        assert!(!shown.text().contains("ada@example.org"), "{}", shown.text());
        assert!(shown.json()["message_bytes"].as_u64().unwrap() > 10);
        assert_eq!(shown.json().get("message_hex"), None);
        for bad in ["", " ", "a\nb", &"ä".repeat(501)] {
            assert_eq!(disclosed(&door, id, "bad", bad).await.refused(400, "body_invalid").field("field"), "reason");
        }
        let first = disclosed(&door, id, "once", "ticket 17").await.expect(200);
        let again = disclosed(&door, id, "once", "ticket 17").await.expect(200);
        assert_eq!(first.bytes, again.bytes, "it is shown again to whoever lost the answer");
    }
    let message = |shown: &Reply| shown.json()["message"].clone();
    let shown = door.get(&format!("/v1/operations/dead-letters/{readable}")).await;
    assert_eq!(message(&shown)["data"]["email"], "***");
    assert_eq!(message(&disclosed(&door, &readable, "once", "ticket 17").await), envelope);
    let raw = disclosed(&door, &unreadable, "once", "ticket 17").await;
    assert_eq!(message(&raw)["email"], "ada@example.org");
    assert!(disclosed(&door, &binary, "once", "ticket 17").await.field("message_hex").starts_with("ff20616461"));
    let record = &disclosed(&door, &binary, "once", "ticket 17").await.json()["record"];
    let expected = json!({"topic": "town.identity", "key": {"base64": "/w=="}, "headers": [["x", {"text": "ada"}]]});
    assert_eq!(*record, expected);

    let trail = door.get("/v1/operations/audit").await.expect(200).json();
    let told: Vec<_> = trail["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["action"].clone(), row["target"].clone(), row["detail"]["reason"].clone()))
        .collect();
    let expected = [&binary, &unreadable, &readable];
    let expected = expected.map(|id| (json!("dead_letter.reveal"), json!(id), json!("ticket 17")));
    assert_eq!(told, expected, "each once, the newest first");
    let absent = disclosed(&door, "nothing", "none", "ticket 17").await;
    absent.refused(404, "dead_letter_not_found");
}
