//! The files of a pack, read into memory within bounds: everything after that is pure.

use std::{collections::BTreeMap, fs, io, path::Path};

use crate::{
    fault::Fault,
    limits::{PACK_BYTES_MAX, PACK_FILE_BYTES_MAX, PACK_FILES_MAX},
};

/// The name of a pack and its files, by their paths with `/` between folders.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PackFiles {
    pub name: String,
    files: BTreeMap<String, Vec<u8>>,
}

/// Pack, path and bytes of every file of the packs that are built in.
static BUILT_IN: &[(&str, &str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/packs.rs"));

impl PackFiles {
    /// The names of the packs that are built in.
    pub fn built_in_names() -> Vec<&'static str> {
        let mut names: Vec<&str> = BUILT_IN.iter().map(|(pack, ..)| *pack).collect();
        names.dedup();
        names
    }

    /// A pack that is built in.
    pub fn built_in(name: &str) -> Option<Self> {
        let files = BUILT_IN.iter().filter(|(pack, ..)| *pack == name);
        let files = Self::new(name, files.map(|(_, path, bytes)| ((*path).to_owned(), bytes.to_vec()))).ok()?;
        (!files.files.is_empty()).then_some(files)
    }

    /// Files that are in memory already.
    ///
    /// # Errors
    /// More files or bytes than the limits say.
    pub fn new(name: impl Into<String>, files: impl IntoIterator<Item = (String, Vec<u8>)>) -> Result<Self, Fault> {
        let mut pack = Self { name: name.into(), files: BTreeMap::new() };
        for (path, bytes) in files {
            pack.add(path, bytes)?;
        }
        Ok(pack)
    }

    /// Reads a folder; its name is the name of the pack. Files whose names begin with a dot are left out, and links are
    /// not followed.
    ///
    /// # Errors
    /// A folder or file that cannot be read, or more of them than the limits say.
    pub fn read(folder: &Path) -> Result<Self, Fault> {
        let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let mut pack = Self { name, files: BTreeMap::new() };
        let mut folders = vec![(folder.to_owned(), String::new())];
        while let Some((path, prefix)) = folders.pop() {
            let unreadable = |error: &io::Error| Fault::new(prefix.clone(), 0, format!("cannot be read: {error}"));
            for entry in fs::read_dir(&path).map_err(|error| unreadable(&error))? {
                let entry = entry.map_err(|error| unreadable(&error))?;
                let kind = entry.file_type().map_err(|error| unreadable(&error))?;
                let name = entry.file_name().to_string_lossy().into_owned();
                if name.starts_with('.') {
                    continue;
                }
                let inner = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
                if kind.is_dir() {
                    if inner.matches('/').count() > 8 || folders.len() > PACK_FILES_MAX {
                        return Err(Fault::new(inner, 0, "too many folders"));
                    }
                    folders.push((entry.path(), inner));
                } else if kind.is_file() {
                    let bytes = fs::read(entry.path()).map_err(|error| unreadable(&error))?;
                    pack.add(inner, bytes)?;
                }
            }
        }
        Ok(pack)
    }

    fn add(&mut self, path: String, bytes: Vec<u8>) -> Result<(), Fault> {
        if bytes.len() > PACK_FILE_BYTES_MAX {
            return Err(Fault::new(path, 0, format!("larger than {PACK_FILE_BYTES_MAX} bytes")));
        }
        if self.files.len() >= PACK_FILES_MAX {
            return Err(Fault::new(path, 0, format!("a pack has at most {PACK_FILES_MAX} files")));
        }
        if self.files.values().map(Vec::len).sum::<usize>() + bytes.len() > PACK_BYTES_MAX {
            return Err(Fault::new(path, 0, format!("a pack has at most {PACK_BYTES_MAX} bytes")));
        }
        self.files.insert(path, bytes);
        Ok(())
    }

    pub fn get(&self, path: &str) -> Option<&[u8]> {
        self.files.get(path).map(Vec::as_slice)
    }

    /// A file as text.
    pub(crate) fn text(&self, path: &str) -> Result<&str, Fault> {
        let bytes = self.get(path).ok_or_else(|| Fault::new(path, 0, "the pack has no such file"))?;
        str::from_utf8(bytes).map_err(|_| Fault::new(path, 0, "is not UTF-8"))
    }

    /// The paths of all files, sorted.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }
}
