//! AMQP 0-9-1 as bytes: frames, methods and the content of messages. No I/O, and no decision.

mod codec;
mod content;
mod method;

pub use codec::{Malformed, Uncarried};
pub use content::{decode, encode};
pub use method::{
    Close, Login, Method, ack, bind_queue, channel_close_ok, channel_open, close, close_ok, confirm_select, consume,
    declare_exchange, declare_queue, flow_ok, open, publish, qos, start_ok, tune_ok,
};

use codec::Input;

/// What a client sends first.
pub const PROTOCOL_HEADER: &[u8] = b"AMQP\x00\x00\x09\x01";

/// A frame that says nothing but that its sender is there.
pub const HEARTBEAT: &[u8] = &[8, 0, 0, 0, 0, 0, 0, FRAME_END];

/// The largest frame that we accept, and RabbitMQ's default, in bytes.
pub const FRAME_BYTES_MAX: u32 = 131_072;

/// What every server accepts, in bytes.
pub const FRAME_BYTES_MIN: u32 = 4_096;

/// What a frame has beside its payload, in bytes.
pub const FRAME_EXTRA_BYTES: usize = 8;

const FRAME_END: u8 = 0xCE;

/// The one channel of a connection.
const CHANNEL: u16 = 1;

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameKind {
    Method,
    Header,
    Body,
    Heartbeat,
}

/// A frame of the server.
pub struct Frame<'a> {
    pub kind: FrameKind,
    pub payload: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The first frame of these bytes, and how many of them it has; none if it is not complete.
    pub fn first(bytes: &'a [u8]) -> Result<Option<(Self, usize)>, Malformed> {
        let mut input = Input(bytes);
        let Ok(header) = input.bytes(7) else {
            // A server of another protocol version answers with the header of its own.
            return if bytes.starts_with(b"AMQP") { Err(Malformed("AMQP 0-9-1")) } else { Ok(None) };
        };
        let mut header = Input(header);
        let (kind, _channel, size) = (header.u8()?, header.u16()?, header.u32()?);
        let kind = match kind {
            1 => FrameKind::Method,
            2 => FrameKind::Header,
            3 => FrameKind::Body,
            8 => FrameKind::Heartbeat,
            _ => return Err(Malformed("a frame of AMQP 0-9-1")),
        };
        if size > FRAME_BYTES_MAX {
            return Err(Malformed("a frame of at most 131072 bytes"));
        }
        let (Ok(payload), Ok(end)) = (input.bytes(size as usize), input.u8()) else { return Ok(None) };
        if end != FRAME_END {
            return Err(Malformed("the end of a frame"));
        }
        Ok(Some((Self { kind, payload }, bytes.len() - input.0.len())))
    }
}

/// Appends a frame whose payload `put` writes.
fn put_frame(to: &mut Vec<u8>, kind: u8, channel: u16, put: impl FnOnce(&mut Vec<u8>)) {
    use codec::Output;

    to.u8(kind);
    to.u16(channel);
    let at = to.len();
    to.u32(0);
    put(to);
    // Methods have short arguments, and contents are cut into frames.
    let size = u32::try_from(to.len() - at - 4).unwrap_or(u32::MAX);
    to[at..at + 4].copy_from_slice(&size.to_be_bytes());
    to.u8(FRAME_END);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_read_when_it_is_complete() {
        let bytes = [&[1, 0, 1, 0, 0, 0, 2, 7, 8, FRAME_END][..], HEARTBEAT].concat();
        for part in 0..10 {
            assert!(matches!(Frame::first(&bytes[..part]), Ok(None)), "{part}");
        }
        let (frame, length) = Frame::first(&bytes).unwrap().unwrap();
        assert_eq!((frame.kind, frame.payload, length), (FrameKind::Method, &[7, 8][..], 10));
        assert_eq!(Frame::first(&bytes[10..]).unwrap().unwrap().0.kind, FrameKind::Heartbeat);
    }

    #[test]
    fn what_is_no_frame_is_an_error_and_no_wait() {
        for bytes in
            [&b"HTTP/1.1"[..], b"AMQP\x00\x01\x00\x00", &[1, 0, 0, 0, 0, 0, 0, 0], &[1, 0, 0, 0xFF, 0, 0, 0, 0]]
        {
            assert!(Frame::first(bytes).is_err(), "{bytes:?}");
        }
        assert!(Frame::first(b"AMQP").is_err());
    }
}
