//! TLS with a certificate of a test.

use std::{path::Path, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
    },
};

use crate::{client::Client, world::World};

pub fn fixture(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name).display().to_string()
}

fn connector() -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(fixture("certificate.pem")).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

#[tokio::test]
async fn a_shop_with_a_certificate_speaks_tls_and_nothing_else() {
    let (certificate, key) = (fixture("certificate.pem"), fixture("key.pem"));
    let world = World::with(&[("tls_certificate", &certificate), ("tls_key", &key)]).await;
    let stream = TcpStream::connect(world.app.address()).await.unwrap();
    let stream = connector().connect(ServerName::try_from("localhost").unwrap(), stream).await.unwrap();
    world.anonymous().request("GET", "/healthz").send_over(stream).await.expect(200);
    let mut plain = TcpStream::connect(world.app.address()).await.unwrap();
    plain.write_all(b"GET /healthz HTTP/1.1\r\nHost: shop\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    drop(plain.read_to_end(&mut answer).await);
    assert!(!answer.starts_with(b"HTTP"));
}

#[tokio::test]
async fn the_figures_tell_when_the_certificate_expires() {
    let (certificate, key) = (fixture("expired.pem"), fixture("key.pem"));
    let settings = [("tls_certificate", &*certificate), ("tls_key", &key), ("probe_listen", "127.0.0.1:0")];
    let world = World::with(&settings).await;
    let figures = Client::new(world.app.probe_address().unwrap()).get("/metrics").await.expect(200);
    assert!(figures.text().contains("tradewind_tls_certificate_expiry_timestamp_seconds 1609459200\n"));
}

#[tokio::test]
async fn a_client_that_does_not_finish_its_head_is_hung_up_on() {
    let world = World::with(&[("head_timeout", "200ms")]).await;
    let mut slow = TcpStream::connect(world.app.address()).await.unwrap();
    slow.write_all(b"GET /healthz HTTP/1.1\r\nHo").await.unwrap();
    let mut answer = Vec::new();
    let ended = timeout(Duration::from_secs(5), slow.read_to_end(&mut answer)).await;
    assert!(ended.is_ok(), "the connection is still open");
}
