//! Variants: what can be bought of a product, each under its SKU. Everybody sees those of published products.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tradewind_catalog::{
    self as catalog,
    commands::{AddVariant, DiscontinueVariant, NewVariant as VariantToBe, UpdateVariant},
};
use tradewind_events::{Attributes, Currency, Id, Variant};

use super::products::is_visible;
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
    let variant = call.load::<catalog::Variant>(&sku).await?.ok_or_else(unknown)?;
    let product = call.load::<catalog::Product>(variant.product_id()).await?;
    product.filter(|product| is_visible(&call, product)).ok_or_else(unknown)?;
    Ok(Okay(VariantView { product_id: variant.product_id().clone(), variant: variant.told() }))
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
