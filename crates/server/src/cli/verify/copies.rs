//! The stores that are audited, and the copies that are made of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, OpenOptions},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use tradewind_sqlite::{Meta, Sqlite, SqliteReader};

use crate::{
    app::AppError,
    cli::{CliError, interrupt, store::private_directory},
    services,
};

/// A store that the command line names.
pub struct Given {
    pub path: PathBuf,
    pub live: SqliteReader,
    pub meta: Meta,
}

impl Given {
    pub fn holds(&self, service: &str) -> bool {
        self.meta.services.iter().any(|name| name == service)
    }
}

/// Opens the stores of one shop.
pub fn open(paths: &[PathBuf]) -> Result<Vec<Given>, CliError> {
    let mut files = BTreeSet::new();
    let mut given: Vec<Given> = Vec::new();
    for path in paths {
        let (live, meta) = Sqlite::open_reader(path).map_err(AppError::from)?;
        if !files.insert(fs::canonicalize(path)?) {
            return Err(CliError::Usage(format!("--store {} is given twice: give each store once", path.display())));
        }
        given.push(Given { path: path.clone(), live, meta });
    }
    refuse_foreign(&given)?;
    Ok(given)
}

/// Each store is another one, with services of its own, which this version knows.
fn refuse_foreign(given: &[Given]) -> Result<(), CliError> {
    let (mut names, mut homes) = (BTreeMap::new(), BTreeMap::new());
    for store in given {
        let path = store.path.display();
        if let Some(other) = names.insert(&store.meta.name, store.path.display()) {
            let name = &store.meta.name;
            let what = format!("{other} and {path} are both the store {name}: one is a copy of the other");
            return Err(CliError::Usage(format!("{what}, give one of them")));
        }
        for service in &store.meta.services {
            if !services::NAMES.contains(&service.as_str()) {
                let what = format!("the service {service} lives in {path}, and this version does not know it");
                return Err(CliError::Usage(format!("{what}: use the version that serves the store")));
            }
            if let Some(other) = homes.insert(service, store.path.display()) {
                let what = format!("the service {service} lives in {other} and in {path}");
                return Err(CliError::Usage(format!("{what}: they belong to different shops, audit one at a time")));
            }
        }
    }
    Ok(())
}

/// Of the copy, until SQLite writes it.
const FILE_MODE: u32 = 0o600;

/// The copy that is audited, gone when the audit is done.
pub struct Copy {
    pub file: PathBuf,
    /// Made for it, where there is no room beside the store.
    directory: Option<PathBuf>,
}

impl Copy {
    /// Beside the store, or among temporary files where its directory cannot be written.
    pub fn place(store: &Path) -> Result<Self, CliError> {
        let name = store.file_name().unwrap_or_default();
        let beside = store.with_file_name(format!("{}.audit-{}", name.display(), std::process::id()));
        let made = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(&beside);
        if made.and_then(|_| fs::remove_file(&beside)).is_ok() {
            return Ok(Self { file: beside, directory: None });
        }
        let directory = private_directory("verify")?;
        Ok(Self { file: directory.join("copy.db"), directory: Some(directory) })
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        interrupt::remove(&self.file);
        if let Some(directory) = &self.directory
            && let Err(error) = fs::remove_dir_all(directory)
        {
            tracing::warn!(path = %directory.display(), %error, "a copy is left over");
        }
    }
}
