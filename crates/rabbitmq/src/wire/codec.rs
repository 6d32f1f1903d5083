//! Numbers, strings and tables of AMQP 0-9-1, with the types of tables that RabbitMQ has
//! (<https://www.rabbitmq.com/docs/amqp-0-9-1-errata>).

use tradewind_engine::ports::{Bytes, HeaderValue};

/// How deep tables and lists are nested at most. What comes deeper is kept as bytes, and is not published.
pub const DEPTH_MAX: usize = 32;

/// The name of the one header that holds, as bytes, a table that cannot be decoded.
pub const RAW_HEADERS: &str = "x-tradewind-raw-headers";

/// Bytes that are not what the protocol says; what was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

/// What AMQP has no place for, in words.
pub type Uncarried = String;

/// Bytes that are read from their beginning.
#[derive(Clone, Copy)]
pub struct Input<'a>(pub &'a [u8]);

impl<'a> Input<'a> {
    pub fn bytes(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Malformed("more bytes"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(Malformed("more bytes"))?;
        self.0 = rest;
        Ok(*taken)
    }

    pub fn u8(&mut self) -> Result<u8, Malformed> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    pub fn u16(&mut self) -> Result<u16, Malformed> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    pub fn u32(&mut self) -> Result<u32, Malformed> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    pub fn u64(&mut self) -> Result<u64, Malformed> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    /// A string of at most 255 bytes. What is no UTF-8 is escaped: it has to be UTF-8, and a peer that does not care is
    /// no reason to lose its message.
    pub fn short(&mut self) -> Result<String, Malformed> {
        let length = self.u8()?;
        let bytes = self.bytes(usize::from(length))?;
        Ok(str::from_utf8(bytes).map_or_else(|_| bytes.escape_ascii().to_string(), str::to_owned))
    }

    /// A string of any bytes.
    pub fn long(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.u32()?;
        self.bytes(length as usize)
    }

    /// Headers in their order. A table that cannot be decoded is kept as [`RAW_HEADERS`]: a message is worth more than
    /// its headers, and one that is neither handled nor kept would come for ever.
    pub fn headers(&mut self) -> Result<Vec<(String, HeaderValue)>, Malformed> {
        let raw = self.long()?;
        Ok(table(raw, 1).unwrap_or_else(|_| vec![(RAW_HEADERS.to_owned(), HeaderValue::Binary(Bytes(raw.to_vec())))]))
    }

    fn value(&mut self, depth: usize) -> Result<HeaderValue, Malformed> {
        Ok(match self.u8()? {
            b'V' => HeaderValue::Void,
            b'S' => HeaderValue::Text(Bytes(self.long()?.to_vec())),
            b'x' => HeaderValue::Binary(Bytes(self.long()?.to_vec())),
            b't' => HeaderValue::Bool(self.u8()? != 0),
            b'b' => HeaderValue::I8(i8::from_be_bytes(self.array()?)),
            b'B' => HeaderValue::U8(self.u8()?),
            b's' | b'U' => HeaderValue::I16(i16::from_be_bytes(self.array()?)),
            b'u' => HeaderValue::U16(self.u16()?),
            b'I' => HeaderValue::I32(i32::from_be_bytes(self.array()?)),
            b'i' => HeaderValue::U32(self.u32()?),
            b'l' | b'L' => HeaderValue::I64(i64::from_be_bytes(self.array()?)),
            b'f' => HeaderValue::F32(self.u32()?),
            b'd' => HeaderValue::F64(self.u64()?),
            b'D' => HeaderValue::Decimal { scale: self.u8()?, value: self.u32()? },
            b'T' => HeaderValue::Time(self.u64()?),
            b'A' => HeaderValue::List(list(self.long()?, deeper(depth)?)?),
            b'F' => HeaderValue::Table(table(self.long()?, deeper(depth)?)?),
            _ => return Err(Malformed("a known type of value")),
        })
    }
}

fn deeper(depth: usize) -> Result<usize, Malformed> {
    if depth < DEPTH_MAX { Ok(depth + 1) } else { Err(Malformed("tables that are less deep")) }
}

fn table(bytes: &[u8], depth: usize) -> Result<Vec<(String, HeaderValue)>, Malformed> {
    let (mut input, mut entries) = (Input(bytes), Vec::new());
    while !input.0.is_empty() {
        let name = input.short()?;
        entries.push((name, input.value(depth)?));
    }
    Ok(entries)
}

fn list(bytes: &[u8], depth: usize) -> Result<Vec<HeaderValue>, Malformed> {
    let (mut input, mut values) = (Input(bytes), Vec::new());
    while !input.0.is_empty() {
        values.push(input.value(depth)?);
    }
    Ok(values)
}

/// Bytes that are written.
pub trait Output {
    fn u8(&mut self, value: u8);
    fn u16(&mut self, value: u16);
    fn u32(&mut self, value: u32);
    fn u64(&mut self, value: u64);

    /// A string of at most 255 bytes; `what` it is.
    fn short(&mut self, text: &str, what: &str) -> Result<(), Uncarried>;

    /// Bytes with their length, which fit 32 bits.
    fn long(&mut self, bytes: &[u8]);

    fn headers(&mut self, headers: &[(String, HeaderValue)]) -> Result<(), Uncarried>;
}

impl Output for Vec<u8> {
    fn u8(&mut self, value: u8) {
        self.push(value);
    }

    fn u16(&mut self, value: u16) {
        self.extend(value.to_be_bytes());
    }

    fn u32(&mut self, value: u32) {
        self.extend(value.to_be_bytes());
    }

    fn u64(&mut self, value: u64) {
        self.extend(value.to_be_bytes());
    }

    fn short(&mut self, text: &str, what: &str) -> Result<(), Uncarried> {
        let length = u8::try_from(text.len());
        self.u8(length.map_err(|_| format!("{what} has {} bytes, and at most 255 are possible", text.len()))?);
        self.extend(text.as_bytes());
        Ok(())
    }

    fn long(&mut self, bytes: &[u8]) {
        self.u32(length(bytes.len()));
        self.extend(bytes);
    }

    fn headers(&mut self, headers: &[(String, HeaderValue)]) -> Result<(), Uncarried> {
        put_table(self, headers, 1)
    }
}

/// What is longer does not fit the frame of the headers, which is checked for the whole.
fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// Writes what has its length in bytes before it.
fn put_sized(to: &mut Vec<u8>, put: impl FnOnce(&mut Vec<u8>) -> Result<(), Uncarried>) -> Result<(), Uncarried> {
    let at = to.len();
    to.u32(0);
    put(to)?;
    let bytes = length(to.len() - at - 4);
    to[at..at + 4].copy_from_slice(&bytes.to_be_bytes());
    Ok(())
}

fn put_table(to: &mut Vec<u8>, entries: &[(String, HeaderValue)], depth: usize) -> Result<(), Uncarried> {
    put_sized(to, |to| {
        for (name, value) in entries {
            to.short(name, "the name of a header")?;
            put_value(to, value, depth)?;
        }
        Ok(())
    })
}

fn put_value(to: &mut Vec<u8>, value: &HeaderValue, depth: usize) -> Result<(), Uncarried> {
    let deeper = |_| format!("a header is nested deeper than {DEPTH_MAX}");
    match value {
        HeaderValue::Void => to.u8(b'V'),
        HeaderValue::Text(text) => {
            to.u8(b'S');
            to.long(&text.0);
        }
        HeaderValue::Binary(bytes) => {
            to.u8(b'x');
            to.long(&bytes.0);
        }
        HeaderValue::Bool(value) => to.extend([b't', u8::from(*value)]),
        HeaderValue::I8(value) => to.extend([b'b', value.to_be_bytes()[0]]),
        HeaderValue::U8(value) => to.extend([b'B', *value]),
        HeaderValue::I16(value) => put_number(to, b's', &value.to_be_bytes()),
        HeaderValue::U16(value) => put_number(to, b'u', &value.to_be_bytes()),
        HeaderValue::I32(value) => put_number(to, b'I', &value.to_be_bytes()),
        HeaderValue::U32(value) => put_number(to, b'i', &value.to_be_bytes()),
        HeaderValue::I64(value) => put_number(to, b'l', &value.to_be_bytes()),
        HeaderValue::F32(bits) => put_number(to, b'f', &bits.to_be_bytes()),
        HeaderValue::F64(bits) => put_number(to, b'd', &bits.to_be_bytes()),
        HeaderValue::Decimal { scale, value } => {
            to.extend([b'D', *scale]);
            to.u32(*value);
        }
        HeaderValue::Time(seconds) => put_number(to, b'T', &seconds.to_be_bytes()),
        HeaderValue::List(values) => {
            to.u8(b'A');
            let depth = self::deeper(depth).map_err(deeper)?;
            put_sized(to, |to| values.iter().try_for_each(|value| put_value(to, value, depth)))?;
        }
        HeaderValue::Table(entries) => {
            to.u8(b'F');
            put_table(to, entries, self::deeper(depth).map_err(deeper)?)?;
        }
    }
    Ok(())
}

fn put_number(to: &mut Vec<u8>, kind: u8, bytes: &[u8]) {
    to.u8(kind);
    to.extend(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(bytes: &[u8]) -> Vec<(String, HeaderValue)> {
        let mut sized = Vec::new();
        sized.long(bytes);
        Input(&sized).headers().unwrap()
    }

    fn nested(depth: usize) -> HeaderValue {
        (1..depth).fold(HeaderValue::Bool(true), |value, _| HeaderValue::List(vec![value]))
    }

    #[test]
    fn headers_come_back_as_they_were_as_deep_as_they_may_be() {
        let headers = vec![("b".to_owned(), nested(DEPTH_MAX)), ("a".to_owned(), HeaderValue::Void)];
        let mut bytes = Vec::new();
        bytes.headers(&headers).unwrap();
        assert_eq!(Input(&bytes).headers().unwrap(), headers);
        assert!(bytes.headers(&[("b".to_owned(), nested(DEPTH_MAX + 1))]).is_err());
        assert!(bytes.headers(&[("b".repeat(256), HeaderValue::Void)]).is_err());
    }

    #[test]
    fn headers_that_cannot_be_decoded_are_kept_as_bytes() {
        let kept = |bytes: &[u8]| {
            let raw = HeaderValue::Binary(Bytes(bytes.to_vec()));
            decoded(bytes) == [(RAW_HEADERS.to_owned(), raw)]
        };
        assert!(kept(b"\x01a?"), "a type that is unknown");
        assert!(kept(b"\x01at"), "an end in the middle");
        let mut levels = Vec::new();
        for left in (0..20_000_u32).rev() {
            levels.u8(b'A');
            levels.u32(left * 5);
        }
        assert!(kept(&[b"\x01a", &levels[..]].concat()), "no stack is deep enough");
    }

    #[test]
    fn a_name_that_is_no_text_is_escaped() {
        assert_eq!(decoded(b"\x02\xffaV"), [("\\xffa".to_owned(), HeaderValue::Void)]);
    }
}
