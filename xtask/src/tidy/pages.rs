//! Every problem code has a page, no page is left over, and their index is fresh.

use super::Finding;
use crate::{
    problems::{INDEX, Problem, declared, index},
    tree::Tree,
};

const FOLDER: &str = "docs/problems/";

pub fn findings(tree: &Tree) -> Vec<Finding> {
    let problems = declared(tree);
    let mut findings: Vec<Finding> = problems.iter().filter_map(|(code, problem)| page(tree, code, problem)).collect();
    let pages = tree.files().filter_map(|(path, _)| path.strip_prefix(FOLDER)?.strip_suffix(".md"));
    findings.extend(
        pages
            .filter(|code| *code != "README" && !problems.contains_key(*code))
            .map(|code| Finding::in_file(&format!("{FOLDER}{code}.md"), "no code declares this problem")),
    );
    if tree.get(INDEX) != Some(index(&problems).as_str()) {
        findings.push(Finding::in_file(INDEX, "is not fresh: cargo xtask docs"));
    }
    findings
}

fn page(tree: &Tree, code: &str, problem: &Problem) -> Option<Finding> {
    let path = format!("{FOLDER}{code}.md");
    let Some(text) = tree.get(&path) else {
        return Some(Finding::in_file(&problem.path, format!("the problem {code} needs a page: {path}")));
    };
    let status = format!("(HTTP {})", problem.status);
    if text.lines().next() != Some(&format!("# {code}")) {
        return Some(Finding::in_file(&path, format!("begins with `# {code}`")));
    }
    (!text.contains(&status)).then(|| Finding::in_file(&path, format!("says `{status}`, as the code does")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: (&str, &str) = ("services/toy/src/model.rs", r#"Refusal::conflict("too_small", "It is too small.")"#);

    fn found(page: &[(&str, &str)]) -> Vec<String> {
        let tree = Tree::of(&[&[CODE], page].concat());
        let index = index(&declared(&tree));
        let tree = Tree::of(&[&[CODE, (INDEX, &index)], page].concat());
        findings(&tree).into_iter().map(|finding| finding.path).collect()
    }

    #[test]
    fn every_problem_has_its_page_and_every_page_its_problem() {
        let good = ("docs/problems/too_small.md", "# too_small\n\nIt is too small (HTTP 409).\n");
        assert_eq!(found(&[good]), [""; 0]);
        assert_eq!(found(&[]), [CODE.0]);
        assert_eq!(found(&[(good.0, "# too_small\n\nIt is too small (HTTP 404).\n")]), [good.0]);
        assert_eq!(found(&[good, ("docs/problems/too_large.md", "# too_large\n")]), ["docs/problems/too_large.md"]);
    }

    #[test]
    fn a_stale_index_is_found() {
        assert_eq!(findings(&Tree::of(&[(INDEX, "# Problems\n")])).len(), 1);
    }
}
