//! Writes the seeds of every target into `FOLDER/NAME`: what `fuzz/run` begins with.

use std::{fs, path::PathBuf};

fn main() -> std::io::Result<()> {
    let folder = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| String::from("target/seeds")));
    for target in tradewind_fuzzing::TARGETS {
        let folder = folder.join(target.name);
        fs::create_dir_all(&folder)?;
        for (number, seed) in (target.seeds)().into_iter().enumerate() {
            fs::write(folder.join(format!("seed-{number}")), seed)?;
        }
    }
    Ok(())
}
