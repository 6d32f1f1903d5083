//! `tradewind-bench serve`: the real server, in a world that is made for a measure.

use tradewind::{
    app::Options,
    cli,
    client::{Client, ShopUrl},
    config::Flags,
    services,
    split::{OpenBrokers, Part},
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
    shop,
};

/// Serve a shop as `tradewind serve` does, with a payment provider that hangs, or as a part of a shop behind a broker.
///
/// Standard output has a line when it is open, and for a shop without an admin two more, of which the second is the token.
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
        let config = cli::configured(flags)?;
        let mut options = Options::default();
        if hanging_provider {
            options.hire = Box::new(|_, clock, _| Ok(shop::workers(clock)?));
        }
        if let Some(identity) = identity {
            options.part = Some(without_identity(identity, backlog));
        }
        Ok(cli::serve(config, options)?)
    }
}

/// The other eight, as one store of a shop that has identity in another.
fn without_identity(identity: ShopUrl, backlog: u64) -> Part {
    let broker = move || BrokerParts {
        name: KeyText::literal(BROKER_CONSUMER),
        broker: Box::new(Registrations { count: backlog, time: SystemClock.wall() }),
        routing: Routing::by_source(NAME).consume([SOURCE]),
        group: NAME.to_owned(),
        limits: None,
    };
    let brokers: OpenBrokers = Box::new(move |_| Ok(vec![broker()]));
    let services = services::NAMES.into_iter().filter(|name| *name != SOURCE).collect();
    Part { services, split: None, brokers: Some(brokers), identity: Some(Client::new(identity)) }
}
