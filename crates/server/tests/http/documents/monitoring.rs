//! Alert rules for Prometheus and a dashboard for Grafana, made from the list of figures: neither names one that is not
//! there, and the dashboard leaves none out.

mod alerts;
mod dashboard;
mod promql;

use std::{collections::BTreeSet, fs, path::Path};

use tradewind::metrics::Metrics;

use alerts::{ALERTS, Alert};
use promql::Expression;

/// Of the repository.
fn root() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Compares a generated file with what it must be, or writes it anew.
fn is_fresh(path: &str, text: &str) {
    let file = root().join(path);
    #[expect(clippy::disallowed_methods, reason = "a test asks whether to write its document anew")]
    if std::env::var("TRADEWIND_REFRESH").is_ok() {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, text).unwrap();
    }
    let committed = fs::read_to_string(file).unwrap_or_default();
    assert!(committed == text, "{path} is not fresh: cargo xtask docs");
}

/// Every figure that the expression names is there, and has the labels that it is asked for; gives the labels of the result.
fn checked(expression: &str) -> BTreeSet<String> {
    let (metrics, parsed) = (Metrics::default(), Expression::read(expression));
    assert!(!parsed.selectors.is_empty(), "{expression} names no figure");
    let mut labels = BTreeSet::new();
    for selector in &parsed.selectors {
        let named = metrics.figures().into_iter().find(|figure| match &*figure.kind {
            "histogram" => ["_bucket", "_sum", "_count"].iter().any(|part| selector.name == figure.name.clone() + part),
            _ => figure.name == selector.name,
        });
        let figure = named.unwrap_or_else(|| panic!("there is no figure {}: {expression}", selector.name));
        let mut known: BTreeSet<String> = figure.labels.iter().map(|label| (*label).to_owned()).collect();
        for label in &selector.labels {
            assert!(
                known.contains(label) || label == "instance",
                "{} has no label {label}: {expression}",
                selector.name
            );
        }
        if selector.name.ends_with("_bucket") {
            known.insert("le".to_owned());
        }
        labels.extend(known);
    }
    labels.insert("instance".to_owned());
    for label in &parsed.grouped {
        assert!(labels.contains(label), "no figure has the label {label}: {expression}");
    }
    if parsed.grouped.is_empty() { labels } else { parsed.grouped.into_iter().collect() }
}

#[test]
fn the_rules_of_alerts_are_fresh() {
    is_fresh("docs/monitoring/alerts.yml", &alerts::text());
}

#[test]
fn the_dashboard_is_fresh() {
    is_fresh("docs/monitoring/dashboard.json", &dashboard::text());
}

#[test]
fn every_alert_names_figures_and_labels_that_are_there() {
    let mut names = BTreeSet::new();
    for Alert { name, expression, summary, meaning, .. } in ALERTS {
        assert!(names.insert(name), "two alerts are named {name}");
        let labels = checked(expression);
        for text in [summary, meaning] {
            for label in text.split("$labels.").skip(1) {
                let label: String =
                    label.chars().take_while(|char| char.is_ascii_lowercase() || *char == '_').collect();
                assert!(labels.contains(&label), "{name} shows the label {label}, which it does not have");
            }
        }
    }
}

#[test]
fn every_alert_leads_to_a_heading_that_says_what_to_do() {
    for Alert { name, page, .. } in ALERTS {
        let (path, heading) = page.split_once('#').unwrap();
        let text = fs::read_to_string(root().join(path)).unwrap_or_else(|_| panic!("{name}: there is no {path}"));
        let slug = |line: &str| {
            let kept = line.to_lowercase().replace(' ', "-");
            kept.chars().filter(|char| char.is_alphanumeric() || "-_".contains(*char)).collect::<String>()
        };
        let headings =
            text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches(['#', ' ']));
        assert!(headings.map(slug).any(|found| found == heading), "{name}: {path} has no heading {heading}");
    }
}

#[test]
fn the_dashboard_shows_every_figure_and_no_other() {
    let dashboard: serde_json::Value = serde_json::from_str(&dashboard::text()).unwrap();
    let mut shown = BTreeSet::new();
    let (mut ids, mut places) = (BTreeSet::new(), BTreeSet::new());
    let rows = dashboard["panels"].as_array().unwrap();
    let nested = rows.iter().filter_map(|row| row["panels"].as_array()).flatten();
    for panel in rows.iter().chain(nested) {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "two panels have one id: {panel}");
        let place = &panel["gridPos"];
        assert!(places.insert((place["x"].as_u64(), place["y"].as_u64())), "two panels have one place: {panel}");
        for target in panel["targets"].as_array().into_iter().flatten() {
            let expression = target["expr"].as_str().unwrap();
            checked(&expression.replace("$__rate_interval", "5m"));
            shown.extend(Expression::read(expression).selectors.into_iter().map(|selector| selector.name));
        }
    }
    for figure in Metrics::default().figures() {
        let names = [figure.name.clone(), format!("{}_bucket", figure.name)];
        assert!(names.iter().any(|name| shown.contains(name)), "no panel shows {}", figure.name);
    }
}
