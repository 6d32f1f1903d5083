//! `#[derive(TextEnum)]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, Ident, LitStr};

pub fn derive(input: &DeriveInput) -> syn::Result<TokenStream> {
    let name = &input.ident;
    let Data::Enum(data) = &input.data else {
        return Err(syn::Error::new(name.span(), "only an enum is a closed set of names"));
    };
    let variants: Vec<_> = data.variants.iter().map(|variant| &variant.ident).collect();
    let texts = data
        .variants
        .iter()
        .map(|variant| crate::attribute(&variant.attrs, "text", &variant.ident)?.parse_args::<LitStr>())
        .collect::<syn::Result<Vec<_>>>()?;
    let schema = schema(name);
    Ok(quote! {
        #schema
        impl ::tradewind_events::TextEnum for #name {
            const ALL: &'static [Self] = &[#(Self::#variants),*];
            fn as_str(self) -> &'static str {
                match self { #(Self::#variants => #texts),* }
            }
        }
        const _: () = {
            #(assert!(::tradewind_events::is_key_text(#texts), "a name is a part of a key");)*
        };
        impl ::tradewind_events::KeyPart for #name {
            fn part(&self) -> ::tradewind_events::Part<'_> {
                ::tradewind_events::Part::of(*self)
            }
        }
        impl ::core::fmt::Display for #name {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                f.pad(::tradewind_events::TextEnum::as_str(*self))
            }
        }
        impl ::core::str::FromStr for #name {
            type Err = ::tradewind_events::UnknownName;
            fn from_str(text: &str) -> ::core::result::Result<Self, Self::Err> {
                match text {
                    #(#texts => Ok(Self::#variants),)*
                    _ => Err(::tradewind_events::UnknownName::among::<Self>(text)),
                }
            }
        }
        impl ::tradewind_events::serde::Serialize for #name {
            fn serialize<S: ::tradewind_events::serde::Serializer>(&self, serializer: S) -> ::core::result::Result<S::Ok, S::Error> {
                serializer.serialize_str(::tradewind_events::TextEnum::as_str(*self))
            }
        }
        impl<'de> ::tradewind_events::serde::Deserialize<'de> for #name {
            fn deserialize<D: ::tradewind_events::serde::Deserializer<'de>>(deserializer: D) -> ::core::result::Result<Self, D::Error> {
                let text = <::std::string::String as ::tradewind_events::serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err(::tradewind_events::serde::de::Error::custom)
            }
        }
        impl ::tradewind_events::Column for #name {
            const KIND: ::tradewind_events::ColumnKind = ::tradewind_events::ColumnKind::Text;
            fn to_value(&self) -> ::tradewind_events::Value {
                ::tradewind_events::Value::Text(::tradewind_events::TextEnum::as_str(*self).into())
            }
            fn from_value(value: &::tradewind_events::Value) -> ::core::result::Result<Self, ::tradewind_events::ColumnError> {
                match value {
                    ::tradewind_events::Value::Text(text) => text
                        .parse()
                        .map_err(|error: ::tradewind_events::UnknownName| ::tradewind_events::ColumnError(error.to_string())),
                    other => Err(::tradewind_events::ColumnError(format!("text was expected, not {other:?}"))),
                }
            }
        }
    })
}

/// In a schema the names are written out wherever the enum stands: two services may have one of a name.
fn schema(name: &Ident) -> TokenStream {
    quote! {
        impl ::tradewind_events::schemars::JsonSchema for #name {
            fn inline_schema() -> bool {
                true
            }
            fn schema_id() -> ::std::borrow::Cow<'static, str> {
                concat!(module_path!(), "::", stringify!(#name)).into()
            }
            fn schema_name() -> ::std::borrow::Cow<'static, str> {
                stringify!(#name).into()
            }
            fn json_schema(_: &mut ::tradewind_events::schemars::SchemaGenerator) -> ::tradewind_events::schemars::Schema {
                ::tradewind_events::schema::text_enum::<Self>()
            }
        }
    }
}
