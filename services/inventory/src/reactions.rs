//! What inventory does when it hears of goods, of orders and of money.

mod claims;
mod goods;
mod pick;

pub use claims::{commit, expire, extend, release_cancelled, release_failed, release_rejected, reserve};
pub use goods::{close_product, close_variant, open_product, open_variant};
