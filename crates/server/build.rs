//! Puts the pages of docs/problems into the binary: the `type` of a problem leads to its page.

use std::{env, fmt::Write, fs, io, path::Path};

fn main() -> io::Result<()> {
    let given = |name| env::var_os(name).ok_or_else(|| io::Error::other(format!("cargo sets {name}")));
    let pages = Path::new(&given("CARGO_MANIFEST_DIR")?).join("../../docs/problems");
    println!("cargo::rerun-if-changed={}", pages.display());
    let mut codes = Vec::new();
    for entry in fs::read_dir(&pages)? {
        let path = entry?.path();
        if let (Some("md"), Some(code)) = (path.extension().and_then(|it| it.to_str()), path.file_stem()) {
            codes.push((code.to_string_lossy().into_owned(), path.canonicalize()?));
        }
    }
    codes.sort();
    let mut source = String::from("/// Codes with their pages, sorted.\npub const PAGES: &[(&str, &str)] = &[\n");
    for (code, path) in codes {
        writeln!(source, "    ({code:?}, include_str!({:?})),", path.display().to_string())
            .map_err(io::Error::other)?;
    }
    source.push_str("];\n");
    fs::write(Path::new(&given("OUT_DIR")?).join("problem_pages.rs"), source)
}
