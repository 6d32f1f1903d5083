//! The entities of catalog and their transitions; pure.

mod availability;
mod category;
mod limits;
mod product;
mod quote;
mod variant;

pub use availability::{Availability, LocationAvailability};
pub use category::{
    CATEGORY_CYCLE, CATEGORY_DEPTH_MAX, CATEGORY_EXISTS, CATEGORY_NOT_EMPTY, CATEGORY_NOT_FOUND, CATEGORY_TOO_DEEP,
    Category, INVALID_CATEGORY, UNKNOWN_CATEGORY,
};
pub use limits::{
    ATTRIBUTE_BYTES_MAX, ATTRIBUTE_NAME_BYTES_MAX, ATTRIBUTES_BYTES_MAX, ATTRIBUTES_MAX, BRAND_BYTES_MAX,
    CATEGORIES_PER_PRODUCT_MAX, DESCRIPTION_BYTES_MAX, MEDIA_MAX, NAME_BYTES_MAX, PRICE_MINOR_MAX, REASON_BYTES_MAX,
    URL_BYTES_MAX, attributes, category_name, details, price, reason,
};
pub use product::{
    Details, INVALID_PRODUCT, PRODUCT_ARCHIVED, PRODUCT_EXISTS, PRODUCT_NOT_FOUND, PRODUCT_NOT_PUBLISHED,
    PRODUCT_WITHOUT_VARIANT, Product, TOO_MANY_VARIANTS, VARIANTS_MAX,
};
pub use quote::{Offer, Quote, QuoteState, Terms};
pub use variant::{
    INVALID_PRICE, SCHEDULED_PRICE_NOT_FOUND, SCHEDULED_PRICES_MAX, SKU_TAKEN, TOO_MANY_SCHEDULED_PRICES,
    VARIANT_DISCONTINUED, VARIANT_NOT_FOUND, Variant,
};
