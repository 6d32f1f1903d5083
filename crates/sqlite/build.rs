//! Lists `migrations/NNNN_name.sql` in order, so that adding one needs no second place; compiles the page checksums.

use std::{env, fmt::Write, fs, path::Path};

fn main() {
    list_migrations();
    compile_page_checksums();
}

/// The layer registers itself before `main`. No symbol of it is named, so the linker must be told to keep it.
fn compile_page_checksums() {
    for file in ["sealed.c", "sealed.h", "gather.c", "log.c"] {
        println!("cargo::rerun-if-changed=src/{file}");
    }
    let include = env::var_os("DEP_SQLITE3_INCLUDE").expect("SQLite is compiled with the program");
    cc::Build::new()
        .files(["src/sealed.c", "src/gather.c", "src/log.c"])
        .include(include)
        .opt_level(3) // every page goes through it, in tests too
        .warnings_into_errors(true)
        .extra_warnings(true)
        .cargo_metadata(false)
        .compile("tradewind_sealed");
    let out = env::var_os("OUT_DIR").expect("cargo sets it");
    println!("cargo::rustc-link-search=native={}", Path::new(&out).display());
    println!("cargo::rustc-link-lib=static:+whole-archive=tradewind_sealed");
}

fn list_migrations() {
    println!("cargo::rerun-if-changed=migrations");
    let variable = |name| env::var_os(name).expect("cargo sets it");
    let directory = Path::new(&variable("CARGO_MANIFEST_DIR")).join("migrations");
    let mut files: Vec<String> = fs::read_dir(&directory)
        .expect("crates/sqlite/migrations can be listed")
        .map(|entry| entry.expect("it has names").file_name().into_string().expect("they are ASCII"))
        .filter(|name| Path::new(name).extension().is_some_and(|extension| extension == "sql"))
        .collect();
    files.sort();
    let mut list = String::from("&[\n");
    for file in &files {
        let (number, name) = file.trim_end_matches(".sql").split_once('_').expect("a migration is NNNN_name.sql");
        assert!(number.len() == 4, "{file}: a migration is NNNN_name.sql");
        let number: u32 = number.parse().expect("a migration is NNNN_name.sql");
        let sql = format!("include_str!(concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/migrations/{file}\"))");
        writeln!(list, "    Migration {{ number: {number}, name: {name:?}, sql: {sql} }},")
            .expect("a string takes what is written");
    }
    list.push_str("]\n");
    fs::write(Path::new(&variable("OUT_DIR")).join("migrations.rs"), list).expect("OUT_DIR can be written");
}
