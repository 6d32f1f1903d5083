//! Asks the peers of a split shop over HTTP, as their [`Comparison`] says.

use std::{sync::PoisonError, time::Duration};

use futures_util::future::join_all;
use hyper::{Method, StatusCode};
use serde::Deserialize;
use tradewind_events::Timestamp;

use super::{Answer, Comparison, ComparisonStep, Findings, Question, Statement, Stranger};
use crate::{
    client::{Client, ClientError, Extra},
    http::refusals::PEER_REFUSED,
    shop::Shop,
};

/// The longest that a peer may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often it is looked whether the broker was connected to again.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// The answer of a peer that knows the question.
#[derive(Deserialize)]
struct Sealed {
    sealed: String,
}

/// Compares with the peers at the start, after each connection to the broker and from time to time. Runs until the shop
/// stops.
pub async fn keep_compared(shop: Shop) {
    let Some(split) = &shop.split else { return };
    let mut clients: Vec<Client> = split.others().map(super::Peer::client).collect();
    let (mut connections, mut told) = (0, Findings::default());
    loop {
        let now = shop.clock().now();
        let connected = shop.engine.status().brokers.iter().map(|broker| broker.connections).sum();
        if connections != connected {
            connections = connected;
            change(&shop, Comparison::ask_all);
        }
        let step = change(&shop, |comparison| comparison.next(now));
        match step {
            Some(ComparisonStep::Ask(due)) => {
                ask(&shop, &mut clients, &due).await;
                told = tell(&shop, told);
            }
            Some(ComparisonStep::Wait { until }) => {
                let until: Timestamp = until.min(now.plus(LOOK_EVERY));
                shop.alarm.until(until, std::future::pending()).await;
            }
            None => return,
        }
    }
}

async fn ask(shop: &Shop, clients: &mut [Client], due: &[usize]) {
    let asked = clients.iter_mut().enumerate().filter(|(number, _)| due.contains(number));
    let answers = asked.map(|(number, client)| async move { (number, answer(shop, client).await) });
    for (number, answer) in join_all(answers).await {
        let now = shop.clock().now();
        change(shop, |comparison| comparison.answered(number, answer, now));
    }
}

async fn answer(shop: &Shop, client: &mut Client) -> Answer {
    let question = Question::new(&shop.keys);
    let path = format!("/v1/peer?nonce={}&proof={}", question.nonce, question.proof);
    let sent = client.send(Method::GET, &path, None, Extra::default());
    let answer = match tokio::time::timeout(PATIENCE, sent).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => return silent(&error),
        Err(_) => return silent(&"no answer in time"),
    };
    if answer.status == StatusCode::TOO_MANY_REQUESTS || answer.status.is_server_error() {
        return silent(&answer.status);
    }
    if answer.problem_code().as_deref() == Some(PEER_REFUSED.refusal.code) {
        return Answer::Stranger(Stranger::OtherMasterKey);
    }
    let sealed: Result<Sealed, ClientError> = answer.read(&Method::GET, "/v1/peer");
    match sealed {
        Ok(Sealed { sealed }) => Statement::open(&shop.keys, &question, &sealed)
            .map_or(Answer::Stranger(Stranger::OtherMasterKey), Answer::Statement),
        Err(_) => Answer::Stranger(Stranger::NoPeer),
    }
}

fn silent(reason: &dyn std::fmt::Display) -> Answer {
    tracing::debug!(%reason, "a peer does not answer");
    Answer::Silent
}

/// Logs what has changed, once.
fn tell(shop: &Shop, before: Findings) -> Findings {
    let Some(now) = change(shop, |comparison| comparison.findings()) else { return before };
    for difference in now.differences.iter().filter(|difference| !before.differences.contains(difference)) {
        tracing::error!("{difference}: this process is not ready until that is mended");
    }
    for peer in now.silent.iter().filter(|peer| !before.silent.contains(peer)) {
        tracing::warn!(%peer, "the peer cannot be reached, so its settings are not compared");
    }
    if now.differences.is_empty() && !before.differences.is_empty() {
        tracing::info!("the peers agree again");
    }
    now
}

fn change<T>(shop: &Shop, change: impl FnOnce(&mut Comparison) -> T) -> Option<T> {
    let comparison = shop.comparison.as_ref()?;
    Some(change(&mut comparison.lock().unwrap_or_else(PoisonError::into_inner)))
}
