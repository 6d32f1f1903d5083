//! `#[derive(Entity)]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{
    Data, DeriveInput, Fields, Ident, LitStr, Token, Type, parenthesized, parse::Parse, parse::ParseStream,
    punctuated::Punctuated, token::Paren,
};

struct Attribute {
    owner: Type,
    table: LitStr,
    key: Vec<Ident>,
    transient: bool,
}

impl Parse for Attribute {
    fn parse(input: ParseStream) -> syn::Result<Self> {
        let (mut owner, mut table, mut key, mut transient) = (None, None, Vec::new(), false);
        while !input.is_empty() {
            let name: Ident = input.parse()?;
            if name == "transient" {
                transient = true;
            } else {
                input.parse::<Token![=]>()?;
                match name.to_string().as_str() {
                    "owner" => owner = Some(input.parse()?),
                    "table" => table = Some(input.parse()?),
                    "key" => key = key_fields(input)?,
                    _ => return Err(syn::Error::new(name.span(), "owner, table, key or transient is expected")),
                }
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        match (owner, table, key.is_empty()) {
            (Some(owner), Some(table), false) => Ok(Self { owner, table, key, transient }),
            _ => Err(input.error("owner, table and key are all needed")),
        }
    }
}

fn key_fields(input: ParseStream) -> syn::Result<Vec<Ident>> {
    if !input.peek(Paren) {
        return Ok(vec![input.parse()?]);
    }
    let fields;
    parenthesized!(fields in input);
    Ok(Punctuated::<Ident, Token![,]>::parse_terminated(&fields)?.into_iter().collect())
}

pub fn derive(input: &DeriveInput) -> syn::Result<TokenStream> {
    let entity = &input.ident;
    let Attribute { owner, table, key, transient } = crate::attribute(&input.attrs, "entity", entity)?.parse_args()?;
    let Data::Struct(syn::DataStruct { fields: Fields::Named(fields), .. }) = &input.data else {
        return Err(syn::Error::new(entity.span(), "one struct with named fields is one table"));
    };
    let (mut names, mut columns, mut writes, mut reads) = (vec![], vec![], vec![], vec![]);
    let mut weights = vec![];
    for (nth, field) in fields.named.iter().enumerate() {
        let name = field.ident.as_ref().unwrap_or(entity);
        let (text, ty) = (name.to_string(), &field.ty);
        if field.attrs.iter().any(|attribute| attribute.path().is_ident("column")) {
            columns.push(quote!(::tradewind_engine::ColumnDef { name: #text, kind: ::tradewind_events::ColumnKind::Json, nullable: false }));
            writes.push(quote!(::tradewind_events::json_to_value(&self.#name)));
            weights.push(quote!(::tradewind_events::JSON_COLUMN_WEIGHT));
            reads.push(quote!(::tradewind_engine::read_column(row, #nth, #text, ::tradewind_events::json_from_value)?));
        } else {
            columns.push(quote!(::tradewind_engine::ColumnDef {
                name: #text,
                kind: <#ty as ::tradewind_events::Column>::KIND,
                nullable: <#ty as ::tradewind_events::Column>::NULLABLE,
            }));
            writes.push(quote!(::tradewind_events::Column::to_value(&self.#name)));
            weights.push(quote!(::tradewind_events::Column::weight(&self.#name)));
            reads.push(
                quote!(::tradewind_engine::read_column(row, #nth, #text, ::tradewind_events::Column::from_value)?),
            );
        }
        names.push(name.clone());
    }
    let key_names = key.iter().map(ToString::to_string);
    let key_value = match key.as_slice() {
        [one] => quote!(::tradewind_events::AsKey::as_key(&self.#one)),
        many => quote!(::tradewind_events::Key::of(&[#(::core::convert::AsRef::<str>::as_ref(&self.#many)),*])),
    };
    let cached = !transient;
    Ok(quote! {
        impl ::tradewind_engine::Entity for #entity {
            type Owner = #owner;
            const TABLE: &'static ::tradewind_engine::Table = &::tradewind_engine::Table {
                name: #table,
                key: &[#(#key_names),*],
                columns: &[#(#columns),*],
                cached: #cached,
            };
            fn key(&self) -> ::tradewind_events::Key {
                #key_value
            }
            fn to_row(&self) -> ::std::vec::Vec<::tradewind_events::Value> {
                ::std::vec![#(#writes),*]
            }
            fn weight(&self) -> usize {
                ::core::mem::size_of::<Self>() #(+ #weights)*
            }
            fn from_row(row: &[::tradewind_events::Value]) -> ::core::result::Result<Self, ::tradewind_events::ColumnError> {
                Ok(Self { #(#names: #reads),* })
            }
        }
    })
}
