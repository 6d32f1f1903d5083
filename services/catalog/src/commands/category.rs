//! Categories: a tree in which every change is counted up to the root.

use std::sync::Arc;

use tradewind_engine::{Answer, Command, OrRefuse, Stop, Uow};
use tradewind_events::Id;

use super::Patch;
use crate::{
    CATEGORY_DEPTH_MAX, Catalog, Category,
    model::{CATEGORY_EXISTS, CATEGORY_NOT_FOUND, UNKNOWN_CATEGORY, category_name},
};

/// Sets a category up.
#[derive(Debug, Clone, Command)]
#[command(owner = Catalog, name = "create_category", answer = Category)]
pub struct CreateCategory {
    /// Minted when it is absent.
    pub category_id: Option<Id>,
    pub name: Arc<str>,
    pub parent_id: Option<Id>,
}

/// Renames a category, or moves it with all that is below it.
#[derive(Debug, Clone, Command)]
#[command(owner = Catalog, name = "update_category", answer = Category, key = category_id)]
pub struct UpdateCategory {
    pub category_id: Id,
    pub name: Option<Arc<str>>,
    /// Clear makes it a root.
    pub parent_id: Patch<Id>,
}

/// Deletes a category in which there is nothing.
#[derive(Debug, Clone, Command)]
#[command(owner = Catalog, name = "delete_category", key = category_id)]
pub struct DeleteCategory {
    pub category_id: Id,
}

pub fn create_category(uow: &mut Uow<Catalog>, create: &CreateCategory) -> Answer<Category> {
    category_name(&create.name)?;
    let category_id = match &create.category_id {
        Some(given) => given.clone(),
        None => uow.new_id(),
    };
    if uow.get::<Category>(&category_id)?.is_some() {
        return Err(CATEGORY_EXISTS.because(format!("{category_id} is taken")).at("category_id").into());
    }
    let ancestors = ancestors(uow, create.parent_id.as_ref())?;
    let (category, created) = Category::create(category_id, Arc::clone(&create.name), &ancestors)?;
    for (level, mut ancestor) in ancestors.into_iter().enumerate() {
        ancestor.adopt(level, &category);
        uow.put(ancestor);
    }
    uow.put(category.clone());
    uow.emit(created);
    Ok(category)
}

pub fn update_category(uow: &mut Uow<Catalog>, update: &UpdateCategory) -> Answer<Category> {
    let mut category = present(uow, &update.category_id)?;
    let mut changed = false;
    if let Some(name) = &update.name {
        category_name(name)?;
        changed |= category.rename(Arc::clone(name));
    }
    let old_parent_id = category.parent_id().cloned();
    let new_parent_id = update.parent_id.apply(old_parent_id.clone());
    if new_parent_id != old_parent_id {
        // Both ways up are asked for before the first row that is missing stops the handler.
        let old_ancestors = ancestors(uow, old_parent_id.as_ref());
        let new_ancestors = ancestors(uow, new_parent_id.as_ref())?;
        changed |= category.relocate(&new_ancestors)?;
        for (level, mut left) in old_ancestors?.into_iter().enumerate() {
            left.disown(level, &category);
            uow.put(left);
        }
        // Both ways up may meet: what is above now is read after the branch was taken away.
        for (level, mut joined) in ancestors(uow, new_parent_id.as_ref())?.into_iter().enumerate() {
            joined.adopt(level, &category);
            uow.put(joined);
        }
    }
    if changed {
        uow.put(category.clone());
        uow.emit(category.updated());
    }
    Ok(category)
}

pub fn delete_category(uow: &mut Uow<Catalog>, delete: &DeleteCategory) -> Answer<()> {
    let mut category = present(uow, &delete.category_id)?;
    let deleted = category.delete()?;
    for (level, mut ancestor) in ancestors(uow, category.parent_id())?.into_iter().enumerate() {
        ancestor.disown(level, &category);
        uow.put(ancestor);
    }
    uow.put(category);
    uow.emit(deleted);
    Ok(())
}

fn present(uow: &mut Uow<Catalog>, category_id: &Id) -> Result<Category, Stop> {
    let known = uow.get::<Category>(category_id)?.filter(|category| !category.deleted());
    known.or_refuse(|| CATEGORY_NOT_FOUND.because(format!("there is no category {category_id}")))
}

/// The parent, its parent, and so on to the root.
fn ancestors(uow: &mut Uow<Catalog>, parent_id: Option<&Id>) -> Result<Vec<Category>, Stop> {
    let mut ancestors: Vec<Category> = Vec::new();
    let mut next = parent_id.cloned();
    while let Some(category_id) = next.take() {
        if ancestors.len() == CATEGORY_DEPTH_MAX {
            return Err(Stop::broken(format!("more than {CATEGORY_DEPTH_MAX} categories are above {category_id}")));
        }
        let known = uow.get::<Category>(&category_id)?.filter(|category| !category.deleted());
        let unknown = || UNKNOWN_CATEGORY.because(format!("there is no category {category_id}")).at("parent_id");
        let ancestor = known.or_refuse(unknown)?;
        next = ancestor.parent_id().cloned();
        ancestors.push(ancestor);
    }
    Ok(ancestors)
}
