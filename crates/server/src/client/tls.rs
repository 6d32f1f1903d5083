//! TLS of the client: which certificates it trusts, and what it says about one that it does not.

use std::{fmt, io, path::Path, sync::Arc};

use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        CertificateError, ClientConfig, Error, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
    },
};

use super::ClientError;

/// The certificates that a client trusts. Clones share them.
#[derive(Clone)]
pub struct Trust(TlsConnector);

/// Without the certificates: there may be hundreds.
impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Trust")
    }
}

impl Trust {
    /// What the system trusts, and the certificates (PEM) in this file.
    pub fn new(ca_file: Option<&Path>) -> Result<Self, ClientError> {
        let mut roots = RootCertStore::empty();
        // Some systems have one that cannot be read among many that can.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if let Some(path) = ca_file {
            let failed = |reason: &dyn std::fmt::Display| ClientError::CaFile {
                path: path.display().to_string(),
                reason: reason.to_string(),
            };
            let certificates = CertificateDer::pem_file_iter(path).map_err(|error| failed(&error))?;
            let certificates: Vec<_> = certificates.collect::<Result<_, _>>().map_err(|error| failed(&error))?;
            if certificates.is_empty() {
                return Err(failed(&"it has no certificate in PEM"));
            }
            for certificate in certificates {
                roots.add(certificate).map_err(|error| failed(&error))?;
            }
        }
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let mut config = config
            .with_safe_default_protocol_versions()
            .map_err(|error| ClientError::Tls { reason: error.to_string() })?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }

    /// Opens TLS on a connection to this host.
    pub async fn connect(&self, host: &str, stream: TcpStream) -> Result<TlsStream<TcpStream>, String> {
        let name = ServerName::try_from(host.to_owned()).map_err(|error| error.to_string())?;
        self.0.connect(name, stream).await.map_err(|error| reason(&error))
    }
}

/// What is wrong, and what to do about it.
fn reason(error: &io::Error) -> String {
    let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) else {
        return match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => {
                format!("it ended the connection while TLS was opened ({error}); does it speak https?")
            }
            _ => error.to_string(),
        };
    };
    match tls {
        Error::InvalidCertificate(wrong) => certificate(wrong),
        Error::InvalidMessage(_) => String::from("it does not speak TLS: use http:// instead of https://"),
        other => other.to_string(),
    }
}

fn certificate(wrong: &CertificateError) -> String {
    match wrong {
        CertificateError::UnknownIssuer => String::from(
            "its certificate is signed by an authority that this machine does not trust: name the certificate of that authority \
             with --ca-file, or with `trusted` in a peers file",
        ),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!("its certificate is for another name ({wrong}): use that name in the URL")
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            format!("its certificate has expired ({wrong})")
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            format!("its certificate is not valid yet ({wrong}): is the clock of this machine right?")
        }
        other => format!(
            "its certificate cannot be trusted ({other}): name one that is with --ca-file, or with `trusted` in a peers file"
        ),
    }
}
