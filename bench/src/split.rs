//! A shop that is split over two processes and a broker, with a gateway in front of them.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    Failure, complain, host,
    run::World,
    server::{Life, Loaded, Shop, free_port},
    servers::Server,
};

/// As docs/scale.md advises: what an order waits for together, what customers read elsewhere.
pub const READS: (&str, &str) = ("front", "identity,catalog,carts,notifications,query");
pub const WRITES: (&str, &str) = ("back", "inventory,orders,payments,shipping");

/// The longest that events may take from store to store after the last order.
const SETTLE_MAX: Duration = Duration::from_mins(5);

/// How often it is looked whether they have arrived: seldom, as a look takes processor time.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The broker of a split shop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Kafka,
    RabbitMq,
}

/// A split shop that runs. The first of its two processes has identity.
pub struct SplitShop {
    pub shops: [Shop; 2],
    lives: [Life; 2],
    gateway: Life,
    broker: u32,
}

/// What a load has come to.
#[derive(Debug, Clone, Copy)]
pub struct Settled {
    pub loaded: Loaded,
    /// Orders a second, until the last one was settled in both stores.
    pub per_second: f64,
    /// Processor time: of the gateway, of the two processes, of the broker.
    pub spent: [Duration; 4],
}

/// The files that all processes of a shop read.
pub struct Shared {
    pub peers: PathBuf,
    flags: Vec<String>,
}

impl Kind {
    /// Starts a broker in a folder of its own.
    pub fn start(self, world: &mut World) -> Result<Server, Failure> {
        let folder = world.folder()?.join("broker");
        match self {
            Self::Kafka => Server::start("kafka", folder, &[]),
            Self::RabbitMq => Server::start("rabbitmq", folder, &[]),
        }
    }

    fn url(self, server: &Server) -> String {
        match self {
            Self::Kafka => format!("kafka://{}", server.told),
            Self::RabbitMq => server.told.clone(),
        }
    }
}

impl Shared {
    /// Writes the peers file, for these names, ports and services, and the secrets.
    pub fn new(folder: &Path, peers: &[(&str, u16, &str)], broker: (Kind, &Server)) -> Result<Self, Failure> {
        let entry = |(name, port, services): &(&str, u16, &str)| {
            let services: Vec<&str> = services.split(',').collect();
            format!("[[peer]]\nname = {name:?}\nurl = \"http://127.0.0.1:{port}\"\nservices = {services:?}\n")
        };
        let (file, secrets) = (folder.join("peers.toml"), folder.join("secrets.toml"));
        fs::write(&file, peers.iter().map(entry).collect::<String>())?;
        let secret = |name: &str| format!("{name} = \"the {name} of this measure\"\n");
        fs::write(&secrets, ["master_key", "cart_secret", "provider_secret"].map(secret).concat())?;
        // A shop warns of secrets that others can read.
        fs::set_permissions(&secrets, fs::Permissions::from_mode(0o600))?;
        let mut flags = vec!["--broker".to_owned(), broker.0.url(broker.1)];
        // One broker keeps one copy.
        flags.extend(["--kafka-replicas", "1", "--kafka-replicas-in-sync", "1"].map(str::to_owned));
        flags.extend(["--secrets-file".to_owned(), secrets.display().to_string()]);
        Ok(Self { peers: file, flags })
    }

    /// The part of a shop that has these services.
    pub fn part(&self, shop: Shop, services: &str) -> Shop {
        let flags: Vec<&str> = self.flags.iter().map(String::as_str).collect();
        shop.with(&flags).with(&["--peers", &self.peers.display().to_string(), "--services", services])
    }
}

impl SplitShop {
    /// Opens one over these parts, each a name and its services. Orders come in through the gateway.
    pub fn open(world: &mut World, broker: (Kind, &Server), parts: [(&str, &str); 2]) -> Result<Self, Failure> {
        let folder = world.folder()?;
        let [one, other] = parts.map(|(name, _)| Shop::new(&world.binary, &folder.join(name)));
        let (one, other, gateway) = (one?, other?, free_port()?);
        let peers = [(parts[0].0, one.port(), parts[0].1), (parts[1].0, other.port(), parts[1].1)];
        let shared = Shared::new(&folder, &peers, broker)?;
        let (mut one, other) = (shared.part(one, parts[0].1), shared.part(other, parts[1].1));
        one.enter_at(Some(gateway));
        let (one, one_life) = one.open()?;
        let other_life = other.start()?;
        let gateway = Life::gateway(&world.binary, &shared.peers, gateway)?;
        Ok(Self { shops: [one, other], lives: [one_life, other_life], gateway, broker: broker.1.pid()? })
    }

    /// So many orders through the gateway, until all of them are settled in both stores. They are of a small market, which
    /// is made one by one.
    pub fn load(&self, orders: u64, more: &[&str]) -> Result<Settled, Failure> {
        let (before, spent_before) = (self.settled()?, self.spent()?);
        let loaded = self.shops[0].load(orders, more)?;
        let start = host::now();
        let all = || self.settled().is_ok_and(|settled| settled == before + loaded.confirmed);
        if !host::until_every(LOOK_EVERY, SETTLE_MAX, all) {
            complain(format_args!("{} of {} orders are settled", self.settled()? - before, loaded.confirmed));
        }
        let took = loaded.took_seconds + start.elapsed().as_secs_f64();
        let mut spent = self.spent()?;
        for (now, before) in spent.iter_mut().zip(spent_before) {
            *now = now.saturating_sub(before);
        }
        let whole = if loaded.others > 0 { 0.0 } else { 1.0 };
        let settled = u32::try_from(loaded.confirmed)?;
        Ok(Settled { loaded, per_second: whole * f64::from(settled) / took, spent })
    }

    /// The most memory that one of the two processes has had, and that the gateway has had, in bytes.
    pub fn resident_bytes_max(&self) -> Result<(u64, u64), Failure> {
        let [one, other] = [&self.lives[0], &self.lives[1]].map(|life| host::resident_bytes_max(life.pid()));
        Ok((one?.max(other?), host::resident_bytes_max(self.gateway.pid())?))
    }

    /// Ends it, and audits both stores. Violations, orders that are answered as confirmed and are not settled included.
    pub fn close(self, confirmed: u64) -> Result<u64, Failure> {
        let settled = self.settled()?;
        self.gateway.stop()?;
        for life in self.lives {
            life.stop()?;
        }
        let audited = self.shops[0].audit_with(&[&self.shops[1].store])?;
        if let Some(first) = &audited.first {
            complain(first);
        }
        Ok(audited.violations + u64::try_from(audited.owed)? + confirmed.abs_diff(settled))
    }

    fn settled(&self) -> Result<u64, Failure> {
        crate::store::settled_by_all(&[&self.shops[0].store, &self.shops[1].store])
    }

    fn spent(&self) -> Result<[Duration; 4], Failure> {
        let processes = [self.gateway.pid(), self.lives[0].pid(), self.lives[1].pid(), self.broker];
        let mut spent = [Duration::ZERO; 4];
        for (spent, process) in spent.iter_mut().zip(processes) {
            *spent = host::spent_by(process)?;
        }
        Ok(spent)
    }
}
