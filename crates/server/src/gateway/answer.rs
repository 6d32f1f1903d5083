//! The body of an answer on its way from a peer to the client. It streams: nothing of it is kept. A small body that has
//! come with its head is taken whole, so that its connection is free at once.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::body::Body;
use futures_util::{FutureExt, future::BoxFuture};
use hyper::body::{Body as HttpBody, Bytes, Frame, Incoming, SizeHint};
use tokio::time::{Sleep, sleep};

use super::peer::{Connection, Peer};
use crate::{http::Place, tasks::Stopping};

/// Why an answer breaks off.
#[derive(Debug, thiserror::Error)]
pub enum Cut {
    #[error("the peer broke off: {0}")]
    Peer(hyper::Error),
    #[error("the peer sent nothing for too long")]
    Pause,
}

/// A body that is still on its way.
pub struct Download {
    /// The first piece, which came with the head.
    first: Option<Bytes>,
    body: Incoming,
    connection: Option<Connection>,
    peer: Arc<Peer>,
    pause_max: Duration,
    /// Runs while the next piece is waited for.
    pause: Option<Pin<Box<Sleep>>>,
    stopped: Option<BoxFuture<'static, ()>>,
    _place: Option<Place>,
}

/// The body of an answer, and the connection that it comes over.
pub struct Arriving {
    pub body: Incoming,
    pub connection: Connection,
    pub peer: Arc<Peer>,
    /// The client's place among the requests, waits or streams.
    pub place: Option<Place>,
    /// The longest pause between two pieces.
    pub pause_max: Duration,
    /// A stream ends when the gateway stops; the client goes on with it elsewhere.
    pub ends_with: Option<Stopping>,
}

impl Arriving {
    /// The body as it goes to the client.
    pub async fn pass_on(self) -> Body {
        let Self { mut body, mut connection, peer, place, pause_max, ends_with } = self;
        if body.is_end_stream() {
            peer.give_back(connection);
            return Body::empty();
        }
        let first = poll_fn(|cx| Poll::Ready(poll_piece(&mut body, Some(&mut connection), cx))).await;
        let first = match first {
            Poll::Ready(None) => {
                peer.give_back(connection);
                return Body::empty();
            }
            Poll::Ready(Some(Ok(piece))) if body.is_end_stream() => {
                peer.give_back(connection);
                return Body::from(piece);
            }
            Poll::Ready(Some(Ok(piece))) => Some(piece),
            // What is wrong with it is found again when the body is read on.
            Poll::Ready(Some(Err(_))) | Poll::Pending => None,
        };
        let connection = Some(connection);
        let stopped = ends_with.map(|stopping| async move { stopping.stopped().await }.boxed());
        Body::new(Download { first, body, connection, peer, pause_max, pause: None, stopped, _place: place })
    }

    /// The whole body; `None` if it has more than so many bytes.
    pub async fn whole(self, bytes_max: usize) -> Result<Option<Bytes>, Cut> {
        let Self { mut body, mut connection, peer, place: _place, pause_max, .. } = self;
        let mut whole = Vec::new();
        loop {
            let piece = poll_fn(|cx| poll_piece(&mut body, Some(&mut connection), cx));
            match tokio::time::timeout(pause_max, piece).await.map_err(|_| Cut::Pause)? {
                None => break,
                Some(piece) => whole.extend_from_slice(&piece.map_err(Cut::Peer)?),
            }
            if whole.len() > bytes_max {
                return Ok(None);
            }
        }
        peer.give_back(connection);
        Ok(Some(whole.into()))
    }
}

/// The next piece of a body. The connection moves only while its body is waited for: asked first, it knows that it may
/// read; asked again, it has read.
fn poll_piece(
    body: &mut Incoming,
    mut connection: Option<&mut Connection>,
    cx: &mut Context<'_>,
) -> Poll<Option<hyper::Result<Bytes>>> {
    loop {
        let mut polled = Pin::new(&mut *body).poll_frame(cx);
        if polled.is_pending()
            && let Some(connection) = &mut connection
        {
            connection.drive(cx);
            polled = Pin::new(&mut *body).poll_frame(cx);
        }
        match polled {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
            Poll::Ready(Some(Ok(frame))) => {
                // A shop sends no trailers.
                if let Ok(piece) = frame.into_data() {
                    return Poll::Ready(Some(Ok(piece)));
                }
            }
        }
    }
}

impl Download {
    /// Nothing has come. That is right for a while.
    #[expect(clippy::disallowed_methods, reason = "a peer that hangs must not hold its client for ever")]
    fn poll_pause(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let pause_max = self.pause_max;
        self.pause.get_or_insert_with(|| Box::pin(sleep(pause_max))).as_mut().poll(cx)
    }

    fn end(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.peer.give_back(connection);
        }
    }

    fn cut(&mut self, cut: Cut) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        self.connection = None;
        self.peer.figures.cut();
        tracing::warn!(peer = %self.peer.name, %cut, "an answer broke off");
        Poll::Ready(Some(Err(cut)))
    }
}

impl HttpBody for Download {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let this = &mut *self;
        if let Some(first) = this.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        if this.stopped.as_mut().is_some_and(|stopped| stopped.poll_unpin(cx).is_ready()) {
            this.connection = None;
            return Poll::Ready(None);
        }
        match poll_piece(&mut this.body, this.connection.as_mut(), cx) {
            Poll::Ready(None) => {
                this.end();
                Poll::Ready(None)
            }
            Poll::Ready(Some(Ok(piece))) => {
                this.pause = None;
                if this.body.is_end_stream() {
                    this.end();
                }
                Poll::Ready(Some(Ok(Frame::data(piece))))
            }
            Poll::Ready(Some(Err(error))) => this.cut(Cut::Peer(error)),
            Poll::Pending => match this.poll_pause(cx) {
                Poll::Ready(()) => this.cut(Cut::Pause),
                Poll::Pending => Poll::Pending,
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (first, rest) = (self.first.as_ref().map_or(0, Bytes::len) as u64, self.body.size_hint());
        match rest.exact() {
            Some(rest) => SizeHint::with_exact(first + rest),
            None => SizeHint::default(),
        }
    }
}
