//! How the values look as JSON Schema: the API and the documents of contracts are generated from it.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::{Currency, ID_BYTES_MAX, Id, Personal, TextEnum, Timestamp};

/// A text that has a type of its own here and is written out wherever it stands.
macro_rules! text_schemas {
    ($($type:ty, $name:literal: $schema:expr;)*) => {$(
        impl JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    )*};
}

text_schemas! {
    Id, "Id": json_schema!({"type": "string", "minLength": 1, "maxLength": ID_BYTES_MAX, "pattern": "^[!-~]+$"});
    Timestamp, "Timestamp": json_schema!({"type": "string", "format": "date-time"});
    Currency, "Currency": json_schema!({"type": "string", "pattern": "^[A-Z]{3}$"});
}

/// The wire carries the value itself.
impl<T: JsonSchema> JsonSchema for Personal<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }
    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

/// For the derive of [`TextEnum`].
#[doc(hidden)]
pub fn text_enum<E: TextEnum>() -> Schema {
    let names: Vec<&str> = E::ALL.iter().map(|name| name.as_str()).collect();
    json_schema!({"type": "string", "enum": names})
}
