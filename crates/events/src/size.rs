//! How large a value is as JSON, counted without writing it: cheap enough for every event.

use serde::{
    Serialize, Serializer,
    ser::{
        SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple, SerializeTupleStruct,
        SerializeTupleVariant,
    },
};

/// What is only known once it is formatted (a time, a subject) is taken to have so many bytes.
const FORMATTED_BYTES: usize = 32;

/// A text grows to at most so many times its length when it is escaped.
pub const ESCAPED_FACTOR_MAX: usize = 6;

/// The name that `serde_json` gives to JSON that is written already, and to its one field.
const RAW_JSON: &str = "$serde_json::private::RawValue";

/// About how many bytes `value` has as JSON. Texts count unescaped, so it can be more: up to [`ESCAPED_FACTOR_MAX`]
/// times as many.
pub(crate) fn json_size<T: Serialize + ?Sized>(value: &T) -> usize {
    let mut counter = Counter(0);
    // Counting fails for nothing but a value that refuses to be serialized: that shows when it is written.
    value.serialize(&mut counter).unwrap_or_default();
    counter.0
}

struct Counter(usize);

/// Never made by the counter itself.
type Error = serde::de::value::Error;

impl Counter {
    #[expect(clippy::unnecessary_wraps, reason = "the shape of every method of a serializer")]
    fn count(&mut self, bytes: usize) -> Result<(), Error> {
        self.0 += bytes;
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), Error> {
        self.count(text.len() + 2)
    }

    /// `"name":` and a comma.
    fn named<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), Error> {
        // JSON that is written already passes through serde as a struct with this one field.
        if name != RAW_JSON {
            self.count(name.len() + 4)?;
        }
        value.serialize(self)
    }

    fn listed<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.count(1)?;
        value.serialize(self)
    }

    fn integer(&mut self, magnitude: u64) -> Result<(), Error> {
        self.count(1 + usize::try_from(magnitude.checked_ilog10().unwrap_or(0)).unwrap_or(0))
    }
}

macro_rules! counted {
    ($($method:ident($type:ty) = $bytes:expr;)*) => {$(
        fn $method(self, _value: $type) -> Result<(), Error> {
            self.count($bytes)
        }
    )*};
}

macro_rules! integers {
    ($($method:ident($type:ty);)*) => {$(
        fn $method(self, value: $type) -> Result<(), Error> {
            self.integer(value.into())
        }
    )*};
}

macro_rules! signed {
    ($($method:ident($type:ty);)*) => {$(
        fn $method(self, value: $type) -> Result<(), Error> {
            self.count(usize::from(value < 0))?;
            self.integer(value.unsigned_abs().into())
        }
    )*};
}

impl Serializer for &mut Counter {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    counted! {
        serialize_bool(bool) = 5;
        serialize_f32(f32) = 24;
        serialize_f64(f64) = 24;
        serialize_char(char) = 6;
        serialize_unit_struct(&'static str) = 4;
    }
    integers! {
        serialize_u8(u8);
        serialize_u16(u16);
        serialize_u32(u32);
        serialize_u64(u64);
    }
    signed! {
        serialize_i8(i8);
        serialize_i16(i16);
        serialize_i32(i32);
        serialize_i64(i64);
    }

    fn serialize_str(self, text: &str) -> Result<(), Error> {
        self.text(text)
    }

    fn collect_str<T: std::fmt::Display + ?Sized>(self, _value: &T) -> Result<(), Error> {
        self.count(FORMATTED_BYTES)
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<(), Error> {
        self.count(4 * bytes.len() + 2)
    }

    fn serialize_none(self) -> Result<(), Error> {
        self.count(4)
    }

    fn serialize_unit(self) -> Result<(), Error> {
        self.count(4)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _name: &'static str, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_unit_variant(self, _name: &'static str, _index: u32, variant: &'static str) -> Result<(), Error> {
        self.text(variant)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        self.count(2)?;
        self.named(variant, value)
    }

    fn serialize_seq(self, _len: Option<usize>) -> Result<Self, Error> {
        self.count(2)?;
        Ok(self)
    }

    fn serialize_tuple(self, _len: usize) -> Result<Self, Error> {
        self.serialize_seq(None)
    }

    fn serialize_tuple_struct(self, _name: &'static str, _len: usize) -> Result<Self, Error> {
        self.serialize_seq(None)
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _len: usize,
    ) -> Result<Self, Error> {
        self.count(variant.len() + 7)?;
        Ok(self)
    }

    fn serialize_map(self, _len: Option<usize>) -> Result<Self, Error> {
        self.serialize_seq(None)
    }

    fn serialize_struct(self, _name: &'static str, _len: usize) -> Result<Self, Error> {
        self.serialize_seq(None)
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self, Error> {
        self.serialize_tuple_variant(name, index, variant, len)
    }
}

macro_rules! lists {
    ($($trait:ident.$method:ident;)*) => {$(
        impl $trait for &mut Counter {
            type Ok = ();
            type Error = Error;
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
                self.listed(value)
            }
            fn end(self) -> Result<(), Error> {
                Ok(())
            }
        }
    )*};
}
lists! {
    SerializeSeq.serialize_element;
    SerializeTuple.serialize_element;
    SerializeTupleStruct.serialize_field;
    SerializeTupleVariant.serialize_field;
}

macro_rules! structs {
    ($($trait:ident;)*) => {$(
        impl $trait for &mut Counter {
            type Ok = ();
            type Error = Error;
            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Error> {
                self.named(name, value)
            }
            fn end(self) -> Result<(), Error> {
                Ok(())
            }
        }
    )*};
}
structs! {
    SerializeStruct;
    SerializeStructVariant;
}

impl SerializeMap for &mut Counter {
    type Ok = ();
    type Error = Error;
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        self.count(2)?;
        key.serialize(&mut **self)
    }
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        value.serialize(&mut **self)
    }
    fn end(self) -> Result<(), Error> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::samples;

    /// Structs alone: what they hold of times is a guess.
    #[test]
    fn the_size_of_every_event_is_told_to_within_a_tenth() {
        for event in samples::all() {
            let mut written = Vec::new();
            event.encode(&mut written).unwrap();
            let (told, written) = (event.size(), written.len());
            assert!(told.abs_diff(written) <= written / 10 + 8, "{}: {told}, not {written}", event.name());
        }
    }

    #[test]
    fn json_that_is_written_already_counts_as_its_text() {
        let free = crate::FreeJson::parse(r#"{"a": [1.50, "text"]}"#).unwrap();
        assert!(json_size(&free).abs_diff(free.get().len()) <= 4, "{} {}", json_size(&free), free.get().len());
    }

    #[test]
    fn any_json_counts_and_text_is_what_it_is_before_it_is_escaped() {
        let value = json!({"a": [1, -20, 300.5, null, true], "b": {"c": "text"}, "d": []});
        let written = value.to_string().len();
        assert!(json_size(&value).abs_diff(written) <= 24, "{} {written}", json_size(&value));
        let nasty = "\u{1}".repeat(1_000);
        let written = serde_json::to_string(&nasty).unwrap().len();
        assert!(json_size(&nasty) < written && json_size(&nasty) * ESCAPED_FACTOR_MAX >= written);
    }
}
