//! Categories: the tree in which customers look, and the products of one. A deleted category is gone for everybody.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tradewind_catalog::{
    CATEGORY_NOT_FOUND, Category,
    commands::{CreateCategory, DeleteCategory, UpdateCategory},
};
use tradewind_engine::{Entity, ports::List};
use tradewind_events::{Column, Id, ProductStatus};
use tradewind_query::{self as query, ProductCategory};

use super::products::{ProductCard, visible};
use crate::http::{
    Call, Created, Done, Failure, Json, Okay, Page, PageOf, Patch, Path, Query, Sent, WaitUntilFound, location,
    refusals::CATEGORY_TREE_TOO_LARGE,
};

/// So many categories are shown as one tree; more are listed page by page.
pub const TREE_CATEGORIES_MAX: u32 = 1_000;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCategory {
    /// Made when it is absent.
    #[serde(default)]
    category_id: Option<Id>,
    name: Arc<str>,
    /// A root when it is absent.
    #[serde(default)]
    parent_id: Option<Id>,
}

/// What is absent stays as it is.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CategoryChange {
    #[serde(default)]
    name: Option<Arc<str>>,
    /// Where it hangs, with all that is below it. Null makes it a root.
    #[serde(default)]
    parent_id: Patch<Id>,
}

/// A category.
#[derive(Serialize, JsonSchema)]
pub struct CategoryView {
    category_id: Id,
    name: Arc<str>,
    /// Absent for a root.
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_id: Option<Id>,
}

/// All categories.
#[derive(Serialize, JsonSchema)]
pub struct CategoryTree {
    /// The roots, by name.
    items: Vec<CategoryBranch>,
}

/// A category with what is below it.
#[derive(Serialize, JsonSchema)]
pub struct CategoryBranch {
    category_id: Id,
    name: Arc<str>,
    /// By name.
    children: Vec<CategoryBranch>,
}

#[derive(Deserialize, JsonSchema)]
pub struct StatusQuery {
    /// Only staff asks for anything else than what is published.
    #[serde(default)]
    status: Option<ProductStatus>,
}

pub async fn create(call: Call, Json(new): Json<NewCategory>) -> Result<Sent<Created<CategoryView>>, Failure> {
    let NewCategory { category_id, name, parent_id } = new;
    let answer = |category: &Category| Created {
        location: location("/v1/categories", category.category_id()),
        body: CategoryView::from(category),
    };
    call.submit(CreateCategory { category_id, name, parent_id }, answer).await
}

pub async fn list(call: Call, page: Page) -> Result<Okay<PageOf<CategoryView>>, Failure> {
    call.page(&page, present(page.limit), |category: query::CategoryView| CategoryView::from(&category)).await
}

pub async fn tree(call: Call) -> Result<Okay<CategoryTree>, Failure> {
    let categories: Vec<query::CategoryView> = call.list(present(TREE_CATEGORIES_MAX + 1)).await?;
    if categories.len() > TREE_CATEGORIES_MAX as usize {
        let detail = format!("There are more than {TREE_CATEGORIES_MAX} categories: list them page by page.");
        return Err(CATEGORY_TREE_TOO_LARGE.because(detail));
    }
    Ok(Okay(CategoryTree { items: grown(categories) }))
}

pub async fn read(
    call: Call,
    wait: WaitUntilFound,
    Path(category_id): Path<Id>,
) -> Result<Okay<CategoryView>, Failure> {
    let category = call.until_found(wait, &category_id, || known(&call, &category_id)).await?;
    Ok(Okay(CategoryView::from(&category)))
}

pub async fn update(
    call: Call,
    Path(category_id): Path<Id>,
    Json(change): Json<CategoryChange>,
) -> Result<Sent<Okay<CategoryView>>, Failure> {
    let update = UpdateCategory { category_id, name: change.name, parent_id: change.parent_id.into() };
    call.submit(update, |category| Okay(CategoryView::from(category))).await
}

pub async fn delete(call: Call, Path(category_id): Path<Id>) -> Result<Sent<Done>, Failure> {
    call.submit(DeleteCategory { category_id }, |()| Done).await
}

pub async fn products(
    call: Call,
    wait: WaitUntilFound,
    Path(category_id): Path<Id>,
    Query(wanted): Query<StatusQuery>,
    page: Page,
) -> Result<Okay<PageOf<ProductCard>>, Failure> {
    call.until_found(wait, &category_id, || known(&call, &category_id)).await?;
    let list = List::of(ProductCategory::TABLE, page.limit).equal("category_id", category_id.to_value());
    let list = visible(&call, list, wanted.status)?;
    let Okay(rows) = call.page(&page, list, |row: ProductCategory| (row.product_id, row.status)).await?;
    let products: Vec<query::ProductView> = call.load_all(rows.items.iter().map(|(product_id, _)| product_id)).await?;
    // It may have changed between the two reads: what is not for this reader any more is left out.
    let statuses: BTreeMap<_, _> = rows.items.into_iter().collect();
    let same = products.into_iter().filter(|product| statuses.get(&product.product_id) == Some(&product.status));
    Ok(Okay(PageOf { items: same.map(|product| ProductCard::from(&product)).collect(), next_cursor: rows.next_cursor }))
}

/// Categories that are not deleted, by id.
fn present(limit: u32) -> List {
    List::of(query::CategoryView::TABLE, limit).equal("deleted", false.to_value())
}

async fn known(call: &Call, category_id: &Id) -> Result<query::CategoryView, Failure> {
    let category = call.load::<query::CategoryView>(category_id).await?.filter(|category| !category.deleted);
    Ok(category.ok_or_else(|| CATEGORY_NOT_FOUND.because(format!("there is no category {category_id}")))?)
}

/// The tree. A category whose parent is not there is a root, so that none is missing.
fn grown(categories: Vec<query::CategoryView>) -> Vec<CategoryBranch> {
    let ids: BTreeSet<Id> = categories.iter().map(|category| category.category_id.clone()).collect();
    let mut children: BTreeMap<Option<Id>, Vec<query::CategoryView>> = BTreeMap::new();
    for category in categories {
        let parent_id = category.parent_id.clone().filter(|parent_id| ids.contains(parent_id));
        children.entry(parent_id).or_default().push(category);
    }
    below(&mut children, None)
}

fn below(children: &mut BTreeMap<Option<Id>, Vec<query::CategoryView>>, parent_id: Option<&Id>) -> Vec<CategoryBranch> {
    let mut here = children.remove(&parent_id.cloned()).unwrap_or_default();
    here.sort_by(|left, right| (&left.name, &left.category_id).cmp(&(&right.name, &right.category_id)));
    let branch = |category: query::CategoryView| CategoryBranch {
        name: category.name,
        children: below(children, Some(&category.category_id)),
        category_id: category.category_id,
    };
    here.into_iter().map(branch).collect()
}

impl From<&Category> for CategoryView {
    fn from(category: &Category) -> Self {
        Self {
            category_id: category.category_id().clone(),
            name: Arc::clone(category.name()),
            parent_id: category.parent_id().cloned(),
        }
    }
}

impl From<&query::CategoryView> for CategoryView {
    fn from(category: &query::CategoryView) -> Self {
        Self {
            category_id: category.category_id.clone(),
            name: Arc::clone(&category.name),
            parent_id: category.parent_id.clone(),
        }
    }
}
