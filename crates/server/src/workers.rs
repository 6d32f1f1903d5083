//! Who does the jobs of services: the payment provider is asked and mail is sent, as the configuration says.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use tradewind_engine::{EngineTime, Settings, Worker};
use tradewind_events::Personal;
use tradewind_notifications::model::Delivery;
use tradewind_payments::Payments;
use tradewind_workers::{
    mail::{Encryption, MailError, MailOptions, SmtpLogin, SmtpOptions, mail_workers},
    provider::{CallbackTarget, ProviderSimulator, ProviderWorker, SimulatorError, SimulatorOptions},
};

use crate::{
    config::{Config, SmtpTls},
    routes::provider_callbacks,
};

/// Who does the jobs of a shop that listens at this address.
pub type HireWorkers =
    Box<dyn FnOnce(&Config, EngineTime, SocketAddr) -> Result<Vec<Arc<dyn Worker>>, WorkersError> + Send>;

/// Why somebody cannot be hired, with the setting that is to be looked at.
#[derive(Debug, thiserror::Error)]
pub enum WorkersError {
    #[error("{setting}: {0}", setting = mail_setting(.0))]
    Mail(#[from] MailError),
    #[error("{setting}: {0}", setting = provider_setting(.0))]
    Simulator(#[from] SimulatorError),
}

const fn mail_setting(error: &MailError) -> &'static str {
    match error {
        MailError::Sender { .. } => "mail_from",
        MailError::Folder { .. } => "mail_folder",
        MailError::Trusted { .. } => "smtp_trusted",
        MailError::Tls { .. } => "smtp_tls",
    }
}

const fn provider_setting(error: &SimulatorError) -> &'static str {
    match error {
        SimulatorError::CallbackUrl { .. } => "provider_callback_url",
        SimulatorError::NotOurs { .. }
        | SimulatorError::OtherVersion { .. }
        | SimulatorError::Store { .. }
        | SimulatorError::Unreadable { .. }
        | SimulatorError::Thread { .. } => "provider_store",
    }
}

/// Those of the services that this process has: mail, and with payments the provider simulator, which has a file beside the
/// store.
pub fn hire(config: &Config, clock: EngineTime, address: SocketAddr) -> Result<Vec<Arc<dyn Worker>>, WorkersError> {
    let (notifications, identity) = mail_workers(mail(config, clock.clone()))?;
    let mut workers: Vec<Arc<dyn Worker>> = vec![Arc::new(notifications), Arc::new(identity)];
    if config.services.names().contains(&Payments::SERVICE) {
        let simulator = ProviderSimulator::open(simulator(config, clock, address))?;
        workers.push(Arc::new(ProviderWorker::new(Arc::new(simulator))));
    }
    Ok(workers)
}

/// How the provider simulator is run. It speaks no TLS: to a shop that speaks nothing else it calls back only by way of
/// an address that is given to it, and otherwise answers everything.
pub fn simulator(config: &Config, clock: EngineTime, address: SocketAddr) -> SimulatorOptions {
    let given = config.provider_callback_url.as_ref().map(ToString::to_string);
    let own =
        || config.tls_certificate.is_none().then(|| format!("http://{}{}", local(address), provider_callbacks::PATH));
    let target = given.or_else(own).zip(config.provider_secret.as_ref());
    SimulatorOptions {
        file: Some(config.provider_store.clone().unwrap_or_else(|| ProviderSimulator::file_beside(&config.store))),
        callbacks: target.map(|(url, secret)| CallbackTarget { url, secret: Arc::clone(secret.expose()) }),
        amounts: config.provider_rules.clone(),
        late_after: config.provider_late_after,
        clock,
    }
}

/// Where a listener can be reached from this machine.
fn local(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

fn mail(config: &Config, clock: EngineTime) -> MailOptions {
    MailOptions {
        from: config.mail_from.to_string(),
        shop: config.shop_name.to_string(),
        link: config.mail_link.to_string(),
        smtp: (config.delivery == Delivery::Smtp).then(|| smtp(config)),
        folder: config.mail_folder.clone(),
        clock,
    }
}

fn smtp(config: &Config) -> SmtpOptions {
    let password = || config.smtp_password.as_ref().map(|password| password.expose().to_owned()).unwrap_or_default();
    let login = config.smtp_user.as_ref();
    let login = login.map(|user| SmtpLogin { user: user.to_string(), password: Personal::new(password()) });
    SmtpOptions {
        host: config.smtp_host.to_string(),
        port: config.smtp_port,
        encryption: match config.smtp_tls {
            SmtpTls::None => Encryption::None,
            SmtpTls::StartTls => Encryption::StartTls,
            SmtpTls::Tls => Encryption::Tls,
        },
        login,
        trusted: config.smtp_trusted.clone(),
        hello: config.smtp_hello.to_string(),
        ..SmtpOptions::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_listens_everywhere_is_called_at_home() {
        for (listens, called) in
            [("0.0.0.0:80", "127.0.0.1:80"), ("[::]:8080", "[::1]:8080"), ("10.0.0.7:80", "10.0.0.7:80")]
        {
            assert_eq!(local(listens.parse().unwrap()).to_string(), called);
        }
    }
}
