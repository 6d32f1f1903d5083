//! What explorations have come to, for people and for scripts.

use std::{
    collections::BTreeMap,
    fmt::{self, Write},
    num::NonZeroUsize,
    time::Duration,
};

use serde_json::{Value, json};
use tradewind_explore::{Bounds, Explored, Found};

use crate::{
    cli::{
        screen::{self, BAD, DIM, GOOD, styled},
        table::{Cell, Table},
    },
    words::{count, span},
};

/// What all explorations of a run have come to.
pub struct Report {
    pub bounds: Bounds,
    pub threads: NonZeroUsize,
    pub took: Duration,
    pub explored: Vec<Explored>,
}

impl Report {
    fn states(&self) -> u64 {
        self.explored.iter().map(|explored| explored.figures.states).sum()
    }

    /// How many have come to what must not be.
    pub fn failed(&self) -> usize {
        self.explored.iter().filter(|explored| explored.found.is_some()).count()
    }

    pub fn as_json(&self) -> Value {
        let explored = self.explored.iter().map(|Explored { scenario, figures, found }| {
            json!({
                "method": scenario.method, "case": scenario.case, "recall": scenario.recall,
                "states": figures.states, "steps": figures.steps, "rests": figures.rests, "depth": figures.depth,
                "looks_of_services": figures.services, "handlers_run": figures.handlers,
                "exhausted": figures.exhausted,
                "found": found.as_ref().map(found_as_json),
            })
        });
        let Bounds { states, duplicates, faults } = self.bounds;
        json!({
            "states_max": states, "duplicates": duplicates, "faults": faults, "states": self.states(),
            "threads": self.threads, "seconds": self.took.as_secs_f64(), "failed": self.failed(), "explored": explored.collect::<Vec<_>>(),
        })
    }
}

fn found_as_json(found: &Found) -> Value {
    let steps = found.steps.iter().map(|step| json!({ "text": step.text, "said": step.said, "changed": step.changed }));
    json!({ "reason": found.reason, "steps": steps.collect::<Vec<_>>() })
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let heads = ["paid by, case", "situations", "steps", "deepest", "ends", "seen"];
        let mut table = Table::new(&heads).right(1).right(2).right(3).right(4);
        let mut ends: BTreeMap<&str, u64> = BTreeMap::new();
        for Explored { scenario, figures, found, .. } in &self.explored {
            let seen = match (found, figures.exhausted) {
                (Some(_), _) => Cell::from("FAILED").style(BAD),
                (None, true) => Cell::from("all").style(GOOD),
                (None, false) => Cell::from("not all"),
            };
            let rests: u64 = figures.rests.values().sum();
            let numbers = [figures.states, figures.steps, figures.depth.into(), rests];
            let numbers = numbers.map(|number| Cell::from(number.to_string()));
            table.row([Cell::from(scenario.to_string())].into_iter().chain(numbers).chain([seen]));
            for (end, times) in &figures.rests {
                *ends.entry(end).or_default() += times;
            }
        }
        f.write_str(&table.shown(screen::width()))?;
        let ends: Vec<String> = ends.iter().map(|(end, times)| format!("{end} {times}")).collect();
        write!(f, "\n{}", screen::paragraph(&format!("In the end the order was: {}.", ends.join(", "))))?;
        let failed = self.failed();
        let verdict = styled(if failed == 0 { GOOD } else { BAD }, &format!("{failed} failed"));
        let states = count(self.states(), "situation", "situations");
        let threads = count(self.threads.get() as u64, "thread", "threads");
        writeln!(f, "{states} in {} on {threads}, {verdict}.", span(self.took))?;
        for Explored { scenario, found, .. } in &self.explored {
            if let Some(found) = found {
                tell(&scenario.to_string(), found, f)?;
            }
        }
        Ok(())
    }
}

/// The shortest way to what must not be.
fn tell(scenario: &str, found: &Found, out: &mut impl Write) -> fmt::Result {
    write!(out, "\n{}", screen::paragraph(&styled(BAD, &format!("{scenario}: {}", found.reason))))?;
    writeln!(out, "The shortest way there:")?;
    for (nth, step) in (1..).zip(&found.steps) {
        let nth: u32 = nth;
        writeln!(out, "{nth:3}  {}", step.text)?;
        if !step.changed.is_empty() {
            writeln!(out, "       {}", step.changed.join("; "))?;
        }
        if !step.said.is_empty() {
            writeln!(out, "       {}", styled(DIM, &format!("says {}", step.said.join(", "))))?;
        }
    }
    Ok(())
}
