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
use tradewind_events::Timestamp;
use x509_cert::{Certificate, der::Decode, time::Time};

use crate::config::Config;

/// Why the files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("tls_certificate: {path} cannot be read as a PEM certificate chain: {error}")]
    Certificate { path: String, error: pem::Error },
    #[error("tls_certificate: {path} contains no certificate")]
    NoCertificate { path: String },
    #[error("tls_key: {path} cannot be read as a PEM private key: {error}")]
    Key { path: String, error: pem::Error },
    #[error("the certificate {certificate} and the key {key} cannot be used together: {error}")]
    Unusable { certificate: String, key: String, error: rustls::Error },
}

/// What accepts TLS connections.
pub struct Tls {
    pub acceptor: TlsAcceptor,
    /// From when until when the certificate is good, if it says so in a form that is known here.
    validity: Option<(Timestamp, Timestamp)>,
}

impl Tls {
    /// Reads the files; `None` when the configuration names no certificate.
    pub fn of(config: &Config) -> Result<Option<Self>, TlsError> {
        let (Some(certificate), Some(key)) = (&config.tls_certificate, &config.tls_key) else { return Ok(None) };
        let shown = |path: &Path| path.display().to_string();
        let unread = |error| TlsError::Certificate { path: shown(certificate), error };
        let chain: Vec<_> =
            CertificateDer::pem_file_iter(certificate).map_err(unread)?.collect::<Result<_, _>>().map_err(unread)?;
        let first = chain.first().ok_or_else(|| TlsError::NoCertificate { path: shown(certificate) })?;
        let validity = validity(first);
        let private = PrivateKeyDer::from_pem_file(key).map_err(|error| TlsError::Key { path: shown(key), error })?;
        let provider = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let server = provider
            .with_safe_default_protocol_versions()
            .and_then(|server| server.with_no_client_auth().with_single_cert(chain, private));
        let unusable = |error| TlsError::Unusable { certificate: shown(certificate), key: shown(key), error };
        let mut server = server.map_err(unusable)?;
        server.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Some(Self { acceptor: TlsAcceptor::from(Arc::new(server)), validity }))
    }

    /// When the certificate expires.
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.validity.map(|(_, until)| until)
    }

    /// Says in the log that clients will refuse the certificate. That is no reason not to start: the clock may be wrong,
    /// and a shop that is restarted at night must not stay down for a certificate that worked in the evening.
    pub fn warn_unless_good(&self, now: Timestamp) {
        match self.validity {
            Some((from, _)) if now < from => {
                tracing::warn!(not_before = %from, "the TLS certificate is not valid yet: clients refuse it");
            }
            Some((_, until)) if now >= until => {
                tracing::warn!(not_after = %until, "the TLS certificate has expired: clients refuse it");
            }
            Some((_, until)) => tracing::info!(not_after = %until, "the TLS certificate is valid"),
            None => tracing::warn!("the validity of the TLS certificate cannot be read"),
        }
    }
}

fn validity(certificate: &CertificateDer<'_>) -> Option<(Timestamp, Timestamp)> {
    let certificate = Certificate::from_der(certificate).ok()?;
    let validity = certificate.tbs_certificate().validity();
    let at = |time: Time| {
        let seconds = i64::try_from(time.to_unix_duration().as_secs()).ok()?;
        Some(Timestamp::from_millis(seconds.checked_mul(1_000)?))
    };
    Some((at(validity.not_before)?, at(validity.not_after)?))
}
