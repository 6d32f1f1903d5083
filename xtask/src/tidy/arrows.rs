//! Dependencies point one way: services → engine + events ← adapters; the server puts them together.

use super::Finding;
use crate::packages::Package;

/// What a package may depend on.
struct Arrows {
    /// A package, or with a `/` at its end a folder of packages that are alike.
    from: &'static str,
    /// Packages of this workspace.
    ours: Ours,
    /// Packages of others; `None` is any.
    theirs: Option<&'static [&'static str]>,
    /// Whether its tests may bring in all of ours. Those of a service may bring in the test kit alone.
    tests_see_all: bool,
}

enum Ours {
    These(&'static [&'static str]),
    All,
}

const ENGINE: Ours = Ours::These(&["tradewind-engine", "tradewind-events"]);

const SERVICES: Ours = Ours::These(&[
    "tradewind-carts",
    "tradewind-catalog",
    "tradewind-engine",
    "tradewind-events",
    "tradewind-identity",
    "tradewind-inventory",
    "tradewind-notifications",
    "tradewind-orders",
    "tradewind-payments",
    "tradewind-query",
    "tradewind-shipping",
]);

/// The whole shop, in a world in memory.
const WORLD: Ours = Ours::These(&[
    "tradewind-audit",
    "tradewind-carts",
    "tradewind-catalog",
    "tradewind-engine",
    "tradewind-events",
    "tradewind-identity",
    "tradewind-inventory",
    "tradewind-memory",
    "tradewind-notifications",
    "tradewind-orders",
    "tradewind-payments",
    "tradewind-query",
    "tradewind-shipping",
]);

/// The real server, in a world of tests.
const FUZZING: Ours = Ours::These(&[
    "tradewind",
    "tradewind-audit",
    "tradewind-engine",
    "tradewind-events",
    "tradewind-testkit",
    "tradewind-workers",
]);

/// The first row that fits is the one that counts.
const ARROWS: [Arrows; 19] = [
    // Search compares words by the tables of Unicode, which are pure functions.
    Arrows { from: "services/query", ours: ENGINE, theirs: Some(&["unicode-normalization"]), tests_see_all: false },
    // Nine services read the same, and none knows another, a database, a broker, HTTP or an async runtime.
    Arrows { from: "services/", ours: ENGINE, theirs: Some(&[]), tests_see_all: false },
    Arrows { from: "crates/macros", ours: Ours::These(&[]), theirs: None, tests_see_all: false },
    Arrows { from: "crates/events", ours: Ours::These(&["tradewind-macros"]), theirs: None, tests_see_all: false },
    // Pure: what a message means is decided without engine, store or broker.
    Arrows { from: "crates/contracts", ours: Ours::These(&["tradewind-events"]), theirs: None, tests_see_all: true },
    Arrows {
        from: "crates/engine",
        ours: Ours::These(&["tradewind-events", "tradewind-macros"]),
        theirs: Some(&["rustc-hash", "serde", "serde_json", "thiserror", "tracing", "uuid", "zstd"]),
        tests_see_all: false,
    },
    // Adapters. Their tests bring the services' tables.
    Arrows { from: "crates/sqlite", ours: ENGINE, theirs: None, tests_see_all: true },
    Arrows { from: "crates/kafka", ours: ENGINE, theirs: None, tests_see_all: true },
    Arrows { from: "crates/rabbitmq", ours: ENGINE, theirs: None, tests_see_all: true },
    Arrows { from: "crates/workers", ours: ENGINE, theirs: None, tests_see_all: true },
    Arrows { from: "crates/memory", ours: ENGINE, theirs: Some(&[]), tests_see_all: true },
    Arrows {
        from: "crates/testkit",
        ours: Ours::These(&["tradewind-engine", "tradewind-events", "tradewind-memory"]),
        theirs: None,
        tests_see_all: true,
    },
    // Reads the rows of services and judges them; which store they come from is the caller's business.
    Arrows { from: "crates/audit", ours: SERVICES, theirs: None, tests_see_all: true },
    // Runs the real services in a world of its own, and audits what they did.
    Arrows { from: "crates/sim", ours: WORLD, theirs: None, tests_see_all: true },
    // Runs the real handlers over rows of its own, and audits those.
    Arrows { from: "crates/explore", ours: WORLD, theirs: None, tests_see_all: true },
    // Drives the real server with made-up input. Nothing depends on it.
    Arrows { from: "crates/fuzzing", ours: FUZZING, theirs: None, tests_see_all: true },
    // The only place where the parts meet.
    Arrows { from: "crates/server", ours: Ours::All, theirs: None, tests_see_all: true },
    // Measures the real server, and its parts without it. Nothing depends on it.
    Arrows { from: "bench", ours: Ours::All, theirs: None, tests_see_all: true },
    // Builds in seconds; only its tests know the shop.
    Arrows { from: "xtask", ours: Ours::These(&[]), theirs: Some(&["serde_json"]), tests_see_all: true },
];

/// What the tests of anything may depend on, and nothing of the product.
const TEST_KIT: &str = "tradewind-testkit";

pub fn findings(packages: &[Package]) -> Vec<Finding> {
    packages.iter().flat_map(|package| wrong(package, packages)).collect()
}

fn wrong(package: &Package, packages: &[Package]) -> Vec<Finding> {
    let manifest = format!("{}/Cargo.toml", package.folder);
    let Some(arrows) = ARROWS.iter().find(|arrows| match arrows.from.strip_suffix('/') {
        Some(folder) => package.folder.starts_with(folder),
        None => package.folder == arrows.from,
    }) else {
        return vec![Finding::in_file(&manifest, "say in xtask/src/tidy/arrows.rs what this package may depend on")];
    };
    let mut findings = Vec::new();
    for dependency in &package.dependencies {
        let name = dependency.name.as_str();
        let ours = packages.iter().any(|other| other.name == name);
        let allowed = if dependency.dev {
            !ours || arrows.tests_see_all || name == TEST_KIT
        } else if ours {
            match arrows.ours {
                Ours::These(names) => names.contains(&name),
                Ours::All => name != TEST_KIT,
            }
        } else {
            arrows.theirs.is_none_or(|names| names.contains(&name))
        };
        if !allowed {
            findings.push(Finding::in_file(&manifest, format!("must not depend on {name} (xtask/src/tidy/arrows.rs)")));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packages::Dependency;

    fn package(folder: &str, dependencies: &[(&str, bool)]) -> Package {
        let dependency = |(name, dev): &(&str, bool)| Dependency { name: (*name).to_owned(), dev: *dev };
        Package {
            name: format!("tradewind-{}", folder.rsplit('/').next().unwrap()),
            folder: folder.to_owned(),
            dependencies: dependencies.iter().map(dependency).collect(),
            tests: Vec::new(),
        }
    }

    #[test]
    fn a_service_knows_events_engine_and_nothing_else() {
        let with = |dependency| {
            let others = ["crates/engine", "crates/events", "crates/testkit", "services/carts"];
            let mut packages: Vec<Package> = others.iter().map(|folder| package(folder, &[])).collect();
            packages.push(package("services/orders", &[dependency]));
            findings(&packages).len()
        };
        for good in [("tradewind-engine", false), ("tradewind-testkit", true), ("proptest", true)] {
            assert_eq!(with(good), 0, "{good:?}");
        }
        for bad in
            [("tradewind-carts", false), ("tradewind-carts", true), ("tradewind-testkit", false), ("serde", false)]
        {
            assert_eq!(with(bad), 1, "{bad:?}");
        }
    }

    #[test]
    fn a_package_that_nobody_has_placed_is_found() {
        assert_eq!(findings(&[package("crates/novelty", &[])]).len(), 1);
    }
}
