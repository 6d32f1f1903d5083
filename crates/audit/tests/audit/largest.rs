//! The largest event that legal input leads to, for every kind of event: it must fit what the engine emits and what
//! brokers accept. A value is built from the bounds of its fields, each with the text that JSON makes longest.
//!
//! Every struct is written out with all its fields, so a new field does not compile here before somebody has given it a
//! bound, and every event of the registry must be here.

mod events;

use std::{collections::BTreeMap, sync::Arc};

use tradewind_catalog as catalog;
use tradewind_engine::EVENT_BYTES_MAX;
use tradewind_events::{
    Address, AnyEvent, AsKey, Attributes, Change, Check, Currency, Envelope, ID_BYTES_MAX, Id, KeyText, LINES_MAX,
    Line, Lines, Media, ORDER_PIECES_MAX, OrderSummary, Personal, Price, Product, StockLevel, Subject, TextEnum,
    Timestamp, Variant, id, registry,
};
use tradewind_orders::ADDRESS_FIELD_CHARS_MAX;

/// What a broker accepts by default, the envelope included: Kafka's `message.max.bytes`, NATS's `max_payload`.
const BROKER_MESSAGE_BYTES: usize = 1_000_000;

/// A word of ours: a check, a step, a reason that no person wrote.
const WORD_BYTES: usize = 100;

/// The largest value of a type.
trait Largest: Sized {
    fn largest() -> Self;
}

fn largest<T: Largest>() -> T {
    T::largest()
}

/// A quotation mark takes two bytes in JSON; nothing that an id may hold takes more.
fn long_id() -> Id {
    id(&"\"".repeat(ID_BYTES_MAX))
}

/// A text of which only the length in characters is bounded: a control character takes six bytes.
fn chars(count: usize) -> Arc<str> {
    "\u{1}".repeat(count).into()
}

/// The same where control characters are refused: the longest of UTF-8.
fn plain_chars(count: usize) -> Personal<String> {
    "🛒".repeat(count).into()
}

/// A text whose length in bytes is bounded, without control characters.
fn plain_bytes(bytes: usize) -> Arc<str> {
    "\"".repeat(bytes).into()
}

fn word() -> Arc<str> {
    "w".repeat(WORD_BYTES).into()
}

/// The longest name.
fn name<E: TextEnum>() -> E {
    *E::ALL.iter().max_by_key(|name| name.as_str().len()).expect("it has a name")
}

fn eur() -> Currency {
    "EUR".parse().expect("EUR is a currency")
}

/// All times take the same room until the year 10,000.
fn late() -> Timestamp {
    Timestamp::from_millis(253_402_300_799_999)
}

/// The longest number.
const AMOUNT: i64 = i64::MIN;

impl Largest for Arc<OrderSummary> {
    fn largest() -> Self {
        Self::new(OrderSummary {
            order_id: long_id(),
            customer_id: long_id(),
            currency: eur(),
            items_total_minor: Some(AMOUNT),
            discount_minor: Some(AMOUNT),
            shipping_minor: Some(AMOUNT),
            tax_minor: Some(AMOUNT),
            total_minor: Some(AMOUNT),
            payment_method: name(),
            cart_id: Some(long_id()),
        })
    }
}

impl Largest for Option<Arc<Address>> {
    fn largest() -> Self {
        let field = || Personal::new("\u{1}".repeat(ADDRESS_FIELD_CHARS_MAX));
        Some(Arc::new(Address { street: field(), city: field(), state: Some(field()), zip: field(), country: field() }))
    }
}

/// A line that stands for itself, or for a piece of it from one location.
fn line(piece: bool) -> Line {
    Line {
        product_id: long_id(),
        sku: long_id(),
        quantity: u32::MAX,
        unit_price_minor: Some(AMOUNT),
        location_id: piece.then(long_id),
        reservation_id: piece.then(long_id),
    }
}

/// The lines of an order.
fn lines() -> Lines {
    std::iter::repeat_with(|| line(false)).take(LINES_MAX).collect()
}

/// The same, in as many pieces as may serve them.
fn pieces() -> Lines {
    std::iter::repeat_with(|| line(true)).take(ORDER_PIECES_MAX).collect()
}

impl Largest for Check {
    fn largest() -> Self {
        Self { name: word(), passed_at: late(), reference: plain_bytes(ID_BYTES_MAX) }
    }
}

impl Largest for Price {
    fn largest() -> Self {
        Self { price_id: long_id(), amount_minor: AMOUNT, currency: eur(), effective_at: late() }
    }
}

/// Attributes whose names begin with this letter: no two alike.
fn attributes(first: char) -> Attributes {
    let mut all = BTreeMap::new();
    loop {
        let nth = char::from(b'A' + u8::try_from(all.len()).expect("there are few"));
        let name = format!("{first}{nth}{}", "\"".repeat(catalog::ATTRIBUTE_NAME_BYTES_MAX - 2));
        all.insert(name, "\"".repeat(catalog::ATTRIBUTE_BYTES_MAX));
        let attributes: Attributes = all.clone().into_iter().collect();
        let bytes = serde_json::to_vec(&attributes).expect("attributes are JSON").len();
        // One more than fits: larger than the bound, and by less than one attribute.
        if bytes > catalog::ATTRIBUTES_BYTES_MAX || all.len() == catalog::ATTRIBUTES_MAX {
            return attributes;
        }
    }
}

fn media() -> Arc<[Media]> {
    let url = format!("https://{}", "\"".repeat(catalog::URL_BYTES_MAX - "https://".len()));
    let media = Media {
        media_id: long_id(),
        url: url.into(),
        sort_order: i32::MIN,
        alt_text: Some(plain_bytes(catalog::URL_BYTES_MAX)),
    };
    std::iter::repeat_n(media, catalog::MEDIA_MAX).collect()
}

fn description() -> Arc<str> {
    "\n".repeat(catalog::DESCRIPTION_BYTES_MAX).into()
}

fn category_ids() -> Arc<[Id]> {
    std::iter::repeat_n(long_id(), catalog::CATEGORIES_PER_PRODUCT_MAX).collect()
}

impl Largest for Variant {
    fn largest() -> Self {
        Self { variant_id: long_id(), sku: long_id(), status: name(), attributes: attributes('v'), price: largest() }
    }
}

impl Largest for Product {
    fn largest() -> Self {
        Self {
            product_id: long_id(),
            name: plain_bytes(catalog::NAME_BYTES_MAX),
            description: description(),
            brand: Some(plain_bytes(catalog::BRAND_BYTES_MAX)),
            category_ids: category_ids(),
            status: name(),
            attributes: attributes('p'),
            media: media(),
            variants: std::iter::repeat_with(largest).take(catalog::VARIANTS_MAX).collect(),
            created_at: late(),
        }
    }
}

/// Everything of a product changes at once.
fn product_changes() -> Arc<[Change]> {
    let another = |text: &Arc<str>| Arc::<str>::from(format!("\"{}", &text[..text.len() - 1]));
    let (text, brand) = (plain_bytes(catalog::NAME_BYTES_MAX), plain_bytes(catalog::BRAND_BYTES_MAX));
    let mut others = media().to_vec();
    others.reverse();
    others[0].sort_order += 1;
    let mut categories = category_ids().to_vec();
    categories[0] = id(&format!("{}\\", "\"".repeat(ID_BYTES_MAX - 1)));
    let changes = [
        Change::of("name", &text, &another(&text).replace('"', "\\").into()),
        Change::of("description", &description(), &another(&description())),
        Change::of("brand", &Some(brand.clone()), &Some(brand.replace('"', "\\").into())),
        Change::of("category_ids", &category_ids(), &categories.into()),
        Change::of("media", &media(), &others.into()),
    ];
    let changes: Vec<Change> = changes.into_iter().map(|change| change.expect("both sides differ")).collect();
    changes.into_iter().chain(attributes('p').changes(&attributes('q'))).collect()
}

impl Largest for StockLevel {
    fn largest() -> Self {
        Self {
            sku: long_id(),
            product_id: long_id(),
            location_id: long_id(),
            version: u64::MAX,
            on_hand: AMOUNT,
            reserved: AMOUNT,
            available: AMOUNT,
            available_everywhere: AMOUNT,
        }
    }
}

/// Of a stock, whose key has two ids. A `%` takes three bytes in a subject.
fn long_subject() -> Subject {
    let part = id(&"%".repeat(ID_BYTES_MAX));
    Subject::new("notification", (&part, &part).as_key())
}

/// The longest envelope that the engine puts around an event.
fn envelope(event: Arc<dyn AnyEvent>) -> Envelope {
    Envelope {
        id: long_id(),
        source: KeyText::literal("notifications"),
        subject: long_subject(),
        key: long_id(),
        time: late(),
        sequence: u64::MAX,
        correlation_id: long_id(),
        causation_id: Some(long_id()),
        traceparent: Some("0".repeat(55).into()),
        event,
    }
}

#[test]
fn the_largest_event_of_every_kind_fits_the_engine_and_a_broker() {
    let all = events::all();
    let names: Vec<_> = all.iter().map(|event| event.name()).collect();
    for kind in registry().kinds() {
        assert!(names.contains(&kind.name), "{} has no largest value", kind.name);
    }
    let mut too_large = Vec::new();
    for event in all {
        let mut data = Vec::new();
        event.encode(&mut data).expect("an event is JSON");
        let message = envelope(Arc::clone(&event)).to_json().expect("an envelope is JSON").len();
        println!("{:8} bytes  {}", data.len(), event.name());
        if data.len() > EVENT_BYTES_MAX || message > BROKER_MESSAGE_BYTES {
            too_large.push(format!("{} has {} bytes, with its envelope {message}", event.name(), data.len()));
        }
    }
    assert!(too_large.is_empty(), "{too_large:#?}");
}
