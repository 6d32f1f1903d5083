//! The dashboard: a row for each group of figures, a panel for each figure.

use serde_json::{Value, json};
use tradewind::metrics::{Figure, Metrics};

/// Rows, and how the names of their figures begin behind `tradewind_`. A figure is in the first that fits; the last takes
/// all that is left.
const ROWS: [(&str, &[&str]); 7] = [
    (
        "Delivery: lag, and what waits at brokers",
        &[
            "consumer_",
            "broker_lag",
            "broker_backlog",
            "broker_drain",
            "broker_gaps",
            "broker_uncommitted",
            "broker_paused",
            "relay_",
        ],
    ),
    (
        "Delivery: what went through brokers",
        &["published_", "received_", "duplicate_", "refused_", "returned_", "broker_", "unconsumed_", "unpublished_"],
    ),
    (
        "Needs attention",
        &["dead_letters", "jobs_owed", "deadlines_held", "stopped", "lag_seconds", "consumers_paused", "parked"],
    ),
    ("Orders", &["order"]),
    ("Requests", &["http_", "tls_"]),
    ("Store", &["store_", "unusable_", "log_"]),
    ("Engine", &[""]),
];

/// Of the grid, which is 24 wide.
const WIDTH: usize = 8;
const HEIGHT: usize = 7;

pub fn text() -> String {
    let metrics = Metrics::default();
    let mut figures = metrics.figures();
    let (mut panels, mut y, mut id) = (Vec::new(), 0, 0);
    for (nth, (title, beginnings)) in ROWS.into_iter().enumerate() {
        let is_here = |figure: &&mut &Figure| {
            let name = figure.name.trim_start_matches("tradewind_");
            beginnings.iter().any(|beginning| name.starts_with(beginning))
        };
        let here: Vec<&Figure> = figures.extract_if(.., |figure| is_here(&figure)).collect();
        id += 1;
        let (row_id, row_y) = (id, y);
        y += 1;
        let mut inside = Vec::new();
        for (place, figure) in here.iter().enumerate() {
            id += 1;
            inside.push(panel(figure, id, (place % (24 / WIDTH) * WIDTH, y + place / (24 / WIDTH) * HEIGHT)));
        }
        y += here.len().div_ceil(24 / WIDTH) * HEIGHT;
        // The first row is open.
        let (shown, folded) = if nth == 0 { (inside, Vec::new()) } else { (Vec::new(), inside) };
        panels.push(json!({
            "id": row_id, "type": "row", "title": title, "collapsed": nth > 0,
            "gridPos": {"x": 0, "y": row_y, "w": 24, "h": 1}, "panels": folded,
        }));
        panels.extend(shown);
    }
    let dashboard = json!({
        "uid": "tradewind", "title": "Tradewind", "tags": ["tradewind"], "schemaVersion": 39, "editable": true,
        "refresh": "30s", "time": {"from": "now-1h", "to": "now"}, "timezone": "browser",
        "templating": {"list": [
            {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Data source"},
            {
                "name": "instance", "type": "query", "label": "Process", "multi": true, "includeAll": true,
                "allValue": ".*", "refresh": 2, "sort": 1,
                "datasource": {"type": "prometheus", "uid": "${datasource}"},
                "query": {"query": "label_values(tradewind_log_segment, instance)", "refId": "instance"},
            },
        ]},
        "panels": panels,
    });
    let mut text = serde_json::to_string_pretty(&dashboard).unwrap();
    text.push('\n');
    text
}

fn panel(figure: &Figure, id: usize, (x, y): (usize, usize)) -> Value {
    let Figure { name, kind, labels, help } = figure;
    let by = |more: &str| {
        let all = labels.iter().copied().chain(more.split(' ').filter(|more| !more.is_empty())).chain(["instance"]);
        all.collect::<Vec<_>>().join(", ")
    };
    let legend = labels.iter().map(|label| format!("{{{{{label}}}}}")).chain(["{{instance}}".to_owned()]);
    let legend = legend.collect::<Vec<_>>().join(" ");
    let selected = r#"{instance=~"$instance"}"#;
    let targets = match kind.as_str() {
        "counter" => {
            let each = format!("sum by ({}) (rate({name}{selected}[$__rate_interval]))", by(""));
            vec![(each, legend)]
        }
        "histogram" => {
            let quantile = |quantile: &str| {
                let rates = format!("sum by ({}) (rate({name}_bucket{selected}[$__rate_interval]))", by("le"));
                (format!("histogram_quantile({quantile}, {rates})"), format!("{legend} {quantile}"))
            };
            vec![quantile("0.5"), quantile("0.99")]
        }
        // Grafana counts milliseconds.
        _ if name.ends_with("_timestamp_seconds") => vec![(format!("{name}{selected} * 1000"), legend)],
        _ => vec![(format!("{name}{selected}"), legend)],
    };
    let targets = targets.iter().zip(["A", "B"]).map(|((expression, legend), id)| {
        json!({"refId": id, "expr": expression, "legendFormat": legend, "editorMode": "code", "range": true})
    });
    json!({
        "id": id, "type": "timeseries", "title": title(name), "description": help,
        "datasource": {"type": "prometheus", "uid": "${datasource}"},
        "gridPos": {"x": x, "y": y, "w": WIDTH, "h": HEIGHT},
        "fieldConfig": {"defaults": {"unit": unit(figure)}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
        "targets": targets.collect::<Vec<_>>(),
    })
}

/// The name as words.
fn title(name: &str) -> String {
    let words = name.trim_start_matches("tradewind_").trim_end_matches("_total").replace('_', " ");
    let (first, rest) = words.split_at(1);
    first.to_uppercase() + rest
}

fn unit(Figure { name, kind, .. }: &Figure) -> &'static str {
    match (kind.as_str(), name.rsplit('_').next().unwrap_or_default()) {
        ("counter", _) => "ops",
        _ if name.ends_with("_timestamp_seconds") => "dateTimeFromNow",
        (_, "seconds") => "s",
        (_, "bytes") => "bytes",
        _ => "short",
    }
}
