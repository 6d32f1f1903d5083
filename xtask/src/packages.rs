//! The packages of the workspace as cargo sees them: their dependencies and their test binaries.

use std::{io, path::Path, process::Command};

use serde_json::Value;

/// One package of the workspace.
#[derive(Debug, Default)]
pub struct Package {
    pub name: String,
    /// Its folder, from the root.
    pub folder: String,
    pub dependencies: Vec<Dependency>,
    /// The integration-test binaries.
    pub tests: Vec<String>,
}

#[derive(Debug)]
pub struct Dependency {
    pub name: String,
    /// Only for tests, examples and benches.
    pub dev: bool,
}

/// Asks cargo. Nothing is resolved or fetched.
pub fn read(root: &Path) -> io::Result<Vec<Package>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(root)
        .output()?;
    if !output.status.success() {
        return Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    Ok(list(&metadata["packages"]).map(|package| of(root, package)).collect())
}

fn of(root: &Path, package: &Value) -> Package {
    let manifest = Path::new(text(&package["manifest_path"]));
    let folder = manifest.parent().and_then(|folder| folder.strip_prefix(root).ok()).and_then(Path::to_str);
    Package {
        name: text(&package["name"]).to_owned(),
        folder: folder.unwrap_or_default().to_owned(),
        dependencies: list(&package["dependencies"])
            .map(|dependency| Dependency {
                name: text(&dependency["name"]).to_owned(),
                dev: dependency["kind"] == "dev",
            })
            .collect(),
        tests: list(&package["targets"])
            .filter(|target| list(&target["kind"]).any(|kind| kind == "test"))
            .map(|target| text(&target["name"]).to_owned())
            .collect(),
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
