//! The handlers of the routes, a file a noun. Each reads what came, asks a service, and says how the answer looks.
//! Which path leads here, and who may, stands in `http/table.rs`.

pub mod clients;
pub mod operations;
pub mod sessions;
pub mod signing_keys;
pub mod users;
