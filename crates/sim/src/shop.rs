//! The shop of one seed: how its nine services are configured, and over which stores they are split.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use tradewind_engine::{AnyService, Limits};
use tradewind_events::{Currency, Personal};

use crate::{Options, chance::Chance};

/// The nine services, by name.
pub const SERVICES: [&str; 9] =
    ["identity", "catalog", "inventory", "carts", "orders", "payments", "shipping", "notifications", "query"];

/// Longer than the broker repeats a message, and than a repeated one waits for a batch.
const INBOX_KEPT_SOON: Duration = Duration::from_hours(2);

/// What all its processes are started with.
pub struct Shop {
    pub limits: Limits,
    /// Rows of the inbox are kept for hours only.
    pub forgets_soon: bool,
    cart_secret: Arc<[u8]>,
    reservation_ttl: Duration,
    order_deadline: Duration,
    discount_bp: u32,
    shipping_minor: i64,
    tax_bp: u32,
    countries: Vec<Arc<str>>,
    unpaid_orders_max: usize,
    /// What each service receives; none: every event.
    hears: BTreeMap<&'static str, BTreeSet<Option<&'static str>>>,
}

impl Shop {
    pub fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed, "shop");
        let forgets_soon = Chance::new(seed, "retention").one_in(3);
        let reservation_ttl = Duration::from_mins(chance.pick(&[2, 10, 15]));
        let mut shop = Self {
            limits: Limits {
                cache_forgets: Chance::new(seed, "cache").one_in(4),
                ..limits(seed, forgets_soon, &mut chance)
            },
            forgets_soon,
            cart_secret: Arc::from(*b"a secret of this shop"),
            reservation_ttl,
            order_deadline: reservation_ttl * u32::try_from(chance.between(1, 3)).unwrap_or(1),
            discount_bp: chance.pick(&[0, 0, 250, 1_000]),
            shipping_minor: chance.pick(&[0, 499]),
            tax_bp: chance.pick(&[0, 1_900]),
            countries: if chance.one_in(2) { vec!["DE".into(), "NL".into()] } else { Vec::new() },
            unpaid_orders_max: chance.pick(&[3, 20]),
            hears: BTreeMap::new(),
        };
        shop.hears = SERVICES.iter().map(|name| (*name, shop.service(name).consumed_events().collect())).collect();
        shop
    }

    /// Whether a service receives events of this name.
    pub fn hears(&self, service: &str, event: &'static str) -> bool {
        self.hears.get(service).is_some_and(|events| events.contains(&None) || events.contains(&Some(event)))
    }

    /// A service as it is configured here.
    ///
    /// # Panics
    /// When there is no service of this name.
    pub fn service(&self, name: &str) -> AnyService {
        match name {
            "identity" => tradewind_identity::service(tradewind_identity::Identity::default()).into(),
            "catalog" => tradewind_catalog::service(tradewind_catalog::Catalog {
                discount_bp: self.discount_bp,
                shipping_minor: self.shipping_minor,
                tax_bp: self.tax_bp,
                ..tradewind_catalog::Catalog::default()
            })
            .into(),
            "inventory" => {
                let reservation_ttl = self.reservation_ttl;
                tradewind_inventory::service(tradewind_inventory::Inventory { reservation_ttl }).into()
            }
            "carts" => tradewind_carts::service(tradewind_carts::Carts {
                secret: Arc::clone(&self.cart_secret),
                cart_ttl: Duration::from_hours(3),
                ..tradewind_carts::Carts::default()
            })
            .into(),
            "orders" => tradewind_orders::service(tradewind_orders::Orders {
                order_deadline: self.order_deadline,
                reservation_ttl: self.reservation_ttl,
                cart_secret: Arc::clone(&self.cart_secret),
                unpaid_orders_max: self.unpaid_orders_max,
                ..tradewind_orders::Orders::default()
            })
            .into(),
            "payments" => tradewind_payments::service(tradewind_payments::Payments::default()).into(),
            "shipping" => {
                let countries = self.countries.clone();
                tradewind_shipping::service(tradewind_shipping::Shipping { countries }).into()
            }
            "notifications" => {
                let staff = Some(Personal::new("staff@example.org".to_owned()));
                let settings = tradewind_notifications::Notifications { staff, ..Default::default() };
                tradewind_notifications::service(settings).into()
            }
            "query" => tradewind_query::service(tradewind_query::Query).into(),
            other => panic!("there is no service {other}"),
        }
    }
}

fn limits(seed: u64, forgets_soon: bool, chance: &mut Chance) -> Limits {
    let (full, mut windows) = (Limits::default(), Chance::new(seed, "windows"));
    Limits {
        batch_messages_max: chance.pick(&[1, 2, 8, 1_024]),
        intake_max: chance.pick(&[32, 8_192]),
        batch_forming_max: chance.pick(&[full.batch_forming_max, Duration::from_mins(10)]),
        cache_bytes_max: chance.pick(&[0, 64 * 1024, 64 * 1024 * 1024]),
        job_attempts_max: chance.pick(&[3, 12]),
        jobs_running_max: chance.pick(&[1, 32]),
        dead_letters_a_minute_max: chance.pick(&[0, 2, 100]),
        relay_bytes_max: chance.pick(&[0, 20_000, 8 * 1024 * 1024]),
        publish_bytes_max: chance.pick(&[2_000, 4 * 1024 * 1024]),
        publish_messages_max: chance.pick(&[1, 7, 5_000]),
        mark_every_segments: chance.pick(&[1, 4, 64]),
        inbox_kept: if forgets_soon { INBOX_KEPT_SOON } else { full.inbox_kept },
        in_line_max: windows.pick(&[2, 7, full.in_line_max]),
        due_rows_max: windows.pick(&[1, 40, full.due_rows_max]),
        ..full
    }
}

/// Which services live together: one list a store, none empty.
pub fn split(seed: u64, options: &Options) -> Vec<Vec<&'static str>> {
    let mut chance = Chance::new(seed, "split");
    let stores = chance.between(1, 4).min(u64::from(options.stores_max.max(1)));
    let mut split: Vec<Vec<&'static str>> = (0..stores).map(|_| Vec::new()).collect();
    for service in SERVICES {
        let store = chance.index(split.len());
        split[store].push(service);
    }
    split.retain(|services| !services.is_empty());
    split
}

/// The currency of the shop.
///
/// # Panics
/// Never.
pub fn eur() -> Currency {
    "EUR".parse().expect("EUR is a currency")
}
