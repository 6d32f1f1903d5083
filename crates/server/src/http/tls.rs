//! TLS, with the certificate and the key that the configuration names.

use std::{path::Path, sync::Arc};

use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        self, ServerConfig,
        crypto::ring,
        pki_types::{
            CertificateDer, PrivateKeyDer,
            pem::{self, PemObject},
        },
    },
};

use crate::config::Config;

#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("the certificate {path} cannot be read: {error}")]
    Certificate { path: String, error: pem::Error },
    #[error("the private key {path} cannot be read: {error}")]
    Key { path: String, error: pem::Error },
    #[error("the certificate and its key cannot be used: {0}")]
    Unusable(#[from] rustls::Error),
}

/// Accepts TLS connections; `None` when the configuration names no certificate.
pub fn acceptor(config: &Config) -> Result<Option<TlsAcceptor>, TlsError> {
    let (Some(certificate), Some(key)) = (&config.tls_certificate, &config.tls_key) else { return Ok(None) };
    let shown = |path: &Path| path.display().to_string();
    let unread = |error| TlsError::Certificate { path: shown(certificate), error };
    let chain: Vec<_> =
        CertificateDer::pem_file_iter(certificate).map_err(unread)?.collect::<Result<_, _>>().map_err(unread)?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(|error| TlsError::Key { path: shown(key), error })?;
    let mut server = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    server.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Some(TlsAcceptor::from(Arc::new(server))))
}
