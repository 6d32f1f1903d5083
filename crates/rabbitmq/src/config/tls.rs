//! TLS: which certificates are trusted.

use std::{io, path::Path, sync::Arc};

use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
    },
};

use super::ConfigError;

/// The authorities that a connection trusts. Clones share them.
#[derive(Clone)]
pub struct Trust(TlsConnector);

impl Trust {
    /// What the system trusts, and the authorities of this file.
    pub fn new(ca_file: Option<&Path>) -> Result<Self, ConfigError> {
        let mut roots = RootCertStore::empty();
        // Some systems have one that cannot be read among many that can.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if let Some(path) = ca_file {
            let failed = |reason: String| ConfigError::CaFile { path: path.to_owned(), reason };
            let certificates = CertificateDer::pem_file_iter(path).map_err(|error| failed(error.to_string()))?;
            let mut some = false;
            for certificate in certificates {
                let certificate = certificate.map_err(|error| failed(error.to_string()))?;
                roots.add(certificate).map_err(|error| failed(error.to_string()))?;
                some = true;
            }
            if !some {
                return Err(failed("it has no certificate in PEM".to_owned()));
            }
        }
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| ConfigError::Tls(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }

    pub async fn connect(&self, host: &str, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        self.0.connect(name, stream).await
    }
}
