//! From connections to requests: accepting, TLS, time limits, and a stop that finishes what it has begun.

use std::{io, net::SocketAddr, sync::Arc};

use axum::{Router, body::Body, extract::Request};
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::{GracefulShutdown, Watcher},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;

use super::{address::client, edge};
use crate::{shop::Shop, tasks::Stopping};

/// A listener with what answers on it.
pub struct Server {
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    shop: Shop,
    router: Router,
}

/// What every connection needs.
#[derive(Clone)]
struct Connections {
    shop: Shop,
    router: Router,
    tls: Option<TlsAcceptor>,
}

impl Server {
    /// Answers what comes to a listener. Nothing is answered yet.
    pub fn new(listener: TcpListener, tls: Option<TlsAcceptor>, shop: Shop, router: Router) -> Self {
        Self { listener, tls, shop, router }
    }

    /// Serves until the shop stops; then takes no more connections and finishes the requests that are being answered.
    pub async fn run(self, stopping: Stopping) {
        let config = Arc::clone(&self.shop.config);
        let room = Arc::new(Semaphore::new(config.connections_max));
        let graceful = GracefulShutdown::new();
        let connections = Connections { shop: self.shop, router: self.router, tls: self.tls };
        let mut open = JoinSet::new();
        loop {
            while open.try_join_next().is_some() {}
            let accepted = tokio::select! {
                accepted = accept(&self.listener, &room) => accepted,
                () = stopping.stopped() => break,
            };
            match accepted {
                Ok((stream, peer, permit)) => {
                    let (connections, watcher) = (connections.clone(), graceful.watcher());
                    open.spawn(async move {
                        connections.serve(stream, peer, watcher).await;
                        drop(permit);
                    });
                }
                Err(error) => {
                    // No file descriptor is left, or the client is gone already: others may still come.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::task::yield_now().await;
                }
            }
        }
        drop(self.listener);
        if timeout(config.shutdown_grace, graceful.shutdown()).await.is_err() {
            tracing::warn!("some requests were not finished in time");
        }
    }
}

type Accepted = (TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit);

/// The next connection, as soon as there is room for it.
async fn accept(listener: &TcpListener, room: &Arc<Semaphore>) -> io::Result<Accepted> {
    let permit = Arc::clone(room).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, peer, permit))
}

impl Connections {
    async fn serve(self, stream: TcpStream, peer: SocketAddr, watcher: Watcher) {
        let Some(tls) = &self.tls else { return self.answer(stream, peer, watcher).await };
        match timeout(self.shop.config.head_timeout, tls.accept(stream)).await {
            Ok(Ok(stream)) => self.answer(stream, peer, watcher).await,
            Ok(Err(error)) => tracing::debug!(%error, "a TLS connection could not be opened"),
            Err(_) => tracing::debug!("a TLS connection was not opened in time"),
        }
    }

    async fn answer(
        self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        peer: SocketAddr,
        watcher: Watcher,
    ) {
        let head_timeout = self.shop.config.head_timeout;
        let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
            let mut request: Request = request.map(Body::new);
            let client = client(peer.ip(), request.headers(), &self.shop.config.trusted_proxies);
            request.extensions_mut().insert(client);
            edge::answer(self.shop.clone(), self.router.clone(), request)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(head_timeout)
            .serve_connection(TokioIo::new(stream), service);
        if let Err(error) = watcher.watch(connection).await {
            tracing::debug!(%error, "a connection has ended");
        }
    }
}
