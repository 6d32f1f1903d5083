//! `cargo xtask coverage`: how many lines of each crate the tests reach, and whether the engine and the services keep
//! what is promised of them. The compiler counts, LLVM's tools add up; a test is whatever `cargo test` runs.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fmt, fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
};

use serde_json::Value;

/// Of the lines of each crate that is promised, in percent.
const PROMISED_PERCENT: usize = 90;

/// The crates of which it is promised: what decides about orders, stock and money.
const PROMISED: [&str; 2] = ["crates/engine", "services/"];

/// What passes by many lines without asking anything of each does not count as their test.
const LEFT_OUT: [&str; 5] = ["tradewind-bench", "tradewind-explore", "tradewind-fuzzing", "tradewind-sim", "xtask"];

/// Parts of paths of which no line is asked to be reached: tests, their world, what runs in the compiler, and what only
/// the tests that are left out reach.
const NOT_COUNTED: [&str; 8] = [
    "/tests/",
    "/tests.rs",
    "/examples/",
    "/build.rs",
    "crates/macros/",
    "crates/testkit/",
    "crates/sim/",
    "crates/explore/",
];

/// Calls the compiler, for packages of the workspace alone.
const WRAPPER: &str = "#!/bin/sh\nexec \"$@\" -C instrument-coverage\n";

/// LLVM's tools, of the version that the compiler was built with.
struct Tools {
    profdata: PathBuf,
    cov: PathBuf,
}

/// The lines of one file that can be reached, each with whether one was.
type Lines = BTreeMap<usize, bool>;

/// One crate of the table.
#[derive(Default)]
struct Row {
    reached: usize,
    lines: usize,
}

/// Runs all tests and prints the table; with `show_lines` also what was not reached.
pub fn run(root: &Path, show_lines: bool) -> io::Result<ExitCode> {
    let tools = Tools::find(root)?;
    let folder = root.join("target/coverage");
    let profiles = folder.join("profiles");
    fs::create_dir_all(&folder)?;
    let wrapper = folder.join("rustc");
    fs::write(&wrapper, WRAPPER)?;
    fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755))?;
    let test = |arguments: &[&str]| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["test", "--workspace"]).args(LEFT_OUT.iter().flat_map(|name| ["--exclude", *name]));
        cargo.args(arguments).current_dir(root);
        cargo.env("CARGO_TARGET_DIR", &folder).env("RUSTC_WORKSPACE_WRAPPER", &wrapper);
        cargo.env("LLVM_PROFILE_FILE", profiles.join("%p-%m.profraw"));
        cargo
    };
    let built = test(&["--no-run", "--message-format", "json"]).stderr(Stdio::inherit()).output()?;
    if !built.status.success() {
        return Ok(ExitCode::FAILURE);
    }
    let programs = executables(&String::from_utf8_lossy(&built.stdout));
    // Of runs before, and of the derives, which run while others are compiled.
    if profiles.exists() {
        fs::remove_dir_all(&profiles)?;
    }
    if !test(&["--no-fail-fast"]).status()?.success() {
        return Ok(ExitCode::FAILURE);
    }
    let lcov = tools.added_up(&folder, &profiles, &programs)?;
    let files = files(root, &lcov)?;
    Ok(report(&files, show_lines))
}

impl Tools {
    /// Beside the compiler, where rustup puts them; or of the system, as Debian names them. Asks rustup for them if they
    /// are nowhere.
    fn find(root: &Path) -> io::Result<Self> {
        if let Ok(tools) = Self::installed(root) {
            return Ok(tools);
        }
        // Without rustup the tools of the system may do: what is missing is said by the second look.
        drop(Command::new("rustup").args(["component", "add", "llvm-tools"]).current_dir(root).status());
        Self::installed(root)
    }

    fn installed(root: &Path) -> io::Result<Self> {
        let ask = |arguments: &[&str]| -> io::Result<String> {
            let told = Command::new("rustc").args(arguments).current_dir(root).output()?;
            Ok(String::from_utf8_lossy(&told.stdout).trim().to_owned())
        };
        let version = ask(&["--version", "--verbose"])?;
        let line = |name: &str| version.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        let major = line("LLVM version: ").split('.').next().unwrap_or_default();
        let beside = PathBuf::from(ask(&["--print", "sysroot"])?).join("lib/rustlib").join(line("host: ")).join("bin");
        let found = |name: &str| {
            let candidates = [beside.join(name), PathBuf::from(format!("{name}-{major}"))];
            let runs = |path: &PathBuf| Command::new(path).arg("--version").output().is_ok();
            let missing = || {
                io::Error::other(format!(
                    "{name} is missing: `rustup component add llvm-tools` installs it, or Debian's package llvm-{major}"
                ))
            };
            candidates.into_iter().find(runs).ok_or_else(missing)
        };
        Ok(Self { profdata: found("llvm-profdata")?, cov: found("llvm-cov")? })
    }

    /// What all runs have counted, as lcov writes it.
    fn added_up(&self, folder: &Path, profiles: &Path, programs: &[String]) -> io::Result<String> {
        let merged = folder.join("merged.profdata");
        let run = |entry: io::Result<fs::DirEntry>| Ok(entry?.path().display().to_string());
        let runs: Vec<String> = fs::read_dir(profiles)?.map(run).collect::<io::Result<_>>()?;
        let list = folder.join("profiles.txt");
        fs::write(&list, runs.join("\n"))?;
        // The tests kill processes: what those were writing may be cut off.
        let merge = ["merge", "--sparse", "--failure-mode=all", "--input-files"].map(OsString::from);
        done(Command::new(&self.profdata).args(merge).arg(&list).arg("-o").arg(&merged))?;
        let mut export = Command::new(&self.cov);
        export.args(["export", "--format=lcov", "--skip-functions", "--instr-profile"]).arg(&merged);
        export.args(["--ignore-filename-regex", r"/\.cargo/|/rustc/|/target/"]);
        done(export.args(programs.iter().flat_map(|program| ["--object", program])))
    }
}

/// What a program says that must succeed.
fn done(command: &mut Command) -> io::Result<String> {
    let output = command.stderr(Stdio::inherit()).output()?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(io::Error::other(format!("{} has failed", command.get_program().display())))
}

/// The programs that cargo says it has built.
fn executables(messages: &str) -> Vec<String> {
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    messages.filter_map(|message| message["executable"].as_str().map(str::to_owned)).collect()
}

/// The files of lcov's text by their path from the root, without tests.
fn files(root: &Path, lcov: &str) -> io::Result<BTreeMap<String, Lines>> {
    let mut files: BTreeMap<String, Lines> = BTreeMap::new();
    let mut file = None;
    for line in lcov.lines() {
        if let Some(path) = line.strip_prefix("SF:") {
            file = Path::new(path).strip_prefix(root).ok().and_then(Path::to_str).filter(|path| counts(path));
        } else if let (Some(path), Some(counted)) = (file, line.strip_prefix("DA:")) {
            let mut numbers = counted.split(',').filter_map(|number| number.parse::<usize>().ok());
            if let (Some(line), Some(count)) = (numbers.next(), numbers.next()) {
                *files.entry(path.to_owned()).or_default().entry(line).or_default() |= count > 0;
            }
        }
    }
    for (path, lines) in &mut files {
        let text = fs::read_to_string(root.join(path))?;
        if let Some(tests) = text.lines().position(|line| line == "#[cfg(test)]") {
            lines.retain(|line, _| *line <= tests);
        }
    }
    Ok(files)
}

fn counts(path: &str) -> bool {
    !NOT_COUNTED.iter().any(|part| path.contains(part))
}

/// The crates of these files by their folder.
fn rows(files: &BTreeMap<String, Lines>) -> BTreeMap<String, Row> {
    let mut rows: BTreeMap<String, Row> = BTreeMap::new();
    for (path, lines) in files {
        let name = path.split('/').take(2).collect::<Vec<_>>().join("/");
        let row = rows.entry(name).or_default();
        row.lines += lines.len();
        row.reached += lines.values().filter(|reached| **reached).count();
    }
    rows
}

fn report(files: &BTreeMap<String, Lines>, show_lines: bool) -> ExitCode {
    for (path, lines) in files.iter().filter(|(path, _)| show_lines && is_promised(path)) {
        unreached(lines).for_each(|(from, to)| println!("{path}:{from}-{to}"));
    }
    let rows = rows(files);
    println!("{:<24} {:>7} {:>8} {:>7}", "crate", "lines", "reached", "");
    for (name, row) in &rows {
        println!("{name:<24} {row}{}", if is_promised(name) { "" } else { "   not promised" });
    }
    let promised = Row::sum(rows.iter().filter(|(name, _)| is_promised(name)).map(|(_, row)| row));
    println!("{:<24} {promised}", "engine and services");
    let short = short(&rows);
    if short.is_empty() && promised.lines > 0 {
        return ExitCode::SUCCESS;
    }
    println!(
        "\nLess than {PROMISED_PERCENT} %: {}. `cargo xtask coverage --lines` lists what is not reached.",
        short.join(", ")
    );
    ExitCode::FAILURE
}

fn is_promised(path: &str) -> bool {
    PROMISED.iter().any(|promised| path.starts_with(promised))
}

/// The crates that do not keep what is promised of each.
fn short(rows: &BTreeMap<String, Row>) -> Vec<&str> {
    let is_short = |row: &Row| row.reached * 100 < row.lines * PROMISED_PERCENT;
    rows.iter().filter(|(name, row)| is_promised(name) && is_short(row)).map(|(name, _)| name.as_str()).collect()
}

/// Runs of lines that were not reached, each with its first and its last line.
fn unreached(lines: &Lines) -> impl Iterator<Item = (usize, usize)> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    let mut goes_on = false;
    for (line, reached) in lines {
        match runs.last_mut() {
            _ if *reached => {}
            Some(last) if goes_on => last.1 = *line,
            _ => runs.push((*line, *line)),
        }
        goes_on = !reached;
    }
    runs.into_iter()
}

impl Row {
    fn sum<'rows>(rows: impl Iterator<Item = &'rows Self>) -> Self {
        rows.fold(Self::default(), |sum, row| Self { reached: sum.reached + row.reached, lines: sum.lines + row.lines })
    }
}

/// In percent, rounded down: what is short never looks as if it were not.
impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let per_mille = self.reached * 1_000 / self.lines.max(1);
        write!(f, "{:>7} {:>8} {:>4}.{} %", self.lines, self.reached, per_mille / 10, per_mille % 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_counts_as_reached_when_one_of_its_copies_is() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let path = root.join("services/orders/src/lib.rs").display().to_string();
        let lcov = format!("SF:{path}\nDA:1,0\nDA:2,0\nend_of_record\nSF:{path}\nDA:1,7\nend_of_record\n");
        let files = files(root, &lcov).unwrap();
        assert_eq!(files["services/orders/src/lib.rs"], Lines::from([(1, true), (2, false)]));
    }

    #[test]
    fn tests_are_not_what_is_to_be_reached() {
        assert!(!counts("services/orders/src/tests/every_order.rs") && !counts("services/orders/src/tests.rs"));
        assert!(counts("services/orders/src/model.rs"));
    }

    #[test]
    fn a_crate_that_is_short_is_named_however_good_the_others_are() {
        let of = |reached: usize| (1..=1_000).map(|line| (line, line <= reached)).collect::<Lines>();
        let files = BTreeMap::from([
            ("services/orders/src/model.rs".to_owned(), of(1_000)),
            ("services/carts/src/model.rs".to_owned(), of(899)),
            ("crates/engine/src/core.rs".to_owned(), of(800)),
            ("crates/engine/src/core/failure.rs".to_owned(), of(1_000)),
            ("crates/server/src/cli.rs".to_owned(), of(0)),
        ]);
        let rows = rows(&files);
        assert_eq!(short(&rows), ["services/carts"]);
        assert_eq!((rows["crates/engine"].reached, rows["crates/engine"].lines), (1_800, 2_000));
        let sum = Row::sum(rows.values());
        assert_eq!((sum.reached, sum.lines), (3_699, 5_000));
    }

    #[test]
    fn percents_are_rounded_down() {
        let shown = |reached, lines| Row { reached, lines }.to_string();
        assert!(shown(8_999, 10_000).ends_with(" 89.9 %"));
        assert!(shown(3_167, 3_167).ends_with("100.0 %") && shown(0, 0).ends_with(" 0.0 %"));
    }

    #[test]
    fn what_is_not_reached_is_listed_in_runs() {
        let lines = Lines::from([(1, true), (2, false), (4, false), (5, true), (9, false)]);
        assert_eq!(unreached(&lines).collect::<Vec<_>>(), [(2, 4), (9, 9)]);
    }
}
