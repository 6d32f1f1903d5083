//! The command line: a file a command. Only here something is printed.

mod admin;
mod backup;
mod completions;
mod config;
mod consumers;
mod contracts;
mod dead_letters;
mod demo;
mod desk;
mod events;
mod explore;
mod gateway;
mod interrupt;
mod lessons;
mod load;
mod market;
mod openapi;
mod owed;
mod parked;
mod rebuild;
mod sagas;
mod screen;
mod serve;
mod shop;
mod simulate;
mod store;
mod story;
mod table;
mod verify;

pub use serve::serve;

use std::{
    io::{self, Write},
    num::NonZeroUsize,
    process::ExitCode,
    thread::available_parallelism,
};

use clap::{
    CommandFactory, FromArgMatches, Parser, Subcommand,
    builder::{PossibleValuesParser, TypedValueParser},
};

use crate::{
    app::AppError,
    brokers,
    client::ClientError,
    config::{Config, ConfigError, Flags, Layers},
    gateway::GatewayError,
    peers::PeersError,
};

pub use shop::ShopArgs;

/// An event-driven commerce backend in one binary: it takes orders, reserves stock, moves money and ships goods, and
/// loses nothing and does nothing twice.
#[derive(Parser)]
#[command(
    name = "tradewind",
    version,
    long_version = version(),
    propagate_version = true,
    arg_required_else_help = true
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// The version, and the brokers that this build can use.
fn version() -> String {
    let brokers = if brokers::FEATURES.is_empty() {
        String::from("none (cargo features kafka, kafka-tls, rabbitmq)")
    } else {
        brokers::FEATURES.join(", ")
    };
    format!("{}\nbrokers: {brokers}", env!("CARGO_PKG_VERSION"))
}

#[derive(Subcommand)]
enum Command {
    Serve(serve::Serve),
    Gateway(gateway::Gateway),
    Demo(demo::Demo),
    Load(load::Load),
    Verify(verify::Verify),
    Story(story::Tell),
    Events(events::Events),
    DeadLetters(dead_letters::DeadLetters),
    Sagas(sagas::Sagas),
    Owed(owed::Owed),
    Parked(parked::Parked),
    Consumers(consumers::Consumers),
    Admin(admin::Admin),
    Rebuild(rebuild::Rebuild),
    Backup(backup::Backup),
    Simulate(simulate::Simulate),
    Explore(explore::Explore),
    Contracts(contracts::Contracts),
    Config(config::Show),
    Openapi(openapi::Print),
    Completions(completions::Print),
}

/// Why a command has failed. Each kind has an exit status.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    #[error("the configuration cannot be used:\n{}", lines(.0))]
    Config(Vec<ConfigError>),
    #[error(transparent)]
    App(#[from] AppError),
    #[error(transparent)]
    Peers(#[from] PeersError),
    #[error(transparent)]
    Gateway(#[from] GatewayError),
    /// What is to be done needs a shop that stands still.
    #[error("{0}")]
    InUse(String),
    /// The shop ran, and stopped by itself.
    #[error("the shop has stopped: {0}")]
    Stopped(String),
    #[error(transparent)]
    Backup(#[from] tradewind_sqlite::BackupError),
    #[error(transparent)]
    Provider(#[from] tradewind_workers::provider::SimulatorError),
    #[error(transparent)]
    Audit(#[from] tradewind_audit::AuditError),
    #[error(transparent)]
    Log(#[from] tradewind_engine::segment::SegmentError),
    #[error(transparent)]
    Commit(#[from] tradewind_engine::ports::CommitError),
    #[error("this cannot be shown as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The audit has found something; it is printed already.
    #[error("the shop is not as it should be")]
    NotClean,
    #[error("{error}{hint}", error = .0, hint = hint(.0))]
    Client(#[from] ClientError),
    /// The command line alone does not say enough.
    #[error("{0}")]
    Usage(String),
    #[error("interrupted: what was half made is removed")]
    Interrupted,
    /// What was found out until then is printed already.
    #[error("interrupted before the end")]
    BrokenOff,
    #[error("{0}")]
    Other(String),
    /// The demo has said what.
    #[error("not everything went as it should")]
    NotAsTold,
    #[error("this cannot be written: {0}")]
    Output(#[from] io::Error),
}

impl CliError {
    /// What `tradewind --help` lists.
    fn exit_status(&self) -> u8 {
        match self {
            Self::Config(_)
            | Self::Usage(_)
            | Self::Peers(_)
            | Self::Gateway(GatewayError::Tls(_))
            | Self::App(AppError::Split(_) | AppError::Tls(_) | AppError::Traces(_))
            | Self::Client(ClientError::Url(_) | ClientError::CaFile { .. }) => 2,
            Self::App(AppError::Open(_) | AppError::Store(_) | AppError::Secrets(_))
            | Self::Stopped(_)
            | Self::InUse(_)
            | Self::Backup(_)
            | Self::Provider(_)
            | Self::Audit(_)
            | Self::Log(_)
            | Self::Commit(_) => 3,
            Self::Interrupted | Self::BrokenOff => 130,
            _ => 1,
        }
    }
}

impl From<Vec<ConfigError>> for CliError {
    fn from(errors: Vec<ConfigError>) -> Self {
        Self::Config(errors)
    }
}

/// The whole command line, with what `--help` teaches.
pub fn command() -> clap::Command {
    lessons::taught(Cli::command())
}

/// Follows the command line of this process.
pub fn main() -> ExitCode {
    let read = command().try_get_matches().and_then(|given| Cli::from_arg_matches(&given));
    let command = match read {
        Ok(cli) => cli.command,
        Err(told) => return explain(&told),
    };
    ended(match command {
        Command::Serve(serve) => serve.run(),
        Command::Gateway(gateway) => gateway.run(),
        Command::Demo(demo) => demo.run(),
        Command::Load(load) => load.run(),
        Command::Verify(verify) => verify.run(),
        Command::Story(story) => story.run(),
        Command::Events(events) => events.run(),
        Command::DeadLetters(dead_letters) => dead_letters.run(),
        Command::Sagas(sagas) => sagas.run(),
        Command::Owed(owed) => owed.run(),
        Command::Parked(parked) => parked.run(),
        Command::Consumers(consumers) => consumers.run(),
        Command::Admin(admin) => admin.run(),
        Command::Rebuild(rebuild) => rebuild.run(),
        Command::Backup(backup) => backup.run(),
        Command::Simulate(simulate) => simulate.run(),
        Command::Explore(explore) => explore.run(),
        #[cfg(feature = "contracts")]
        Command::Contracts(contracts) => contracts.run(),
        #[cfg(not(feature = "contracts"))]
        Command::Contracts(_) => Err(CliError::Usage(
            "this build has no contract packs: build it with the cargo feature contracts".to_owned(),
        )),
        Command::Config(show) => show.run(),
        Command::Openapi(openapi::Print) => openapi::Print::run(),
        Command::Completions(print) => print.run(),
    })
}

/// Prints help, the version, or what is wrong with the command line.
fn explain(told: &clap::Error) -> ExitCode {
    let printed = told.print().and_then(|()| io::stdout().flush());
    match u8::try_from(told.exit_code()) {
        Ok(0) => ended(printed.map_err(CliError::Output)),
        status => ExitCode::from(status.unwrap_or(2)),
    }
}

fn ended(done: Result<(), CliError>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read our output has heard enough.
        Err(CliError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            // What cannot be told changes nothing of how it ended.
            let _told = writeln!(io::stderr(), "tradewind: {error}");
            ExitCode::from(error.exit_status())
        }
    }
}

/// Prints to standard output. Where nobody reads it any more, as behind `| head`, the command goes on without a word: how
/// it ends does not depend on who reads.
fn say(text: impl std::fmt::Display) -> Result<(), CliError> {
    match say_on(text) {
        Err(CliError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        said => said,
    }
}

/// The same for a command that does nothing but print, and ends where nobody reads it.
fn say_on(text: impl std::fmt::Display) -> Result<(), CliError> {
    // Without the colours, where it is no terminal.
    let mut out = anstream::stdout().lock();
    write!(out, "{text}")?;
    Ok(out.flush()?)
}

/// One of these, by its name.
fn named<T: Copy + Send + Sync + 'static>(
    all: &'static [T],
    name: fn(T) -> &'static str,
) -> impl TypedValueParser<Value = T> {
    let names = PossibleValuesParser::new(all.iter().map(|one| name(*one)));
    names.try_map(move |given| all.iter().find(|one| name(**one) == given).copied().ok_or("there is none of this name"))
}

/// As many as were asked for, or one a core.
fn threads(asked: Option<NonZeroUsize>) -> NonZeroUsize {
    asked.unwrap_or_else(|| available_parallelism().unwrap_or(NonZeroUsize::MIN))
}

/// The effective configuration, and a log that goes where it says.
pub fn configured(flags: Flags) -> Result<Config, CliError> {
    let layers = Layers::of_process(flags)?;
    let config = Config::load(&layers)?;
    crate::telemetry::start(&config);
    for variable in layers.unknown_variables(&shop::VARIABLES) {
        tracing::warn!(variable, "the environment has a variable that looks like a setting and is none");
    }
    Ok(config)
}

/// What to do about it, where a person can.
fn hint(error: &ClientError) -> &'static str {
    match error {
        ClientError::Unreachable { .. } => "\nStart one with `tradewind serve`, or say with --url where it listens.",
        ClientError::Refused { code, .. } => match &**code {
            "not_allowed" => "\nThis is for staff and admins.",
            "access_token_invalid" | "access_token_expired" => {
                "\nTRADEWIND_TOKEN holds no good access token: take a new one, or set TRADEWIND_EMAIL and TRADEWIND_PASSWORD."
            }
            "rate_limited" => {
                "\nIt took more than one client may: `tradewind serve --rate-per-second 0` sets no limit."
            }
            "concurrency_limited" => {
                "\nIt had more open than one client may: `tradewind serve --caller-share 1` sets no share."
            }
            _ => "",
        },
        _ => "",
    }
}

fn lines(errors: &[ConfigError]) -> String {
    errors.iter().map(|error| format!("  {error}")).collect::<Vec<_>>().join("\n")
}
