//! Methods: what the server says, and what we ask for. Their numbers and arguments are those of
//! <https://www.rabbitmq.com/resources/specs/amqp0-9-1.extended.xml>.

use tradewind_engine::ports::{Bytes, HeaderValue};

use super::{
    CHANNEL,
    codec::{Input, Malformed, Output, Uncarried},
    put_frame,
};

/// A method of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Method {
    Start,
    Tune { frame_bytes_max: u32, heartbeat: u16 },
    OpenOk,
    Close(Close),
    CloseOk,
    Blocked { reason: String },
    Unblocked,
    ChannelOpenOk,
    ChannelFlow { active: bool },
    ChannelClose(Close),
    ExchangeDeclareOk,
    QueueDeclareOk { messages: u32, consumers: u32 },
    QueueBindOk,
    QosOk,
    ConsumeOk,
    Cancel,
    Return { code: u16, text: String, exchange: String, routing_key: String },
    Deliver { tag: u64, exchange: String, routing_key: String },
    Ack { tag: u64, multiple: bool },
    Nack { tag: u64, multiple: bool },
    ConfirmSelectOk,
}

/// Why the server closes a connection or a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Close {
    pub code: u16,
    pub text: String,
}

/// Who logs in.
pub struct Login<'a> {
    pub user: &'a str,
    pub password: &'a str,
    /// As the server lists the connection.
    pub name: &'a str,
}

impl Method {
    pub fn decode(payload: &[u8]) -> Result<Self, Malformed> {
        let mut input = Input(payload);
        Ok(match (input.u16()?, input.u16()?) {
            (10, 10) => Self::Start,
            (10, 30) => {
                let _channels = input.u16()?;
                Self::Tune { frame_bytes_max: input.u32()?, heartbeat: input.u16()? }
            }
            (10, 41) => Self::OpenOk,
            (10, 50) => Self::Close(Close::decode(&mut input)?),
            (10, 51) => Self::CloseOk,
            (10, 60) => Self::Blocked { reason: input.short()? },
            (10, 61) => Self::Unblocked,
            (20, 11) => Self::ChannelOpenOk,
            (20, 20) => Self::ChannelFlow { active: input.u8()? & 1 == 1 },
            (20, 40) => Self::ChannelClose(Close::decode(&mut input)?),
            (40, 11) => Self::ExchangeDeclareOk,
            (50, 11) => {
                let _queue = input.short()?;
                Self::QueueDeclareOk { messages: input.u32()?, consumers: input.u32()? }
            }
            (50, 21) => Self::QueueBindOk,
            (60, 11) => Self::QosOk,
            (60, 21) => Self::ConsumeOk,
            (60, 30) => Self::Cancel,
            (60, 50) => {
                let (code, text) = (input.u16()?, input.short()?);
                Self::Return { code, text, exchange: input.short()?, routing_key: input.short()? }
            }
            (60, 60) => {
                let _consumer = input.short()?;
                let (tag, _redelivered) = (input.u64()?, input.u8()?);
                Self::Deliver { tag, exchange: input.short()?, routing_key: input.short()? }
            }
            (60, 80) => Self::Ack { tag: input.u64()?, multiple: input.u8()? & 1 == 1 },
            (60, 120) => Self::Nack { tag: input.u64()?, multiple: input.u8()? & 1 == 1 },
            (85, 11) => Self::ConfirmSelectOk,
            _ => return Err(Malformed("a known method")),
        })
    }
}

impl Close {
    fn decode(input: &mut Input) -> Result<Self, Malformed> {
        Ok(Self { code: input.u16()?, text: input.short()? })
    }
}

fn method(channel: u16, class: u16, number: u16, put: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    put_frame(&mut bytes, 1, channel, |payload| {
        payload.u16(class);
        payload.u16(number);
        put(payload);
    });
    bytes
}

/// A method whose arguments may not fit.
fn checked(
    channel: u16,
    (class, number): (u16, u16),
    put: impl FnOnce(&mut Vec<u8>) -> Result<(), Uncarried>,
) -> Result<Vec<u8>, Uncarried> {
    let mut outcome = Ok(());
    let bytes = method(channel, class, number, |payload| outcome = put(payload));
    outcome.map(|()| bytes)
}

pub fn start_ok(login: &Login) -> Result<Vec<u8>, Uncarried> {
    let text = |text: &str| HeaderValue::Text(Bytes::from(text));
    let able = ["authentication_failure_close", "basic.nack", "connection.blocked", "consumer_cancel_notify"]
        .map(|name| (name.to_owned(), HeaderValue::Bool(true)));
    let properties = [
        ("product".to_owned(), text("Tradewind")),
        ("version".to_owned(), text(env!("CARGO_PKG_VERSION"))),
        ("connection_name".to_owned(), text(login.name)),
        ("capabilities".to_owned(), HeaderValue::Table(able.to_vec())),
    ];
    checked(0, (10, 11), |payload| {
        payload.headers(&properties)?;
        payload.short("PLAIN", "the mechanism")?;
        payload.long(&[b"\0", login.user.as_bytes(), b"\0", login.password.as_bytes()].concat());
        payload.short("en_US", "the locale")
    })
}

/// One channel is enough.
pub fn tune_ok(frame_bytes_max: u32, heartbeat: u16) -> Vec<u8> {
    method(0, 10, 31, |payload| {
        payload.u16(CHANNEL);
        payload.u32(frame_bytes_max);
        payload.u16(heartbeat);
    })
}

pub fn open(vhost: &str) -> Result<Vec<u8>, Uncarried> {
    checked(0, (10, 40), |payload| {
        payload.short(vhost, "the virtual host")?;
        payload.extend([0, 0]);
        Ok(())
    })
}

pub fn close() -> Vec<u8> {
    method(0, 10, 50, |payload| {
        payload.u16(200);
        // No text, and no method that was at fault.
        payload.extend([0; 5]);
    })
}

pub fn close_ok() -> Vec<u8> {
    method(0, 10, 51, |_| {})
}

pub fn channel_open() -> Vec<u8> {
    method(CHANNEL, 20, 10, |payload| payload.u8(0))
}

pub fn flow_ok(active: bool) -> Vec<u8> {
    method(CHANNEL, 20, 21, |payload| payload.u8(u8::from(active)))
}

pub fn channel_close_ok() -> Vec<u8> {
    method(CHANNEL, 20, 41, |_| {})
}

/// Declares a durable topic exchange.
pub fn declare_exchange(name: &str) -> Result<Vec<u8>, Uncarried> {
    checked(CHANNEL, (40, 10), |payload| {
        payload.u16(0);
        payload.short(name, "the name of an exchange")?;
        payload.short("topic", "the type")?;
        payload.u8(0b0000_0010);
        payload.headers(&[])
    })
}

/// Declares a durable queue with these arguments.
pub fn declare_queue(name: &str, arguments: &[(String, HeaderValue)]) -> Result<Vec<u8>, Uncarried> {
    checked(CHANNEL, (50, 10), |payload| {
        payload.u16(0);
        payload.short(name, "the name of a queue")?;
        payload.u8(0b0000_0010);
        payload.headers(arguments)
    })
}

pub fn bind_queue(queue: &str, exchange: &str, routing_key: &str) -> Result<Vec<u8>, Uncarried> {
    checked(CHANNEL, (50, 20), |payload| {
        payload.u16(0);
        payload.short(queue, "the name of a queue")?;
        payload.short(exchange, "the name of an exchange")?;
        payload.short(routing_key, "the routing key")?;
        payload.u8(0);
        payload.headers(&[])
    })
}

/// So many messages may be out at a time.
pub fn qos(prefetch: u16) -> Vec<u8> {
    method(CHANNEL, 60, 10, |payload| {
        payload.u32(0);
        payload.u16(prefetch);
        payload.u8(0);
    })
}

/// The server chooses the name of the consumer.
pub fn consume(queue: &str) -> Result<Vec<u8>, Uncarried> {
    checked(CHANNEL, (60, 20), |payload| {
        payload.u16(0);
        payload.short(queue, "the name of a queue")?;
        payload.extend([0, 0]);
        payload.headers(&[])
    })
}

/// The method before the content of a message.
pub fn publish(exchange: &str, routing_key: &str, mandatory: bool) -> Result<Vec<u8>, Uncarried> {
    checked(CHANNEL, (60, 40), |payload| {
        payload.u16(0);
        payload.short(exchange, "the topic")?;
        payload.short(routing_key, "the routing key")?;
        payload.u8(u8::from(mandatory));
        Ok(())
    })
}

pub fn ack(tag: u64, multiple: bool) -> Vec<u8> {
    method(CHANNEL, 60, 80, |payload| {
        payload.u64(tag);
        payload.u8(u8::from(multiple));
    })
}

pub fn confirm_select() -> Vec<u8> {
    method(CHANNEL, 85, 10, |payload| payload.u8(0))
}
