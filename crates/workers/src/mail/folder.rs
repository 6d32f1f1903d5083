//! Mails as files, one a mail: how a developer reads what a shop without a mail server would send.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::PathBuf,
};

use super::{
    MailError,
    message::{Letter, name_of},
};

/// Mails hold addresses and tokens: only their owner reads them.
const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

pub(super) struct Folder(PathBuf);

impl Folder {
    /// Makes the folder when there is none.
    pub fn open(path: PathBuf) -> Result<Self, MailError> {
        let made = fs::DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(&path);
        made.map_err(|error| MailError::Folder { path: path.display().to_string(), reason: error.to_string() })?;
        if fs::metadata(&path).is_ok_and(|folder| folder.permissions().mode() & !FOLDER_MODE & 0o777 != 0) {
            tracing::warn!(path = %path.display(), "the folder of mails can be read by others than its owner: chmod 700");
        }
        Ok(Self(path))
    }

    /// Puts a mail into the folder, as a whole: the same mail again takes the place of the first.
    pub fn put(&self, letter: &Letter) -> io::Result<()> {
        let name = name_of(&letter.message_id);
        let (new, file) = (self.0.join(format!(".{name}.new")), self.0.join(format!("{name}.eml")));
        // One that a crash has left may have other rights.
        if let Err(error) = fs::remove_file(&new)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error);
        }
        let mut written = fs::OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(&new)?;
        written.write_all(&letter.bytes)?;
        fs::rename(new, file)
    }
}
