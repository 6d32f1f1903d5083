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

/// `#[entity(owner = Inventory, table = "stock", key = (sku, location_id))]`: one struct is one table, one field one
/// column. `#[column(json)]` on a field stores it as JSON; `#[column(flat)]` as the columns of its type
/// (`tradewind_events::Columns`), after the field that is the key. `transient` in the attribute keeps rows out of the cache
/// once they are written: for what is written once and hardly read.
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
