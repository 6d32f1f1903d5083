//! What the server has sent and nobody has taken yet.

use std::{collections::VecDeque, time::Instant};

use tradewind_engine::ports::BrokerMessage;

use super::Fault;
use crate::clock::now;
use crate::wire::{self, Close, Frame, FrameKind, Malformed, Method};

/// A message that was delivered.
pub struct Delivery {
    pub tag: u64,
    pub message: BrokerMessage,
    /// When it has come.
    pub at: Instant,
}

/// Of one connection.
#[derive(Default)]
pub struct Inbox {
    pub frame_bytes_max: usize,
    /// Answers to calls.
    pub replies: VecDeque<Method>,
    /// Answers for which no caller waits any more.
    skipped: usize,
    pub deliveries: VecDeque<Delivery>,
    delivered_bytes: usize,
    /// The server has ended the consumer, as when its queue was deleted.
    pub cancelled: bool,
    /// Messages that no queue has taken, with the server's reason. They come before their confirms.
    pub returned: Vec<(BrokerMessage, String)>,
    pub confirms: Confirms,
    /// By an alarm, for this reason.
    pub blocked: Option<String>,
    partial: Option<Partial>,
}

/// What became of the messages that were published since [`Confirms::expect`].
#[derive(Default)]
pub struct Confirms {
    /// The tag of the first of them. The server counts what is published on a channel from 1.
    first: u64,
    /// Whether the server has taken it; none while that is not known.
    outcomes: Vec<Option<bool>>,
    /// All before this one are known.
    known: usize,
    /// How many are known.
    pub settled: usize,
}

/// A message of which not all has come.
struct Partial {
    origin: Origin,
    message: BrokerMessage,
    /// None before the header has come.
    body_bytes: Option<u64>,
}

/// Why the server sends a message.
enum Origin {
    Delivered { tag: u64 },
    Returned { reason: String },
}

impl Inbox {
    pub fn delivered_bytes(&self) -> usize {
        self.delivered_bytes
    }

    pub fn take_delivery(&mut self) -> Option<Delivery> {
        let delivery = self.deliveries.pop_front()?;
        self.delivered_bytes -= delivery.message.bytes();
        Some(delivery)
    }

    /// The next answer that comes is of no interest.
    pub fn skip_answer(&mut self) {
        self.skipped += 1;
    }

    pub fn forget_deliveries(&mut self) {
        self.deliveries = VecDeque::new();
        (self.delivered_bytes, self.partial) = (0, None);
    }

    /// Takes a frame, and appends what is answered at once. A connection that is closing keeps no messages. An error is
    /// the end of the connection.
    pub fn take(&mut self, frame: &Frame, out: &mut Vec<u8>, closing: bool) -> Result<(), Fault> {
        let malformed = |Malformed(expected)| Fault::lost(format!("the server does not send {expected}"));
        match frame.kind {
            FrameKind::Heartbeat => {}
            FrameKind::Method => {
                let method = Method::decode(frame.payload).map_err(malformed)?;
                self.take_method(method, out)?;
            }
            FrameKind::Header => {
                let content = wire::decode(frame.payload).map_err(malformed)?;
                let partial =
                    self.partial.as_mut().ok_or_else(|| malformed(Malformed("a message before its header")))?;
                let BrokerMessage { topic, routing_key, .. } = std::mem::take(&mut partial.message);
                partial.message = BrokerMessage { topic, routing_key, ..content.message };
                partial.body_bytes = Some(content.body_bytes);
                self.complete(closing);
            }
            FrameKind::Body => {
                let partial = self.partial.as_mut().filter(|partial| partial.body_bytes.is_some());
                let partial = partial.ok_or_else(|| malformed(Malformed("a header before the body")))?;
                partial.message.body.get_or_insert_default().extend(frame.payload);
                self.complete(closing);
            }
        }
        Ok(())
    }

    fn take_method(&mut self, method: Method, out: &mut Vec<u8>) -> Result<(), Fault> {
        let closed = |Close { code, text }| Fault { code: Some(code), text };
        match method {
            Method::Close(close) => {
                out.extend(wire::close_ok());
                return Err(closed(close));
            }
            Method::ChannelClose(close) => {
                out.extend([wire::channel_close_ok(), wire::close()].concat());
                return Err(closed(close));
            }
            Method::CloseOk => return Err(Fault::lost("it is closed")),
            Method::Blocked { reason } => self.blocked = Some(reason),
            Method::Unblocked => self.blocked = None,
            Method::ChannelFlow { active } => out.extend(wire::flow_ok(active)),
            // The server waits for no answer.
            Method::Cancel => self.cancelled = true,
            Method::Deliver { tag, exchange, routing_key } => {
                self.begin(Origin::Delivered { tag }, exchange, routing_key);
            }
            Method::Return { code, text, exchange, routing_key } => {
                self.begin(Origin::Returned { reason: format!("{text} ({code})") }, exchange, routing_key);
            }
            Method::Ack { tag, multiple } => self.confirms.settle(tag, multiple, true),
            Method::Nack { tag, multiple } => self.confirms.settle(tag, multiple, false),
            _ if self.skipped > 0 => self.skipped -= 1,
            answer => self.replies.push_back(answer),
        }
        Ok(())
    }

    fn begin(&mut self, origin: Origin, topic: String, routing_key: String) {
        let routing_key = (!routing_key.is_empty()).then_some(routing_key);
        let message = BrokerMessage { topic, routing_key, ..BrokerMessage::default() };
        self.partial = Some(Partial { origin, message, body_bytes: None });
    }

    /// The message is complete when its body is.
    fn complete(&mut self, closing: bool) {
        let is_complete = |partial: &mut Partial| {
            partial.body_bytes.is_some_and(|bytes| partial.message.body().len() as u64 >= bytes)
        };
        let Some(Partial { origin, message, .. }) = self.partial.take_if(is_complete) else { return };
        match origin {
            _ if closing => {}
            Origin::Delivered { tag } => {
                self.delivered_bytes += message.bytes();
                self.deliveries.push_back(Delivery { tag, message, at: now() });
            }
            Origin::Returned { reason } => self.returned.push((message, reason)),
        }
    }
}

impl Confirms {
    /// So many messages are published next.
    pub fn expect(&mut self, messages: usize) {
        let first = (self.first + self.outcomes.len() as u64).max(1);
        *self = Self { first, outcomes: vec![None; messages], known: 0, settled: 0 };
    }

    /// Fewer are published after all.
    pub fn expect_no_more_than(&mut self, messages: usize) {
        self.outcomes.truncate(messages);
    }

    /// How many of the first were taken, without a hole.
    pub fn taken(&self) -> usize {
        self.outcomes.iter().take_while(|outcome| **outcome == Some(true)).count()
    }

    /// Whether the server has refused this one.
    pub fn is_refused(&self, nth: usize) -> bool {
        self.outcomes.get(nth) == Some(&Some(false))
    }

    pub fn are_complete(&self) -> bool {
        self.settled >= self.outcomes.len()
    }

    fn settle(&mut self, tag: u64, multiple: bool, taken: bool) {
        // Confirms of what was published before are of no interest. With a tag of zero it is all that is out.
        let Some(after) = (if tag == 0 { Some(u64::MAX) } else { tag.saturating_add(1).checked_sub(self.first) })
        else {
            return;
        };
        let after = usize::try_from(after).unwrap_or(usize::MAX);
        let range = if multiple { self.known..after.min(self.outcomes.len()) } else { after.saturating_sub(1)..after };
        for outcome in self.outcomes.get_mut(range).unwrap_or_default() {
            if outcome.is_none() {
                *outcome = Some(taken);
                self.settled += 1;
            }
        }
        while self.outcomes.get(self.known).is_some_and(Option::is_some) {
            self.known += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn settled(confirms: &[(u64, bool, bool)]) -> (usize, usize, bool) {
        let mut all = Confirms::default();
        all.expect(3);
        all.expect(4);
        for (tag, multiple, taken) in confirms {
            all.settle(*tag, *multiple, *taken);
        }
        (all.taken(), all.settled, all.are_complete())
    }

    #[test]
    fn confirms_count_without_a_hole_in_whatever_order_they_come() {
        assert_eq!(settled(&[]), (0, 0, false));
        assert_eq!(settled(&[(3, true, true), (1, false, true)]), (0, 0, false), "those of another window");
        assert_eq!(settled(&[(4, false, true), (6, false, true)]), (1, 2, false));
        assert_eq!(settled(&[(6, false, true), (5, true, true), (7, false, true)]), (4, 4, true));
        assert_eq!(settled(&[(7, true, true)]), (4, 4, true));
        assert_eq!(settled(&[(0, true, true)]), (4, 4, true));
        assert_eq!(settled(&[(5, false, false), (7, true, true)]), (1, 4, true), "one is refused");
        assert_eq!(
            settled(&[(4, false, true), (4, false, true), (9, false, true)]),
            (1, 1, false),
            "what was not sent"
        );
    }

    fn header(properties: &[u8], body_bytes: u64) -> Vec<u8> {
        [&[0, 60, 0, 0][..], &body_bytes.to_be_bytes(), properties].concat()
    }

    fn takes(inbox: &mut Inbox, kind: FrameKind, payload: &[u8]) -> Result<(), Fault> {
        inbox.take(&Frame { kind, payload }, &mut Vec::new(), false)
    }

    #[test]
    fn a_message_is_there_when_all_of_it_has_come_and_weighs_until_it_is_taken() {
        let mut inbox = Inbox::default();
        let deliver = [&[0, 60, 0, 60, 1, b'c'][..], &7_u64.to_be_bytes(), b"\0\x01e\x01k"].concat();
        takes(&mut inbox, FrameKind::Method, &deliver).unwrap();
        takes(&mut inbox, FrameKind::Header, &header(&[0, 0], 4)).unwrap();
        takes(&mut inbox, FrameKind::Body, b"bo").unwrap();
        assert!(inbox.take_delivery().is_none());
        takes(&mut inbox, FrameKind::Body, b"dy").unwrap();
        let weight = inbox.delivered_bytes();
        let Delivery { tag, message, .. } = inbox.take_delivery().expect("a message");
        assert_eq!(
            (tag, &*message.topic, message.routing_key.as_deref(), message.body()),
            (7, "e", Some("k"), &b"body"[..])
        );
        assert_eq!((weight, inbox.delivered_bytes()), (message.bytes(), 0));
        assert!(takes(&mut inbox, FrameKind::Body, b"more").is_err(), "of nothing");
    }

    proptest! {
        /// A server that sends nonsense is left, and is no reason to panic.
        #[test]
        fn nonsense_is_an_error_or_nothing(
            frames in vec((0..4_u8, 0..130_u8, 0..130_u8, vec(any::<u8>(), 0..40)), 0..12),
        ) {
            let mut inbox = Inbox::default();
            inbox.confirms.expect(3);
            for (kind, class, number, rest) in frames {
                let payload = [&[0, class, 0, number][..], &rest].concat();
                let kind = [FrameKind::Method, FrameKind::Header, FrameKind::Body, FrameKind::Heartbeat][usize::from(kind)];
                if takes(&mut inbox, kind, &payload).is_err() {
                    break;
                }
                while inbox.take_delivery().is_some() {}
                prop_assert_eq!(inbox.delivered_bytes(), 0);
            }
        }

        #[test]
        fn a_content_of_nonsense_is_an_error_or_a_message(flags in any::<u16>(), rest in vec(any::<u8>(), 0..200)) {
            let properties = [&flags.to_be_bytes()[..], &rest].concat();
            let decoded = wire::decode(&header(&properties, 1));
            prop_assert!(decoded.is_err() || decoded.is_ok_and(|content| content.body_bytes == 1));
        }
    }
}
