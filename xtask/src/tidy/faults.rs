//! The page of known faults is whole: each row is there, in its order, and what it names as proof exists.

use super::Finding;
use crate::tree::Tree;

const PAGE: &str = "docs/faults.md";

/// Where the bugs that the simulation puts in have their names.
const BUGS: &str = "crates/sim/src/bug.rs";

/// How many faults of each kind are known. A new one gets the next number.
const KNOWN: [(char, usize); 3] = [('O', 35), ('C', 14), ('T', 17)];

/// The columns of a row: number, fault, what prevents it, tests.
const COLUMNS: usize = 4;

pub fn findings(tree: &Tree) -> Vec<Finding> {
    let Some(page) = tree.get(PAGE) else { return vec![Finding::in_file(PAGE, "the page of known faults is missing")] };
    let mut findings = Vec::new();
    let mut expected = KNOWN.iter().flat_map(|(kind, count)| (1..=*count).map(move |number| format!("{kind}{number}")));
    for (index, line) in page.lines().enumerate() {
        let Some(cells) = cells(line) else { continue };
        let next = expected.next();
        if next.as_deref() != Some(cells[0]) {
            let next = next.unwrap_or_else(|| "no further row".to_owned());
            findings.push(Finding::on_line(PAGE, index, format!("expected {next} instead of {}", cells[0])));
            return findings;
        }
        if cells.len() != COLUMNS || cells.iter().any(|cell| cell.is_empty()) {
            findings.push(Finding::on_line(PAGE, index, "a row has a number, a fault, what prevents it, and tests"));
            continue;
        }
        let proofs: Vec<&str> = cells[COLUMNS - 1].split('`').skip(1).step_by(2).collect();
        if proofs.is_empty() {
            findings.push(Finding::on_line(PAGE, index, "name a test as `path.rs::name`"));
        }
        let absent = proofs.into_iter().filter(|proof| !is_there(tree, proof));
        findings.extend(absent.map(|proof| Finding::on_line(PAGE, index, format!("there is no test `{proof}`"))));
    }
    findings.extend(expected.next().map(|missing| Finding::in_file(PAGE, format!("the row {missing} is missing"))));
    findings
}

/// The cells of a row of faults.
fn cells(line: &str) -> Option<Vec<&str>> {
    let row = line.strip_prefix("| ")?.strip_suffix(" |")?;
    let cells: Vec<&str> = row.split(" | ").map(str::trim).collect();
    let (kind, number) = cells[0].split_at_checked(1)?;
    let is_fault = KNOWN.iter().any(|(known, _)| kind.starts_with(*known)) && number.parse::<usize>().is_ok();
    is_fault.then_some(cells)
}

/// `path.rs::name` is a function of that file; anything else is the name of a bug.
fn is_there(tree: &Tree, proof: &str) -> bool {
    match proof.split_once("::") {
        Some((path, name)) => tree.get(path).is_some_and(|text| text.contains(&format!("fn {name}("))),
        None => tree.get(BUGS).is_some_and(|text| text.contains(&format!("\"{proof}\""))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(change: impl Fn(&str) -> Option<String>) -> String {
        let rows = KNOWN.iter().flat_map(|(kind, count)| (1..=*count).map(move |number| format!("{kind}{number}")));
        let row = |number: &String| change(number).unwrap_or_else(|| format!("| {number} | a | b | `a.rs::works` |"));
        rows.map(|number| row(&number) + "\n").collect()
    }

    fn found(page: &str) -> Vec<String> {
        let bugs = (BUGS, r#"SoldTwice "sold-twice" "C1""#);
        let tree = Tree::of(&[("a.rs", "#[test]\nfn works() {}"), bugs, (PAGE, page)]);
        findings(&tree).into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn a_page_with_every_row_and_its_proof_is_whole() {
        assert_eq!(found(&page(|_| None)), [""; 0]);
        let bug = |number: &str| (number == "C1").then(|| "| C1 | a | b | `a.rs::works`, `sold-twice` |".to_owned());
        assert_eq!(found(&page(bug)), [""; 0]);
    }

    #[test]
    fn a_row_without_proof_out_of_order_or_missing_is_found() {
        let instead = |row: &'static str| move |number: &str| (number == "O2").then(|| row.to_owned());
        for (row, expected) in [
            ("| O2 | a | b | `a.rs::gone` |", "there is no test `a.rs::gone`"),
            ("| O2 | a | b | `b.rs::works` |", "there is no test `b.rs::works`"),
            ("| O2 | a | b | `gone` |", "there is no test `gone`"),
            ("| O2 | a | b | none |", "name a test as `path.rs::name`"),
            ("| O2 | a | `a.rs::works` |", "a row has a number, a fault, what prevents it, and tests"),
            ("", "expected O2 instead of O3"),
            ("| O3 | a | b | `a.rs::works` |", "expected O2 instead of O3"),
        ] {
            assert_eq!(found(&page(instead(row))), [expected], "{row}");
        }
        let whole = page(|_| None);
        let (without_last, _) = whole.trim_end().rsplit_once('\n').unwrap();
        assert_eq!(found(without_last), ["the row T17 is missing"]);
        assert_eq!(found(&(whole + "| T18 | a | b | `a.rs::works` |\n")), ["expected no further row instead of T18"]);
        assert_eq!(findings(&Tree::of(&[])).len(), 1);
    }
}
