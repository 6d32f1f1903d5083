//! `#[derive(Event)]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{DeriveInput, Expr, ExprCall, Ident, LitInt, LitStr, Token, parse::Parse, parse::ParseStream};

struct Attribute {
    name: LitStr,
    version: LitInt,
    about: ExprCall,
    key: Expr,
    party: Option<Expr>,
}

impl Parse for Attribute {
    fn parse(input: ParseStream) -> syn::Result<Self> {
        let name = input.parse()?;
        let version = field(input, "version")?;
        let about = field(input, "about")?;
        let key = field(input, "key")?;
        let party = if input.is_empty() { None } else { Some(field(input, "party")?) };
        Ok(Self { name, version, about, key, party })
    }
}

/// `, name = value`
fn field<T: Parse>(input: ParseStream, name: &str) -> syn::Result<T> {
    input.parse::<Token![,]>()?;
    let found: Ident = input.parse()?;
    if found != name {
        return Err(syn::Error::new(found.span(), format!("`{name}` is expected here")));
    }
    input.parse::<Token![=]>()?;
    input.parse()
}

pub fn derive(input: &DeriveInput) -> syn::Result<TokenStream> {
    let event = &input.ident;
    let Attribute { name, version, about, key, party } =
        crate::attribute(&input.attrs, "event", event)?.parse_args()?;
    let Expr::Path(kind) = &*about.func else {
        return Err(syn::Error::new_spanned(&about.func, "the table of the subject is expected here"));
    };
    let kind = kind.path.require_ident()?.to_string();
    let parts = about.args.iter();
    // One part shares the text of the id; several are joined.
    let subject_key = if about.args.len() == 1 {
        quote!(#(::tradewind_events::KeyPart::to_key(&self.#parts))*)
    } else {
        quote!(::tradewind_events::Key::of(&[#(::tradewind_events::KeyPart::part(&self.#parts)),*]))
    };
    let on_behalf_of = party.iter();
    Ok(quote! {
        impl ::tradewind_events::Event for #event {
            const NAME: &'static str = #name;
            const VERSION: u16 = #version;
            const SUBJECT: &'static str = #kind;
            fn subject(&self) -> ::tradewind_events::Subject {
                ::tradewind_events::Subject::new(#kind, #subject_key)
            }
            fn key(&self) -> &::tradewind_events::Id {
                &self.#key
            }
            #(fn party(&self) -> Option<&::tradewind_events::Id> {
                ::tradewind_events::Party::party(&self.#on_behalf_of)
            })*
        }
    })
}
