//! The texts of the repository, read once. Rules look at them and at nothing else.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

/// Folders that hold nothing of ours.
const SKIPPED: [&str; 3] = [".git", ".servers", "target"];

/// Every text file by its path from the root, with `/` between.
pub struct Tree(BTreeMap<String, String>);

impl Tree {
    pub fn read(root: &Path) -> io::Result<Self> {
        let mut files = BTreeMap::new();
        let mut folders = vec![PathBuf::new()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(root.join(&folder))? {
                let entry = entry?;
                let name = entry.file_name();
                let path = folder.join(&name);
                let kind = entry.file_type()?;
                if kind.is_dir() && !SKIPPED.iter().any(|skipped| name == *skipped) {
                    folders.push(path);
                } else if kind.is_file() {
                    // A file that went away meanwhile, or that is no text, is no business of ours.
                    if let (Some(path), Ok(text)) = (path.to_str(), fs::read_to_string(entry.path())) {
                        files.insert(path.to_owned(), text);
                    }
                }
            }
        }
        Ok(Self(files))
    }

    #[cfg(test)]
    pub fn of(files: &[(&str, &str)]) -> Self {
        Self(files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect())
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn get(&self, path: &str) -> Option<&str> {
        self.0.get(path).map(String::as_str)
    }

    /// Path and text of every file.
    pub fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// The files with this extension.
    pub fn with_extension(&self, extension: &str) -> impl Iterator<Item = (&str, &str)> {
        self.files().filter(move |(path, _)| has_extension(path, extension))
    }

    /// Whether there is such a file or folder.
    pub fn contains(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        let folder = format!("{path}/");
        self.0.contains_key(path)
            || self.0.range(folder.clone()..).next().is_some_and(|(next, _)| next.starts_with(&folder))
    }
}

pub fn has_extension(path: &str, extension: &str) -> bool {
    Path::new(path).extension().is_some_and(|found| found == extension)
}
