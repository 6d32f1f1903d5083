//! `#[derive(Command)]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{DeriveInput, Ident, LitStr, Token, Type, parse::Parse, parse::ParseStream};

struct Attribute {
    owner: Type,
    name: LitStr,
    answer: Option<Type>,
    key: Option<Ident>,
}

impl Parse for Attribute {
    fn parse(input: ParseStream) -> syn::Result<Self> {
        let (mut owner, mut name, mut answer, mut key) = (None, None, None, None);
        while !input.is_empty() {
            let field: Ident = input.parse()?;
            input.parse::<Token![=]>()?;
            match field.to_string().as_str() {
                "owner" => owner = Some(input.parse()?),
                "name" => name = Some(input.parse()?),
                "answer" => answer = Some(input.parse()?),
                "key" => key = Some(input.parse()?),
                _ => return Err(syn::Error::new(field.span(), "owner, name, answer or key is expected")),
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        match (owner, name) {
            (Some(owner), Some(name)) => Ok(Self { owner, name, answer, key }),
            _ => Err(input.error("owner and name are both needed")),
        }
    }
}

pub fn derive(input: &DeriveInput) -> syn::Result<TokenStream> {
    let command = &input.ident;
    let Attribute { owner, name, answer, key } = crate::attribute(&input.attrs, "command", command)?.parse_args()?;
    let answer = answer.map_or_else(|| quote!(()), |answer| quote!(#answer));
    let key = key.map_or_else(|| quote!(None), |key| quote!(Some(&self.#key)));
    Ok(quote! {
        impl ::tradewind_engine::Command for #command {
            type Owner = #owner;
            type Answer = #answer;
            const NAME: &'static str = #name;
            fn key(&self) -> Option<&::tradewind_events::Id> {
                #key
            }
        }
    })
}
