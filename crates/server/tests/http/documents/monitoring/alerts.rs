//! The alerts worth waking for, and how their rules are written.

use std::fmt::Write;

use serde_json::Value;

/// One rule.
pub struct Alert {
    pub name: &'static str,
    pub expression: &'static str,
    /// For how long it must hold.
    pub lasts: &'static str,
    pub severity: Severity,
    /// What is wrong, with `$labels`.
    pub summary: &'static str,
    pub meaning: &'static str,
    /// The page and the heading that say what to do.
    pub page: &'static str,
}

/// Critical: orders are lost sight of, or soon will be. Warning: look at it today.
#[derive(Clone, Copy)]
pub enum Severity {
    Critical,
    Warning,
}

use Severity::{Critical, Warning};

pub const ALERTS: &[Alert] = &[
    Alert {
        name: "TradewindStopped",
        expression: "tradewind_stopped == 1",
        lasts: "0m",
        severity: Critical,
        summary: "The engine of {{ $labels.instance }} has stopped by itself.",
        meaning: "Its store failed, or another process owns it. It takes nothing in until it starts again.",
        page: "docs/operate.md#watch",
    },
    Alert {
        name: "TradewindStoreDamaged",
        expression: "tradewind_store_damaged == 1",
        lasts: "0m",
        severity: Critical,
        summary: "The store of {{ $labels.instance }} is damaged.",
        meaning: "A read has met a page that is not what was written, or the file is gone.",
        page: "docs/operate.md#watch",
    },
    Alert {
        name: "TradewindStoreNearlyFull",
        expression: "tradewind_store_bytes > 0.9 * (tradewind_store_limit_bytes > 0) or \
                     tradewind_store_free_bytes < 1073741824",
        lasts: "5m",
        severity: Critical,
        summary: "The store of {{ $labels.instance }} is nearly full.",
        meaning: "Its file has 90 % of store_size_max, or its file system has less than 1 GiB left. A full store stops \
                  the shop.",
        page: "docs/delivery.md#the-store-is-nearly-full",
    },
    Alert {
        name: "TradewindRelayStalled",
        expression: "tradewind_relay_lag_seconds > 60 and changes(tradewind_relay_segment[5m]) == 0",
        lasts: "2m",
        severity: Critical,
        summary: "Nothing is published from {{ $labels.instance }} to the broker {{ $labels.broker }}.",
        meaning: "The relay has events to publish, and its mark has not moved for 5 minutes. Services of other stores miss \
                  them.",
        page: "docs/delivery.md#the-relay-does-not-advance",
    },
    Alert {
        name: "TradewindRelayBehind",
        expression: "tradewind_relay_lag_seconds > 300",
        lasts: "10m",
        severity: Warning,
        summary: "{{ $labels.instance }} publishes to the broker {{ $labels.broker }} more than 5 minutes late.",
        meaning: "The relay advances, and more is committed than the broker takes.",
        page: "docs/delivery.md#the-relay-does-not-advance",
    },
    Alert {
        name: "TradewindEventRefused",
        expression: "tradewind_broker_refused_event_bytes > 0",
        lasts: "1m",
        severity: Critical,
        summary: "The broker {{ $labels.broker }} refuses an event of {{ $labels.instance }}.",
        meaning: "Nothing that was committed after it is published there until the broker takes it or an operator sets it \
                  aside.",
        page: "docs/operate.md#refused-events",
    },
    Alert {
        name: "TradewindEventsReturned",
        expression: "increase(tradewind_returned_events_total[10m]) > 0",
        lasts: "0m",
        severity: Critical,
        summary: "The broker {{ $labels.broker }} returns events of {{ $labels.instance }}: no queue takes them.",
        meaning: "A queue of the deployment is missing or has lost a binding.",
        page: "docs/delivery.md#a-broker-returns-events",
    },
    Alert {
        name: "TradewindConsumerLagging",
        expression: "tradewind_consumer_lag_seconds > 300",
        lasts: "5m",
        severity: Warning,
        summary: "{{ $labels.consumer }} on {{ $labels.instance }} is more than 5 minutes behind with events of \
                  {{ $labels.source }}.",
        meaning: "The oldest event that it has not handled is older than 5 minutes: received, parked, or at the broker.",
        page: "docs/delivery.md#a-consumer-is-behind",
    },
    Alert {
        name: "TradewindEventsMissing",
        expression: "tradewind_broker_gaps > 0",
        lasts: "0m",
        severity: Critical,
        summary: "The broker {{ $labels.broker }} no longer has events that {{ $labels.instance }} is to receive.",
        meaning: "Its subscription receives nothing until an operator has looked what is missing and skips it.",
        page: "docs/delivery.md#events-are-missing",
    },
    Alert {
        name: "TradewindBacklogGrows",
        expression: "tradewind_broker_drain_seconds > 3600 and tradewind_broker_backlog_messages > 1000",
        lasts: "15m",
        severity: Warning,
        summary: "What waits at the broker {{ $labels.broker }} for {{ $labels.instance }} will not be handled within an \
                  hour.",
        meaning: "More than 1,000 messages wait, and they become fewer too slowly or not at all.",
        page: "docs/delivery.md#a-consumer-is-behind",
    },
    Alert {
        name: "TradewindConsumerPaused",
        expression: "tradewind_consumer_paused == 1",
        lasts: "5m",
        severity: Critical,
        summary: "The consumer {{ $labels.consumer }} of {{ $labels.instance }} is paused.",
        meaning: "An operator or the engine has paused a service or the subscription at a broker. What it would receive \
                  waits.",
        page: "docs/delivery.md#pause-and-resume",
    },
    Alert {
        name: "TradewindBrokerUnreachable",
        expression: "increase(tradewind_broker_failures_total{kind=\"unavailable\"}[5m]) > 3",
        lasts: "5m",
        severity: Critical,
        summary: "{{ $labels.instance }} does not reach the broker {{ $labels.broker }}.",
        meaning: "Orders are still taken, and their events wait in the store. Services of other stores do nothing for them.",
        page: "docs/delivery.md#a-broker-cannot-be-reached",
    },
    Alert {
        name: "TradewindDeadLetters",
        expression: "tradewind_dead_letters > 0",
        lasts: "1m",
        severity: Warning,
        summary: "{{ $labels.instance }} has dead letters.",
        meaning: "Messages could not be handled, and an operator has not decided on them. What depends on them has not \
                  happened.",
        page: "docs/operate.md#dead-letters",
    },
    Alert {
        name: "TradewindParkedMany",
        expression: "tradewind_parked > 50000",
        lasts: "1m",
        severity: Critical,
        summary: "More than 50,000 messages are parked on {{ $labels.instance }}.",
        meaning: "They wait for a fact that does not come or for a paused service. At 100,000 nothing more is taken in.",
        page: "docs/operate.md#parked-messages",
    },
    Alert {
        name: "TradewindDeadlinesHeld",
        expression: "tradewind_deadlines_held == 1",
        lasts: "10m",
        severity: Critical,
        summary: "{{ $labels.instance }} holds deadlines and is not ready.",
        meaning: "The wall clock has jumped, or a subscription is still receiving what was there when it connected.",
        page: "docs/operate.md#the-clock",
    },
    Alert {
        name: "TradewindSagasStuck",
        expression: "tradewind_lag_seconds{of=\"sagas\"} > 900",
        lasts: "5m",
        severity: Critical,
        summary: "An order on {{ $labels.instance }} has waited for a service for more than 15 minutes.",
        meaning: "A service has not taken a step that it takes by itself. Orders that wait for people do not count.",
        page: "docs/operate.md#orders-that-are-stuck",
    },
    Alert {
        name: "TradewindJobsOwed",
        expression: "tradewind_jobs_owed > 0",
        lasts: "5m",
        severity: Warning,
        summary: "{{ $labels.instance }} has jobs whose attempts are used up.",
        meaning: "A call of the payment provider or a mail was tried in vain: its outcome is unknown.",
        page: "docs/operate.md#what-is-owed",
    },
    Alert {
        name: "TradewindUnusableRows",
        expression: "increase(tradewind_unusable_rows_total[10m]) > 0",
        lasts: "0m",
        severity: Critical,
        summary: "{{ $labels.instance }} cannot read a row of the table {{ $labels.table }}.",
        meaning: "It stays where it is and is tried again. Most often the store was edited, or is damaged.",
        page: "docs/operate.md#audit-and-rebuild",
    },
    Alert {
        name: "TradewindDefects",
        expression: "increase(tradewind_http_problems_total{code=\"internal\"}[10m]) > 0",
        lasts: "0m",
        severity: Warning,
        summary: "Requests to {{ $labels.instance }} meet a defect.",
        meaning: "They were answered with the problem `internal`, and changed nothing. The log has the error.",
        page: "docs/operate.md#watch",
    },
    Alert {
        name: "TradewindCertificateExpires",
        expression: "tradewind_tls_certificate_expiry_timestamp_seconds > 0 and \
                     tradewind_tls_certificate_expiry_timestamp_seconds - time() < 1209600",
        lasts: "1h",
        severity: Warning,
        summary: "The TLS certificate of {{ $labels.instance }} expires within two weeks.",
        meaning: "The server reads its files at the start only.",
        page: "docs/operate.md#watch",
    },
];

/// The file of rules. A text in quotes is written as in JSON, which YAML reads.
pub fn text() -> String {
    let mut text = String::from(
        "# Alert rules for Prometheus, generated by `cargo xtask docs`. Load it with `rule_files`; copy it to change bounds.\n\
         # `docs` names the page of the repository that says what to do.\n\
         groups:\n  - name: tradewind\n    rules:\n",
    );
    for Alert { name, expression, lasts, severity, summary, meaning, page } in ALERTS {
        let severity = match severity {
            Critical => "critical",
            Warning => "warning",
        };
        let quoted = |text: &str| Value::from(text).to_string();
        write!(
            text,
            "      - alert: {name}\n        expr: {}\n        for: {lasts}\n        labels:\n          severity: {severity}\n        \
             annotations:\n          summary: {}\n          description: {}\n          docs: {}\n",
            quoted(expression),
            quoted(summary),
            quoted(meaning),
            quoted(page),
        )
        .unwrap();
    }
    text
}
