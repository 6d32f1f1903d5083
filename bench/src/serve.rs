//! `tradewind-bench serve`: the real server, in a world that is made for a measure.

use tokio::signal::unix::{SignalKind, signal};
use tradewind::{
    app::{App, Options, Part},
    client::ShopUrl,
    config::{Config, ConfigError, Flags, Layers},
    services, telemetry,
};
use tradewind_engine::{
    BrokerParts, Routing,
    operator::BROKER_CONSUMER,
    ports::{Clock, SystemClock},
};
use tradewind_events::KeyText;

use crate::{
    Failure,
    registrations::{Registrations, SOURCE},
    say, shop,
};

/// Serve a shop as `tradewind serve` does, with a payment provider that hangs, or as a part of a shop behind a broker.
///
/// Standard output has a line when it is open, and for a shop without an admin two more, of which the second is the token.
/// It stops on SIGTERM.
#[derive(clap::Args)]
pub struct Serve {
    #[command(flatten)]
    flags: Flags,
    /// The payment provider takes every call and answers none
    #[arg(long)]
    hanging_provider: bool,
    /// Serve all services but identity, which is served there and is heard of through a broker
    #[arg(long, value_name = "URL")]
    identity: Option<ShopUrl>,
    /// Users who have registered with identity, and whose events wait at the broker
    #[arg(long, value_name = "EVENTS", default_value_t = 0, requires = "identity")]
    backlog: u64,
}

/// The prefix of the topics at the broker, and the name of the group.
const NAME: &str = "bench";

impl Serve {
    pub fn run(self) -> Result<(), Failure> {
        let Self { flags, hanging_provider, identity, backlog } = self;
        let layers = Layers::of_process(flags).map_err(|errors| told(&errors))?;
        let config = Config::load(&layers).map_err(|errors| told(&errors))?;
        telemetry::start(&config);
        let mut options = Options::default();
        if hanging_provider {
            options.hire = Box::new(|_, clock, _| Ok(shop::workers(clock)?));
        }
        if let Some(identity) = identity {
            options.part = without_identity(identity, backlog);
        }
        tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(serve(config, options))
    }
}

async fn serve(config: Config, options: Options) -> Result<(), Failure> {
    let mut terminate = signal(SignalKind::terminate())?;
    let app = App::start_with(config, options).await?;
    say(format_args!("The shop is open: http://{}\n", app.address()))?;
    if let Some(token) = app.first_admin_token() {
        say(format_args!("There is no admin yet. Whoever shows this token once becomes the first:\n  {token}\n"))?;
    }
    app.announced();
    let lost = tokio::select! {
        _ = terminate.recv() => None,
        why = app.shop().engine_stopped() => why,
    };
    app.stop().await.or(lost).map_or(Ok(()), |reason| Err(reason.into()))
}

/// The other eight, as one store of a shop that has identity in another.
fn without_identity(identity: ShopUrl, backlog: u64) -> Part {
    let broker = BrokerParts {
        name: KeyText::literal(BROKER_CONSUMER),
        broker: Box::new(Registrations { count: backlog, time: SystemClock.wall() }),
        routing: Routing::by_source(NAME).consume([SOURCE]),
        group: NAME.to_owned(),
        limits: None,
    };
    let services = services::NAMES.into_iter().filter(|name| *name != SOURCE).collect();
    Part { services, brokers: vec![broker], identity: Some(identity) }
}

fn told(errors: &[ConfigError]) -> Failure {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n").into()
}
