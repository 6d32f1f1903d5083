//! The derives of Tradewind. Each writes only what a reader would write by hand from the attribute beside it.

mod command;
mod entity;
mod event;
mod text_enum;

use proc_macro::TokenStream;

/// `#[event("order.placed", version = 1, about = order(order_id), key = order_id)]`:
/// the wire name, the version, the subject (its table, with the fields that hold its key) and the key of the stream.
/// A field may be a path: `order.order_id`.
#[proc_macro_derive(Event, attributes(event))]
pub fn event(input: TokenStream) -> TokenStream {
    expand(input, event::derive)
}

/// Derive `Entity` for a struct that is one row of one table; each field is one column.
///
/// `#[entity(owner = Inventory, table = "stock", key = (sku, location_id))]` names the service that owns the table, the
/// table and the fields of its key. With `transient`, rows stay out of the cache after they are written: for rows that
/// are written once and hardly read.
///
/// `#[column(…)]` on a field takes:
///
/// | option | effect |
/// |---|---|
/// | `json` | The field is stored as JSON. |
/// | `flat` | The field is stored as the columns of its type (`tradewind_events::Columns`), after the key field. |
/// | `copy` | The accessor of the field returns the value. For small `Copy` types that the derive does not know. |
/// | `no_accessor` | The field has no accessor: the model has a method of that name, or nothing reads the field. |
///
/// Fields are private to the model, so that only its transitions change them. For each private field of a struct that
/// is not private, the derive generates a public method of the same name, with the documentation of the field.
/// Integers, `bool`, `Currency`, `Timestamp`, `Option`s of these and `copy` fields are returned by value, another
/// `Option<T>` as `Option<&T>`, and all others by reference. Examples are at the trait `Entity`.
#[proc_macro_derive(Entity, attributes(entity, column))]
pub fn entity(input: TokenStream) -> TokenStream {
    expand(input, entity::derive)
}

/// `#[command(owner = Inventory, name = "adjust_stock", answer = StockLevel, key = sku)]`: who answers it, its stable
/// name, what it answers (`()` when left out), and the field that orders it (none when left out).
#[proc_macro_derive(Command, attributes(command))]
pub fn command(input: TokenStream) -> TokenStream {
    expand(input, command::derive)
}

/// `#[text("active")]` on every variant: its wire name.
#[proc_macro_derive(TextEnum, attributes(text))]
pub fn text_enum(input: TokenStream) -> TokenStream {
    expand(input, text_enum::derive)
}

fn expand(input: TokenStream, derive: fn(&syn::DeriveInput) -> syn::Result<proc_macro2::TokenStream>) -> TokenStream {
    syn::parse(input).and_then(|item| derive(&item)).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// The one attribute `name` of an item.
fn attribute<'a>(attributes: &'a [syn::Attribute], name: &str, item: &syn::Ident) -> syn::Result<&'a syn::Attribute> {
    attributes
        .iter()
        .find(|attribute| attribute.path().is_ident(name))
        .ok_or_else(|| syn::Error::new(item.span(), format!("#[{name}(…)] is missing")))
}
