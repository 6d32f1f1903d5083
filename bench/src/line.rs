//! One line of what was measured: for a person, or as JSON.

use std::fmt;

use serde_json::{Map, Value, json};

/// What was measured under one name.
#[derive(Debug, Clone)]
pub struct Line {
    pub name: &'static str,
    pub ours: f64,
    pub baseline: Option<f64>,
    /// Ours by the baseline, where there is one.
    pub ratio: Option<f64>,
    /// Of `ours` and `baseline`.
    pub unit: &'static str,
    pub target: Option<Target>,
    /// Further figures, by name.
    pub beside: Vec<(&'static str, f64)>,
    /// What the audits have found. Anything makes the result count as nothing.
    pub violations: u64,
}

/// What is to be reached: by the ratio, or by our figure where there is none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Target {
    AtLeast(f64),
    AtMost(f64),
}

impl Line {
    /// Whether the target is reached; nothing to say where there is none, or nothing to compare with.
    pub fn is_met(&self) -> Option<bool> {
        if self.violations > 0 {
            return Some(false);
        }
        let reached = self.ratio.or((self.unit != RATE || self.baseline.is_some()).then_some(self.ours))?;
        Some(match self.target? {
            Target::AtLeast(least) => reached >= least,
            Target::AtMost(most) => reached <= most,
        })
    }

    pub fn as_json(&self) -> Value {
        let target = self.target.map(|target| match target {
            Target::AtLeast(value) | Target::AtMost(value) => value,
        });
        let beside: Map<_, _> = self.beside.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        json!({
            "name": self.name, "ours": self.ours, "baseline": self.baseline, "ratio": self.ratio, "target": target,
            "bound": self.target.map(|target| if matches!(target, Target::AtLeast(_)) { "at_least" } else { "at_most" }),
            "met": self.is_met(), "unit": self.unit, "violations": self.violations, "beside": beside,
        })
    }
}

/// A rate is compared with another; alone it says nothing about a target.
pub const RATE: &str = "orders/s";

/// Above the lines.
pub const HEAD: &str = "name                        ours    baseline    ratio  target\n";

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or_dash = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), short);
        let (ours, baseline, ratio) = (short(self.ours), or_dash(self.baseline), or_dash(self.ratio));
        write!(f, "{:<20} {ours:>11} {baseline:>11} {ratio:>8}  ", self.name)?;
        match self.target {
            Some(Target::AtLeast(least)) => write!(f, "≥ {least:<5}")?,
            Some(Target::AtMost(most)) => write!(f, "≤ {most:<5}")?,
            None => f.write_str("       ")?,
        }
        let verdict = match self.is_met() {
            Some(true) => "ok     ",
            Some(false) => "SHORT  ",
            None => "       ",
        };
        write!(f, " {verdict} {}", self.unit)?;
        self.beside.iter().try_for_each(|(name, value)| write!(f, ", {name} {}", short(*value)))?;
        if self.violations > 0 {
            write!(f, ", {} VIOLATIONS", self.violations)?;
        }
        writeln!(f)
    }
}

/// As many digits as say something.
fn short(value: f64) -> String {
    match value.abs() {
        large if large >= 100.0 => format!("{value:.0}"),
        middle if middle >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(ratio: Option<f64>, target: Target) -> Line {
        Line {
            name: "some",
            ours: 30.0,
            baseline: ratio.map(|ratio| 30.0 / ratio),
            ratio,
            unit: "MB",
            target: Some(target),
            beside: vec![("rows", 17.0)],
            violations: 0,
        }
    }

    #[test]
    fn a_target_is_held_against_the_ratio_or_else_against_our_figure() {
        assert_eq!(line(Some(1.5), Target::AtLeast(1.5)).is_met(), Some(true));
        assert_eq!(line(Some(1.4), Target::AtLeast(1.5)).is_met(), Some(false));
        assert_eq!(line(None, Target::AtMost(40.0)).is_met(), Some(true));
        assert_eq!(line(None, Target::AtMost(20.0)).is_met(), Some(false));
        let alone = Line { unit: RATE, ..line(None, Target::AtLeast(4.0)) };
        assert_eq!(alone.is_met(), None, "there is nothing to compare it with");
    }

    #[test]
    fn a_violation_reaches_no_target_and_is_shown() {
        let wrong = Line { violations: 2, ..line(Some(9.0), Target::AtLeast(1.0)) };
        assert_eq!(wrong.is_met(), Some(false));
        assert!(wrong.to_string().contains("SHORT") && wrong.to_string().contains("2 VIOLATIONS"));
        assert_eq!(wrong.as_json()["met"], false);
    }
}
