//! The tree of categories: made, moved, renamed, deleted, and never a circle.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tradewind_catalog::{
    CATEGORY_DEPTH_MAX, Category, NAME_BYTES_MAX,
    commands::{ArchiveProduct, CreateCategory, CreateProduct, DeleteCategory, Patch, UpdateCategory, UpdateProduct},
};
use tradewind_events::catalog::{CategoryCreated, CategoryDeleted, CategoryUpdated};

use super::*;

fn create(category_id: &str, parent_id: Option<&str>) -> CreateCategory {
    CreateCategory { category_id: Some(id(category_id)), name: "Teas".into(), parent_id: parent_id.map(id) }
}

fn relocate(category_id: &str, parent_id: Option<&str>) -> UpdateCategory {
    let parent_id = parent_id.map_or(Patch::Clear, |parent_id| Patch::Set(id(parent_id)));
    UpdateCategory { category_id: id(category_id), name: None, parent_id }
}

fn delete(category_id: &str) -> DeleteCategory {
    DeleteCategory { category_id: id(category_id) }
}

#[test]
fn a_category_is_created_renamed_moved_and_deleted_and_says_each() {
    let mut stage = stage();
    stage.follow(create("drinks", None));
    stage.follow(create("teas", Some("drinks")));
    let [_, CategoryCreated { category_id, parent_id, .. }] = &stage.said()[..] else { panic!() };
    assert_eq!((category_id, parent_id), (&id("teas"), &Some(id("drinks"))));
    stage.clear();
    let rename =
        |name: &str| UpdateCategory { category_id: id("teas"), name: Some(name.into()), parent_id: Patch::Keep };
    stage.follow(rename("Green teas"));
    stage.follow(rename("Green teas"));
    stage.follow(relocate("teas", None));
    stage.follow(relocate("teas", None));
    let updated: Vec<_> = stage.said::<CategoryUpdated>().into_iter().map(|said| (said.name, said.parent_id)).collect();
    assert_eq!(updated, [("Green teas".into(), Some(id("drinks"))), ("Green teas".into(), None)]);
    stage.follow(delete("teas"));
    assert_eq!(stage.said::<CategoryDeleted>().len(), 1);
    assert_eq!(stage.refusal(delete("teas")), "category_not_found");
    assert_eq!(stage.refusal(relocate("teas", None)), "category_not_found");
    assert_eq!(stage.refusal(create("teas", None)), "category_exists at category_id");
    assert_eq!(stage.refusal(create("herbs", Some("teas"))), "unknown_category at parent_id");
    assert_eq!(stage.refusal(relocate("drinks", Some("teas"))), "unknown_category at parent_id");
    stage.is_clean();
}

#[test]
fn a_category_with_categories_or_products_is_not_deleted() {
    let mut stage = stage();
    stage.follow(create("drinks", None));
    stage.follow(create("teas", Some("drinks")));
    assert_eq!(stage.refusal(delete("drinks")), "category_not_empty");
    let categories = |names: &[&str]| names.iter().map(|name| id(name)).collect();
    stage.follow(CreateProduct { category_ids: categories(&["teas"]), ..new_product("product-1", vec![]) });
    stage.follow(CreateProduct { category_ids: categories(&["teas", "drinks"]), ..new_product("product-2", vec![]) });
    assert_eq!(stage.refusal(delete("teas")), "category_not_empty");
    stage.follow(UpdateProduct {
        product_id: id("product-1"),
        name: None,
        description: None,
        brand: Patch::Keep,
        category_ids: Some(categories(&["drinks"])),
        attributes: None,
        media: None,
    });
    assert_eq!(stage.refusal(delete("teas")), "category_not_empty");
    stage.follow(ArchiveProduct { product_id: id("product-2"), reason: "gone".into() });
    stage.follow(delete("teas"));
    assert_eq!(stage.refusal(delete("drinks")), "category_not_empty");
    stage.follow(ArchiveProduct { product_id: id("product-1"), reason: "gone".into() });
    stage.follow(delete("drinks"));
    stage.is_clean();
}

#[test]
fn a_product_is_put_only_into_categories_that_are_there() {
    let mut stage = stage();
    stage.follow(create("drinks", None));
    let lost = CreateProduct { category_ids: [id("drinks"), id("lost")].into(), ..new_product("product-1", vec![]) };
    assert_eq!(stage.refusal(lost), "unknown_category at category_ids[1]");
    assert_eq!(stage.row::<Category>(id("drinks")).unwrap().products(), 0);
}

#[test]
fn a_category_is_never_below_itself() {
    let mut stage = stage();
    stage.follow(create("a", None));
    stage.follow(create("b", Some("a")));
    stage.follow(create("c", Some("b")));
    for parent_id in ["a", "b", "c"] {
        assert_eq!(stage.refusal(relocate("a", Some(parent_id))), "category_cycle at parent_id");
    }
    stage.follow(relocate("c", Some("a")));
}

#[test]
fn a_tree_has_a_bounded_number_of_levels_also_after_a_move() {
    let mut stage = stage();
    for level in 0..CATEGORY_DEPTH_MAX {
        let parent_id = level.checked_sub(1).map(|above| format!("level-{above}"));
        stage.follow(create(&format!("level-{level}"), parent_id.as_deref()));
    }
    let lowest = format!("level-{}", CATEGORY_DEPTH_MAX - 1);
    assert_eq!(stage.refusal(create("below", Some(&lowest))), "category_too_deep at parent_id");
    stage.follow(create("top", None));
    assert_eq!(stage.refusal(relocate("level-0", Some("top"))), "category_too_deep at parent_id");
    stage.follow(relocate("level-1", Some("top")));
}

#[test]
fn the_name_of_a_category_is_one_line_of_bounded_length() {
    let mut stage = stage();
    for name in [String::new(), "x".repeat(NAME_BYTES_MAX + 1)] {
        let create = CreateCategory { name: name.into(), ..create("a", None) };
        assert_eq!(stage.refusal(create), "invalid_category at name");
    }
}

/// How many categories are below `root`, by level, in a tree of child → parent.
fn below(tree: &BTreeMap<usize, Option<usize>>, root: usize) -> Vec<u32> {
    let mut counts = vec![];
    let mut level: Vec<usize> = vec![root];
    loop {
        level = tree.iter().filter(|(_, up)| up.is_some_and(|up| level.contains(&up))).map(|(down, _)| *down).collect();
        if level.is_empty() {
            return counts;
        }
        counts.push(u32::try_from(level.len()).expect("a small tree"));
    }
}

fn depth(tree: &BTreeMap<usize, Option<usize>>, of: usize) -> usize {
    std::iter::successors(tree[&of], |up| tree[up]).count()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn whatever_is_hung_where_every_category_counts_what_is_below_it(
        steps in prop::collection::vec((0..3_u8, 0..14_usize, prop::option::of(0..14_usize)), 1..60),
    ) {
        let mut stage = stage();
        let mut tree: BTreeMap<usize, Option<usize>> = BTreeMap::new();
        let mut used: BTreeMap<usize, usize> = BTreeMap::new();
        // An id is not used again: the nth life of a category has a name of its own.
        let name = |used: &BTreeMap<usize, usize>, nth: usize| format!("c{nth}-{}", used.get(&nth).unwrap_or(&0));
        for (kind, nth, parent) in steps {
            let parent = parent.filter(|parent| tree.contains_key(parent));
            let parent_name = parent.map(|parent| name(&used, parent));
            let own_name = name(&used, nth);
            let known = tree.contains_key(&nth);
            let above: Vec<usize> = std::iter::successors(parent, |up| tree[up]).collect();
            match kind {
                0 if !known => {
                    let followed = stage.ask(create(&own_name, parent_name.as_deref())).is_ok();
                    prop_assert_eq!(followed, above.len() < CATEGORY_DEPTH_MAX);
                    if followed {
                        tree.insert(nth, parent);
                    }
                }
                1 if known => {
                    let height = below(&tree, nth).len();
                    let fits = above.len() + 1 + height <= CATEGORY_DEPTH_MAX && !above.contains(&nth);
                    let followed = stage.ask(relocate(&own_name, parent_name.as_deref())).is_ok();
                    prop_assert_eq!(followed, fits || tree[&nth] == parent);
                    if followed {
                        tree.insert(nth, parent);
                    }
                }
                2 if known => {
                    let followed = stage.ask(delete(&own_name)).is_ok();
                    prop_assert_eq!(followed, below(&tree, nth).is_empty());
                    if followed {
                        tree.remove(&nth);
                        *used.entry(nth).or_default() += 1;
                    }
                }
                _ => {}
            }
        }
        for nth in tree.keys() {
            let row = stage.row::<Category>(id(&name(&used, *nth))).unwrap();
            prop_assert_eq!(&**row.below(), &below(&tree, *nth)[..]);
            prop_assert!(depth(&tree, *nth) < CATEGORY_DEPTH_MAX);
        }
    }
}
