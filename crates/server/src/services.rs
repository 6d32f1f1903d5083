//! The nine services, each with its part of the configuration.

use std::{sync::Arc, time::Duration};

use tradewind_carts::Carts;
use tradewind_catalog::Catalog;
use tradewind_engine::{AnyService, Limits};
use tradewind_events::Personal;
use tradewind_identity::Identity;
use tradewind_inventory::Inventory;
use tradewind_notifications::Notifications;
use tradewind_orders::Orders;
use tradewind_payments::Payments;
use tradewind_query::Query;
use tradewind_shipping::Shipping;

use crate::config::{BrokerKind, Config, Secret};

/// The names of all services, as a store remembers them.
pub const NAMES: [&str; 9] =
    ["identity", "catalog", "inventory", "carts", "orders", "payments", "shipping", "notifications", "query"];

/// The services of these names.
pub fn some(config: &Config, names: &[&str]) -> Vec<AnyService> {
    let knows_customers = names.contains(&"identity");
    built(config, knows_customers).into_iter().filter(|service| names.contains(&service.name)).collect()
}

/// All services. `query` hears an event last: what it shows has happened.
pub fn all(config: &Config) -> Vec<AnyService> {
    built(config, true)
}

/// `knows_customers`: identity lives in this store, so whoever is not known here is nobody.
fn built(config: &Config, knows_customers: bool) -> Vec<AnyService> {
    let secret =
        |secret: &Option<Secret>| secret.as_ref().map(|secret| Arc::clone(secret.expose())).unwrap_or_default();
    let cart_secret = secret(&config.cart_secret);
    vec![
        tradewind_identity::service(identity(config)).build(),
        tradewind_catalog::service(Catalog {
            currency: config.currency,
            discount_bp: config.discount_bp,
            shipping_minor: config.shipping_minor,
            tax_bp: config.tax_bp,
            category_tax_bp: config.category_tax_bp.clone(),
        })
        .build(),
        tradewind_inventory::service(Inventory { reservation_ttl: config.reservation_ttl }).build(),
        tradewind_carts::service(Carts {
            currency: config.currency,
            cart_ttl: config.cart_ttl,
            snapshot_ttl: config.snapshot_ttl,
            secret: Arc::clone(&cart_secret),
        })
        .build(),
        tradewind_orders::service(Orders {
            currency: config.currency,
            order_deadline: config.order_deadline,
            reservation_ttl: config.reservation_ttl,
            unpaid_orders_max: config.unpaid_orders_max,
            cart_secret,
            shipping_can_recall: true,
            amount_minor_max: config.amount_minor_max,
        })
        .build(),
        tradewind_payments::service(Payments {
            currency: config.currency,
            provider: "simulator".into(),
            foreign_customers: config.foreign_customers || !knows_customers,
            shipping_recalls: true,
            undecided_wait_min: config.provider_wait_min,
            undecided_wait_max: config.provider_wait_max,
        })
        .build(),
        tradewind_shipping::service(Shipping { countries: config.ship_to.clone() }).build(),
        tradewind_notifications::service(Notifications {
            delivery: config.delivery,
            staff: config.staff_email.as_ref().map(|email| Personal::new(email.to_string())),
            shop: Arc::clone(&config.shop_name),
            contact_wait: config.contact_wait,
        })
        .build(),
        tradewind_query::service(Query).build(),
    ]
}

fn identity(config: &Config) -> Identity {
    Identity {
        failures_max: config.sign_in_failures_max,
        failure_window: config.sign_in_failure_window,
        lockout: config.sign_in_lockout,
        session_ttl: config.session_ttl,
        sessions_max: config.sessions_max,
        refresh_grace: config.refresh_grace,
        access_token_ttl: config.access_token_ttl,
        verification_ttl: config.verification_ttl,
        reset_ttl: config.password_reset_ttl,
        first_admin_ttl: config.first_admin_ttl,
        mail_interval: config.identity_mail_interval,
    }
}

/// How long the inbox remembers an event: Kafka may deliver one again until it removes the segment that has it.
fn inbox_kept(config: &Config) -> Duration {
    let kept = Limits::default().inbox_kept;
    match &config.broker {
        Some(url) if url.kind == BrokerKind::Kafka => kept.max(config.kafka_retention + config.kafka_segment),
        _ => kept,
    }
}

/// The bounds of the engine.
pub fn limits(config: &Config) -> Limits {
    Limits {
        batch_messages_max: config.batch_messages_max,
        intake_max: config.intake_max,
        cache_bytes_max: config.cache_size.in_memory(),
        parked_max: config.parked_max,
        park_deadline: config.park_deadline,
        job_attempts_max: config.job_attempts_max,
        jobs_running_max: config.jobs_running_max,
        dead_letters_a_minute_max: config.dead_letters_a_minute_max,
        idempotency_kept: config.idempotency_kept,
        clock_jump_max: config.clock_jump_max,
        inbox_kept: inbox_kept(config),
        ..Limits::default()
    }
}
