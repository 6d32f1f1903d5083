//! The collector: where it is, who we are to it, and how one request to it ended (the rules of OTLP over HTTP).

use std::{path::Path, sync::Arc, time::Duration};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use tokio_rustls::rustls::crypto::ring::default_provider;
use ureq::{
    http::{StatusCode, Uri, header::RETRY_AFTER},
    tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem},
};

use crate::config::{Config, Headers};

/// Where a collector takes traces.
const PATH: &str = "/v1/traces";

/// The longest answer that is read.
const ANSWER_BYTES_MAX: u64 = 64 * 1_024;

pub(super) struct Collector {
    agent: ureq::Agent,
    url: String,
    headers: Option<Headers>,
}

/// Why no collector can be asked.
#[derive(Debug, thiserror::Error)]
pub enum CollectorError {
    #[error("traces_endpoint is {0:?}; expected the address of a collector, such as http://127.0.0.1:4318")]
    Endpoint(String),
    #[error("the certificates in {path} cannot be read: {reason}")]
    Trusted { path: String, reason: String },
}

/// What a collector said to a batch that it took.
#[derive(Debug, Default)]
pub(super) struct Answer {
    /// Spans of the batch that it did not take after all.
    pub refused: u64,
    pub reason: String,
}

/// Why a batch was not taken.
#[derive(Debug)]
pub(super) enum Undelivered {
    /// It is not worth trying again.
    Refused(String),
    Unavailable {
        reason: String,
        /// When it wants to be asked again.
        retry_after: Option<Duration>,
    },
}

impl Collector {
    /// The one that the configuration names, if it names one.
    pub fn new(config: &Config) -> Result<Option<Self>, CollectorError> {
        let Some(endpoint) = &config.traces_endpoint else { return Ok(None) };
        let wrong = || CollectorError::Endpoint(endpoint.to_string());
        let uri: Uri = endpoint.parse().map_err(|_| wrong())?;
        let tls = match uri.scheme_str().filter(|_| uri.host().is_some() && uri.query().is_none()) {
            Some("http") => TlsConfig::default(),
            Some("https") => tls(config.traces_trusted.as_deref())?,
            _ => return Err(wrong()),
        };
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(config.traces_timeout))
            .max_redirects(0)
            .http_status_as_error(false)
            .proxy(None)
            .tls_config(tls)
            .user_agent(concat!("tradewind/", env!("CARGO_PKG_VERSION")))
            .build()
            .into();
        let base = endpoint.trim_end_matches('/');
        let base = base.strip_suffix(PATH).unwrap_or(base);
        Ok(Some(Self { agent, url: format!("{base}{PATH}"), headers: config.traces_headers.clone() }))
    }

    /// Sends one request, and waits for its answer within the time limit.
    pub fn send(&self, body: &[u8]) -> Result<Answer, Undelivered> {
        let mut request = self.agent.post(&self.url).content_type("application/x-protobuf");
        for (name, value) in self.headers.iter().flat_map(Headers::expose) {
            request = request.header(&**name, &**value);
        }
        let unavailable =
            |error: ureq::Error| Undelivered::Unavailable { reason: error.to_string(), retry_after: None };
        let mut response = request.send(body).map_err(unavailable)?;
        let status = response.status();
        if status.is_success() {
            // One that cannot be read says nothing of spans that were refused.
            let said = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec().unwrap_or_default();
            return Ok(answer(&said));
        }
        let reason = format!("status {}", status.as_u16());
        if !is_passing(status) {
            return Err(Undelivered::Refused(reason));
        }
        let seconds = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        Err(Undelivered::Unavailable { reason, retry_after: seconds.map(Duration::from_secs) })
    }
}

/// The states in which OTLP lets a sender try again.
fn is_passing(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT
    )
}

fn answer(body: &[u8]) -> Answer {
    let said = ExportTraceServiceResponse::decode(body).unwrap_or_default().partial_success.unwrap_or_default();
    Answer { refused: u64::try_from(said.rejected_spans).unwrap_or_default(), reason: said.error_message }
}

/// Trusts what the system trusts, and the certificates in this file.
fn tls(trusted: Option<&Path>) -> Result<TlsConfig, CollectorError> {
    let system = rustls_native_certs::load_native_certs();
    let mut roots: Vec<Certificate<'static>> =
        system.certs.iter().map(|certificate| Certificate::from_der(certificate).to_owned()).collect();
    if let Some(path) = trusted {
        let failed = |reason: String| CollectorError::Trusted { path: path.display().to_string(), reason };
        let pem = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
        for item in parse_pem(&pem) {
            if let PemItem::Certificate(certificate) = item.map_err(|error| failed(error.to_string()))? {
                roots.push(certificate);
            }
        }
    }
    Ok(TlsConfig::builder()
        .root_certs(RootCerts::new_with_certs(&roots))
        .unversioned_rustls_crypto_provider(Arc::new(default_provider()))
        .build())
}
