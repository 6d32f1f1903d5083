//! The command `tradewind`.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// Rows, events and answers are many small pieces that one thread makes and another drops.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    tradewind::cli::main()
}
