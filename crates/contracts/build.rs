//! Puts the packs of this repository into the library, so that a binary needs no folder beside it.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

fn main() -> io::Result<()> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../contracts");
    println!("cargo::rerun-if-changed={}", root.display());
    let mut files = Vec::new();
    list(&root, &root, &mut files)?;
    files.sort();
    let lines: String = files
        .iter()
        .filter_map(|(name, path)| {
            let (pack, inner) = name.split_once('/')?;
            Some(format!("    ({pack:?}, {inner:?}, include_bytes!({:?})),\n", path.display().to_string()))
        })
        .collect();
    let out = env::var_os("OUT_DIR").map(PathBuf::from).ok_or_else(|| io::Error::other("cargo names OUT_DIR"))?;
    fs::write(out.join("packs.rs"), format!("&[\n{lines}]\n"))
}

fn list(root: &Path, folder: &Path, files: &mut Vec<(String, PathBuf)>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            list(root, &path, files)?;
        } else if let Ok(name) = path.strip_prefix(root) {
            let parts: Vec<String> = name.iter().map(|part| part.to_string_lossy().into_owned()).collect();
            files.push((parts.join("/"), path));
        }
    }
    Ok(())
}
