//! What the tests of packs share.

use std::{collections::BTreeMap, path::Path};

use tradewind_contracts::{Pack, PackFiles, Settings};

/// Loads a pack of this repository, and lists its faults when it has any.
pub fn load(name: &str) -> Pack {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts").join(name);
    let files = PackFiles::read(&folder).expect("the folder can be read");
    Pack::load(&files).unwrap_or_else(|faults| {
        let shown: Vec<String> = faults.iter().map(ToString::to_string).collect();
        panic!("{name} is not whole:\n{}", shown.join("\n"));
    })
}

/// The defaults of a pack.
pub fn settings(pack: &Pack) -> Settings {
    pack.settings(&BTreeMap::new()).expect("every setting has a default")
}
