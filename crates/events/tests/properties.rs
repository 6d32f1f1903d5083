//! What holds for any lines, any subject and any bytes.

use std::collections::{BTreeMap, HashSet};

use proptest::{collection::vec, option, prelude::*};
use tradewind_events::{
    Column, Envelope, Id, InvalidLines, LINES_MAX, Line, Lines, QUANTITY_MAX, Subject, id, registry, row_key, samples,
};

fn any_line() -> impl Strategy<Value = Line> {
    (0..6_u8, 1..1_000_u32, option::of(0..2_u8), option::of(0..2_u8)).prop_map(
        |(sku, quantity, location, reservation)| Line {
            product_id: id(&format!("product-{}", sku / 2)),
            sku: id(&format!("SKU-{sku}")),
            quantity,
            unit_price_minor: None,
            location_id: location.map(|nth| id(&format!("location-{nth}"))),
            reservation_id: reservation.map(|nth| id(&format!("reservation-{nth}"))),
        },
    )
}

fn of_each_sku(lines: &Lines) -> BTreeMap<Id, u64> {
    let mut sums = BTreeMap::new();
    for line in lines {
        *sums.entry(line.sku.clone()).or_default() += u64::from(line.quantity);
    }
    sums
}

fn in_order_of_appearance(lines: &Lines) -> Vec<Id> {
    let mut seen = HashSet::new();
    lines.iter().map(|line| line.sku.clone()).filter(|sku| seen.insert(sku.clone())).collect()
}

fn line(sku: &str, quantity: u32) -> Line {
    Line {
        product_id: id("product-1"),
        sku: id(sku),
        quantity,
        unit_price_minor: None,
        location_id: None,
        reservation_id: None,
    }
}

proptest! {
    #[test]
    fn merging_keeps_every_unit_and_leaves_one_line_a_sku(lines in vec(any_line(), 0..40)) {
        let lines = Lines::from(lines);
        let merged = lines.merged().unwrap();
        prop_assert_eq!(of_each_sku(&merged), of_each_sku(&lines));
        let skus: Vec<Id> = merged.iter().map(|line| line.sku.clone()).collect();
        prop_assert_eq!(skus, in_order_of_appearance(&lines));
        prop_assert_eq!(merged.merged().unwrap(), merged);
    }

    #[test]
    fn a_merged_line_says_from_where_only_if_all_its_lines_agree(lines in vec(any_line(), 0..40)) {
        let lines = Lines::from(lines);
        for merged in &lines.merged().unwrap() {
            let locations: HashSet<_> =
                lines.iter().filter(|line| line.sku == merged.sku).map(|line| line.location_id.clone()).collect();
            let agreed = if locations.len() == 1 { locations.into_iter().next().unwrap() } else { None };
            prop_assert_eq!(&merged.location_id, &agreed);
        }
    }

    #[test]
    fn lines_come_back_from_a_column(lines in vec(any_line(), 0..8)) {
        let lines = Lines::from(lines);
        prop_assert_eq!(Lines::from_value(&lines.to_value()).unwrap(), lines);
    }

    #[test]
    fn a_subject_is_read_as_it_was_printed(kind in "[a-z_]{1,12}", parts in vec("[!-~]{1,64}", 1..4)) {
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let subject = Subject::new(kind, row_key(&parts));
        let printed = subject.to_string();
        prop_assert_eq!(printed.matches('/').count(), parts.len());
        prop_assert_eq!(subject.is(&printed), parts.len() == 1 && !parts[0].contains(['/', '%']));
        let longer = format!("{printed}/x");
        prop_assert!(!subject.is(&longer) && !subject.is(&printed[1..]));
        prop_assert_eq!(Subject::parse(&printed), Some(subject));
    }

    #[test]
    fn what_reads_as_a_subject_prints_as_one(text in "[a-z%2F5/\u{1f}]{0,16}") {
        if let Some(subject) = Subject::parse(&text) {
            prop_assert_eq!(Subject::parse(&subject.to_string()), Some(subject));
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..200)) {
        prop_assert!(Envelope::from_json(&bytes, &registry()).is_err());
    }

    #[test]
    fn a_damaged_event_is_read_or_refused(nth: prop::sample::Index, at: prop::sample::Index, byte: u8, cut: bool) {
        let all = samples::all();
        let event = nth.get(&all);
        let mut data = Vec::new();
        event.encode(&mut data).unwrap();
        let at = at.index(data.len());
        data[at] = byte;
        if cut {
            data.truncate(at);
        }
        let data = String::from_utf8_lossy(&data).into_owned();
        if let Ok(read) = registry().decode(event.name(), event.version(), &data) {
            prop_assert_eq!(read.name(), event.name());
        }
    }
}

#[test]
fn an_order_has_at_most_five_hundred_lines_after_merging() {
    let of = |count: usize| -> Lines { (0..count).map(|nth| line(&format!("SKU-{nth}"), 1)).collect() };
    assert_eq!(of(LINES_MAX).merged().unwrap().len(), LINES_MAX);
    assert_eq!(of(LINES_MAX + 1).merged(), Err(InvalidLines::TooMany { count: LINES_MAX + 1 }));
    let many: Lines = (0..=LINES_MAX).map(|_| line("SKU-1", 1)).collect();
    assert_eq!(many.merged().unwrap().len(), 1);
}

#[test]
fn a_line_has_one_to_a_million_units_after_merging() {
    let merged = |quantities: &[u32]| {
        let lines: Lines = quantities.iter().map(|quantity| line("SKU-1", *quantity)).collect();
        lines.merged().map(|lines| lines[0].quantity)
    };
    let refused = Err(InvalidLines::Quantity { sku: id("SKU-1") });
    assert_eq!(merged(&[QUANTITY_MAX]), Ok(QUANTITY_MAX));
    assert_eq!(merged(&[QUANTITY_MAX - 1, 1]), Ok(QUANTITY_MAX));
    assert_eq!(merged(&[QUANTITY_MAX, 1]), refused);
    assert_eq!(merged(&[u32::MAX, 1]), refused);
    assert_eq!(merged(&[0]), refused);
    assert_eq!(merged(&[0, 1]), refused);
    assert_eq!(merged(&[1, 0]), refused);
}

#[test]
fn lines_of_one_sku_must_agree_on_product_and_price() {
    let priced = |price_minor| Line { unit_price_minor: price_minor, ..line("SKU-1", 1) };
    let merged = |lines: [Line; 2]| Lines::from_iter(lines).merged();
    assert_eq!(merged([priced(Some(5)), priced(None)]).unwrap()[0].unit_price_minor, Some(5));
    assert_eq!(merged([priced(None), priced(Some(5))]).unwrap()[0].unit_price_minor, Some(5));
    assert_eq!(merged([priced(Some(5)), priced(Some(6))]), Err(InvalidLines::PricesDiffer { sku: id("SKU-1") }));
    let other = Line { product_id: id("product-2"), ..line("SKU-1", 1) };
    assert_eq!(merged([priced(None), other]), Err(InvalidLines::ProductsDiffer { sku: id("SKU-1") }));
}
