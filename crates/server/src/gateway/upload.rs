//! The body of a request on its way to a peer. It streams; its beginning is kept, so that a small request can be sent
//! once more when the connection to the peer broke.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};

/// A request with a larger body is not sent twice, in bytes.
pub const REPEATED_BYTES_MAX: usize = 64 * 1024;

/// The body as it comes from the client. Clones share it.
#[derive(Clone)]
pub struct Upload(Arc<Mutex<State>>);

struct State {
    body: Incoming,
    /// As the client announced it.
    length: Option<u64>,
    /// Everything that came so far, unless that is too much.
    kept: Vec<Bytes>,
    kept_bytes: usize,
    is_too_large: bool,
    is_over: bool,
    /// The client broke off.
    is_broken: bool,
}

/// The body of a request to a peer.
pub enum Outgoing {
    Empty,
    /// All of it is here.
    Whole(Option<Bytes>),
    Streamed {
        upload: Upload,
        /// The piece that is next.
        next: usize,
        sent_bytes: u64,
    },
}

/// The client broke off. Hyper ends the connection to the peer with this error.
#[derive(Debug, thiserror::Error)]
#[error("the body of the request ended too early")]
pub struct BrokenOff;

impl Upload {
    /// The body of a request; `None` for a request without one.
    pub fn of(body: Incoming) -> Option<Self> {
        if body.is_end_stream() {
            return None;
        }
        let length = body.size_hint().exact();
        Some(Self(Arc::new(Mutex::new(State {
            body,
            length,
            kept: Vec::new(),
            kept_bytes: 0,
            is_too_large: false,
            is_over: false,
            is_broken: false,
        }))))
    }

    /// The body, from its beginning. To be called again only if [`Self::can_repeat`].
    pub fn outgoing(&self) -> Outgoing {
        Outgoing::Streamed { upload: self.clone(), next: 0, sent_bytes: 0 }
    }

    /// What was taken of it is still there.
    pub fn can_repeat(&self) -> bool {
        let state = self.lock();
        !state.is_too_large && !state.is_broken
    }

    /// The client broke off.
    pub fn is_broken(&self) -> bool {
        self.lock().is_broken
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The next piece that the client sends.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BrokenOff>>> {
        while !self.is_over {
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                None => self.is_over = true,
                Some(Err(_)) => {
                    self.is_broken = true;
                    return Poll::Ready(Some(Err(BrokenOff)));
                }
                // Nothing in the shop takes trailers.
                Some(Ok(frame)) => {
                    if let Ok(piece) = frame.into_data() {
                        self.keep(&piece);
                        return Poll::Ready(Some(Ok(piece)));
                    }
                }
            }
        }
        Poll::Ready(None)
    }

    fn keep(&mut self, piece: &Bytes) {
        self.kept_bytes = self.kept_bytes.saturating_add(piece.len());
        if self.is_too_large || self.kept_bytes > REPEATED_BYTES_MAX {
            self.is_too_large = true;
            self.kept = Vec::new();
        } else {
            self.kept.push(piece.clone());
        }
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        let (upload, next, sent_bytes) = match &mut *self {
            Self::Empty => return Poll::Ready(None),
            Self::Whole(bytes) => return Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Streamed { upload, next, sent_bytes } => (upload, next, sent_bytes),
        };
        let mut state = upload.lock();
        let piece = match state.kept.get(*next).cloned() {
            Some(piece) => Some(Ok(piece)),
            None => ready!(state.poll_piece(cx)),
        };
        let Some(piece) = piece else { return Poll::Ready(None) };
        *next += 1;
        if let Ok(piece) = &piece {
            *sent_bytes += piece.len() as u64;
        }
        Poll::Ready(Some(piece.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Whole(bytes) => bytes.is_none(),
            Self::Streamed { upload, next, sent_bytes } => {
                let state = upload.lock();
                state.length == Some(*sent_bytes) || (state.is_over && *next >= state.kept.len())
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Self::Streamed { upload, sent_bytes, .. } => match upload.lock().length {
                Some(length) => SizeHint::with_exact(length.saturating_sub(*sent_bytes)),
                None => SizeHint::default(),
            },
        }
    }
}
