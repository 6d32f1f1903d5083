//! A folder on a disk that fails when it is told to, and that has a power failure: `faulty_disk.c`, put before the C
//! library of the binary.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    os::unix::fs::{FileExt, MetadataExt},
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

/// What a power failure leaves whole or not at all, in bytes.
const SECTOR_BYTES: usize = 512;

/// What the disk does from now on. Values as in `faulty_disk.c`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    Nothing = 0,
    Full = 1,
    WriteFails = 2,
    SyncFails = 3,
}

/// When and where a fault strikes.
#[derive(Debug, Clone, Copy)]
pub struct Strike {
    pub fault: Fault,
    /// The end of the names of the files that it is about; empty for all.
    pub files: &'static str,
    /// So many calls go well first.
    pub after: u32,
    /// So many fail; 0 for all.
    pub times: u32,
    /// Smaller writes go well, in bytes.
    pub least_bytes: u32,
}

/// The disk of one shop.
pub struct Disk {
    folder: PathBuf,
    /// What is there after a power failure.
    platter: PathBuf,
    control_path: PathBuf,
    control: File,
}

impl Disk {
    /// For an existing folder; what the disk needs itself stands in another one.
    pub fn new(folder: &Path, beside: &Path) -> Self {
        let (platter, control_path) = (beside.join("platter"), beside.join("control"));
        fs::create_dir(&platter).unwrap();
        let control = File::options().read(true).write(true).create_new(true).open(&control_path).unwrap();
        control.set_len(64).unwrap();
        Self { folder: fs::canonicalize(folder).unwrap(), platter, control_path, control }
    }

    /// What a program must find in its environment to be on this disk.
    pub fn environment(&self) -> [(&'static str, &Path); 4] {
        [
            ("LD_PRELOAD", library()),
            ("FAULTY_DISK_FOLDER", &self.folder),
            ("FAULTY_DISK_PLATTER", &self.platter),
            ("FAULTY_DISK_CONTROL", &self.control_path),
        ]
    }

    pub fn strikes(&self, strike: Strike) {
        let Strike { fault, files, after, times, least_bytes } = strike;
        let mut orders = [0; 64];
        for (at, number) in [(4, after), (8, times), (12, least_bytes)] {
            orders[at..at + 4].copy_from_slice(&number.to_ne_bytes());
        }
        orders[16..16 + files.len()].copy_from_slice(files.as_bytes());
        // Which fault comes last: until then the rest means nothing.
        self.control.write_all_at(&0_u32.to_ne_bytes(), 0).unwrap();
        self.control.write_all_at(&orders[4..], 4).unwrap();
        self.control.write_all_at(&(fault as u32).to_ne_bytes(), 0).unwrap();
    }

    pub fn heals(&self) {
        self.strikes(Strike { fault: Fault::Nothing, files: "", after: 0, times: 0, least_bytes: 0 });
    }

    /// The power fails, after the program was killed. What was flushed is there; of what was not, `reaches` says for
    /// each sector whether it came so far.
    pub fn power_fails(&self, mut reaches: impl FnMut() -> bool) {
        let read = |path: &Path| fs::read(path).unwrap_or_default();
        let entries = || fs::read_dir(&self.folder).unwrap().map(|entry| entry.unwrap().path());
        let memory: BTreeMap<u64, Vec<u8>> =
            entries().map(|path| (fs::metadata(&path).unwrap().ino(), read(&path))).collect();
        let names = fs::read_to_string(self.platter.join("names")).unwrap();
        let mut left = Vec::new();
        for (inode, name) in names.lines().map(|line| line.split_once(' ').unwrap()) {
            let mut content = read(&self.platter.join(inode));
            if let Some(memory) = memory.get(&inode.parse().unwrap()) {
                mix(&mut content, memory, &mut reaches);
            }
            left.push((name.to_owned(), content));
        }
        entries().for_each(|path| fs::remove_file(path).unwrap());
        for (name, content) in left {
            fs::write(self.folder.join(name), content).unwrap();
        }
        fs::remove_dir_all(&self.platter).unwrap();
        fs::create_dir(&self.platter).unwrap();
    }
}

/// Puts those sectors of `memory` that reach the disk over what is there.
fn mix(disk: &mut Vec<u8>, memory: &[u8], reaches: &mut impl FnMut() -> bool) {
    for (nth, sector) in memory.chunks(SECTOR_BYTES).enumerate() {
        let start = nth * SECTOR_BYTES;
        let end = start + sector.len();
        if disk.get(start..end) == Some(sector) || !reaches() {
            continue;
        }
        if disk.len() < end {
            disk.resize(end, 0);
        }
        disk[start..end].copy_from_slice(sector);
    }
}

/// The compiled shim. `cc` is there wherever the binary was built: SQLite is compiled with it.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let (library, new) = (folder.join("faulty_disk.so"), folder.join(format!("{}.so", std::process::id())));
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/http/process/faulty_disk.c");
        let flags = ["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-pthread", "-o"];
        let compiled = Command::new("cc").args(flags).arg(&new).arg(source).status().expect("there is a C compiler");
        assert!(compiled.success());
        // Another run of the tests may be using the old one.
        fs::rename(&new, &library).unwrap();
        library
    })
}
