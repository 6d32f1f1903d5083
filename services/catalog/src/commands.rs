//! What operators ask of catalog. Who may ask is checked where the request comes in.

mod category;
mod price;
mod product;
mod variant;

pub use category::{CreateCategory, DeleteCategory, UpdateCategory};
pub use price::{CancelPrice, SetPrice};
pub use product::{ArchiveProduct, CreateProduct, NewMedia, PublishProduct, UnpublishProduct, UpdateProduct};
pub use variant::{AddVariant, DiscontinueVariant, NewVariant, UpdateVariant};

pub(crate) use category::{create_category, delete_category, update_category};
pub(crate) use price::{arm, cancel_price, set_price};
pub(crate) use product::{archive_product, create_product, publish_product, unpublish_product, update_product};
pub(crate) use variant::{add_variant, discontinue_variant, update_variant};

/// What to do with a field that may be absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Patch<T> {
    #[default]
    Keep,
    Clear,
    Set(T),
}

impl<T: Clone> Patch<T> {
    fn apply(&self, old: Option<T>) -> Option<T> {
        match self {
            Self::Keep => old,
            Self::Clear => None,
            Self::Set(new) => Some(new.clone()),
        }
    }
}
