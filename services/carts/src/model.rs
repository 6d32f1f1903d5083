//! The entities of carts and their transitions; pure.

mod cart;
mod customer;
mod goods;
mod order;

pub use cart::{
    CART_ANONYMOUS, CART_CHANGED, CART_CLOSED, CART_CURRENCY_CHANGED, CART_EMPTY, CART_FULL, CART_LINE_NOT_FOUND,
    CART_NOT_FOUND, CART_QUANTITY, CART_SIGNING_UNAVAILABLE, CARTS_NOT_MERGEABLE, Cart, CartState, Who,
};
pub use customer::{CART_CUSTOMER_DELETED, Customer, OPEN_CARTS_MAX, TOO_MANY_CARTS};
pub use goods::{KnownProduct, KnownSku, NOT_FOR_SALE, UPCOMING_PRICES_MAX, unit_price};
pub use order::{CartOrder, CartOrderState};
