//! The tree of categories: no cycles, at most [`CATEGORY_DEPTH_MAX`] levels.
//!
//! A category counts what is below it by level, so that a move knows how high the moved branch is without reading it.
//! Every change of the tree passes these counts up to its root, at most one row a level.

use std::sync::Arc;

use tradewind_engine::{Entity, Problem, Refusal};
use tradewind_events::{
    Id,
    catalog::{CategoryCreated, CategoryDeleted, CategoryUpdated},
};

use crate::Catalog;

/// Levels of the tree, the root's included.
pub const CATEGORY_DEPTH_MAX: usize = 8;

pub const CATEGORY_NOT_FOUND: Refusal = Refusal::not_found("category_not_found", "There is no such category.");
pub const CATEGORY_EXISTS: Refusal = Refusal::conflict("category_exists", "There is or was a category with this id.");
pub const CATEGORY_CYCLE: Refusal = Refusal::conflict("category_cycle", "A category cannot be below itself.");
pub const CATEGORY_TOO_DEEP: Refusal = Refusal::conflict("category_too_deep", "The tree would have too many levels.");
pub const CATEGORY_NOT_EMPTY: Refusal =
    Refusal::conflict("category_not_empty", "The category has categories or products.");
pub const UNKNOWN_CATEGORY: Refusal =
    Refusal::invalid("unknown_category", "The request names a category that is not there.");
pub const INVALID_CATEGORY: Refusal = Refusal::invalid("invalid_category", "A field of the category is out of bounds.");

/// A category. A deleted one leaves its row: its id is not used again.
#[derive(Debug, Clone, PartialEq, Eq, Entity)]
#[entity(owner = Catalog, table = "category", key = category_id)]
pub struct Category {
    category_id: Id,
    name: Arc<str>,
    parent_id: Option<Id>,
    /// How many categories are below it, by level: the first number counts its children. No zero at the end.
    #[column(json)]
    below: Arc<[u32]>,
    /// Products that name it and are not archived.
    products: u32,
    deleted: bool,
}

impl Category {
    /// A category under the first of its ancestors, which are in order up to the root.
    pub fn create(category_id: Id, name: Arc<str>, ancestors: &[Self]) -> Result<(Self, CategoryCreated), Problem> {
        let parent_id = ancestors.first().map(|parent| parent.category_id.clone());
        let category = Self { category_id, name, parent_id, below: Arc::default(), products: 0, deleted: false };
        category.fits(ancestors)?;
        let created = CategoryCreated {
            category_id: category.category_id.clone(),
            name: Arc::clone(&category.name),
            parent_id: category.parent_id.clone(),
        };
        Ok((category, created))
    }

    /// Renames it. False when it has this name.
    pub fn rename(&mut self, name: Arc<str>) -> bool {
        let renamed = self.name != name;
        self.name = name;
        renamed
    }

    /// Hangs it under the first of these ancestors, which are in order up to the root. False when it is there.
    pub fn relocate(&mut self, ancestors: &[Self]) -> Result<bool, Problem> {
        let parent_id = ancestors.first().map(|parent| parent.category_id.clone());
        if parent_id == self.parent_id {
            return Ok(false);
        }
        self.fits(ancestors)?;
        self.parent_id = parent_id;
        Ok(true)
    }

    pub fn updated(&self) -> CategoryUpdated {
        CategoryUpdated {
            category_id: self.category_id.clone(),
            name: Arc::clone(&self.name),
            parent_id: self.parent_id.clone(),
        }
    }

    /// Deletes it, when nothing is in it.
    pub fn delete(&mut self) -> Result<CategoryDeleted, Problem> {
        if !self.below.is_empty() || self.products > 0 {
            let detail = format!(
                "{} has {} categories and {} products",
                self.category_id,
                self.below.first().copied().unwrap_or(0),
                self.products
            );
            return Err(CATEGORY_NOT_EMPTY.because(detail));
        }
        self.deleted = true;
        Ok(CategoryDeleted {
            category_id: self.category_id.clone(),
            name: Arc::clone(&self.name),
            parent_id: self.parent_id.clone(),
        })
    }

    /// A product names it.
    pub fn join(&mut self) {
        self.products = self.products.saturating_add(1);
    }

    /// A product does not name it any more, or is archived.
    pub fn leave(&mut self) {
        self.products = self.products.saturating_sub(1);
    }

    /// A branch was hung below it, `level` levels down: 0 makes its root a child.
    pub fn adopt(&mut self, level: usize, branch: &Self) {
        self.count(level, branch, u32::saturating_add);
    }

    /// A branch was taken away from below it.
    pub fn disown(&mut self, level: usize, branch: &Self) {
        self.count(level, branch, u32::saturating_sub);
    }

    fn count(&mut self, level: usize, branch: &Self, change: fn(u32, u32) -> u32) {
        let mut below = self.below.to_vec();
        below.resize(below.len().max(level + 1 + branch.below.len()), 0);
        below[level] = change(below[level], 1);
        for (deeper, count) in branch.below.iter().enumerate() {
            below[level + 1 + deeper] = change(below[level + 1 + deeper], *count);
        }
        let height = below.iter().rposition(|count| *count > 0).map_or(0, |last| last + 1);
        below.truncate(height);
        self.below = below.into();
    }

    /// Whether the branch can hang below these ancestors.
    fn fits(&self, ancestors: &[Self]) -> Result<(), Problem> {
        if ancestors.iter().any(|ancestor| ancestor.category_id == self.category_id) {
            return Err(CATEGORY_CYCLE.because(format!("{} is above that parent", self.category_id)).at("parent_id"));
        }
        let levels = ancestors.len() + 1 + self.below.len();
        if levels > CATEGORY_DEPTH_MAX {
            let detail = format!("the tree would have {levels} levels here, of at most {CATEGORY_DEPTH_MAX}");
            return Err(CATEGORY_TOO_DEEP.because(detail).at("parent_id"));
        }
        Ok(())
    }
}
