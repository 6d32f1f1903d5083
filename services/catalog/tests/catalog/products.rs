//! Products: described, published, taken off the shelf, archived.

use tradewind_catalog::{
    ATTRIBUTE_BYTES_MAX, ATTRIBUTE_NAME_BYTES_MAX, ATTRIBUTES_BYTES_MAX, ATTRIBUTES_MAX, BRAND_BYTES_MAX,
    CATEGORIES_PER_PRODUCT_MAX, DESCRIPTION_BYTES_MAX, MEDIA_MAX, NAME_BYTES_MAX, Product, REASON_BYTES_MAX,
    URL_BYTES_MAX, VARIANTS_MAX,
    commands::{
        ArchiveProduct, CreateProduct, DiscontinueVariant, NewMedia, Patch, PublishProduct, UnpublishProduct,
        UpdateProduct, UpdateVariant,
    },
};
use tradewind_events::{
    Attributes, ProductStatus,
    catalog::{ProductArchived, ProductCreated, ProductPublished, ProductUnpublished, ProductUpdated},
    id,
};

use super::*;

fn update(product_id: &str) -> UpdateProduct {
    UpdateProduct {
        product_id: id(product_id),
        name: None,
        description: None,
        brand: Patch::Keep,
        category_ids: None,
        attributes: None,
        media: None,
    }
}

fn publish(product_id: &str) -> PublishProduct {
    PublishProduct { product_id: id(product_id) }
}

fn unpublish(product_id: &str) -> UnpublishProduct {
    UnpublishProduct { product_id: id(product_id) }
}

fn archive(product_id: &str) -> ArchiveProduct {
    ArchiveProduct { product_id: id(product_id), reason: "no longer made".into() }
}

fn picture(url: &str) -> NewMedia {
    NewMedia { media_id: None, url: url.into(), sort_order: 1, alt_text: Some("A tin of tea".into()) }
}

#[test]
fn a_product_is_told_whole_with_its_variants_and_prices() {
    let mut stage = stage();
    let answer = stage.follow(CreateProduct {
        brand: Some("Leaf".into()),
        attributes: [("origin", "Shizuoka")].into_iter().collect(),
        media: vec![picture("https://media.example.org/tea.jpg")],
        ..new_product("product-1", vec![new_variant("SKU-1", 2_499), new_variant("SKU-2", 4_499)])
    });
    let [ProductCreated { product }] = &stage.said()[..] else { panic!("{:?}", stage.said_names()) };
    assert_eq!(*product, answer);
    assert_eq!(product.status, ProductStatus::Draft);
    assert_eq!(skus(product), [id("SKU-1"), id("SKU-2")]);
    assert_eq!(product.variants[1].price.amount_minor, 4_499);
    assert_eq!(product.variants[1].price.effective_at, stage.committed_at());
    assert_eq!(&*product.media[0].url, "https://media.example.org/tea.jpg");
    stage.is_clean();
}

#[test]
fn ids_that_are_not_given_are_minted() {
    let mut stage = stage();
    let create = || CreateProduct { product_id: None, ..new_product("-", vec![]) };
    let (one, other) = (stage.follow(create()), stage.follow(create()));
    assert_ne!(one.product_id, other.product_id);
}

#[test]
fn a_product_is_published_unpublished_and_archived_and_says_each_once() {
    let mut stage = stage();
    stage.follow(new_product("product-1", vec![new_variant("SKU-1", 100)]));
    stage.clear();
    assert_eq!(stage.refusal(unpublish("product-1")), "product_not_published");
    for _ in 0..2 {
        assert_eq!(stage.follow(publish("product-1")).status, ProductStatus::Published);
    }
    for _ in 0..2 {
        assert_eq!(stage.follow(unpublish("product-1")).status, ProductStatus::Unpublished);
    }
    stage.follow(publish("product-1"));
    for _ in 0..2 {
        assert_eq!(stage.follow(archive("product-1")).status, ProductStatus::Archived);
    }
    let expected = ["product.published", "product.unpublished", "product.published", "product.archived"];
    assert_eq!(stage.said_names(), expected);
    assert_eq!(stage.said::<ProductPublished>()[0].product.status, ProductStatus::Published);
    assert_eq!(stage.said::<ProductUnpublished>()[0].product.status, ProductStatus::Unpublished);
    assert_eq!(&*stage.said::<ProductArchived>()[0].reason, "no longer made");
    stage.is_clean();
}

#[test]
fn an_archived_product_is_not_changed_any_more() {
    let mut stage = stage();
    stage.sells("product-1", "SKU-1", 100);
    stage.follow(archive("product-1"));
    let rename = UpdateProduct { name: Some("Coffee".into()), ..update("product-1") };
    assert_eq!(stage.refusal(rename), "product_archived");
    assert_eq!(stage.refusal(publish("product-1")), "product_archived");
    assert_eq!(stage.refusal(unpublish("product-1")), "product_archived");
    assert_eq!(stage.refusal(add("product-1", "SKU-2")), "product_archived");
    let attributes = Attributes::default();
    assert_eq!(stage.refusal(UpdateVariant { sku: id("SKU-1"), attributes }), "product_archived");
    assert_eq!(stage.refusal(DiscontinueVariant { sku: id("SKU-1") }), "product_archived");
}

#[test]
fn a_draft_can_be_archived() {
    let mut stage = stage();
    stage.follow(new_product("product-1", vec![]));
    assert_eq!(stage.follow(archive("product-1")).status, ProductStatus::Archived);
}

#[test]
fn a_product_without_an_active_variant_is_not_published() {
    let mut stage = stage();
    stage.follow(new_product("product-1", vec![]));
    assert_eq!(stage.refusal(publish("product-1")), "product_without_variant");
    stage.follow(add("product-1", "SKU-1"));
    stage.follow(DiscontinueVariant { sku: id("SKU-1") });
    assert_eq!(stage.refusal(publish("product-1")), "product_without_variant");
    stage.follow(add("product-1", "SKU-2"));
    stage.follow(publish("product-1"));
}

#[test]
fn an_update_says_what_changed_and_nothing_when_nothing_did() {
    let mut stage = stage();
    stage.sells("product-1", "SKU-1", 100);
    let change = UpdateProduct {
        name: Some("Green tea".into()),
        brand: Patch::Set("Leaf".into()),
        attributes: Some([("organic", true)].into_iter().collect()),
        ..update("product-1")
    };
    stage.follow(change.clone());
    stage.follow(change);
    let [ProductUpdated { product, changes }] = &stage.said()[..] else { panic!("{:?}", stage.said_names()) };
    let fields: Vec<&str> = changes.iter().map(|change| &*change.field).collect();
    assert_eq!(fields, ["name", "brand", "attributes.organic"]);
    assert_eq!((&changes[0].old_value, &changes[0].new_value), (&"Tea".into(), &"Green tea".into()));
    assert_eq!(changes[1].old_value.get(), "null");
    assert_eq!(&*product.name, "Green tea");
    assert_eq!(skus(product), [id("SKU-1")]);
    stage.clear();
    stage.follow(UpdateProduct { brand: Patch::Clear, ..update("product-1") });
    let [ProductUpdated { product, .. }] = &stage.said()[..] else { panic!("{:?}", stage.said_names()) };
    assert_eq!((&product.brand, &*product.name), (&None, "Green tea"));
    stage.is_clean();
}

#[test]
fn ids_of_products_and_skus_are_taken_for_good() {
    let mut stage = stage();
    stage.follow(new_product("product-1", vec![new_variant("SKU-1", 100)]));
    assert_eq!(stage.refusal(new_product("product-1", vec![])), "product_exists at product_id");
    let taken = new_product("product-2", vec![new_variant("SKU-2", 100), new_variant("SKU-1", 100)]);
    assert_eq!(stage.refusal(taken), "sku_taken at variants[1].sku");
    let twice = new_product("product-2", vec![new_variant("SKU-2", 100), new_variant("SKU-2", 100)]);
    assert_eq!(stage.refusal(twice), "sku_taken at variants[1].sku");
    assert_eq!(stage.row::<Product>(id("product-2")), None);
}

#[test]
fn a_product_that_is_not_there_is_not_found() {
    let mut stage = stage();
    assert_eq!(stage.refusal(update("product-1")), "product_not_found");
    assert_eq!(stage.refusal(publish("product-1")), "product_not_found");
    assert_eq!(stage.refusal(unpublish("product-1")), "product_not_found");
    assert_eq!(stage.refusal(archive("product-1")), "product_not_found");
    assert_eq!(stage.refusal(add("product-1", "SKU-1")), "product_not_found");
}

#[test]
fn each_bound_of_a_product_is_held_and_names_its_field() {
    let product = || new_product("product-1", vec![]);
    let long = |bytes_max: usize| "x".repeat(bytes_max + 1).into();
    let web = |bytes: usize| format!("https://{}", "x".repeat(bytes - 8));
    let many = |count: usize| (0..count).map(|nth| id(&format!("category-{nth}"))).collect();
    let attributes = |count: usize| (0..count).map(|nth| (format!("name-{nth}"), nth)).collect();
    let attribute = |name: &str, value: &str| Attributes::from_iter([(name, value)]);
    // A quotation mark is one byte, and two in JSON.
    let quoted = |count: usize, text: usize| {
        (0..count).map(|nth| (format!("name-{nth:02}"), "\"".repeat(text))).collect::<Attributes>()
    };
    // Of each `"name-00":"…",` in braces, and none of the last comma.
    let in_json = |count: usize, text: usize| count * (13 + 2 * text) + 1;
    assert!(in_json(19, 100) <= ATTRIBUTES_BYTES_MAX && in_json(20, 100) > ATTRIBUTES_BYTES_MAX);
    let (most, too_much) = (quoted(19, 100), quoted(20, 100));
    let pictures = |count: usize| vec![picture("https://media.example.org/tea.jpg"); count];
    let twice = vec![NewMedia { media_id: Some(id("media-1")), ..picture("https://media.example.org/tea.jpg") }; 2];
    let refused = [
        (CreateProduct { name: long(NAME_BYTES_MAX), ..product() }, "name"),
        (CreateProduct { name: " ".into(), ..product() }, "name"),
        (CreateProduct { name: "two\nlines".into(), ..product() }, "name"),
        (CreateProduct { brand: Some(long(BRAND_BYTES_MAX)), ..product() }, "brand"),
        (CreateProduct { description: long(DESCRIPTION_BYTES_MAX), ..product() }, "description"),
        (CreateProduct { description: "a bell\u{7}".into(), ..product() }, "description"),
        (CreateProduct { category_ids: many(CATEGORIES_PER_PRODUCT_MAX + 1), ..product() }, "category_ids"),
        (CreateProduct { category_ids: [id("category-1"), id("category-1")].into(), ..product() }, "category_ids"),
        (CreateProduct { media: pictures(MEDIA_MAX + 1), ..product() }, "media"),
        (CreateProduct { media: twice, ..product() }, "media"),
        (CreateProduct { media: vec![picture("javascript:alert(1)")], ..product() }, "media[0].url"),
        (CreateProduct { media: vec![picture(&web(URL_BYTES_MAX + 1))], ..product() }, "media[0].url"),
        (CreateProduct { attributes: attributes(ATTRIBUTES_MAX + 1), ..product() }, "attributes"),
        (
            CreateProduct { attributes: attribute(&"n".repeat(ATTRIBUTE_NAME_BYTES_MAX + 1), ""), ..product() },
            "attributes",
        ),
        (
            CreateProduct { attributes: attribute("a", &"v".repeat(ATTRIBUTE_BYTES_MAX + 1)), ..product() },
            "attributes.a",
        ),
        (CreateProduct { attributes: Attributes::from_iter([("a", vec![1])]), ..product() }, "attributes.a"),
        (CreateProduct { attributes: too_much, ..product() }, "attributes"),
    ];
    let mut stage = stage();
    for (create, field) in refused {
        assert_eq!(stage.refusal(create), format!("invalid_product at {field}"));
    }
    let widest = CreateProduct {
        name: "x".repeat(NAME_BYTES_MAX).into(),
        brand: Some("x".repeat(BRAND_BYTES_MAX).into()),
        description: "\t\r\n\"".repeat(DESCRIPTION_BYTES_MAX / 4).into(),
        media: vec![picture(&web(URL_BYTES_MAX)); MEDIA_MAX],
        attributes: attributes(ATTRIBUTES_MAX),
        ..product()
    };
    stage.follow(widest);
    stage.follow(CreateProduct { attributes: most, ..new_product("product-2", vec![]) });
    let reason = "x".repeat(REASON_BYTES_MAX + 1).into();
    assert_eq!(stage.refusal(ArchiveProduct { reason, ..archive("product-1") }), "invalid_product at reason");
}

#[test]
fn a_product_has_a_bounded_number_of_variants() {
    let mut stage = stage();
    let variants = |count: usize| (0..count).map(|nth| new_variant(&format!("SKU-{nth}"), 100)).collect();
    assert_eq!(stage.refusal(new_product("product-1", variants(VARIANTS_MAX + 1))), "too_many_variants at variants");
    stage.follow(new_product("product-1", variants(VARIANTS_MAX)));
    assert_eq!(stage.refusal(add("product-1", "SKU-one-more")), "too_many_variants");
}
