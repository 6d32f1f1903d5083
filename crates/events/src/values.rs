//! The values that events of several services share.

mod goods;
mod lines;
mod order;
mod stock;

pub use goods::{Attributes, Change, Media, Price, Product, ProductStatus, ScheduledPrice, Variant, VariantStatus};
pub use lines::{InvalidLines, LINES_MAX, Line, Lines, ORDER_PIECES_MAX, QUANTITY_MAX};
pub use order::{Address, CancelledBy, Check, OrderSummary, PaymentMethod};
pub use stock::{AdjustmentType, LowLevel, StockCause, StockLevel};
