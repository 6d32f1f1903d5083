//! What is wrong with a pack: where, and why.

use std::fmt;

use crate::limits::FAULTS_MAX;

/// One thing that is wrong with a pack.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// A path inside the pack.
    pub file: String,
    /// From 1; 0 for the file as a whole.
    pub line: usize,
    pub reason: String,
}

impl Fault {
    pub(crate) fn new(file: impl Into<String>, line: usize, reason: impl Into<String>) -> Self {
        Self { file: file.into(), line, reason: reason.into() }
    }
}

/// `messages/orders.toml:12: the schema has no place …`
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        write!(f, ": {}", self.reason)
    }
}

impl std::error::Error for Fault {}

/// The faults of one check, up to [`FAULTS_MAX`].
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    pub fn add(&mut self, fault: Fault) {
        if self.0.len() < FAULTS_MAX && !self.0.contains(&fault) {
            self.0.push(fault);
        }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn sorted(mut self) -> Vec<Fault> {
        self.0.sort();
        self.0
    }
}

/// The line of a byte of a text, from 1.
pub(crate) fn line_at(text: &str, byte: usize) -> usize {
    1 + text.as_bytes().iter().take(byte).filter(|byte| **byte == b'\n').count()
}
