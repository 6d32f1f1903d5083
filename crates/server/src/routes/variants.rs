//! Variants: what can be bought of a product, each under its SKU. Everybody sees those of published products.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tradewind_catalog::{
    self as catalog,
    commands::{AddVariant, DiscontinueVariant, NewVariant as VariantToBe, UpdateVariant},
};
use tradewind_events::{Attributes, Currency, Id, Variant};
use tradewind_query::ProductView;

use super::products::published;
use crate::http::{Call, Created, Failure, Json, Okay, Path, Sent, location};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewVariant {
    sku: Id,
    /// Texts, numbers, truths.
    #[serde(default)]
    attributes: Attributes,
    /// What one costs, in minor units.
    amount_minor: i64,
    currency: Currency,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VariantChange {
    /// All of them: one that is left out is gone.
    attributes: Attributes,
}

/// A variant, and of which product.
#[derive(Serialize, JsonSchema)]
pub struct VariantView {
    product_id: Id,
    #[serde(flatten)]
    variant: Variant,
}

pub async fn add(
    call: Call,
    Path(product_id): Path<Id>,
    Json(new): Json<NewVariant>,
) -> Result<Sent<Created<Variant>>, Failure> {
    let answer =
        |variant: &Variant| Created { location: location("/v1/variants", &variant.sku), body: variant.clone() };
    call.submit(AddVariant { product_id, variant: new.into() }, answer).await
}

pub async fn read(call: Call, Path(sku): Path<Id>) -> Result<Okay<VariantView>, Failure> {
    let unknown = || catalog::VARIANT_NOT_FOUND.because(format!("there is no variant {sku}"));
    let known = call.load::<catalog::Variant>(&sku).await?.ok_or_else(unknown)?;
    let variant = if call.is_staff() {
        known.told()
    } else {
        let product = published(call.load::<ProductView>(known.product_id()).await?).ok_or_else(unknown)?;
        product.variants.iter().find(|variant| variant.sku == sku).cloned().ok_or_else(unknown)?
    };
    Ok(Okay(VariantView { product_id: known.product_id().clone(), variant }))
}

pub async fn update(
    call: Call,
    Path(sku): Path<Id>,
    Json(change): Json<VariantChange>,
) -> Result<Sent<Okay<Variant>>, Failure> {
    call.submit(UpdateVariant { sku, attributes: change.attributes }, shown).await
}

pub async fn discontinue(call: Call, Path(sku): Path<Id>) -> Result<Sent<Okay<Variant>>, Failure> {
    call.submit(DiscontinueVariant { sku }, shown).await
}

fn shown(variant: &Variant) -> Okay<Variant> {
    Okay(variant.clone())
}

impl From<NewVariant> for VariantToBe {
    fn from(new: NewVariant) -> Self {
        let NewVariant { sku, attributes, amount_minor, currency } = new;
        Self { sku, attributes, amount_minor, currency }
    }
}
