//! The handlers of the routes, a file a noun. Each reads what came, asks a service, and says how the answer looks.
//! Which path leads here, and who may, stands in `http/table.rs`.

pub mod accounts;
pub mod carts;
pub mod categories;
pub mod clients;
pub mod locations;
pub mod operations;
pub mod orders;
pub mod payments;
pub mod peer;
pub mod prices;
pub mod products;
pub mod provider_callbacks;
pub mod sales;
pub mod sessions;
pub mod shipments;
pub mod signing_keys;
pub mod stock;
pub mod timelines;
pub mod users;
pub mod variants;
