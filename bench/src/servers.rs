//! Servers that are no part of the shop, as the scripts in `servers/` install, start and stop them. Each ends with this
//! process, however that ends.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::Failure;

/// Where the scripts are.
const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../servers");

/// A server that runs until this is dropped.
pub struct Server {
    script: &'static str,
    folder: PathBuf,
    /// What its script printed last: its address, port or process id.
    pub told: String,
}

impl Server {
    /// Installs and starts the server of this script in a folder, which is its own.
    pub fn start(script: &'static str, folder: PathBuf, options: &[&str]) -> Result<Self, Failure> {
        told(Command::new(path_of(script)).arg("install"))?;
        let mut command = Command::new(path_of(script));
        command.arg("start").arg(&folder).args(["--for", &std::process::id().to_string()]).args(options);
        let told = told(&mut command)?;
        let last = told.lines().last().ok_or_else(|| format!("servers/{script} start prints nothing"))?.trim();
        Ok(Self { script, folder, told: last.to_owned() })
    }

    pub fn pid(&self) -> Result<u32, Failure> {
        Ok(fs::read_to_string(self.folder.join("pid"))?.trim().parse()?)
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Err(failure) = told(Command::new(path_of(self.script)).arg("stop").arg(&self.folder)) {
            crate::complain(format_args!("a server is left over in {}: {failure}", self.folder.display()));
        }
    }
}

fn path_of(script: &str) -> PathBuf {
    Path::new(SCRIPTS).join(script)
}

/// What a script prints, if it ends well.
fn told(script: &mut Command) -> Result<String, Failure> {
    let output = script.output().map_err(|error| format!("{}: {error}", script.get_program().display()))?;
    if output.status.success() {
        return Ok(String::from_utf8(output.stdout)?);
    }
    let (told, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Err(format!("{script:?} has failed: {told}{errors}").into())
}
