//! `#[derive(Entity)]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{
    Data, DeriveInput, Fields, GenericArgument, Ident, LitStr, PathArguments, Token, Type, Visibility, parenthesized,
    parse::Parse, parse::ParseStream, punctuated::Punctuated, token::Paren,
};

/// Types whose accessor returns the value, by the last segment of their path.
const BY_VALUE: [&str; 11] = ["bool", "i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64", "Currency", "Timestamp"];

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
    let fields: Vec<Column> =
        fields.named.iter().map(|field| Column::of(field, entity, &key)).collect::<syn::Result<_>>()?;
    let names = fields.iter().map(|field| &field.name);
    let accessors = of(&fields, |f| &f.accessor);
    // Who sees a private struct sees its fields as well.
    let accessors = (!matches!(input.vis, Visibility::Inherited)).then(|| quote!(impl #entity { #(#accessors)* }));
    let (defs, counts, writes, weights) =
        (of(&fields, |f| &f.defs), of(&fields, |f| &f.count), of(&fields, |f| &f.write), of(&fields, |f| &f.weight));
    let reads = fields.iter().enumerate().map(|(nth, field)| {
        let (name, read, before) = (&field.name, &field.read, &counts[..nth]);
        quote!(let #name = { const AT: usize = 0 #(+ #before)*; #read };)
    });
    let key_names = key.iter().map(ToString::to_string);
    let key_value = match key.as_slice() {
        [one] => quote!(::tradewind_events::AsKey::as_key(&self.#one)),
        many => quote!(::tradewind_events::Key::of(&[#(::tradewind_events::KeyPart::part(&self.#many)),*])),
    };
    let cached = !transient;
    Ok(quote! {
        #accessors
        impl ::tradewind_engine::Entity for #entity {
            type Owner = #owner;
            const TABLE: &'static ::tradewind_engine::Table = &::tradewind_engine::Table {
                name: #table,
                key: &[#(#key_names),*],
                columns: &::tradewind_events::all_columns::<{ 0 #(+ #counts)* }>(&[#(#defs),*]),
                cached: #cached,
            };
            fn key(&self) -> ::tradewind_events::Key {
                #key_value
            }
            fn to_row(&self) -> ::std::vec::Vec<::tradewind_events::Value> {
                let mut row = ::std::vec::Vec::with_capacity(Self::TABLE.columns.len());
                #(#writes)*
                row
            }
            fn weight(&self) -> usize {
                ::core::mem::size_of::<Self>() #(+ #weights)*
            }
            fn from_row(row: &[::tradewind_events::Value]) -> ::core::result::Result<Self, ::tradewind_events::ColumnError> {
                #(#reads)*
                Ok(Self { #(#names),* })
            }
        }
    })
}

/// A field, and the code that makes its columns.
struct Column {
    name: Ident,
    /// A slice of what its columns are.
    defs: TokenStream,
    /// How many they are.
    count: TokenStream,
    write: TokenStream,
    weight: TokenStream,
    /// Where they begin is `AT`.
    read: TokenStream,
    /// The method that reads it; empty where there is none.
    accessor: TokenStream,
}

/// What stands in `#[column(…)]`.
#[derive(Default)]
struct Options {
    json: bool,
    flat: Option<Ident>,
    copy: bool,
    no_accessor: bool,
}

impl Options {
    fn of(field: &syn::Field) -> syn::Result<Self> {
        let mut options = Self::default();
        for attribute in field.attrs.iter().filter(|attribute| attribute.path().is_ident("column")) {
            for name in attribute.parse_args_with(Punctuated::<Ident, Token![,]>::parse_terminated)? {
                match name.to_string().as_str() {
                    "json" => options.json = true,
                    "flat" => options.flat = Some(name),
                    "copy" => options.copy = true,
                    "no_accessor" => options.no_accessor = true,
                    _ => return Err(syn::Error::new(name.span(), "json, flat, copy or no_accessor is expected")),
                }
            }
        }
        Ok(options)
    }
}

impl Column {
    fn of(field: &syn::Field, entity: &Ident, key: &[Ident]) -> syn::Result<Self> {
        let name = field.ident.clone().unwrap_or_else(|| entity.clone());
        let (text, ty) = (name.to_string(), &field.ty);
        let options = Options::of(field)?;
        let accessor = accessor(field, &name, &options);
        let column = match (options.json, options.flat, key) {
            (false, None, _) => Self::single(name, &text, ty),
            (true, None, _) => Self::json(name, &text),
            (false, Some(_), [key]) => Self::flat(name, ty, key),
            (true, Some(flat), _) => return Err(syn::Error::new(flat.span(), "a column is json or flat, not both")),
            (false, Some(flat), _) => return Err(syn::Error::new(flat.span(), "the key of the row is not one field")),
        };
        Ok(Self { accessor, ..column })
    }

    fn single(name: Ident, text: &str, ty: &Type) -> Self {
        Self {
            defs: quote!(&[::tradewind_events::ColumnDef::of::<#ty>(#text)]),
            count: quote!(1),
            write: quote!(row.push(::tradewind_events::Column::to_value(&self.#name));),
            weight: quote!(::tradewind_events::Column::weight(&self.#name)),
            read: quote!(::tradewind_events::read_column(row, AT, #text, ::tradewind_events::Column::from_value)?),
            accessor: TokenStream::new(),
            name,
        }
    }

    fn json(name: Ident, text: &str) -> Self {
        let kind = quote!(::tradewind_events::ColumnKind::Json);
        Self {
            defs: quote!(&[::tradewind_events::ColumnDef { name: #text, kind: #kind, nullable: false }]),
            count: quote!(1),
            write: quote!(row.push(::tradewind_events::json_to_value(&self.#name));),
            weight: quote!(::tradewind_events::JSON_COLUMN_WEIGHT),
            read: quote!(::tradewind_events::read_column(row, AT, #text, ::tradewind_events::json_from_value)?),
            accessor: TokenStream::new(),
            name,
        }
    }

    fn flat(name: Ident, ty: &Type, key: &Ident) -> Self {
        let columns = quote!(<#ty as ::tradewind_events::Columns>::COLUMNS);
        Self {
            defs: columns.clone(),
            count: quote!(#columns.len()),
            write: quote!(::tradewind_events::Columns::write_to(&self.#name, &mut row);),
            weight: quote!(::tradewind_events::Columns::weight(&self.#name)),
            read: quote!(::tradewind_events::Columns::read_from(
                &#key,
                row.get(AT..AT + #columns.len()).unwrap_or_default(),
            )?),
            accessor: TokenStream::new(),
            name,
        }
    }
}

/// The method that reads a private field: its name and its documentation are those of the field.
fn accessor(field: &syn::Field, name: &Ident, options: &Options) -> TokenStream {
    if options.no_accessor || matches!(field.vis, Visibility::Public(_)) {
        return TokenStream::new();
    }
    let ty = &field.ty;
    let docs = field.attrs.iter().filter(|attribute| attribute.path().is_ident("doc"));
    let (returned, read) = match option_of(ty) {
        _ if options.copy || is_by_value(ty) => (quote!(#ty), quote!(self.#name)),
        Some(inner) => (quote!(::core::option::Option<&#inner>), quote!(self.#name.as_ref())),
        None => (quote!(&#ty), quote!(&self.#name)),
    };
    quote! {
        #(#docs)*
        pub fn #name(&self) -> #returned {
            #read
        }
    }
}

/// One of [`BY_VALUE`], or an `Option` of one.
fn is_by_value(ty: &Type) -> bool {
    let Type::Path(path) = option_of(ty).unwrap_or(ty) else { return false };
    path.path
        .segments
        .last()
        .is_some_and(|last| last.arguments.is_none() && BY_VALUE.iter().any(|name| last.ident == name))
}

/// What the `Option` is of, if it is one.
fn option_of(ty: &Type) -> Option<&Type> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last().filter(|last| last.ident == "Option")?;
    match &last.arguments {
        PathArguments::AngleBracketed(of) => of.args.iter().find_map(|of| match of {
            GenericArgument::Type(of) => Some(of),
            _ => None,
        }),
        _ => None,
    }
}

fn of(fields: &[Column], part: fn(&Column) -> &TokenStream) -> Vec<&TokenStream> {
    fields.iter().map(part).collect()
}
