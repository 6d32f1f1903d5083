//! Measures the shop: whole orders inside one process, the real server under load, and what it is held against.
//! `bench/run` builds it and runs it; `docs/benchmarks.md` has what came of it.

mod commit_alone;
mod debezium;
mod hanging;
mod host;
mod http;
mod in_process;
mod line;
mod measures;
mod pairs;
mod postgres;
mod registrations;
mod run;
mod serve;
mod server;
mod servers;
mod shop;
mod split;
mod store;
mod topics;
mod window;

use std::{
    error::Error,
    fmt,
    io::{self, Write},
    process::ExitCode,
};

use clap::Parser;
use mimalloc::MiMalloc;

/// As in the server.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Whatever went wrong, for a person: nobody acts on its kind.
type Failure = Box<dyn Error + Send + Sync>;

/// Measures the shop.
#[derive(Parser)]
#[command(name = "tradewind-bench", version, arg_required_else_help = true)]
enum Cli {
    Run(run::Run),
    InProcess(in_process::InProcess),
    Serve(serve::Serve),
}

fn main() -> ExitCode {
    let done = match Cli::parse() {
        Cli::Run(run) => run.run(),
        Cli::InProcess(in_process) => in_process.run(),
        Cli::Serve(serve) => serve.run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            complain(format_args!("tradewind-bench: {failure}"));
            ExitCode::FAILURE
        }
    }
}

/// Prints to standard output.
fn say(text: impl fmt::Display) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    write!(out, "{text}")?;
    Ok(out.flush()?)
}

/// Says something beside the figures.
fn complain(text: impl fmt::Display) {
    // When even this cannot be written there is nobody to tell.
    drop(writeln!(io::stderr(), "{text}"));
}
